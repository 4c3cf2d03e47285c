// What proxy_set_header, hash keys and maps go by, with variables filled in for one request; and
// where a management location's requests go at sessiond. Lives for one forwarded head. Worker
// thread only.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "proxy/config.h"
#include "proxy/http/head_writer.h"
#include "proxy/http/message.h"

namespace holdfast::proxy {

class ClientConn;

// Everything a variable may ask about; borrowed for the call.
struct RequestContext {
  const http::RequestHead &head;
  const Server &server;
  std::string_view proxy_host;
  const ClientConn &client;
  std::string_view user;
};

// A text with its variables filled in.
std::string filled_in(std::span<const ValuePart> parts, const RequestContext &context);

class HeaderValues {
 public:
  HeaderValues(const ProxySettings &settings, const RequestContext &context);
  // Views into *this.
  std::span<const http::ExtraField> fields() const { return fields_; }

 private:
  std::vector<std::string> values_;  // one a rule; never grows after the views were taken
  std::vector<http::ExtraField> fields_;
};

// The target at sessiond's HTTP API: the part below a status location, else the page it stands for.
std::string management_target(const Location &location, const http::RequestHead &head);

}  // namespace holdfast::proxy
