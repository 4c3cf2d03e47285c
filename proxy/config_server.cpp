// server blocks, and the listeners they share.
#include <algorithm>

#include "common/units.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_unsupported_listen_param(std::string_view name) {
  return name == "http2" || name == "quic" || name == "proxy_protocol" || name == "setfib" ||
         name == "fastopen" || name == "rcvbuf" || name == "sndbuf" || name == "accept_filter" ||
         name == "deferred" || name == "bind" || name == "ipv6only";
}

}  // namespace

void ConfigBuilder::build_servers(const Directives &directives, const Level &inherited,
                                  const TlsDirectives &inherited_tls) {
  for (const ConfDirective &directive : directives) {
    if (directive.row == nullptr) continue;
    if (directive.row->name == "http") {
      Level level = inherited;
      apply_level(level, directive.children);
      build_servers(directive.children, level, tls_level(inherited_tls, directive.children));
    } else if (directive.row->name == "server") {
      build_server(directive, inherited, inherited_tls);
    }
  }
}

void ConfigBuilder::build_server(const ConfDirective &block, const Level &inherited,
                                 const TlsDirectives &inherited_tls) {
  const size_t index = config_.servers.size();
  config_.servers.push_back(inherited);
  Server server = inherited;
  apply_level(server, block.children);
  const PlacedTls &placed =
      server_tls_.emplace_back(PlacedTls{tls_level(inherited_tls, block.children), block.span()});
  server.tls = server_tls(placed.level);
  location_spans_.clear();
  bool listens = false;
  for (const ConfDirective &directive : block.children) {
    listens = listens || directive.name.text == "listen";
    if (directive.row == nullptr) continue;
    if (directive.row->name == "listen") {
      read_listen(index, directive);
    } else if (directive.row->name == "server_name") {
      read_server_names(server, directive);
      server_name_spans_.push_back({index, directive.span()});
    } else if (directive.row->name == "location") {
      build_location(server, directive, server_tls_.back().level);
    }
  }
  if (!listens) fail(block.span(), "this server has no \"listen\"; write listen 127.0.0.1:8080;");
  order_locations(server);
  server.settings.jwt = {};
  config_.servers[index] = std::move(server);
}

void ConfigBuilder::read_server_names(Server &server, const ConfDirective &directive) {
  for (const ConfWord &word : directive.args) {
    auto name = parse_server_name(word.text);
    if (name) {
      server.names.push_back(std::move(*name));
    } else {
      fail(word.span, name.error().message);
    }
  }
}

// --- listeners -----------------------------------------------------------------------------------

Listener &ConfigBuilder::listener_at(const SocketAddress &address) {
  auto &listeners = config_.listeners;
  const auto it =
      std::find_if(listeners.begin(), listeners.end(),
                   [&address](const Listener &other) { return other.address == address; });
  if (it != listeners.end()) return *it;
  Listener listener;
  listener.address = address;
  listener.text = address.text();
  listener.loopback = address.is_loopback();
  listener.trusted_local = listener.loopback || address.is_unix();
  listeners.push_back(std::move(listener));
  default_server_spans_.emplace_back();
  return listeners.back();
}

ConfigBuilder::ListenParams ConfigBuilder::read_listen_params(const ConfDirective &directive) {
  ListenParams params;
  for (size_t i = 1; i < directive.args.size(); ++i) {
    const ConfWord &arg = directive.args[i];
    const ConfParam param = split_param(arg.text);
    if (arg.text == "default_server" || arg.text == "default") {
      params.is_default = true;
    } else if (arg.text == "ssl") {
      params.tls = true;
    } else if (param.name == "backlog" && param.has_value) {
      const auto count = parse_count(param.value, 1, 65'535);
      if (count) params.backlog = static_cast<int>(*count);
      if (!count) fail(arg.span, "backlog=: " + count.error().message);
    } else if (param.name == "so_keepalive" || param.name == "tcp_user_timeout") {
      if (!params.keepalive) params.keepalive.emplace();
      const Result<void> read = read_keepalive(param.name, param.value, *params.keepalive);
      if (!read) fail(arg.span, read.error().message);
    } else if (is_unsupported_listen_param(param.name)) {
      fail(arg.span, in_quotes(arg.text) + " is not supported by this version");
    } else if (arg.text != "reuseport") {  // every worker has its own listening socket anyway
      fail(arg.span, "invalid parameter " + in_quotes(arg.text) +
                         " (ssl, default_server, backlog=N, so_keepalive=, tcp_user_timeout=)");
    }
  }
  return params;
}

void ConfigBuilder::read_listen(size_t server, const ConfDirective &directive) {
  const ConfWord &word = directive.args.front();
  const ListenParams params = read_listen_params(directive);
  const auto addresses = parse_listen(word.text, request_, source_);
  if (!addresses) {
    const bool name = addresses.error().code == Errc::not_found;
    fail(word.span,
         name ? "host not found in listen " + in_quotes(word.text) : addresses.error().message);
    return;
  }
  for (const SocketAddress &address : *addresses) {
    Listener &listener = listener_at(address);
    const auto index = static_cast<size_t>(&listener - config_.listeners.data());
    if (std::find(listener.servers.begin(), listener.servers.end(), server) !=
        listener.servers.end()) {
      fail(word.span, "a duplicate listen " + listener.text);
      continue;
    }
    if (listener.servers.empty()) {
      listener.default_server = server;
      listener.tls = params.tls;
    }
    if (listener.tls != params.tls)
      fail(word.span, "\"ssl\" must stand at every \"listen " + listener.text + "\", or at none");
    listener.servers.push_back(server);
    if (params.backlog) listener.backlog = *params.backlog;
    if (params.keepalive) listener.keepalive = *params.keepalive;
    if (!params.is_default) continue;
    if (default_server_spans_[index].has_file()) {
      fail(word.span, "a duplicate default server for " + listener.text + " (first at " +
                          place_text(tree_.files, default_server_spans_[index]) + ")");
    }
    default_server_spans_[index] = word.span;
    listener.default_server = server;
  }
}

// --- what needs the whole ------------------------------------------------------------------------

void ConfigBuilder::check_listeners() {
  if (config_.servers.empty() && report_.ok()) {
    fail(ConfSpan{0, 0, 0}, "there is no \"server\" block: nothing to listen on");
  }
  check_tls();
  check_admin_status();
  check_server_names();
  warn_without_sessiond();
}

// The admin page ends sessions; until there is authentication only this machine may see it.
void ConfigBuilder::check_admin_status() {
  for (const Placed &placed : admin_status_) {
    for (const Listener &listener : config_.listeners) {
      const auto &servers = listener.servers;
      const bool serves = std::find(servers.begin(), servers.end(), placed.server) != servers.end();
      if (!serves || listener.trusted_local) continue;
      fail(placed.span, "\"holdfast_status admin\" on " + listener.text +
                            " would let anybody end sessions; listen on loopback or a Unix socket");
    }
  }
}

// nginx's warning: of two servers with one name on one address the first one is asked.
void ConfigBuilder::check_server_names() {
  for (const Listener &listener : config_.listeners) {
    std::vector<std::string_view> seen;
    for (const size_t server : listener.servers) {
      for (const std::string &name : config_.servers[server].names) {
        if (std::find(seen.begin(), seen.end(), name) == seen.end()) {
          seen.push_back(name);
          continue;
        }
        const auto placed = std::find_if(server_name_spans_.begin(), server_name_spans_.end(),
                                         [server](const Placed &p) { return p.server == server; });
        report_.warning(placed->span, "conflicting server name " + in_quotes(name) + " on " +
                                          listener.text + ", ignored");
      }
    }
  }
}

void ConfigBuilder::warn_without_sessiond() {
  if (config_.sessiond) return;
  for (const Placed &placed : needs_sessiond_) {
    report_.warning(placed.span, "without \"sessiond\" this location can only answer 503");
  }
}

}  // namespace holdfast::proxy
