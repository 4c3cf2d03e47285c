// A proxy written down as plainly as PROTOCOL.md section 1 allows: one map, no shards, no rings
// with cleverness. It is reality for the core's simulation. One thread.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/proxy_side.h"

namespace holdfast::sim {

class NaiveProxy final : public ProxySide {
 public:
  NaiveProxy(const Clock &clock, Outlet &outlet, std::string node, std::string instance)
      : clock_(clock), outlet_(outlet), node_(std::move(node)), instance_(std::move(instance)) {}

  void on_connected() override;
  void on_disconnected() override;
  void on_message(const link::ToProxy &message) override;
  void on_drained() override;
  void on_time() override;
  std::optional<MonoTime> due() const override;
  bool settled() const override;

  void ask(const Wish &wish) override;
  void give_up(const std::string &session) override;
  void bind(const Wish &wish) override;
  void release(const Wish &wish, ReleaseReason reason) override;
  Begin begin_request(const std::string &session, uint64_t exchange, bool counts) override;
  void finish_request(const std::string &session, uint64_t exchange) override;
  bool open_stream(const std::string &session, uint64_t exchange) override;
  void close_stream(const std::string &session, uint64_t exchange) override;
  void end(const std::string &session, EndReason reason) override;
  bool holds(const std::string &session) const override { return live_.contains(session); }
  std::vector<link::Record> records() const override;

 private:
  struct Live {
    Wish wish;
    MonoTime created{};
    MonoTime last_activity{};
    MonoTime last_use{};
    std::map<uint64_t, bool> requests;  // in flight, and whether they count
    std::set<uint64_t> streams;
    int64_t requests_count = 0;
    bool used = false;
    bool persistent = false;
    bool dirty = false;                  // sessiond is to hear of it with the next activity report
    std::optional<MonoTime> held_until;  // said to be idle: new requests wait
    std::map<uint64_t, bool> waiting;    // and whether they count
  };
  struct Waiting {
    Wish wish;
    MonoTime deadline{};
    bool asked = false;
  };

  void obey(const link::Welcome &welcome);
  void obey(const link::Policies &policies);
  void obey(const link::RestoredBegin &) {}
  void obey(const link::Restored &restored);
  void obey(const link::RestoredEnd &);
  void obey(const link::Siblings &) {}
  void obey(const link::Probe &probe);
  void obey(const link::Release &release);
  void obey(const link::Drain &drain);
  void obey(const link::Admitted &admitted);
  void obey(const link::Refused &refused);
  void obey(const link::DropIfIdle &order);
  void obey(const link::Drop &order);
  void obey(const link::Set &set);
  void obey(const link::SetServer &) {}
  void obey(const link::Acknowledged &heard);
  void obey(const link::Reload &reload);
  void obey(const link::Ping &ping);
  void obey(const link::Unsupported &) {}
  void obey(const link::Bye &) { outlet_.hang_up(); }

  bool say(link::ToSessiond message);  // false: not linked, or the queue is full
  void tell_ended(const std::string &session, EndReason reason, Millis idle);
  void begin_snapshot();
  void continue_snapshot();
  void ask_waiting();
  void report_activity();
  bool idle_enough(const Live &live, EndReason reason, Millis idle_min) const;
  void say_alive(const std::string &session, Live &live);
  void let_go(const std::string &session, Live &live);
  void begin(Live &live, uint64_t exchange, bool counts);
  bool keeps_alive(const Live &live) const;
  const link::PolicyInfo *policy_of(const Wish &wish) const;
  bool free(const Wish &wish) const;  // there is nothing to ask sessiond about
  link::Record record_of(const Live &live) const;
  Live *find(const std::string &session);
  void note_dirty(Live &live);

  const Clock &clock_;
  Outlet &outlet_;
  std::string node_;
  std::string instance_;
  bool up_ = false;        // welcomed
  bool muted_ = false;     // the queue was full and has not been written yet
  bool restored_ = false;  // and all that follows has been heard
  bool draining_ = false;
  std::map<std::string, link::PolicyInfo> policies_;
  std::map<std::string, Live> live_;
  std::map<std::string, Waiting> waiting_;
  std::set<std::string> reserved_;  // admitted on this link
  bool in_snapshot_ = false;
  std::vector<std::string> snapshot_left_;
  std::deque<link::Ended> unheard_;
  std::deque<link::ToSessiond> kept_;  // answers from while it was muted
  std::optional<MonoTime> report_at_;
};

}  // namespace holdfast::sim
