// Where a request goes: the location that answers it, and the upstream that location leads to.
#include "proxy/client_conn.h"
#include "proxy/exchange.h"
#include "proxy/header_values.h"
#include "proxy/mcp/endpoint_rewrite.h"
#include "proxy/mcp/field_text.h"
#include "proxy/route.h"
#include "proxy/upstream.h"
#include "proxy/worker.h"

namespace holdfast::proxy {

void Exchange::locate(const http::RequestHead &head) {
  request_->server = &find_server(*config_, client_->listener(), head.host);
  if (request_->server->by_message) {
    locate_by_message(head);
  } else {
    request_->location = find_location(*request_->server, head.path, {});
  }
  settings_ =
      request_->location != nullptr ? &request_->location->settings : &request_->server->settings;
}

// What a session may do does not change with the fields its requests bring: they are a client's to
// choose, and no older version knows them.
void Exchange::locate_by_message(const http::RequestHead &head) {
  const bool of_session = !modern_ && (!head.fields.value(http::FieldId::mcp_session_id).empty() ||
                                       !mcp::session_id_in_query(head.query).empty());
  if (of_session) {
    request_->location = find_location(*request_->server, head.path, {});
    return;
  }
  const std::string_view value = head.fields.value(http::FieldId::mcp_name);
  const std::string name = mcp::name_in_field(value).value_or(std::string(value));
  request_->location = find_location(*request_->server, head.path,
                                     {head.fields.value(http::FieldId::mcp_method), name});
}

// What variables are about. Before choose_pass() there is no $proxy_host.
RequestContext Exchange::context(const http::RequestHead &head) const {
  const std::string_view proxy_host =
      request_->pass != nullptr ? request_->pass->host : std::string_view();
  return {head, *request_->server, proxy_host, *client_, request_->user};
}

// REQUIRES: the location has a proxy_pass.
void Exchange::choose_pass(const http::RequestHead &head) {
  if (request_->location->map == kNone) {
    request_->pass = &request_->location->pass;
  } else {
    const UpstreamMap &map = config_->maps[request_->location->map];
    request_->pass =
        &request_->location->mapped[find_rule(map, filled_in(map.source, context(head)))];
  }
  upstream_ = worker_.upstream(*config_, request_->pass->upstream);
}

// A request of a session goes to the session's server, whatever its path and its fields say; how
// that server is, the upstream tells which has it. Of this location's upstreams, of the map's, then
// of all of them the first that does; where a reload has taken the server away nobody does, and the
// location's tells whether there is another one.
void Exchange::follow_session() {
  if (config_->upstreams.size() == 1 || upstream_->has(home_.backend)) return;
  for (const Pass &pass : request_->location->mapped) {
    UpstreamState *const other = worker_.upstream(*config_, pass.upstream);
    if (!other->has(home_.backend)) continue;
    request_->pass = &pass;
    upstream_ = other;
    return;
  }
  for (size_t i = 0; i < config_->upstreams.size(); ++i) {
    UpstreamState *const other = worker_.upstream(*config_, i);
    if (!other->has(home_.backend)) continue;
    upstream_ = other;
    return;
  }
}

}  // namespace holdfast::proxy
