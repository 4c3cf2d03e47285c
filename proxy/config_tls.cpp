// ssl_* and proxy_ssl_*: from the directives in force at a server or a location to what TLS
// connections share. Files are read through the ConfSource, so that the child gets them from the
// master; what they hold is never shown.
#include <algorithm>
#include <array>

#include "common/units.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

// What OpenSSL settles before it knows the name a client asks for: on an address the default
// server's counts, as in nginx.
constexpr std::array<std::string_view, 5> kOfDefaultServer{
    "ssl_protocols", "ssl_ciphers", "ssl_prefer_server_ciphers", "ssl_session_tickets",
    "ssl_session_timeout"};

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

constexpr std::string_view kServerPrefix = "ssl_";
constexpr std::string_view kBackendPrefix = "proxy_ssl_";

// Where systems keep their authorities: Debian and Alpine, Red Hat, SUSE.
constexpr std::array<const char *, 3> kSystemAuthorities{"/etc/ssl/certs/ca-certificates.crt",
                                                         "/etc/pki/tls/certs/ca-bundle.crt",
                                                         "/etc/ssl/ca-bundle.pem"};

bool is_tls_directive(std::string_view name) {
  return name.substr(0, kServerPrefix.size()) == kServerPrefix ||
         name.substr(0, kBackendPrefix.size()) == kBackendPrefix;
}

template <class Level>
const ConfDirective *last_of(const Level &level, std::string_view name) {
  const auto found = level.find(name);
  return found == level.end() ? nullptr : found->second.back();
}

// The arguments of a directive as one text, or what stands for it when it is not there.
std::string words_of(const ConfDirective *directive, std::string_view absent) {
  if (directive == nullptr) return std::string(absent);
  std::string text;
  for (const ConfWord &word : directive->args) text += word.text + ' ';
  return text;
}

// All that the directives of one side say, as one text.
template <class Level>
std::string settings_of(const Level &level, std::string_view prefix) {
  std::string text;
  for (const auto &[name, directives] : level) {
    if (name.substr(0, prefix.size()) != prefix) continue;
    for (const ConfDirective *directive : directives)
      text += std::string(name) + ' ' + words_of(directive, "") + ';';
  }
  return text;
}

bool is_on(const ConfDirective *directive, bool absent) {
  return directive == nullptr ? absent : directive->args.front().text == "on";
}

}  // namespace

ConfigBuilder::TlsDirectives ConfigBuilder::tls_level(const TlsDirectives &inherited,
                                                      const Directives &directives) {
  TlsDirectives own;
  for (const ConfDirective &directive : directives) {
    if (directive.row == nullptr || !is_tls_directive(directive.row->name)) continue;
    own[directive.row->name].push_back(&directive);
  }
  own.insert(inherited.begin(), inherited.end());  // what is there already stays
  return own;
}

// The server's context; none without certificates, or when something was wrong with them.
TlsContext ConfigBuilder::server_tls(const TlsDirectives &level) {
  if (level.count("ssl_certificate") == 0) return {};
  const std::string key = settings_of(level, kServerPrefix);
  if (const auto known = tls_contexts_.find(key); known != tls_contexts_.end())
    return known->second;
  TlsContext context = TlsContext::server();
  bool ok = load_pairs(context, level);
  ok = read_protocols(context, last_of(level, "ssl_protocols")) && ok;
  const ConfDirective *ciphers = last_of(level, "ssl_ciphers");
  const auto set =
      context.set_ciphers(ciphers == nullptr ? "HIGH:!aNULL:!MD5" : ciphers->args.front().text);
  if (!set) fail(ciphers->args.front().span, "\"ssl_ciphers\": " + set.error().message);
  if (is_on(last_of(level, "ssl_prefer_server_ciphers"), false)) context.prefer_own_ciphers();
  const ConfDirective *timeout = last_of(level, "ssl_session_timeout");
  const Millis lifetime = timeout == nullptr ? Millis{std::chrono::minutes{5}}
                                             : *parse_duration(timeout->args.front().text);
  context.set_tickets(is_on(last_of(level, "ssl_session_tickets"), true),
                      std::chrono::duration_cast<std::chrono::seconds>(lifetime));
  if (!ok || !set) context = {};
  tls_contexts_.emplace(key, context);
  return context;
}

bool ConfigBuilder::read_protocols(TlsContext &context, const ConfDirective *directive) {
  if (directive == nullptr) return true;
  TlsVersions versions{false, false};
  for (const ConfWord &word : directive->args) {
    const bool known = word.text == "TLSv1.2" || word.text == "TLSv1.3";
    if (!known) {
      fail(word.span, in_quotes(word.text) + " is not spoken here; write TLSv1.2 TLSv1.3");
      return false;
    }
    (word.text == "TLSv1.2" ? versions.tls12 : versions.tls13) = true;
  }
  context.set_versions(versions);
  return true;
}

// Certificates and keys go together in the order in which they stand, as in nginx.
bool ConfigBuilder::load_pairs(TlsContext &context, const TlsDirectives &level) {
  const auto &certificates = level.at("ssl_certificate");
  const auto keys = level.find("ssl_certificate_key");
  bool ok = true;
  for (size_t i = 0; i < certificates.size(); ++i) {
    const ConfWord &certificate = certificates[i]->args.front();
    if (keys == level.end() || i >= keys->second.size()) {
      fail(certificate.span, "there is no \"ssl_certificate_key\" for this certificate");
      return false;
    }
    ok = load_pair(context, certificate, keys->second[i]->args.front()) && ok;
  }
  return ok;
}

bool ConfigBuilder::load_pair(TlsContext &context, const ConfWord &certificate,
                              const ConfWord &key) {
  const auto chain_text = pem_text(certificate, "certificate");
  const auto key_text = pem_text(key, "key");
  if (!chain_text || !key_text) return false;
  const auto chain = parse_certificates(*chain_text);
  const auto parsed_key = parse_private_key(*key_text);
  const auto cannot = [this](const ConfWord &word, std::string_view what, const Error &error) {
    fail(word.span,
         "cannot load " + std::string(what) + " " + in_quotes(word.text) + ": " + error.message);
  };
  if (!chain) cannot(certificate, "certificate", chain.error());
  if (!parsed_key) cannot(key, "key", parsed_key.error());
  if (!chain || !parsed_key) return false;
  const auto used = context.use(*chain, *parsed_key);
  if (!used) cannot(key, "key", used.error());
  return bool(used);
}

std::optional<std::string> ConfigBuilder::pem_text(const ConfWord &path, std::string_view what) {
  auto text = source_.read_file(request_.resolve(path.text));
  if (text) {
    pem_seen_ += *text;
    return std::move(*text);
  }
  fail(path.span, "cannot load " + std::string(what) + ": " + text.error().message);
  return std::nullopt;
}

// How a location's backends are spoken to; nullopt when something was wrong with it.
std::optional<UpstreamTls> ConfigBuilder::backend_tls(const TlsDirectives &level,
                                                      const ConfWord &url) {
  const std::string key = settings_of(level, kBackendPrefix);
  if (const auto known = backend_tls_.find(key); known != backend_tls_.end()) return known->second;
  pem_seen_.clear();
  UpstreamTls tls;
  tls.context = TlsContext::client();
  bool ok = read_protocols(tls.context, last_of(level, "proxy_ssl_protocols"));
  if (is_on(last_of(level, "proxy_ssl_verify"), true))
    ok = trust_authorities(tls.context, level, url) && ok;
  const ConfDirective *certificate = last_of(level, "proxy_ssl_certificate");
  const ConfDirective *own_key = last_of(level, "proxy_ssl_certificate_key");
  if (certificate != nullptr && own_key != nullptr) {
    ok = load_pair(tls.context, certificate->args.front(), own_key->args.front()) && ok;
  } else if (certificate != nullptr || own_key != nullptr) {
    const ConfDirective *lone = certificate != nullptr ? certificate : own_key;
    fail(lone->span(), "\"proxy_ssl_certificate\" and \"proxy_ssl_certificate_key\" go together");
    ok = false;
  }
  if (const ConfDirective *name = last_of(level, "proxy_ssl_name"); name != nullptr)
    ok = read_proxy_ssl_name(tls, name->args.front()) && ok;
  tls.send_name = is_on(last_of(level, "proxy_ssl_server_name"), true);
  tls.resumes = is_on(last_of(level, "proxy_ssl_session_reuse"), true);
  tls.identity = "https;" + key;
  tls.fingerprint = digest_of(tls.identity + pem_seen_);
  std::optional<UpstreamTls> made;
  if (ok) made = std::move(tls);
  backend_tls_.emplace(key, made);
  return made;
}

bool ConfigBuilder::read_proxy_ssl_name(UpstreamTls &tls, const ConfWord &word) {
  const auto endpoint = parse_endpoint(word.text);
  if (!endpoint || endpoint->port || endpoint->host.empty()) {
    fail(word.span, in_quotes(word.text) + " is not a name that a certificate could be for");
    return false;
  }
  tls.name = endpoint->host;
  return true;
}

bool ConfigBuilder::trust_authorities(TlsContext &context, const TlsDirectives &level,
                                      const ConfWord &url) {
  const ConfDirective *trusted = last_of(level, "proxy_ssl_trusted_certificate");
  const auto text =
      trusted != nullptr ? pem_text(trusted->args.front(), "certificate") : system_authorities();
  if (!text && trusted == nullptr) {
    fail(url.span,
         "this system has no list of authorities (ca-certificates): name those the backend's "
         "certificate is from with \"proxy_ssl_trusted_certificate\"");
  }
  if (!text) return false;
  const auto chain = parse_certificates(*text);
  if (!chain) {
    fail(trusted != nullptr ? trusted->args.front().span : url.span,
         "cannot load certificate: " + chain.error().message);
    return false;
  }
  context.trust(*chain);
  return true;
}

// OpenSSL would look for them when a handshake comes, in a process that may open no file.
std::optional<std::string> ConfigBuilder::system_authorities() {
  std::vector<std::string> paths(kSystemAuthorities.begin(), kSystemAuthorities.end());
  if (const auto named = source_.environment("SSL_CERT_FILE")) paths.insert(paths.begin(), *named);
  for (const std::string &path : paths) {
    auto text = source_.read_file(path);
    if (!text) continue;
    pem_seen_ += *text;
    return std::move(*text);
  }
  return std::nullopt;
}

void ConfigBuilder::check_tls() {
  for (const Listener &listener : config_.listeners) {
    if (!listener.tls) continue;
    const TlsDirectives &first = server_tls_[listener.default_server].level;
    for (const size_t server : listener.servers) {
      const PlacedTls &placed = server_tls_[server];
      if (placed.level.count("ssl_certificate") == 0) {
        fail(placed.span,
             "this server has no \"ssl_certificate\" for \"listen " + listener.text + " ssl\"");
      }
      for (const std::string_view name : kOfDefaultServer) {
        const ConfDirective *own = last_of(placed.level, name);
        if (own == nullptr) continue;
        const std::string by_default = std::string(own->row->default_text) + ' ';
        if (words_of(own, "") == words_of(last_of(first, name), by_default)) continue;
        report_.warning(own->span(), in_quotes(name) + " has no effect on " + listener.text +
                                         ": that of its default server counts");
      }
    }
  }
}

}  // namespace holdfast::proxy
