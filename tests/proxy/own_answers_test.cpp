// Texts the proxy says in its own name: valid JSON whatever a peer sent, and no byte of it echoed
// but a well-formed id.
#include "proxy/own_answers.h"

#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

HF_TEST(json_strings_keep_utf8_and_escape_what_is_obeyed) {
  HF_EQ(json_string("é 日 \xf0\x9f\x98\x80"), "\"é 日 \xf0\x9f\x98\x80\"");
  HF_EQ(json_string("\xc2\x9b"
                    "31m\xe2\x80\xa8\xe2\x80\xa9"),
        R"("\u009b31m\u2028\u2029")");
  HF_EQ(json_string("\xc3\xff\xe2\x80"), R"("\u00c3\u00ff\u00e2\u0080")");
}

HF_TEST(an_error_carries_code_message_and_the_requests_id) {
  HF_EQ(rpc_error_body("7", -32001, "Session not found"),
        R"({"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":7})");
  HF_EQ(rpc_error_body(R"("a-1")", -32000, "x"),
        R"({"jsonrpc":"2.0","error":{"code":-32000,"message":"x"},"id":"a-1"})");
}

HF_TEST(an_error_may_carry_a_reason_in_its_data) {
  HF_EQ(rpc_error_body("7", -32001, "x", "idle_timeout"),
        R"({"jsonrpc":"2.0","error":{"code":-32001,"message":"x",)"
        R"("data":{"reason":"idle_timeout"}},"id":7})");
}

HF_TEST(an_id_that_may_not_be_echoed_becomes_null) {
  for (const std::string_view id : {"", "null", "{}", "[1]", "true", "\"", "\"a\nb\"", "1}",
                                    "\"a\"b", "\"\xff\"", "1,\"x\":2"}) {
    HF_EQ(rpc_error_body(id, -32000, "x"),
          R"({"jsonrpc":"2.0","error":{"code":-32000,"message":"x"},"id":null})");
  }
}

HF_TEST(a_message_event_is_one_event_that_clients_dispatch) {
  HF_EQ(message_event(R"({"a":1})"), "event: message\ndata: {\"a\":1}\n\n");
}

HF_TEST(a_retry_event_is_a_field_and_no_message) {
  HF_EQ(retry_event(Millis{1500}), "retry: 1500\n\n");
}

HF_TEST(the_listen_result_names_its_subscription_by_the_requests_id) {
  HF_EQ(listen_result("3"), R"({"jsonrpc":"2.0","id":3,"result":{"resultType":"complete",)"
                            R"("_meta":{"io.modelcontextprotocol/subscriptionId":3}}})");
  HF_CHECK(listen_result("}").find("\"id\":null") != std::string::npos);
}

HF_TEST(a_json_string_escapes_quotes_backslashes_and_control_characters) {
  HF_EQ(json_string("plain text"), R"("plain text")");
  HF_EQ(json_string(R"(a"b\c)"), R"("a\"b\\c")");
  HF_EQ(json_string(std::string_view("\0\n\x1f\x7f", 4)), R"("\u0000\u000a\u001f\u007f")");
  HF_EQ(json_string("\xc3\xbc\xff"), "\"\xc3\xbc\\u00ff\"");
}

HF_TEST(health_without_sessiond_counts_and_says_who_is_away) {
  RegistryCounts counts;
  counts.total = 3;
  counts.active = 2;
  counts.by_user = {{"alice", 2}, {"b\"ob", 1}};
  HF_EQ(degraded_health(false, counts, false),
        R"({"status":"degraded","sessiond":"away","sessions":{"total":3,"active":2}})");
  HF_EQ(degraded_health(true, counts, true),
        R"({"status":"draining","sessiond":"away","sessions":{"total":3,"active":2,)"
        R"("byUser":{"alice":2,"b\"ob":1}}})");
  HF_EQ(degraded_health(false, {}, true),
        R"({"status":"degraded","sessiond":"away","sessions":{"total":0,"active":0,"byUser":{}}})");
}

HF_TEST(only_a_missing_session_has_the_code_clients_start_anew_on) {
  HF_EQ(rpc_code_for(404), -32001);
  for (const int status : {400, 403, 408, 413, 502, 503, 504}) HF_EQ(rpc_code_for(status), -32000);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(json_strings_keep_utf8_and_escape_what_is_obeyed),
      HF_UNIT(an_error_carries_code_message_and_the_requests_id),
      HF_UNIT(an_error_may_carry_a_reason_in_its_data),
      HF_UNIT(an_id_that_may_not_be_echoed_becomes_null),
      HF_UNIT(a_message_event_is_one_event_that_clients_dispatch),
      HF_UNIT(a_retry_event_is_a_field_and_no_message),
      HF_UNIT(the_listen_result_names_its_subscription_by_the_requests_id),
      HF_UNIT(a_json_string_escapes_quotes_backslashes_and_control_characters),
      HF_UNIT(health_without_sessiond_counts_and_says_who_is_away),
      HF_UNIT(only_a_missing_session_has_the_code_clients_start_anew_on),
  };
  return HF_RUN(tests);
}
