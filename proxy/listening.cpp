#include "proxy/listening.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/unix_listener.h"

namespace holdfast::proxy {
namespace {

Error bind_error(const std::string &text) {
  const int error = errno;
  std::string hint;
  if (error == EADDRINUSE) hint = " (another process listens there)";
  if (error == EACCES) hint = " (ports below 1024 need CAP_NET_BIND_SERVICE)";
  return Error{Errc::io, error, "cannot listen on " + text + ": " + std::strerror(error) + hint};
}

std::string local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t bytes = sizeof storage;
  auto *address = static_cast<sockaddr *>(static_cast<void *>(&storage));
  if (::getsockname(fd, address, &bytes) != 0) return {};
  const std::optional<SocketAddress> known = SocketAddress::from(address, bytes);
  return known ? known->text() : std::string();
}

bool listens(int fd) {
  int on = 0;
  socklen_t bytes = sizeof on;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &bytes) == 0 && on == 1;
}

Result<UniqueFd> listen_on(const SocketAddress &address, const std::string &text, int backlog) {
  UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return bind_error(text);
  const int on = 1;
  if (!address.is_unix()) {
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // ignoring: bind tells
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);  // ignoring: bind tells
  }
  if (address.family() == AF_INET6) {
    (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on,
                       sizeof on);  // as nginx: ipv6only=on
  }
  if (::bind(fd.get(), address.get(), address.length_bytes()) != 0) return bind_error(text);
  if (::listen(fd.get(), backlog) != 0) return bind_error(text);
  return fd;
}

// With SO_REUSEPORT two proxies could share a port without noticing. A trial bind without it fails
// when anybody else listens there.
Result<void> refuse_shared_port(const SocketAddress &address, const std::string &text) {
  if (address.is_unix() || address.port() == 0) return {};
  const UniqueFd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!fd) return bind_error(text);
  (void)::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // ignoring: bind tells
  if (address.family() == AF_INET6) {
    (void)::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on,
                       sizeof on);  // ignoring: bind tells
  }
  if (::bind(fd.get(), address.get(), address.length_bytes()) != 0) return bind_error(text);
  return {};
}

}  // namespace

Result<ListeningSockets::Entry> ListeningSockets::open_one(const Listener &listener,
                                                           unsigned workers) {
  Entry entry;
  if (listener.address.is_unix()) {
    const std::string path = listener.text.substr(std::strlen("unix:"));
    if (const Result<void> clear = remove_stale_socket(path); !clear) {
      const Error &error = clear.error();
      return Error{error.code, error.sys_errno,
                   "cannot listen on " + listener.text + ": " + error.message};
    }
    Result<UniqueFd> fd = listen_on(listener.address, listener.text, listener.backlog);
    if (!fd) return fd.error();
    (void)::chmod(path.c_str(), 0666);  // as nginx: the directory decides who may connect
    entry.fds.push_back(std::move(*fd));
    entry.bound = listener.text;
    entry.path = path;
    return entry;
  }
  const Result<void> free = refuse_shared_port(listener.address, listener.text);
  if (!free) return free.error();
  SocketAddress address = listener.address;
  for (unsigned i = 0; i < workers; ++i) {
    Result<UniqueFd> fd = listen_on(address, listener.text, listener.backlog);
    if (!fd) return fd.error();
    if (i == 0) {
      entry.bound = local_address(fd->get());
      // Port 0: the first socket got a port, the others share it.
      sockaddr_storage storage{};
      socklen_t bytes = sizeof storage;
      auto *known = static_cast<sockaddr *>(static_cast<void *>(&storage));
      if (::getsockname(fd->get(), known, &bytes) == 0) {
        address = SocketAddress::from(known, bytes).value_or(address);
      }
    }
    entry.fds.push_back(std::move(*fd));
  }
  return entry;
}

// A port the kernel chose may be written out in the next configuration: the sockets are the same.
std::optional<ListeningSockets::Entry> ListeningSockets::share_bound(
    const Listener &listener) const {
  for (const auto &[text, entry] : open_) {
    if (listener.address.is_unix() || entry.bound != listener.address.text()) continue;
    Entry shared;
    shared.bound = entry.bound;
    for (const UniqueFd &fd : entry.fds)
      shared.fds.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    return shared;
  }
  return std::nullopt;
}

Result<void> ListeningSockets::open(const Config &config, unsigned workers) {
  std::map<std::string, Entry> fresh;
  for (const Listener &listener : config.listeners) {
    if (open_.count(listener.text) != 0 || fresh.count(listener.text) != 0) continue;
    std::optional<Entry> ours = share_bound(listener);
    Result<Entry> entry = ours ? Result<Entry>(std::move(*ours)) : open_one(listener, workers);
    if (!entry) {
      for (const auto &[text, opened] : fresh) unlink_path(opened);
      return entry.error();
    }
    fresh.emplace(listener.text, std::move(*entry));
  }
  open_.merge(fresh);
  return {};
}

void ListeningSockets::prune(const Config &config) {
  for (auto at = open_.begin(); at != open_.end();) {
    const bool wanted = std::any_of(config.listeners.begin(), config.listeners.end(),
                                    [&](const Listener &l) { return l.text == at->first; });
    if (wanted) {
      ++at;
      continue;
    }
    unlink_path(at->second);
    at = open_.erase(at);
  }
}

std::vector<int> ListeningSockets::fds(const Config &config, unsigned workers) const {
  std::vector<int> fds;
  for (unsigned worker = 0; worker < workers; ++worker) {
    for (const Listener &listener : config.listeners) {
      const Entry &entry = open_.at(listener.text);
      fds.push_back(entry.fds[worker % entry.fds.size()].get());
    }
  }
  return fds;
}

std::vector<std::string> ListeningSockets::bound(const Config &config) const {
  std::vector<std::string> texts;
  for (const Listener &listener : config.listeners) texts.push_back(open_.at(listener.text).bound);
  return texts;
}

Result<void> ListeningSockets::inherit(const std::string &text, std::vector<UniqueFd> fds) {
  constexpr std::string_view kUnix = "unix:";
  Entry &entry = open_[text];
  for (UniqueFd &fd : fds) {
    if (!listens(fd.get()))
      return Error{Errc::protocol, 0, "what came as the listener " + text + " is none"};
    entry.fds.push_back(std::move(fd));
  }
  entry.inherited = true;
  if (text.starts_with(kUnix)) {
    entry.bound = text;
    entry.path = text.substr(kUnix.size());
  } else {
    entry.bound = local_address(entry.fds.front().get());
  }
  return {};
}

void ListeningSockets::own_inherited() {
  for (auto &[text, entry] : open_) entry.inherited = false;
}

std::vector<ListenerSockets> ListeningSockets::all() const {
  std::vector<ListenerSockets> sockets;
  for (const auto &[text, entry] : open_) {
    ListenerSockets &listener = sockets.emplace_back();
    listener.text = text;
    for (const UniqueFd &fd : entry.fds) listener.fds.push_back(fd.get());
  }
  return sockets;
}

void ListeningSockets::leave_to_other() { open_.clear(); }

ListeningSockets::~ListeningSockets() {
  for (const auto &[text, entry] : open_) unlink_path(entry);
}

void ListeningSockets::unlink_path(const Entry &entry) {
  if (entry.path.empty() || entry.inherited) return;
  (void)::unlink(entry.path.c_str());  // ignoring: the next start removes a stale one
}

}  // namespace holdfast::proxy
