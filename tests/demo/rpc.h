// JSON-RPC methods that do not depend on the transport. Owned by Demo. Loop thread only.
#pragma once

#include <string_view>

#include "tests/demo/options.h"
#include "tests/demo/tools.h"

namespace holdfast::demo {

class Rpc {
 public:
  Rpc(const Options &options, Sessions &sessions, Tools &tools, Notices &notices)
      : options_(options), sessions_(sessions), tools_(tools), notices_(notices) {}

  // Whether the era has the method; the sessionless one answers 404 otherwise.
  static bool knows(std::string_view method, bool modern);

  // Answers a request, now or later, through call.exchange. Unknown methods get -32601.
  void on_request(std::string_view method, Call call);
  // Takes a notification or a response; `session` is empty when there is none.
  void on_other(const std::string &session, const json_t *message);

 private:
  struct Row {
    std::string_view method;
    bool with_session;  // exists in the eras that keep sessions
    bool modern;        // exists in the sessionless era
    void (Rpc::*run)(Call call);
  };
  static const Row kRows[];

  void initialize(Call call);
  void discover(Call call);
  void ping(Call call);
  void list_tools(Call call);
  void call_tool(Call call);
  void list_resources(Call call);
  void read_resource(Call call);
  void subscribe(Call call);
  void unsubscribe(Call call);
  void set_level(Call call);

  const Options &options_;
  Sessions &sessions_;
  Tools &tools_;
  Notices &notices_;
};

// A message with a method and an id; a method alone is a notification, neither a response.
bool is_request(const json_t *message);

}  // namespace holdfast::demo
