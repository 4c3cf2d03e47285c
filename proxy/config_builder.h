// From the checked tree of proxy.conf to a Config: levels are walked with what they inherit,
// upstreams before the locations that name them, listeners last, when every server is known. Faults
// go to the report and the walk goes on, so that all of them are told at once. Lives for one load.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/conf_parser.h"
#include "common/conf_values.h"
#include "proxy/config.h"
#include "proxy/config_values.h"

namespace holdfast::proxy {

class ConfigBuilder {
 public:
  // Borrows everything until build() returns.
  ConfigBuilder(const ConfRequest &request, ConfSource &source, const ConfTree &tree,
                ConfReport &report)
      : request_(request), source_(source), tree_(tree), report_(report) {}

  Config build();

 private:
  using Directives = std::vector<ConfDirective>;

  // What servers and locations inherit: a Server without names and locations.
  using Level = Server;

  // The ssl directives in force at a level, by name: a level's own replace what it inherits.
  using TlsDirectives = std::map<std::string_view, std::vector<const ConfDirective *>>;

  // config_load.cpp: the process, and the settings of a level
  void apply_main(const ConfDirective &directive);
  void read_sessiond(const ConfDirective &directive);
  void read_node(const ConfDirective &directive);
  void read_trusted_proxies(const ConfDirective &directive);
  void apply_level(Level &level, const Directives &directives);
  void apply_setting(Level &level, const ConfDirective &directive);
  bool apply_simple_setting(Level &level, const ConfDirective &directive);
  void refuse_planned_setting(const ConfDirective &directive);
  void read_session_user(ProxySettings &settings, const ConfDirective &directive);
  void read_session_policy(ProxySettings &settings, const ConfDirective &directive);
  void read_allowed(std::optional<AllowedNames> &names, const ConfDirective &directive);
  void read_access_log(ProxySettings &settings, const ConfDirective &directive);
  void read_set_header(ProxySettings &settings, const ConfDirective &directive);

  // config_upstream.cpp
  void build_upstreams(const Directives &directives);
  void build_upstream(const ConfDirective &block);
  void read_upstream_setting(Upstream &upstream, const ConfDirective &directive);
  void read_backend(Upstream &upstream, const ConfDirective &directive);
  void read_backend_param(BackendServer &server, const ConfWord &word);
  bool resolve_backend(BackendServer &server, const ConfWord &word, std::string_view what,
                       uint16_t default_port);
  // What a URL of proxy_pass names.
  struct PassTarget {
    std::string authority;  // or a map's variable, "$NAME"
    bool tls = false;
  };
  std::optional<PassTarget> pass_target(const ConfWord &url);
  bool read_pass(Location &location, const ConfWord &url, const TlsDirectives &tls);
  Pass pass_to(const ConfWord &url, const PassTarget &target, const TlsDirectives &tls);
  size_t anonymous_upstream(const ConfWord &url, const PassTarget &target);
  void drop_unused_plain();
  size_t tls_upstream(size_t plain, const ConfWord &url, const TlsDirectives &tls);

  // config_map.cpp
  void build_maps(const Directives &directives);
  void build_map(const ConfDirective &block);
  bool read_map_source(UpstreamMap &map, const ConfWord &source);
  bool read_map_name(const ConfWord &word);
  bool check_map_value(const ConfWord &value);
  bool read_map_rule(UpstreamMap &map, const ConfWord &word);
  bool read_mapped_pass(Location &location, const ConfWord &url, const PassTarget &target,
                        const TlsDirectives &tls);

  // config_jwt.cpp
  bool read_jwt_setting(JwtSettings &jwt, const ConfDirective &directive);
  void make_jwt_verifier(Location &location, const ConfDirective &block);

  // config_balance.cpp
  void read_balance(Upstream &upstream, const ConfDirective &directive);
  void check_balance(const ConfDirective &block, const Upstream &upstream);

  // config_health.cpp
  void read_health_check(Upstream &upstream, const ConfDirective &directive);
  void read_health_param(HealthCheck &check, const ConfWord &word);
  void check_health_port(const ConfDirective &block, const Upstream &upstream);

  // config_tls.cpp
  static TlsDirectives tls_level(const TlsDirectives &inherited, const Directives &directives);
  TlsContext server_tls(const TlsDirectives &level);
  std::optional<UpstreamTls> backend_tls(const TlsDirectives &level, const ConfWord &url);
  bool read_proxy_ssl_name(UpstreamTls &tls, const ConfWord &word);
  bool trust_authorities(TlsContext &context, const TlsDirectives &level, const ConfWord &url);
  std::optional<std::string> system_authorities();
  bool load_pairs(TlsContext &context, const TlsDirectives &level);
  bool load_pair(TlsContext &context, const ConfWord &certificate, const ConfWord &key);
  std::optional<std::string> pem_text(const ConfWord &path, std::string_view what);
  bool read_protocols(TlsContext &context, const ConfDirective *directive);
  void check_tls();

  // config_location.cpp
  void build_location(Server &server, const ConfDirective &block,
                      const TlsDirectives &inherited_tls);
  bool read_location_match(Location &location, const ConfDirective &block);
  bool read_location_fields(Location &location, std::span<const ConfWord> words);
  bool read_handler(Location &location, const ConfDirective &directive, const TlsDirectives &tls);
  void read_return(Location &location, const ConfDirective &directive);
  void order_locations(Server &server);
  void check_by_message(const std::vector<Location> &locations, size_t at, const ConfSpan &span);

  // config_server.cpp
  void build_servers(const Directives &directives, const Level &inherited,
                     const TlsDirectives &inherited_tls);
  void build_server(const ConfDirective &block, const Level &inherited,
                    const TlsDirectives &inherited_tls);
  struct ListenParams {
    std::optional<int> backlog;
    std::optional<ClientKeepAlive> keepalive;
    bool is_default = false;
    bool tls = false;
  };
  ListenParams read_listen_params(const ConfDirective &directive);
  void read_listen(size_t server, const ConfDirective &directive);
  Listener &listener_at(const SocketAddress &address);
  void read_server_names(Server &server, const ConfDirective &directive);
  void check_listeners();
  void check_admin_status();
  void check_server_names();
  void warn_without_sessiond();

  void fail(const ConfSpan &span, const std::string &message) { report_.error(span, message); }

  // Where things stood, for checks that need the whole.
  struct Placed {
    size_t server = 0;
    ConfSpan span;
  };

  const ConfRequest &request_;
  ConfSource &source_;
  const ConfTree &tree_;
  ConfReport &report_;
  Config config_;
  std::map<std::string, size_t, std::less<>> upstream_indices_;   // of the blocks
  std::map<std::string, size_t, std::less<>> anonymous_indices_;  // by scheme and authority
  std::map<std::string, ConfSpan, std::less<>> upstream_spans_;
  std::map<std::string, size_t, std::less<>> map_indices_;  // by variable, "$NAME"
  std::map<std::string, ConfSpan, std::less<>> map_spans_;  // faulty ones, too
  std::vector<ConfSpan> default_server_spans_;  // parallel to Config::listeners; no file = none
  std::vector<ConfSpan> location_spans_;  // parallel to the locations of the server being built
  std::vector<Placed> admin_status_;
  std::vector<Placed> needs_sessiond_;
  std::vector<Placed> server_name_spans_;
  struct PlacedTls {
    TlsDirectives level;
    ConfSpan span;  // of the server block
  };
  std::vector<PlacedTls> server_tls_;               // parallel to Config::servers
  std::map<std::string, TlsContext> tls_contexts_;  // what servers share, by what it is made of
  // The same for backends: by their settings, and then the upstreams that use them.
  std::map<std::string, std::optional<UpstreamTls>> backend_tls_;
  std::map<std::string, size_t> tls_upstreams_;
  std::map<std::string, ConfSpan> jwt_key_spans_;                            // by path as written
  std::map<std::string, std::shared_ptr<const JwtVerifier>> jwt_verifiers_;  // by rules; null: bad
  std::set<size_t> plain_of_tls_;  // upstreams that TLS ones were made from
  std::string pem_seen_;           // all PEM texts read for the context that is being built
};

}  // namespace holdfast::proxy
