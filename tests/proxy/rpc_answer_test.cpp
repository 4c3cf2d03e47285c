// What the proxy reads of backends' answers when it opens sessions again: the response in a body or
// a stream, whether two initialize results promise the same, and what a refusal means.
#include "proxy/rpc_answer.h"

#include "proxy/http/head_parser.h"
#include "proxy/initialize_result.h"
#include "tests/support/hf_test.h"

using namespace holdfast::proxy;

namespace {

constexpr std::string_view kResult = R"({"jsonrpc":"2.0","id":0,"result":{"a":1}})";

// The answer of a backend with these fields and this body, fed in pieces of every size.
struct Fed {
  bool found;
  bool ok;
  std::string json;
};
Fed feed(std::string_view fields, std::string_view body, size_t piece_bytes) {
  const std::string text = "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n";
  http::ResponseParser parser;
  http::ResponseHead head;
  HF_CHECK(parser.parse(text, http::Method::post, head) == http::HeadState::complete);
  RpcAnswer answer;
  answer.begin(head);
  for (size_t at = 0; at < body.size(); at += piece_bytes)
    answer.feed(body.substr(at, piece_bytes));
  answer.end();
  return {answer.found(), answer.found() && answer.ok(), answer.found() ? answer.json() : ""};
}

std::optional<uint64_t> print(std::string_view result) {
  return initialize_fingerprint(R"({"jsonrpc":"2.0","id":0,"result":)" + std::string(result) + "}");
}

}  // namespace

HF_TEST(the_response_is_found_in_json_and_in_a_stream_behind_other_messages) {
  const std::string stream =
      "id: 1\ndata: \n\nevent: message\ndata: {\"method\":\"x\",\"id\":0}\n\n"
      ": comment\n\nevent: message\ndata: " +
      std::string(kResult) + "\n\ndata: {\"id\":1,\"result\":{}}\n\n";
  for (const size_t piece_bytes : {size_t{1}, size_t{7}, size_t{1000}}) {
    const Fed json = feed("Content-Type: application/json\r\n", kResult, piece_bytes);
    HF_CHECK(json.found && json.ok);
    HF_EQ(json.json, kResult);
    const Fed events = feed("Content-Type: text/event-stream\r\n", stream, piece_bytes);
    HF_CHECK(events.found && events.ok);
    HF_EQ(events.json, kResult);
  }
}

HF_TEST(an_error_is_an_answer_and_no_result) {
  const Fed error = feed("Content-Type: application/json\r\n",
                         R"({"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}})", 9);
  HF_CHECK(error.found && !error.ok);
}

HF_TEST(what_is_no_answer_is_none) {
  HF_CHECK(!feed("Content-Type: text/html\r\n", kResult, 100).found);
  HF_CHECK(!feed("Content-Type: application/json\r\nContent-Encoding: gzip\r\n", kResult, 9).found);
  HF_CHECK(!feed("Content-Type: application/json\r\n", "[1]", 100).found);
  HF_CHECK(!feed("Content-Type: application/json\r\n", "", 100).found);
  HF_CHECK(!feed("Content-Type: text/event-stream\r\n", "data: {}\n\n", 100).found);
}

HF_TEST(answers_beyond_the_bound_are_none_and_a_long_event_hides_no_later_one) {
  const std::string padded =
      R"({"result":")" + std::string(RpcAnswer::kBytesMax, 'x') + R"(","id":0})";
  HF_CHECK(!feed("Content-Type: application/json\r\n", padded, 4096).found);
  const Fed later = feed("Content-Type: text/event-stream\r\n",
                         "data: " + padded + "\n\ndata: " + std::string(kResult) + "\n\n", 4096);
  HF_EQ(later.json, kResult);
}

HF_TEST(equal_promises_have_equal_fingerprints) {
  const auto first = print(
      R"({"protocolVersion":"1","capabilities":{"a":{},"b":1},"serverInfo":{"name":"s"},"instructions":"x"})");
  HF_CHECK(first.has_value());
  HF_CHECK(
      first ==
      print(
          R"({ "serverInfo":{"name":"s"}, "capabilities":{"b":1,"a":{}}, "protocolVersion":"1" })"));
  for (const char *other :
       {R"({"protocolVersion":"2","capabilities":{"a":{},"b":1},"serverInfo":{"name":"s"}})",
        R"({"protocolVersion":"1","capabilities":{"a":{}},"serverInfo":{"name":"s"}})",
        R"({"protocolVersion":"1","capabilities":{"a":{},"b":1},"serverInfo":{"name":"t"}})",
        R"({"protocolVersion":"1","capabilities":{"a":{},"b":1}})"}) {
    HF_CHECK(print(other).has_value() && print(other) != first);
  }
  HF_CHECK(!initialize_fingerprint(R"({"id":0,"error":{}})"));
  HF_CHECK(!initialize_fingerprint("no JSON"));
}

HF_TEST(a_refusal_means_a_lost_session_or_it_does_not) {
  constexpr const char *kHabit =
      R"({"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}})";
  constexpr const char *kNotInitialized =
      R"({"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null})";
  HF_CHECK(means_session_lost(404, "", "5"));
  HF_CHECK(means_session_lost(404, "<html>", "5"));
  HF_CHECK(means_session_lost(
      404, R"({"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null})",
      "5"));
  HF_CHECK(!means_session_lost(
      404, R"({"jsonrpc":"2.0","id":5,"error":{"code":-32601,"message":"Method not found"}})",
      "5"));
  HF_CHECK(means_session_lost(400, kHabit, "5"));
  HF_CHECK(means_session_lost(400, kNotInitialized, "5"));
  // Of this very request: the backend knew whom it answered.
  HF_CHECK(!means_session_lost(
      400, R"({"id":5,"error":{"code":-32602,"message":"session_name is required"}})", "5"));
  HF_CHECK(!means_session_lost(400, R"({"error":{"code":-32000,"message":"bad JSON"}})", "5"));
  HF_CHECK(!means_session_lost(400, "no session here", "5"));
  HF_CHECK(!means_session_lost(500, kHabit, "5"));
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(the_response_is_found_in_json_and_in_a_stream_behind_other_messages),
      HF_UNIT(an_error_is_an_answer_and_no_result),
      HF_UNIT(what_is_no_answer_is_none),
      HF_UNIT(answers_beyond_the_bound_are_none_and_a_long_event_hides_no_later_one),
      HF_UNIT(equal_promises_have_equal_fingerprints),
      HF_UNIT(a_refusal_means_a_lost_session_or_it_does_not),
  };
  return HF_RUN(tests);
}
