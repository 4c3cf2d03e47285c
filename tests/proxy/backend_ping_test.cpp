// When a backend session is pinged, on what terms, and on whose behalf never.
#include "proxy/backend_ping.h"

#include "proxy/http/head_parser.h"
#include "proxy/ping_terms.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;

namespace {

constexpr Millis kEvery{1000};
const MonoTime kStart{std::chrono::hours{1}};

BackendPing ping(uint64_t chance = 0) {
  PingTerms terms;
  terms.every = kEvery;
  return BackendPing(std::move(terms), chance, kStart);
}

// The head of a request with these field lines.
PingTerms terms_of(const std::string &fields, ProxySettings settings = {}) {
  const std::string text =
      "POST /mcp?x=1 HTTP/1.1\r\nHost: mcp.example\r\nContent-Length: 2\r\n" + fields + "\r\n";
  http::RequestParser parser;
  http::RequestHead head;
  HF_CHECK(parser.parse(text, head) == http::HeadState::complete);
  settings.backend_ping = kEvery;
  return ping_terms(settings, head, "backend:80");
}

}  // namespace

HF_TEST(a_ping_is_due_after_an_interval_without_use_and_a_little_earlier_by_chance) {
  BackendPing exact = ping();
  HF_CHECK(exact.due() == kStart + kEvery);
  exact.used(kStart + Millis{400});
  HF_CHECK(exact.due() == kStart + kEvery + Millis{400});
  for (uint64_t chance = 0; chance < 1000; chance += 7) {
    const MonoTime due = ping(chance).due();
    HF_CHECK(due <= kStart + kEvery && due >= kStart + kEvery * 9 / 10);
  }
  HF_CHECK(ping(50).due() != ping(51).due());
}

HF_TEST(failures_space_the_pings_and_a_success_forgets_them) {
  BackendPing failing = ping();
  MonoTime now = kStart;
  Millis before{0};
  for (int i = 0; i < 40; ++i) {
    now = failing.due();
    failing.pinged(false, now);
    const Millis rest = failing.due() - now;
    HF_CHECK(rest >= before && rest >= kEvery && rest <= kEvery * kPingBackoffMax);
    before = rest;
  }
  HF_CHECK(before == kEvery * kPingBackoffMax);
  failing.pinged(true, now);
  HF_CHECK(failing.due() == now + kEvery);
}

HF_TEST(a_ping_repeats_where_to_and_what_is_fixed_and_nothing_of_the_client) {
  ProxySettings settings;
  settings.set_headers = {{"X-Fixed", {{std::nullopt, "v1"}}},
                          {"X-Client", {{Variable::remote_addr, ""}}},
                          {"Accept", {{std::nullopt, "text/plain"}}}};
  const PingTerms terms = terms_of(
      "User-Agent: ide\r\nMCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: s\r\n", settings);
  HF_CHECK(!terms.denied);
  HF_EQ(terms.version, "2025-11-25");
  HF_CHECK(terms.head.starts_with("POST /mcp?x=1 HTTP/1.1\r\nHost: mcp.example\r\n"));
  HF_CHECK(terms.head.find("X-Fixed: v1\r\n") != std::string::npos);
  HF_CHECK(terms.head.find("Accept: application/json, text/event-stream\r\n") != std::string::npos);
  HF_CHECK(terms.head.ends_with("\r\n") && !terms.head.ends_with("\r\n\r\n"));
  for (const char *absent :
       {"X-Client", "text/plain", "User-Agent", "Mcp-Session-Id", "2025", "Length"}) {
    if (terms.head.find(absent) != std::string::npos)
      HF_FAIL(std::string(absent) + " in " + terms.head);
  }
}

HF_TEST(whoever_shows_credentials_is_never_pinged_for) {
  for (const char *field : {"Authorization: Bearer t", "Cookie: a=b", "X-API-Key: k",
                            "PRIVATE-TOKEN: t", "x-auth-request-user: u", "X-Client-Secret: s"}) {
    const PingTerms terms = terms_of(std::string(field) + "\r\n");
    HF_CHECK(terms.denied);
    HF_EQ(terms.head, "");
  }
  ProxySettings by_header;
  by_header.session_user = {SessionUser::Kind::header, "x-user"};
  HF_CHECK(terms_of("", by_header).denied);
  ProxySettings by_address;
  by_address.session_user = {SessionUser::Kind::ip, ""};
  HF_CHECK(!terms_of("", by_address).denied);
  PingTerms terms = terms_of("");
  BackendPing wanted(terms, 0, kStart);
  HF_CHECK(wanted.wanted());
  wanted.deny();
  HF_CHECK(!wanted.wanted());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_ping_is_due_after_an_interval_without_use_and_a_little_earlier_by_chance),
      HF_UNIT(failures_space_the_pings_and_a_success_forgets_them),
      HF_UNIT(a_ping_repeats_where_to_and_what_is_fixed_and_nothing_of_the_client),
      HF_UNIT(whoever_shows_credentials_is_never_pinged_for),
  };
  return HF_RUN(tests);
}
