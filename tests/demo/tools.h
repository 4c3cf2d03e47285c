// The demo backend's tools: a table of names, schemas and functions. `slow` and `ask` answer later;
// what they wait with is kept here under ids. Owned by Demo. Loop thread only; never blocks.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/demo/exchanges.h"
#include "tests/demo/later.h"
#include "tests/demo/notices.h"

namespace holdfast::demo {

// One JSON-RPC request on its way to an answer.
struct Call {
  ExchangeId exchange = 0;
  bool modern = false;
  std::string session;  // empty when there is none
  JsonPtr id;
  JsonPtr params;  // JSON null when absent
};

class Tools {
 public:
  Tools(Later &later, Sessions &sessions, Exchanges &exchanges, Notices &notices)
      : later_(later), sessions_(sessions), exchanges_(exchanges), notices_(notices) {}

  // The result of tools/list.
  static JsonPtr list();
  // tools/call: answers now or later through the exchange.
  void call(Call call);
  // A client's answer to a request of `ask`; unknown ids are ignored.
  void on_response(const std::string &session, const json_t *response);
  // notifications/cancelled: a running `slow` stops without an answer.
  void on_cancelled(const std::string &session, const json_t *request_id);

  // Answers with `result`, dressed as the call's era wants it.
  void finish(const Call &call, JsonPtr result);
  void fail(const Call &call, int code, std::string_view message);

 private:
  struct Row {
    const char *name;
    const char *description;
    const char *schema;  // JSON
    void (Tools::*run)(Call call, const json_t *arguments);
  };
  struct Slow {
    Call call;
    JsonPtr token;  // progressToken, JSON null when the client wants no progress
    int64_t step = 0;
    int64_t steps = 0;
    Millis interval{0};
  };
  static const Row kRows[];

  void echo(Call call, const json_t *arguments);
  void add(Call call, const json_t *arguments);
  void clock(Call call, const json_t *arguments);
  void slow(Call call, const json_t *arguments);
  void ask(Call call, const json_t *arguments);
  void big(Call call, const json_t *arguments);
  void bump(Call call, const json_t *arguments);

  void finish_text(const Call &call, std::string_view text);
  void ask_modern(const Call &call, const char *method, JsonPtr params);
  void on_slow_step(uint64_t id);

  Later &later_;
  Sessions &sessions_;
  Exchanges &exchanges_;
  Notices &notices_;
  uint64_t last_slow_ = 0;
  std::map<uint64_t, Slow> slow_;
  std::map<std::pair<std::string, int64_t>, Call> asked_;  // by session and our request id
};

}  // namespace holdfast::demo
