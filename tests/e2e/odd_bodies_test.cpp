// Bodies that are no JSON-RPC message, or one nobody should read: what is not understood is passed
// on as it is or gets 400, in bounded time, and never costs the proxy more than that request.
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr size_t kMiB = size_t{1} << 20;
#ifdef HOLDFAST_SANITIZED
constexpr Millis kReadWithin{5000};  // of a body below 8 MiB
#else
constexpr Millis kReadWithin{1000};
#endif

struct Body {
  const char *name;
  std::string bytes;
};

std::string repeated(std::string_view piece, size_t count) {
  std::string text;
  text.reserve(piece.size() * count);
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

const std::vector<Body> kBodies{
    {"nothing", ""},
    {"blanks", "  \r\n\t "},
    {"a word", "hello"},
    {"a text", "\"hello\""},
    {"a number", "1e999999"},
    {"null", "null"},
    {"an empty object", "{}"},
    {"an empty batch", "[]"},
    {"no method", R"({"jsonrpc":"2.0","id":1})"},
    {"a method that is none", R"({"jsonrpc":"2.0","id":1,"method":{"a":[]}})"},
    {"an id that is none", R"({"jsonrpc":"2.0","id":[1],"method":"ping"})"},
    {"half a message", R"({"jsonrpc":"2.0","id":1,"meth)"},
    {"two messages", rpc("ping", "1") + rpc("ping", "2")},
    {"two methods", R"({"jsonrpc":"2.0","id":1,"method":"ping","method":"initialize"})"},
    {"a batch in a batch", "[[" + rpc("ping", "1") + "]]"},
    {"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}"},
    {"NUL", std::string("{\"id\":\0}", 8)},
    {"half a pair", R"({"jsonrpc":"2.0","id":1,"method":"\ud800"})"},
    {"a deep object", repeated("{\"a\":", 500'000)},
    {"a deep array", repeated("[", kMiB) + repeated("]", kMiB)},
    {"a deep member", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":)" +
                          repeated("[", 100'000) + repeated("]", 100'000) + "}"},
    {"a long key", "{\"" + std::string(kMiB, 'k') + "\":1}"},
    {"a long method", R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(kMiB, 'm') + "\"}"},
    {"a long id", R"({"jsonrpc":"2.0","id":)" + std::string(kMiB, '7') + R"(,"method":"ping"})"},
    {"many members", "{" + repeated("\"a\":1,", 500'000) + "\"a\":1}"},
    {"many messages", "[" + repeated(rpc("ping", "1") + ",", 50'000) + rpc("ping", "1") + "]"},
    {"backslashes", "{\"" + repeated("\\\\", kMiB) + "\":1}"},
};

}  // namespace

HF_TEST(what_is_not_understood_is_passed_on_or_gets_400_in_bounded_time) {
  ScriptedBackend backend([](Peer &peer) {
    while (!peer.read_request().empty()) {
      if (!peer.answer(200, "application/json", "{}")) return;
    }
  });
  PairOptions options;
  options.backend_port = backend.port();
  Pair pair(options);
  std::string wrong;
  for (const Body &body : kBodies) {
    const size_t before = backend.requests().size();
    const MonoTime start = SystemClock().now();
    const Response response = fetch(pair.proxy_port(), mcp_post("/mcp", body.bytes));
    const std::string name = std::string(body.name) + ": ";
    if (SystemClock().now() - start > kReadWithin) wrong += name + "took too long\n";
    const bool passed = backend.requests().size() == before + 1;
    if (passed && !backend.requests().back().ends_with("\r\n\r\n" + body.bytes))
      wrong += name + "changed on the way\n";
    if (response.status != (passed ? 200 : 400))
      wrong += name + std::to_string(response.status) + "\n";
  }
  HF_EQ(wrong, "");
  HF_EQ(pair.proxy().count_lines("event=child_died"), 0U);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(what_is_not_understood_is_passed_on_or_gets_400_in_bounded_time),
  };
  return HF_RUN(tests);
}
