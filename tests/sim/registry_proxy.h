// The proxy's real SessionRegistry, AdmissionRoom, FreeAdmission and EndedRing behind the world's
// interface. What SessionLink and Control add to them (when to report, what a full queue means) is
// said here once more, without sockets and timers. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "proxy/admission_room.h"
#include "proxy/backend_directory.h"
#include "proxy/ended_ring.h"
#include "proxy/free_admission.h"
#include "proxy/session_registry.h"
#include "tests/sim/proxy_side.h"

namespace holdfast::sim {

class RegistryProxy final : public ProxySide {
 public:
  RegistryProxy(const Clock &clock, Outlet &outlet, std::string node, std::string instance);

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
  bool holds(const std::string &session) const override;
  std::vector<link::Record> records() const override;

 private:
  void obey(const link::Welcome &welcome);
  void obey(const link::Policies &policies);
  void obey(const link::RestoredBegin &) {}
  void obey(const link::Restored &restored);
  void obey(const link::RestoredEnd &);
  void obey(const link::Siblings &) {}
  void obey(const link::Probe &probe);
  void obey(const link::Release &release);
  void obey(const link::Admitted &admitted);
  void obey(const link::Refused &refused);
  void obey(const link::DropIfIdle &order);
  void obey(const link::Drop &order);
  void obey(const link::Set &set);
  void obey(const link::SetServer &) {}
  void obey(const link::Acknowledged &heard);
  void obey(const link::Drain &drain);
  void obey(const link::Reload &reload);
  void obey(const link::Ping &ping);
  void obey(const link::Unsupported &) {}
  void obey(const link::Bye &) { outlet_.hang_up(); }

  bool say(link::ToSessiond message);  // false: not linked, or the queue is full
  void report_ended(link::Ended ended);
  void dropped(const proxy::EndedSession &ended);
  void answer(const proxy::AdmissionRoom::Answer &answer);
  void ask_all();
  void begin_snapshot();
  void continue_snapshot();
  void report_activity();
  void note_activity();
  // A request that waits, as an exchange does.
  struct Waiting {
    std::string session;
    bool counts = false;
    MonoTime until{};
  };
  Begin begin(const std::string &session, uint64_t exchange, bool expects_messages);
  Begin try_request(const std::string &session, uint64_t exchange, bool counts);
  void look_again(uint64_t exchange);
  void look_again(const std::vector<proxy::ExchangeRef> &waiting);
  void say_alive(const std::string &session, const proxy::StillAlive &alive);
  std::vector<std::string> sorted_ids() const;

  const Clock &clock_;
  Outlet &outlet_;
  std::string node_;
  std::string instance_;
  proxy::BackendDirectory backends_;
  proxy::BackendId backend_ = proxy::kNoBackend;
  proxy::SessionRegistry registry_;
  proxy::AdmissionRoom room_;
  proxy::FreeAdmission free_;
  proxy::EndedRing ends_;
  std::map<std::string, std::string> users_;  // of the sessions
  std::map<uint64_t, std::string> asking_;    // waiters of the room
  uint64_t last_waiter_ = uint64_t{1} << 32;  // apart from the world's exchanges
  bool up_ = false;
  bool muted_ = false;
  bool in_snapshot_ = false;
  std::vector<std::string> snapshot_left_;
  std::vector<link::ToSessiond> kept_;
  std::set<uint64_t> streams_;
  std::map<uint64_t, Waiting> waiting_;  // by exchange
  proxy::mcp::RpcMessage mcp_message_;   // reused
  std::optional<MonoTime> report_at_;
};

}  // namespace holdfast::sim
