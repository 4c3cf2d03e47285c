// What the codec's fuzz targets share: the check that ends the run, and a deliberately lenient head
// reader, standing for the careless server behind us.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/byte_class.h"

// Not assert: a property is checked in every build type.
#define HF_REQUIRE(c)                                                        \
  do {                                                                       \
    if (!(c)) {                                                              \
      std::fprintf(stderr, "%s:%d: violated: %s\n", __FILE__, __LINE__, #c); \
      std::abort();                                                          \
    }                                                                        \
  } while (0)

namespace holdfast::test {

// Pieces byte by byte cost the square of the size; larger inputs are split at random only.
inline constexpr size_t kBytewiseBytesMax = 2048;

inline std::string_view as_text(const uint8_t *data, size_t size) {
  return {static_cast<const char *>(static_cast<const void *>(data)), size};
}

// The same input is always split the same way.
inline std::mt19937 seeded(std::string_view input) {
  return std::mt19937(static_cast<uint32_t>(std::hash<std::string_view>{}(input)));
}

struct LenientField {
  std::string name;
  std::string value;
};

// Reads fields as sloppy software does: LF ends a line, CR is white space, NUL ends a value, blanks
// around names do not matter, a leading blank continues the value before.
inline std::vector<LenientField> read_leniently(std::string_view head) {
  std::vector<LenientField> fields;
  head.remove_prefix(head.find('\n') + 1);
  const auto strip = [](std::string_view s) {
    s = s.substr(0, s.find('\0'));
    while (!s.empty() && (s.front() == ' ' || s.front() == '\t' || s.front() == '\r')) {
      s.remove_prefix(1);
    }
    while (!s.empty() && (s.back() == ' ' || s.back() == '\t' || s.back() == '\r')) {
      s.remove_suffix(1);
    }
    return s;
  };
  while (!head.empty()) {
    const size_t lf = head.find('\n');
    const std::string_view line = head.substr(0, lf);
    head.remove_prefix(lf == head.npos ? head.size() : lf + 1);
    if (strip(line).empty()) break;
    if ((line.front() == ' ' || line.front() == '\t') && !fields.empty()) {
      fields.back().value += strip(line);
      continue;
    }
    const size_t colon = line.find(':');
    fields.push_back({std::string(strip(line.substr(0, colon))),
                      colon == line.npos ? "" : std::string(strip(line.substr(colon + 1)))});
  }
  return fields;
}

// How often a field occurs, "_" passing for "-" as behind CGI.
inline size_t count_leniently(const std::vector<LenientField> &fields, std::string_view name) {
  size_t count = 0;
  for (const LenientField &field : fields) {
    std::string folded = field.name;
    for (char &c : folded) c = c == '_' ? '-' : c;
    if (proxy::http::iequals(folded, name)) ++count;
  }
  return count;
}

}  // namespace holdfast::test
