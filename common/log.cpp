#include "common/log.h"

#include <fcntl.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>

#include "common/log_file.h"

namespace holdfast {
namespace {

// One write(2) per record on an O_APPEND descriptor: records of several processes never mix, and
// logrotate may move the file away at any time (spdlog's own file sinks cannot reopen).
class AppendSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  AppendSink(std::string target, UniqueFd fd) : target_(std::move(target)), file_(std::move(fd)) {}

  Result<void> reopen() {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!file_) return {};
    auto fresh = log_file_open(target_);
    if (!fresh) return std::move(fresh).error();
    file_ = *std::move(fresh);
    return {};
  }

  void take(UniqueFd file) {
    const std::lock_guard<std::mutex> lock(mutex_);
    file_ = std::move(file);
  }

  void move(std::string target, UniqueFd file) {
    const std::lock_guard<std::mutex> lock(mutex_);
    target_ = std::move(target);
    file_ = std::move(file);
  }

  int descriptor() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return file_ ? file_.get() : STDERR_FILENO;
  }

 protected:
  void sink_it_(const spdlog::details::log_msg &msg) override {
    spdlog::memory_buf_t line;
    formatter_->format(msg, line);
    const int fd = file_ ? file_.get() : STDERR_FILENO;
    // ignoring: a log that cannot be written must not stop the service (F7)
    (void)!::write(fd, line.data(), line.size());
  }
  void flush_() override {}

 private:
  std::string target_;
  UniqueFd file_;  // none: stderr
};

struct State {
  std::shared_ptr<AppendSink> sink = std::make_shared<AppendSink>("stderr", UniqueFd{});
  std::shared_ptr<spdlog::logger> logger;
  std::string program = "holdfast";
  std::atomic<LogLevel> level{LogLevel::info};
  State() { rebuild(); }
  void rebuild() {
    logger = std::make_shared<spdlog::logger>(program, sink);
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %n %v");
    logger->set_level(spdlog::level::trace);
  }
};

State &state() {
  static State s;
  return s;
}

constexpr std::array<std::string_view, 4> kLevelWords = {"debug", "info", "warn", "error"};

}  // namespace

Result<UniqueFd> log_file_open(const std::string &target) {
  if (target == "stderr") return UniqueFd{};
  UniqueFd fd(::open(target.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!fd) return Error{Errc::io, errno, "cannot open log " + target + ": " + std::strerror(errno)};
  return fd;
}

Result<void> log_open(const std::string &target, LogLevel level) {
  auto fd = log_file_open(target);
  if (!fd) return std::move(fd).error();
  state().sink = std::make_shared<AppendSink>(target, *std::move(fd));
  state().level = level;
  state().rebuild();
  return {};
}

Result<void> log_reopen() { return state().sink->reopen(); }

void log_take(UniqueFd file) { state().sink->take(std::move(file)); }

void log_move(const std::string &target, UniqueFd file) {
  state().sink->move(target, std::move(file));
}

void log_level(LogLevel level) noexcept { state().level = level; }

int log_descriptor() { return state().sink->descriptor(); }

void log_prefix(std::string_view program) {
  state().program = program;
  state().rebuild();
}

bool log_enabled(LogLevel level) noexcept {
  return level >= state().level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view text) noexcept {
  state().logger->info("{} {}", kLevelWords[static_cast<size_t>(level)], text);
}

void log_verbatim(std::string_view text) noexcept {
  state().logger->log(spdlog::level::info, spdlog::string_view_t(text.data(), text.size()));
}

std::string quoted(std::string_view value, size_t bytes_max) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  bool plain = !value.empty();
  const bool cut = value.size() > bytes_max;
  for (const char c : value.substr(0, bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
      plain = false;
    } else {
      if (c == '\\' || c == '"') out += '\\';
      if (c == '\\' || c == '"' || c == ' ' || c == '=') plain = false;
      out += c;
    }
  }
  if (cut) out += "...";
  return plain ? out : '"' + out + '"';
}

}  // namespace holdfast
