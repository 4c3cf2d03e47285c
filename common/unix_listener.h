// A listening Unix stream socket that belongs to us alone: directory 0700 where we make it, socket
// mode as configured, a lock file held with flock so that a second daemon fails instead of stealing
// the path, and a stale socket unlinked only when connecting to it is refused. Loop thread only.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/ev_ptr.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "common/unix_channel.h"

namespace holdfast {

struct SocketOptions {
  std::string path;
  mode_t mode = 0600;
  std::vector<uid_t> allow_uids;  // besides root and our own uid
  // Whoever the socket's mode lets connect may: its group (0660), everybody (0666). Otherwise uids
  // alone decide, whatever the mode says.
  bool mode_admits = false;
};

// Why a peer may use a socket; what it may do there is for the socket's owner to decide.
enum class PeerAccess : uint8_t {
  none,
  others,  // the mode lets everybody in
  group,   // in the group of the socket's file, which the mode lets in
  listed,  // one of allow_uids
  owner,   // root or our own uid
};

// The bound, listening socket and the lock that protects its path. Unlinks the path at destruction.
class UnixSocket {
 public:
  // Errc::busy: another process holds it (named in the message); Errc::limit: path too long;
  // Errc::io.
  static Result<std::unique_ptr<UnixSocket>> bind(const SocketOptions &options);
  // Takes the descriptors of one that another process has bound and still has, too: its queue and
  // its lock are shared. Errc::io.
  static Result<std::unique_ptr<UnixSocket>> inherit(const SocketOptions &options,
                                                     UniqueFd listening, UniqueFd lock);
  // Takes both descriptors; use bind().
  UnixSocket(SocketOptions options, UniqueFd listening, UniqueFd lock);
  ~UnixSocket();
  UnixSocket(const UnixSocket &) = delete;
  UnixSocket &operator=(const UnixSocket &) = delete;
  int fd() const noexcept { return fd_.get(); }
  int lock_fd() const noexcept { return lock_.get(); }
  // Whose number the lock file shows to those who find it held: ours, again.
  Result<void> sign_lock();
  // Another process has it now: nothing is unlinked at destruction.
  void leave_to_other() noexcept { left_ = true; }
  const SocketOptions &options() const noexcept { return options_; }

 private:
  SocketOptions options_;
  UniqueFd fd_;
  UniqueFd lock_;
  bool left_ = false;
};

// Removes a socket nobody listens on, as a killed process leaves it; nothing there is fine, too.
// Errc::busy: somebody listens. Errc::io: not a socket (it is left alone), or no right to remove
// it.
Result<void> remove_stale_socket(const std::string &path);

// What the uid alone decides: owner, listed or none.
PeerAccess access_by_uid(const PeerCredentials &peer, const SocketOptions &options) noexcept;
// What a socket file's mode gives a peer that is neither: group, others or none.
PeerAccess access_by_mode(mode_t mode, bool in_group) noexcept;

// Accepts on a UnixSocket and hands over connections whose credentials are allowed; others are
// closed. Out of descriptors: pauses 100 ms, never spins.
class UnixListener {
 public:
  using OnAccept = std::function<void(UniqueFd, const PeerCredentials &, PeerAccess)>;
  // A sentence for the log about a refused peer or a failed accept, at most one a minute; the next
  // one says how many were left out.
  using OnTrouble = std::function<void(const std::string &)>;
  // Borrows base and socket, which must outlive *this. The callbacks must not destroy *this.
  UnixListener(event_base *base, UnixSocket &socket, OnAccept on_accept, OnTrouble on_trouble = {});
  ~UnixListener();
  UnixListener(const UnixListener &) = delete;
  UnixListener &operator=(const UnixListener &) = delete;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast
