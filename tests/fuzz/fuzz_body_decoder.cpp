// The body decoder: any split gives the same data, end, error and count of consumed bytes; what was
// decoded, written again in chunks, decodes to the same. The first byte chooses the framing, the
// second the limit or the length.
#include "proxy/http/body_decoder.h"
#include "tests/fuzz/codec_check.h"
#include "tests/support/codec_feed.h"

using namespace holdfast::proxy::http;
using namespace holdfast::test;
using State = BodyDecoder::State;

namespace {

void check_splits(Framing framing, uint64_t bytes_max, std::string_view input,
                  const BodyOutcome &whole) {
  HF_REQUIRE(feed_body(framing, bytes_max, input, cut_bytewise(input.size())) == whole);
  std::mt19937 rng = seeded(input);
  HF_REQUIRE(feed_body(framing, bytes_max, input, cut_randomly(input.size(), rng)) == whole);
  HF_REQUIRE(feed_body(framing, bytes_max, input, cut_randomly(input.size(), rng, 4)) == whole);
}

void check_outcome(Framing framing, uint64_t bytes_max, std::string_view input,
                   const BodyOutcome &whole) {
  HF_REQUIRE(whole.progressed);
  HF_REQUIRE(whole.consumed <= input.size());
  HF_REQUIRE(whole.data.size() == whole.decoded_bytes);
  HF_REQUIRE(whole.decoded_bytes <= bytes_max);
  if (whole.state == State::more) HF_REQUIRE(whole.consumed == input.size());
  if (whole.state == State::failed) HF_REQUIRE(!whole.error.empty());
  const bool may_end_at_eof = framing.kind == BodyKind::until_close && whole.state == State::more;
  HF_REQUIRE(whole.complete_at_eof == (whole.state == State::end || may_end_at_eof));
  if (framing.kind == BodyKind::length && whole.state == State::end) {
    HF_REQUIRE(whole.data == input.substr(0, framing.length));
  }
  if (whole.state == State::end) {  // the bytes behind the end had no part in it
    const std::string_view body = input.substr(0, whole.consumed);
    HF_REQUIRE(feed_body(framing, bytes_max, body, cut_whole(body.size())) == whole);
  }
}

void check_round_trip(const std::string &data, std::mt19937 &rng) {
  std::string wire;
  for (size_t at = 0; at < data.size();) {
    const size_t bytes = std::min<size_t>(data.size() - at, 1 + rng() % 300);
    char open[kChunkOpenBytesMax];
    wire.append(open, write_chunk_open(open, bytes));
    wire.append(data, at, bytes).append(kChunkEnd);
    at += bytes;
  }
  wire += kLastChunk;
  const BodyOutcome outcome =
      feed_body({BodyKind::chunked, 0}, UINT64_MAX, wire, cut_whole(wire.size()));
  HF_REQUIRE(outcome.state == State::end);
  HF_REQUIRE(outcome.data == data);
  HF_REQUIRE(outcome.consumed == wire.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const auto kind = static_cast<BodyKind>(data[0] & 3U);
  const bool limited = (data[0] & 4U) != 0;
  const Framing framing{kind, kind == BodyKind::length ? data[1] : uint64_t{0}};
  const uint64_t bytes_max = limited ? data[1] / 2U : UINT64_MAX;
  const std::string_view input = as_text(data + 2, size - 2);
  const BodyOutcome whole = feed_body(framing, bytes_max, input, cut_whole(input.size()));
  check_splits(framing, bytes_max, input, whole);
  check_outcome(framing, bytes_max, input, whole);
  std::mt19937 rng = seeded(input);
  check_round_trip(whole.data, rng);
  return 0;
}
