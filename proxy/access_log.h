// The access log: a line per request, and for streams one at open and one at close, formatted into
// a buffer per worker and written at most a second later. Values a peer chose are escaped; session
// ids show their handle only. AccessWriter: worker thread only. LogFiles: any thread.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/result.h"
#include "common/unique_fd.h"
#include "proxy/config.h"

namespace holdfast::proxy {

// What one line can show; borrowed for the call.
struct AccessRecord {
  std::string_view event;  // "request", "open" or "close"
  std::string_view remote_addr;
  std::string_view user;
  std::string_view session;  // full id; only the handle is written
  std::string_view transport;
  std::string_view request_line;  // ids in it masked already
  std::string_view referrer;
  std::string_view agent;
  std::string_view rpc_method;
  std::string_view tool;
  std::string_view rpc_id;
  std::string_view upstream;
  int status = 0;
  uint64_t body_bytes = 0;
  Millis duration{0};
  WallTime time{};
};

// Access logs by path, shared by the workers; appended to with one write a flush. The master opens
// them: its child may open nothing, and the user it runs as need not be able to.
class LogFiles {
 public:
  // Opens `path` to append to, and makes it. Errc::io.
  static Result<UniqueFd> open(const std::string &path);

  // From now on lines for `path` go to `fd`. Workers that write meanwhile lose nothing.
  void take(const std::string &path, UniqueFd fd);
  // The descriptor to append to; -1 when there is none (the master has told why).
  int descriptor(const std::string &path) const;

 private:
  struct File {
    std::string path;
    UniqueFd fd;
  };
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<File>> files_;
};

class AccessWriter {
 public:
  AccessWriter(LogFiles &files, AccessLog spec) : files_(files), spec_(std::move(spec)) {}
  const AccessLog &spec() const noexcept { return spec_; }
  void write(const AccessRecord &record);
  void flush();

 private:
  LogFiles &files_;
  AccessLog spec_;
  std::string buffer_;
};

}  // namespace holdfast::proxy
