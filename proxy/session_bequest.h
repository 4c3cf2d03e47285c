// The sessions an old serving process tells the one that takes over (upgrade.h), a line each as on
// the link (`restored`): those of HTTP+SSE, whose streams stay with it, and where no sessiond would
// tell them, or it is away, all that may go on elsewhere. Control thread of either process.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "proxy/backend_directory.h"
#include "proxy/legacy_guests.h"
#include "proxy/session_registry.h"

namespace holdfast::proxy {

class SessionBequest {
 public:
  // Borrows all of them.
  SessionBequest(SessionRegistry &registry, const BackendDirectory &backends, LegacyGuests &guests)
      : registry_(registry), backends_(backends), guests_(guests) {}

  // Whether sessiond tells those it may.
  void set_sessiond(bool there) noexcept { sessiond_ = there; }

  // ---- old ----
  std::string all() const;
  // One that has just begun; empty where it is none of those.
  std::string one(const std::string &session) const;

  // ---- new ----
  // `came`: requests that have waited for one of them. Lines that are none are left out.
  void take(std::string_view lines, const std::function<void(const ExchangeRef &)> &came);

 private:
  void write(const link::Record &record, std::string &out) const;

  SessionRegistry &registry_;
  const BackendDirectory &backends_;
  LegacyGuests &guests_;
  bool sessiond_ = true;
};

}  // namespace holdfast::proxy
