// What a request is to MCP sessions: which one it belongs to, whether it opens one, and what its
// answer means for it.
#include <algorithm>

#include "common/ids.h"
#include "common/limits.h"
#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/control.h"
#include "proxy/exchange.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/era.h"
#include "proxy/own_answers.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kSharedSession =
    "Bad Gateway: the backend gave out a session that is another user's";

// When_sessiond_down of the configuration as the control thread takes it.
WhenDown when_down(WhenSessiondDown value) {
  switch (value) {
    case WhenSessiondDown::serve:
      return WhenDown::serve;
    case WhenSessiondDown::refuse:
      return WhenDown::refuse;
    case WhenSessiondDown::automatic:
      break;
  }
  return WhenDown::automatic;
}

}  // namespace

ExchangeRef Exchange::ref() const noexcept { return {worker_.index(), id_}; }

// Decides what the request is and whether it may go on: afterwards the phase is forwarding,
// admitting, restoring, refusing, or an answer has been given.
void Exchange::decide(const http::RequestHead &head) {
  if (kind_ == Kind::management) {
    if (request_->body.decoded_bytes() > kManagementBodyBytesMax) {
      refuse(413, "request body too large");
      return;
    }
    phase_ = Phase::forwarding;
    return;
  }
  if (head_belied()) {
    phase_ = Phase::refusing;
    return;
  }
  if (scanner_ && scanner_->size() > 0 && !scanner_->batch()) {
    const mcp::RpcMessage &message = scanner_->first();
    request_id_ = message.id;
    is_call_ = message.is_request();
    if (log_) {
      log_->rpc_method = message.method;
      log_->tool = message.tool_name;
    }
  }
  if (scanner_ && scanner_->batch()) {
    is_call_ = std::any_of(scanner_->begin(), scanner_->end(),
                           [](const auto &m) { return m.is_request(); });
  }
  phase_ = Phase::forwarding;
  routed_ =
      scanner_ && scanner_->state() != mcp::RpcScanner::State::unclear && scanner_->size() > 0;
  const std::string_view session = head.fields.value(http::FieldId::mcp_session_id);
  if (method_ == http::Method::post) {
    decide_post(head);
  } else if (!session.empty() && !modern_) {
    enter_session(Kind::session, session, head);
  } else if (asks_stream_ && !modern_) {
    kind_ = Kind::legacy_open;
    if (opens_later(head)) {
      begin_unopened(head);
      return;
    }
    legacy_ = std::make_unique<ExchangeLegacy>();
    legacy_->path = head.path;
    legacy_->host = head.host;
    legacy_->place = place_of(head);
    ask_admission(head, Transport::sse);
  }
}

void Exchange::decide_post(const http::RequestHead &head) {
  const std::string_view session = head.fields.value(http::FieldId::mcp_session_id);
  const bool single = scanner_ && scanner_->size() > 0 && !scanner_->batch();
  const mcp::RpcMessage *message = single ? &scanner_->first() : nullptr;
  const bool is_initialize = message != nullptr && message->method == mcp::kInitialize;
  const std::string_view legacy_id = mcp::session_id_in_query(head.query);
  if (!legacy_id.empty() && session.empty() && !modern_) {
    enter_session(Kind::legacy_post, legacy_id, head);
  } else if (is_initialize && !modern_) {
    // A stale id on initialize is dropped: the client wants a new session (mcp-wire, pain 1).
    kind_ = Kind::initialize;
    ask_admission(head, Transport::streamable);
  } else if (!session.empty() && !modern_) {
    enter_session(Kind::session, session, head);
  } else if (modern_ && message != nullptr && message->method == mcp::kListen) {
    kind_ = Kind::listen;
    ask_admission(head, Transport::listen);
  }
}

bool Exchange::initializes() const {
  return scanner_ && scanner_->size() > 0 && !scanner_->batch() &&
         scanner_->first().method == mcp::kInitialize;
}

void Exchange::enter_session(Kind kind, std::string_view session, const http::RequestHead &head) {
  kind_ = kind;
  const bool expects_messages = method_ == http::Method::post;
  const auto begins = [&] {
    const bool begun =
        worker_.registry().begin(session, request_->user, ref(), expects_messages, request_->view);
    if (begun) home_ = static_cast<const SessionHome &>(request_->view);
    return begun;
  };
  bool known = session.size() == kSessionIdChars && begins();  // any other is not there
  if (!known && request_->view.held && waited_) {
    for (const ExchangeRef &other : worker_.registry().release(SessionKeyView(session))) {
      worker_.tell(other.worker, SessionReady{other.exchange});
    }
    known = begins();
  }
  if (!known && request_->view.held && wait_for_session(session, true)) return;
  if (!known && kind == Kind::legacy_post && is_session_id(session)) {
    if (await_opening(session, head) || visit_elsewhere(session)) return;
    known = begins();  // its stream may have got its session between the two looks
  }
  if (known) {
    const Transport transport = kind == Kind::legacy_post ? Transport::sse : Transport::streamable;
    // The client of a legacy session that has not been initialized takes it for an earlier one.
    const bool stray = request_->view.awaits_initialize && !initializes();
    session_.assign(session);
    in_session_ = true;
    if (request_->view.transport != transport ||
        stray) {  // an id of another transport is not this one's
      (void)leave_session(SessionRegistry::Finish::answered);  // ignoring: it never was on it
    } else {
      follow_session();
      prepare_recovery();
      if (kind_ == Kind::session && expects_messages) keep_backend_awake(head);
      const bool stranded = kind_ == Kind::legacy_post && request_->view.streams_wait;
      if (expects_messages && (home_.generation > 0 || stranded) && fence_answers()) return;
      if (expects_messages) classify();
      if (stranded) await_reopening(head);
      if (method_ == http::Method::get &&
          request_->view.streams >= settings_->streams_per_session) {
        (void)leave_session(SessionRegistry::Finish::answered);  // ignoring: it never was a stream
        refuse(429, "Too Many Requests: this session has as many streams as it may", "Retry-After",
               "1");
      }
      return;
    }
  }
  session_.clear();
  request_->refusal_reason = public_word(EndReason::unknown);
  if (is_session_id(session)) {
    request_->refusal_reason = public_word(worker_.registry().why_ended(session, request_->user));
  }
  if (is_session_id(session) && worker_.control().restoring()) {
    phase_ = Phase::restoring;
    worker_.await_restoration(id_);
    return;
  }
  if (is_session_id(session) && wait_for_session(session, false)) return;
  phase_ = Phase::refusing;
}

// Tells the registry what the body says, once it is known for sure.
void Exchange::classify() {
  if (scanner_ && !request_complete_ && scanner_->state() == mcp::RpcScanner::State::more) return;
  classified_ = true;
  if (scanner_) {
    if (recovery_) note_kept();
    worker_.registry().classify(key(), ref(), {scanner_->begin(), scanner_->size()});
    if (request_id_.empty() && !scanner_->batch()) request_id_ = scanner_->first().id;
    worker_.give_scanner(std::move(scanner_));
  } else {
    worker_.registry().classify(key(), ref(), {});
  }
}

void Exchange::ask_admission(const http::RequestHead &head, Transport transport) {
  if (!unopened_) session_.assign(mint_session_id());
  request_->opening = std::make_unique<SessionIdentity>();
  SessionIdentity &opening = *request_->opening;
  opening.id = session_.view();
  opening.user = request_->user;
  opening.policy = settings_->session_policy;
  opening.transport = transport;
  opening.target = head.target;
  opening.peer = client_->peer_ip();
  opening.initialize_first = transport == Transport::sse && settings_->legacy_sse_initialize_first;
  if (scanner_ && scanner_->size() > 0) {
    opening.client_name = scanner_->first().client_name.substr(0, kClientNameBytesMax);
    opening.client_version = scanner_->first().client_version.substr(0, kClientNameBytesMax);
  }
  if (unopened_) {
    opening.client_name = unopened_->client_name;
    opening.client_version = unopened_->client_version;
  }
  if (const std::optional<bool> persistent = worker_.control().admits_at_once(opening.policy)) {
    admitted_ = true;  // straight on: there is nothing to wait for
    asked_ = false;
    persistent_ = *persistent;
    if (unopened_) open_backend();
    return;
  }
  asked_ = true;
  link::Admit request;
  request.session = session_.view();
  request.user = request_->user;
  request.policy = opening.policy;
  request.transport = transport;
  request.peer = opening.peer;
  request.client_name = opening.client_name;
  request.client_version = opening.client_version;
  phase_ = Phase::admitting;
  worker_.control().admit(std::move(request), ref(), when_down(settings_->when_sessiond_down));
}

void Exchange::on_admit(const AdmitAnswer &answer) {
  // Too late for us: whatever ended the wait has cancelled the admission, which gives the slot
  // back.
  if (phase_ != Phase::admitting) return;
  if (!answer.admitted) {
    worker_.counters().add(Counter::sessions_refused);
    const bool down = answer.reason == RefuseReason::sessiond_down;
    request_->refusal_reason = to_word(answer.reason);
    const std::string retry = std::to_string(std::max<int64_t>(answer.retry_after_s, 1));
    refuse(503,
           down ? "Service Unavailable: the session daemon cannot be asked, try again"
                : "Service Unavailable: the session limit is reached, try again later",
           "Retry-After", retry);
    return;
  }
  admitted_ = true;
  persistent_ = answer.persistent;
  unopened_ ? open_backend() : go_on();
}

void Exchange::on_restored() {
  if (phase_ == Phase::restoring) decide_again();
}

// What was waited for has come: the request is looked at as if it had come now.
void Exchange::decide_again() {
  phase_ = Phase::forwarding;
  const http::RequestHead &head = reparse();
  decide(head);
  if (phase_ == Phase::forwarding) {
    keep_copy({}, {});
    dispatch(head, {});
  } else if (phase_ == Phase::refusing && identified(0)) {
    refuse_identified();
  }
  if (client_ != nullptr) client_->pause_reading(false);
}

// True when the id a refusal echoes is known, or will not be.
bool Exchange::identified(size_t) const {
  return method_ != http::Method::post || request_complete_ || !scanner_ ||
         scanner_->state() != mcp::RpcScanner::State::more ||
         request_->body.decoded_bytes() >= kHeldBodyBytesMax;
}

// How sessiond learns of the session that opens now: by its name where it holds the slot, else
// whole.
link::ToSessiond Exchange::word_of_opening() const {
  if (!asked_) {
    link::Record record = told(*request_->opening, worker_.backends());
    record.persistent = persistent_;
    return link::Snapshot{std::move(record)};
  }
  link::Bound bound;
  bound.session = session_.view();
  bound.backend = worker_.backends().at(home_.backend).name;
  bound.backend_session = request_->opening->backend_session;
  bound.target = request_->opening->target;
  return bound;
}

// The backend accepted: from here on the session exists. False: what it gave is another user's, and
// the request has been refused.
bool Exchange::bind(std::string_view backend_session) {
  request_->opening->backend = home_.backend;
  request_->opening->backend_session = backend_session;
  link::ToSessiond word = word_of_opening();
  const auto life = worker_.registry().bind(*request_->opening, persistent_, ref());
  if (!life) {
    refuse_shared_session();
    return false;
  }
  request_->view.life = *life;
  home_.key_hash = keyed_hash(session_.view());
  request_->opening.reset();
  admitted_ = false;
  in_session_ = true;
  classified_ = true;
  worker_.counters().add(Counter::sessions_opened);
  worker_.control().report(std::move(word));
  return true;
}

// A backend that gives one session to two users would mix up what they say and hear. It keeps the
// session for the user who has it: a DELETE would end theirs.
void Exchange::refuse_shared_session() {
  request_->opening.reset();
  if (worker_.fault_log().allow(worker_.now())) {
    log_warn("event=backend_session_shared backend={} suppressed={}",
             worker_.backends().at(home_.backend).name, worker_.fault_log().suppressed());
  }
  if (unopened_) {
    fail_opening(502, kSharedSession);
    return;
  }
  if (legacy_) legacy_->held.clear();
  event_stream_ = false;
  if (response_started_) {
    release(ReleaseReason::backend_refused);
    cut();
  } else {
    backend_failed(502, kSharedSession);
  }
}

void Exchange::release(ReleaseReason reason) {
  admitted_ = false;
  request_->opening.reset();
  if (asked_) worker_.control().report(link::Released{session_.str(), reason});
  if (!unopened_) session_.clear();  // its client has the id already
}

// Most answers to a POST are streams of a few milliseconds: sessiond hears of those that last.
void Exchange::open_stream(StreamKind kind) {
  stream_kind_ = kind;
  worker_.registry().add_stream(key(), ref());
  if (kind == StreamKind::post) {
    opened_due_ = worker_.now() + kShortStream;
    rearm();
  } else {
    report_opened();
  }
}

void Exchange::report_opened() {
  opened_due_ = MonoTime::max();
  stream_opened_ = true;
  worker_.counters().add(Counter::streams_open);
  worker_.control().report(link::Opened{session_.str(), static_cast<int64_t>(id_), stream_kind_});
}

// The head of an answer to something that may open a session.
void Exchange::opening_answered(const http::ResponseHead &head) {
  const bool ok = head.status >= 200 && head.status < 300;
  if (kind_ == Kind::legacy_open) {
    // Whether it is a legacy session shows with the stream's first event.
    if (!event_stream_) release(ReleaseReason::not_legacy);
    return;
  }
  if (kind_ == Kind::listen) {
    if (ok && event_stream_) {
      (void)bind({});  // ignoring: a listen has no session at the backend that could be another's
    } else {
      release(ReleaseReason::backend_refused);
    }
    return;
  }
  const std::string backend_session(head.fields.value(http::FieldId::mcp_session_id));
  if (!ok) {
    release(ReleaseReason::backend_refused);
  } else if (backend_session.empty()) {
    release(ReleaseReason::sessionless);
  } else if (client_ == nullptr) {
    // Nobody is left to use it; the backend must not keep it either.
    worker_.delete_at_backend({home_.backend, request_->opening->target, backend_session});
    release(ReleaseReason::client_gone);
  } else {
    if (bind(backend_session)) keep_opening(head);
  }
}

// The head of an answer on a live streamable session: what does it say about the session?
void Exchange::session_answered(const http::ResponseHead &head) {
  if (kind_ != Kind::session) return;
  const bool gone = head.status == 404 && method_ != http::Method::get;
  if (method_ == http::Method::delete_ && ((head.status >= 200 && head.status < 300) || gone)) {
    end_session(EndReason::client_delete);
  } else if (gone) {
    end_session(EndReason::backend_ended);
  }
}

// Ends our session; the registry forgets it, everybody else on it is finished by the control
// thread.
void Exchange::end_session(EndReason reason) {
  std::optional<EndedSession> ended = worker_.registry().end(session_.view(), reason);
  in_session_ = false;
  if (!ended) return;
  auto &others = ended->exchanges;
  others.erase(std::remove(others.begin(), others.end(), ref()), others.end());
  worker_.control().session_ended(std::move(*ended));
}

Millis Exchange::leave_session(SessionRegistry::Finish how) {
  if (!in_session_) return Millis{0};
  in_session_ = false;
  return worker_.registry().finish(key(), ref(), how);
}

// The first event of a stream that may be legacy is complete; `end` bytes of the held ones are its.
void Exchange::on_endpoint_event(size_t end) {
  legacy_->decided = true;
  const Backend &backend = worker_.backends().at(home_.backend);
  const std::string_view own[] = {backend.server, legacy_->host};
  const Result<std::string> target =
      mcp::resolve_endpoint(legacy_->endpoint, legacy_->path, own, std::size(own));
  if (!target) {
    release(ReleaseReason::not_legacy);
    if (worker_.fault_log().allow(worker_.now())) {
      log_warn("event=endpoint_refused backend={} detail={} suppressed={}", backend.name,
               quoted(target.error().message), worker_.fault_log().suppressed());
    }
    drop_backend();
    legacy_->held.clear();
    if (unopened_) {
      not_legacy(502, "Bad Gateway: the backend announced an endpoint that is not its own");
    } else if (response_started_) {
      cut();
    } else {
      refuse(502, "Bad Gateway: the backend announced an endpoint that is not its own");
    }
    return;
  }
  if (!bind(*target)) return;
  open_stream(StreamKind::legacy);
  scan_events_ = true;
  if (settings_->session_recovery) expect_result();
  // The event's last line may end in CRLF, of which only the CR has decided it.
  if (end > 0 && legacy_->held[end - 1] == '\r' && end < legacy_->held.size() &&
      legacy_->held[end] == '\n')
    ++end;
  if (!legacy_->place.empty() && worker_.legacy_places().learn(legacy_->place)) {
    log_info(
        "event=legacy_learned upstream={} hint=\"from now on such streams open at their POST\"",
        config_->upstreams[request_->pass->upstream].name);
  }
  if (unopened_) {  // the client has its endpoint
    legacy_->held.erase(0, end);
    opened();
  } else {
    legacy_->held.replace(0, end, mcp::endpoint_event(legacy_->path, session_.view()));
  }
}

}  // namespace holdfast::proxy
