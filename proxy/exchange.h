// One request and its answer: decides where the request goes, relays both ways with backpressure,
// keeps the session's books. Owned by its ClientConn; by the worker once the client has left and
// the backend's answer is still to be drained. Worker thread only. The implementation is in
// exchange_request.cpp (way in), exchange_route.cpp (where to), exchange_user.cpp (whose request it
// is), exchange_check.cpp (whether head and body agree), exchange_session.cpp (MCP rules),
// exchange_wait.cpp (sessions other proxies hold, too),
// exchange_recovery.cpp (backend sessions that were lost), exchange_lost.cpp (servers that were),
// exchange_reopen.cpp (legacy streams that outlive theirs), exchange_response.cpp (way out),
// exchange_early.cpp (calls answered before their backend does), exchange_unopened.cpp (legacy
// streams before their first POST), exchange_limits.cpp (how long an answer may take) and
// exchange_end.cpp (every way to end). What serves only a request without an answer is a part of
// its own (unanswered_request.h), which an event stream that stands no longer has.
//
//   inspect ──routable──▶ [restoring] ──▶ [admitting] ──▶ forwarding ──answer complete──▶ done
//      │                      │               │            │  │   ▲
//      │                      │               │            │  └lost, not run─▶ recovering
//      └──────── refused ─────┴───────────────┴── fault ───┴──▶ answered (our own answer) ──▶ done
//
// Time: one wheel timer, armed for the earliest of the deadlines below and in that part.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/backend_conn.h"
#include "proxy/backend_stats.h"
#include "proxy/config.h"
#include "proxy/http/head_writer.h"
#include "proxy/legacy_streams.h"
#include "proxy/mcp/message_event.h"
#include "proxy/mcp/rpc_scanner.h"
#include "proxy/mcp/sse_scanner.h"
#include "proxy/net/peer_watch.h"
#include "proxy/net/timer_wheel.h"
#include "proxy/recovery_order.h"
#include "proxy/rpc_answer.h"
#include "proxy/session_registry.h"
#include "proxy/session_text.h"
#include "proxy/unanswered_request.h"
#include "proxy/worker_mailbox.h"

namespace holdfast::proxy {

class ClientConn;
struct RequestContext;
class UpstreamState;

inline constexpr uint64_t kManagementBodyBytesMax = 64 * 1024;
inline constexpr size_t kHeldBodyBytesMax =
    64 * 1024;                               // a POST waits for its method at most so long
inline constexpr Millis kEndingFlush{2000};  // an ended stream's client that reads nothing
inline constexpr int kPeerLooks = 4;         // in dead_peer_timeout: it is kept to a quarter
inline constexpr Millis kShortStream{
    1000};  // answers as streams shorter than this are not reported
inline constexpr Millis kDetachedMax{600'000};     // a backend that goes on for a client that left
inline constexpr Millis kConflictPause{50};        // a GET stream that met the one before it
inline constexpr unsigned kConflictTriesMax = 20;  // in all
inline constexpr size_t kEventIdBytesMax = 256;    // of an event id that is looked at
inline constexpr Millis kLegacyHoldMax{3000};      // a stream's head waits for its first event
inline constexpr Millis kLegacyOpenMax{
    30'000};  // a POST waits for its stream's backend: half of what SDK clients give an initialize
inline constexpr size_t kLegacyWaitersMax = 8;  // POSTs that wait for one stream; clients send one

class Exchange final : public BackendUser,
                       public WheelTimer::User,
                       public mcp::SseSink,
                       public Buried {
 public:
  Exchange(Worker &worker, ClientConn &client);
  ~Exchange() override;
  Exchange(const Exchange &) = delete;
  Exchange &operator=(const Exchange &) = delete;

  uint64_t id() const noexcept { return id_; }

  // ---- from the client connection ----
  // The request's head (views into `raw_head`), then what follows it in the input. Return the bytes
  // consumed of `body`; the rest belongs to the next request, or waits (read_paused).
  size_t start(const http::RequestHead &head, std::string_view raw_head, std::string_view body);
  size_t on_client_bytes(std::string_view bytes);
  bool request_complete() const noexcept { return request_complete_; }
  // How many bytes of the request's body can be read and passed on at once. Never more than belong
  // to it: what follows is another request, which waits.
  size_t room_for_request() const;
  // Whether the client's FIN ends it: in the sessionless era leaving is the only cancellation, and
  // before the response begins there is nothing to send that would tell a closed peer from a
  // half-closed one.
  bool fin_cancels() const noexcept { return modern_ && !response_started_; }
  // Whether the connection's end is the answer's: before that only a reset shows that it was cut.
  bool ends_with_connection() const noexcept {
    return response_started_ && client_body_ == http::BodyKind::until_close;
  }
  void on_client_writable();     // everything for the client is in the kernel
  void on_client_progress();     // some of it is
  void on_client_half_closed();  // FIN after a complete request
  // The client has left. True: this exchange lives on to drain the backend's answer (the worker
  // adopts it).
  bool on_client_gone(StreamReason reason);
  void on_request_timeout();                  // the body did not come in time
  BodyDeadlines &body_deadlines() noexcept {  // REQUIRES: !request_complete()
    return request_->body_deadlines;
  }

  // ---- from the worker's mailbox ----
  void on_admit(const AdmitAnswer &answer);
  void on_restored();
  void on_session_ready();
  void on_open_wanted(const OpenLegacy &wanted);
  void on_opened(const LegacyOpened &outcome);
  void on_recovery(const RecoveryDone &done);
  void splice(const SpliceStream &order);
  bool leave_lost_backend();
  void take_over(std::unique_ptr<BackendConn> conn, std::string_view held);
  void on_calls_lost(const CallsLost &calls);
  void finish_for(EndReason reason, Millis idle);
  void on_stop();  // the process stops: streams without end are ended

  // ---- BackendUser ----
  void on_backend_head(const http::ResponseHead &head) override;
  void on_backend_data(std::string_view data) override;
  void on_backend_end() override;
  void on_backend_turn_end() override;
  void on_backend_fault(BackendFault fault, const char *detail) override;
  void on_backend_writable() override;
  void on_backend_blocked() override;
  size_t room_for_answer() override;

  // ---- mcp::SseSink ----
  void on_sse_data(std::string_view piece) override;
  void on_sse_id(std::string_view piece) override;
  void on_sse_event(const mcp::SseEvent &event, size_t end) override;

  void on_deadline(WheelTimer &timer) override;

 private:
  enum class Phase : uint8_t {
    inspect,
    restoring,
    opening,   // a legacy POST whose stream has no session yet
    unopened,  // that stream
    admitting,
    recovering,
    forwarding,
    refusing,
    answered,
    done
  };
  enum class Kind : uint8_t {
    plain,        // relayed as it is, no session
    initialize,   // opens a streamable session
    session,      // a request on a streamable session (POST, GET, DELETE)
    legacy_open,  // GET that may open a legacy session
    legacy_post,  // message POST of a legacy session
    listen,       // subscriptions/listen of 2026-07-28
    management    // answered by sessiond's HTTP API
  };
  using Pieces = std::vector<std::string_view>;

  // exchange_request.cpp
  void forget_request();
  void read_flags(const http::RequestHead &head);
  bool misdirected(const http::RequestHead &head) const;
  bool check(const http::RequestHead &head);
  void start_handler(const http::RequestHead &head);
  void invite_body(const http::RequestHead &head);
  size_t decode(std::string_view bytes, Pieces &pieces);
  void refuse_body();
  void advance(const http::RequestHead *head, std::string_view raw_head, const Pieces &pieces);
  bool ready_to_decide(const Pieces &pieces);
  void hold(std::string_view raw_head, const Pieces &pieces);
  const http::RequestHead &reparse();
  void go_on();
  void dispatch(const http::RequestHead &head, const Pieces &pieces);
  bool choose_backend(const http::RequestHead &head);
  void attach(std::unique_ptr<BackendConn> conn);
  std::unique_ptr<BackendConn> dial(BackendId backend);
  void write_backend_head(const http::RequestHead &head);
  void write_management_head(const http::RequestHead &head);
  void send_request(std::string_view head, std::string_view held, const Pieces &pieces);
  void arm_for_send();
  bool try_elsewhere(BackendFault fault);
  bool await_old_stream(int status);
  void ask_again();

  // exchange_route.cpp
  void locate(const http::RequestHead &head);
  void locate_by_message(const http::RequestHead &head);
  RequestContext context(const http::RequestHead &head) const;
  void choose_pass(const http::RequestHead &head);
  void follow_session();

  // exchange_check.cpp
  void begin_head_check(const http::RequestHead &head);
  bool head_unproven();
  bool head_belied();
  bool belied();
  void refuse_belied();
  void refuse_identified();

  // exchange_user.cpp
  void identify_user(const http::RequestHead &head);
  void identify_by_token(const http::RequestHead &head);
  void take_user(std::string user);

  // exchange_session.cpp
  void decide(const http::RequestHead &head);
  void decide_post(const http::RequestHead &head);
  void decide_get(const http::RequestHead &head);
  void enter_session(Kind kind, std::string_view session, const http::RequestHead &head);
  bool initializes() const;
  void decide_again();

  // exchange_wait.cpp
  bool visit_elsewhere(std::string_view session);
  bool wait_for_session(std::string_view session, bool held);
  void on_wait_due();

  // exchange_session.cpp
  void classify();
  void ask_admission(const http::RequestHead &head, Transport transport);
  link::ToSessiond word_of_opening() const;
  bool bind(std::string_view backend_session);
  void refuse_shared_session();
  void release(ReleaseReason reason);
  void open_stream(StreamKind kind);
  void report_opened();
  void session_answered(const http::ResponseHead &head);
  void opening_answered(const http::ResponseHead &head);
  void on_endpoint_event(size_t end);
  Millis leave_session(SessionRegistry::Finish how);
  void end_session(EndReason reason);
  bool identified(size_t more_bytes) const;
  ExchangeRef ref() const noexcept;
  SessionKeyView key() const noexcept {
    return {session_.view(), home_.key_hash};
  }  // REQUIRES: in_session_

  // exchange_recovery.cpp
  void prepare_recovery();
  void keep_backend_awake(const http::RequestHead &head);
  void keep_copy(std::string_view raw_head, const Pieces &pieces);
  void keep_more(const Pieces &pieces);
  void note_kept();
  void keep_opening(const http::ResponseHead &head);
  bool fence_answers();
  void drop_answers(size_t answers_count, bool asks);
  bool fences_last_event(const http::RequestHead &head) const;
  bool may_be_lost(int status) const;
  void judge(const http::ResponseHead &head);
  void judge_data(std::string_view data);
  void end_judging();
  void release_judged(bool lost);
  bool recover(BackendId to);
  bool recover_elsewhere(bool unsent);
  void refuse_resting();
  void start_recovery(const http::RequestHead &head, BackendId to, RecoveryPlan plan);
  RecoveryHeads recovery_heads(const http::RequestHead &head, const std::string &target);
  bool look_again();
  void resend();
  void note_accepted(const http::ResponseHead &head);
  void give_streams_a_backend();
  bool stream_can_wait() const;
  void let_stream_wait();
  bool begin_waiting_stream();
  void on_spliced_head(const http::ResponseHead &head);
  void take_result(std::string_view data, bool end);
  void note_event_id();

  // exchange_reopen.cpp
  void expect_result();
  void take_streamed_result(const mcp::SseEvent &event, size_t end);
  bool may_stand_alone() const noexcept;
  void await_reopening(const http::RequestHead &head);
  void go_on_reopened();
  void leave_taken();

  // exchange_response.cpp
  void note_status(int status);
  void forward_interim(const http::ResponseHead &head);
  void begin_event_stream(const http::ResponseHead &head);
  void send_client_head(const http::ResponseHead &head);
  void add_client_data(std::string_view data);
  void hold_legacy(std::string_view data);
  void release_held();
  void close_chunk();
  void flush_client();
  void heartbeat();
  void note_responses();
  void watch_stream();
  bool client_vanished(MonoTime now);
  void send_opening();

  // exchange_early.cpp
  bool may_stream_early() const noexcept;
  void start_early_stream();
  void begin_own_stream();
  void on_early_head(const http::ResponseHead &head);
  void add_early_json(std::string_view data);
  void end_early_json();
  void note_early_answer();
  void fail_early(int code, std::string_view message);

  // exchange_unopened.cpp
  bool opens_later(const http::RequestHead &head) const;
  std::string place_of(const http::RequestHead &head) const;
  void begin_unopened(const http::RequestHead &head);
  bool await_opening(std::string_view session, const http::RequestHead &head);
  void open_backend();
  const http::RequestHead &reparse_unopened();
  void on_opening_head(const http::ResponseHead &head);
  void on_opening_refused(const http::ResponseHead &head);
  void opened();
  void not_legacy(int status, std::string_view message =
                                  "Bad Gateway: the backend's stream began without an endpoint");
  void fail_opening(int status, std::string_view message, std::string_view extra_name = {},
                    std::string_view extra_value = {});
  void tell_waiters(const LegacyOpened &outcome);
  void end_unopened(const LegacyOpened &outcome);

  // exchange_lost.cpp
  BackendId reopen_at();
  bool end_lost_session();

  // exchange_limits.cpp
  bool patient() const noexcept;
  bool in_finite_body() const noexcept;
  bool judging() const noexcept;
  bool splicing() const noexcept;
  Millis silence_max() const noexcept;
  Millis write_stall() const noexcept;
  void watch_backend();
  void begin_stream_limits();
  bool on_head_due();
  bool on_silence_due();
  void end_stream(StreamReason reason);
  void forget_backend_deadlines() noexcept;

  // exchange_end.cpp
  void refuse(int status, std::string_view message, std::string_view extra_name = {},
              std::string_view extra_value = {});
  void refuse_session_not_found();
  std::string session_ttl() const;
  void answer(int status, std::string_view content_type, std::string_view body,
              std::string_view extra_name = {}, std::string_view extra_value = {});
  void backend_failed(int status, std::string_view message);
  void management_failed();
  std::string lost_call(std::string_view message);
  void cut();
  void finish_stream(StreamReason reason, std::string_view last_event);
  void complete();
  void finished(StreamReason reason);
  void end_own_session(StreamReason reason);
  SessionRegistry::Finish how_finished() const;
  void park_backend();
  void drop_backend();
  void rearm();
  void arm_for_head();
  void begin_log(const http::RequestHead &head);
  void write_log(std::string_view event);
  bool speaks_rpc() const noexcept;
  bool on_due(MonoTime now);
  bool on_request_due(MonoTime now);
  bool on_backend_due(MonoTime now);
  void flush_gathered();
  void fail_calls_in_flight(std::string_view message, EndReason reason,
                            std::optional<ExchangeRef> carrier = {});
  void note_fault(BackendFault fault, const char *detail);
  void report_closed(StreamReason reason, Millis idle);

  Worker &worker_;
  ClientConn *client_;  // nullptr: the client has left
  std::shared_ptr<const Config> config_;
  const ProxySettings *settings_ = nullptr;
  UpstreamState *upstream_ = nullptr;
  std::unique_ptr<BackendConn> backend_;
  std::unique_ptr<UnansweredRequest> request_;  // null: its event stream stands
  std::unique_ptr<mcp::RpcScanner> scanner_;    // of the request's body, or of the stream's event
  std::unique_ptr<struct ExchangeLegacy> legacy_;  // while a legacy stream's first event is awaited
  std::unique_ptr<struct ExchangeEarly> early_;    // once a slow call got its stream
  std::unique_ptr<struct ExchangeUnopened> unopened_;  // a legacy stream without a session
  std::unique_ptr<struct ExchangeRecovery> recovery_;  // with session_recovery, or for a 404
  std::unique_ptr<struct ExchangeLog> log_;            // only where an access log is on
  std::string request_id_;                             // raw JSON-RPC id, for errors
  SessionHome home_;
  RunningMark running_;  // at the backend, where its load counts
  WheelTimer timer_;
  uint64_t id_;
  uint64_t body_bytes_ = 0;                // of the answer, decoded
  MonoTime stall_due_ = MonoTime::max();   // a backend that sends nothing more
  MonoTime stream_due_ = MonoTime::max();  // an event stream that is old enough
  MonoTime write_due_ = MonoTime::max();
  MonoTime heartbeat_due_ = MonoTime::max();
  MonoTime opened_due_ = MonoTime::max();
  MonoTime peer_due_ = MonoTime::max();  // whether the stream's client is still there is looked at
  PeerWatch peer_watch_;
  Millis ended_idle_{0};  // how long the session had been idle when it ended
  mcp::SseScanner sse_;
  SessionText session_;  // our id; empty without a session
  StreamKind stream_kind_ = StreamKind::get;
  StreamReason end_reason_ = StreamReason::complete;
  http::Method method_ = http::Method::get;
  http::BodyKind client_body_ = http::BodyKind::none;  // how the answer is framed for the client
  Phase phase_ = Phase::inspect;
  Kind kind_ = Kind::plain;
  int status_ = 0;  // of the answer, for the log
  // Single bits: idle streams are many.
  bool request_complete_ : 1 = false;
  bool routed_ : 1 = false;             // by what the body's scanner said
  bool response_started_ : 1 = false;   // the final head was written towards the client
  bool response_complete_ : 1 = false;  // and everything after it
  bool keep_alive_ : 1 = false;
  bool http10_ : 1 = false;
  bool modern_ : 1 = false;
  bool json_body_ : 1 = false;
  bool accepts_stream_ : 1 = false;  // the answer may be an event stream
  bool asks_stream_ : 1 = false;     // a GET that wants one
  bool is_call_ : 1 = false;         // a JSON-RPC request
  bool in_session_ : 1 = false;      // registered with the registry: finish() is owed
  bool classified_ : 1 = false;
  bool waited_ : 1 = false;    // for its session, as long as it may
  bool admitted_ : 1 = false;  // bind() or release() is owed
  bool asked_ : 1 = false;     // sessiond was asked: it holds a reservation for us
  bool persistent_ : 1 = false;
  bool event_stream_ : 1 = false;
  bool stream_opened_ : 1 = false;    // reported: closed is owed
  bool answered_ : 1 = false;         // the response to our request id was seen
  bool ids_seen_ : 1 = false;         // the stream has event ids: the client can resume
  bool scan_events_ : 1 = false;      // responses on this stream are looked for
  bool discard_request_ : 1 = false;  // an early answer: what is left of the body is nobody's
  bool chunk_open_ : 1 = false;       // a chunk is being gathered in this turn
  bool last_chunk_sent_ : 1 = false;
  bool ending_ : 1 = false;   // a stream we ended: what is unsent has two seconds
  bool flushed_ : 1 = false;  // something of the answer was handed to the client's connection
};

// A legacy stream whose `endpoint` event has not come yet.
struct ExchangeLegacy {
  std::string held;         // bytes of the stream so far
  std::string endpoint;     // data of the first event
  std::string client_head;  // serialised, not yet sent
  std::string path;         // of the client's GET
  size_t base = 0;          // of the piece being scanned, within `held`
  std::string host;         // what we forwarded as Host
  std::string place;        // to be learned; empty: not there
  bool decided = false;
};

// A legacy stream that has its endpoint, and neither backend nor session until an initialize comes.
struct ExchangeUnopened {
  LegacyStreams::Place place;
  std::string head;           // the client's GET, as received: what the backend is sent
  std::string authorization;  // of the POST that opens: newer than the GET's
  std::string client_name;    // as that POST has them
  std::string client_version;
  std::vector<ExchangeRef> waiters;  // POSTs
  MonoTime due = MonoTime::max();    // of the backend's endpoint
};

// A call that was answered with a stream before its backend said anything.
struct ExchangeEarly {
  mcp::MessageEvent event;
  bool headed = false;    // the backend's head came since
  bool json = false;      // and its body travels as one event
  bool in_event = false;  // which has begun
};

// What an exchange of a session that can be recovered has besides, and any while it looks at an
// answer that may say that the session is gone.
struct ExchangeRecovery {
  std::string head;  // of the request, raw: it is parsed again when the request is sent again
  std::string body;  // decoded
  std::optional<SessionRecovery::Kept> kept;  // the server will hold something because of it
  std::string uri;                            // of what
  std::string client_head;            // of an answer that is being judged: serialised, not yet sent
  std::string answer;                 // its body
  std::string event_id;               // of the event that passes
  std::string opening_id;             // raw, of a legacy session's initialize
  std::unique_ptr<RpcAnswer> result;  // of an initialize
  size_t answers_count = 0;           // responses in it: to questions of the session it met
  int judged = 0;                     // its status; 0: none is being judged
  bool asks = false;                  // and something that is none
  bool whole = false;                 // head and body are all of the request: it can be repeated
  bool resent = false;
  bool splicing = false;  // the stream's new backend has not answered yet
};

// What the access log shows of a request.
struct ExchangeLog {
  MonoTime started{};
  std::string user;
  std::string remote_addr;
  std::string request_line;
  std::string referrer;
  std::string agent;
  std::string rpc_method;
  std::string tool;
};

}  // namespace holdfast::proxy
