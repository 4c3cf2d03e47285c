#include "proxy/access_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>

#include "common/ids.h"
#include "common/log.h"
#include "proxy/own_answers.h"

namespace holdfast::proxy {
namespace {

constexpr size_t kBufferBytesMax = 32 * 1024;

std::tm local_time(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  (void)::localtime_r(&seconds, &parts);  // ignoring: fails only for years beyond int
  return parts;
}

// `lowest`: the first byte that stands for itself. What could end the value or the line is written
// as \xHH (nginx's default).
void append_escaped(std::string &out, std::string_view value, unsigned char lowest) {
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < lowest || byte >= 0x7f || c == '"' || c == '\\') {
      fmt::format_to(std::back_inserter(out), "\\x{:02X}", byte);
    } else {
      out += c;
    }
  }
}

std::string_view or_dash(std::string_view value) {
  return value.empty() ? std::string_view("-") : value;
}

// Between double quotes a blank is only a blank.
void append_quoted(std::string &out, std::string_view value) {
  out += '"';
  append_escaped(out, value, 0x20);
  out += '"';
}

// Without quotes a blank would begin the next column, and a peer could write columns of its own.
void append_word(std::string &out, std::string_view value) {
  append_escaped(out, or_dash(value), 0x21);
}

void append_combined(std::string &out, const AccessRecord &r) {
  const std::tm when = local_time(r.time);
  fmt::format_to(std::back_inserter(out), "{} - ", r.remote_addr);
  append_word(out, r.user);
  fmt::format_to(std::back_inserter(out), " [{:%d/%b/%Y:%H:%M:%S %z}] ", when);
  append_quoted(out, r.request_line);
  fmt::format_to(std::back_inserter(out), " {} {} ", r.status, r.body_bytes);
  append_quoted(out, or_dash(r.referrer));
  out += ' ';
  append_quoted(out, or_dash(r.agent));
}

void append_mcp(std::string &out, const AccessRecord &r) {
  append_combined(out, r);
  fmt::format_to(std::back_inserter(out), " {} {} ", r.event, or_dash(handle_of(r.session)));
  append_word(out, r.rpc_method);
  out += ' ';
  append_word(out, r.tool);
  fmt::format_to(std::back_inserter(out), " {} {:.3f}", or_dash(r.upstream),
                 static_cast<double>(r.duration.count()) / 1000.0);
}

void append_member(std::string &out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(",\"").append(name).append("\":");
  append_json_string(out, value);
}

void append_json(std::string &out, const AccessRecord &r) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(r.time);
  std::tm utc{};
  (void)::gmtime_r(&seconds, &utc);  // ignoring: fails only for years beyond int
  fmt::format_to(std::back_inserter(out), "{{\"time\":\"{:%Y-%m-%dT%H:%M:%S}.{:03}Z\"", utc,
                 r.time.time_since_epoch().count() % 1000);
  append_member(out, "event", r.event);
  append_member(out, "remote_addr", r.remote_addr);
  append_member(out, "user", r.user);
  append_member(out, "session", handle_of(r.session));
  append_member(out, "transport", r.transport);
  append_member(out, "request", r.request_line);
  append_member(out, "mcp_method", r.rpc_method);
  append_member(out, "mcp_tool", r.tool);
  append_member(out, "rpc_id", r.rpc_id);
  append_member(out, "upstream", r.upstream);
  append_member(out, "user_agent", r.agent);
  fmt::format_to(std::back_inserter(out), ",\"status\":{},\"bytes_out\":{},\"duration_s\":{:.3f}}}",
                 r.status, r.body_bytes, static_cast<double>(r.duration.count()) / 1000.0);
}

}  // namespace

Result<UniqueFd> LogFiles::open(const std::string &path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd) return Error{Errc::io, errno, "cannot open log " + path + ": " + std::strerror(errno)};
  return fd;
}

void LogFiles::take(const std::string &path, UniqueFd fd) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto &file : files_) {
    if (file->path != path) continue;
    // Under the same number, since a worker may be about to write to it.
    (void)::dup3(fd.get(), file->fd.get(), O_CLOEXEC);  // ignoring: both are open
    return;
  }
  files_.push_back(std::make_unique<File>(File{path, std::move(fd)}));
}

int LogFiles::descriptor(const std::string &path) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto &file : files_) {
    if (file->path == path) return file->fd.get();
  }
  return -1;
}

void AccessWriter::write(const AccessRecord &record) {
  switch (spec_.format) {
    case AccessLog::Format::combined:
      append_combined(buffer_, record);
      break;
    case AccessLog::Format::mcp:
      append_mcp(buffer_, record);
      break;
    case AccessLog::Format::json:
      append_json(buffer_, record);
      break;
  }
  buffer_ += '\n';
  if (buffer_.size() >= kBufferBytesMax) flush();
}

void AccessWriter::flush() {
  if (buffer_.empty()) return;
  const int fd = files_.descriptor(spec_.path);
  // ignoring: a log that cannot be written must not stop the service
  if (fd >= 0) (void)!::write(fd, buffer_.data(), buffer_.size());
  buffer_.clear();
}

}  // namespace holdfast::proxy
