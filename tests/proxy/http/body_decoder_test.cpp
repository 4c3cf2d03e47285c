// The body decoder: the same data, end, error and count of consumed bytes at every split.
#include <string>
#include <string_view>

#include "proxy/http/body_decoder.h"
#include "proxy/http/limits.h"
#include "tests/support/codec_feed.h"
#include "tests/support/hf_test.h"

using namespace holdfast;
using namespace holdfast::proxy::http;
using namespace holdfast::test;
using namespace std::string_literals;
using State = BodyDecoder::State;

namespace {

constexpr Framing kChunked{BodyKind::chunked, 0};

BodyOutcome decode(Framing framing, const std::string &input, uint64_t bytes_max = UINT64_MAX) {
  const BodyOutcome whole = feed_body(framing, bytes_max, input, cut_whole(input.size()));
  HF_CHECK(whole.progressed);
  if (!(whole == feed_body(framing, bytes_max, input, cut_bytewise(input.size())))) {
    HF_FAIL("whole and byte by byte differ for:\n" + input);
  }
  std::mt19937 rng(71);
  for (int i = 0; i < 20; ++i) {
    if (!(whole == feed_body(framing, bytes_max, input, cut_randomly(input.size(), rng, 9)))) {
      HF_FAIL("a random split differs for:\n" + input);
    }
  }
  return whole;
}

void expect_chunked(const std::string &input, State state, const std::string &data) {
  const BodyOutcome outcome = decode(kChunked, input);
  if (outcome.state != state || outcome.data != data) {
    HF_FAIL("for:\n" + input + "\nstate " + std::to_string(static_cast<int>(outcome.state)) +
            " data '" + outcome.data + "' error " + outcome.error);
  }
  HF_EQ(outcome.decoded_bytes, data.size());
  if (state == State::end) HF_EQ(outcome.consumed, input.size());
}

}  // namespace

HF_TEST(a_body_without_bytes_ends_at_once) {
  for (const Framing framing : {Framing{}, Framing{BodyKind::length, 0}}) {
    BodyDecoder decoder(framing);
    HF_CHECK(decoder.ended());
    const BodyDecoder::Step step = decoder.next("GET / HTTP/1.1");
    HF_CHECK(step.state == State::end);
    HF_EQ(step.consumed, 0U);
    HF_CHECK(decoder.finish_at_eof());
  }
}

HF_TEST(a_length_body_ends_after_its_length) {
  const BodyOutcome outcome = decode({BodyKind::length, 5}, "helloGET /");
  HF_CHECK(outcome.state == State::end);
  HF_EQ(outcome.data, "hello");
  HF_EQ(outcome.consumed, 5U);
  const BodyOutcome cut = decode({BodyKind::length, 5}, "hell");
  HF_CHECK(cut.state == State::more);
  HF_CHECK(!cut.complete_at_eof);  // the peer hung up inside the body
}

HF_TEST(a_body_until_close_ends_with_the_connection) {
  const BodyOutcome outcome = decode({BodyKind::until_close, 0}, "anything\r\n0\r\n\r\n");
  HF_CHECK(outcome.state == State::more);
  HF_EQ(outcome.data, "anything\r\n0\r\n\r\n");
  HF_CHECK(outcome.complete_at_eof);
}

HF_TEST(a_body_above_its_limit_is_too_large) {
  // The exact limit passes; nothing above it is handed over.
  HF_CHECK(decode({BodyKind::length, 4}, "abcd", 4).state == State::end);
  const BodyOutcome length = decode({BodyKind::length, 5}, "abcde", 4);
  HF_CHECK(length.state == State::too_large);
  HF_EQ(length.data, "");
  HF_EQ(length.consumed, 0U);
  HF_CHECK(decode(kChunked, "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 4).state == State::end);
  const BodyOutcome chunked = decode(kChunked, "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", 4);
  HF_CHECK(chunked.state == State::too_large);
  HF_EQ(chunked.data, "ab");
  const BodyOutcome until_close = decode({BodyKind::until_close, 0}, "abcde", 4);
  HF_CHECK(until_close.state == State::too_large);
  HF_EQ(until_close.data, "abcd");
  HF_CHECK(!until_close.complete_at_eof);
}

HF_TEST(chunked_bodies_are_decoded) {
  struct Row {
    std::string input;
    std::string data;
  };
  const Row rows[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", "hello!"},
      {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"1;a\r\nx\r\n0;last\r\n\r\n", "x"},
      {"1;a=b;c=\"d\\\"e;\xc3\xa9\"\r\nx\r\n0\r\n\r\n", "x"},
      {"1 ; a = b ; c\r\nx\r\n0\r\n\r\n", "x"},
      {"1\t;\ta\t=\t\"\" ;b\r\nx\r\n0\r\n\r\n", "x"},
      {"0\r\nX-Sum: 1\r\nContent-Length: 5\r\n\r\n", ""},
      {"0\r\nX:\r\n\r\n", ""},
      {"0\r\nX: \tcaf\xc3\xa9 \r\n\r\n", ""},
  };
  for (const Row &row : rows) expect_chunked(row.input, State::end, row.data);
}

HF_TEST(an_unfinished_chunked_body_is_never_complete) {
  const std::string whole = "5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n";
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const BodyOutcome outcome = decode(kChunked, whole.substr(0, bytes));
    HF_CHECK(outcome.state == State::more);
    HF_CHECK(!outcome.complete_at_eof);
    HF_EQ(outcome.consumed, bytes);
  }
}

HF_TEST(bytes_behind_the_last_chunk_are_left_alone) {
  const BodyOutcome outcome = decode(kChunked, "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1");
  HF_CHECK(outcome.state == State::end);
  HF_EQ(outcome.consumed, 11U);
}

HF_TEST(malformed_chunks_are_refused) {
  // What came before the fault is handed over; nothing behind it is.
  struct Row {
    std::string input;
    std::string data;
  };
  const Row rows[] = {
      {"\r\n", ""},
      {";a\r\n", ""},
      {" 5\r\n", ""},
      {"+5\r\n", ""},
      {"-5\r\n", ""},
      {"0x5\r\n", ""},
      {"5 \r\n", ""},
      {"5\t\r\n", ""},
      {"5\n", ""},
      {"5\rh", ""},
      {"g\r\n", ""},
      {"\x80\r\n", ""},
      {"00000000000000005\r\n", ""},
      {"80000001\r\n", ""},
      {"ffffffffffffffff\r\n", ""},
      {"1\r\nxy\r\n", "x"},
      {"1\r\nx\n0\r\n\r\n", "x"},
      {"1\r\nx\r0", "x"},
      {"1\r\nx0\r\n\r\n", "x"},
      {"1\r\nx\r\n\r\n", "x"},
      {"1;\r\n", ""},
      {"1;;\r\n", ""},
      {"1;=a\r\n", ""},
      {"1;a=\r\n", ""},
      {"1;a=b \r\n", ""},
      {"1;a \r\n", ""},
      {"1;a b\r\n", ""},
      {"1;a=b c\r\n", ""},
      {"1;a=\"b\"c\r\n", ""},
      {"1;a=\"b\rc\"\r\n", ""},
      {"1;a=\"b\nc\"\r\n", ""},
      {"1;a=\"\\\r\"\r\n", ""},
      {"1;a\n", ""},
      {"1;a\0\r\n"s, ""},
      {"1;\xc3=a\r\n", ""},
      {"0\r\n: x\r\n", ""},
      {"0\r\nX\r\n", ""},
      {"0\r\nX : y\r\n", ""},
      {"0\r\n X: y\r\n", ""},
      {"0\r\nX: y\r\n z\r\n", ""},
      {"0\r\nX: y\n", ""},
      {"0\r\nX: \x01\r\n", ""},
      {"0\r\nX: \0\r\n"s, ""},
      {"0\r\nX: y\rz", ""},
      {"0\r\n\n", ""},
      {"0\r\n\rx", ""},
  };
  for (const Row &row : rows) expect_chunked(row.input + "tail", State::failed, row.data);
  expect_chunked("80000000\r\n", State::more, "");
}

HF_TEST(a_failed_decoder_stays_failed) {
  BodyDecoder decoder(kChunked);
  HF_CHECK(decoder.next("x").state == State::failed);
  const BodyDecoder::Step again = decoder.next("0\r\n\r\n");
  HF_CHECK(again.state == State::failed);
  HF_EQ(again.consumed, 0U);
  HF_CHECK(!decoder.finish_at_eof());
  HF_CHECK(std::string_view(decoder.error()).size() > 0);
}

HF_TEST(the_data_and_the_end_of_a_small_body_come_in_one_step) {
  // Saves a turn for the usual answer: one chunk and the last one in the same read.
  BodyDecoder decoder(kChunked);
  const BodyDecoder::Step step = decoder.next("5\r\nhello\r\n0\r\n\r\n");
  HF_EQ(step.data, "hello");
  HF_CHECK(step.state == State::end);
}

HF_TEST(extension_limits_are_reached) {
  const std::string fits = "1;" + std::string(kChunkExtensionBytesMax - 1, 'a');
  expect_chunked(fits + "\r\nx\r\n0\r\n\r\n", State::end, "x");
  expect_chunked(fits + "a\r\nx\r\n0\r\n\r\n", State::failed, "");
  std::string body;
  std::string data;
  for (size_t i = 0; i < kChunkExtensionTotalBytesMax / kChunkExtensionBytesMax; ++i) {
    body += fits + "\r\nx\r\n";
    data += "x";
  }
  expect_chunked(body + "0\r\n\r\n", State::end, data);
  expect_chunked(body + "0;\r\n\r\n", State::failed, data);
}

HF_TEST(trailer_limits_are_reached) {
  std::string fields;
  for (size_t i = 0; i < kTrailerFieldsMax; ++i) fields += "a: b\r\n";
  expect_chunked("0\r\n" + fields + "\r\n", State::end, "");
  expect_chunked("0\r\n" + fields + "a: b\r\n\r\n", State::failed, "");
  const std::string name(kFieldNameBytesMax, 'n');
  expect_chunked("0\r\n" + name + ": b\r\n\r\n", State::end, "");
  expect_chunked("0\r\n" + name + "n: b\r\n\r\n", State::failed, "");
  const std::string largest = "a:" + std::string(kTrailerBytesMax - 5, 'x') + "\r\n";
  expect_chunked("0\r\n" + largest + "\r\n", State::end, "");
  expect_chunked("0\r\nx" + largest + "\r\n", State::failed, "");
}

HF_TEST(the_framing_overhead_is_bounded) {
  // One byte a chunk costs six bytes of framing, which the ratio allows; with an extension each it
  // does not, once the allowance is used up.
  std::string plain;
  std::string padded;
  for (size_t i = 0; i < 12000; ++i) plain += "1\r\nx\r\n";
  for (size_t i = 0; i < 12000; ++i) padded += "000000000001\r\nx\r\n";
  const auto whole = [](const std::string &input) {
    return feed_body(kChunked, UINT64_MAX, input, cut_whole(input.size()));
  };
  HF_CHECK(whole(plain + "0\r\n\r\n").state == State::end);
  const BodyOutcome outcome = whole(padded + "0\r\n\r\n");
  HF_CHECK(outcome.state == State::failed);
  // 16 framing bytes a chunk, 8 of them paid for by its byte; 14 stand before that byte.
  HF_EQ(outcome.data.size(), (kFramingOverheadBytes - 14) / 8 + 1);
  HF_CHECK(outcome == feed_body(kChunked, UINT64_MAX, padded, cut_bytewise(padded.size())));
}

HF_TEST(what_the_chunk_writer_opens_the_decoder_reads) {
  for (const size_t bytes : {size_t{1}, size_t{15}, size_t{16}, size_t{255}, size_t{4096}}) {
    char open[kChunkOpenBytesMax];
    const std::string data(bytes, 'd');
    const std::string wire = std::string(open, write_chunk_open(open, bytes)) + data +
                             std::string(kChunkEnd) + std::string(kLastChunk);
    expect_chunked(wire, State::end, data);
  }
  char open[kChunkOpenBytesMax];
  HF_EQ(std::string(open, write_chunk_open(open, 8000)), "1f40\r\n");
  HF_EQ(std::string(open, write_chunk_open(open, UINT64_MAX)), "ffffffffffffffff\r\n");
}

HF_TEST(what_is_content_for_sure_is_known_in_advance) {
  BodyDecoder length({BodyKind::length, 10});
  HF_EQ(length.known_bytes(), 10U);
  HF_EQ(length.next("abc").data.size(), 3U);
  HF_EQ(length.known_bytes(), 7U);
  BodyDecoder chunked(kChunked);
  HF_EQ(chunked.known_bytes(), 0U);
  HF_EQ(chunked.next("5\r\n").consumed, 3U);
  HF_EQ(chunked.known_bytes(), 5U);
  HF_EQ(chunked.next("abcde").consumed, 5U);
  HF_EQ(chunked.known_bytes(), 0U);
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_body_without_bytes_ends_at_once),
      HF_UNIT(a_length_body_ends_after_its_length),
      HF_UNIT(a_body_until_close_ends_with_the_connection),
      HF_UNIT(a_body_above_its_limit_is_too_large),
      HF_UNIT(chunked_bodies_are_decoded),
      HF_UNIT(an_unfinished_chunked_body_is_never_complete),
      HF_UNIT(bytes_behind_the_last_chunk_are_left_alone),
      HF_UNIT(malformed_chunks_are_refused),
      HF_UNIT(a_failed_decoder_stays_failed),
      HF_UNIT(the_data_and_the_end_of_a_small_body_come_in_one_step),
      HF_UNIT(extension_limits_are_reached),
      HF_UNIT(trailer_limits_are_reached),
      HF_UNIT(the_framing_overhead_is_bounded),
      HF_UNIT(what_is_content_for_sure_is_known_in_advance),
      HF_UNIT(what_the_chunk_writer_opens_the_decoder_reads),
  };
  return HF_RUN(tests);
}
