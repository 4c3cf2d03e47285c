// The writers: what leaves the proxy is built from parsed parts, and our own parser reads it back.
#include "proxy/http/head_writer.h"

#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/head_parser.h"
#include "tests/support/codec_feed.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;
using namespace holdfast::test;

namespace {

// What is forwarded for `request`, which must be complete.
std::string forwarded(const std::string &request, RequestForwarding how) {
  RequestParser parser;
  RequestHead head;
  HF_CHECK(parser.parse(request, head) == HeadState::complete);
  if (how.target.empty()) how.target = head.target;
  if (how.host.empty()) how.host = head.host;
  if (how.framing == Framing{}) how.framing = head.framing;
  std::string out;
  write_request_head(out, head, how);
  HF_CHECK(feed_request(out, cut_whole(out.size())).state == HeadState::complete);
  return out;
}

std::string get_with(const std::string &fields) {
  return "GET /a?b HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n";
}

std::string answered(const std::string &response, ResponseForwarding how,
                     Method method = Method::get) {
  ResponseParser parser;
  ResponseHead head;
  HF_CHECK(parser.parse(response, method, head) == HeadState::complete);
  if (how.framing == Framing{}) how.framing = head.framing;
  std::string out;
  write_response_head(out, head, how);
  HF_CHECK(feed_response(out, method, cut_whole(out.size())).state == HeadState::complete);
  return out;
}

std::string ok_with(const std::string &fields) {
  return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + fields + "\r\n";
}

bool contains(const std::string &text, std::string_view part) {
  return text.find(part) != text.npos;
}

// How often a field of this name (in any case) stands in the head.
size_t count_of(const std::string &head, std::string_view name) {
  const std::string wanted = "\n" + std::string(name) + ":";
  size_t count = 0;
  for (size_t at = 0; at + wanted.size() <= head.size(); ++at) {
    bool same = true;
    for (size_t i = 0; i < wanted.size() && same; ++i) {
      same = (head[at + i] | 0x20) == (wanted[i] | 0x20);
    }
    if (same) ++count;
  }
  return count;
}

}  // namespace

HF_TEST(values_of_every_length_are_copied_whole) {
  // Short pieces are copied in overlapping blocks; long ones do not fit in the buffer.
  std::string value;
  for (size_t bytes = 0; bytes < 2000; bytes += bytes < 140 ? 1 : 97) {
    while (value.size() < bytes) value += static_cast<char>('!' + value.size() % 93);
    const std::string name = "N" + std::string(bytes % 80, 'n');
    const std::string out = forwarded(get_with(name + ": " + value + "\r\n"), {});
    HF_CHECK(contains(out, "\r\n" + name + ": " + value + "\r\n"));
  }
}

HF_TEST(a_request_is_written_from_its_parts) {
  const std::string out = forwarded(
      "POST http://h/a?b HTTP/1.1\r\nX-One:1 \r\nHost: h\r\nConnection: x-two, close\r\n"
      "X-Two: 2\r\nKeep-Alive: 5\r\nTE: trailers\r\nExpect: 100-continue\r\n"
      "X_Under: 3\r\nMcp-Un_der: 4\r\nContent-Length: 007\r\nContent-Type: a/b\r\n\r\n",
      {});
  HF_EQ(out,
        "POST /a?b HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Type: a/b\r\n"
        "X-Forwarded-Host: h\r\nContent-Length: 7\r\n\r\n");
}

HF_TEST(the_buffer_is_appended_to) {
  std::string out = "before";
  RequestParser parser;
  RequestHead head;
  const std::string request = get_with("X-A: " + std::string(5000, 'a') + "\r\n");
  HF_CHECK(parser.parse(request, head) == HeadState::complete);
  write_request_head(out, head, {.target = "/", .host = "h"});
  HF_CHECK(out.starts_with("beforeGET / HTTP/1.1\r\nHost: h\r\n"));
  HF_CHECK(out.ends_with("X-Forwarded-Host: h\r\n\r\n"));
}

HF_TEST(a_request_has_exactly_one_framing_field_or_none_to_write) {
  HF_EQ(count_of(forwarded(get_with(""), {}), "Content-Length"), 0U);
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  HF_CHECK(contains(forwarded(post + "\r\n", {}), "Content-Length: 0\r\n"));
  const std::string chunked = forwarded(post + "Transfer-Encoding: Chunked\r\n\r\n", {});
  HF_EQ(count_of(chunked, "Transfer-Encoding"), 1U);
  HF_CHECK(contains(chunked, "Transfer-Encoding: chunked\r\n"));
  HF_EQ(count_of(chunked, "Content-Length"), 0U);
  const std::string known =
      forwarded(post + "Transfer-Encoding: chunked\r\n\r\n", {.framing = {BodyKind::length, 9}});
  HF_EQ(count_of(known, "Transfer-Encoding"), 0U);
  HF_CHECK(contains(known, "Content-Length: 9\r\n"));
}

HF_TEST(forwarded_fields_of_a_stranger_are_replaced) {
  const std::string out = forwarded(
      get_with("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: evil\r\nX-Real-IP: 6.6.6.6\r\n"
               "X-Forwarded-Host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=6.6.6.6\r\n"),
      {.client_address = "10.0.0.9", .scheme = "https"});
  HF_EQ(out,
        "GET /a?b HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.9\r\nX-Real-IP: 10.0.0.9\r\n"
        "X-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\n\r\n");
}

HF_TEST(forwarded_fields_of_a_trusted_peer_are_extended) {
  const std::string out = forwarded(
      get_with("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: pub\r\n"
               "X-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Port: 443\r\n"),
      {.trusted_peer = true, .client_address = "10.0.0.9", .scheme = "http"});
  HF_CHECK(contains(out, "\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9\r\n"));
  HF_EQ(count_of(out, "X-Forwarded-For"), 1U);
  HF_CHECK(contains(out, "X-Forwarded-Proto: https\r\n"));
  HF_EQ(count_of(out, "X-Forwarded-Proto"), 1U);
  HF_CHECK(contains(out, "X-Forwarded-Host: pub\r\n"));
  HF_EQ(count_of(out, "X-Forwarded-Host"), 1U);
  HF_CHECK(contains(out, "X-Forwarded-Port: 443\r\n"));
  // A trusted peer that sent none still gets ours.
  const std::string bare = forwarded(
      get_with(""), {.trusted_peer = true, .client_address = "10.0.0.9", .scheme = "http"});
  HF_CHECK(contains(bare, "X-Forwarded-For: 10.0.0.9\r\n"));
  HF_CHECK(contains(bare, "X-Forwarded-Proto: http\r\n"));
}

HF_TEST(via_is_added_or_extended) {
  HF_CHECK(contains(forwarded(get_with(""), {.via = "hf"}), "\r\nVia: 1.1 hf\r\n"));
  const std::string two =
      forwarded(get_with("Via: 1.0 a\r\nX: y\r\nVia: 1.1 b\r\n"), {.via = "hf"});
  HF_CHECK(contains(two, "\r\nVia: 1.0 a, 1.1 b, 1.1 hf\r\n"));
  HF_EQ(count_of(two, "Via"), 1U);
  const std::string off = forwarded(get_with("Via: 1.0 a\r\n"), {});
  HF_CHECK(contains(off, "\r\nVia: 1.0 a\r\n"));
  HF_CHECK(
      contains(forwarded("GET / HTTP/1.0\r\n\r\n", {.host = "h", .via = "hf"}), "Via: 1.0 hf"));
}

HF_TEST(via_names_finds_our_pseudonym_and_nothing_else) {
  HF_CHECK(via_names("1.1 hf", "hf"));
  HF_CHECK(via_names("1.1 HF", "hf"));
  HF_CHECK(via_names("1.0 a, HTTP/1.1\thf (comment)", "hf"));
  HF_CHECK(via_names("1.0 a (x, 1.1 y (z)),1.1 hf", "hf"));
  HF_CHECK(via_names(",, 1.1  hf", "hf"));
  HF_CHECK(!via_names("1.1 hf2, 1.1 xhf", "hf"));
  HF_CHECK(!via_names("1.1 a (1.1 hf, 1.1 hf)", "hf"));
  HF_CHECK(!via_names("1.1 a (\\), 1.1 hf", "hf"));
  HF_CHECK(!via_names("hf 1.1", "hf"));
  HF_CHECK(!via_names("", "hf"));
  HF_CHECK(!via_names("1.1", "hf"));
  HF_CHECK(!via_names("1.1 , 1.1 a", ""));
}

HF_TEST(session_ids_are_kept_dropped_or_replaced) {
  const std::string request = get_with("mcp-session-id: client\r\nLast-Event-ID: 7\r\n");
  HF_CHECK(contains(forwarded(request, {}), "mcp-session-id: client\r\n"));
  HF_CHECK(contains(forwarded(request, {}), "Last-Event-ID: 7\r\n"));
  const std::string dropped =
      forwarded(request, {.session_rule = SessionIdRule::drop, .drop_last_event_id = true});
  HF_EQ(count_of(dropped, "Mcp-Session-Id"), 0U);
  HF_EQ(count_of(dropped, "Last-Event-ID"), 0U);
  const std::string replaced =
      forwarded(request, {.session_rule = SessionIdRule::replace, .session_id = "backend"});
  HF_EQ(count_of(replaced, "Mcp-Session-Id"), 1U);
  HF_CHECK(contains(replaced, "Mcp-Session-Id: backend\r\n"));

  const std::string response = ok_with("Mcp-Session-Id: backend\r\n");
  HF_CHECK(contains(answered(response, {}), "Mcp-Session-Id: backend\r\n"));
  HF_EQ(count_of(answered(response, {.session_rule = SessionIdRule::drop}), "Mcp-Session-Id"), 0U);
  const std::string ours =
      answered(response, {.session_rule = SessionIdRule::replace, .session_id = "client"});
  HF_CHECK(contains(ours, "Mcp-Session-Id: client\r\n"));
  HF_EQ(count_of(ours, "Mcp-Session-Id"), 1U);
}

HF_TEST(configured_fields_override_received_ones) {
  const ExtraField set[] = {{"X-A", "ours"}, {"x-gone", ""},         {"X-Forwarded-For", "none"},
                            {"via", "mine"}, {"Host", "configured"}, {"accept-encoding", "br"}};
  const std::string out =
      forwarded(get_with("x-a: theirs\r\nX-Gone: 1\r\nX-B: 2\r\nVia: 1.1 a\r\n"),
                {.identity_encoding = true, .client_address = "1.1.1.1", .via = "hf", .set = set});
  HF_EQ(out,
        "GET /a?b HTTP/1.1\r\nHost: configured\r\nX-B: 2\r\nX-Real-IP: 1.1.1.1\r\n"
        "X-Forwarded-Host: h\r\nX-A: ours\r\nX-Forwarded-For: none\r\nvia: mine\r\n"
        "accept-encoding: br\r\n\r\n");
}

HF_TEST(configured_fields_cannot_touch_framing_connection_or_session) {
  // `proxy_set_header Connection ""` stands in most nginx configurations; a second framing field
  // would be request smuggling.
  const ExtraField set[] = {{"Connection", "upgrade"},
                            {"Content-Length", "5"},
                            {"Transfer-Encoding", "chunked"},
                            {"Mcp-Session-Id", "x"},
                            {"Host", ""},
                            {"Upgrade", "h2c"}};
  const std::string out = forwarded(
      "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nMcp-Session-Id: a\r\n\r\n", {.set = set});
  HF_EQ(out,
        "POST / HTTP/1.1\r\nHost: h\r\nMcp-Session-Id: a\r\nX-Forwarded-Host: h\r\n"
        "Content-Length: 3\r\n\r\n");
}

HF_TEST(identity_is_asked_for_where_a_stream_may_come) {
  const std::string out =
      forwarded(get_with("Accept-Encoding: gzip\r\n"), {.identity_encoding = true});
  HF_CHECK(contains(out, "Accept-Encoding: identity\r\n"));
  HF_EQ(count_of(out, "Accept-Encoding"), 1U);
  HF_CHECK(contains(forwarded(get_with("Accept-Encoding: gzip\r\n"), {}), "Accept-Encoding: gzip"));
}

HF_TEST(max_forwards_counts_down_for_options_only) {
  const std::string options = "OPTIONS / HTTP/1.1\r\nHost: h\r\nMax-Forwards: ";
  HF_CHECK(contains(forwarded(options + "5\r\n\r\n", {}), "Max-Forwards: 4\r\n"));
  HF_CHECK(!contains(forwarded(options + "x\r\n\r\n", {}), "Max-Forwards"));
  HF_CHECK(contains(forwarded(get_with("Max-Forwards: 5\r\n"), {}), "Max-Forwards: 5\r\n"));
}

HF_TEST(a_response_is_written_from_its_parts) {
  const std::string out = answered(
      "HTTP/1.0 404 Nope\r\nX-A:1\r\nConnection: x-b\r\nX-B: 2\r\nKeep-Alive: 3\r\n"
      "Proxy-Authenticate: c\r\nTrailer: d\r\nX_C: 4\r\nContent-Length: 02\r\nServer: e\r\n\r\n",
      {});
  HF_EQ(out, "HTTP/1.1 404 Nope\r\nX-A: 1\r\nX_C: 4\r\nServer: e\r\nContent-Length: 2\r\n\r\n");
}

HF_TEST(response_framing_fits_the_client) {
  const std::string close_delimited = "HTTP/1.1 200 OK\r\n\r\n";
  HF_EQ(answered(close_delimited, {.framing = {BodyKind::chunked, 0}}),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  HF_EQ(answered(close_delimited, {.http10 = true}),
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  HF_EQ(answered(ok_with(""), {.keep_alive = false}),
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n");
  HF_EQ(answered("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", {}),
        "HTTP/1.1 204 No Content\r\n\r\n");
  HF_EQ(answered("HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", {.keep_alive = false}),
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n");
  HF_EQ(answered(ok_with(""), {}, Method::head), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
  HF_EQ(answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", {}, Method::head),
        "HTTP/1.1 200 OK\r\n\r\n");
  HF_EQ(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", {}),
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n");
}

HF_TEST(event_streams_are_protected_from_buffering_and_transformation) {
  struct Row {
    std::string received;
    std::string written;
  };
  const Row rows[] = {
      {"", "no-cache, no-transform"},
      {"Cache-Control: no-store\r\n", "no-store, no-transform"},
      {"Cache-Control: no-store\r\nCache-Control: private\r\n", "no-store, private, no-transform"},
      {"Cache-Control: No-Transform, no-cache\r\n", "No-Transform, no-cache"},
      {"Cache-Control:\r\n", "no-cache, no-transform"},
  };
  for (const Row &row : rows) {
    const std::string out =
        answered(ok_with("X-Accel-Buffering: yes\r\n" + row.received), {.event_stream = true});
    HF_CHECK(contains(out, "\r\nCache-Control: " + row.written + "\r\n"));
    HF_EQ(count_of(out, "Cache-Control"), 1U);
    HF_CHECK(contains(out, "\r\nX-Accel-Buffering: no\r\n"));
    HF_EQ(count_of(out, "X-Accel-Buffering"), 1U);
  }
  const std::string other = answered(ok_with("Cache-Control: no-store\r\n"), {});
  HF_CHECK(contains(other, "Cache-Control: no-store\r\n"));
  HF_CHECK(!contains(other, "X-Accel-Buffering"));
}

HF_TEST(configured_response_fields_override_received_ones) {
  const ExtraField set[] = {{"Server", ""}, {"X-A", "b"}, {"Cache-Control", "private"}};
  const std::string out = answered(ok_with("Server: x\r\n"), {.event_stream = true, .set = set});
  HF_EQ(out,
        "HTTP/1.1 200 OK\r\nX-Accel-Buffering: no\r\nX-A: b\r\nCache-Control: private\r\n"
        "Content-Length: 2\r\n\r\n");
}

HF_TEST(own_answers_are_complete) {
  std::string out;
  const ExtraField fields[] = {{"Retry-After", "1"}, {"Allow", ""}};
  write_own_response(out, {.status = 503, .body = "busy\n", .keep_alive = false, .fields = fields});
  HF_EQ(out,
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 5\r\nRetry-After: 1\r\nConnection: close\r\n\r\nbusy\n");
  out.clear();
  write_own_response(out, {.status = 404, .body = "gone\n", .head_only = true});
  HF_CHECK(out.ends_with("Content-Length: 5\r\n\r\n"));
  out.clear();
  write_own_response(out, {.status = 202});
  HF_EQ(out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
  out.clear();
  write_own_response(out, {.status = 204, .body = "never"});
  HF_EQ(out, "HTTP/1.1 204 No Content\r\n\r\n");
}

HF_TEST(every_code_we_send_has_a_phrase) {
  for (const int status : {200, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413,
                           414, 415, 417, 421, 429, 431, 500, 501, 502, 503, 504, 505, 508}) {
    HF_CHECK(!reason_phrase(status).empty());
  }
  HF_EQ(reason_phrase(299), "");
}

HF_TEST(what_is_written_parses_to_the_same_message) {
  // Round trip: every field that was to be kept is there, and nothing was added but our own.
  const std::string request =
      "DELETE /mcp/x?y=%20 HTTP/1.1\r\nHost: example.com:8080\r\nAccept: a, b\r\n"
      "X-Long: " +
      std::string(3000, 'l') +
      "\r\nMcp-Session-Id: s\r\nCookie: a=b; c=d\r\n"
      "Empty:\r\nContent-Length: 3\r\n\r\n";
  const std::string written = forwarded(request, {});
  RequestParser parser;
  RequestHead before;
  HF_CHECK(parser.parse(request, before) == HeadState::complete);
  parser.reset();
  RequestHead after;
  HF_CHECK(parser.parse(written, after) == HeadState::complete);
  HF_EQ(after.target, before.target);
  HF_EQ(after.host, before.host);
  HF_CHECK(after.framing == before.framing);
  HF_EQ(after.fields.size(), before.fields.size() + 1);  // X-Forwarded-Host
  for (const Field &field : before.fields.all()) {
    bool found = false;
    for (const Field &copy : after.fields.all()) {
      found = found || (copy.name == field.name && copy.value == field.value);
    }
    if (!found) HF_FAIL(std::string(field.name));
  }
  // Written again, it no longer changes.
  HF_EQ(forwarded(written, {}).size(), written.size());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_request_is_written_from_its_parts),
      HF_UNIT(the_buffer_is_appended_to),
      HF_UNIT(a_request_has_exactly_one_framing_field_or_none_to_write),
      HF_UNIT(forwarded_fields_of_a_stranger_are_replaced),
      HF_UNIT(forwarded_fields_of_a_trusted_peer_are_extended),
      HF_UNIT(via_is_added_or_extended),
      HF_UNIT(via_names_finds_our_pseudonym_and_nothing_else),
      HF_UNIT(values_of_every_length_are_copied_whole),
      HF_UNIT(session_ids_are_kept_dropped_or_replaced),
      HF_UNIT(configured_fields_override_received_ones),
      HF_UNIT(configured_fields_cannot_touch_framing_connection_or_session),
      HF_UNIT(identity_is_asked_for_where_a_stream_may_come),
      HF_UNIT(max_forwards_counts_down_for_options_only),
      HF_UNIT(a_response_is_written_from_its_parts),
      HF_UNIT(response_framing_fits_the_client),
      HF_UNIT(event_streams_are_protected_from_buffering_and_transformation),
      HF_UNIT(configured_response_fields_override_received_ones),
      HF_UNIT(own_answers_are_complete),
      HF_UNIT(every_code_we_send_has_a_phrase),
      HF_UNIT(what_is_written_parses_to_the_same_message),
  };
  return HF_RUN(tests);
}
