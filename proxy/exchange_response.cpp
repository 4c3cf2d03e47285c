// The way out: from the backend's answer to the client, byte for byte, with one framing of ours.
#include <algorithm>

#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/era.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kHeartbeat = ": ping\n\n";
// Intermediaries were seen to hold a head back until the first body byte; a silent stream gets one.
constexpr std::string_view kOpening = ": ok\n\n";

Counter class_counter(int status) {
  if (status < 300) return Counter::responses_2xx;
  if (status < 400) return Counter::responses_3xx;
  return status < 500 ? Counter::responses_4xx : Counter::responses_5xx;
}

}  // namespace

void Exchange::on_backend_head(const http::ResponseHead &head) {
  if (head.status < 200) {
    forward_interim(head);
    return;
  }
  if (await_old_stream(head.status)) return;
  if (splicing()) {
    on_spliced_head(head);
    return;
  }
  request_->connect_due = request_->early_due = MonoTime::max();
  if (!patient()) request_->head_due = MonoTime::max();
  request_->resend.clear();
  if (upstream_ != nullptr) upstream_->note_success(home_.backend);
  worker_.note_backend(home_.backend, true);
  if (!request_complete_) {  // an early answer: what is left of the request is nobody's (2.8)
    discard_request_ = true;
    keep_alive_ = false;
    if (client_ != nullptr) client_->pause_reading(false);
  }
  if (may_be_lost(head.status)) {
    judge(head);
    return;
  }
  note_status(head.status);
  if (recovery_ && (kind_ == Kind::session || kind_ == Kind::legacy_post)) note_accepted(head);
  if (early_) {
    on_early_head(head);
    return;
  }
  if (unopened_) {
    on_opening_head(head);
    return;
  }
  begin_event_stream(head);
  if (admitted_) {
    opening_answered(head);
    if (!backend_) return;  // refused
  } else if (in_session_) {
    session_answered(head);
  }
  if (client_ == nullptr) {
    if (kind_ == Kind::initialize) {
      drop_backend();
      finished(StreamReason::client_closed);
      worker_.retire(id_);
    }
    return;
  }
  if (event_stream_ && in_session_) {
    if (kind_ == Kind::session)
      open_stream(method_ == http::Method::get ? StreamKind::get : StreamKind::post);
    if (kind_ == Kind::initialize) open_stream(StreamKind::post);
    if (kind_ == Kind::listen) open_stream(StreamKind::listen);
  }
  send_client_head(head);
  if (kind_ == Kind::legacy_post && in_session_ && head.status < 300) leave_taken();
}

// What the client will see; of an early stream it has seen another one already.
void Exchange::note_status(int status) {
  if (early_ || unopened_) return;
  status_ = status;
  worker_.counters().add(class_counter(status));
}

void Exchange::forward_interim(const http::ResponseHead &head) {
  if (client_ == nullptr || http10_ || response_started_) return;
  std::string &text = worker_.scratch().client_head;
  text.clear();
  http::ResponseForwarding how;
  how.session_rule = http::SessionIdRule::drop;
  http::write_response_head(text, head, how);
  const iovec all{text.data(), text.size()};
  client_->send({&all, 1});
}

void Exchange::begin_event_stream(const http::ResponseHead &head) {
  const std::string_view coding = head.fields.value(http::FieldId::content_encoding);
  event_stream_ =
      head.status == 200 && head.framing.kind != http::BodyKind::none &&
      mcp::content_type_is(head.fields.value(http::FieldId::content_type), "text/event-stream") &&
      (coding.empty() || coding == "identity");
  if (!event_stream_) {
    legacy_.reset();
    if (head.framing.kind != http::BodyKind::none && client_ != nullptr) watch_backend();
    return;
  }
  if (in_session_ && !classified_ && method_ == http::Method::post) {
    worker_.registry().classify(key(), ref(), {});
    classified_ = true;
  }
  request_->head_due = MonoTime::max();
  if (scanner_) worker_.give_scanner(std::move(scanner_));
  scan_events_ = kind_ == Kind::session || kind_ == Kind::initialize;
  watch_stream();
  if (legacy_) request_->hold_due = worker_.now() + kLegacyHoldMax;
  if (client_ != nullptr) begin_stream_limits();
  rearm();
}

// For how many seconds the session may be idle, as the client is told; empty: nothing is said.
// Small enough for every std::string to hold without allocating.
std::string Exchange::session_ttl() const {
  if (!in_session_ || !settings_->session_ttl_header) return {};
  if (recovery_ && recovery_->judged == 404) return {};  // it may be gone
  if (request_->view.life.persistent) return "persistent";
  return std::to_string(
      std::chrono::floor<std::chrono::seconds>(request_->view.life.timeout).count());
}

void Exchange::send_client_head(const http::ResponseHead &head) {
  http::ResponseForwarding how;
  if (head.framing.kind == http::BodyKind::none) {
    how.framing = {http::BodyKind::none, 0};
  } else if (head.framing.kind == http::BodyKind::length && !event_stream_) {
    how.framing = head.framing;
  } else {
    how.framing = {http10_ ? http::BodyKind::until_close : http::BodyKind::chunked, 0};
  }
  if (worker_.draining()) keep_alive_ = false;
  client_body_ = how.framing.kind;
  how.keep_alive = keep_alive_;
  how.date = worker_.http_date();
  how.http10 = http10_;
  how.event_stream = event_stream_;
  const bool has_id = head.fields.find(http::FieldId::mcp_session_id) != nullptr;
  const bool ours = kind_ == Kind::session || (kind_ == Kind::initialize && !session_.empty());
  how.session_rule = has_id && ours ? http::SessionIdRule::replace : http::SessionIdRule::drop;
  how.session_id = session_.view();
  const std::string ttl = session_ttl();
  const http::ExtraField ttl_field{"Holdfast-Session-Ttl", ttl};
  if (!ttl.empty()) how.set = {&ttl_field, 1};
  std::string &text = worker_.scratch().client_head;
  text.clear();
  http::write_response_head(text, head, how);
  response_started_ = true;
  if (legacy_) {
    legacy_->client_head = text;
    response_started_ = false;  // a foreign endpoint can still be refused
    return;
  }
  if (recovery_ && recovery_->judged != 0) {
    recovery_->client_head = text;
    response_started_ = false;
    return;
  }
  Gather &gather = worker_.scratch().client_gather;
  gather.clear();
  gather.add(text);
  if (event_stream_) write_log("open");
}

void Exchange::on_backend_data(std::string_view data) {
  if (recovery_ && recovery_->judged != 0) {
    judge_data(data);
    return;
  }
  body_bytes_ += data.size();
  if (recovery_ && recovery_->result) take_result(data, false);
  if (legacy_) {
    hold_legacy(data);
    return;
  }
  if (early_ && early_->json) {
    add_early_json(data);
    return;
  }
  if (event_stream_) sse_.feed(data, *this);
  if (client_ != nullptr) add_client_data(data);
}

void Exchange::add_client_data(std::string_view data) {
  Gather &gather = worker_.scratch().client_gather;
  if (!gather.has_room(5, 64)) flush_client();
  if (client_body_ == http::BodyKind::chunked && !chunk_open_) {
    chunk_open_ = true;
    worker_.scratch().client_chunk = {.from_bytes = gather.bytes(), .place = gather.reserve()};
  }
  gather.add(data);
}

void Exchange::close_chunk() {
  if (!chunk_open_) return;
  chunk_open_ = false;
  Gather &gather = worker_.scratch().client_gather;
  const Scratch::OpenChunk &chunk = worker_.scratch().client_chunk;
  char open[20];
  const size_t bytes = gather.bytes() - chunk.from_bytes;
  gather.fill(chunk.place, {open, http::write_chunk_open(open, bytes)});
  gather.add(http::kChunkEnd);
}

// Until the first event of a stream that may be a legacy session has come whole, nothing is sent.
void Exchange::hold_legacy(std::string_view data) {
  legacy_->base = legacy_->held.size();
  legacy_->held.append(data);
  sse_.feed(data, *this);
  if (!backend_) return;  // refused meanwhile
  if (!legacy_->decided && legacy_->held.size() > mcp::kEndpointEventBytesMax) {
    if (unopened_) {
      not_legacy(502);
      return;
    }
    legacy_->decided = true;
    release(ReleaseReason::not_legacy);
  }
  if (legacy_->decided) release_held();
}

// The first event is decided: everything held goes out, in order, and the stream is like any other.
void Exchange::release_held() {
  const std::unique_ptr<ExchangeLegacy> held = std::move(legacy_);
  request_->hold_due = MonoTime::max();
  if (!in_session_) kind_ = Kind::plain;
  if (client_ == nullptr) return;
  Gather &gather = worker_.scratch().client_gather;
  if (!response_started_) {
    response_started_ = true;
    gather.clear();
    gather.add(held->client_head);
    write_log("open");
  }
  if (!held->held.empty()) add_client_data(held->held);
  flush_client();  // what was held dies with this frame
}

void Exchange::on_sse_data(std::string_view piece) {
  if (legacy_ && !legacy_->decided) {
    if (legacy_->endpoint.size() + piece.size() <= mcp::kEndpointEventBytesMax)
      legacy_->endpoint.append(piece);
    return;
  }
  if (!scan_events_) return;
  if (kind_ == Kind::legacy_open && recovery_) recovery_->result->on_sse_data(piece);
  if (!scanner_) scanner_ = worker_.take_scanner();
  (void)scanner_->feed(piece);  // ignoring: asked at the event's end
}

void Exchange::on_sse_id(std::string_view piece) {
  if (home_.generation == 0 || !in_session_ || kind_ == Kind::legacy_open) return;
  if (!recovery_) recovery_ = std::make_unique<ExchangeRecovery>();
  recovery_->event_id.append(piece.substr(0, kEventIdBytesMax - recovery_->event_id.size()));
}

void Exchange::on_sse_event(const mcp::SseEvent &event, size_t end) {
  if (legacy_ && !legacy_->decided) {
    if (event.comment_only) {
      legacy_->endpoint.clear();
    } else if (event.name == "endpoint") {
      on_endpoint_event(legacy_->base + end);
    } else if (unopened_) {
      not_legacy(502);
    } else {
      legacy_->decided = true;
      release(ReleaseReason::not_legacy);
    }
    return;
  }
  if (event.has_id) {
    ids_seen_ = true;
    if (home_.generation > 0) note_event_id();
  }
  if (event.has_data && !event.empty_data && in_session_) worker_.registry().on_event(key());
  if (scanner_) {
    note_responses();
    if (kind_ == Kind::legacy_open && recovery_) take_streamed_result(event, end);
    worker_.give_scanner(std::move(scanner_));
  }
}

void Exchange::note_responses() {
  for (const mcp::RpcMessage &message : *scanner_) {
    if (home_.recovers && message.is_request())
      worker_.registry().on_server_request(key(), message.id, home_.generation);
    if (!message.is_response()) continue;
    worker_.registry().on_response(key(), message.id);
    if (message.id == request_id_) answered_ = true;
  }
}

void Exchange::on_backend_end() {
  if (request_) request_->head_due = MonoTime::max();
  stall_due_ = MonoTime::max();
  if (legacy_ && unopened_) {
    not_legacy(502);
    return;
  }
  if (recovery_ && recovery_->judged != 0) {
    response_complete_ = true;
    return;
  }
  if (recovery_ && recovery_->result) take_result({}, true);
  if (legacy_) {  // ended before its first event: plain after all
    if (!legacy_->decided) release(ReleaseReason::not_legacy);
    response_complete_ = true;
    release_held();
    return;
  }
  if (early_ && early_->json) end_early_json();
  if (leave_lost_backend()) return;
  fail_calls_in_flight("the backend was lost in mid-call", EndReason::backend_lost);
  response_complete_ = true;
}

void Exchange::on_backend_turn_end() {
  if (phase_ == Phase::done || legacy_) return;
  if (client_ == nullptr) {
    worker_.scratch().client_gather.clear();
    if (response_complete_) complete();
    return;
  }
  if (recovery_ && recovery_->judged != 0) {
    if (response_complete_) end_judging();
    return;
  }
  if (body_bytes_ > 0 && !response_complete_) watch_backend();
  if (event_stream_ && body_bytes_ == 0 && !response_complete_ && !flushed_) {
    send_opening();
  } else {
    flush_client();
  }
  forget_request();
}

void Exchange::send_opening() {
  if (settings_->sse_heartbeat > Millis{0}) add_client_data(kOpening);
  flush_client();
}

// An event stream may be silent: it is kept alive, and its client looked after.
void Exchange::watch_stream() {
  if (settings_->sse_heartbeat > Millis{0})
    heartbeat_due_ = worker_.now() + settings_->sse_heartbeat;
  if (settings_->dead_peer_timeout > Millis{0})
    peer_due_ = worker_.now() + settings_->dead_peer_timeout / kPeerLooks;
}

// The look at the stream's client that is due. A Unix socket's is on this machine and always said
// to have gone.
bool Exchange::client_vanished(MonoTime now) {
  const Millis limit = settings_->dead_peer_timeout;
  peer_due_ = MonoTime::max();
  const std::optional<TcpState> state = client_->tcp_state();
  if (!state) return false;
  peer_due_ = now + limit / kPeerLooks;
  return peer_watch_.gone(*state, now, limit);
}

void Exchange::flush_client() {
  Gather &gather = worker_.scratch().client_gather;
  close_chunk();
  if (response_complete_ && client_body_ == http::BodyKind::chunked && !last_chunk_sent_) {
    last_chunk_sent_ = true;
    gather.add(http::kLastChunk);
  }
  if (!gather.empty()) {
    flushed_ = true;
    client_->send(gather.packed());
    gather.clear();
    if (event_stream_ && settings_->sse_heartbeat > Millis{0}) {
      heartbeat_due_ = worker_.now() + settings_->sse_heartbeat;
    }
  }
  const size_t unsent = client_->unsent_bytes();
  if (unsent == 0) {
    if (response_complete_) complete();
    return;
  }
  if (write_due_ == MonoTime::max()) {
    write_due_ = worker_.now() + write_stall();
    rearm();
  }
  // Nothing more is read while a rest is unsent: a client that does not read costs one receive
  // buffer at most, and the kernel's own buffers keep everybody else's pipe full.
  if (backend_) {
    worker_.counters().add(Counter::backpressure_pauses);
    backend_->pause_reading(true);
  }
}

// What is looked at before it may pass is collected, and has bounds of its own.
size_t Exchange::room_for_answer() {
  const bool passes = client_ != nullptr && !legacy_ && !(recovery_ && recovery_->judged != 0);
  return passes ? client_->room() : 0;
}

void Exchange::on_client_progress() {
  if (write_due_ != MonoTime::max() && !ending_) write_due_ = worker_.now() + write_stall();
}

void Exchange::on_client_writable() {
  write_due_ = MonoTime::max();
  if (response_complete_) {
    complete();
    return;
  }
  if (!backend_ || !backend_->reading_paused()) return;
  backend_->pause_reading(false);
  watch_backend();  // it could not be heard meanwhile
}

// FIN while a stream is open: a comment finds out whether anybody still reads. A closed peer
// answers it with RST; a half-closed one keeps receiving.
void Exchange::on_client_half_closed() {
  if (event_stream_ && response_started_) heartbeat();
}

void Exchange::heartbeat() {
  if (settings_->sse_heartbeat > Millis{0})
    heartbeat_due_ = worker_.now() + settings_->sse_heartbeat;
  // What a backend has sent of its endpoint event to an unopened stream is not the client's.
  const bool inside =
      !unopened_ && (legacy_ || !sse_.between_events() || (early_ && early_->in_event));
  if (client_ == nullptr || inside || client_->unsent_bytes() > 0) return;
  worker_.counters().add(Counter::heartbeats);
  Gather &gather = worker_.scratch().client_gather;
  gather.clear();
  add_client_data(kHeartbeat);
  flush_client();
}

}  // namespace holdfast::proxy
