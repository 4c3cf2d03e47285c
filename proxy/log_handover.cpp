#include "proxy/log_handover.h"

#include <algorithm>
#include <string_view>

#include "common/log.h"
#include "common/log_file.h"

namespace holdfast::proxy {
namespace {

// A path ends with a NUL, which no path contains. The error log's is empty.
constexpr char kEnd = '\0';

class Batch {
 public:
  explicit Batch(int channel) : channel_(channel) {}

  Result<void> add(const std::string &path, int fd) {
    const bool full =
        fds_.size() == kMasterFdsMax || text_.size() + path.size() + 1 > kMasterTextBytesMax;
    if (full) {
      if (auto sent = send(); !sent) return sent;
    }
    text_ += path + kEnd;
    fds_.push_back(fd);
    return {};
  }

  Result<void> send() {
    if (fds_.empty()) return {};
    auto sent = send_message(channel_, MasterWord::logs, 0, text_, fds_);
    text_.clear();
    fds_.clear();
    return sent;
  }

 private:
  int channel_;
  std::string text_;
  std::vector<int> fds_;
};

}  // namespace

Result<void> hand_over_logs(int channel, const Config &config, Logs which) {
  std::vector<std::string> paths;
  for (const AccessLog &log : config.access_logs) paths.push_back(log.path);
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());

  Batch batch(channel);
  if (which == Logs::all) {
    if (auto added = batch.add({}, log_descriptor()); !added) return added;
  }
  std::vector<UniqueFd> opened;  // until they are sent
  for (const std::string &path : paths) {
    Result<UniqueFd> fd = LogFiles::open(path);
    if (!fd) {
      log_error("event=access_log_failed path={} error={}", quoted(path),
                quoted(fd.error().message));
      continue;
    }
    opened.push_back(std::move(*fd));
    if (auto added = batch.add(path, opened.back().get()); !added) return added;
  }
  return batch.send();
}

void take_logs(MasterMessage &message, LogFiles &files) {
  std::string_view rest = message.text;
  for (UniqueFd &fd : message.fds) {
    const size_t end = rest.find(kEnd);
    if (end == std::string_view::npos) return;
    const std::string path(rest.substr(0, end));
    rest.remove_prefix(end + 1);
    path.empty() ? log_take(std::move(fd)) : files.take(path, std::move(fd));
  }
}

}  // namespace holdfast::proxy
