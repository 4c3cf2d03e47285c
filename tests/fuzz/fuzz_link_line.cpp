// Fuzzes the link's decoder with one line, for both directions. Checked: whatever is accepted is
// encoded to a line that is accepted again and means the same, and is within the line bound.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/limits.h"
#include "common/link_messages.h"

namespace {

template <class Decode>
void check(std::string_view line, Decode decode) {
  const auto message = decode(line);
  if (!message) return;
  const std::string first = holdfast::link::encode(*message);
  if (first.find('\n') != std::string::npos) std::abort();
  const auto again = decode(first);
  if (!again || again->index() != message->index()) std::abort();
  if (holdfast::link::encode(*again) != first) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size >= holdfast::kLinkLineBytesMax) return 0;  // the line codec refuses it before
  const std::string_view line(static_cast<const char *>(static_cast<const void *>(data)), size);
  check(line, holdfast::link::decode_to_sessiond);
  check(line, holdfast::link::decode_to_proxy);
  return 0;
}
