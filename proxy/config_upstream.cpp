// upstream blocks, their servers, and what proxy_pass names.
#include <algorithm>

#include "common/suggest.h"
#include "common/units.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

constexpr uint16_t kHttpPort = 80;
constexpr uint16_t kHttpsPort = 443;

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

// Parameters of nginx's `server` line that mean something Holdfast does not do yet.
bool is_unsupported_param(std::string_view name) {
  return name == "max_conns" || name == "resolve" || name == "route" || name == "slow_start" ||
         name == "drain" || name == "service";
}

}  // namespace

void ConfigBuilder::build_upstreams(const Directives &directives) {
  for (const ConfDirective &directive : directives) {
    if (directive.row == nullptr) continue;
    if (directive.row->name == "http") build_upstreams(directive.children);
    if (directive.row->name == "upstream") build_upstream(directive);
  }
}

void ConfigBuilder::build_upstream(const ConfDirective &block) {
  const ConfWord &name = block.args.front();
  const auto [first, is_first] = upstream_spans_.emplace(name.text, name.span);
  if (!is_first) {
    fail(name.span, "upstream " + in_quotes(name.text) + " is duplicate (first at " +
                        place_text(tree_.files, first->second) + ")");
    return;
  }
  Upstream upstream;
  upstream.name = name.text;
  bool any_line = false;
  for (const ConfDirective &directive : block.children) {
    any_line = any_line || directive.name.text == "server";
    if (directive.row != nullptr) read_upstream_setting(upstream, directive);
  }
  check_balance(block, upstream);
  check_health_port(block, upstream);
  const bool only_backups = !upstream.servers.empty() &&
                            std::all_of(upstream.servers.begin(), upstream.servers.end(),
                                        [](const BackendServer &server) { return server.backup; });
  if (!any_line) fail(name.span, "upstream " + in_quotes(name.text) + " has no server");
  if (only_backups)
    fail(name.span, "upstream " + in_quotes(name.text) + " has only backup servers");
  upstream_indices_.emplace(name.text, config_.upstreams.size());
  config_.upstreams.push_back(std::move(upstream));
}

void ConfigBuilder::read_upstream_setting(Upstream &upstream, const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  if (name == "server") {
    read_backend(upstream, directive);
  } else if (name == "keepalive") {
    upstream.keepalive = *parse_whole(directive.args.front().text, 0, SIZE_MAX);
  } else if (name == "least_conn" || name == "hash") {
    read_balance(upstream, directive);
  } else if (name == "health_check") {
    read_health_check(upstream, directive);
  }
}

void ConfigBuilder::read_backend(Upstream &upstream, const ConfDirective &directive) {
  const ConfWord &word = directive.args.front();
  BackendServer server;
  if (!resolve_backend(server, word, "upstream", kHttpPort)) return;
  for (size_t i = 1; i < directive.args.size(); ++i) read_backend_param(server, directive.args[i]);
  const bool known =
      std::any_of(upstream.servers.begin(), upstream.servers.end(),
                  [&server](const BackendServer &other) { return other.text == server.text; });
  if (known) {
    fail(word.span, in_quotes(word.text) + " stands twice in this upstream; use weight=2");
    return;
  }
  upstream.servers.push_back(std::move(server));
}

bool ConfigBuilder::resolve_backend(BackendServer &server, const ConfWord &word,
                                    std::string_view what, uint16_t default_port) {
  const auto endpoint = parse_endpoint(word.text);
  if (!endpoint) {
    fail(word.span, endpoint.error().message);
    return false;
  }
  auto addresses = resolve_endpoint(*endpoint, default_port, request_, source_);
  if (!addresses) {
    const bool name = addresses.error().code == Errc::not_found;
    fail(word.span, name ? "host not found in " + std::string(what) + " " + in_quotes(word.text)
                         : addresses.error().message);
    return false;
  }
  server.text = word.text;
  server.host = endpoint->host.empty() ? "localhost" : endpoint->host;
  server.addresses = std::move(*addresses);
  return true;
}

void ConfigBuilder::read_backend_param(BackendServer &server, const ConfWord &word) {
  constexpr uint64_t kWeightMax = 65'535;
  const ConfParam param = split_param(word.text);
  const auto number = [&](uint64_t min, unsigned &field) {
    const auto value = parse_count(param.value, min, kWeightMax);
    if (value) {
      field = static_cast<unsigned>(*value);
    } else {
      fail(word.span, std::string(param.name) + "=: " + value.error().message);
    }
  };
  if (param.name == "weight" && param.has_value) {
    number(1, server.weight);
  } else if (param.name == "max_fails" && param.has_value) {
    number(0, server.max_fails);
  } else if (param.name == "fail_timeout" && param.has_value) {
    const auto duration = parse_duration(param.value);
    if (duration) {
      server.fail_timeout = *duration;
    } else {
      fail(word.span, "fail_timeout=: " + duration.error().message);
    }
  } else if (word.text == "backup") {
    server.backup = true;
  } else if (word.text == "down") {
    server.down = true;
  } else if (is_unsupported_param(param.name)) {
    fail(word.span, in_quotes(word.text) + " is not supported by this version");
  } else {
    fail(word.span, "invalid parameter " + in_quotes(word.text) +
                        " (weight=, max_fails=, fail_timeout=, backup, down)");
  }
}

// --- proxy_pass ----------------------------------------------------------------------------------

// "http://AUTHORITY" → AUTHORITY; the end of "unix:PATH:" is its second colon.
std::optional<ConfigBuilder::PassTarget> ConfigBuilder::pass_target(const ConfWord &url) {
  const std::string lower = to_lower(url.text);
  const bool tls = lower.substr(0, 8) == "https://";
  const std::string scheme = tls ? "https://" : "http://";
  if (lower.substr(0, scheme.size()) != scheme) {
    fail(url.span, "invalid URL prefix in " + in_quotes(url.text) + "; write http://" +
                       (url.text.empty() ? "UPSTREAM" : url.text));
    return std::nullopt;
  }
  const std::string rest = url.text.substr(scheme.size());
  if (is_variable_name(rest)) return PassTarget{rest, tls};
  if (rest.find('$') != std::string::npos) {
    fail(url.span, "\"proxy_pass\" takes a map's variable alone: " + scheme + "$NAME");
    return std::nullopt;
  }
  const bool local = rest.substr(0, 5) == "unix:";
  const size_t colon = local ? rest.find(':', 5) : std::string::npos;
  const size_t end = local ? (colon == std::string::npos ? rest.size() : colon + 1)
                           : std::min(rest.find_first_of("/?#"), rest.size());
  if (end < rest.size()) {
    fail(url.span, "\"proxy_pass\" with a URI part (" + in_quotes(rest.substr(end)) +
                       ") is not supported by this version; write " + scheme + rest.substr(0, end));
    return std::nullopt;
  }
  if (rest.empty()) fail(url.span, "a host or upstream is missing in " + in_quotes(url.text));
  return rest.empty() ? std::nullopt : std::optional(PassTarget{rest, tls});
}

bool ConfigBuilder::read_pass(Location &location, const ConfWord &url, const TlsDirectives &tls) {
  const auto target = pass_target(url);
  if (!target) return false;
  if (target->authority.starts_with('$')) return read_mapped_pass(location, url, *target, tls);
  location.pass = pass_to(url, *target, tls);
  return location.pass.upstream != kNone;
}

Pass ConfigBuilder::pass_to(const ConfWord &url, const PassTarget &target,
                            const TlsDirectives &tls) {
  const std::string &authority = target.authority;
  Pass pass{kNone, authority.starts_with("unix:") ? "localhost" : authority};
  if (const auto it = upstream_indices_.find(authority); it != upstream_indices_.end()) {
    pass.upstream = target.tls ? tls_upstream(it->second, url, tls) : it->second;
    return pass;
  }
  // A block that is there but faulty was reported; its name is no mistake here.
  if (upstream_spans_.count(authority) > 0) return pass;
  std::vector<std::string_view> names;
  for (const auto &entry : upstream_spans_) names.push_back(entry.first);
  const bool has_port = authority.find(':') != std::string::npos;
  const std::string hint = did_you_mean(authority, names);
  if (!has_port && !hint.empty()) {
    fail(url.span, "unknown upstream " + in_quotes(authority) + hint);
    return pass;
  }
  const size_t index = anonymous_upstream(url, target);
  pass.upstream = index != kNone && target.tls ? tls_upstream(index, url, tls) : index;
  return pass;
}

// proxy_pass to an address without a block: an upstream of one server, shared by all who name it.
size_t ConfigBuilder::anonymous_upstream(const ConfWord &url, const PassTarget &target) {
  // Without a port the two schemes mean two addresses.
  const std::string key = (target.tls ? "https://" : "http://") + target.authority;
  if (const auto known = anonymous_indices_.find(key); known != anonymous_indices_.end())
    return known->second;
  Upstream upstream;
  upstream.name = target.authority;
  upstream.anonymous = true;
  BackendServer server;
  const bool is_name = target.authority.find(':') == std::string::npos;
  if (!resolve_backend(server, {target.authority, url.span},
                       is_name ? "proxy_pass; there is no upstream" : "upstream",
                       target.tls ? kHttpsPort : kHttpPort)) {
    return kNone;
  }
  upstream.servers.push_back(std::move(server));
  anonymous_indices_.emplace(key, config_.upstreams.size());
  config_.upstreams.push_back(std::move(upstream));
  return config_.upstreams.size() - 1;
}

// The same servers spoken to by TLS, an upstream of its own for each way of doing so.
size_t ConfigBuilder::tls_upstream(size_t plain, const ConfWord &url, const TlsDirectives &tls) {
  auto settings = backend_tls(tls, url);
  if (!settings) return kNone;
  const std::string key = std::to_string(plain) + ' ' + settings->identity;
  if (const auto known = tls_upstreams_.find(key); known != tls_upstreams_.end())
    return known->second;
  Upstream upstream = config_.upstreams[plain];
  const std::string name = "https://" + upstream.name;
  upstream.name = name;
  const auto is_taken = [this, &upstream] {
    return std::any_of(config_.upstreams.begin(), config_.upstreams.end(),
                       [&upstream](const Upstream &other) { return other.name == upstream.name; });
  };
  for (int count = 2; is_taken(); ++count) upstream.name = name + '#' + std::to_string(count);
  upstream.tls = std::move(settings);
  plain_of_tls_.insert(plain);
  tls_upstreams_.emplace(key, config_.upstreams.size());
  config_.upstreams.push_back(std::move(upstream));
  return config_.upstreams.size() - 1;
}

// Servers that are only ever spoken to by TLS are not listed a second time without.
void ConfigBuilder::drop_unused_plain() {
  std::set<size_t> used;
  for (const Server &server : config_.servers) {
    for (const Location &location : server.locations) {
      used.insert(location.pass.upstream);
      for (const Pass &pass : location.mapped) used.insert(pass.upstream);
    }
  }
  std::vector<Upstream> kept;
  std::vector<size_t> moved(config_.upstreams.size(), kNone);
  for (size_t i = 0; i < config_.upstreams.size(); ++i) {
    if (plain_of_tls_.count(i) > 0 && used.count(i) == 0) continue;
    moved[i] = kept.size();
    kept.push_back(std::move(config_.upstreams[i]));
  }
  config_.upstreams = std::move(kept);
  for (Server &server : config_.servers) {
    for (Location &location : server.locations) {
      if (location.pass.upstream == kNone) continue;
      location.pass.upstream = moved[location.pass.upstream];
      for (Pass &pass : location.mapped) pass.upstream = moved[pass.upstream];
    }
  }
}

}  // namespace holdfast::proxy
