// The response parser: backend bytes are as untrusted as client bytes, and every doubt is a 502.
#include <string>
#include <string_view>

#include "proxy/http/head_parser.h"
#include "tests/support/codec_feed.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;
using namespace holdfast::test;
using namespace std::string_literals;

namespace {

constexpr int kOk = 0;
constexpr int kIncomplete = -1;

HeadOutcome outcome_of(const std::string &input, Method method) {
  const HeadOutcome whole = feed_response(input, method, cut_whole(input.size()));
  if (!(whole == feed_response(input, method, cut_bytewise(input.size())))) {
    HF_FAIL("whole and byte by byte differ for:\n" + input);
  }
  std::mt19937 rng(9112);
  for (int i = 0; i < 20; ++i) {
    if (!(whole == feed_response(input, method, cut_randomly(input.size(), rng)))) {
      HF_FAIL("a random split differs for:\n" + input);
    }
  }
  return whole;
}

void expect_status(const std::string &input, int expected, Method method = Method::get) {
  const HeadOutcome outcome = outcome_of(input, method);
  const int status = outcome.state == HeadState::incomplete ? kIncomplete : outcome.status;
  if (status != expected) {
    HF_FAIL("expected " + std::to_string(expected) + " for:\n" + input + "\ngot " +
            describe(outcome));
  }
}

std::string ok_with(const std::string &fields) { return "HTTP/1.1 200 OK\r\n" + fields + "\r\n"; }

template <class Check>
void with_head(const std::string &input, Method method, Check check) {
  ResponseParser parser;
  ResponseHead head;
  HF_CHECK(parser.parse(input, method, head) == HeadState::complete);
  check(head);
}

}  // namespace

HF_TEST(status_lines_are_judged) {
  // 9112 4: two versions, three digits, a short reason without control bytes.
  struct Row {
    std::string line;
    int status;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\n", kOk},
      {"HTTP/1.0 200 OK\r\n", kOk},
      {"HTTP/1.1 200 \r\n", kOk},
      {"HTTP/1.1 200\r\n", kOk},
      {"HTTP/1.1 200  two  blanks\r\n", kOk},
      {"HTTP/1.1 599 caf\xc3\xa9\r\n", kOk},
      {"HTTP/1.1 100 Continue\r\n", kOk},
      {"HTTP/1.1 103 Early Hints\r\n", kOk},
      {"HTTP/1.1 101 Switching Protocols\r\n", 502},
      {"HTTP/1.1 099 X\r\n", 502},
      {"HTTP/1.1 000 X\r\n", 502},
      {"HTTP/1.1 600 X\r\n", 502},
      {"HTTP/1.1 20 X\r\n", 502},
      {"HTTP/1.1 2000 X\r\n", 502},
      {"HTTP/1.1 20x X\r\n", 502},
      {"HTTP/1.1 +20 X\r\n", 502},
      {"HTTP/1.1  200 X\r\n", 502},
      {"HTTP/1.1\t200 X\r\n", 502},
      {"HTTP/1.1 200\tX\r\n", 502},
      {"HTTP/1.1 200X\r\n", 502},
      {"HTTP/1.1\r\n", 502},
      {"HTTP/1.1 \r\n", 502},
      {"HTTP/1.1 200 a\x01\r\n", 502},
      {"HTTP/1.1 200 a\x7f\r\n", 502},
      {"HTTP/1.1 200 a\0\r\n"s, 502},
      {"HTTP/1.1 200 a\rb\r\n", 502},
      {"HTTP/1.1 200 OK\n", 502},
      {"HTTP/1.1 200 OKX\n", 502},
      {"HTTP/1.2 200 OK\r\n", 502},
      {"HTTP/2.0 200 OK\r\n", 502},
      {"HTTP/2 200\r\n", 502},
      {"http/1.1 200 OK\r\n", 502},
      {"ICY 200 OK\r\n", 502},
      {"\r\nHTTP/1.1 200 OK\r\n", 502},
      {" HTTP/1.1 200 OK\r\n", 502},
      {"<html>", 502},
      {"\n", 502},
      {"HTTP/1.1 200 " + std::string(kReasonBytesMax, 'r') + "\r\n", kOk},
      {"HTTP/1.1 200 " + std::string(kReasonBytesMax + 1, 'r') + "\r\n", 502},
  };
  for (const Row &row : rows) expect_status(row.line + "\r\n", row.status);
  expect_status("HTTP/1.", kIncomplete);
  expect_status("HTTP/1.1 200 OK\r\n", kIncomplete);
  expect_status("HTTQ", 502);  // at its first wrong byte, not at a line end that may never come
  expect_status("HTTP/1.1 200 " + std::string(kReasonBytesMax + 2, 'r'), 502);
}

HF_TEST(field_faults_are_502) {
  const std::string rows[] = {
      "X-A : b\r\n",
      "X-A: b\r\n c\r\n",
      "X-A\r\n",
      ": b\r\n",
      "X A: b\r\n",
      "X-A: b\x01\r\n",
      "X-A: b\0\r\n"s,
      "X-A: b\x7f\r\n",
      "X-A: b\rc\r\n",
      "X-A: b\n",
      "Content-Type: a\r\nContent-Type: a\r\n",
      "Mcp-Session-Id: a\r\nMcp-Session-Id: a\r\n",
      "Mcp-Session-Id:\r\n",
      "Mcp-Session-Id: a b\r\n",
      "Mcp-Session-Id: caf\xc3\xa9\r\n",
      "Mcp-Session-Id: " + std::string(kSessionIdBytesMax + 1, 'x') + "\r\n",
      "Content-Length: 1\r\nContent-Length: 1\r\n",
      "Content-Length: 1, 1\r\n",
      "Content-Length:\r\n",
      "Content-Length: 1x\r\n",
      "Content-Length: 1000000000000000000\r\n",
      "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
      "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding: gzip\r\n",
      "Transfer-Encoding:\r\n",
      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
      std::string(kFieldNameBytesMax + 1, 'n') + ": v\r\n",
  };
  for (const std::string &row : rows) expect_status(ok_with(row), 502);
  expect_status("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 502);
  expect_status(ok_with("X-A: caf\xc3\xa9\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"), kOk);
  expect_status(ok_with("Mcp-Session-Id: " + std::string(kSessionIdBytesMax, 'x') + "\r\n"), kOk);
}

HF_TEST(the_body_follows_from_status_method_and_fields) {
  // 9112 6.3 in its order; the last column is whether the connection may be used again.
  struct Row {
    std::string line;
    std::string fields;
    Method method;
    Framing framing;
    bool keep_alive;
  };
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::string length = "Content-Length: 5\r\n";
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const Framing none;
  const Framing five{BodyKind::length, 5};
  const Row rows[] = {
      {ok, length, Method::get, five, true},
      {ok, "Content-Length: 0\r\n", Method::get, {BodyKind::length, 0}, true},
      {ok, chunked, Method::post, {BodyKind::chunked, 0}, true},
      {ok, "", Method::get, {BodyKind::until_close, 0}, false},
      {ok, length + "Connection: close\r\n", Method::get, five, false},
      {ok, length, Method::head, none, true},
      {ok, chunked, Method::head, none, true},
      {ok, "", Method::head, none, true},
      {"HTTP/1.0 200 OK\r\n", length, Method::get, five, false},
      {"HTTP/1.0 200 OK\r\n", length + "Connection: keep-alive\r\n", Method::get, five, false},
      {"HTTP/1.1 204 No Content\r\n", "", Method::delete_, none, true},
      {"HTTP/1.1 204 No Content\r\n", "Content-Length: 0\r\n", Method::delete_, none, true},
      {"HTTP/1.1 204 No Content\r\n", length, Method::delete_, none, false},
      {"HTTP/1.1 204 No Content\r\n", chunked, Method::delete_, none, false},
      {"HTTP/1.1 304 Not Modified\r\n", length, Method::get, none, true},
      {"HTTP/1.1 304 Not Modified\r\n", "", Method::get, none, true},
      {"HTTP/1.1 102 Processing\r\n", "", Method::get, none, true},
      {"HTTP/1.1 404 Not Found\r\n", length, Method::get, five, true},
  };
  for (const Row &row : rows) {
    with_head(row.line + row.fields + "\r\n", row.method, [&](const ResponseHead &head) {
      HF_EQ(describe(head.framing), describe(row.framing));
      HF_EQ(head.keep_alive, row.keep_alive);
    });
  }
  expect_status("HTTP/1.1 103 Early Hints\r\nContent-Length: 1\r\n\r\n", 502);
  expect_status("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", 502);
}

HF_TEST(a_declared_length_is_kept_where_no_body_follows) {
  with_head(ok_with("Content-Length: 42\r\n"), Method::head, [](const ResponseHead &head) {
    HF_CHECK(head.has_declared_length);
    HF_EQ(head.declared_length, 42U);
  });
  with_head("HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\n\r\n", Method::get,
            [](const ResponseHead &head) { HF_EQ(head.declared_length, 42U); });
  with_head(ok_with("Content-Length: 42\r\n"), Method::get,
            [](const ResponseHead &head) { HF_CHECK(!head.has_declared_length); });
}

HF_TEST(a_head_is_taken_apart_and_its_rest_left_alone) {
  const std::string head_text =
      "HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\nKeep-Alive: timeout=5\r\n"
      "Connection: x-private\r\nX-Private: 1\r\nContent-Length: 3\r\n\r\n";
  const std::string received = head_text + "abcHTTP/1.1 200";
  ResponseParser parser;
  ResponseHead head;
  HF_CHECK(parser.parse(received, Method::get, head) == HeadState::complete);
  HF_EQ(parser.head_bytes(), head_text.size());
  HF_EQ(head.status, 404);
  HF_EQ(head.reason, "Not Found");
  HF_EQ(head.fields.value(FieldId::content_type), "text/event-stream");
  HF_CHECK(head.fields.all()[1].hop_by_hop);
  HF_CHECK(head.fields.all()[2].hop_by_hop);
  HF_CHECK(head.fields.all()[3].hop_by_hop);
  HF_CHECK(!head.fields.all()[4].hop_by_hop);
}

HF_TEST(after_an_interim_head_the_parser_is_reset_and_goes_on) {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  const std::string received = interim + ok_with("Content-Length: 0\r\n");
  ResponseParser parser;
  ResponseHead head;
  HF_CHECK(parser.parse(received, Method::get, head) == HeadState::complete);
  HF_EQ(head.status, 103);
  HF_EQ(parser.head_bytes(), interim.size());
  const std::string_view rest = std::string_view(received).substr(parser.head_bytes());
  parser.reset();
  HF_CHECK(parser.parse(rest, Method::get, head) == HeadState::complete);
  HF_EQ(head.status, 200);
}

HF_TEST(the_limits_of_heads_hold_for_responses) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (size_t i = 0; i < kFieldsMax; ++i) many += "a: b\r\n";
  expect_status(many + "\r\n", kOk);
  expect_status(many + "a", 502);
  const std::string before = "HTTP/1.1 200 OK\r\nX-A: ";
  const std::string largest =
      before + std::string(kHeadBytesMax - before.size() - 4, 'x') + "\r\n\r\n";
  const auto whole = [](const std::string &input) {
    return feed_response(input, Method::get, cut_whole(input.size()));
  };
  HF_CHECK(whole(largest).state == HeadState::complete);
  HF_EQ(whole("HTTP/1.1 200 OK\r\nX-B: " + std::string(kHeadBytesMax, 'x')).status, 502);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(status_lines_are_judged),
      HF_UNIT(field_faults_are_502),
      HF_UNIT(the_body_follows_from_status_method_and_fields),
      HF_UNIT(a_declared_length_is_kept_where_no_body_follows),
      HF_UNIT(a_head_is_taken_apart_and_its_rest_left_alone),
      HF_UNIT(after_an_interim_head_the_parser_is_reset_and_goes_on),
      HF_UNIT(the_limits_of_heads_hold_for_responses),
  };
  return HF_RUN(tests);
}
