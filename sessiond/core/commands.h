// Admin commands that wait for proxies: which sessions must end, or which proxies must answer,
// before one is done, and when it has waited long enough to be answered "pending". Knows neither
// sessions nor links. Owned by the core. Pure; one thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sessiond/core/actions.h"
#include "sessiond/core/session.h"

namespace holdfast::sessiond {

// How long an admin waits for a proxy before the answer is "pending": a hung one loses its link in
// as much time, and then the command would be done.
inline constexpr Millis kCommandPatience{5000};

class Commands {
 public:
  // Waits for these sessions to end; `ended_count` of the command's sessions are over already.
  void wait_for_sessions(Token token, const std::vector<SessionId> &sessions, int64_t ended_count,
                         MonoTime now, Actions &out);
  void wait_for_proxies(Token token, std::vector<ProxyOutcome> proxies, MonoTime now, Actions &out);

  void session_ended(const SessionId &session, Actions &out);
  void proxy_answered(LinkId link, Token token, bool ok, const std::string &message, Actions &out);
  void link_ended(LinkId link, Actions &out);

  // Answers those that have waited long enough.
  void give_up(MonoTime now, Actions &out);
  std::optional<MonoTime> next_wake() const;
  size_t size() const noexcept { return waiting_.size(); }

 private:
  struct Waiting {
    MonoTime deadline{};
    int64_t sessions_count = 0;
    int64_t ended_count = 0;
    std::vector<SessionId> sessions;
    std::vector<ProxyOutcome> proxies;

    bool complete() const noexcept;
  };
  using ByToken = std::map<Token, Waiting>;

  // Answers and forgets the command.
  void finish(ByToken::iterator at, CommandOutcome outcome, Actions &out);

  ByToken waiting_;  // in the order of their tokens, which is that of their deadlines
  std::unordered_multimap<SessionId, Token, SessionIdHash, SessionIdEqual> by_session_;
};

}  // namespace holdfast::sessiond
