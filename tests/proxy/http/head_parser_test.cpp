// The request parser: what is accepted, what is refused and with which code, at every split.
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

// What every split of `input` gives; fails the test when two splits disagree.
HeadOutcome outcome_of(const std::string &input) {
  const HeadOutcome whole = feed_request(input, cut_whole(input.size()));
  const HeadOutcome bytewise = feed_request(input, cut_bytewise(input.size()));
  if (!(whole == bytewise)) {
    HF_FAIL("whole and byte by byte differ for:\n" + input + "\nwhole: " + describe(whole) +
            "\nbytewise: " + describe(bytewise));
  }
  std::mt19937 rng(20240607);
  for (int i = 0; i < 20; ++i) {
    const HeadOutcome split = feed_request(input, cut_randomly(input.size(), rng));
    if (!(whole == split)) HF_FAIL("a random split differs for:\n" + input);
  }
  return whole;
}

void expect_status(const std::string &input, int expected) {
  const HeadOutcome outcome = outcome_of(input);
  const int status = outcome.state == HeadState::incomplete ? kIncomplete : outcome.status;
  if (status != expected) {
    HF_FAIL("expected " + std::to_string(expected) + " for:\n" + input + "\ngot " +
            describe(outcome));
  }
}

std::string get_with(const std::string &fields) {
  return "GET / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string post_with(const std::string &fields) {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string target_with(const std::string &target, const std::string &method = "GET") {
  return method + " " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
std::string host_with(const std::string &host) {
  return "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n";
}

// Parses `input`, which must be complete, and hands the head to `check`.
template <class Check>
void with_head(const std::string &input, Check check) {
  RequestParser parser;
  RequestHead head;
  HF_CHECK(parser.parse(input, head) == HeadState::complete);
  check(head);
}

}  // namespace

HF_TEST(a_typical_request_is_taken_apart) {
  // Every part of the head has its place, and what follows the head is not touched.
  const std::string head_text =
      "POST /mcp?x=1&y=%zz HTTP/1.1\r\n"
      "Host: example.com:8080\r\n"
      "Content-Type:application/json\r\n"
      "Accept:  application/json, text/event-stream \t\r\n"
      "Mcp-Session-Id: abc123\r\n"
      "X-Empty:\r\n"
      "Content-Length: 0012\r\n"
      "\r\n";
  const std::string received = head_text + "{\"a\":1}";
  RequestParser parser;
  RequestHead head;
  HF_CHECK(parser.parse(received, head) == HeadState::complete);
  HF_EQ(parser.head_bytes(), head_text.size());
  HF_CHECK(head.method == Method::post);
  HF_EQ(head.method_name, "POST");
  HF_EQ(head.target, "/mcp?x=1&y=%zz");
  HF_EQ(head.path, "/mcp");
  HF_EQ(head.query, "x=1&y=%zz");
  HF_EQ(head.host, "example.com:8080");
  HF_EQ(head.scheme, "");
  HF_EQ(int{head.minor_version}, 1);
  HF_CHECK(head.keep_alive);
  HF_CHECK(!head.expect_continue);
  HF_CHECK((head.framing == Framing{BodyKind::length, 12}));
  HF_EQ(head.fields.size(), 6U);
  HF_EQ(head.fields.value(FieldId::accept), "application/json, text/event-stream");
  HF_EQ(head.fields.value(FieldId::mcp_session_id), "abc123");
  HF_EQ(head.fields.all()[4].value, "");
}

HF_TEST(request_lines_are_judged) {
  // 9112 2.2 and 3: exactly one SP, CRLF, a known method, HTTP/1.0 or 1.1.
  struct Row {
    std::string input;
    int status;
  };
  const std::string host = "Host: a\r\n\r\n";
  const Row rows[] = {
      {"GET / HTTP/1.1\r\n" + host, kOk},
      {"\r\nGET / HTTP/1.1\r\n" + host, kOk},
      {"\r\n\r\nGET / HTTP/1.1\r\n" + host, kOk},
      {"\r\n\r\n\r\nGET / HTTP/1.1\r\n" + host, 400},
      {"\nGET / HTTP/1.1\r\n" + host, 400},
      {"\r\rGET / HTTP/1.1\r\n" + host, 400},
      {" GET / HTTP/1.1\r\n" + host, 400},
      {"GET  / HTTP/1.1\r\n" + host, 400},
      {"GET /  HTTP/1.1\r\n" + host, 400},
      {"GET / HTTP/1.1 \r\n" + host, 400},
      {"GET\t/ HTTP/1.1\r\n" + host, 400},
      {"GET / HTTP/1.1\n" + host, 400},
      {"GET / HTTP/1.1X\n" + host, 400},
      {"GET / HTTP/1.1\r" + host, 400},
      {"GET /\r\n" + host, 400},
      {"GET\r\n" + host, 400},
      {"GET / \r\n" + host, 400},
      {"GET  HTTP/1.1\r\n" + host, 400},
      {"GET / http/1.1\r\n" + host, 400},
      {"GET / HTTP/11\r\n" + host, 400},
      {"GET / HTTP/1.10\r\n" + host, 400},
      {"GET / HTTP/1.\r\n" + host, 400},
      {"GET / HTTPS/1.1\r\n" + host, 400},
      {"GET / HTTP/1,1\r\n" + host, 400},
      {"GET / HTTP/a.1\r\n" + host, 400},
      {"GET / HTTP/1.2\r\n" + host, 505},
      {"GET / HTTP/2.0\r\n" + host, 505},
      {"GET / HTTP/0.9\r\n" + host, 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"get / HTTP/1.1\r\n" + host, 501},
      {"FROB / HTTP/1.1\r\n" + host, 501},
      {"CONNECT a:443 HTTP/1.1\r\n" + host, 501},
      {"G@T / HTTP/1.1\r\n" + host, 400},
      {"G\0T / HTTP/1.1\r\n"s + host, 400},
      {"GET /\0 HTTP/1.1\r\n"s + host, 400},
      {"GET /a\rb HTTP/1.1\r\n" + host, 400},
      {"GET /\x7f HTTP/1.1\r\n" + host, 400},
      {"GET /\xc3\xa9 HTTP/1.1\r\n" + host, 400},
      {"\x16\x03\x01\x02", 400},
      {"{\"jsonrpc\":", 400},
      {"G", kIncomplete},
      {"\r\n", kIncomplete},
      {"\r\n\r", kIncomplete},
      {"GET / HTTP/1.1\r\n", kIncomplete},
      {"GET / HTTP/1.1\r\nHost: a\r\n", kIncomplete},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r", kIncomplete},
  };
  for (const Row &row : rows) expect_status(row.input, row.status);
}

HF_TEST(every_known_method_is_accepted_with_its_name) {
  const struct {
    std::string_view name;
    Method method;
  } rows[] = {{"GET", Method::get},        {"HEAD", Method::head},       {"POST", Method::post},
              {"DELETE", Method::delete_}, {"OPTIONS", Method::options}, {"PUT", Method::put},
              {"PATCH", Method::patch},    {"TRACE", Method::trace}};
  for (const auto &row : rows) {
    with_head(target_with("/", std::string(row.name)), [&](const RequestHead &head) {
      HF_CHECK(head.method == row.method);
      HF_EQ(head.method_name, row.name);
    });
  }
}

HF_TEST(started_is_false_for_leading_line_ends_only) {
  // A peer that hangs up after a stray CRLF began no request: it gets silence, not 408.
  RequestParser parser;
  RequestHead head;
  HF_CHECK(parser.parse("", head) == HeadState::incomplete);
  HF_CHECK(parser.parse("\r\n\r", head) == HeadState::incomplete);
  HF_CHECK(!parser.started());
  HF_CHECK(parser.parse("\r\n\r\nP", head) == HeadState::incomplete);
  HF_CHECK(parser.started());
  parser.reset();
  HF_CHECK(!parser.started());
}

HF_TEST(a_parser_that_failed_stays_failed_until_reset) {
  RequestParser parser;
  RequestHead head;
  HF_CHECK(parser.parse("\x16", head) == HeadState::failed);
  HF_CHECK(parser.parse(get_with(""), head) == HeadState::failed);
  HF_EQ(parser.error().status, 400);
  parser.reset();
  HF_CHECK(parser.parse(get_with(""), head) == HeadState::complete);
}

HF_TEST(targets_are_judged) {
  // 9112 3.2 and 3986: the path is checked byte for byte, never decoded; the query is left alone.
  struct Row {
    std::string target;
    std::string method;
    int status;
  };
  const Row rows[] = {
      {"/", "GET", kOk},
      {"/a/b;c=d/e:f@g,h!$&'()*+=~_-.", "GET", kOk},
      {"/%41%fF", "GET", kOk},
      {"/a//b/../c/%2e/%2F", "GET", kOk},
      {"/?a=b?c&d=%", "GET", kOk},
      {"/?\"<>\\^`{|}", "GET", kOk},
      {"/%", "GET", 400},
      {"/%4", "GET", 400},
      {"/%4g", "GET", 400},
      {"/%00", "GET", 400},
      {"/a%00b", "GET", 400},
      {"/?%00", "GET", kOk},
      {"/a\"", "GET", 400},
      {"/a<", "GET", 400},
      {"/a\\b", "GET", 400},
      {"/a^b", "GET", 400},
      {"/a|b", "GET", 400},
      {"/#x", "GET", 400},
      {"/?#x", "GET", 400},
      {"*", "OPTIONS", kOk},
      {"*", "GET", 400},
      {"**", "OPTIONS", 400},
      {"a:80", "GET", 400},
      {"mcp", "GET", 400},
      {"?x", "GET", 400},
      {"http://a", "GET", kOk},
      {"http://a/", "GET", kOk},
      {"HTTP://A/x?y", "GET", kOk},
      {"http://a:80/", "GET", kOk},
      {"http://a:/", "GET", kOk},
      {"https://a/", "GET", kOk},
      {"https://a:443/", "GET", kOk},
      {"https://a:80/", "GET", 400},
      {"http://a:81/", "GET", 400},
      {"http://b/", "GET", 400},
      {"http:///", "GET", 400},
      {"http://", "GET", 400},
      {"http:/a", "GET", 400},
      {"http://u@a/", "GET", 400},
      {"http://u:p@a/", "GET", 400},
      {"http://a?x", "GET", 400},
      {"http://a#x", "GET", 400},
      {"http://a/#x", "GET", 400},
      {"http://a/%00", "GET", 400},
      {"ftp://a/", "GET", 400},
      {"://a/", "GET", 400},
  };
  for (const Row &row : rows) expect_status(target_with(row.target, row.method), row.status);
}

HF_TEST(every_byte_is_judged_at_every_place_of_a_target) {
  // Targets are searched in steps of 16 bytes: each place in a step, and a rest behind the last
  // one.
  const std::string plain = "/?" + std::string(38, 'q');
  for (size_t at = 2; at < plain.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string target = plain;
      target[at] = static_cast<char>(byte);
      const std::string request = target_with(target);
      const bool visible = byte > 0x20 && byte < 0x7f && byte != '#';
      const HeadOutcome outcome = feed_request(request, cut_whole(request.size()));
      if ((outcome.status == kOk) != visible) HF_FAIL("misjudged:\n" + request);
    }
  }
}

HF_TEST(an_absolute_target_is_forwarded_in_origin_form) {
  with_head("GET http://Example.com:80/a?b HTTP/1.1\r\nHost: example.COM\r\n\r\n",
            [](const RequestHead &head) {
              HF_EQ(head.target, "/a?b");
              HF_EQ(head.path, "/a");
              HF_EQ(head.query, "b");
              HF_EQ(head.scheme, "http");
              HF_EQ(head.host, "example.COM");
            });
  with_head("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            [](const RequestHead &head) { HF_EQ(head.target, "/"); });
  with_head("OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            [](const RequestHead &head) { HF_EQ(head.target, "*"); });
  with_head("GET https://a:8443/ HTTP/1.0\r\n\r\n", [](const RequestHead &head) {
    HF_EQ(head.host, "a:8443");  // 1.0 without Host: the target names it
    HF_EQ(head.scheme, "https");
  });
}

HF_TEST(hosts_are_judged) {
  struct Row {
    std::string host;
    int status;
  };
  const Row rows[] = {
      {"localhost", kOk},
      {"127.0.0.1:8080", kOk},
      {"a.b-c_d~e", kOk},
      {"a!$&'()*+;=b", kOk},
      {"a%41", kOk},
      {"a:", kOk},
      {"a:1", kOk},
      {"a:65535", kOk},
      {"[::1]", kOk},
      {"[::1]:80", kOk},
      {"[::]", kOk},
      {"[1:2:3:4:5:6:7:8]", kOk},
      {"[1:2:3:4:5:6:7::]", kOk},
      {"[fe80::1:2]", kOk},
      {"[::ffff:1.2.3.4]", kOk},
      {"[1:2:3:4:5:6:255.0.10.99]", kOk},
      {"", 400},
      {":80", 400},
      {"a:0", 400},
      {"a:65536", 400},
      {"a:123456", 400},
      {"a:8x", 400},
      {"a:-1", 400},
      {"a:1:2", 400},
      {"a,b", 400},
      {"a b", 400},
      {"a/b", 400},
      {"a?b", 400},
      {"a@b", 400},
      {"a\\b", 400},
      {"a%4", 400},
      {"a%zz", 400},
      {"a\"b", 400},
      {"\xc3\xa9", 400},
      {"[]", 400},
      {"[::1", 400},
      {"::1", 400},
      {"[::1]x", 400},
      {"[::1]x:80", 400},
      {"x[::1]", 400},
      {"[1:2:3:4:5:6:7]", 400},
      {"[1:2:3:4:5:6:7:8:9]", 400},
      {"[1:2:3:4::5:6:7:8]", 400},
      {"[1::2::3]", 400},
      {"[:1]", 400},
      {"[1:]", 400},
      {"[:::]", 400},
      {"[12345::]", 400},
      {"[::g]", 400},
      {"[fe80::1%25eth0]", 400},
      {"[v1.a]", 400},
      {"[::1.2.3]", 400},
      {"[::1.2.3.256]", 400},
      {"[::1.2.3.04]", 400},
      {"[::1.2.3.4.5]", 400},
      {"[1:2:3:4:5:6:7:1.2.3.4]", 400},
      {"[1.2.3.4::]", 400},
  };
  for (const Row &row : rows) expect_status(host_with(row.host), row.status);
}

// HTTP/1.1 requires it, HTTP/1.0 may omit it, and nobody may send two.
HF_TEST(a_request_has_one_host) {
  expect_status("GET / HTTP/1.1\r\n\r\n", 400);
  expect_status("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
  expect_status("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
  expect_status("GET / HTTP/1.0\r\nHost:\r\n\r\n", 400);
  expect_status("GET / HTTP/1.0\r\n\r\n", kOk);
  expect_status("GET http://a/ HTTP/1.1\r\n\r\n", 400);
}

HF_TEST(field_lines_are_judged) {
  // 9112 5 and 9110 5.5: what two parsers could read differently is refused.
  struct Row {
    std::string fields;
    int status;
  };
  const Row rows[] = {
      {"X-A: b\r\n", kOk},
      {"X-A:b\r\n", kOk},
      {"X-A:\r\n", kOk},
      {"X-A: \t \r\n", kOk},
      {"X-A: b\t c\r\n", kOk},
      {"X-A: caf\xc3\xa9\r\n", kOk},
      {"!#$%&'*+-.^_`|~09az: b\r\n", kOk},
      {"X-A : b\r\n", 400},
      {"X-A\t: b\r\n", 400},
      {" X-A: b\r\n", 400},
      {"X-A: b\r\n c\r\n", 400},
      {"X-A: b\r\n\tc\r\n", 400},
      {": b\r\n", 400},
      {"X-A\r\n", 400},
      {"X A: b\r\n", 400},
      {"X(A: b\r\n", 400},
      {"X\xc3: b\r\n", 400},
      {"X\0: b\r\n"s, 400},
      {"X-A: b\0c\r\n"s, 400},
      {"X-A: b\x01\r\n", 400},
      {"X-A: b\x7f\r\n", 400},
      {"X-A: b\x0b\r\n", 400},
      {"X-A: b\rc\r\n", 400},
      {"X-A: b\n", 400},
      {"X-A: b\r\r\n", 400},
      {"X-A: a longer value so that the sixteen byte steps see the \x01 too\r\n", 400},
      {"X-A: a longer value so that the sixteen byte steps see the \x7f too\r\n", 400},
      {"X-A: a longer value so that the sixteen byte steps see the \ttab pass\r\n", kOk},
      {"\n", 400},
  };
  for (const Row &row : rows) expect_status(get_with(row.fields), row.status);
  expect_status("GET / HTTP/1.1\r\nHost: a\n\n", 400);
  expect_status("GET / HTTP/1.1\r\nHost: a\n\r\n", 400);
  expect_status("GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
  expect_status("GET / HTTP/1.1\r\n\n", 400);
  expect_status("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
}

HF_TEST(singletons_are_refused_twice_and_lists_are_not) {
  for (const std::string name :
       {"Content-Type", "Authorization", "Origin", "Last-Event-ID", "Mcp-Protocol-Version",
        "Mcp-Method", "Mcp-Name", "Mcp-Param-X", "Mcp-Session-Id"}) {
    expect_status(get_with(name + ": a\r\n"), kOk);
    expect_status(get_with(name + ": a\r\n" + name + ": a\r\n"), 400);
  }
  expect_status(get_with("Mcp-Param-X: a\r\nX-B: c\r\nmcp-param-x: b\r\n"), 400);
  expect_status(get_with("Mcp-Param-X: a\r\nMcp-Param-Y: b\r\n"), kOk);
  expect_status(get_with("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 400);
  for (const std::string name : {"Accept", "Via", "Cookie", "Connection", "X-Forwarded-For"}) {
    expect_status(get_with(name + ": a\r\n" + name + ": b\r\n"), kOk);
  }
}

HF_TEST(session_ids_and_interpreted_fields_hold_plain_text) {
  expect_status(get_with("Mcp-Session-Id: !~\r\n"), kOk);
  expect_status(get_with("Mcp-Session-Id:\r\n"), 400);
  expect_status(get_with("Mcp-Session-Id: a b\r\n"), 400);
  expect_status(get_with("Mcp-Session-Id: a\tb\r\n"), 400);
  expect_status(get_with("Mcp-Session-Id: " + std::string(4096, 'x') + "\r\n"), kOk);
  expect_status(get_with("Mcp-Session-Id: " + std::string(4097, 'x') + "\r\n"), 400);
  for (const std::string name : {"Accept", "Authorization", "Connection", "Content-Type", "Origin",
                                 "Mcp-Name", "Mcp-Other", "Last-Event-ID", "X-Forwarded-For"}) {
    expect_status(get_with(name + ": caf\xc3\xa9\r\n"), 400);
    expect_status(get_with(name + ": a value of more than one step, caf\xc3\xa9\r\n"), 400);
  }
}

HF_TEST(framing_is_judged) {
  // 9112 6: one length or one "chunked", nothing that needs interpretation.
  struct Row {
    std::string fields;
    int status;
    Framing framing;
  };
  const std::string te = "Transfer-Encoding: ";
  const Row rows[] = {
      {"", kOk, {}},
      {"Content-Length: 0\r\n", kOk, {BodyKind::length, 0}},
      {"Content-Length: 007\r\n", kOk, {BodyKind::length, 7}},
      {"Content-Length: 999999999999999999\r\n", kOk, {BodyKind::length, 999999999999999999}},
      {"Content-Length: 1000000000000000000\r\n", 400, {}},
      {"Content-Length:\r\n", 400, {}},
      {"Content-Length: +1\r\n", 400, {}},
      {"Content-Length: -1\r\n", 400, {}},
      {"Content-Length: 1, 1\r\n", 400, {}},
      {"Content-Length: 1 1\r\n", 400, {}},
      {"Content-Length: 0x1\r\n", 400, {}},
      {"Content-Length: 1\r\nContent-Length: 1\r\n", 400, {}},
      {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400, {}},
      {"Transfer-Encoding: gzip, chunked\r\nContent-Length: 1\r\n", 400, {}},
      {te + "chunked\r\n", kOk, {BodyKind::chunked, 0}},
      {te + "CHUNKED\r\n", kOk, {BodyKind::chunked, 0}},
      {te + "chunked\r\n" + te + "chunked\r\n", 400, {}},
      {te + "gzip\r\n" + te + "chunked\r\n", 400, {}},
      {te + "gzip, chunked\r\n", 501, {}},
      {te + "gzip , deflate;q=\"a\\\"b,c\" ; x=y,\tChunked\r\n", 501, {}},
      {te + "\r\n", 400, {}},
      {te + "gzip\r\n", 400, {}},
      {te + "identity\r\n", 400, {}},
      {te + "chunked, gzip\r\n", 400, {}},
      {te + "chunked, chunked\r\n", 400, {}},
      {te + "chunked;q=1\r\n", 400, {}},
      {te + "gzip, chunked;q=1\r\n", 400, {}},
      {te + "gzip,, chunked\r\n", 400, {}},
      {te + ", chunked\r\n", 400, {}},
      {te + "chunked,\r\n", 400, {}},
      {te + "\"chunked\"\r\n", 400, {}},
      {te + "xchunked\r\n", 400, {}},
      {te + "gzip;x, chunked\r\n", 400, {}},
      {te + "gzip;x=\"a, chunked\r\n", 400, {}},
      {te + "gzip;x=\"\\\r\n", 400, {}},
      {te + "gzip\x0b, chunked\r\n", 400, {}},
  };
  for (const Row &row : rows) {
    expect_status(post_with(row.fields), row.status);
    if (row.status != kOk) continue;
    with_head(post_with(row.fields),
              [&](const RequestHead &head) { HF_CHECK(head.framing == row.framing); });
  }
  expect_status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
  expect_status("POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400);
}

HF_TEST(get_and_head_have_no_body) {
  for (const std::string method : {"GET", "HEAD"}) {
    const std::string line = method + " / HTTP/1.1\r\nHost: a\r\n";
    expect_status(line + "Content-Length: 0\r\n\r\n", kOk);
    expect_status(line + "Content-Length: 1\r\n\r\n", 400);
    expect_status(line + "Transfer-Encoding: chunked\r\n\r\n", 400);
  }
  expect_status("DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", kOk);
}

HF_TEST(expectations_are_judged) {
  with_head(post_with("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
            [](const RequestHead &head) { HF_CHECK(head.expect_continue); });
  with_head("POST / HTTP/1.0\r\nExpect: anything\r\nContent-Length: 1\r\n\r\n",
            [](const RequestHead &head) { HF_CHECK(!head.expect_continue); });
  expect_status(post_with("Expect: 200-ok\r\n"), 417);
  expect_status(post_with("Expect: 100-continue, x\r\n"), 417);
  expect_status(post_with("Expect:\r\n"), 417);
}

HF_TEST(keep_alive_follows_version_and_connection) {
  struct Row {
    std::string input;
    bool keep_alive;
  };
  const Row rows[] = {
      {get_with(""), true},
      {get_with("Connection: keep-alive\r\n"), true},
      {get_with("Connection: close\r\n"), false},
      {get_with("Connection: CLOSE\r\n"), false},
      {get_with("Connection: foo ,\tClose, bar\r\n"), false},
      {get_with("Connection: foo\r\nConnection: close\r\n"), false},
      {get_with("Connection: closed\r\n"), true},
      {get_with("Connection: ,\r\n"), true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
  };
  for (const Row &row : rows) {
    with_head(row.input, [&](const RequestHead &head) { HF_EQ(head.keep_alive, row.keep_alive); });
  }
}

HF_TEST(fields_bound_to_the_connection_are_marked) {
  // 9110 7.6.1: by name, or because Connection says so; what must get through cannot be named.
  with_head(get_with("TE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\nKeep-Alive: a\r\n"
                     "Proxy-Connection: a\r\nProxy-Authorization: b\r\nTrailer: c\r\n"
                     "Connection: x-drop, Authorization, host, X-Forwarded-For,mcp-name\r\n"
                     "X-Drop: 1\r\nx-drop: 2\r\nX-Keep: 3\r\nAuthorization: t\r\n"
                     "X-Forwarded-For: 1\r\nMcp-Name: n\r\n"),
            [](const RequestHead &head) {
              size_t marked = 0;
              for (const Field &field : head.fields.all()) {
                if (field.hop_by_hop) ++marked;
                if (field.name == "X-Drop" || field.name == "x-drop") HF_CHECK(field.hop_by_hop);
                if (field.name == "X-Keep") HF_CHECK(!field.hop_by_hop);
              }
              HF_EQ(marked, 10U);  // seven by name, Connection itself, X-Drop twice
            });
}

HF_TEST(every_limit_is_reached) {
  // One byte below is accepted, one above refused with the limit's own code, at once.
  const std::string line_rest = " HTTP/1.1";
  const std::string longest(kRequestLineBytesMax - 4 - line_rest.size() - 1, 'a');
  expect_status("GET /" + longest + line_rest + "\r\nHost: a\r\n\r\n", kOk);
  expect_status("GET /" + longest + "a" + line_rest + "\r\nHost: a\r\n\r\n", 414);
  expect_status(std::string(kRequestLineBytesMax + 1, 'a'), kIncomplete);
  expect_status(std::string(kRequestLineBytesMax + 2, 'a'), 414);

  expect_status(std::string(kMethodBytesMax, 'A') + " / HTTP/1.1\r\n\r\n", 501);
  expect_status(std::string(kMethodBytesMax + 1, 'A') + " / HTTP/1.1\r\n\r\n", 501);

  expect_status(get_with(std::string(kFieldNameBytesMax, 'n') + ": v\r\n"), kOk);
  expect_status(get_with(std::string(kFieldNameBytesMax + 1, 'n') + ": v\r\n"), 431);

  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (size_t i = 1; i < kFieldsMax; ++i) many += "a: b\r\n";
  expect_status(many + "\r\n", kOk);
  expect_status(many + "a: b\r\n\r\n", 431);
  expect_status(many + "a", 431);
  expect_status(many + "\r", kIncomplete);

  std::string options = "Connection: close";
  for (size_t i = 1; i < kConnectionOptionsMax; ++i) options += ",a";
  expect_status(get_with(options + "\r\n"), kOk);
  expect_status(get_with(options + "\r\nConnection: a\r\n"), 400);
}

HF_TEST(the_head_limit_is_reached) {
  const std::string before = "GET / HTTP/1.1\r\nHost: a\r\nX-A: ";
  const std::string fill(kHeadBytesMax - before.size() - 4, 'x');
  const std::string largest = before + fill + "\r\n\r\n";
  const auto whole = [](const std::string &input) {
    return feed_request(input, cut_whole(input.size()));
  };
  HF_CHECK(whole(largest).state == HeadState::complete);
  HF_CHECK(whole(largest + "more").state == HeadState::complete);
  HF_EQ(whole(before + "x" + fill + "\r\n\r\n").status, 431);
  HF_CHECK(whole(before + fill + "\r\n\r").state == HeadState::incomplete);
  HF_EQ(whole(before + fill + "xxxx").status, 431);
  // The limit also wins over a fault inside the head, because the rest of it is never awaited.
  HF_EQ(whole("GET / HTTP/1.1\r\n: b\r\n" + std::string(kHeadBytesMax, 'x')).status, 431);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_typical_request_is_taken_apart),
      HF_UNIT(request_lines_are_judged),
      HF_UNIT(every_known_method_is_accepted_with_its_name),
      HF_UNIT(started_is_false_for_leading_line_ends_only),
      HF_UNIT(a_parser_that_failed_stays_failed_until_reset),
      HF_UNIT(targets_are_judged),
      HF_UNIT(every_byte_is_judged_at_every_place_of_a_target),
      HF_UNIT(an_absolute_target_is_forwarded_in_origin_form),
      HF_UNIT(hosts_are_judged),
      HF_UNIT(a_request_has_one_host),
      HF_UNIT(field_lines_are_judged),
      HF_UNIT(singletons_are_refused_twice_and_lists_are_not),
      HF_UNIT(session_ids_and_interpreted_fields_hold_plain_text),
      HF_UNIT(framing_is_judged),
      HF_UNIT(get_and_head_have_no_body),
      HF_UNIT(expectations_are_judged),
      HF_UNIT(keep_alive_follows_version_and_connection),
      HF_UNIT(fields_bound_to_the_connection_are_marked),
      HF_UNIT(every_limit_is_reached),
      HF_UNIT(the_head_limit_is_reached),
  };
  return HF_RUN(tests);
}
