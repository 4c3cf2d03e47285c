// Session ids as Holdfast mints them: 24 random bytes in base64url, 32 characters. The whole id is
// a credential; its first 8 characters, the handle, are the public name and the only part that
// logs, lists and pages show. Pure except mint(), which draws from the kernel. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

inline constexpr size_t kSessionIdChars = 32;
inline constexpr size_t kHandleChars = 8;

// A new id; it never begins with "-". Exits the process when the kernel gives no randomness: there
// is no safe way on.
std::string mint_session_id();

// 64 random bits in lower-case hex, 16 characters: names one serving process on the link.
std::string mint_instance_id();

// True for 32 characters of the base64url alphabet: anything else cannot be one of ours.
bool is_session_id(std::string_view text) noexcept;

// The public handle: the first 8 characters (or all of a shorter text).
inline std::string_view handle_of(std::string_view session_id) noexcept {
  return session_id.substr(0, kHandleChars);
}

// A keyed hash (SipHash-2-4, key drawn once per process) for tables whose keys a peer may choose.
uint64_t keyed_hash(std::string_view bytes) noexcept;

// Hash functor for unordered containers with string keys chosen by peers; allows string_view
// look-up.
struct KeyedHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const noexcept { return keyed_hash(text); }
};

// Compares secrets in time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace holdfast
