#include "tests/demo/tools.h"

#include <chrono>
#include <cmath>
#include <utility>

namespace holdfast::demo {
namespace {

constexpr int64_t kStepsMax = 100'000;
constexpr int64_t kIntervalMsMax = 60'000;
constexpr int64_t kBigBytesMax = int64_t{64} << 20;

JsonPtr text_result(std::string_view text) {
  return JsonPtr(
      json_pack("{s:[{s:s, s:o}]}", "content", "type", "text", "text", text_json(text).release()));
}

// What `ask` wants to know, in the words of the two server-to-client requests.
JsonPtr question(std::string_view prompt, bool sampling) {
  if (sampling) {
    return JsonPtr(json_pack("{s:[{s:s, s:{s:s, s:o}}], s:i}", "messages", "role", "user",
                             "content", "type", "text", "text", text_json(prompt).release(),
                             "maxTokens", 100));
  }
  return JsonPtr(json_pack("{s:o, s:{s:s, s:{s:{s:s}}}}", "message", text_json(prompt).release(),
                           "requestedSchema", "type", "object", "properties", "answer", "type",
                           "string"));
}

}  // namespace

const Tools::Row Tools::kRows[] = {
    {"echo", "Gives the message back",
     R"({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})",
     &Tools::echo},
    {"add", "Adds two numbers",
     R"({"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]})",
     &Tools::add},
    {"clock", "The time of the server in milliseconds since 1970", R"({"type":"object"})",
     &Tools::clock},
    {"slow", "Reports progress `steps` times, each after `interval_ms`, then answers",
     R"({"type":"object","properties":{"steps":{"type":"integer"},"interval_ms":{"type":"integer"}}})",
     &Tools::slow},
    {"ask", "Asks the client: by elicitation, or by sampling when `kind` says so",
     R"({"type":"object","properties":{"prompt":{"type":"string"},"kind":{"enum":["elicitation","sampling"]}}})",
     &Tools::ask},
    {"big", "A text of `bytes` bytes",
     R"({"type":"object","properties":{"bytes":{"type":"integer"}},"required":["bytes"]})",
     &Tools::big},
    {"bump", "Adds one to demo://counter and tells its subscribers", R"({"type":"object"})",
     &Tools::bump},
};

JsonPtr Tools::list() {
  JsonPtr tools(json_array());
  for (const Row &row : kRows) {
    json_array_append_new(
        tools.get(), json_pack("{s:s, s:s, s:o}", "name", row.name, "description", row.description,
                               "inputSchema", parse_json(row.schema).release()));
  }
  return JsonPtr(json_pack("{s:o}", "tools", tools.release()));
}

void Tools::call(Call call) {
  const std::string name(text_member(call.params.get(), "name"));
  const json_t *arguments = json_object_get(call.params.get(), "arguments");
  for (const Row &row : kRows) {
    if (name == row.name) return (this->*row.run)(std::move(call), arguments);
  }
  fail(call, kErrorParams, "Unknown tool: " + name);
}

void Tools::finish(const Call &call, JsonPtr result) {
  if (call.modern) {
    if (json_object_get(result.get(), "resultType") == nullptr) {
      json_object_set_new(result.get(), "resultType", json_string("complete"));
    }
    json_object_set_new(
        result.get(), "_meta",
        json_pack("{s:{s:s, s:s}}", kMetaServer, "name", "holdfast-demo", "version", "1"));
  }
  exchanges_.answer(call.exchange, rpc_result(call.id.get(), std::move(result)));
}

void Tools::fail(const Call &call, int code, std::string_view message) {
  exchanges_.answer(call.exchange, rpc_error(call.id.get(), code, message));
}

void Tools::finish_text(const Call &call, std::string_view text) {
  finish(call, text_result(text));
}

void Tools::echo(Call call, const json_t *arguments) {
  const json_t *message = json_object_get(arguments, "message");
  if (!json_is_string(message)) return fail(call, kErrorParams, "message must be a string");
  finish_text(call, text_member(arguments, "message"));
}

void Tools::add(Call call, const json_t *arguments) {
  const json_t *a = json_object_get(arguments, "a");
  const json_t *b = json_object_get(arguments, "b");
  if (!json_is_number(a) || !json_is_number(b)) {
    return fail(call, kErrorParams, "a and b must be numbers");
  }
  const JsonPtr sum(json_real(json_number_value(a) + json_number_value(b)));
  const bool whole = std::nearbyint(json_real_value(sum.get())) == json_real_value(sum.get());
  finish_text(call, whole ? std::to_string(std::llround(json_real_value(sum.get())))
                          : dump_json(sum.get()));
}

void Tools::clock(Call call, const json_t *) {
  finish_text(call, std::to_string(SystemClock().wall().time_since_epoch().count()));
}

void Tools::big(Call call, const json_t *arguments) {
  const int64_t bytes = int_member(arguments, "bytes", -1);
  if (bytes < 0 || bytes > kBigBytesMax) return fail(call, kErrorParams, "bytes: 0 to 67108864");
  std::string text(static_cast<size_t>(bytes), '\0');
  // No run of equal blocks: a piece lost, doubled or moved shows.
  uint32_t state = 2463534242;
  for (char &c : text) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    c = static_cast<char>('a' + state % 26);
  }
  finish_text(call, text);
}

void Tools::bump(Call call, const json_t *) { finish_text(call, std::to_string(notices_.bump())); }

void Tools::slow(Call call, const json_t *arguments) {
  const int64_t steps = int_member(arguments, "steps", 5);
  const int64_t interval_ms = int_member(arguments, "interval_ms", 100);
  if (steps < 1 || steps > kStepsMax || interval_ms < 0 || interval_ms > kIntervalMsMax) {
    return fail(call, kErrorParams, "steps: 1 to 100000, interval_ms: 0 to 60000");
  }
  const json_t *meta = json_object_get(call.params.get(), "_meta");
  Slow &slow = slow_[++last_slow_];
  slow.token = share(json_object_get(meta, "progressToken"));
  slow.call = std::move(call);
  slow.steps = steps;
  slow.interval = Millis{interval_ms};
  later_.after(slow.interval, [this, id = last_slow_] { on_slow_step(id); });
}

void Tools::on_slow_step(uint64_t id) {
  const auto found = slow_.find(id);
  if (found == slow_.end()) return;
  Slow &slow = found->second;
  if (!exchanges_.is_open(slow.call.exchange)) {
    slow_.erase(found);
    return;
  }
  ++slow.step;
  if (!json_is_null(slow.token.get())) {
    const JsonPtr progress =
        rpc_notification("notifications/progress",
                         JsonPtr(json_pack("{s:O, s:I, s:I}", "progressToken", slow.token.get(),
                                           "progress", static_cast<json_int_t>(slow.step), "total",
                                           static_cast<json_int_t>(slow.steps))));
    (void)exchanges_.say(slow.call.exchange, progress.get());  // ignoring: a JSON body carries none
  }
  if (slow.step < slow.steps) {
    later_.after(slow.interval, [this, id] { on_slow_step(id); });
    return;
  }
  const auto node = slow_.extract(found);
  finish_text(node.mapped().call, "done after " + std::to_string(node.mapped().steps) + " steps");
}

void Tools::on_cancelled(const std::string &session, const json_t *request_id) {
  for (auto it = slow_.begin(); it != slow_.end(); ++it) {
    if (it->second.call.session != session ||
        json_equal(it->second.call.id.get(), request_id) == 0) {
      continue;
    }
    const auto node = slow_.extract(it);
    exchanges_.forgo(node.mapped().call.exchange);
    return;
  }
}

void Tools::ask(Call call, const json_t *arguments) {
  const bool sampling = text_member(arguments, "kind") == "sampling";
  const char *method = sampling ? "sampling/createMessage" : "elicitation/create";
  const std::string_view prompt = text_member(arguments, "prompt");
  JsonPtr params = question(prompt.empty() ? "What is the answer?" : prompt, sampling);
  if (call.modern) return ask_modern(call, method, std::move(params));
  Session *session = sessions_.find(call.session);
  if (session == nullptr) return fail(call, kErrorServer, "ask needs a session");
  const int64_t request_id = session->next_request_id++;
  const JsonPtr request(json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id",
                                  static_cast<json_int_t>(request_id), "method", method, "params",
                                  params.release()));
  if (!exchanges_.say(call.exchange, request.get()) &&
      !notices_.to_session(*session, request.get())) {
    return fail(call, kErrorServer, "no stream to ask on");
  }
  asked_[{call.session, request_id}] = std::move(call);
}

void Tools::ask_modern(const Call &call, const char *method, JsonPtr params) {
  const json_t *responses = json_object_get(call.params.get(), "inputResponses");
  if (const json_t *answer = json_object_get(responses, "answer"); answer != nullptr) {
    return finish_text(call, "answer: " + dump_json(answer));
  }
  finish(call, JsonPtr(json_pack("{s:s, s:{s:{s:s, s:o}}, s:s}", "resultType", "input_required",
                                 "inputRequests", "answer", "method", method, "params",
                                 params.release(), "requestState", "asked-once")));
}

void Tools::on_response(const std::string &session, const json_t *response) {
  const json_t *id = json_object_get(response, "id");
  if (!json_is_integer(id)) return;
  const auto node = asked_.extract({session, json_integer_value(id)});
  if (node.empty()) return;
  const json_t *result = json_object_get(response, "result");
  const json_t *error = json_object_get(response, "error");
  if (result != nullptr) return finish_text(node.mapped(), "answer: " + dump_json(result));
  finish_text(node.mapped(), "refused: " + dump_json(error));
}

}  // namespace holdfast::demo
