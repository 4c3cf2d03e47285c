#include "tests/bench/tools/load_errors.h"

#include <array>
#include <utility>

namespace holdfast::bench {
namespace {

std::array<std::pair<const char *, uint64_t>, 11> rows(const LoadErrors &errors) {
  return {{{"connect", errors.connect},
           {"tls", errors.tls},
           {"closed", errors.closed},
           {"malformed", errors.malformed},
           {"wrong_id", errors.wrong_id},
           {"no_session", errors.no_session},
           {"short_body", errors.short_body},
           {"lost", errors.lost},
           {"reordered", errors.reordered},
           {"stuck", errors.stuck},
           {"not_ready", errors.not_ready}}};
}

void append(std::string &text, const std::string &kind, uint64_t count) {
  if (count == 0) return;
  if (!text.empty()) text += ' ';
  text.append(kind).append("=").append(std::to_string(count));
}

}  // namespace

uint64_t LoadErrors::total() const {
  uint64_t sum = 0;
  for (const auto &[kind, count] : rows(*this)) sum += count;
  for (const auto &[code, count] : status) sum += count;
  return sum;
}

std::string LoadErrors::text() const {
  std::string text;
  for (const auto &[kind, count] : rows(*this)) append(text, kind, count);
  for (const auto &[code, count] : status) append(text, "http_" + std::to_string(code), count);
  return text.empty() ? "none" : text;
}

}  // namespace holdfast::bench
