// What admins have said of servers in this process's life: state and weight, by the server's name.
// Told by sessiond (set_server), kept over reloads, also for names a later configuration brings.
// Written through to the cells workers look at. Owned by Serving; control thread only.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/link_messages.h"
#include "proxy/backend_directory.h"
#include "proxy/backend_stats.h"

namespace holdfast::proxy {

// As many as there may be backends; sessiond sends only names that a proxy has told it.
inline constexpr size_t kServerOrdersMax = kBackendsMax;

class ServerOrders {
 public:
  // Borrows everything; all must outlive *this.
  ServerOrders(const Clock &clock, const BackendDirectory &backends, BackendStats &stats)
      : clock_(clock), backends_(backends), stats_(stats) {}

  // A state or weight that is not named stays as it is. Logs what it changes.
  void obey(const link::SetServer &order);
  // Backends may have come under names of which something was said.
  void apply();
  const link::SetServer *find(std::string_view server) const;

 private:
  void apply(const link::SetServer &order);

  const Clock &clock_;
  const BackendDirectory &backends_;
  BackendStats &stats_;
  std::map<std::string, link::SetServer, std::less<>> orders_;
};

}  // namespace holdfast::proxy
