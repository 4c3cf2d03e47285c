#include "sessiond/http_api.h"

#include <event2/listener.h>
#include <evhtp/evhtp.h>
#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <vector>

#include "common/log.h"
#include "sessiond/http_guard.h"
#include "sessiond/http_head.h"
#include "sessiond/http_routes.h"

namespace holdfast::sessiond {
namespace {

constexpr size_t kConnectionsMax = 256;  // the proxy's workers have one request each under way
constexpr std::chrono::milliseconds kDescriptorPause{100};

using EvhtpPtr = std::unique_ptr<evhtp_t, CDeleter<evhtp_free>>;

std::string_view method_of(const evhtp_request_t &request) {
  switch (request.method) {
    case htp_method_GET:
      return "GET";
    case htp_method_HEAD:
      return "HEAD";
    case htp_method_POST:
      return "POST";
    default:
      return "other";  // the guard has refused what libevhtp has no word for
  }
}

bool has_field(evhtp_request_t *request, const char *name, std::string_view value) {
  const char *found = evhtp_header_find(request->headers_in, name);
  return found != nullptr && value == found;
}

ApiRequest api_request(evhtp_request_t *request) {
  ApiRequest out;
  out.method = method_of(*request);
  if (request->uri != nullptr && request->uri->path != nullptr &&
      request->uri->path->full != nullptr) {
    out.path = request->uri->path->full;
  }
  if (request->uri != nullptr && request->uri->query_raw != nullptr) {
    out.query = static_cast<const char *>(static_cast<const void *>(request->uri->query_raw));
  }
  out.with_users = has_field(request, "X-Holdfast-Users", "1");
  out.admin_level = has_field(request, "X-Holdfast-Level", "admin");
  out.admin_asked = has_field(request, "X-Holdfast-Admin", "1");
  return out;
}

void add_field(evhtp_request_t *request, const char *name, const std::string &value) {
  evhtp_headers_add_header(request->headers_out, evhtp_header_new(name, value.c_str(), 1, 1));
}

// HEAD gets the length of the body it does not get.
void send_response(evhtp_request_t *request, const ApiResponse &response) {
  add_field(request, "Content-Type", std::string(response.content_type));
  add_field(request, "Content-Length", std::to_string(response.body.size()));
  add_field(request, "Cache-Control", "no-store");
  add_field(request, "X-Content-Type-Options", "nosniff");
  for (const auto &[name, value] : response.fields) add_field(request, name, value);
  if (request->method != htp_method_HEAD) {
    (void)evbuffer_add(request->buffer_out, response.body.data(),
                       response.body.size());  // ignoring: out of memory shows as a short answer
  }
  // evhtp_request_set_keepalive(request, 0) does nothing in 1.2.18.
  evhtp_request_disable_flag(request, EVHTP_REQ_FLAG_KEEPALIVE);
  evhtp_send_reply(request, static_cast<evhtp_res>(response.status));
}

}  // namespace

struct HttpApi::Impl {
  Impl(event_base *loop, std::unique_ptr<UnixSocket> bound, Service &served,
       const HttpDeadlines &limits)
      : base(loop),
        service(served),
        deadlines(limits),
        socket(std::move(bound)),
        sweep_event(make_event(loop, -1, 0, on_sweep_c, this)),
        resume_event(make_event(loop, -1, 0, on_resume_c, this)),
        evhtp(evhtp_new(loop, this)) {
    evhtp_disable_flag(evhtp.get(), EVHTP_FLAG_ENABLE_100_CONT);
    evhtp_set_max_body_size(evhtp.get(), kHttpBodyBytesMax + 1);  // the guard's limit acts first
    evhtp_set_gencb(evhtp.get(), on_request_c, this);
    evhtp_set_pre_accept_cb(evhtp.get(), on_pre_accept_c, this);
    evhtp_set_post_accept_cb(evhtp.get(), on_post_accept_c, this);
    // libevhtp closes the descriptor it is given; ours keeps the lock's lifetime.
    const int fd = fcntl(socket->fd(), F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || evhtp_accept_socket(evhtp.get(), fd, SOMAXCONN) != 0) throw std::bad_alloc();
    evconnlistener_set_error_cb(evhtp->server, on_accept_error_c);
  }

  ~Impl() {
    evhtp_unbind_socket(evhtp.get());
    while (!guards.empty()) evhtp_connection_free(guards.begin()->first);  // on_fini erases it
  }

  // Who may connect; called before libevhtp has made anything of the descriptor.
  bool admit(int fd) {
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);  // ignoring: libevhtp's accept leaves it out
    if (guards.size() >= kConnectionsMax) return false;
    const PeerCredentials peer = peer_credentials(fd);
    if (access_by_uid(peer, socket->options()) != PeerAccess::none) return true;
    if (!refusal_told) {
      log_warn("event=http_peer_refused uid={} pid={}", peer.uid, peer.pid);
    }
    refusal_told = true;  // once is enough to find the misconfigured peer
    return false;
  }

  void guard(evhtp_connection_t *connection) {
    guards[connection] =
        std::make_unique<HttpGuard>(base, connection->bev, deadlines, [this, connection] {
          doomed.push_back(connection);
          event_active(sweep_event.get(), 0, 0);
        });
    // libevhtp's setter takes a function without a prototype; it is asked only to make the table.
    (void)evhtp_connection_set_hook(connection, evhtp_hook_on_connection_fini, nullptr,
                                    this);  // ignoring: fails only without memory, checked next
    if (connection->hooks == nullptr) throw std::bad_alloc();
    connection->hooks->on_connection_fini = on_fini_c;
  }

  void on_request(evhtp_request_t *request) {
    send_response(request, handle_api_request(service, api_request(request)));
  }

  // The guard may be on the stack: it is kept until the sweep.
  void on_fini(evhtp_connection_t *connection) {
    std::erase(doomed, connection);
    const auto at = guards.find(connection);
    if (at == guards.end()) return;
    graves.push_back(std::move(at->second));
    guards.erase(at);
    event_active(sweep_event.get(), 0, 0);
  }

  void on_sweep() {
    while (!doomed.empty()) evhtp_connection_free(doomed.back());  // on_fini erases it
    graves.clear();
  }

  void pause_accepting() {
    (void)evconnlistener_disable(evhtp->server);  // ignoring: fails only for an invalid listener
    add_timer(resume_event.get(), kDescriptorPause);
  }
  void on_resume() { (void)evconnlistener_enable(evhtp->server); }  // ignoring: tried again

  static evhtp_res on_pre_accept_c(evhtp_connection_t *connection, void *self) noexcept {
    return static_cast<Impl *>(self)->admit(connection->sock) ? EVHTP_RES_OK : EVHTP_RES_ERROR;
  }
  static evhtp_res on_post_accept_c(evhtp_connection_t *connection, void *self) noexcept {
    static_cast<Impl *>(self)->guard(connection);
    return EVHTP_RES_OK;
  }
  static void on_request_c(evhtp_request_t *request, void *self) noexcept {
    static_cast<Impl *>(self)->on_request(request);
  }
  static evhtp_res on_fini_c(evhtp_connection_t *connection, void *self) noexcept {
    static_cast<Impl *>(self)->on_fini(connection);
    return EVHTP_RES_OK;
  }
  static void on_sweep_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_sweep();
  }
  static void on_resume_c(evutil_socket_t, short, void *self) noexcept {
    static_cast<Impl *>(self)->on_resume();
  }
  // libevent passes what the listener was made with: the evhtp_t, not us.
  static void on_accept_error_c(evconnlistener *, void *evhtp) noexcept {
    static_cast<Impl *>(static_cast<evhtp_t *>(evhtp)->arg)->pause_accepting();
  }

  event_base *base;
  Service &service;
  HttpDeadlines deadlines;
  std::unique_ptr<UnixSocket> socket;
  std::map<evhtp_connection_t *, std::unique_ptr<HttpGuard>> guards;  // of live connections
  std::vector<evhtp_connection_t *> doomed;                           // of those in guards
  std::vector<std::unique_ptr<HttpGuard>> graves;
  bool refusal_told = false;
  EventPtr sweep_event;
  EventPtr resume_event;
  EvhtpPtr evhtp;
};

Result<std::unique_ptr<HttpApi>> HttpApi::create(event_base *base, const SocketOptions &options,
                                                 Service &service, const HttpDeadlines &deadlines) {
  auto socket = UnixSocket::bind(options);
  if (!socket) return std::move(socket).error();
  return std::make_unique<HttpApi>(base, *std::move(socket), service, deadlines);
}

HttpApi::HttpApi(event_base *base, std::unique_ptr<UnixSocket> socket, Service &service,
                 const HttpDeadlines &deadlines)
    : impl_(std::make_unique<Impl>(base, std::move(socket), service, deadlines)) {}

HttpApi::~HttpApi() = default;

size_t HttpApi::connections_count() const noexcept { return impl_->guards.size(); }

}  // namespace holdfast::sessiond
