// Who a session is, in one allocation: eight texts, most of them short, cost as strings more than
// everything else the registry keeps of a session. Only a recovery changes anything of it; the
// views stay valid while the object or what it was moved to lives, that of the backend's session
// until the next recovery. Private to the registry.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/session_registry.h"

namespace holdfast::proxy {

class PackedIdentity {
 public:
  explicit PackedIdentity(const SessionIdentity &identity);
  SessionIdentity unpack() const;

  std::string_view id() const noexcept { return text(0); }
  std::string_view user() const noexcept { return text(1); }
  std::string_view policy() const noexcept { return text(2); }
  std::string_view backend_session() const noexcept {
    return recovered_ ? std::string_view(*recovered_) : text(3);
  }
  std::string_view target() const noexcept { return text(4); }
  Transport transport() const noexcept { return transport_; }
  BackendId backend() const noexcept { return backend_; }
  // The session goes on in another session of a backend.
  void move_to(BackendId backend, std::string_view backend_session);
  bool initialize_first() const noexcept { return initialize_first_; }

 private:
  static constexpr size_t kTexts = 8;
  using Ends = std::array<uint32_t, kTexts>;  // where each text ends, from the block's begin

  std::string_view text(size_t which) const noexcept;

  std::unique_ptr<char[]> block_;           // Ends, then the texts in the order of SessionIdentity
  std::unique_ptr<std::string> recovered_;  // the backend's session since the last recovery
  BackendId backend_;
  Transport transport_;
  bool initialize_first_;
};

}  // namespace holdfast::proxy
