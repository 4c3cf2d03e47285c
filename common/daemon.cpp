#include "common/daemon.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "common/parent_folder.h"

namespace holdfast {
namespace {

Error io_error(const std::string &what) {
  const int error = errno;
  return Error{Errc::io, error, what + ": " + std::strerror(error)};
}

// Neither a core dump nor a tracer gets at the tokens in memory.
void hide_memory() {
#if !defined(HOLDFAST_SANITIZED)
  // Leak checkers need to trace us; ignoring: it only hardens.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

// Every id is the new one, and the old ones are refused.
bool gave_up_for_good(uid_t uid, gid_t gid) {
  uid_t real_uid = 0;
  uid_t effective_uid = 0;
  uid_t saved_uid = 0;
  gid_t real_gid = 0;
  gid_t effective_gid = 0;
  gid_t saved_gid = 0;
  if (::getresuid(&real_uid, &effective_uid, &saved_uid) != 0 ||
      ::getresgid(&real_gid, &effective_gid, &saved_gid) != 0)
    return false;
  const bool all_new = real_uid == uid && effective_uid == uid && saved_uid == uid &&
                       real_gid == gid && effective_gid == gid && saved_gid == gid;
  return all_new &&
         (uid == 0 || (::setuid(0) != 0 && ::setgid(0) != 0 && ::setgroups(0, nullptr) != 0));
}

}  // namespace

Result<std::unique_ptr<PidFile>> PidFile::create(const std::string &path) {
  if (auto made = make_parent_folder(path); !made) return made.error();
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return io_error("cannot open pid file " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Error{Errc::busy, errno, "already running: " + path + " is held by another process"};
  }
  return inherit(path, std::move(fd));
}

Result<std::unique_ptr<PidFile>> PidFile::inherit(const std::string &path, UniqueFd locked) {
  auto file = std::make_unique<PidFile>(path, std::move(locked));
  const Result<void> written = file->write();
  if (written) return file;
  file->leave_to_other();
  return written.error();
}

Result<void> PidFile::write() {
  const std::string text = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd_.get(), 0) != 0 || ::pwrite(fd_.get(), text.data(), text.size(), 0) < 0) {
    return io_error("cannot write pid file " + path_);
  }
  return {};
}

// Somebody may have removed the file and another daemon made its own: that one is left alone.
PidFile::~PidFile() {
  if (left_) return;
  struct stat ours {};
  struct stat found {};
  const bool still_ours = ::fstat(fd_.get(), &ours) == 0 && ::stat(path_.c_str(), &found) == 0 &&
                          ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
  if (still_ours) (void)::unlink(path_.c_str());  // ignoring: the folder may be read-only by now
}

Result<pid_t> read_pid_file(const std::string &path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Error{Errc::not_found, errno, "no pid file " + path + ": not running?"};
  std::array<char, 32> text{};
  const ssize_t bytes = ::read(fd.get(), text.data(), text.size() - 1);
  pid_t pid = 0;
  if (bytes > 0) (void)std::from_chars(text.data(), text.data() + bytes, pid);
  // Whoever wrote it holds its lock as long as it lives: a stale number is never signalled.
  const bool held = ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
  if (pid <= 1 || !held)
    return Error{Errc::not_found, 0, "pid file " + path + " names no running process"};
  return pid;
}

void harden_process() {
  (void)std::signal(SIGPIPE, SIG_IGN);
  (void)::umask(077);
  const rlimit none{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &none);  // ignoring: PR_SET_DUMPABLE does it as well
  // What an upgrade executes gains nothing by it; ignoring: drop_privileges() insists on it.
  (void)::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  hide_memory();
}

Result<void> drop_privileges(const RunAs &who) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return io_error("cannot set no_new_privs");
  if (who.user.empty() || ::geteuid() != 0) return {};
  const passwd *user = ::getpwnam(who.user.c_str());
  if (user == nullptr) return Error{Errc::not_found, 0, "no such user: " + who.user};
  const uid_t uid = user->pw_uid;
  gid_t gid = user->pw_gid;
  if (!who.group.empty()) {
    const group *named = ::getgrnam(who.group.c_str());
    if (named == nullptr) return Error{Errc::not_found, 0, "no such group: " + who.group};
    gid = named->gr_gid;
  }
  if (::setgroups(1, &gid) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    return io_error("cannot become user " + who.user);
  }
  if (!gave_up_for_good(uid, gid))
    return Error{Errc::io, 0, "privileges could be regained: refusing to go on"};
  hide_memory();  // a new user makes the kernel decide anew
  return {};
}

}  // namespace holdfast
