#include "tests/support/scripted_backend.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "tests/support/hf_test.h"

namespace holdfast::test {
namespace {

thread_local ScriptedBackend *current_backend = nullptr;

// A socket bound to a free port of 127.0.0.1.
UniqueFd bound_socket(uint16_t &port, bool shared = false) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = shared ? 1 : 0;
  (void)setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // ignoring: bind tells
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto *generic = static_cast<sockaddr *>(static_cast<void *>(&address));
  socklen_t bytes = sizeof address;
  if (!fd || bind(fd.get(), generic, bytes) != 0 || getsockname(fd.get(), generic, &bytes) != 0) {
    HF_FAIL(std::string("bind: ") + std::strerror(errno));
  }
  port = ntohs(address.sin_port);
  return fd;
}

// Bytes of the first complete request in `bytes`; 0 when there is none yet.
size_t request_bytes(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  std::string head(bytes.substr(0, end + 2));
  for (char &c : head) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (head.find("\r\ntransfer-encoding: chunked\r\n") != std::string::npos) {
    const size_t last = bytes.find("0\r\n\r\n", end + 4);
    return last == std::string_view::npos ? 0 : last + 5;
  }
  size_t length = 0;
  if (const size_t at = head.find("\r\ncontent-length: "); at != std::string::npos) {
    (void)std::from_chars(head.data() + at + 18, head.data() + head.size(), length);
  }
  const size_t total = end + 4 + length;
  return bytes.size() >= total ? total : 0;
}

}  // namespace

std::string Peer::read_request(Millis timeout) {
  const Deadline deadline(timeout);
  for (;;) {
    if (const size_t bytes = request_bytes(connection_.buffer()); bytes > 0) {
      std::string request = connection_.buffer().substr(0, bytes);
      connection_.buffer().erase(0, bytes);
      const std::lock_guard lock(current_backend->mutex_);
      current_backend->requests_.push_back(request);
      return request;
    }
    if (!connection_.fill(deadline.left())) return {};
  }
}

bool Peer::wait_bytes(std::string_view text, Millis timeout) {
  const Deadline deadline(timeout);
  while (connection_.buffer().find(text) == std::string::npos) {
    if (!connection_.fill(deadline.left())) return false;
  }
  return true;
}

bool Peer::send(std::string_view bytes) {
  const Deadline deadline(kSoon);
  while (!bytes.empty() && !deadline.over()) {
    const size_t sent = connection_.send_some(bytes);
    bytes.remove_prefix(sent);
    if (sent > 0) continue;
    pollfd watch{connection_.fd(), POLLOUT, 0};
    if (::poll(&watch, 1, deadline.left_ms()) > 0 && (watch.revents & (POLLERR | POLLHUP)) != 0) {
      return false;
    }
  }
  return bytes.empty();
}

size_t Peer::send_some(std::string_view bytes, Millis room_timeout) {
  const size_t sent = connection_.send_some(bytes);
  pollfd watch{connection_.fd(), POLLOUT, 0};
  if (sent == 0) (void)::poll(&watch, 1, static_cast<int>(room_timeout.count()));
  return sent;
}

bool Peer::answer(int status, std::string_view content_type, std::string_view body,
                  std::string_view more_headers) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Scripted\r\nContent-Type: ";
  text.append(content_type).append("\r\nContent-Length: ").append(std::to_string(body.size()));
  text.append("\r\n").append(more_headers).append("\r\n").append(body);
  return send(text);
}

bool Peer::wait_closed(Millis timeout) {
  const Deadline deadline(timeout);
  while (connection_.end() == PeerEnd::open) {
    if (!connection_.readable(deadline.left())) return false;
    (void)connection_.fill(Millis{100});  // ignoring: end() tells
  }
  return true;
}

void Peer::close() {
  const std::lock_guard lock(mutex_);
  connection_.close();
}

void Peer::reset() {
  const std::lock_guard lock(mutex_);
  connection_.reset();
}

void Peer::interrupt() {
  const std::lock_guard lock(mutex_);
  if (connection_.fd() >= 0)
    (void)::shutdown(connection_.fd(), SHUT_RDWR);  // ignoring: gone already
}

ScriptedBackend::ScriptedBackend(Script script)
    : script_(std::move(script)), listener_(bound_socket(port_)) {
  HF_EQ(listen(listener_.get(), 128), 0);
  acceptor_ = std::thread([this] { accept_all(); });
}

ScriptedBackend::~ScriptedBackend() {
  (void)::shutdown(listener_.get(), SHUT_RDWR);  // ignoring: it only wakes accept
  acceptor_.join();
  for (Running &running : running_) running.peer.interrupt();
  for (Running &running : running_) running.thread.join();
}

void ScriptedBackend::accept_all() {
  for (;;) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    const std::lock_guard lock(mutex_);
    Running &running = running_.emplace_back(std::move(fd), running_.size());
    running.thread = std::thread([this, &running] { run(running.peer); });
  }
}

void ScriptedBackend::run(Peer &peer) {
  current_backend = this;
  std::string failure;
  try {
    script_(peer);
  } catch (const TestFailure &error) {
    failure = std::string(error.file) + ":" + std::to_string(error.line) + ": " + error.what;
  }
  peer.close();
  const std::lock_guard lock(mutex_);
  if (failure_.empty()) failure_ = failure;
}

size_t ScriptedBackend::connections_count() const {
  const std::lock_guard lock(mutex_);
  return running_.size();
}

std::vector<std::string> ScriptedBackend::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::string ScriptedBackend::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

RefusingPort::RefusingPort() : fd_(bound_socket(port_, true)) {}

}  // namespace holdfast::test
