#include "sessiond/http_guard.h"

#include <array>
#include <string>
#include <string_view>

#include "sessiond/http_head.h"

namespace holdfast::sessiond {
namespace {

// Beyond it the kernel keeps what a peer sends.
constexpr size_t kInputBytesMax = kHttpHeadBytesMax + kHttpBodyBytesMax;

struct Refusal {
  int status;
  std::string_view reason;
};
constexpr std::array<Refusal, 4> kRefusals = {{
    {400, "Bad Request"},
    {413, "Content Too Large"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},
}};

// Fixed text: nothing of the request is echoed.
std::string refusal_response(int status) {
  std::string_view reason = "Bad Request";
  for (const Refusal &row : kRefusals) {
    if (row.status == status) reason = row.reason;
  }
  return "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason) +
         "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

// The input's first bytes in one piece; libevhtp would do the same.
std::string_view contiguous(evbuffer *input) {
  const size_t bytes = evbuffer_get_length(input);
  const void *start = evbuffer_pullup(input, -1);
  if (start == nullptr) return {};
  return {static_cast<const char *>(start), bytes};
}

}  // namespace

HttpGuard::HttpGuard(event_base *base, bufferevent *bev, const HttpDeadlines &deadlines,
                     OnDoomed on_doomed)
    : bev_(bev),
      deadlines_(deadlines),
      on_doomed_(std::move(on_doomed)),
      deadline_event_(make_event(base, -1, 0, on_deadline_c, this)) {
  bufferevent_event_cb theirs_event = nullptr;  // never called: it frees inside the callback
  bufferevent_getcb(bev, &theirs_read_, &theirs_write_, &theirs_event, &theirs_);
  bufferevent_setcb(bev, on_readable_c, on_drained_c, on_event_c, this);
  bufferevent_setwatermark(bev, EV_READ, 0, kInputBytesMax);
  add_timer(deadline_event_.get(), deadlines_.request);
}

void HttpGuard::on_readable() {
  if (state_ != State::gathering) return;  // a second request on the connection is left unread
  const std::string_view input = contiguous(bufferevent_get_input(bev_));
  const size_t head_bytes = http_head_bytes(input.substr(0, kHttpHeadBytesMax));
  if (head_bytes == 0) {
    if (input.size() >= kHttpHeadBytesMax) refuse(431);
    return;
  }
  const CheckedHead head = check_http_head(input.substr(0, head_bytes));
  if (head.refusal != 0) return refuse(head.refusal);
  const size_t request_bytes = head_bytes + head.body_bytes;
  if (input.size() > request_bytes) return refuse(400);  // pipelining
  if (input.size() < request_bytes) return;
  state_ = State::answering;
  add_timer(deadline_event_.get(), deadlines_.answer);
  theirs_read_(bev_, theirs_);  // answers, or frees the connection: *this is used no further
}

void HttpGuard::on_drained() {
  if (state_ == State::refusing) return doom();
  if (state_ == State::answering) theirs_write_(bev_, theirs_);  // frees the connection
}

void HttpGuard::on_event(short what) {
  const bool answered = state_ == State::answering || state_ == State::refusing;
  // A peer may close its sending side once it has asked. One that is gone altogether shows as a
  // failed write in the same event.
  const bool only_half = what == (BEV_EVENT_EOF | BEV_EVENT_READING);
  if (only_half && answered) return;
  if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT)) != 0) doom();
}

void HttpGuard::refuse(int status) {
  state_ = State::refusing;
  (void)bufferevent_disable(bev_, EV_READ);  // ignoring: fails only for an invalid bufferevent
  evbuffer *input = bufferevent_get_input(bev_);
  (void)evbuffer_drain(input, evbuffer_get_length(input));  // ignoring: as above
  const std::string response = refusal_response(status);
  (void)bufferevent_write(bev_, response.data(), response.size());  // ignoring: as above
}

void HttpGuard::doom() {
  if (state_ == State::doomed) return;
  state_ = State::doomed;
  (void)event_del(deadline_event_.get());               // ignoring: deleting cannot fail here
  (void)bufferevent_disable(bev_, EV_READ | EV_WRITE);  // ignoring: as above
  on_doomed_();
}

void HttpGuard::on_readable_c(bufferevent *, void *self) noexcept {
  static_cast<HttpGuard *>(self)->on_readable();
}
void HttpGuard::on_drained_c(bufferevent *, void *self) noexcept {
  static_cast<HttpGuard *>(self)->on_drained();
}
void HttpGuard::on_event_c(bufferevent *, short what, void *self) noexcept {
  static_cast<HttpGuard *>(self)->on_event(what);
}
void HttpGuard::on_deadline_c(evutil_socket_t, short, void *self) noexcept {
  static_cast<HttpGuard *>(self)->doom();
}

}  // namespace holdfast::sessiond
