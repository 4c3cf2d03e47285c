#include "sessiond/session_lookup.h"

#include <algorithm>

#include "common/log.h"

namespace holdfast::sessiond {
namespace {

constexpr size_t kCandidatesShownMax = 10;

std::string candidates_text(const std::vector<const Session *> &found) {
  std::string out;
  for (size_t i = 0; i < std::min(found.size(), kCandidatesShownMax); ++i) {
    out += (i == 0 ? " " : ", ") + std::string(handle_of(found[i]->id->text()));
  }
  return out + (found.size() > kCandidatesShownMax ? " and more" : "");
}

}  // namespace

SessionLookup look_up_session(const Core &core, std::string_view id) {
  if (id.size() < kPrefixCharsMin) {
    return {nullptr, AdminFault::usage,
            quoted(id) + " is too short for a session id; " + std::to_string(kPrefixCharsMin) +
                " characters at least"};
  }
  const auto found = core.table().find_by_prefix(id, kCandidatesShownMax + 1);
  if (found.size() == 1) return {found[0], {}, {}};
  if (!found.empty()) {
    return {nullptr, AdminFault::usage,
            quoted(id, kSessionIdChars) + " is ambiguous:" + candidates_text(found)};
  }
  const auto graves = core.tombstones().find_by_prefix(id, 1);
  std::string message = "no session " + quoted(handle_of(id));
  if (!graves.empty()) {
    message += "; it ended: " + std::string(to_word(graves[0].second->reason));
  }
  return {nullptr, AdminFault::not_found, std::move(message)};
}

}  // namespace holdfast::sessiond
