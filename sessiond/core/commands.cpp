#include "sessiond/core/commands.h"

#include <algorithm>

namespace holdfast::sessiond {

bool Commands::Waiting::complete() const noexcept {
  return ended_count == sessions_count &&
         std::none_of(proxies.begin(), proxies.end(), [](const ProxyOutcome &proxy) {
           return proxy.state == ProxyOutcome::State::pending;
         });
}

void Commands::wait_for_sessions(Token token, const std::vector<SessionId> &sessions,
                                 int64_t ended_count, MonoTime now, Actions &out) {
  const auto at = waiting_.try_emplace(token).first;
  at->second.deadline = now + kCommandPatience;
  at->second.sessions_count = ended_count + static_cast<int64_t>(sessions.size());
  at->second.ended_count = ended_count;
  at->second.sessions = sessions;
  for (const SessionId &session : sessions) by_session_.emplace(session, token);
  if (at->second.complete()) finish(at, CommandOutcome::done, out);
}

void Commands::wait_for_proxies(Token token, std::vector<ProxyOutcome> proxies, MonoTime now,
                                Actions &out) {
  const auto at = waiting_.try_emplace(token).first;
  at->second.deadline = now + kCommandPatience;
  at->second.proxies = std::move(proxies);
  if (at->second.complete()) finish(at, CommandOutcome::done, out);
}

void Commands::session_ended(const SessionId &session, Actions &out) {
  const auto [first, last] = by_session_.equal_range(session);
  std::vector<Token> tokens;
  for (auto at = first; at != last; ++at) tokens.push_back(at->second);
  by_session_.erase(first, last);
  std::sort(tokens.begin(), tokens.end());
  for (const Token token : tokens) {
    const auto at = waiting_.find(token);
    ++at->second.ended_count;
    if (at->second.complete()) finish(at, CommandOutcome::done, out);
  }
}

void Commands::proxy_answered(LinkId link, Token token, bool ok, const std::string &message,
                              Actions &out) {
  const auto at = waiting_.find(token);
  if (at == waiting_.end()) return;  // answered as pending, or never asked
  for (ProxyOutcome &proxy : at->second.proxies) {
    if (proxy.link != link) continue;
    proxy.state = ok ? ProxyOutcome::State::ok : ProxyOutcome::State::failed;
    proxy.message = message;
  }
  if (at->second.complete()) finish(at, CommandOutcome::done, out);
}

void Commands::link_ended(LinkId link, Actions &out) {
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    const auto next = std::next(at);
    bool concerned = false;
    for (ProxyOutcome &proxy : at->second.proxies) {
      if (proxy.link != link || proxy.state != ProxyOutcome::State::pending) continue;
      proxy.state = ProxyOutcome::State::failed;
      proxy.message = "the link ended before an answer";
      concerned = true;
    }
    if (concerned && at->second.complete()) finish(at, CommandOutcome::done, out);
    at = next;
  }
}

void Commands::give_up(MonoTime now, Actions &out) {
  while (!waiting_.empty() && waiting_.begin()->second.deadline <= now) {
    finish(waiting_.begin(), CommandOutcome::pending, out);
  }
}

std::optional<MonoTime> Commands::next_wake() const {
  if (waiting_.empty()) return std::nullopt;
  return waiting_.begin()->second.deadline;
}

void Commands::finish(ByToken::iterator at, CommandOutcome outcome, Actions &out) {
  Waiting &done = at->second;
  for (const SessionId &session : done.sessions) {
    const auto [first, last] = by_session_.equal_range(session);
    const auto mine =
        std::find_if(first, last, [&](const auto &row) { return row.second == at->first; });
    if (mine != last) by_session_.erase(mine);
  }
  out.push_back(CommandDone{at->first, outcome, done.sessions_count, done.ended_count,
                            std::move(done.proxies)});
  waiting_.erase(at);
}

}  // namespace holdfast::sessiond
