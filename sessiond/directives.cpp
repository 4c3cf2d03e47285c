#include "sessiond/directives.h"

#include <algorithm>

#include "common/nginx_words.h"
#include "common/units.h"

namespace holdfast::sessiond {

namespace {

constexpr ConfContexts kBoth = kMain | kPolicy;
constexpr uint64_t kYearMs = 365ull * 24 * 3'600'000;
constexpr uint64_t kSessionsMax = 1'000'000'000;

constexpr ConfRow kRows[] = {
    // What a policy says; the main level is the top-level policy.
    {.name = "session_timeout",
     .contexts = kBoth,
     .type = ConfType::time,
     .min = 1,
     .max = 10 * kYearMs,
     .default_text = "1h",
     .help = "idle longer than this: expired"},
    {.name = "session_cleanup_interval",
     .contexts = kBoth,
     .type = ConfType::time,
     .min = 1,
     .max = kYearMs,
     .default_text = "60s",
     .help = "how often expiry is looked at"},
    {.name = "max_sessions",
     .contexts = kBoth,
     .type = ConfType::count,
     .min = 1,
     .max = kSessionsMax,
     .words = "off",
     .default_text = "off",
     .help = "sessions at once, listen streams included; off = no cap"},
    {.name = "max_sessions_per_user",
     .contexts = kBoth,
     .type = ConfType::count,
     .min = 1,
     .max = kSessionsMax,
     .words = "off",
     .default_text = "off",
     .help = "sessions of one user at once; off = no cap"},
    {.name = "max_sessions_per_address",
     .contexts = kBoth,
     .type = ConfType::count,
     .min = 1,
     .max = kSessionsMax,
     .words = "off",
     .default_text = "off",
     .help = "sessions of one client address at once, of a /64 with IPv6; off = no cap"},
    {.name = "persistent_mode",
     .contexts = kBoth,
     .type = ConfType::onoff,
     .words = "smart",
     .default_text = "smart",
     .help = "persistent sessions never expire; smart = on without max_sessions, off with it"},
    {.name = "at_capacity",
     .contexts = kBoth,
     .type = ConfType::choice,
     .words = "reject|evict_idle",
     .default_text = "reject",
     .help = "what the initialize beyond the cap meets"},
    {.name = "evict_grace",
     .contexts = kBoth,
     .type = ConfType::time,
     .max = kYearMs,
     .default_text = "5m",
     .help = "evict_idle spares sessions idle for less than this"},
    {.name = "activity",
     .contexts = kBoth,
     .args_max = 64,
     .default_text = "tools/call",
     .help = "what moves a session's last activity: JSON-RPC methods, or requests, or messages"},
    {.name = "stream_keeps_alive",
     .contexts = kBoth,
     .type = ConfType::onoff,
     .default_text = "off",
     .help = "does an open stream alone keep the session"},
    {.name = "orphan_timeout",
     .contexts = kBoth,
     .type = ConfType::time,
     .min = 1,
     .max = 10 * kYearMs,
     .words = "off",
     .default_text = "off",
     .help = "ends persistent sessions without any stream or request for so long"},
    {.name = "unused_timeout",
     .contexts = kBoth,
     .type = ConfType::time,
     .min = 1,
     .max = 10 * kYearMs,
     .words = "off",
     .default_text = "off",
     .help = "ends sessions without any request since initialize; persistent ones it spares"},
    {.name = "policy",
     .opens = kPolicy,
     .repeatable = true,
     .help = "a policy that a location of the proxy can name; inherits what it does not set"},

    // The daemon.
    {.name = "control_socket",
     .args_max = kManyArgs,
     .default_text = "run/sessiond.sock",
     .help = "where proxies connect; mode=0600, allow_uid=UID[,UID]"},
    {.name = "admin_socket",
     .args_max = kManyArgs,
     .default_text = "run/admin.sock",
     .help = "where holdfastctl and people connect; off, mode=0660, allow_uid="},
    {.name = "http_socket",
     .args_max = kManyArgs,
     .default_text = "run/http.sock",
     .help = "management HTTP, published by the proxy; off, mode=0600, allow_uid="},
    {.name = "env_file", .help = "a .env to read instead of the one in the working directory; off"},
    {.name = "log_full_ids",
     .type = ConfType::onoff,
     .default_text = "off",
     .help = "log whole session ids: they are credentials"},
    {.name = "tombstone_lifetime",
     .type = ConfType::time,
     .min = 1,
     .max = kYearMs,
     .default_text = "1h",
     .help = "how long it is remembered why a session ended"},
    {.name = "error_log",
     .args_max = 2,
     .default_text = "stderr info",
     .help = "stderr or a path, and a level: debug info warn error"},
    {.name = "pid",
     .default_text = "run/holdfast-sessiond.pid",
     .help = "file that holds the process id; off"},
    {.name = "user", .args_max = 2, .help = "who to become when started as root: NAME [GROUP]"},
    {.name = "sandbox",
     .type = ConfType::onoff,
     .default_text = "on",
     .help = "give up what the running daemon does not need"},
    {.name = "include",
     .contexts = kBoth,
     .repeatable = true,
     .help = "reads other files in its place; a pattern may match none"},
};

constexpr ConfContextName kContextNames[] = {{kMain, "main"}, {kPolicy, "policy"}};

// The proxy's words. A test holds this list against the proxy's own table.
constexpr std::string_view kProxyWords[] = {"access_log",
                                            "allowed_hosts",
                                            "allowed_origins",
                                            "backend_ping",
                                            "call_timeout",
                                            "client_body_timeout",
                                            "client_body_total_timeout",
                                            "client_header_timeout",
                                            "client_max_body_size",
                                            "connections_per_address",
                                            "dead_peer_timeout",
                                            "early_stream",
                                            "events",
                                            "hash",
                                            "health_check",
                                            "holdfast_health",
                                            "holdfast_metrics",
                                            "holdfast_status",
                                            "http",
                                            "jwt_algorithm",
                                            "jwt_audience",
                                            "jwt_issuer",
                                            "jwt_key_file",
                                            "jwt_leeway",
                                            "keepalive",
                                            "keepalive_timeout",
                                            "least_conn",
                                            "legacy_sse",
                                            "legacy_sse_initialize_first",
                                            "legacy_sse_waiting",
                                            "listen",
                                            "location",
                                            "map",
                                            "mcp_header_check",
                                            "node",
                                            "proxy_buffering",
                                            "proxy_connect_timeout",
                                            "proxy_pass",
                                            "proxy_read_timeout",
                                            "proxy_send_timeout",
                                            "proxy_set_header",
                                            "proxy_ssl_certificate",
                                            "proxy_ssl_certificate_key",
                                            "proxy_ssl_name",
                                            "proxy_ssl_protocols",
                                            "proxy_ssl_server_name",
                                            "proxy_ssl_session_reuse",
                                            "proxy_ssl_trusted_certificate",
                                            "proxy_ssl_verify",
                                            "return",
                                            "send_timeout",
                                            "server",
                                            "server_name",
                                            "session_policy",
                                            "session_recovery",
                                            "session_ttl_header",
                                            "session_user",
                                            "sessiond",
                                            "sse_heartbeat",
                                            "ssl_certificate",
                                            "ssl_certificate_key",
                                            "ssl_ciphers",
                                            "ssl_prefer_server_ciphers",
                                            "ssl_protocols",
                                            "ssl_session_tickets",
                                            "ssl_session_timeout",
                                            "stream_idle_timeout",
                                            "stream_send_timeout",
                                            "stream_timeout",
                                            "streams_per_session",
                                            "trusted_proxies",
                                            "upstream",
                                            "when_sessiond_down",
                                            "worker_connections",
                                            "worker_processes",
                                            "worker_shutdown_timeout"};

constexpr std::string_view kLater[] = {"jwt_issuer", "jwt_key_file", "store"};

// --- settings of a policy ------------------------------------------------------------------------

Millis as_time(const std::string &word) { return *parse_duration(word); }

std::optional<Millis> as_time_or_off(const std::string &word) {
  if (word == "off") return std::nullopt;
  return as_time(word);
}

std::optional<uint64_t> as_count_or_off(const std::string &word) {
  return parse_whole(word, 1, kSessionsMax);
}

std::string text_of(const std::optional<Millis> &value) {
  return value ? duration_text(*value) : "off";
}
std::string text_of(const std::optional<uint64_t> &value) {
  return value ? std::to_string(*value) : "off";
}

Activity as_activity(const std::vector<std::string> &words) {
  if (words.front() == "requests") return {Activity::Kind::requests, {}};
  if (words.front() == "messages") return {Activity::Kind::messages, {}};
  return {Activity::Kind::methods, words};
}

std::string text_of(const Activity &activity) {
  std::string text;
  for (const std::string &word : to_words(activity)) text += (text.empty() ? "" : " ") + word;
  return text;
}

using Words = std::vector<std::string>;

constexpr PolicySetting kPolicySettings[] = {
    {"session_timeout", [](Policy &p, const Words &w) { p.timeout = as_time(w[0]); },
     [](const Policy &p) { return duration_text(p.timeout); }},
    {"session_cleanup_interval",
     [](Policy &p, const Words &w) { p.cleanup_interval = as_time(w[0]); },
     [](const Policy &p) { return duration_text(p.cleanup_interval); }},
    {"max_sessions", [](Policy &p, const Words &w) { p.max_sessions = as_count_or_off(w[0]); },
     [](const Policy &p) { return text_of(p.max_sessions); }},
    {"max_sessions_per_user",
     [](Policy &p, const Words &w) { p.max_sessions_per_user = as_count_or_off(w[0]); },
     [](const Policy &p) { return text_of(p.max_sessions_per_user); }},
    {"max_sessions_per_address",
     [](Policy &p, const Words &w) { p.max_sessions_per_address = as_count_or_off(w[0]); },
     [](const Policy &p) { return text_of(p.max_sessions_per_address); }},
    {"persistent_mode",
     [](Policy &p, const Words &w) {
       p.persistent_mode = w[0] == "smart" ? std::nullopt : std::optional(w[0] == "on");
     },
     [](const Policy &p) {
       return std::string(!p.persistent_mode ? "smart" : *p.persistent_mode ? "on" : "off");
     }},
    {"at_capacity",
     [](Policy &p, const Words &w) {
       p.at_capacity = w[0] == "reject" ? AtCapacity::reject : AtCapacity::evict_idle;
     },
     [](const Policy &p) { return std::string(to_word(p.at_capacity)); }},
    {"evict_grace", [](Policy &p, const Words &w) { p.evict_grace = as_time(w[0]); },
     [](const Policy &p) { return duration_text(p.evict_grace); }},
    {"activity", [](Policy &p, const Words &w) { p.activity = as_activity(w); },
     [](const Policy &p) { return text_of(p.activity); }},
    {"stream_keeps_alive", [](Policy &p, const Words &w) { p.stream_keeps_alive = w[0] == "on"; },
     [](const Policy &p) { return std::string(p.stream_keeps_alive ? "on" : "off"); }},
    {"orphan_timeout", [](Policy &p, const Words &w) { p.orphan_timeout = as_time_or_off(w[0]); },
     [](const Policy &p) { return text_of(p.orphan_timeout); }},
    {"unused_timeout", [](Policy &p, const Words &w) { p.unused_timeout = as_time_or_off(w[0]); },
     [](const Policy &p) { return text_of(p.unused_timeout); }},
};

}  // namespace

const ConfSchema &conf_schema() {
  static const ConfSchema schema{.rows = kRows,
                                 .contexts = kContextNames,
                                 .foreign = {"proxy.conf", kProxyWords},
                                 .nginx_only = kNginxOnlyWords,
                                 .later = kLater};
  return schema;
}

std::span<const PolicySetting> policy_settings() noexcept { return kPolicySettings; }

const PolicySetting *find_policy_setting(std::string_view name) noexcept {
  const auto *it = std::find_if(std::begin(kPolicySettings), std::end(kPolicySettings),
                                [name](const PolicySetting &s) { return s.name == name; });
  return it == std::end(kPolicySettings) ? nullptr : it;
}

}  // namespace holdfast::sessiond
