// What an exchange needs only until its answer has begun: where the request goes, what of it waits
// or may be sent again, how long each step may take. A part of its own because an event stream can
// be idle for days and has no use for it. The exchange takes one from its worker and gives it back,
// at its end or once its event stream stands (Exchange::forget_request), so that a steady state
// allocates none. Worker thread only.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "proxy/config.h"
#include "proxy/http/body_decoder.h"
#include "proxy/mcp/head_check.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

// What a request that must wait (for its method, for admission, for restored sessions) keeps.
struct ExchangeWaiting {
  std::string head;  // raw, parsed again when it goes on
  std::string body;  // decoded
};

// How long the client may take over the request's body; kept by its connection.
struct BodyDeadlines {
  MonoTime stall = MonoTime::max();  // without progress
  MonoTime total = MonoTime::max();
  MonoTime first() const noexcept { return std::min(stall, total); }
};

// What begins anew with each request.
struct RequestState {
  const Server *server = nullptr;
  const Location *location = nullptr;
  const Pass *pass = nullptr;                  // the location's, or what its map said
  std::unique_ptr<mcp::HeadCheck> head_check;  // until the request has agreed with its head
  std::unique_ptr<ExchangeWaiting> waiting;    // what it holds while it cannot go on
  std::unique_ptr<SessionIdentity> opening;    // what the session will be, once the backend accepts
  std::string_view refusal_reason;  // error.data.reason of a refusal: a word of close_reason.h
  std::optional<uint64_t> balance_key{};  // what `hash` goes by
  http::BodyDecoder body;
  http::Framing framing;   // towards the backend
  uint64_t send_mark = 0;  // bytes the backend's connection had accepted when send_due was set
  BodyDeadlines body_deadlines;
  MonoTime connect_due = MonoTime::max();
  MonoTime head_due = MonoTime::max();
  MonoTime send_due = MonoTime::max();  // a backend that does not read the request
  MonoTime hold_due = MonoTime::max();
  MonoTime again_due = MonoTime::max();  // a GET that met 409 is asked again
  MonoTime early_due = MonoTime::max();  // a call whose backend is silent gets its stream
  int body_error = 0;                    // status a malformed or too large body is refused with
  uint8_t conflict_tries = 0;
};

struct UnansweredRequest : RequestState {
  // For the next request. What has room of its own keeps it.
  void reset() {
    static_cast<RequestState &>(*this) = RequestState();
    view.backend_session.clear();
    user.clear();
    resend.clear();
    target.clear();
    tried.clear();
  }
  // What a spare one goes on holding.
  size_t room_bytes() const noexcept {
    return view.backend_session.capacity() + user.capacity() + resend.capacity() +
           target.capacity() + tried.capacity() * sizeof(BackendId);
  }
  void forget_deadlines() noexcept {
    connect_due = head_due = send_due = hold_due = again_due = early_due = MonoTime::max();
  }
  MonoTime first_due() const noexcept {
    // Two by two: std::min() of a list would first write the list.
    const MonoTime relay = std::min(std::min(connect_due, head_due), send_due);
    return std::min(relay, std::min(std::min(hold_due, again_due), early_due));
  }

  SessionView view;  // of its session as the request began; SessionRegistry::begin() fills it in
  std::string user;
  std::string resend;  // the request, while it may be sent again
  std::string target;  // origin-form, of requests that ask sessiond
  std::vector<BackendId> tried;
};

}  // namespace holdfast::proxy
