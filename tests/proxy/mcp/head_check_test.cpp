// When head and body of a POST agree, and from which byte on that is certain.
#include "proxy/mcp/head_check.h"

#include <span>

#include "tests/support/hf_test.h"

using namespace holdfast::proxy;
using mcp::HeadCheck;
using mcp::RpcScanner;
using Verdict = HeadCheck::Verdict;

namespace {

constexpr std::string_view kModern = "2026-07-28";

struct Head {
  http::FieldList fields;

  Head(std::string_view version, std::optional<std::string_view> method,
       std::optional<std::string_view> name) {
    if (!version.empty())
      HF_CHECK(fields.push({"MCP-Protocol-Version", version, http::FieldId::mcp_protocol_version}));
    if (method) HF_CHECK(fields.push({"Mcp-Method", *method, http::FieldId::mcp_method}));
    if (name) HF_CHECK(fields.push({"Mcp-Name", *name, http::FieldId::mcp_name}));
  }
};

Verdict verdict(const Head &head, std::string_view body, bool complete = true) {
  RpcScanner scanner;
  scanner.reset();
  HeadCheck check(head.fields, &scanner);
  (void)scanner.feed(body);
  return check.judge(&scanner, complete);
}

constexpr std::string_view kCall =
    R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}})";
const std::optional<std::string_view> kNone;

struct Row {
  std::optional<std::string_view> method;
  std::optional<std::string_view> name;
  std::string_view body;
  Verdict verdict;
};

void check_rows(std::span<const Row> rows) {
  for (const Row &row : rows) {
    const Verdict is = verdict({kModern, row.method, row.name}, row.body);
    if (is != row.verdict) {
      HF_FAIL(std::string(row.body) + " with " + std::string(row.method.value_or("(none)")) + ", " +
              std::string(row.name.value_or("(none)")) + ": " +
              std::to_string(static_cast<int>(is)));
    }
  }
}

}  // namespace

HF_TEST(a_request_must_bring_its_method) {
  const Row rows[] = {
      {"tools/list", kNone, R"({"id":1,"method":"tools/list"})", Verdict::agrees},
      {kNone, kNone, R"({"id":1,"method":"tools/list"})", Verdict::method_missing},
      {"", kNone, R"({"id":1,"method":"tools/list"})", Verdict::method_differs},
      {"tools/call", kNone, R"({"id":1,"method":"tools/list"})", Verdict::method_differs},
      {"Tools/List", kNone, R"({"id":1,"method":"tools/list"})", Verdict::method_differs},
      {"tools/list", kNone, R"({"id":1})", Verdict::method_differs},
      {"tools/list", kNone, R"({"id":1,"method":7})", Verdict::method_differs},
      // Only names may be encoded.
      {"=?base64?dG9vbHMvbGlzdA==?=", kNone, R"({"id":1,"method":"tools/list"})",
       Verdict::method_differs},
      {"tools/list", kNone, R"({"id":1,"method":"tools\u002flist"})", Verdict::agrees},
  };
  check_rows(rows);
  const std::string method(200, 'm');  // no method is that long
  HF_CHECK(verdict({kModern, method, kNone}, R"({"id":1,"method":")" + method + "\"}") ==
           Verdict::method_differs);
}

HF_TEST(a_notification_need_not_and_must_not_lie) {
  const Row rows[] = {
      {kNone, kNone, R"({"method":"notifications/cancelled"})", Verdict::agrees},
      {"notifications/cancelled", kNone, R"({"method":"notifications/cancelled"})",
       Verdict::agrees},
      {"tools/call", kNone, R"({"method":"notifications/cancelled"})", Verdict::method_differs},
      {kNone, kNone, R"({"id":1,"result":{}})", Verdict::agrees},
      {kNone, "x", R"({"method":"tools/call","params":{"name":"y"}})", Verdict::name_differs},
  };
  check_rows(rows);
}

HF_TEST(what_is_named_must_be_what_the_name_says) {
  const Row rows[] = {
      {"tools/call", "echo", kCall, Verdict::agrees},
      {"tools/call", "ech", kCall, Verdict::name_differs},
      {"tools/call", "Echo", kCall, Verdict::name_differs},
      {"tools/call", "", kCall, Verdict::name_differs},
      {"tools/call", kNone, kCall, Verdict::name_missing},
      {"tools/call", "=?base64?ZWNobw==?=", kCall, Verdict::agrees},
      {"tools/call", "=?base64?ZWNobw?=", kCall, Verdict::name_encoding},
      {"prompts/get", "p", R"({"id":1,"method":"prompts/get","params":{"name":"p"}})",
       Verdict::agrees},
      {"prompts/get", "p", R"({"id":1,"method":"prompts/get","params":{"uri":"p"}})",
       Verdict::name_differs},
      {"resources/read", "a:b", R"({"id":1,"method":"resources/read","params":{"uri":"a:b"}})",
       Verdict::agrees},
      {"resources/read", "a:b",
       R"({"id":1,"method":"resources/read","params":{"uri":"a:c","name":"a:b"}})",
       Verdict::name_differs},
      {"tasks/get", "t1", R"({"id":1,"method":"tasks/get","params":{"taskId":"t1"}})",
       Verdict::agrees},
      {"tasks/cancel", "t1", R"({"id":1,"method":"tasks/cancel","params":{"taskId":"t2"}})",
       Verdict::name_differs},
      {"tasks/update", kNone, R"({"id":1,"method":"tasks/update","params":{"taskId":"t2"}})",
       Verdict::name_missing},
      // Nothing is named: the server says what is missing.
      {"tools/call", kNone, R"({"id":1,"method":"tools/call","params":{}})", Verdict::agrees},
      {"tools/call", kNone, R"({"id":1,"method":"tools/call"})", Verdict::agrees},
      {"tools/call", "echo", R"({"id":1,"method":"tools/call","params":{"name":1}})",
       Verdict::name_differs},
      {"tools/call", "echo", R"({"id":1,"method":"tools/call","params":["echo"]})",
       Verdict::name_differs},
      {"tools/call", "echo",
       R"({"id":1,"method":"tools/call","name":"echo","params":{"arguments":{"name":"echo"}}})",
       Verdict::name_differs},
  };
  check_rows(rows);
}

HF_TEST(a_name_that_a_method_has_no_place_for_must_be_somewhere) {
  const Row rows[] = {
      {"tools/list", "echo", R"({"id":1,"method":"tools/list"})", Verdict::name_differs},
      {"resources/subscribe", "a:b",
       R"({"id":1,"method":"resources/subscribe","params":{"uri":"a:b"}})", Verdict::agrees},
      {"x/y", "n", R"({"id":1,"method":"x/y","params":{"uri":"u","name":"n"}})", Verdict::agrees},
      {"x/y", "n", R"({"id":1,"method":"x/y","params":{"uri":"u","name":"m"}})",
       Verdict::name_differs},
  };
  check_rows(rows);
}

HF_TEST(a_body_that_is_not_one_message_agrees_with_nothing) {
  const Row rows[] = {
      {"tools/call", "echo", R"([{"id":1,"method":"tools/call","params":{"name":"echo"}}])",
       Verdict::no_message},
      {"tools/call", "echo", R"({"id":1,"method":"tools/call","params":{"name":"echo")",
       Verdict::no_message},
      {"tools/call", "echo", R"(hello)", Verdict::no_message},
      {"tools/call", "echo", "", Verdict::no_message},
      {kNone, kNone, "{} {}", Verdict::no_message},
      {"tools/call", "echo",
       R"({"id":1,"method":"tools/call","params":{"name":"echo","name":"rm"}})",
       Verdict::no_message},
      {"tools/call", "echo",
       R"({"id":1,"method":"tools/call","params":{"name":"echo"},"method":"tools/list"})",
       Verdict::no_message},
  };
  check_rows(rows);
  const Head head(kModern, "tools/call", "echo");
  HeadCheck check(head.fields, nullptr);
  HF_CHECK(check.judge(nullptr, false) == Verdict::no_message);
}

HF_TEST(the_version_of_the_body_is_the_heads) {
  const auto body = [](std::string_view version) {
    return R"({"id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":")" +
           std::string(version) + "\"}}}";
  };
  HF_CHECK(verdict({kModern, "tools/list", kNone}, body(kModern)) == Verdict::agrees);
  HF_CHECK(verdict({"2025-11-25", "tools/list", kNone}, body(kModern)) == Verdict::version_differs);
  HF_CHECK(verdict({"", "tools/list", kNone}, body(kModern)) == Verdict::version_differs);
  // Who brings a field is held to the others as well, whatever its version.
  HF_CHECK(verdict({"2025-11-25", "tools/call", kNone}, kCall) == Verdict::name_missing);
  HF_CHECK(verdict({"", kNone, "echo"}, kCall) == Verdict::method_missing);
}

// What decides is known as early as it can be, and never taken back but for worse.
HF_TEST(a_verdict_comes_with_the_byte_that_settles_it) {
  struct Step {
    std::string_view body;
    Verdict verdict;
  };
  const auto check = [](const Head &head, std::span<const Step> steps) {
    RpcScanner scanner;
    scanner.reset();
    HeadCheck one(head.fields, &scanner);
    for (const Step &step : steps) {
      (void)scanner.feed(step.body);
      if (one.judge(&scanner, false) != step.verdict) HF_FAIL(std::string(step.body));
      HF_EQ(one.failed(), !one.text().empty());
    }
  };
  const Step called[] = {
      {R"({"method":"tools/call")", Verdict::more},
      {R"(,"params":{"arguments":{"name":"other"},)", Verdict::more},
      {R"("name":"echo)", Verdict::more},
      {R"(")", Verdict::agrees},
      {R"(},"id":1)", Verdict::agrees},
      {R"(,"id":2)", Verdict::no_message},
      {R"(})", Verdict::no_message},
  };
  check({kModern, "tools/call", "echo"}, called);
  const Step other[] = {{R"({"params":{"name":"rm"},)", Verdict::more},
                        {R"("method":"tools/call")", Verdict::name_differs},
                        {R"(,"id":1})", Verdict::name_differs}};
  check({kModern, "tools/call", "echo"}, other);
  const Step unsaid[] = {{R"({"method":"notifications/cancelled")", Verdict::more},
                         {R"(,"params":{}})", Verdict::agrees}};
  check({kModern, kNone, kNone}, unsaid);
  const Step asked[] = {{R"({"method":"tools/list")", Verdict::more},
                        {R"(,"id":1,)", Verdict::method_missing}};
  check({kModern, kNone, kNone}, asked);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_request_must_bring_its_method),
      HF_UNIT(a_notification_need_not_and_must_not_lie),
      HF_UNIT(what_is_named_must_be_what_the_name_says),
      HF_UNIT(a_name_that_a_method_has_no_place_for_must_be_somewhere),
      HF_UNIT(a_body_that_is_not_one_message_agrees_with_nothing),
      HF_UNIT(the_version_of_the_body_is_the_heads),
      HF_UNIT(a_verdict_comes_with_the_byte_that_settles_it),
  };
  return HF_RUN(tests);
}
