// A legacy backend's endpoint event is understood as its clients would, within its own origin; ours
// is written; session ids are found in queries and masked for logs.
#include "proxy/mcp/endpoint_rewrite.h"

#include <iterator>
#include <string>
#include <string_view>

#include "tests/support/hf_test.h"

using holdfast::Errc;
using holdfast::Result;
using holdfast::proxy::mcp::endpoint_event;
using holdfast::proxy::mcp::kEndpointEventBytesMax;
using holdfast::proxy::mcp::mask_session_ids;
using holdfast::proxy::mcp::resolve_endpoint;
using holdfast::proxy::mcp::session_id_in_query;

static const std::string_view kOwn[] = {"127.0.0.1:11002", "Mcp.Example.org", "[::1]:8080",
                                        "tls.example:443"};

static Result<std::string> resolve(std::string_view value, std::string_view base_path) {
  return resolve_endpoint(value, base_path, kOwn, std::size(kOwn));
}

struct Case {
  const char *value;
  const char *base_path;
  const char *target;
};

// Values of SDK servers, then RFC 3986 section 5.4 where it applies to paths.
HF_TEST(endpoints_resolve_against_the_stream) {
  static const Case kCases[] = {
      {"/message?sessionId=2574303c-47ca-4de1-b6dd-fb108f962de4", "/sse",
       "/message?sessionId=2574303c-47ca-4de1-b6dd-fb108f962de4"},
      {"/messages/?session_id=0123456789abcdef", "/sse", "/messages/?session_id=0123456789abcdef"},
      {"/session/abc/messages", "/sse", "/session/abc/messages"},
      {"message?sessionId=1", "/api/sse", "/api/message?sessionId=1"},
      {"?sessionId=1", "/api/sse", "/api/sse?sessionId=1"},
      {"http://127.0.0.1:11002/m?x=1", "/sse", "/m?x=1"},
      {"HTTP://127.0.0.1:11002", "/sse", "/"},
      {"http://127.0.0.1:11002?x", "/sse", "/?x"},
      {"http://mcp.example.ORG/m", "/sse", "/m"},
      {"http://mcp.example.org:80/m", "/sse", "/m"},
      {"http://mcp.example.org:/m", "/sse", "/m"},
      {"https://mcp.example.org/m", "/sse", "/m"},
      {"https://mcp.example.org:443/m", "/sse", "/m"},
      {"https://tls.example/m", "/sse", "/m"},
      {"http://[::1]:8080/m", "/sse", "/m"},
      {"//mcp.example.org/m", "/sse", "/m"},
      {"//tls.example/m", "/sse", "/m"},
      {"/m?x=1#fragment?y", "/sse", "/m?x=1"},
      {"/m#", "/sse", "/m"},
      {"/m?", "/sse", "/m?"},
      {"/m?a/b?c:d@e", "/sse", "/m?a/b?c:d@e"},
      {"/m;v=1/%41%c3%A9", "/sse", "/m;v=1/%41%c3%A9"},
      {"g", "/b/c/d;p", "/b/c/g"},
      {"./g", "/b/c/d;p", "/b/c/g"},
      {"g/", "/b/c/d;p", "/b/c/g/"},
      {"/g", "/b/c/d;p", "/g"},
      {"?y", "/b/c/d;p", "/b/c/d;p?y"},
      {"g?y", "/b/c/d;p", "/b/c/g?y"},
      {"g#s", "/b/c/d;p", "/b/c/g"},
      {";x", "/b/c/d;p", "/b/c/;x"},
      {".", "/b/c/d;p", "/b/c/"},
      {"./", "/b/c/d;p", "/b/c/"},
      {"..", "/b/c/d;p", "/b/"},
      {"../", "/b/c/d;p", "/b/"},
      {"../g", "/b/c/d;p", "/b/g"},
      {"../..", "/b/c/d;p", "/"},
      {"../../", "/b/c/d;p", "/"},
      {"../../g", "/b/c/d;p", "/g"},
      {"../../../g", "/b/c/d;p", "/g"},
      {"../../../../g", "/b/c/d;p", "/g"},
      {"/./g", "/b/c/d;p", "/g"},
      {"/../g", "/b/c/d;p", "/g"},
      {"g.", "/b/c/d;p", "/b/c/g."},
      {".g", "/b/c/d;p", "/b/c/.g"},
      {"g..", "/b/c/d;p", "/b/c/g.."},
      {"..g", "/b/c/d;p", "/b/c/..g"},
      {"./../g", "/b/c/d;p", "/b/g"},
      {"./g/.", "/b/c/d;p", "/b/c/g/"},
      {"g/./h", "/b/c/d;p", "/b/c/g/h"},
      {"g/../h", "/b/c/d;p", "/b/c/h"},
      {"g;x=1/./y", "/b/c/d;p", "/b/c/g;x=1/y"},
      {"g;x=1/../y", "/b/c/d;p", "/b/c/y"},
      {"g?y/./x", "/b/c/d;p", "/b/c/g?y/./x"},
      {"g?y/../x", "/b/c/d;p", "/b/c/g?y/../x"},
      {"/a/%2e%2E/g", "/sse", "/g"},
      {"/a/.%2e", "/sse", "/"},
      {"/a/%2e/g", "/sse", "/a/g"},
      {"/a/...", "/sse", "/a/..."},
      {"/a//b", "/sse", "/a//b"},
  };
  for (const Case &c : kCases) {
    const Result<std::string> target = resolve(c.value, c.base_path);
    if (!target) HF_FAIL(std::string(c.value) + ": " + target.error().message);
    HF_EQ(*target, c.target);
  }
}

static const char *const kRefused[] = {
    "",
    "#",
    "#x",
    "ftp://127.0.0.1:11002/m",
    "javascript:alert(1)",
    "file:///m",
    "a+b-c.1:m",
    "http:m",
    "http:/m",
    "http://evil.example/m",
    "http://127.0.0.1/m",
    "http://127.0.0.1:11003/m",
    "http://127.0.0.1:11002.evil.example/m",
    "http://127.0.0.1:11002@evil.example/m",
    "http://user@127.0.0.1:11002/m",
    "//user:pw@mcp.example.org/m",
    "http://mcp.example.org:443/m",
    "https://mcp.example.org:80/m",
    "http://mcp.example.org:8080/m",
    "http://tls.example/m",
    "http://mcp.example.org.:80/m",
    "//evil.example/m",
    "//mcp.example.org:81/m",
    "http:///m",
    "//",
    "http://:80/m",
    "http://[::1]/m",
    "http://[::1]:8080x/m",
    "http://[::1]x8080/m",
    "http://[::1/m",
    "http://127.0.0.1:11002x/m",
    "http://127.0.0.1:1100200/m",
    "http://127.0.0.1:/m",
    "http://mcp.example.org:-80/m",
    "/a b",
    "/a\tb",
    "/a\nb",
    "/a\r",
    " /a",
    "/a ",
    "/a\x7F",
    "/\xC3\xA9",
    "/a%",
    "/a%4",
    "/a%4g",
    "/a%00b",
    "/a\\b",
    "/a\"b",
    "/a<b",
    "/a{b}",
    "/a|b",
    "/a^b",
    "/a`b",
    "/a[b]",
    "/a?b c",
    "/a?b\nc",
    "/a?\xC3\xA9",
    "/a?\x7F",
    "1:2",
};

// A value that would lead elsewhere, or into something that is no request target, is an error.
HF_TEST(foreign_and_malformed_endpoints_are_refused) {
  for (const char *value : kRefused) {
    const Result<std::string> target = resolve(value, "/sse");
    if (target) HF_FAIL(std::string(value) + " gave " + *target);
    HF_EQ(target.error().code, Errc::protocol);
  }
}

// Nothing to resolve against, a byte no URI has, and the bound on the event.
HF_TEST(an_endpoint_needs_a_base_and_a_sane_length) {
  HF_CHECK(!resolve("m", "sse"));
  HF_CHECK(!resolve("?m", ""));
  HF_CHECK(!resolve("?m", "/sse?x"));
  HF_CHECK(!resolve("m", "/s e/"));
  HF_CHECK(!resolve_endpoint("http://127.0.0.1:11002/m", "/sse", nullptr, 0));
  HF_CHECK(!resolve(std::string_view("/a\0b", 4), "/sse"));
  HF_CHECK(resolve("/" + std::string(kEndpointEventBytesMax - 1, 'a'), "/sse"));
  HF_CHECK(!resolve("/" + std::string(kEndpointEventBytesMax, 'a'), "/sse"));
}

// Our own event, as the clients read it.
HF_TEST(our_endpoint_event) {
  HF_EQ(endpoint_event("/sse", "9f3a01bc-1"),
        "event: endpoint\ndata: /sse?sessionId=9f3a01bc-1\n\n");
  const Result<std::string> target = resolve("/sse?sessionId=9f3a01bc-1", "/sse");
  HF_CHECK(target);
  HF_EQ(session_id_in_query(target->substr(5)), "9f3a01bc-1");
}

// Both spellings are read; a repeated id is none.
HF_TEST(session_ids_in_queries) {
  HF_EQ(session_id_in_query("sessionId=abc"), "abc");
  HF_EQ(session_id_in_query("session_id=abc"), "abc");
  HF_EQ(session_id_in_query("a=b&sessionId=abc&c"), "abc");
  HF_EQ(session_id_in_query("&&sessionId=abc&&"), "abc");
  HF_EQ(session_id_in_query("sessionId=a=b%20c"), "a=b%20c");
  for (const char *query :
       {"", "sessionId", "sessionId=", "sessionid=abc", "xsessionId=abc", "sessionIdx=abc",
        "a=sessionId=abc", "sessionId=a&sessionId=a", "sessionId=a&session_id=b",
        "sessionId=a&sessionId", "sessionId&session_id=a", "session%49d=a"}) {
    HF_EQ(session_id_in_query(query), "");
  }
}

// Eight characters stay; everything else of the line does, too.
HF_TEST(session_ids_are_masked_for_logs) {
  static const struct {
    const char *target;
    const char *masked;
  } kTargets[] = {
      {"/message?sessionId=2574303c-47ca-4de1-b6dd-fb108f962de4", "/message?sessionId=2574303c…"},
      {"/m?a=1&session_id=0123456789&b=sessionId=2#x",
       "/m?a=1&session_id=01234567…&b=sessionId=2#x"},
      {"/m?sessionId=0123456789#fragment", "/m?sessionId=01234567…#fragment"},
      {"/m?sessionId=0123456789a&session_id=0123456789b",
       "/m?sessionId=01234567…&session_id=01234567…"},
      {"POST /m?sessionId=0123456789 HTTP/1.1", "POST /m?sessionId=01234567… HTTP/1.1"},
      {"sessionId=0123456789", "sessionId=01234567…"},
      {"https://h/m?SESSIONID=0123456789", "https://h/m?SESSIONID=01234567…"},
      {"/m?x?sessionId=0123456789", "/m?x?sessionId=01234567…"},
      {"/m?sessionId=01234567", "/m?sessionId=01234567"},
      {"/m?sessionId=", "/m?sessionId="},
      {"/m?sessionId", "/m?sessionId"},
      {"/m?sessionIds=0123456789", "/m?sessionIds=0123456789"},
      {"/sessionId=0123456789", "/sessionId=0123456789"},
      {"/m?mysessionId=0123456789", "/m?mysessionId=0123456789"},
      {"", ""},
  };
  for (const auto &c : kTargets) HF_EQ(mask_session_ids(c.target), c.masked);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(endpoints_resolve_against_the_stream),
      HF_UNIT(foreign_and_malformed_endpoints_are_refused),
      HF_UNIT(an_endpoint_needs_a_base_and_a_sane_length),
      HF_UNIT(our_endpoint_event),
      HF_UNIT(session_ids_in_queries),
      HF_UNIT(session_ids_are_masked_for_logs),
  };
  return HF_RUN(tests);
}
