#include "sessiond/admin_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "common/limits.h"
#include "common/log.h"

namespace holdfast::sessiond {
namespace {

constexpr ChannelLimits kLimits{kAdminLineBytesMax, kAdminQueueBytesMax, kHalfLineDeadline};
constexpr std::string_view kPrompt = "> ";

AdminLevel level_of(PeerAccess access) noexcept {
  switch (access) {
    case PeerAccess::owner:
      return AdminLevel::admin;
    case PeerAccess::listed:
    case PeerAccess::group:
      return AdminLevel::operate;
    case PeerAccess::others:
    case PeerAccess::none:
      break;
  }
  return AdminLevel::user;
}

}  // namespace

//   reading ──line──▶ running ──answered──▶ writing ──▶ next command, or reading again, or closed
// While a command runs or its answer is written nothing is read: the next line waits in the socket,
// so that a peer which asks and never reads costs one answer's piece.
class AdminServer::Connection final : public UnixChannel::Handler {
 public:
  Connection(AdminServer &server, ConnectionId id, event_base *base, UniqueFd fd,
             const AdminPeer &peer)
      : server_(server), id_(id), peer_(peer), channel_(base, std::move(fd), kLimits, *this) {}

  bool idle() const noexcept { return !busy_ && commands_.empty(); }
  // Its turn to read, not ours to write.
  bool awaits_reader() const noexcept { return channel_.queued_bytes() > 0; }
  const AdminPeer &peer() const noexcept { return peer_; }
  void close() { channel_.close(false); }

  // The next command to run; nullopt while one is under way or none is left.
  std::optional<AdminWords> take_command() {
    if (busy_ || closing_) return std::nullopt;
    const bool last = commands_.empty() && !interactive_;  // then closing flushes it
    if (awaits_reader() && !last) return std::nullopt;     // on_drained comes back
    if (commands_.empty()) {
      end_of_line();
      return std::nullopt;
    }
    AdminWords words = std::move(commands_.front());
    commands_.pop_front();
    busy_ = true;
    return words;
  }

  void take_answer(AdminAnswer answer) {
    then_ = answer.then;
    more_ = std::move(answer.more);
    write(answer.text);
    write_more();
  }

 private:
  void on_line(UnixChannel &, std::string_view line) override {
    auto commands = split_admin_line(line);
    if (!commands) {
      write(admin_error(AdminFault::usage, commands.error().message) + "\n");
    } else {
      commands_.assign(std::make_move_iterator(commands->begin()),
                       std::make_move_iterator(commands->end()));
    }
    in_line_ = true;
    channel_.pause_reading(true);
    server_.run(id_);
  }

  void on_closed(UnixChannel &, const Error &why) override {
    log_debug("event=admin_closed uid={} pid={} why={}", peer_.uid, peer_.pid, quoted(why.message));
    server_.connections_.erase(id_);  // destroys *this
  }

  void on_drained(UnixChannel &) override {
    if (more_) write_more();
    server_.run(id_);
  }

  void write(std::string_view text) {
    if (!text.empty() && !channel_.send_raw(text)) channel_.close(false);
  }

  // A long answer goes out piece by piece, each after the one before it has left.
  void write_more() {
    if (more_) {
      std::string piece;
      const bool last = !more_(piece);
      write(piece);
      if (!last && !piece.empty()) return;
      more_ = nullptr;
    }
    if (then_ == AdminAnswer::Then::prompt) interactive_ = true;
    if (then_ == AdminAnswer::Then::quit) {
      closing_ = true;
      return channel_.close(true);
    }
    write("\n");
    busy_ = false;
  }

  void end_of_line() {
    if (!in_line_) return;
    in_line_ = false;
    if (!interactive_) {
      closing_ = true;
      return channel_.close(true);
    }
    write(kPrompt);
    channel_.pause_reading(false);
  }

  AdminServer &server_;
  ConnectionId id_;
  AdminPeer peer_;
  std::deque<AdminWords> commands_;
  std::function<bool(std::string &)> more_;
  AdminAnswer::Then then_ = AdminAnswer::Then::go_on;
  bool busy_ = false;     // a command is under way or its answer is being written
  bool in_line_ = false;  // of the line that is being worked off
  bool interactive_ = false;
  bool closing_ = false;
  UnixChannel channel_;
};

Result<std::unique_ptr<AdminServer>> AdminServer::create(event_base *base,
                                                         const SocketOptions &options,
                                                         Service &service) {
  SocketOptions with_levels = options;
  with_levels.mode_admits = true;
  auto socket = UnixSocket::bind(with_levels);
  if (!socket) return std::move(socket).error();
  return std::make_unique<AdminServer>(base, *std::move(socket), service);
}

AdminServer::AdminServer(event_base *base, std::unique_ptr<UnixSocket> socket, Service &service)
    : base_(base), service_(service), socket_(std::move(socket)) {
  listener_ = std::make_unique<UnixListener>(
      base, *socket_,
      [this](UniqueFd fd, const PeerCredentials &peer, PeerAccess access) {
        on_accept(std::move(fd), {level_of(access), peer.uid, peer.pid});
      },
      [](const std::string &trouble) {
        log_warn("event=admin_socket_trouble what={}", quoted(trouble));
      });
}

AdminServer::~AdminServer() = default;

// A connection that asks nothing, or else one that does not read its answer, gives way to one that
// may: whoever opens sixty-four of them keeps nobody out.
bool AdminServer::make_room() {
  if (connections_.size() < kAdminConnectionsMax) return true;
  auto spare = std::find_if(connections_.begin(), connections_.end(),
                            [](const auto &entry) { return entry.second->idle(); });
  if (spare == connections_.end()) {
    spare = std::find_if(connections_.begin(), connections_.end(),
                         [](const auto &entry) { return entry.second->awaits_reader(); });
  }
  if (spare == connections_.end()) return false;
  connections_.erase(spare);
  return true;
}

void AdminServer::on_accept(UniqueFd fd, const AdminPeer &peer) {
  if (!make_room()) {
    const std::string answer = admin_error(AdminFault::refused, "too many connections");
    (void)::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL);  // ignoring: best effort
    return;
  }
  const ConnectionId id = next_id_++;
  connections_.emplace(id, std::make_unique<Connection>(*this, id, base_, std::move(fd), peer));
}

void AdminServer::run(ConnectionId id) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;
  const std::optional<AdminWords> words = at->second->take_command();
  if (!words) return;
  run_admin_command(service_, at->second->peer(), *words,
                    [this, id](AdminAnswer answer) { on_answer(id, std::move(answer)); });
}

// Commands that answer at once recurse through run(), at most kAdminCommandsPerLineMax deep.
void AdminServer::on_answer(ConnectionId id, AdminAnswer answer) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;  // the peer did not wait
  at->second->take_answer(std::move(answer));
  run(id);
}

}  // namespace holdfast::sessiond
