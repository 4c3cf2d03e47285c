// The process-wide directives and the settings that http, server and location share.
#include <algorithm>
#include <array>
#include <thread>

#include "common/conf_check.h"
#include "common/limits.h"
#include "common/units.h"
#include "proxy/config_builder.h"
#include "proxy/directives.h"

namespace holdfast::proxy {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

// A time as the checker has accepted it; `off` is zero.
Millis time_of(const ConfDirective &directive) {
  const std::string &word = directive.args.front().text;
  return word == "off" ? Millis{0} : *parse_duration(word);
}

uint64_t count_of(const ConfDirective &directive) {
  return *parse_whole(directive.args.front().text, 0, UINT64_MAX);
}

struct TimeSetting {
  std::string_view name;
  Millis ProxySettings::*field;
};
constexpr std::array<TimeSetting, 12> kTimeSettings{{
    {"backend_ping", &ProxySettings::backend_ping},
    {"sse_heartbeat", &ProxySettings::sse_heartbeat},
    {"call_timeout", &ProxySettings::call_timeout},
    {"early_stream", &ProxySettings::early_stream},
    {"dead_peer_timeout", &ProxySettings::dead_peer_timeout},
    {"proxy_connect_timeout", &ProxySettings::connect_timeout},
    {"proxy_read_timeout", &ProxySettings::read_timeout},
    {"proxy_send_timeout", &ProxySettings::send_timeout},
    {"send_timeout", &ProxySettings::client_send_timeout},
    {"stream_send_timeout", &ProxySettings::stream_send_timeout},
    {"stream_idle_timeout", &ProxySettings::stream_idle_timeout},
    {"stream_timeout", &ProxySettings::stream_timeout},
}};

struct ServerTime {
  std::string_view name;
  Millis Server::*field;
};
constexpr std::array<ServerTime, 4> kServerTimes{{
    {"client_header_timeout", &Server::client_header_timeout},
    {"client_body_timeout", &Server::client_body_timeout},
    {"client_body_total_timeout", &Server::client_body_total},
    {"keepalive_timeout", &Server::keepalive_timeout},
}};

unsigned usable_cores() {
  return std::max(1u, std::thread::hardware_concurrency());  // respects the affinity mask
}

}  // namespace

Config ConfigBuilder::build() {
  config_.worker_processes = usable_cores();
  config_.pid_path = request_.resolve("run/holdfast-proxy.pid");
  if (!request_.error_log.empty()) config_.error_log.target = request_.error_log;
  for (const char *range : {"127.0.0.0/8", "::1"}) {
    config_.trusted_proxies.push_back(*Cidr::parse(range));
  }
  for (const ConfDirective &directive : tree_.directives) {
    if (directive.row == nullptr) continue;
    apply_main(directive);
    if (directive.row->name != "events") continue;
    for (const ConfDirective &inner : directive.children) {
      if (inner.row != nullptr) apply_main(inner);
    }
  }
  build_upstreams(tree_.directives);
  build_maps(tree_.directives);
  Level top;
  apply_level(top, tree_.directives);
  build_servers(tree_.directives, top, tls_level({}, tree_.directives));
  drop_unused_plain();
  check_listeners();
  return std::move(config_);
}

void ConfigBuilder::apply_main(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  if (name == "worker_processes") {
    const bool automatic = directive.args.front().text == "auto";
    config_.worker_processes =
        automatic ? usable_cores() : static_cast<unsigned>(count_of(directive));
  } else if (name == "worker_connections") {
    config_.worker_connections = static_cast<unsigned>(count_of(directive));
  } else if (name == "connections_per_address") {
    const bool off = directive.args.front().text == "off";
    config_.connections_per_address = off ? 0 : static_cast<unsigned>(count_of(directive));
  } else if (name == "worker_shutdown_timeout") {
    config_.worker_shutdown_timeout = time_of(directive);
  } else if (name == "pid") {
    config_.pid_path = request_.resolve(directive.args.front().text);
  } else if (name == "node") {
    read_node(directive);
  } else if (name == "error_log") {
    config_.error_log = read_error_log(directive, request_, report_);
  } else if (name == "user") {
    config_.run_as = read_user(directive, source_, report_);
  } else if (name == "sandbox") {
    config_.sandbox = directive.args.front().text == "on";
  } else if (name == "sessiond") {
    read_sessiond(directive);
  } else if (name == "trusted_proxies") {
    read_trusted_proxies(directive);
  }
}

void ConfigBuilder::read_node(const ConfDirective &directive) {
  const ConfWord &word = directive.args.front();
  const bool printable =
      std::all_of(word.text.begin(), word.text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (word.text.empty() || word.text.size() > kNodeBytesMax || !printable) {
    return fail(word.span, "a node's name has 1 to " + std::to_string(kNodeBytesMax) +
                               " printable characters, no blanks");
  }
  config_.node = word.text;
}

void ConfigBuilder::read_sessiond(const ConfDirective &directive) {
  SessiondAddress address;
  const ConfWord &link = directive.args.front();
  address.link_path = read_socket_path(link.text, link.span, request_, report_);
  const size_t slash = address.link_path.rfind('/');
  if (slash != std::string::npos)
    address.http_path = address.link_path.substr(0, slash) + "/http.sock";
  if (directive.args.size() > 1) {
    const ConfWord &word = directive.args[1];
    const ConfParam param = split_param(word.text);
    if (param.name == "http" && param.has_value) {
      address.http_path = read_socket_path(param.value, word.span, request_, report_);
    } else {
      fail(word.span, "invalid parameter " + in_quotes(word.text) + " (http=unix:PATH)");
    }
  }
  config_.sessiond = std::move(address);
}

void ConfigBuilder::read_trusted_proxies(const ConfDirective &directive) {
  config_.trusted_proxies.clear();
  config_.trusts_unix_peers = false;
  for (const ConfWord &word : directive.args) {
    if (word.text == "off" && directive.args.size() == 1) return;
    if (word.text == "unix" || word.text == "unix:") {
      config_.trusts_unix_peers = true;
    } else if (const auto range = Cidr::parse(word.text)) {
      config_.trusted_proxies.push_back(*range);
    } else {
      fail(word.span, in_quotes(word.text) +
                          " is not an address range; write 10.0.0.0/8, ::1, unix, or off alone");
    }
  }
}

// --- settings of a level -------------------------------------------------------------------------

void ConfigBuilder::apply_level(Level &level, const Directives &directives) {
  bool own_headers = false;
  for (const ConfDirective &directive : directives) {
    if (directive.row == nullptr || directive.has_block) continue;
    // The first proxy_set_header of a level replaces all that was inherited: nginx's rule.
    if (directive.row->name == "proxy_set_header" && !std::exchange(own_headers, true)) {
      level.settings.set_headers.clear();
    }
    apply_setting(level, directive);
  }
}

void ConfigBuilder::apply_setting(Level &level, const ConfDirective &directive) {
  ProxySettings &settings = level.settings;
  if (apply_simple_setting(level, directive) || read_jwt_setting(settings.jwt, directive)) return;
  const std::string_view name = directive.row->name;
  if (name == "session_user") {
    read_session_user(settings, directive);
  } else if (name == "session_policy") {
    read_session_policy(settings, directive);
  } else if (name == "allowed_hosts") {
    read_allowed(settings.allowed_hosts, directive);
  } else if (name == "allowed_origins") {
    read_allowed(settings.allowed_origins, directive);
  } else if (name == "access_log") {
    read_access_log(settings, directive);
  } else if (name == "proxy_set_header") {
    read_set_header(settings, directive);
  } else {
    refuse_planned_setting(directive);
  }
}

bool ConfigBuilder::apply_simple_setting(Level &level, const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  for (const TimeSetting &setting : kTimeSettings) {
    if (setting.name != name) continue;
    level.settings.*setting.field = time_of(directive);
    return true;
  }
  for (const ServerTime &setting : kServerTimes) {
    if (setting.name != name) continue;
    level.*setting.field = time_of(directive);
    return true;
  }
  if (name == "streams_per_session") {
    level.settings.streams_per_session = static_cast<unsigned>(count_of(directive));
  } else if (name == "session_recovery") {
    level.settings.session_recovery = directive.args.front().text == "on";
  } else if (name == "mcp_header_check") {
    level.settings.mcp_header_check = directive.args.front().text == "on";
  } else if (name == "session_ttl_header") {
    level.settings.session_ttl_header = directive.args.front().text == "on";
  } else if (name == "legacy_sse") {
    const std::string &word = directive.args.front().text;
    level.settings.legacy_sse = word == "on"    ? LegacySse::on
                                : word == "off" ? LegacySse::off
                                                : LegacySse::automatic;
  } else if (name == "legacy_sse_waiting") {
    level.settings.legacy_sse_waiting = static_cast<unsigned>(count_of(directive));
  } else if (name == "legacy_sse_initialize_first") {
    level.settings.legacy_sse_initialize_first = directive.args.front().text == "on";
  } else if (name == "client_max_body_size") {
    level.settings.client_body_bytes_max = *parse_size(directive.args.front().text);
  } else if (name == "when_sessiond_down") {
    const std::string &word = directive.args.front().text;
    level.settings.when_sessiond_down = word == "serve"    ? WhenSessiondDown::serve
                                        : word == "refuse" ? WhenSessiondDown::refuse
                                                           : WhenSessiondDown::automatic;
  } else {
    return false;
  }
  return true;
}

// A setting that is read and not obeyed would be a trap.
void ConfigBuilder::refuse_planned_setting(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  const ConfWord *word = directive.args.empty() ? nullptr : &directive.args.front();
  if (name == "proxy_buffering" && word->text != "off") {
    fail(word->span,
         "\"proxy_buffering on\" would hold back events; Holdfast never buffers answers");
  }
}

void ConfigBuilder::read_session_user(ProxySettings &settings, const ConfDirective &directive) {
  const std::string &kind = directive.args.front().text;
  const bool named = directive.args.size() > 1;
  SessionUser user;
  if (named != (kind == "header" || kind == "jwt")) {
    fail(directive.span(), kind == "header" ? "\"session_user header\" needs the name of the header"
                           : kind == "jwt"  ? "\"session_user jwt\" needs the name of the claim"
                                            : "\"session_user " + kind + "\" takes nothing more");
    return;
  }
  if (kind == "jwt") {
    user.kind = SessionUser::Kind::jwt;
    settings.jwt.rules.claim = directive.args[1].text;
  } else if (kind == "header") {
    const ConfWord &header = directive.args[1];
    if (!is_field_name(header.text)) {
      fail(header.span, in_quotes(header.text) + " is not a header name");
      return;
    }
    user.kind = SessionUser::Kind::header;
    user.header = to_lower(header.text);
  } else if (kind == "bearer") {
    user.kind = SessionUser::Kind::bearer;
  } else if (kind == "ip") {
    user.kind = SessionUser::Kind::ip;
  }
  settings.session_user = std::move(user);
}

// Whether sessiond has a policy of that name shows only when the two meet.
void ConfigBuilder::read_session_policy(ProxySettings &settings, const ConfDirective &directive) {
  const ConfWord &name = directive.args.front();
  if (!is_policy_name(name.text)) {
    fail(name.span,
         in_quotes(name.text) + " is not a policy name; use letters, digits, \".\", \"_\", \"-\"");
    return;
  }
  settings.session_policy = name.text;
  auto &used = config_.session_policies;
  if (std::find(used.begin(), used.end(), name.text) == used.end()) used.push_back(name.text);
}

void ConfigBuilder::read_allowed(std::optional<AllowedNames> &names,
                                 const ConfDirective &directive) {
  const bool hosts = directive.row->name == "allowed_hosts";
  names.emplace();
  if (directive.args.size() == 1 && directive.args.front().text == "off") return;
  for (const ConfWord &word : directive.args) {
    auto name = hosts ? parse_allowed_host(word.text) : parse_allowed_origin(word.text);
    if (name) {
      names->push_back(std::move(*name));
    } else {
      fail(word.span, name.error().message);
    }
  }
}

void ConfigBuilder::read_access_log(ProxySettings &settings, const ConfDirective &directive) {
  const ConfWord &path = directive.args.front();
  settings.access_log = kNone;
  if (path.text == "off" && directive.args.size() == 1) return;
  AccessLog log;
  log.path = request_.resolve(path.text);
  if (directive.args.size() > 1) {
    const ConfWord &format = directive.args[1];
    if (!is_choice("combined|mcp|json", format.text)) {
      fail(format.span, "unknown log format " + in_quotes(format.text) + " (combined, mcp, json)");
      return;
    }
    log.format = format.text == "mcp"    ? AccessLog::Format::mcp
                 : format.text == "json" ? AccessLog::Format::json
                                         : AccessLog::Format::combined;
  }
  auto &logs = config_.access_logs;
  const auto it = std::find(logs.begin(), logs.end(), log);
  settings.access_log = static_cast<size_t>(it - logs.begin());
  if (it == logs.end()) logs.push_back(std::move(log));
}

void ConfigBuilder::read_set_header(ProxySettings &settings, const ConfDirective &directive) {
  auto rule = parse_header_rule(directive.args[0].text, directive.args[1].text);
  if (!rule) {
    fail(directive.args[1].span, rule.error().message);
    return;
  }
  if (!*rule) return;
  const std::string name = to_lower((*rule)->name);
  const auto same =
      std::find_if(settings.set_headers.begin(), settings.set_headers.end(),
                   [&name](const HeaderRule &other) { return to_lower(other.name) == name; });
  if (same != settings.set_headers.end()) {
    fail(directive.args[0].span, in_quotes((*rule)->name) + " is set twice at this level");
    return;
  }
  settings.set_headers.push_back(std::move(**rule));
}

LoadedConf<Config> load_config(const ConfRequest &request, ConfSource &source) {
  LoadedConf<Config> loaded;
  loaded.tree = parse_conf(request, conf_schema(), source, loaded.report);
  check_conf(loaded.tree, conf_schema(), loaded.report);
  Config config = ConfigBuilder(request, source, loaded.tree, loaded.report).build();
  loaded.report.sort();
  if (!loaded.report.ok()) return loaded;
  config.warnings = loaded.report.warnings(loaded.tree.files);
  loaded.config = std::make_shared<const Config>(std::move(config));
  return loaded;
}

}  // namespace holdfast::proxy
