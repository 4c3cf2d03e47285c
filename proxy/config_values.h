// The values of proxy.conf that are more than one word: addresses, header values, origins. Each
// reader takes one text and gives the value or what is wrong with it, without the place. Pure but
// for names that are resolved.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/conf_source.h"
#include "common/result.h"
#include "proxy/config.h"

namespace holdfast::proxy {

// An authority: "HOST", "HOST:PORT", "[V6]:PORT", or "unix:PATH".
struct Endpoint {
  std::string host;              // lower case, no brackets; empty for a Unix socket
  std::optional<uint16_t> port;  // nullopt = none was written
  std::string unix_path;         // as written
};

// `port_min` is 0 where the kernel may choose, which nobody can connect to.
Result<Endpoint> parse_endpoint(std::string_view text, uint16_t port_min = 1);

// The socket addresses behind an endpoint; `default_port` where none was written.
Result<std::vector<SocketAddress>> resolve_endpoint(const Endpoint &endpoint, uint16_t default_port,
                                                    const ConfRequest &request, ConfSource &source);

// What `listen` names: an endpoint, a port alone, or "*:PORT"; port 0 lets the kernel choose. Never
// empty.
Result<std::vector<SocketAddress>> parse_listen(std::string_view text, const ConfRequest &request,
                                                ConfSource &source);

// Text with $variables into pieces. Errc::config: `unknown "nope" variable`, a control character.
Result<std::vector<ValuePart>> parse_header_value(std::string_view text);

// True for "$NAME" of letters, digits and "_".
bool is_variable_name(std::string_view text) noexcept;

// A whole `proxy_set_header`; nullopt for one that the proxy does anyway (Connection "").
Result<std::optional<HeaderRule>> parse_header_rule(std::string_view name, std::string_view value);

Result<AllowedName> parse_allowed_host(std::string_view text);  // without a port: any port
Result<AllowedName> parse_allowed_origin(std::string_view text);

// `so_keepalive=` (nginx's on, off or IDLE:INTERVAL:COUNT, a part left out is the default) and
// `tcp_user_timeout=` of `listen`; sets what `name` is about.
Result<void> read_keepalive(std::string_view name, std::string_view value, ClientKeepAlive &out);

// A name of `server_name`, in lower case: a host name, "*.example.com", "_" or "".
Result<std::string> parse_server_name(std::string_view text);

// True for a field name of RFC 9110 (a token), at most 256 bytes.
bool is_field_name(std::string_view name) noexcept;

std::string to_lower(std::string_view text);

}  // namespace holdfast::proxy
