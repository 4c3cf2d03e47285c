// Which raw tokens may be echoed as a JSON-RPC id, and that a message's memory is kept for the
// next.
#include "proxy/mcp/rpc_message.h"

#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::echoable_id;
using holdfast::proxy::mcp::RpcMessage;

// Only tokens that stay JSON when written into an answer may be echoed.
HF_TEST(ids_that_may_be_echoed) {
  for (const char *raw :
       {"0", "-0", "7", "-12", "1.5", "1e9", "1E-9", "0.0e+0", "null", "\"\"", "\"a\"",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u00e9\\ud83d\"", "\"\xC3\xA9\xF0\x9F\x98\x80\""}) {
    if (!echoable_id(raw)) HF_FAIL(raw);
  }
  for (const char *raw : {"",
                          "-",
                          "+1",
                          "01",
                          "-01",
                          ".5",
                          "1.",
                          "1.e1",
                          "1e",
                          "1e+",
                          "0x1",
                          "1 ",
                          " 1",
                          "1,2",
                          "NaN",
                          "true",
                          "nul",
                          "nulll",
                          "{}",
                          "[]",
                          "\"",
                          "\"a",
                          "a\"",
                          "\"a\"b\"",
                          "\"\\\"",
                          "\"\\x\"",
                          "\"\\u12\"",
                          "\"\\u12g4\"",
                          "\"a\nb\"",
                          "\"\x1F\"",
                          "\"\xFF\"",
                          "\"\xC3\"",
                          "\"\xC0\x80\"",
                          "\"\xED\xA0\x80\"",
                          "\"\xE0\x80\x80\"",
                          "\"\xF4\x90\x80\x80\"",
                          "\"\xF0\x80\x80\x80\"",
                          "\"\xF5\x80\x80\x80\""}) {
    if (echoable_id(raw)) HF_FAIL(raw);
  }
}

// A cleared message is an empty one that does not allocate again.
HF_TEST(clearing_keeps_capacity) {
  RpcMessage message;
  message.method = std::string(100, 'm');
  message.tool_name = std::string(200, 't');
  message.has_method = message.complete = message.method_long = true;
  const char *memory = message.method.data();
  message.clear();
  HF_CHECK(message.method.empty() && message.tool_name.empty());
  HF_CHECK(!message.has_method && !message.complete && !message.method_long);
  HF_CHECK(message.method.capacity() >= 100 && message.tool_name.capacity() >= 200);
  HF_CHECK(message.method.data() == memory);
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(ids_that_may_be_echoed), HF_UNIT(clearing_keeps_capacity)};
  return HF_RUN(tests);
}
