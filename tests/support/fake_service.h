// sessiond without its sockets: a real core on a clock that stands still, and a proxy played by the
// test. What the core sends is kept in `sent`; answers are fed with from_proxy().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sessiond/service.h"

namespace holdfast::test {

class FakeService final : public sessiond::Service {
 public:
  static constexpr sessiond::LinkId kLink{1};

  explicit FakeService(const sessiond::Settings &settings = {})
      : core_(settings, time.now()), started_(time.now()) {}

  const sessiond::Core &core() const override { return core_; }
  const sessiond::Config &config() const override { return conf; }
  const Clock &clock() const override { return time; }
  std::string_view version() const override { return "0.1.0"; }
  MonoTime started() const override { return started_; }
  uint64_t generation() const override { return 1; }
  bool last_reload_ok() const override { return true; }
  MonoTime last_reload() const override { return started_; }

  sessiond::Token new_token() override { return sessiond::Token{++last_token_}; }
  void submit(sessiond::Token token, sessiond::Event command, OnDone done) override {
    waiting_.emplace(token, std::move(done));
    step(command);
  }
  void reload(OnReloaded done) override { done(reload_outcome); }

  // The proxy obeys a drain at once.
  void step(const sessiond::Event &event) {
    sessiond::Actions actions;
    core_.step(event, time.now(), actions);
    std::optional<int64_t> drain;
    for (sessiond::Action &action : actions) {
      if (auto *send = std::get_if<sessiond::Send>(&action)) {
        if (const auto *order = std::get_if<link::Drain>(&send->message)) drain = order->token;
        sent.push_back(std::move(send->message));
      } else if (const auto *done = std::get_if<sessiond::CommandDone>(&action)) {
        const auto callback = waiting_.extract(done->token);
        if (!callback.empty()) callback.mapped()(*done);
      }
    }
    if (drain) from_proxy(link::Obeyed{*drain});
  }
  void tick(Millis by) {
    time.advance(by);
    step(sessiond::Tick{});
  }

  // A proxy links itself and reports an empty snapshot.
  void link_proxy() {
    step(sessiond::LinkUp{kLink});
    from_proxy(link::Hello{link::kVersion, "node-a", "instance-a", 4711, "0.1.0", {}});
    from_proxy(link::SnapshotBegin{});
    from_proxy(link::SnapshotEnd{});
  }
  void from_proxy(link::ToSessiond message) { step(sessiond::Message{kLink, std::move(message)}); }
  // One open session of `user`; ids are 32 characters.
  void open_session(const std::string &id, const std::string &user,
                    Transport transport = Transport::streamable) {
    from_proxy(link::Admit{id, user, "", transport, "127.0.0.1", "ide-1", "1.0"});
    link::Bound bound;
    bound.session = id;
    bound.backend = "everything/127.0.0.1:3001";
    bound.backend_session = "backend-id";
    from_proxy(std::move(bound));
  }
  // The last message of type M that was sent; nullptr: none was.
  template <class M>
  const M *last_sent() const {
    for (auto at = sent.rbegin(); at != sent.rend(); ++at) {
      if (const M *found = std::get_if<M>(&*at)) return found;
    }
    return nullptr;
  }

  FakeClock time;
  sessiond::Config conf;
  sessiond::ReloadOutcome reload_outcome{true, "applied", {}};
  std::vector<link::ToProxy> sent;

 private:
  sessiond::Core core_;
  MonoTime started_;
  std::map<sessiond::Token, OnDone> waiting_;
  uint64_t last_token_ = 0;
};

// "AAAA…" with a readable beginning: a well-formed session id.
inline std::string session_id(std::string_view beginning) {
  std::string id(beginning);
  id.resize(kSessionIdChars, 'x');
  return id;
}

}  // namespace holdfast::test
