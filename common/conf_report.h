// What is wrong with a configuration and where: every finding is kept, printed in the order of the
// files with its source line and a caret. Values; no I/O, any thread.
//
//   holdfast-proxy: [emerg] unknown directive "sevrer"; did you mean "server"? in bad.conf:7:3
//        7 |   sevrer {
//          |   ^~~~~~
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// One text that was read, with the name messages show for it.
struct ConfFile {
  // A conf is dumped as it is, an env file as comments, -g not at all.
  enum class Kind { conf, env_file, command_line };
  std::string path;  // absolute, or "command line"
  std::string text;
  Kind kind = Kind::conf;
  std::string shown;  // what a person called it, where that differs: "conf/proxy.conf"

  const std::string &name() const noexcept { return shown.empty() ? path : shown; }
};

// A stretch of one file, in bytes.
struct ConfSpan {
  static constexpr uint32_t kNoFile = UINT32_MAX;
  uint32_t file = kNoFile;  // index into the list of files; kNoFile: the message says where
  uint32_t begin = 0;
  uint32_t end = 0;

  bool has_file() const noexcept { return file != kNoFile; }
};

// Line and column as people count: from 1, the column in characters, not bytes.
struct ConfPlace {
  size_t line = 1;
  size_t column = 1;
};
ConfPlace place_of(std::string_view text, uint32_t offset) noexcept;

// "conf/proxy.conf:7:3"; "" for a span without a file.
std::string place_text(const std::vector<ConfFile> &files, const ConfSpan &span);

class ConfReport {
 public:
  enum class Severity { error, warning };
  struct Finding {
    Severity severity;
    std::string message;  // without the place
    ConfSpan span;
  };

  void error(const ConfSpan &span, const std::string &message);
  void warning(const ConfSpan &span, const std::string &message);

  bool ok() const noexcept { return errors_count_ == 0; }
  size_t errors_count() const noexcept { return errors_count_; }
  const std::vector<Finding> &findings() const noexcept { return findings_; }

  // Orders by file and place; findings without a place come last. Call once, after the last
  // finding.
  void sort();

  // All findings, at most kFindingsShownMax, each line beginning with "PROGRAM: ".
  std::string text(const std::vector<ConfFile> &files, std::string_view program,
                   bool colour = false) const;
  // The warnings as one line each, "MSG in FILE:LINE:COL".
  std::vector<std::string> warnings(const std::vector<ConfFile> &files) const;

 private:
  void add(Severity severity, const ConfSpan &span, const std::string &message);

  std::vector<Finding> findings_;
  size_t errors_count_ = 0;  // also counts errors beyond what is kept
};

inline constexpr size_t kFindingsShownMax = 20;   // more than a screenful helps nobody
inline constexpr size_t kFindingsKeptMax = 1000;  // a hostile file must not fill the memory

}  // namespace holdfast
