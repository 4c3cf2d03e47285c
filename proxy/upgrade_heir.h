// The new master's side of an upgrade in place (upgrade_channel.h has the conversation): asks the
// old one for its listeners, says when our serving process serves, takes the keys. Until then
// nothing here is ours: at a failure we leave everything as it was. Master thread only; blocks only
// in ask(), at start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "proxy/upgrade_channel.h"

namespace holdfast::proxy {

// The number in kUpgradeVariable; -1 when it is not one a descriptor passed on can have.
int parse_upgrade_fd(const char *text) noexcept;

class Heir {
 public:
  // What the old one has, or a part of it.
  struct Listeners {
    std::string text;
    std::vector<UniqueFd> fds;
  };
  struct Estate {
    std::vector<Listeners> listeners;  // one may come in several parts
    unsigned workers = 1;
  };
  struct Keys {
    std::string pid_path;
    std::vector<UniqueFd> fds;  // the pid file, the control socket, its lock; or none
  };
  struct Taken {
    bool with_keys = false;
    std::string notes;  // lines, for whoever asked
  };
  class Owner {
   public:
    virtual ~Owner() = default;
    // Everything is ours from here on. With no keys in `keys` (or another's) our own are made.
    virtual Result<Taken> take_over(Keys keys) = 0;
    virtual void give_up(const std::string &why) = 0;
    // What the old one says of its sessions once we are in charge; and that it has ended.
    virtual void inherit_sessions(const UpgradeMessage &message) = 0;
    virtual void predecessor_over() = 0;
  };

  // From the environment, which forgets it: null when there is nothing. Errc::config: it was not
  // put there by our parent.
  static Result<std::unique_ptr<Heir>> from_environment();
  explicit Heir(UniqueFd channel) : channel_(std::move(channel)) {}  // takes
  Heir(const Heir &) = delete;
  Heir &operator=(const Heir &) = delete;

  // Waits for the listeners, at most 10 s.
  Result<Estate> ask();
  // Tells the old one, which serves on. Returns our exit code.
  int fail(const std::string &why);
  // Listens to the old one from now on. Borrows both, which must outlive *this.
  void watch(event_base *base, Owner &owner);
  // Our serving process serves (said once; it may be a later one of a crash loop).
  void serving();
  // To the old one, while it finishes: sessions, as lines.
  void tell(const std::string &lines);
  bool in_charge() const noexcept { return in_charge_; }
  bool has_predecessor() const noexcept { return static_cast<bool>(channel_); }

 private:
  Result<bool> collect(UpgradeMessage &message, Estate &estate) const;
  void on_channel();
  void take(Keys keys);
  static void on_channel_c(evutil_socket_t, short, void *self) noexcept;

  UniqueFd channel_;
  EventPtr event_;
  Owner *owner_ = nullptr;
  bool serving_ = false;
  bool alone_ = false;  // the old one has crashed
  bool in_charge_ = false;
};

}  // namespace holdfast::proxy
