// find_either() finds what a byte loop finds, at every distance and alignment, and reads no byte
// outside its range.
#include "proxy/mcp/find_either.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/proxy/mcp/scan_support.h"
#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::find_either;

// The range is the whole of its allocation, so that a sanitizer sees a read beyond it.
HF_TEST(every_distance_in_every_length) {
  for (size_t size = 0; size <= 200; ++size) {
    for (size_t at = 0; at <= size; ++at) {
      const auto bytes = std::make_unique<char[]>(size);
      std::fill_n(bytes.get(), size, 'x');
      if (at < size) bytes[at] = at % 2 == 0 ? '"' : '\\';
      const char *found = find_either(bytes.get(), bytes.get() + size, '"', '\\');
      HF_EQ(static_cast<size_t>(found - bytes.get()), at);
    }
  }
}

// Every byte value is told from every other, also where one differs from a wanted one by a bit or
// by one, which word arithmetic confuses when it is wrong.
HF_TEST(every_byte_value) {
  for (int wanted = 0; wanted < 256; ++wanted) {
    for (int other = 0; other < 256; ++other) {
      if (other == wanted) continue;
      std::string bytes(150, static_cast<char>(other));
      const char a = static_cast<char>(wanted);
      const char b = static_cast<char>(wanted);
      HF_CHECK(find_either(bytes.data(), bytes.data() + bytes.size(), a, b) ==
               bytes.data() + bytes.size());
      for (const size_t at : {0U, 7U, 9U, 35U, 80U, 149U}) {
        bytes[at] = a;
        HF_CHECK(find_either(bytes.data(), bytes.data() + bytes.size(), a, b) == bytes.data() + at);
        bytes[at] = static_cast<char>(other);
      }
    }
  }
}

// Several hits, in any distance of each other: the first counts.
HF_TEST(random_bytes_from_every_start) {
  std::mt19937 random = holdfast::test::repeatable_random(20261105);
  for (int round = 0; round < 300; ++round) {
    std::vector<char> bytes(300);
    const auto kinds = 2 + random() % 250;
    for (char &c : bytes) c = static_cast<char>(random() % kinds);
    const char a = static_cast<char>(random() % kinds);
    const char b = static_cast<char>(random() % 256);
    const char *const end = bytes.data() + bytes.size();
    for (const char *p = bytes.data(); p != end; ++p) {
      HF_CHECK(find_either(p, end, a, b) ==
               std::find_if(p, end, [&](char c) { return c == a || c == b; }));
    }
  }
}

int main() {
  const CMUnitTest tests[] = {HF_UNIT(every_distance_in_every_length), HF_UNIT(every_byte_value),
                              HF_UNIT(random_bytes_from_every_start)};
  return HF_RUN(tests);
}
