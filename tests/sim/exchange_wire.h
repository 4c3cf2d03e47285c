// What fake clients and fake backends understand of HTTP/1.1: the plainest reading there is,
// written from RFC 9112 and sharing no line with the proxy's codec. It accepts only what our
// serialiser may write, and throws a Violation for anything else. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::sim {

struct WireHead {
  std::string line;                                         // the first one, without its end
  std::vector<std::pair<std::string, std::string>> fields;  // names in small letters

  size_t count(std::string_view name) const;
  const std::string *find(std::string_view name) const;  // the first one; nullptr: none
};

// Takes a head off the front of `buffer` once one is there whole. `promise` is what a head that is
// none breaks.
std::optional<WireHead> take_head(std::string &buffer, const char *promise);

// The number, all of the text; nullopt otherwise.
std::optional<uint64_t> number(std::string_view text, int base = 10);

// Reads one body off the front of a buffer as its bytes come.
class WireBody {
 public:
  enum class Kind : uint8_t { none, length, chunked, until_close };

  WireBody() = default;
  WireBody(Kind kind, uint64_t length_bytes) : kind_(kind), left_(length_bytes) {}
  // The body's framing as the head's fields say it, `bodiless` being what method and status say.
  static WireBody of(const WireHead &head, bool bodiless, Kind otherwise, const char *promise);

  Kind kind() const noexcept { return kind_; }
  // Appends to `body` what can be read. True: the body has ended; until_close never says so.
  bool take(std::string &buffer, std::string &body, const char *promise);

 private:
  enum class Part : uint8_t { size, data, data_end, last };
  bool take_chunks(std::string &buffer, std::string &body, const char *promise);

  Kind kind_ = Kind::none;
  Part part_ = Part::size;
  uint64_t left_ = 0;
};

}  // namespace holdfast::sim
