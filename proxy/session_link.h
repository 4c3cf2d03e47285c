// The proxy's end of the link to sessiond (common/PROTOCOL.md section 1): dials, says hello, sends
// the snapshot, reports, and obeys drops. Owned by Control; control thread only; never blocks. Ends
// with stop().
//
//   down ──dial──▶ greeting ──welcome──▶ up ──EOF, silence, nonsense, bye──▶ down (dials again)
//                                        │ ▲
//                            queue full  ▼ │ queue written
//                                       muted
//
// Muted: sessiond does not read. What is reported meanwhile is dropped, what it waits for is kept,
// and when it reads again a fresh snapshot tells the rest.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/ev_ptr.h"
#include "common/limits.h"
#include "common/link_messages.h"
#include "common/unix_channel.h"
#include "proxy/backend_directory.h"
#include "proxy/ended_ring.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

struct LinkTiming {
  Millis retry_min = kLinkRetryMin;
  Millis retry_max = kLinkRetryMax;
  Millis silence_max = kLinkSilenceMax;
  Millis activity_interval{1000};
  Millis stats_interval{5000};
};

struct LinkOptions {
  std::string socket_path;
  std::string node;
  std::string instance;
  std::string version;
  std::vector<std::string> policy_names;  // session_policy names in use
  std::vector<uid_t> allow_uids;          // whom sessiond may run as, besides root and our own uid
  LinkTiming timing;
};

class SessionLink final : private UnixChannel::Handler {
 public:
  // What the link tells its owner; called from the loop.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void on_welcome(const link::Welcome &welcome) = 0;  // before all else it says
    virtual void on_policies(const std::vector<link::PolicyInfo> &policies) = 0;
    virtual void on_ready() = 0;  // admissions can be asked for (again)
    virtual void on_restored() = 0;
    virtual void on_link_down() = 0;  // a welcomed link has ended
    virtual void on_admitted(const link::Admitted &admitted) = 0;
    virtual void on_refused(const link::Refused &refused) = 0;
    virtual void on_dropped(const EndedSession &ended) = 0;  // reported already; the rest is left
    // Requests that waited for a session may look again.
    virtual void on_ready_to_look(const std::vector<ExchangeRef> &waiting) = 0;
    virtual void on_siblings(int64_t count) = 0;
    virtual void on_server_set(const link::SetServer &order) = 0;
    virtual void on_drain(bool on) = 0;
    virtual void on_exit_wanted() = 0;  // an admin wants this proxy to finish and leave
    virtual void on_reload(int64_t token) = 0;
    virtual link::Stats stats() = 0;
    virtual void on_stopped() = 0;
  };

  // Borrows everything but the options; all must outlive *this.
  SessionLink(event_base *base, LinkOptions options, const Clock &clock, SessionRegistry &registry,
              const BackendDirectory &backends, Handler &handler);
  ~SessionLink() override;
  SessionLink(const SessionLink &) = delete;
  SessionLink &operator=(const SessionLink &) = delete;

  void start();
  // Says bye, writes what is queued (at most 2 s); on_stopped follows, maybe from inside.
  void stop();

  // Sends a report. False: it was dropped, because the link is not up or is muted; answers that
  // sessiond waits for are kept while it is muted.
  bool send(const link::ToSessiond &message);
  // Tells that a session is over, again after every reconnect until it is acknowledged.
  void report_ended(link::Ended ended);
  // sessiond may have missed something: a fresh snapshot follows within an activity interval.
  void want_snapshot() noexcept { snapshot_wanted_ = true; }
  // The totals go out now, or with the next tick where the last ones are hardly older.
  void want_stats();
  void set_policy_names(std::vector<std::string> names);

 private:
  enum class State : uint8_t { down, greeting, up, closing };

  // UnixChannel::Handler
  void on_line(UnixChannel &channel, std::string_view line) override;
  void on_closed(UnixChannel &channel, const Error &why) override;
  void on_drained(UnixChannel &channel) override;

  void dial();
  void retry_later();
  void close(std::string_view why);
  void complain(std::string_view why);
  void say_hello();
  void on_tick();

  // Sends whatever the state, short of a channel that does not stand or is muted.
  bool write(const link::ToSessiond &message);
  void mute();
  void unmute();
  void keep(const link::ToSessiond &message);
  void repeat_ends();
  void report_activity();
  void report_stats();
  void begin_snapshot();
  void continue_snapshot();
  void end_snapshot();

  void on_message(const link::Welcome &welcome);
  void on_message(const link::Policies &policies);
  void on_message(const link::RestoredBegin &) {}
  void on_message(const link::Restored &restored);
  void on_message(const link::RestoredEnd &);
  void on_message(const link::Admitted &admitted) { handler_.on_admitted(admitted); }
  void on_message(const link::Refused &refused) { handler_.on_refused(refused); }
  void on_message(const link::Siblings &siblings) { handler_.on_siblings(siblings.count); }
  void on_message(const link::Probe &probe);
  void on_message(const link::Release &release);
  void on_message(const link::DropIfIdle &order);
  void on_message(const link::Drop &order);
  void on_message(const link::Set &set);
  void on_message(const link::SetServer &order) { handler_.on_server_set(order); }
  void on_message(const link::Acknowledged &heard);
  void on_message(const link::Drain &drain);
  void on_message(const link::Reload &reload) { handler_.on_reload(reload.token); }
  void on_message(const link::Ping &ping);
  void on_message(const link::Unsupported &unsupported);
  void on_message(const link::Bye &bye);
  void dropped(EndedSession ended, bool keep_backend);
  void say_alive(const std::string &session, const StillAlive &alive);
  void keep_ends_for(const std::optional<int64_t> &lifetime_ms);

  static void on_retry_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<SessionLink *>(self)->dial();
  }
  static void on_tick_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<SessionLink *>(self)->on_tick();
  }

  event_base *base_;
  LinkOptions options_;
  const Clock &clock_;
  SessionRegistry &registry_;
  const BackendDirectory &backends_;
  Handler &handler_;

  State state_ = State::down;
  bool stopping_ = false;
  bool muted_ = false;
  bool draining_ = false;  // sessiond's last word
  bool welcomed_ = false;  // on_link_down is owed
  std::unique_ptr<UnixChannel> channel_;
  MonoTime last_heard_{};
  MonoTime stats_due_{};
  MonoTime stats_told_{};
  std::string last_complaint_;  // said once, not at every attempt

  bool in_snapshot_ = false;
  bool snapshot_wanted_ = false;
  size_t snapshot_cursor_ = 0;              // the registry's shards not yet looked at
  std::vector<std::string> snapshot_left_;  // ids of the last one still to be sent
  EndedRing ends_;
  std::vector<link::ToSessiond> kept_;  // answers from while the link was muted

  unsigned attempts_count_ = 0;
  std::minstd_rand random_;
  EventPtr retry_timer_;
  EventPtr tick_timer_;
};

}  // namespace holdfast::proxy
