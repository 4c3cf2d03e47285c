// Everything proxy.conf says, checked, inherited and resolved: what the data path needs for a
// request is a field or an index away, never a look-up by name. Immutable once built; all threads
// share it as shared_ptr<const Config>, a reload builds another beside it and swaps. Loading reads
// through a ConfSource (files, or the bundle the master hands to its child) and reports every
// error.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/command_line.h"
#include "common/conf_values.h"
#include "common/socket_address.h"
#include "proxy/jwt_verifier.h"
#include "proxy/net/tls_context.h"
#include "proxy/text_pattern.h"

namespace holdfast::proxy {

inline constexpr size_t kNone = SIZE_MAX;  // "no such index"

// --- variables -----------------------------------------------------------------------------------

// The variables a header value, a hash key or a map's source may contain; their names are in
// config_header.cpp.
enum class Variable {
  remote_addr,
  remote_port,
  request_method,
  request_uri,  // origin-form target as received
  uri,          // its path
  host,         // without port, lower case
  http_field,   // $http_NAME: the request's field of that name
  scheme,
  server_name,  // the name of the server block
  server_port,
  proxy_host,                 // authority of proxy_pass
  proxy_add_x_forwarded_for,  // the client's X-Forwarded-For, ", ", and $remote_addr
  request_id,                 // 32 hex digits, one per request
  mcp_method,                 // the request's Mcp-Method
  mcp_name,                   // its Mcp-Name as it is meant: Base64 undone
  mcp_user,                   // the session's user, "-" without one
};

// One piece of such a text: literal text, or a variable.
struct ValuePart {
  std::optional<Variable> variable;  // nullopt: `text` is literal
  std::string text;                  // the literal, or the field name of http_field in lower case
};

// --- upstreams -----------------------------------------------------------------------------------

// One `server` line of an upstream. A name that resolved to several addresses has all of them, in
// the resolver's order; they are tried in that order and count as one server.
struct BackendServer {
  std::string text;  // as written: "127.0.0.1:3001", "unix:/run/x.sock"; names it in logs and lists
  std::string host;  // without port; "localhost" for a Unix socket: what its certificate is for
  std::vector<SocketAddress> addresses;  // never empty
  unsigned weight = 1;
  unsigned max_fails = 1;  // 0 = never counted out
  Millis fail_timeout{std::chrono::seconds{10}};
  bool backup = false;
  bool down = false;
};

// How its backends are spoken to by TLS: the proxy_ssl directives of the locations that name it.
struct UpstreamTls {
  TlsContext context;
  std::string name;       // to verify and ask for; empty = each server's own host
  bool send_name = true;  // as SNI
  bool resumes = true;
  std::string identity;     // of the settings: connections of two never serve each other's requests
  std::string fingerprint;  // of what the files held as well: a renewed one begins afresh
};

// `health_check`: how the servers of an upstream are asked whether they are well.
struct HealthCheck {
  enum class Kind {
    http,  // an answer to OPTIONS /, or with a uri 2xx or 3xx to GET
    tcp    // a connection, with TLS a handshake
  };
  Kind kind = Kind::http;
  std::string uri;  // empty: OPTIONS /
  Millis interval{std::chrono::seconds{5}};
  Millis jitter{500};  // added at random, up to so much
  Millis timeout{std::chrono::seconds{5}};
  unsigned fails = 1;   // in a row make it down
  unsigned passes = 1;  // in a row make it up again
  uint16_t port = 0;    // 0 = the server's own

  friend bool operator==(const HealthCheck &, const HealthCheck &) = default;
};

// How an upstream chooses the backend of a new session, or of a request that has none.
enum class Balance {
  round_robin,
  least_conn,      // fewest sessions, requests and streams for its weight
  hash,            // by a key; a change of the list moves most keys
  consistent_hash  // by a key; a change of the list moves only the keys that must
};

// An `upstream NAME {}` block, or what a `proxy_pass http://HOST:PORT;` without one stands for.
struct Upstream {
  // Of an anonymous one its authority, "127.0.0.1:3001"; before what speaks TLS, "https://".
  std::string name;
  std::vector<BackendServer> servers;  // never empty, not all of them backups
  size_t keepalive = 64;               // idle connections kept open per worker
  bool anonymous = false;
  Balance balance = Balance::round_robin;
  std::vector<ValuePart> hash_key;  // of both kinds of hash
  std::optional<HealthCheck> health_check;
  std::optional<UpstreamTls> tls;  // an upstream that is spoken to both ways is there twice
};

// --- maps ----------------------------------------------------------------------------------------

// Orders texts without regard to case (of ASCII letters).
struct LessAnyCase {
  using is_transparent = void;
  bool operator()(std::string_view a, std::string_view b) const noexcept;
};

// `map SOURCE $NAME { TEXT UPSTREAM; … }`: which upstream a request goes to, by a text it brings.
// find_rule() (route.h) is how it is read.
struct UpstreamMap {
  // A rule that is not one exact text.
  struct Pattern {
    TextPattern pattern;
    size_t rule = 0;
    bool masked = false;  // "TEXT*"; else an expression, "~^TEXT"
  };
  std::vector<ValuePart> source;
  std::vector<std::string> upstreams;                // of every rule, in the order they stand in
  std::map<std::string, size_t, LessAnyCase> exact;  // text to rule
  std::vector<Pattern> patterns;  // masks, longest first, then expressions as they stand
  size_t fallback = 0;            // the rule `default`
};

// --- what http, server and location may set ------------------------------------------------------

// How the user of a session is named.
struct SessionUser {
  enum class Kind { none, header, bearer, jwt, ip };
  Kind kind = Kind::none;
  std::string header;                        // lower case; only with Kind::header
  std::shared_ptr<const JwtVerifier> jwt{};  // only with Kind::jwt, there in every location

  friend bool operator==(const SessionUser &, const SessionUser &) = default;
};

// The jwt_* directives in force at a level, from which the verifiers of its locations are made.
struct JwtSettings {
  JwtRules rules;
  std::string key;
  std::string key_path;  // as written; empty = no key
};

// What an `initialize` meets while sessiond is away; words equal those of `when_sessiond_down`.
enum class WhenSessiondDown { automatic, serve, refuse };  // automatic is `auto`

// When the backend of a legacy GET is dialled; words equal those of `legacy_sse`.
enum class LegacySse {
  automatic,  // `auto`: with its first POST where backends were seen to send an endpoint, else now
  on,         // with its first POST
  off         // now
};

// `proxy_set_header NAME VALUE;`: replaces the field of that name; an empty value removes it.
struct HeaderRule {
  std::string name;
  std::vector<ValuePart> value;  // empty = the field is not sent
};

// An entry of `allowed_hosts` or `allowed_origins`.
struct AllowedName {
  std::string scheme;  // lower case; empty = any
  std::string host;    // lower case; IPv6 in brackets; "*.example.com" matches names below it
  std::string port;    // decimal; empty = the scheme's own; "*" = any

  friend bool operator==(const AllowedName &, const AllowedName &) = default;
};
using AllowedNames = std::vector<AllowedName>;

// The settings http, server and location share. A location's are complete: what it does not set it
// has from its server, else from http level, else the default. Lists replace, they never add up.
struct ProxySettings {
  Millis sse_heartbeat{std::chrono::seconds{15}};  // 0 = off
  SessionUser session_user;
  JwtSettings jwt;             // empty once loading is over: no key is kept but in a verifier
  std::string session_policy;  // empty = the top-level policy
  WhenSessiondDown when_sessiond_down = WhenSessiondDown::automatic;
  Millis call_timeout{0};                               // 0 = none: a slow answer is not a dead one
  Millis early_stream{0};                               // 0 = off
  Millis dead_peer_timeout{std::chrono::seconds{120}};  // 0 = off
  bool session_recovery = false;
  bool mcp_header_check = false;
  Millis backend_ping{0};  // 0 = off
  // nullopt: only the rule for loopback listeners. An empty list: `off`, everything is allowed.
  std::optional<AllowedNames> allowed_hosts;
  std::optional<AllowedNames> allowed_origins;
  unsigned streams_per_session = 16;
  LegacySse legacy_sse = LegacySse::automatic;
  unsigned legacy_sse_waiting = 1024;       // streams of a worker without a session
  bool legacy_sse_initialize_first = true;  // anything else as a session's first POST is 404
  bool session_ttl_header = true;
  size_t access_log = kNone;                  // index into Config::access_logs
  uint64_t client_body_bytes_max = 8u << 20;  // 0 = unlimited
  Millis connect_timeout{std::chrono::seconds{5}};
  Millis read_timeout{std::chrono::seconds{300}};
  Millis send_timeout{std::chrono::seconds{60}};
  Millis client_send_timeout{std::chrono::seconds{60}};   // finite answers
  Millis stream_send_timeout{std::chrono::seconds{300}};  // event streams
  Millis stream_idle_timeout{0};                          // 0 = off, as below
  Millis stream_timeout{0};
  std::vector<HeaderRule> set_headers;
};

// --- servers and locations -----------------------------------------------------------------------

// What answers the requests of a location.
enum class Handler { proxy, health, status, metrics, return_text };

// Where proxy_pass sends a request.
struct Pass {
  size_t upstream = kNone;  // index into Config::upstreams
  std::string host;         // authority as written, or what its map made of it
};

struct Location {
  std::string path;    // begins with '/'
  bool exact = false;  // `= /path`; otherwise a prefix (`^~` means the same)
  // Only for requests outside of sessions whose Mcp-Method, whose Mcp-Name is such a text.
  std::optional<TextPattern> mcp_method;
  std::optional<TextPattern> mcp_name;
  Handler handler = Handler::proxy;
  Pass pass;                  // only with Handler::proxy; with a map what its default says
  size_t map = kNone;         // index into Config::maps: proxy_pass names its variable
  std::vector<Pass> mapped;   // what each rule of that map says
  bool health_users = false;  // holdfast_health users;
  bool status_admin = false;  // holdfast_status admin;
  int return_code = 0;
  std::string return_text;  // body; the target of Location: for 301, 302, 303, 307 and 308
  ProxySettings settings;

  bool by_message() const noexcept { return mcp_method || mcp_name; }
};

struct Server {
  std::vector<std::string> names;  // lower case, without port; "*.example.com"; "" matches no Host
  // Exact ones first, then prefixes, longest first; of one path those for certain messages, in the
  // order they stand in, before the one for all.
  std::vector<Location> locations;
  bool by_message = false;  // there are such
  Millis client_header_timeout{std::chrono::seconds{10}};
  Millis client_body_timeout{std::chrono::seconds{20}};  // without progress
  Millis client_body_total{std::chrono::seconds{120}};   // the whole body
  Millis keepalive_timeout{std::chrono::seconds{60}};    // 0 = one request per connection
  TlsContext tls;          // its certificates and rules; there when a listener of it speaks TLS
  ProxySettings settings;  // for requests no location matches
};

// When the kernel itself asks, or gives up, whether a client that says nothing is there.
struct ClientKeepAlive {
  bool on = true;
  Millis idle{std::chrono::seconds{60}};  // before the first probe
  Millis interval{std::chrono::seconds{15}};
  int probes = 4;          // unanswered ones
  Millis user_timeout{0};  // TCP_USER_TIMEOUT; 0 = not set

  friend bool operator==(const ClientKeepAlive &, const ClientKeepAlive &) = default;
};

// One address to listen on and the servers that share it.
struct Listener {
  SocketAddress address;
  std::string text;            // "127.0.0.1:8080", "[::1]:8080", "unix:/run/holdfast/http.sock"
  bool loopback = false;       // 127.0.0.0/8 or ::1: the Host and Origin rule is on
  bool trusted_local = false;  // loopback or a Unix socket: /health may show byUser
  bool tls = false;
  int backlog = 511;
  ClientKeepAlive keepalive;
  std::vector<size_t> servers;  // indices into Config::servers; never empty
  size_t default_server = 0;    // index into Config::servers: when no name matches the Host
};

// --- the whole -----------------------------------------------------------------------------------

struct AccessLog {
  enum class Format { combined, mcp, json };
  std::string path;  // absolute
  Format format = Format::combined;

  friend bool operator==(const AccessLog &, const AccessLog &) = default;
};

struct SessiondAddress {
  std::string link_path;  // control_socket of sessiond, absolute
  std::string http_path;  // its http_socket: `sessiond unix:A http=unix:B`, else http.sock beside A
};

struct Config {
  unsigned worker_processes = 1;  // worker threads; `auto` = the cores this process may use
  unsigned worker_connections = 10'000;
  unsigned connections_per_address = 0;  // over all workers, trusted proxies excepted; 0 = any
  Millis worker_shutdown_timeout{std::chrono::seconds{60}};
  std::string pid_path;  // absolute
  std::string node;      // empty: the host's name and pid_path
  ErrorLog error_log;
  RunAs run_as;
  bool sandbox = true;
  std::optional<SessiondAddress> sessiond;  // nullopt: no session policy at all
  std::vector<Cidr> trusted_proxies;        // whose X-Forwarded-* and user header are believed
  bool trusts_unix_peers = true;            // `unix` among trusted_proxies

  std::vector<Upstream> upstreams;
  std::vector<UpstreamMap> maps;
  std::vector<Server> servers;
  std::vector<Listener> listeners;
  std::vector<AccessLog> access_logs;
  std::vector<std::string> session_policies;  // every name used, for hello
  std::vector<std::string> warnings;          // for the log at start and for -t

  // True when this peer may speak for clients behind it (trusted_proxies).
  bool is_trusted_proxy(const SocketAddress &peer) const noexcept;
};

// Reads proxy.conf through `source`. `config` is null when the report has errors; the tree is what
// -T dumps. Blocks while it reads files and resolves names: at start and on reload only.
LoadedConf<Config> load_config(const ConfRequest &request, ConfSource &source);

}  // namespace holdfast::proxy
