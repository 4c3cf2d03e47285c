// LineCodec: any split of the same bytes gives the same lines, and its memory is bounded.
#include "common/line_codec.h"

#include <vector>

#include "tests/support/hf_test.h"

using holdfast::LineCodec;

namespace {

std::vector<std::string> lines_of(std::string_view bytes, size_t piece_bytes, size_t line_max) {
  LineCodec codec(line_max);
  std::vector<std::string> lines;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    codec.append(bytes.substr(at, piece_bytes));
    std::string_view line;
    while (codec.next(line)) lines.emplace_back(line);
  }
  return lines;
}

}  // namespace

HF_TEST(every_split_gives_the_same_lines) {
  const std::string_view bytes = "one\r\n\ntwo\rthree\nfour\n\r\nhalf";
  const std::vector<std::string> expected = {"one", "", "two\rthree", "four", ""};
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    HF_CHECK(lines_of(bytes, piece, 64) == expected);
  }
}

HF_TEST(a_line_of_exactly_the_bound_passes_and_one_more_byte_fails) {
  LineCodec codec(8);
  codec.append("1234567\n");
  std::string_view line;
  HF_CHECK(codec.next(line));
  HF_EQ(line, "1234567");
  codec.append("12345678\n");
  HF_CHECK(!codec.next(line));
  HF_CHECK(codec.failed());
}

HF_TEST(lines_before_a_line_that_is_too_long_are_delivered) {
  LineCodec codec(8);
  codec.append("first\n0123456789");
  std::string_view line;
  HF_CHECK(codec.next(line));
  HF_EQ(line, "first");
  HF_CHECK(!codec.next(line));
  HF_CHECK(codec.failed());
  codec.append("more\n");
  HF_CHECK(!codec.next(line));
}

// A peer that never ends its line must not make us hold more than the bound and one piece.
HF_TEST(a_line_without_an_end_fails_at_the_bound_not_later) {
  LineCodec codec(1000);
  const std::string piece(100, 'x');
  std::string_view line;
  size_t sent = 0;
  while (!codec.failed()) {
    HF_CHECK(sent < 2000);
    codec.append(piece);
    sent += piece.size();
    HF_CHECK(!codec.next(line));
  }
  HF_EQ(sent, size_t{1000});
  HF_EQ(codec.buffered_bytes(), size_t{0});
}

HF_TEST(half_line_tells_whether_bytes_wait_for_their_end) {
  LineCodec codec(64);
  std::string_view line;
  HF_CHECK(!codec.half_line());
  codec.append("ab");
  HF_CHECK(!codec.next(line));
  HF_CHECK(codec.half_line());
  HF_EQ(codec.buffered_bytes(), size_t{2});
  codec.append("c\n");
  HF_CHECK(codec.next(line));
  HF_EQ(line, "abc");
  HF_CHECK(!codec.half_line());
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_split_gives_the_same_lines),
      HF_UNIT(a_line_of_exactly_the_bound_passes_and_one_more_byte_fails),
      HF_UNIT(lines_before_a_line_that_is_too_long_are_delivered),
      HF_UNIT(a_line_without_an_end_fails_at_the_bound_not_later),
      HF_UNIT(half_line_tells_whether_bytes_wait_for_their_end),
  };
  return HF_RUN(tests);
}
