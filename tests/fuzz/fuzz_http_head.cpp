// Fuzzes the check that stands before libevhtp. Checked: a head that passes has no byte that could
// mean something else to another parser, one Host, at most one length, and no coding.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sessiond/http_head.h"

namespace {

size_t count_of(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

// A deliberately simple second opinion on a head that was accepted.
void check_accepted(std::string_view head) {
  std::string lower(head);
  for (char &c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (size_t i = 0; i < head.size(); ++i) {
    const auto c = static_cast<unsigned char>(head[i]);
    if (c == '\r' && head[i + 1] != '\n') std::abort();
    if (c == '\n' && (i == 0 || head[i - 1] != '\r')) std::abort();
    if ((c < 0x20 && c != '\r' && c != '\n') || c >= 0x7f) std::abort();
  }
  if (count_of(lower, "\r\nhost:") != 1) std::abort();
  if (count_of(lower, "\r\ncontent-length:") > 1) std::abort();
  if (count_of(lower, "\r\ntransfer-encoding:") != 0) std::abort();
  if (count_of(head, "\r\n") > holdfast::sessiond::kHttpFieldsMax + 2) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const std::string_view input(static_cast<const char *>(static_cast<const void *>(data)), size);
  const size_t head_bytes = holdfast::sessiond::http_head_bytes(input);
  if (head_bytes == 0) return 0;
  const std::string_view head = input.substr(0, head_bytes);
  const auto checked = holdfast::sessiond::check_http_head(head);
  if (checked.refusal == 0) check_accepted(head);
  if (checked.body_bytes > holdfast::sessiond::kHttpBodyBytesMax) std::abort();
  return 0;
}
