// The response parser and writer: any split gives the same outcome; what is forwarded is read back
// with the framing it was given, by us and by a careless client. The first byte chooses the method
// of the request being answered and how the answer is forwarded.
#include "proxy/http/head_parser.h"
#include "proxy/http/head_writer.h"
#include "tests/fuzz/codec_check.h"
#include "tests/support/codec_feed.h"

using namespace holdfast::proxy::http;
using namespace holdfast::test;

namespace {

constexpr unsigned kEventStream = 0x10;
constexpr unsigned kClose = 0x20;
constexpr unsigned kDropSession = 0x40;

void check_splits(std::string_view input, Method method, const HeadOutcome &whole) {
  if (input.size() <= kBytewiseBytesMax) {
    HF_REQUIRE(feed_response(input, method, cut_bytewise(input.size())) == whole);
  }
  std::mt19937 rng = seeded(input);
  HF_REQUIRE(feed_response(input, method, cut_randomly(input.size(), rng)) == whole);
  HF_REQUIRE(feed_response(input, method, cut_randomly(input.size(), rng, 700)) == whole);
}

// Which methods answer without a body decides the framing; nothing else in the head may depend on
// it.
void check_framing(const ResponseHead &head, Method method) {
  const bool bodiless =
      method == Method::head || head.status < 200 || head.status == 204 || head.status == 304;
  HF_REQUIRE((head.framing.kind == BodyKind::none) == bodiless);
  HF_REQUIRE(!head.has_declared_length || bodiless);
  HF_REQUIRE(head.framing.kind != BodyKind::until_close || !head.keep_alive);
  HF_REQUIRE(head.minor_version == 1 || !head.keep_alive);
}

void check_round_trip(const ResponseHead &head, Method method, unsigned choice) {
  ResponseForwarding how;
  how.framing = head.framing;
  if (how.framing.kind == BodyKind::until_close) how.framing.kind = BodyKind::chunked;
  how.event_stream = (choice & kEventStream) != 0;
  how.keep_alive = (choice & kClose) == 0;
  if ((choice & kDropSession) != 0) how.session_rule = SessionIdRule::drop;
  std::string written;
  write_response_head(written, head, how);

  ResponseParser parser;
  ResponseHead again;
  const HeadState state = parser.parse(written, method, again);
  if (state !=
      HeadState::complete) {  // only because our own fields came on top of a head at a limit
    HF_REQUIRE(head.fields.size() + 4 > kFieldsMax || written.size() > kHeadBytesMax);
    return;
  }
  HF_REQUIRE(parser.head_bytes() == written.size());
  HF_REQUIRE(again.status == head.status);
  HF_REQUIRE(again.reason == head.reason);
  HF_REQUIRE(again.framing == how.framing);
  HF_REQUIRE(again.has_declared_length == head.has_declared_length);
  HF_REQUIRE(again.declared_length == head.declared_length);
  HF_REQUIRE(again.keep_alive == how.keep_alive || head.status < 200);

  const std::vector<LenientField> lenient = read_leniently(written);
  HF_REQUIRE(lenient.size() == again.fields.size());
  HF_REQUIRE(again.fields.find(FieldId::content_length) == nullptr ||
             again.fields.find(FieldId::transfer_encoding) == nullptr);
  if ((choice & kDropSession) != 0) HF_REQUIRE(count_leniently(lenient, "mcp-session-id") == 0);
  if (how.event_stream) HF_REQUIRE(count_leniently(lenient, "cache-control") == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const unsigned choice = data[0];
  const auto method = static_cast<Method>(choice & 7U);
  const std::string_view input = as_text(data + 1, size - 1);
  const HeadOutcome whole = feed_response(input, method, cut_whole(input.size()));
  check_splits(input, method, whole);
  if (whole.state == HeadState::failed) HF_REQUIRE(whole.status == 502);
  if (whole.state != HeadState::complete) return 0;
  ResponseParser parser;
  ResponseHead head;
  HF_REQUIRE(parser.parse(input, method, head) == HeadState::complete);
  check_framing(head, method);
  check_round_trip(head, method, choice);
  return 0;
}
