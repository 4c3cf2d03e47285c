#include "proxy/http/field_names.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

#include "proxy/http/head_writer.h"
#include "proxy/http/message.h"

namespace holdfast::proxy::http {
namespace {

struct Row {
  std::string_view name;
  FieldId id;
};

// Sorted by length: the rows of one length are the candidates for a name of that length.
constexpr Row kRows[] = {
    {"te", FieldId::te},
    {"via", FieldId::via},
    {"host", FieldId::host},
    {"accept", FieldId::accept},
    {"expect", FieldId::expect},
    {"origin", FieldId::origin},
    {"trailer", FieldId::trailer},
    {"upgrade", FieldId::upgrade},
    {"mcp-name", FieldId::mcp_name},
    {"forwarded", FieldId::forwarded},
    {"x-real-ip", FieldId::x_real_ip},
    {"connection", FieldId::connection},
    {"keep-alive", FieldId::keep_alive},
    {"mcp-method", FieldId::mcp_method},
    {"content-type", FieldId::content_type},
    {"max-forwards", FieldId::max_forwards},
    {"authorization", FieldId::authorization},
    {"cache-control", FieldId::cache_control},
    {"last-event-id", FieldId::last_event_id},
    {"content-length", FieldId::content_length},
    {"http2-settings", FieldId::http2_settings},
    {"mcp-session-id", FieldId::mcp_session_id},
    {"accept-encoding", FieldId::accept_encoding},
    {"x-forwarded-for", FieldId::x_forwarded_for},
    {"content-encoding", FieldId::content_encoding},
    {"proxy-connection", FieldId::proxy_connection},
    {"x-forwarded-host", FieldId::x_forwarded_host},
    {"transfer-encoding", FieldId::transfer_encoding},
    {"x-accel-buffering", FieldId::x_accel_buffering},
    {"x-forwarded-proto", FieldId::x_forwarded_proto},
    {"proxy-authenticate", FieldId::proxy_authenticate},
    {"proxy-authorization", FieldId::proxy_authorization},
    {"mcp-protocol-version", FieldId::mcp_protocol_version},
};
constexpr size_t kNameBytesMax = std::rbegin(kRows)->name.size();
constexpr size_t kSharedIdsCount = 3;
static_assert(std::size(kRows) + kSharedIdsCount == kFieldIdsCount, "every id has a row");
static_assert(kNameBytesMax <= 24, "Words covers 24 bytes");
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows), [](const Row &a, const Row &b) {
  return a.name.size() < b.name.size();
}));

// A name of up to 24 bytes as three overlapping words, so that no load reaches past its end.
struct Words {
  uint64_t first = 0;
  uint64_t middle = 0;
  uint64_t last = 0;
};

template <class T>
constexpr T load(const char *p) noexcept {
  std::array<char, sizeof(T)> bytes{};
  if (std::is_constant_evaluated()) {
    for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = p[i];
  } else {
    std::memcpy(bytes.data(), p, sizeof(T));  // one load; the loop would stay a loop
  }
  return std::bit_cast<T>(bytes);
}

constexpr Words load_words(std::string_view name) noexcept {
  const char *p = name.data();
  const size_t n = name.size();
  if (n > 16) return {load<uint64_t>(p), load<uint64_t>(p + 8), load<uint64_t>(p + n - 8)};
  if (n >= 8) return {load<uint64_t>(p), 0, load<uint64_t>(p + n - 8)};
  if (n >= 4) return {load<uint32_t>(p), 0, load<uint32_t>(p + n - 4)};
  if (n >= 2) return {load<uint16_t>(p), 0, load<uint16_t>(p + n - 2)};
  return {};
}

// What a row is compared by: a byte may differ from the name only in the case bit of a letter.
struct Pattern {
  Words words;
  Words significant;
};

constexpr Pattern make_pattern(std::string_view name) noexcept {
  std::array<char, 24> significant{};
  for (size_t i = 0; i < name.size(); ++i) {
    const bool letter = name[i] >= 'a' && name[i] <= 'z';
    significant[i] = static_cast<char>(letter ? 0xdf : 0xff);
  }
  return {load_words(name), load_words({significant.data(), name.size()})};
}

// Plain arrays: they are indexed once for every field of every message.
struct Tables {
  Pattern patterns[std::size(kRows)];
  FieldId ids[std::size(kRows)];
  uint8_t first_row[kNameBytesMax + 2];  // [n]: the first row whose name has at least n bytes
};

constexpr Tables make_tables() noexcept {
  Tables tables{};
  for (size_t row = 0; row < std::size(kRows); ++row) {
    tables.patterns[row] = make_pattern(kRows[row].name);
    tables.ids[row] = kRows[row].id;
  }
  for (size_t n = 0; n < std::size(tables.first_row); ++n) {
    while (tables.first_row[n] < std::size(kRows) && kRows[tables.first_row[n]].name.size() < n) {
      ++tables.first_row[n];
    }
  }
  return tables;
}
constexpr Tables kTables = make_tables();

constexpr bool matches(const Words &words, const Pattern &pattern) noexcept {
  if (((words.first ^ pattern.words.first) & pattern.significant.first) != 0) return false;
  return (((words.middle ^ pattern.words.middle) & pattern.significant.middle) |
          ((words.last ^ pattern.words.last) & pattern.significant.last)) == 0;
}

constexpr std::string_view kMcpPrefix = "mcp-";
constexpr std::string_view kForwardedPrefix = "x-forwarded-";
constexpr Pattern kMcpPattern = make_pattern(kMcpPrefix);
constexpr Pattern kForwardedPattern = make_pattern(kForwardedPrefix);

FieldId id_by_prefix(std::string_view name) noexcept {
  if (name.size() < kMcpPrefix.size()) return FieldId::other;
  if (matches(load_words(name.substr(0, kMcpPrefix.size())), kMcpPattern))
    return FieldId::mcp_other;
  if (name.size() < kForwardedPrefix.size()) return FieldId::other;
  if (matches(load_words(name.substr(0, kForwardedPrefix.size())), kForwardedPattern)) {
    return FieldId::x_forwarded_other;
  }
  return FieldId::other;
}

// What a Connection option must not take away: framing and the meaning of the body, routing,
// identity, and the trail that shows loops.
constexpr FieldSet kNotRemovable = {
    FieldId::accept,
    FieldId::authorization,
    FieldId::content_encoding,
    FieldId::content_length,
    FieldId::content_type,
    FieldId::forwarded,
    FieldId::host,
    FieldId::last_event_id,
    FieldId::mcp_method,
    FieldId::mcp_name,
    FieldId::mcp_other,
    FieldId::mcp_protocol_version,
    FieldId::mcp_session_id,
    FieldId::origin,
    FieldId::via,
    FieldId::x_forwarded_for,
    FieldId::x_forwarded_host,
    FieldId::x_forwarded_other,
    FieldId::x_forwarded_proto,
    FieldId::x_real_ip,
};

}  // namespace

FieldId field_id(std::string_view name) noexcept {
  if (name.size() >= 2 && name.size() <= kNameBytesMax) {
    const Words words = load_words(name);
    const size_t end = kTables.first_row[name.size() + 1];
    for (size_t row = kTables.first_row[name.size()]; row < end; ++row) {
      if (matches(words, kTables.patterns[row])) return kTables.ids[row];
    }
  }
  return id_by_prefix(name);
}

std::string_view field_name(FieldId id) noexcept {
  for (const Row &row : kRows) {
    if (row.id == id) return row.name;
  }
  return {};
}

bool connection_may_remove(FieldId id) noexcept { return !kNotRemovable.has(id); }

}  // namespace holdfast::proxy::http
