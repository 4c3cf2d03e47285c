#include "proxy/http/head_end.h"

#include <cstring>

#include "proxy/http/limits.h"

namespace holdfast::proxy::http {

HeadEnd::Found HeadEnd::search(std::string_view bytes, size_t line_bytes) noexcept {
  if (next_ == 0) next_ = static_cast<uint32_t>(line_bytes - 1);  // the LF that ends the first line
  const std::string_view seen = bytes.substr(0, kHeadBytesMax);
  const char *end = seen.data() + seen.size();
  const char *at = seen.data() + next_;
  const Found more = bytes.size() >= kHeadBytesMax ? Found::too_large : Found::no;
  for (;;) {
    const void *found = std::memchr(at, '\n', static_cast<size_t>(end - at));
    if (found == nullptr) {
      next_ = static_cast<uint32_t>(seen.size());
      return more;
    }
    const char *lf = static_cast<const char *>(found);
    next_ = static_cast<uint32_t>(lf - seen.data());  // looked at again until what follows is known
    if (lf + 1 == end) return more;
    const bool blank = lf[1] == '\r';
    if (blank && lf + 2 == end) return more;
    if (lf[1] == '\n' || (blank && lf[2] == '\n')) {
      next_ = static_cast<uint32_t>(lf - seen.data()) + (blank ? 3U : 2U);
      return Found::yes;
    }
    if (fields_count_ == kFieldsMax) return Found::too_many_fields;
    ++fields_count_;
    at = lf + 1;
  }
}

}  // namespace holdfast::proxy::http
