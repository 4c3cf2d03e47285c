// Who waits for a slot, and which slots sessiond holds for us: the decisions of PROTOCOL.md 1.5
// without clock, thread or socket. Control asks it what to send and whom to answer. Owned by
// Control; control thread only.
//
//   enter ──▶ waiting ──asked()──▶ asked ──admitted()──▶ reserved ──settle()──▶ gone
//                │                   ├──refused()──▶ gone
//                └────── leave(), expire() ──▶ gone (a later `admitted` is for nobody)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/link_messages.h"
#include "proxy/known_policies.h"
#include "proxy/session_registry.h"
#include "proxy/worker_mailbox.h"

namespace holdfast::proxy {

// when_sessiond_down (SPEC section 3).
enum class WhenDown : uint8_t { automatic, serve, refuse };

class AdmissionRoom {
 public:
  // Goes to the mailbox of the waiter's worker.
  struct Answer {
    ExchangeRef waiter;
    AdmitAnswer answer;
  };

  // Waits for sessiond until kAdmitDeadline from now.
  void enter(link::Admit request, ExchangeRef waiter, WhenDown when_down, MonoTime now);

  // The oldest request that this link has not carried yet, valid until the next call; nullptr when
  // there is none. asked() says that it has now been sent.
  const link::Admit *next_to_ask() const;
  void asked();

  // sessiond's word; nullopt when nobody waits for it any more (an `admitted` is then given back).
  std::optional<Answer> admitted(const link::Admitted &admitted);
  std::optional<Answer> refused(const link::Refused &refused);
  // The client has left. True when sessiond holds, or may come to hold, a slot for it.
  bool leave(std::string_view session);
  // The reservation ends: bound or given back. False when there is none on this link, so that
  // sessiond does not know the session.
  bool settle(std::string_view session);

  // When the next one has waited long enough; nullopt when nobody waits.
  std::optional<MonoTime> next_deadline() const;
  // Answers those whose time is up by their when_sessiond_down.
  std::vector<Answer> expire(MonoTime now);

  // A link's end takes its reservations along; who still waits is asked for on the next one.
  void link_lost();
  // What `automatic` goes by from now on.
  void set_policies(const std::vector<link::PolicyInfo> &policies) { policies_.set(policies); }

 private:
  struct Waiting {
    link::Admit request;
    ExchangeRef waiter;
    WhenDown when_down = WhenDown::automatic;
    MonoTime deadline{};
  };
  using ByText = std::unordered_map<std::string, uint64_t, KeyedHash, std::equal_to<>>;

  std::optional<Waiting> take(std::string_view session);
  AdmitAnswer decide_alone(const Waiting &waiting) const;

  std::map<uint64_t, Waiting> waiting_;  // by arrival, which is also the order of deadlines
  ByText number_of_;                     // session → key in waiting_
  uint64_t next_number_ = 0;
  uint64_t first_unasked_ = 0;  // all before it have been asked on this link
  std::unordered_set<std::string, KeyedHash, std::equal_to<>> reserved_;
  KnownPolicies policies_;
};

}  // namespace holdfast::proxy
