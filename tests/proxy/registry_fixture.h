// What the registry's tests share: a registry on a clock that stands still, messages in short.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy::test {

inline const std::string kAlice = "alice";
inline const std::string kId = "q0ZrAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
inline constexpr ExchangeRef kOpener{0, 1};
inline constexpr ExchangeRef kFirst{0, 2};
inline constexpr ExchangeRef kSecond{1, 3};

inline mcp::RpcMessage request(std::string method, std::string raw_id) {
  mcp::RpcMessage message;
  message.method = std::move(method);
  message.has_id = !raw_id.empty();
  message.id = std::move(raw_id);
  message.has_method = true;
  message.complete = true;
  return message;
}

inline mcp::RpcMessage notification(std::string method) { return request(std::move(method), ""); }

inline mcp::RpcMessage cancelled(std::string raw_id) {
  mcp::RpcMessage message = notification("notifications/cancelled");
  message.request_id = std::move(raw_id);
  return message;
}

inline mcp::RpcMessage response(std::string raw_id) {
  mcp::RpcMessage message;
  message.has_id = true;
  message.id = std::move(raw_id);
  message.has_result = true;
  message.complete = true;
  return message;
}

inline link::PolicyInfo policy(std::string name, Millis timeout,
                               std::vector<std::string> activity = {"tools/call"}) {
  link::PolicyInfo info;
  info.name = std::move(name);
  info.timeout_ms = timeout.count();
  info.activity = std::move(activity);
  return info;
}

// Every session's record, in no order.
inline std::vector<link::Record> all_records(const SessionRegistry &registry,
                                             const BackendDirectory &backends) {
  std::vector<std::string> ids;
  for (size_t cursor = 0; cursor != SessionRegistry::kEnd;) cursor = registry.ids(cursor, ids);
  std::vector<link::Record> records;
  for (const std::string &id : ids) {
    if (auto record = registry.record(id, backends)) records.push_back(std::move(*record));
  }
  return records;
}

// That a session was opened is not what most tests ask about.
inline void forget_activity(SessionRegistry &registry) {
  std::vector<link::ActivityEntry> told;
  registry.collect_activity(SIZE_MAX, told);
}

// One session of alice, bound at the clock's start; its opening exchange has finished.
struct RegistryFixture {
  FakeClock clock;
  SessionRegistry registry{clock};
  SessionView view;

  explicit RegistryFixture(std::vector<std::string> activity = {"tools/call"},
                           Transport transport = Transport::streamable) {
    registry.set_policies({policy("", Millis{60'000}, std::move(activity))});
    bind(kId, transport);
    forget_activity(registry);
  }
  void bind(const std::string &id, Transport transport = Transport::streamable,
            const std::string &user = kAlice, const std::string &policy_name = "") {
    registry.bind({id, user, policy_name, transport, 0, id == kId ? "backend-id" : "b-" + id,
                   "/mcp", "127.0.0.1", "ide", "1.0"},
                  false, kOpener);
    registry.finish(id, kOpener, SessionRegistry::Finish::answered);
  }
  bool begin(ExchangeRef exchange, bool expects_messages = true) {
    return registry.begin(kId, kAlice, exchange, expects_messages, view);
  }
  void classify(ExchangeRef exchange, const std::vector<mcp::RpcMessage> &messages) {
    registry.classify(kId, exchange, messages);
  }
  Millis finish(ExchangeRef exchange,
                SessionRegistry::Finish how = SessionRegistry::Finish::answered) {
    return registry.finish(kId, exchange, how);
  }
  // A whole exchange that carries these messages.
  void post(const std::vector<mcp::RpcMessage> &messages) {
    begin(kFirst);
    classify(kFirst, messages);
    finish(kFirst);
  }
  // What drop_if_idle says without dropping: no session is idle for so long.
  StillAlive look() {
    const auto verdict = registry.drop_if_idle(kId, Millis::max());
    return std::holds_alternative<StillAlive>(verdict)
               ? std::get<StillAlive>(verdict)
               : StillAlive{Millis{-1}, -1, Millis{0}, false, {}};
  }
  bool droppable() {
    return std::holds_alternative<EndedSession>(registry.drop_if_idle(kId, Millis{0}));
  }
};

}  // namespace holdfast::proxy::test
