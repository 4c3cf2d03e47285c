// The service as a whole, as people and machines are shown it: health, `show info`, backends and
// HAProxy's CSV. Reads the service, changes nothing. Pure but for the service's clock; its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/json_writer.h"
#include "sessiond/service.h"

namespace holdfast::sessiond {

// {"status":"ok","sessions":{"total":2,"active":2},…}; byUser inside sessions with `with_users`.
void write_health(JsonWriter &w, const Service &service, bool with_users);

using InfoValue = std::variant<std::string, int64_t>;
// HAProxy's names where the meaning is equal, in their order.
std::vector<std::pair<std::string_view, InfoValue>> service_info(const Service &service);

// One server of one upstream, summed over all linked proxies.
struct BackendTotal {
  std::string upstream;
  std::string server;
  bool up = false;  // for at least one proxy
  int64_t sessions = 0;
  int64_t requests = 0;
  int64_t errors = 0;
  ServerState state = ServerState::ready;
  int64_t weight = 0;
  std::string check;                  // the last active check; empty: none is configured
  std::optional<int64_t> changed_ms;  // since the latest change any proxy saw
  bool removed = true;                // no proxy has it configured any more
  bool admits = false;                // some proxy sends new sessions there
};
// Sorted by upstream and server.
std::vector<BackendTotal> backend_totals(const Core &core);
// up, down, drain, maint or removed
std::string_view status_word(const BackendTotal &backend) noexcept;
void write_backends(JsonWriter &w, const std::vector<BackendTotal> &backends);

// The sum of one counter over all linked proxies; 0 when none tells it.
int64_t proxy_counter(const Core &core, std::string_view name);
// All counters of all linked proxies, summed by name and sorted.
std::vector<std::pair<std::string, int64_t>> proxy_counters(const Core &core);

// HAProxy's `show stat`: a header line beginning "# ", one line for what clients see (the proxies),
// one per server and one per upstream. Columns are appended, never reordered.
std::string stat_csv(const Service &service);
void write_stat(JsonWriter &w, const Service &service);

// Linked proxies: {"node":…,"pid":…,"version":…,"since_ms":…}.
void write_proxies(JsonWriter &w, const Service &service);

}  // namespace holdfast::sessiond
