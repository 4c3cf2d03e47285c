// The four [SessionManager] lines, which are contract (SPEC section 1) and read by people's own
// tools: the format never changes, and no user name can forge or break one. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "common/close_reason.h"

namespace holdfast::sessiond {

// `session` is the id as it may be shown: the handle, or all of it with log_full_ids.
std::string session_created_line(std::string_view session, std::string_view user, bool persistent);
std::string sessions_skipped_line(size_t persistent_count);
std::string sessions_cleaned_line(size_t count, size_t persistent_count);
std::string session_deleted_line(std::string_view session, EndReason reason);

// A JSON string, with its quotes, in ASCII alone: everything outside the printable characters is
// escaped, bytes that are not UTF-8 become U+FFFD.
std::string ascii_json_text(std::string_view text);

}  // namespace holdfast::sessiond
