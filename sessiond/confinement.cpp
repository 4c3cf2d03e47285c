#include "sessiond/confinement.h"

#include <filesystem>
#include <system_error>

namespace holdfast::sessiond {
namespace {

namespace fs = std::filesystem;
using Use = FileGrant::Use;

// A file is granted with its folder, since an editor or logrotate puts a new file in its place. Not
// with "/", the working directory of services, and not where a device stands for a log.
void grant_file(std::vector<FileGrant> &out, const std::string &path, Use use) {
  if (path.empty()) return;
  std::error_code failed;
  const fs::path absolute = fs::absolute(path, failed);
  if (failed) return;
  const fs::path folder = absolute.parent_path();
  const bool special =
      fs::exists(absolute, failed) && !fs::is_regular_file(absolute, failed) && use == Use::append;
  const bool alone = special || folder == folder.root_path();
  out.push_back({alone ? absolute.string() : folder.string(), use});
}

// The same for where symbolic links lead: landlock sees only that.
void grant(std::vector<FileGrant> &out, const std::string &path, Use use) {
  if (path.empty()) return;
  grant_file(out, path, use);
  std::error_code failed;
  const fs::path real = fs::canonical(path, failed);
  if (!failed && real != path && use != Use::remove) grant_file(out, real.string(), use);
}

}  // namespace

SandboxPlan confinement(const ConfRequest &request, const ConfBundle &read, const Config &config) {
  SandboxPlan plan;
  plan.who = FilterFor::sessiond;
  std::vector<FileGrant> &files = plan.landlock.files;
  grant(files, request.path, Use::read);
  grant(files, request.base_dir + "/sessiond.conf", Use::read);
  grant(files, ".env", Use::read);
  for (const ConfBundle::Answer &answer : read.answers) {
    if (answer.kind == ConfBundle::Kind::file) grant(files, answer.question, Use::read);
    if (answer.kind == ConfBundle::Kind::glob) {
      grant(files, answer.question, Use::read);
      for (const std::string &found : answer.values) grant(files, found, Use::read);
    }
  }
  // A reload looks users up, and metrics tell what the process itself holds.
  for (const char *path : {"/etc/passwd", "/etc/nsswitch.conf", "/proc"})
    files.push_back({path, Use::read});
  if (config.error_log.target != "stderr") grant(files, config.error_log.target, Use::append);
  for (const std::string *own : {&config.pid_path, &config.control_socket.path,
                                 &config.admin_socket.path, &config.http_socket.path})
    grant(files, *own, Use::remove);
  return plan;
}

}  // namespace holdfast::sessiond
