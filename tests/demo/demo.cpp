#include "tests/demo/demo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

namespace holdfast::demo {
namespace {

// libevent closes a connection after 50 s without a byte from the client; a stream is longer.
constexpr int kConnectionTimeoutSeconds = 7 * 24 * 3600;

uint16_t bound_port(evhttp_bound_socket *socket) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  auto *generic = static_cast<sockaddr *>(static_cast<void *>(&address));
  if (getsockname(evhttp_bound_socket_get_fd(socket), generic, &bytes) != 0) return 0;
  const void *raw = &address;
  return ntohs(address.ss_family == AF_INET6 ? static_cast<const sockaddr_in6 *>(raw)->sin6_port
                                             : static_cast<const sockaddr_in *>(raw)->sin_port);
}

// What the journal calls a POST: its method, or what it is when it has none.
std::string kind_of(const json_t *message) {
  if (json_is_array(message)) return "(batch)";
  const std::string_view method = text_member(message, "method");
  return method.empty() ? "(response)" : std::string(method);
}

}  // namespace

Demo::Demo(Key, const Options &options)
    : options_(options),
      base_(event_base_new()),
      later_(base_.get()),
      streams_(base_.get(), options_.keepalive),
      exchanges_(streams_, sessions_),
      notices_(streams_, sessions_),
      tools_(later_, sessions_, exchanges_, notices_),
      rpc_(options_, sessions_, tools_, notices_),
      streamable_(options_, sessions_, streams_, exchanges_, rpc_),
      modern_(streams_, exchanges_, notices_, rpc_),
      legacy_(options_, sessions_, streams_, exchanges_, rpc_),
      control_(journal_, sessions_, streams_, exchanges_, notices_),
      on_term_(evsignal_new(base_.get(), SIGTERM, on_signal_c, this)),
      on_int_(evsignal_new(base_.get(), SIGINT, on_signal_c, this)),
      http_(evhttp_new(base_.get())) {
  streams_.set_on_closed([this](const StreamInfo &info) { on_stream_closed(info); });
  evsignal_add(on_term_.get(), nullptr);
  evsignal_add(on_int_.get(), nullptr);
  evhttp_set_timeout(http_.get(), kConnectionTimeoutSeconds);
  evhttp_set_gencb(http_.get(), on_request_c, this);
}

Result<std::unique_ptr<Demo>> Demo::create(const Options &options) {
  auto demo = std::make_unique<Demo>(Key{}, options);
  evhttp_bound_socket *socket =
      evhttp_bind_socket_with_handle(demo->http_.get(), options.host.c_str(), options.port);
  if (socket == nullptr) {
    const int error = errno;
    return Error{Errc::io, error,
                 "cannot listen on " + options.host + ":" + std::to_string(options.port) + ": " +
                     std::strerror(error)};
  }
  demo->port_ = bound_port(socket);
  demo->legacy_.set_authority(options.host + ":" + std::to_string(demo->port_));
  return demo;
}

void Demo::run() { event_base_dispatch(base_.get()); }

void Demo::on_request(evhttp_request *req) {
  const auto target = parse_target(evhttp_request_get_uri(req));
  if (!target) return send_text(req, 404, "not here: try /mcp or /sse\n");
  if (target->name == "_demo") return control_.on_request(req, *target);
  if (evhttp_request_get_command(req) != EVHTTP_REQ_POST) return on_get_or_delete(req, *target);
  if (options_.die_after_posts_count && posts_count_++ >= *options_.die_after_posts_count) {
    _exit(1);  // what the option asks for: no answer, no clean-up
  }
  if (options_.delay.count() == 0) return on_post(req, *target);
  // evhttp does not look at a connection whose request is unanswered: req stays valid until then.
  later_.after(options_.delay, [this, req, target] { on_post(req, *target); });
}

void Demo::on_post(evhttp_request *req, const Target &target) {
  const std::string body = body_of(req);
  const JsonPtr message = parse_json(body);
  if (!message) return send_rpc_error(req, 400, kErrorParse, "Parse error");
  journal_.note(kind_of(message.get()), req, body);
  if (target.name == "message") return legacy_.on_post(req, target, message.get());
  if (target.name != "mcp") return send_not_allowed(req, "GET");
  if (Modern::claims(req, message.get())) return modern_.on_post(req, message.get());
  streamable_.on_post(req, message.get());
}

void Demo::on_get_or_delete(evhttp_request *req, const Target &target) {
  const bool get = evhttp_request_get_command(req) == EVHTTP_REQ_GET;
  journal_.note((get ? "GET /" : "DELETE /") + target.name, req, {});
  if (target.name == "sse" && get) return legacy_.on_get(req, target);
  if (target.name != "mcp" || Modern::claims(req, nullptr)) return send_not_allowed(req, "POST");
  if (get) return streamable_.on_get(req);
  if (evhttp_request_get_command(req) == EVHTTP_REQ_DELETE) return streamable_.on_delete(req);
  send_not_allowed(req, "GET, POST, DELETE");
}

void Demo::on_stream_closed(const StreamInfo &info) {
  exchanges_.on_stream_closed(info);
  notices_.on_stream_closed(info);
  if (info.kind == StreamKind::legacy) sessions_.end(info.session, "client_left");
}

}  // namespace holdfast::demo
