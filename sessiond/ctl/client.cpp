#include "sessiond/ctl/client.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "common/unix_channel.h"

namespace holdfast::ctl {
namespace {

// True when `fd` is ready for `events` in time.
bool ready(int fd, short events) {
  pollfd waiting{fd, events, 0};
  const auto patience = std::chrono::milliseconds(Client::kPatience).count();
  int n = 0;
  do {
    n = ::poll(&waiting, 1, static_cast<int>(patience));
  } while (n < 0 && errno == EINTR);
  return n > 0;
}

bool send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    if (!ready(fd, POLLOUT)) return false;
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// False when the daemon falls silent before the end.
bool receive_all(int fd, std::string &into) {
  std::array<char, 65536> buffer;
  for (;;) {
    if (!ready(fd, POLLIN)) return false;
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n == 0 || (n < 0 && errno == ECONNRESET)) return true;
    if (n < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (n > 0) into.append(buffer.data(), static_cast<size_t>(n));
  }
}

bool takes_part(std::string_view &text, std::string_view part) {
  if (!text.starts_with(part)) return false;
  text.remove_prefix(part.size());
  return true;
}

}  // namespace

std::vector<std::string> candidate_sockets(const std::string &named, const char *env_socket,
                                           const char *env_runtime_dir) {
  if (!named.empty()) return {named};
  // Who names a daemon must never reach another one.
  if (env_socket != nullptr && *env_socket != '\0') return {env_socket};
  std::vector<std::string> out;
  if (env_runtime_dir != nullptr && *env_runtime_dir != '\0') {
    out.push_back(std::string(env_runtime_dir) + "/holdfast/admin.sock");
  }
  out.emplace_back("/run/holdfast/admin.sock");
  return out;
}

Reply read_reply(std::string_view text) {
  if (text.ends_with("\n\n")) text.remove_suffix(1);
  if (text == "\n") text = {};
  std::string_view fault = text;
  if (!takes_part(fault, "error: ")) return {Exit::done, std::string(text)};
  const size_t end = fault.find("] ");
  if (!fault.starts_with('[') || end == std::string_view::npos) {
    return {Exit::failed, std::string(fault)};
  }
  const auto word = from_word<AdminFault>(fault.substr(1, end - 1));
  return {word ? exit_of(*word) : Exit::failed, std::string(fault.substr(end + 2))};
}

Reply Client::ask(const AdminWords &words) {
  std::string line;
  for (const std::string &word : words) line += (line.empty() ? "" : " ") + admin_word(word);
  line += '\n';
  std::string tried;
  Exit worst = Exit::unreachable;
  for (const std::string &socket : sockets_) {
    Attempt attempt = ask_at(socket, line);
    if (attempt.answered) {
      sockets_ = {socket};
      return std::move(attempt.reply);
    }
    worst = worse(worst, attempt.reply.exit);
    tried += "\n  " + socket + ": " + attempt.reply.text;
  }
  return {worst, "no session daemon answers; tried" + tried + "\n"};
}

Client::Attempt Client::ask_at(const std::string &socket, const std::string &line) {
  const auto fd = unix_connect(socket);
  if (!fd) {
    const int error = fd.error().sys_errno;
    const bool forbidden = error == EACCES || error == EPERM;
    return {false, {forbidden ? Exit::denied : Exit::unreachable, std::strerror(error)}};
  }
  std::string answer;
  if (!send_all(fd->get(), line) || !receive_all(fd->get(), answer)) {
    return {false, {Exit::unreachable, "no answer"}};
  }
  if (answer.empty()) {
    return {false, {Exit::unreachable, "closed without an answer; is this user allowed?"}};
  }
  return {true, read_reply(answer)};
}

}  // namespace holdfast::ctl
