#include "tests/demo/rpc.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace holdfast::demo {
namespace {

constexpr std::array<std::string_view, 4> kVersions = {"2024-11-05", "2025-03-26", "2025-06-18",
                                                       "2025-11-25"};

bool is_counter(const json_t *params) { return text_member(params, "uri") == kCounterUri; }

}  // namespace

const Rpc::Row Rpc::kRows[] = {
    {"initialize", true, false, &Rpc::initialize},
    {"ping", true, false, &Rpc::ping},
    {"server/discover", false, true, &Rpc::discover},
    {"tools/list", true, true, &Rpc::list_tools},
    {"tools/call", true, true, &Rpc::call_tool},
    {"resources/list", true, true, &Rpc::list_resources},
    {"resources/read", true, true, &Rpc::read_resource},
    {"resources/subscribe", true, false, &Rpc::subscribe},
    {"resources/unsubscribe", true, false, &Rpc::unsubscribe},
    {"logging/setLevel", true, false, &Rpc::set_level},
};

bool is_request(const json_t *message) {
  return json_is_string(json_object_get(message, "method")) &&
         json_object_get(message, "id") != nullptr;
}

bool Rpc::knows(std::string_view method, bool modern) {
  return std::any_of(std::begin(kRows), std::end(kRows), [&](const Row &row) {
    return row.method == method && (modern ? row.modern : row.with_session);
  });
}

void Rpc::on_request(std::string_view method, Call call) {
  for (const Row &row : kRows) {
    if (row.method != method || !(call.modern ? row.modern : row.with_session)) continue;
    return (this->*row.run)(std::move(call));
  }
  tools_.fail(call, kErrorMethod, "Method not found");
}

void Rpc::on_other(const std::string &session, const json_t *message) {
  const std::string_view method = text_member(message, "method");
  if (method.empty()) return tools_.on_response(session, message);
  if (method == "notifications/cancelled") {
    const json_t *params = json_object_get(message, "params");
    tools_.on_cancelled(session, json_object_get(params, "requestId"));
  }
}

void Rpc::initialize(Call call) {
  std::string_view version = text_member(call.params.get(), "protocolVersion");
  if (std::find(kVersions.begin(), kVersions.end(), version) == kVersions.end()) {
    version = kVersions.back();
  }
  tools_.finish(
      call, JsonPtr(json_pack("{s:o, s:{s:{s:b}, s:{s:b}, s:{}}, s:{s:s, s:o}}", "protocolVersion",
                              text_json(version).release(), "capabilities", "tools", "listChanged",
                              0, "resources", "subscribe", 1, "logging", "serverInfo", "name",
                              "holdfast-demo", "version", text_json(options_.version).release())));
}

void Rpc::discover(Call call) {
  tools_.finish(call, JsonPtr(json_pack("{s:[o], s:{s:{s:b}, s:{s:b}}, s:i, s:s}",
                                        "supportedVersions", text_json(kModernVersion).release(),
                                        "capabilities", "tools", "listChanged", 0, "resources",
                                        "subscribe", 1, "ttlMs", 0, "cacheScope", "private")));
}

void Rpc::ping(Call call) {
  if (Session *session = sessions_.find(call.session); session != nullptr) ++session->pings;
  tools_.finish(call, JsonPtr(json_object()));
}

void Rpc::list_tools(Call call) { tools_.finish(call, Tools::list()); }

void Rpc::call_tool(Call call) { tools_.call(std::move(call)); }

void Rpc::list_resources(Call call) {
  tools_.finish(call, JsonPtr(json_pack("{s:[{s:o, s:s, s:s}]}", "resources", "uri",
                                        text_json(kCounterUri).release(), "name", "counter",
                                        "mimeType", "text/plain")));
}

void Rpc::read_resource(Call call) {
  if (!is_counter(call.params.get())) return tools_.fail(call, kErrorParams, "Unknown resource");
  tools_.finish(call, JsonPtr(json_pack("{s:[{s:o, s:s, s:s}]}", "contents", "uri",
                                        text_json(kCounterUri).release(), "mimeType", "text/plain",
                                        "text", std::to_string(notices_.counter()).c_str())));
}

void Rpc::subscribe(Call call) {
  if (!is_counter(call.params.get())) return tools_.fail(call, kErrorParams, "Unknown resource");
  Session *session = sessions_.find(call.session);
  if (session == nullptr) return tools_.fail(call, kErrorServer, "subscribing needs a session");
  session->subscriptions.insert(std::string(kCounterUri));
  tools_.finish(call, JsonPtr(json_object()));
}

void Rpc::unsubscribe(Call call) {
  Session *session = sessions_.find(call.session);
  if (session != nullptr) {
    session->subscriptions.erase(std::string(text_member(call.params.get(), "uri")));
  }
  tools_.finish(call, JsonPtr(json_object()));
}

void Rpc::set_level(Call call) {
  Session *session = sessions_.find(call.session);
  if (session != nullptr) session->log_level = text_member(call.params.get(), "level");
  tools_.finish(call, JsonPtr(json_object()));
}

}  // namespace holdfast::demo
