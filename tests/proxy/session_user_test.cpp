// Who a request's session belongs to, by each rule of session_user.
#include "proxy/session_user.h"

#include "common/limits.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy;
using Kind = SessionUser::Kind;

namespace {

constexpr bool kTrusted = true;
constexpr bool kUntrusted = false;
constexpr std::string_view kPeer = "192.0.2.7";

http::RequestHead head_with(std::initializer_list<http::Field> fields) {
  http::RequestHead head;
  for (http::Field field : fields) {
    field.id = http::field_id(field.name);
    (void)head.fields.push(field);  // ignoring: a handful fits
  }
  return head;
}

const SessionUser kByHeader{Kind::header, "x-user"};
const SessionUser kByBearer{Kind::bearer, ""};

std::optional<std::string> by_header(std::string_view value, bool trusted = kTrusted) {
  return session_user(kByHeader, head_with({{"X-User", value}}), trusted, kPeer);
}

std::optional<std::string> by_bearer(std::string_view authorization) {
  return session_user(kByBearer, head_with({{"Authorization", authorization}}), kUntrusted, kPeer);
}

}  // namespace

HF_TEST(none_names_nobody_whatever_the_request_says) {
  const auto head = head_with({{"X-User", "alice"}, {"Authorization", "Bearer t"}});
  HF_EQ(session_user({}, head, kTrusted, kPeer).value_or("?"), "-");
}

HF_TEST(ip_is_the_peer_whatever_headers_claim) {
  const auto head = head_with({{"X-Forwarded-For", "10.0.0.1"}, {"X-Real-IP", "10.0.0.1"}});
  HF_EQ(session_user({Kind::ip, ""}, head, kTrusted, kPeer).value_or("?"), kPeer);
}

HF_TEST(a_header_names_the_user_in_any_case_of_its_name) {
  HF_EQ(by_header("alice").value_or("?"), "alice");
  const auto head = head_with({{"x-USER", "Ann B. <a@b>"}, {"X-User-Id", "7"}});
  HF_EQ(session_user(kByHeader, head, kTrusted, kPeer).value_or("?"), "Ann B. <a@b>");
}

HF_TEST(a_header_is_believed_from_trusted_proxies_only) {
  HF_EQ(by_header("alice", kUntrusted).value_or("?"), "-");
  // What is not believed is not judged either: the client of an open listener may send anything.
  const auto twice = head_with({{"X-User", "alice"}, {"X-User", "bob"}});
  HF_EQ(session_user(kByHeader, twice, kUntrusted, kPeer).value_or("?"), "-");
}

HF_TEST(an_absent_or_empty_header_names_nobody) {
  HF_EQ(session_user(kByHeader, head_with({}), kTrusted, kPeer).value_or("?"), "-");
  HF_EQ(by_header("").value_or("?"), "-");
}

HF_TEST(a_header_that_comes_twice_is_refused) {
  for (const auto &[first, second] : {std::pair<std::string_view, std::string_view>{"alice", "bob"},
                                      {"alice", "alice"},
                                      {"", "alice"},
                                      {"alice", ""}}) {
    const auto head = head_with({{"X-User", first}, {"x-user", second}});
    HF_CHECK(!session_user(kByHeader, head, kTrusted, kPeer));
  }
}

HF_TEST(a_header_with_bytes_that_are_not_printable_ascii_is_refused) {
  for (const std::string_view bad : {"a\tb", "a\x01", "a\x7f", "m\xc3\xbcller", "\xff"}) {
    HF_CHECK(!by_header(bad));
  }
}

HF_TEST(a_header_may_have_256_bytes_and_no_more) {
  const std::string longest(kUserBytesMax, 'u');
  HF_EQ(by_header(longest).value_or("?"), longest);
  HF_CHECK(!by_header(longest + "u"));
}

HF_TEST(a_bearer_token_becomes_its_sha256_and_never_appears) {
  // echo -n secret | sha256sum
  const std::string digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
  HF_EQ(by_bearer("Bearer secret").value_or("?"), digest);
  HF_EQ(by_bearer("bEARER secret").value_or("?"), digest);
  HF_CHECK(by_bearer("Bearer Secret").value_or("?") != digest);
}

HF_TEST(an_authorization_without_a_bearer_token_names_nobody) {
  for (const std::string_view value :
       {"", "Bearer", "Bearer ", "Basic c2VjcmV0", "Bearersecret", "secret"}) {
    HF_EQ(by_bearer(value).value_or("?"), "-");
  }
  HF_EQ(session_user(kByBearer, head_with({}), kTrusted, kPeer).value_or("?"), "-");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(none_names_nobody_whatever_the_request_says),
      HF_UNIT(ip_is_the_peer_whatever_headers_claim),
      HF_UNIT(a_header_names_the_user_in_any_case_of_its_name),
      HF_UNIT(a_header_is_believed_from_trusted_proxies_only),
      HF_UNIT(an_absent_or_empty_header_names_nobody),
      HF_UNIT(a_header_that_comes_twice_is_refused),
      HF_UNIT(a_header_with_bytes_that_are_not_printable_ascii_is_refused),
      HF_UNIT(a_header_may_have_256_bytes_and_no_more),
      HF_UNIT(a_bearer_token_becomes_its_sha256_and_never_appears),
      HF_UNIT(an_authorization_without_a_bearer_token_names_nobody),
  };
  return HF_RUN(tests);
}
