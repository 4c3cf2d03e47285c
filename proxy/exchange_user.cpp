// Whose request it is (session_user, SPEC section 1): everything else about sessions follows from
// that, so nothing of a request whose user is in doubt goes on.
#include <utility>

#include "common/log.h"
#include "proxy/client_conn.h"
#include "proxy/exchange.h"
#include "proxy/session_user.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

// Afterwards the user is known, or the request has been refused.
void Exchange::identify_user(const http::RequestHead &head) {
  const SessionUser &rule = settings_->session_user;
  if (rule.kind == SessionUser::Kind::jwt) {
    identify_by_token(head);
    return;
  }
  auto user = session_user(rule, head, client_->trusted(), client_->peer_ip());
  if (user) {
    take_user(std::move(*user));
  } else {
    refuse(400, "the header that names the session's user is malformed");
  }
}

void Exchange::take_user(std::string user) {
  if (log_) log_->user = user;
  request_->user = std::move(user);
}

// RFC 6750 section 3: what a client that can get a token must be told. The texts are fixed ones of
// ours; neither the answer nor the log has a byte of the token.
void Exchange::identify_by_token(const http::RequestHead &head) {
  const std::string_view token = bearer_token(head);
  auto user =
      token.empty()
          ? Result<std::string>(Error{Errc::protocol, 0, "there is no bearer token"})
          : worker_.tokens().user_of(*settings_->session_user.jwt, token, worker_.clock().wall());
  if (user) {
    take_user(std::move(*user));
    return;
  }
  const std::string &why = user.error().message;
  LogLimit &log = worker_.tokens().refusals();
  if (!token.empty() && log.allow(worker_.now())) {
    log_info("event=token_refused peer={} detail={} suppressed={}", client_->peer_ip(), quoted(why),
             log.suppressed());
  }
  refuse(401, "Unauthorized: " + why, "WWW-Authenticate",
         "Bearer error=\"invalid_token\", error_description=\"" + why + '"');
}

}  // namespace holdfast::proxy
