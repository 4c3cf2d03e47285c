#include "proxy/legacy_recovery.h"

#include <iterator>
#include <utility>

#include "proxy/backend_pool.h"
#include "proxy/exchange.h"
#include "proxy/initialize_result.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/era.h"
#include "proxy/worker.h"

namespace holdfast::proxy {
namespace {

// The raw id of the request in this body.
std::string id_in(std::string_view body) {
  mcp::RpcScanner scanner;
  scanner.reset();
  (void)scanner.feed(body);  // ignoring: it was understood when it was kept
  return scanner.size() > 0 ? scanner.first().id : std::string();
}

}  // namespace

LegacyRecovery::LegacyRecovery(Worker &worker, RecoveryOrder order)
    : RecoveryTask(worker, std::move(order)) {
  message_.reset();
}

LegacyRecovery::~LegacyRecovery() = default;

// From here on the client's stream is the lost backend's no more.
void LegacyRecovery::begin() {
  Exchange *const stream = worker_.find(order_.plan.stream->exchange);
  if (stream == nullptr || !stream->leave_lost_backend())
    return fail(503, "the client's stream has ended");
  open_stream();
}

void LegacyRecovery::open_stream() {
  stream_ = BackendConn::dial(worker_, order_.backend);
  stream_->begin(stream_side_, http::Method::get);
  std::string text = order_.heads.get + "\r\n";
  const iovec all{text.data(), text.size()};
  stream_->send({&all, 1});
  stream_->request_sent();
  arm_for_connect();
}

bool LegacyRecovery::goes_elsewhere() {
  const BackendId other = std::exchange(order_.elsewhere, kNoBackend);
  if (other == kNoBackend || step_ != Step::open || !stream_) return false;
  drop_stream();
  order_.backend = other;
  open_stream();
  return true;
}

void LegacyRecovery::let_go(bool) {
  park_post();
  drop_stream();  // with it the backend's session ends
}

void LegacyRecovery::park_post() {
  if (!post_) return;
  if (post_->release()) {
    worker_.pool(order_.backend).put(std::move(post_), worker_.now(), 1);
  } else {
    worker_.bury(std::move(post_));
  }
}

void LegacyRecovery::drop_stream() {
  if (!stream_) return;
  (void)stream_->release();  // ignoring: it is not used again
  worker_.bury(std::move(stream_));
}

// ---- the new stream ----

void LegacyRecovery::on_stream_head(const http::ResponseHead &head) {
  if (head.status < 200) return;
  arm_for_answer();
  status_ = head.status;
  if (status_ == 401) challenge_ = challenge_in(head);
  if (status_ >= 300) return refused();
  const std::string_view coding = head.fields.value(http::FieldId::content_encoding);
  const bool events =
      status_ == 200 && head.framing.kind != http::BodyKind::none &&
      mcp::content_type_is(head.fields.value(http::FieldId::content_type), "text/event-stream") &&
      (coding.empty() || coding == "identity");
  if (!events) lose("the backend opens no event stream any more");
}

void LegacyRecovery::on_stream_data(std::string_view data) {
  fed_at_ = held_.size();
  held_.append(data);
  sse_.feed(data, *this);
  if (step_ == Step::open && endpoint_.empty() && held_.size() > mcp::kEndpointEventBytesMax)
    fault_ = "the backend's stream began without an endpoint";
  if (held_.size() > kHeldBytesMax) fail(502, "the backend says too much before it is opened");
}

void LegacyRecovery::on_sse_data(std::string_view piece) {
  if (piece.size() <= kAnswerBytesMax - text_.size()) text_.append(piece);
  (void)message_.feed(piece);  // ignoring: asked at the event's end
}

void LegacyRecovery::on_sse_event(const mcp::SseEvent &event, size_t end) {
  size_t after = fed_at_ + end;
  if (after < held_.size() && held_[after - 1] == '\r' && held_[after] == '\n') ++after;
  const bool single = message_.size() == 1 && !message_.batch();
  bool ours = event.comment_only;
  if (step_ == Step::open && endpoint_.empty() && !event.comment_only) {
    ours = true;
    if (event.name == "endpoint") {
      on_endpoint();
    } else {
      fault_ = "the backend's stream began without an endpoint";
    }
  } else if (single && !awaited_.empty() && message_.first().is_response() &&
             message_.first().id == awaited_) {
    ours = answered_ = true;
    awaited_.clear();
    answer_ = std::move(text_);
  }
  text_.clear();
  message_.reset();
  if (ours) {  // the client does not get it
    held_.erase(event_at_, after - event_at_);
    fed_at_ -= after - event_at_;  // may wrap: what is added to it next is past its end
  } else {
    event_at_ = after;
  }
}

void LegacyRecovery::on_endpoint() {
  const std::string_view target = order_.plan.target;
  const std::string_view own[] = {worker_.backends().at(order_.backend).server, order_.heads.host};
  Result<std::string> endpoint =
      mcp::resolve_endpoint(text_, target.substr(0, target.find('?')), own, std::size(own));
  if (endpoint) {
    endpoint_ = *std::move(endpoint);
  } else {
    fault_ = "the backend announced an endpoint that is not its own";
  }
}

// ---- what is said over its endpoint ----

// The parts of one read, of either connection, have come.
void LegacyRecovery::go_on() {
  if (!stream_) return;  // it is over
  if (fault_ != nullptr) return lose(fault_);
  if (step_ == Step::open) {
    if (endpoint_.empty()) return;
    step_ = Step::initialize;
    return say(order_.plan.initialize);
  }
  if (posted_ && post_) on_posted();
  if (stream_ && !post_ && awaited_.empty()) on_said();
}

void LegacyRecovery::say(std::string_view body) {
  std::unique_ptr<BackendConn> idle = worker_.pool(order_.backend).take(worker_.now());
  post_ = idle ? std::move(idle) : BackendConn::dial(worker_, order_.backend);
  posted_ = answered_ = false;
  awaited_ = id_in(body);
  answer_.clear();
  post_->begin(post_side_, http::Method::post);
  // The head was written for the request that opened the session: only its target is another.
  const std::string &head = order_.heads.post;
  std::string text = "POST " + endpoint_ + head.substr(head.find(' ', sizeof "POST"));
  if (step_ != Step::initialize && !order_.heads.version.empty())
    add_field(text, "MCP-Protocol-Version", order_.heads.version);
  add_field(text, "Content-Length", std::to_string(body.size()));
  text.append("\r\n").append(body);
  const iovec all{text.data(), text.size()};
  post_->send({&all, 1});
  post_->request_sent();
}

void LegacyRecovery::PostSide::on_backend_head(const http::ResponseHead &head) {
  if (head.status < 200) return;
  task_.status_ = head.status;
  if (head.status == 401) task_.challenge_ = challenge_in(head);
}

void LegacyRecovery::on_posted() {
  park_post();
  if (status_ >= 200 && status_ < 300) return;
  // What the server refuses to be told again is not worth the session: the client could not have
  // known either.
  if (step_ != Step::replay) return refused();
  awaited_.clear();
}

// It was taken, and answered if it has an answer.
void LegacyRecovery::on_said() {
  switch (step_) {
    case Step::initialize:
      if (initialize_fingerprint(answer_) != order_.plan.result)
        return lose("the backend promises something else than before");
      step_ = Step::initialized;
      return say(kInitialized);
    case Step::open:
    case Step::initialized:
    case Step::replay:
      break;
  }
  step_ = Step::replay;
  if (replayed_ == order_.plan.replays.size()) return succeed();
  say(order_.plan.replays[replayed_++]);
}

void LegacyRecovery::succeed() {
  const std::optional<RecoveredSession> recovered = settle(endpoint_, replayed_);
  if (!recovered) return;
  Exchange *const stream = worker_.find(order_.plan.stream->exchange);
  if (stream != nullptr) {
    stream->take_over(std::move(stream_), held_);
  } else {
    drop_stream();  // its client has left: the session's end is on its way
  }
  finish(*recovered);
}

}  // namespace holdfast::proxy
