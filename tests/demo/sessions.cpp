#include "tests/demo/sessions.h"

#include <charconv>
#include <cstdio>
#include <random>

namespace holdfast::demo {
namespace {

constexpr size_t kHistoryEventsMax = 256;  // of one session
constexpr size_t kEndedMax = 10'000;       // enough for any test to look back at

std::string mint_uuid() {
  static std::random_device random;
  char text[40];
  (void)std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%08x%04x", random(),
                      random() & 0xffffU, random() & 0xfffU, 0x8000U | (random() & 0x3fffU),
                      random(), random() & 0xffffU);
  return text;
}

}  // namespace

std::string Session::record(const json_t *message) {
  ++last_event;
  history.push_back(message_event("evt-" + std::to_string(last_event), message));
  if (history.size() > kHistoryEventsMax) history.pop_front();
  return history.back();
}

std::vector<std::string> Session::after(std::string_view last_event_id) const {
  uint64_t seen = 0;
  if (last_event_id.starts_with("evt-")) {
    const char *end = last_event_id.data() + last_event_id.size();
    if (std::from_chars(last_event_id.data() + 4, end, seen).ptr != end) seen = 0;
  }
  const uint64_t oldest = last_event - history.size() + 1;
  const uint64_t skipped =
      seen < oldest ? 0 : std::min<uint64_t>(seen - oldest + 1, history.size());
  return {history.begin() + static_cast<std::ptrdiff_t>(skipped), history.end()};
}

Session &Sessions::create(bool legacy) {
  std::string id = mint_uuid();
  Session &session = live_[id];
  session.id = std::move(id);
  session.legacy = legacy;
  return session;
}

Session *Sessions::find(std::string_view id) {
  const auto found = live_.find(id);
  return found != live_.end() ? &found->second : nullptr;
}

void Sessions::end(std::string_view id, const char *how) {
  const auto found = live_.find(id);
  if (found == live_.end()) return;
  ended_.push_back({found->first, how});
  if (ended_.size() > kEndedMax) ended_.pop_front();
  live_.erase(found);
}

void Sessions::forget_all() {
  while (!live_.empty()) end(std::string(live_.begin()->first), "forgotten");
}

}  // namespace holdfast::demo
