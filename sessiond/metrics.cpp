#include "sessiond/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "common/close_reason.h"
#include "common/syscall_filter.h"
#include "sessiond/core/health.h"
#include "sessiond/service_report.h"

namespace holdfast::sessiond {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

MetricFamily family(const char *name, const char *help, MetricType type) {
  return MetricFamily{name, help, type, {}};
}

void add(MetricFamily &to, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  to.metric.push_back(std::move(metric));
}

void add_gauge(std::vector<MetricFamily> &out, const char *name, const char *help, double value,
               Labels labels = {}) {
  out.push_back(family(name, help, MetricType::Gauge));
  add(out.back(), value, std::move(labels));
}

// One counter family with a `reason` label, one sample per row of the enum's table.
template <class E, size_t N>
void add_reasons(std::vector<MetricFamily> &out, const char *name, const char *help,
                 const std::array<uint64_t, N> &counts) {
  out.push_back(family(name, help, MetricType::Counter));
  for (const auto &row : enum_words<E>()) {
    const auto at = static_cast<size_t>(row.value);
    if (at < N) {
      add(out.back(), static_cast<double>(counts[at]), {{"reason", std::string(row.word)}});
    }
  }
}

// ---- sessions

void add_session_counts(std::vector<MetricFamily> &out, const Core &core) {
  std::map<std::pair<std::string_view, std::string_view>, double> counts;
  for (const auto &transport : enum_words<Transport>()) {
    for (const Standing standing : {Standing::opening, Standing::active, Standing::streaming,
                                    Standing::idle, Standing::closing}) {
      counts[{transport.word, to_word(standing)}] = 0;
    }
  }
  for (const auto &[name, instance] : core.table().instances()) {
    using OfInstance = IntrusiveList<Session, &Session::of_instance>;
    const Session *s = instance.sessions.front();
    for (; s != nullptr; s = OfInstance::next(*s)) {
      counts[{to_word(s->transport), to_word(standing_of(*s))}] += 1;
    }
  }
  out.push_back(family("holdfast_sessions", "Sessions by transport and state", MetricType::Gauge));
  for (const auto &[key, count] : counts) {
    add(out.back(), count,
        {{"transport", std::string(key.first)}, {"state", std::string(key.second)}});
  }
}

// A limit that is not set has no sample. Policies are the configuration's, so that their names are
// bounded labels; the top-level one is the whole and has none.
void add_limits(std::vector<MetricFamily> &out, const Core &core) {
  const auto add_limit = [&](const char *name, const char *help, const auto &cap) {
    if (cap) add_gauge(out, name, help, static_cast<double>(*cap));
  };
  const Policy &top = core.settings().top;
  add_limit("holdfast_sessions_limit", "max_sessions", top.max_sessions);
  add_limit("holdfast_sessions_per_user_limit", "max_sessions_per_user", top.max_sessions_per_user);
  add_limit("holdfast_sessions_per_address_limit", "max_sessions_per_address",
            top.max_sessions_per_address);
  MetricFamily counts = family("holdfast_policy_sessions",
                               "Sessions and reservations of a named policy", MetricType::Gauge);
  MetricFamily limits =
      family("holdfast_policy_sessions_limit", "Its max_sessions", MetricType::Gauge);
  for (const auto &[name, policy] : core.policies().all()) {
    if (name.empty() || !policy.defined) continue;
    add(counts, static_cast<double>(policy.sessions_count), {{"policy", name}});
    const auto &cap = policy.rules.max_sessions;
    if (cap) add(limits, static_cast<double>(*cap), {{"policy", name}});
  }
  for (MetricFamily &made : {std::ref(counts), std::ref(limits)}) {
    if (!made.metric.empty()) out.push_back(std::move(made));
  }
}

void add_sessions(std::vector<MetricFamily> &out, const Core &core) {
  add_session_counts(out, core);
  add_limits(out, core);
  add_gauge(out, "holdfast_users", "Users with at least one session",
            static_cast<double>(core.table().user_count()));
  add_gauge(out, "holdfast_addresses", "Client addresses (IPv6: /64s) with at least one session",
            static_cast<double>(core.table().address_count()));
  add_gauge(out, "holdfast_reservations", "Slots reserved for sessions that are being opened",
            static_cast<double>(core.table().opening_count()));
  add_gauge(out, "holdfast_admissions_waiting", "Admissions that wait for an eviction",
            static_cast<double>(core.waiting_count()));
  add_gauge(out, "holdfast_tombstones", "Ended sessions whose reason is still known",
            static_cast<double>(core.tombstones().size()));
  const Counters &counters = core.counters();
  out.push_back(family("holdfast_sessions_opened_total", "Sessions opened", MetricType::Counter));
  add(out.back(), static_cast<double>(counters.created));
  add_reasons<EndReason>(out, "holdfast_sessions_closed_total", "Sessions ended, by reason",
                         counters.ended);
  add_reasons<RefuseReason>(out, "holdfast_sessions_rejected_total", "Sessions not admitted",
                            counters.refused);
  add_reasons<ReleaseReason>(out, "holdfast_reservations_released_total",
                             "Reservations given back before they became sessions",
                             counters.released);
  out.push_back(family("holdfast_sessions_evicted_total", "Sessions ended to make room",
                       MetricType::Counter));
  add(out.back(), static_cast<double>(counters.evictions));
  add_gauge(out, "holdfast_draining", "1 while new sessions are refused", core.draining() ? 1 : 0);
}

// ---- proxies

constexpr const char *kRefusedCallsName = "holdfast_sandbox_refused_calls_total";
constexpr const char *kRefusedCallsHelp = "System calls the sandbox refused: a bug or an attack";

// A word of the link's `stats` and the metric it is; a word without a row is exported under its own
// name, so that a newer proxy's counter is not lost.
struct ProxyMetric {
  const char *word;
  const char *name;
  const char *help;
  MetricType type = MetricType::Counter;
  const char *label = nullptr;
  const char *value = nullptr;
};

constexpr ProxyMetric kProxyMetrics[] = {
    {"connections_accepted", "holdfast_accepts_total", "Client connections accepted"},
    {"connections_open", "holdfast_connections", "Client connections", MetricType::Gauge, "state",
     "open"},
    {"http_requests", "holdfast_http_requests_total", "Requests received"},
    {"http_responses_2xx", "holdfast_http_responses_total", "Responses by class",
     MetricType::Counter, "code", "2xx"},
    {"http_responses_3xx", "holdfast_http_responses_total", "Responses by class",
     MetricType::Counter, "code", "3xx"},
    {"http_responses_4xx", "holdfast_http_responses_total", "Responses by class",
     MetricType::Counter, "code", "4xx"},
    {"http_responses_5xx", "holdfast_http_responses_total", "Responses by class",
     MetricType::Counter, "code", "5xx"},
    {"client_tls_failures", "holdfast_tls_handshake_failures_total",
     "TLS handshakes with clients that failed"},
    {"streams_open", "holdfast_streams_open", "Long-lived responses under way", MetricType::Gauge},
    {"stream_bytes", "holdfast_stream_bytes_total", "Bytes of event streams"},
    {"sessions_recovered", "holdfast_sessions_recovered_total",
     "Backend sessions opened again behind the client's back"},
    {"session_recoveries_failed", "holdfast_session_recoveries_failed_total",
     "Tries to open a backend session again that failed"},
    {"stale_client_answers", "holdfast_stale_client_answers_total",
     "Clients' answers to requests of a lost backend session, dropped"},
    {"backend_pings", "holdfast_backend_pings_total", "Pings sent to keep backend sessions awake"},
    {"backend_pings_failed", "holdfast_backend_pings_failed_total", "Pings without a good answer"},
    {"sessions_not_pinged", "holdfast_sessions_not_pinged_total",
     "Sessions backend_ping leaves alone because their client shows credentials"},
    {"client_bytes_received", "holdfast_client_bytes_total", "Bytes exchanged with clients",
     MetricType::Counter, "direction", "in"},
    {"client_bytes_sent", "holdfast_client_bytes_total", "Bytes exchanged with clients",
     MetricType::Counter, "direction", "out"},
    {"sandbox_refused_calls", kRefusedCallsName, kRefusedCallsHelp, MetricType::Counter, "daemon",
     "proxy"},
};

bool is_metric_word(std::string_view word) noexcept {
  return !word.empty() &&
         word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
}

const ProxyMetric *find_metric(std::string_view word) noexcept {
  for (const ProxyMetric &row : kProxyMetrics) {
    if (row.word == word) return &row;
  }
  return nullptr;
}

MetricFamily &family_named(std::vector<MetricFamily> &out, const MetricFamily &wanted) {
  for (MetricFamily &present : out) {
    if (present.name == wanted.name) return present;
  }
  out.push_back(wanted);
  return out.back();
}

void add_proxy_counters(std::vector<MetricFamily> &out, const Core &core) {
  for (const auto &[word, value] : proxy_counters(core)) {
    if (!is_metric_word(word)) continue;
    if (const ProxyMetric *row = find_metric(word)) {
      Labels labels;
      if (row->label != nullptr) labels.push_back({row->label, row->value});
      add(family_named(out, family(row->name, row->help, row->type)), static_cast<double>(value),
          std::move(labels));
    } else {
      const std::string name = "holdfast_proxy_" + word;
      add(family_named(out, family(name.c_str(), "Told by the proxies", MetricType::Gauge)),
          static_cast<double>(value));
    }
  }
}

void add_backends(std::vector<MetricFamily> &out, const Core &core) {
  MetricFamily up = family("holdfast_upstream_up", "1 while the server answers", MetricType::Gauge);
  MetricFamily admits = family("holdfast_upstream_admits",
                               "1 while new sessions may go to the server", MetricType::Gauge);
  MetricFamily sessions =
      family("holdfast_upstream_sessions", "Sessions bound to the server", MetricType::Gauge);
  MetricFamily requests = family("holdfast_upstream_requests_total", "Requests sent to the server",
                                 MetricType::Counter);
  MetricFamily errors =
      family("holdfast_upstream_errors_total", "Requests the server failed", MetricType::Counter);
  for (const BackendTotal &total : backend_totals(core)) {
    const Labels labels = {{"upstream", total.upstream}, {"peer", total.server}};
    add(up, total.up ? 1 : 0, labels);
    add(admits, total.admits ? 1 : 0, labels);
    add(sessions, static_cast<double>(total.sessions), labels);
    add(requests, static_cast<double>(total.requests), labels);
    add(errors, static_cast<double>(total.errors), labels);
  }
  for (MetricFamily &made :
       {std::ref(up), std::ref(admits), std::ref(sessions), std::ref(requests), std::ref(errors)}) {
    if (!made.metric.empty()) out.push_back(std::move(made));
  }
}

// ---- this process

double open_fds() {
  std::error_code failed;
  double count = -1;  // the one that reads the folder
  for (std::filesystem::directory_iterator at("/proc/self/fd", failed), end; !failed && at != end;
       at.increment(failed)) {
    ++count;
  }
  return failed ? -1 : count;
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  if (!(file >> total_pages >> resident_pages)) return -1;
  return static_cast<double>(resident_pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double seconds(const timeval &time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double unix_seconds(const Service &service, MonoTime at) {
  const auto wall = service.clock().wall() - (service.clock().now() - at);
  return static_cast<double>(wall.time_since_epoch().count()) / 1000;
}

// What a sandbox keeps from us is left out.
void add_process(std::vector<MetricFamily> &out, const Service &service) {
  const Labels labels = {{"daemon", "sessiond"}};
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    out.push_back(family("process_cpu_seconds_total", "CPU time", MetricType::Counter));
    add(out.back(), seconds(usage.ru_utime) + seconds(usage.ru_stime), labels);
  }
  const double resident = resident_bytes();
  if (resident >= 0) {
    add_gauge(out, "process_resident_memory_bytes", "Resident memory", resident, labels);
  }
  const double fds = open_fds();
  if (fds >= 0) add_gauge(out, "process_open_fds", "Open descriptors", fds, labels);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add_gauge(out, "process_max_fds", "Most descriptors", static_cast<double>(limit.rlim_cur),
              labels);
  }
  add(family_named(out, family(kRefusedCallsName, kRefusedCallsHelp, MetricType::Counter)),
      static_cast<double>(refused_calls_count()), labels);
  add_gauge(out, "process_start_time_seconds", "When it was started",
            unix_seconds(service, service.started()), labels);
}

void add_config(std::vector<MetricFamily> &out, const Service &service) {
  const Labels labels = {{"daemon", "sessiond"}};
  add_gauge(out, "holdfast_config_last_reload_successful", "1 when the last reload was applied",
            service.last_reload_ok() ? 1 : 0, labels);
  add_gauge(out, "holdfast_config_last_reload_success_timestamp_seconds",
            "When the configuration in force was taken",
            unix_seconds(service, service.last_reload()), labels);
  add_gauge(out, "holdfast_config_generation", "Configurations taken since the start",
            static_cast<double>(service.generation()), labels);
}

}  // namespace

std::vector<MetricFamily> Metrics::Collect() const {
  std::vector<MetricFamily> out;
  add_gauge(out, "holdfast_build_info", "The version that runs", 1,
            {{"version", std::string(service_.version())}});
  add_sessions(out, service_.core());
  add_proxy_counters(out, service_.core());
  add_backends(out, service_.core());
  add_config(out, service_);
  add_process(out, service_);
  return out;
}

std::string metrics_text(const Service &service) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, Metrics(service).Collect());
  return out.str();
}

}  // namespace holdfast::sessiond
