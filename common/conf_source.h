// The outside world as a configuration needs it: files, globs, environment variables, host and user
// names. Asked through one interface, so that what the master read can be handed to a child that
// may open nothing: LiveConfSource asks the system and records every answer in a ConfBundle;
// BundleConfSource answers from such a bundle alone. Blocks (files, DNS): never on a data path.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "common/socket_address.h"

namespace holdfast {

class ConfSource {
 public:
  virtual ~ConfSource() = default;
  // A whole regular file of at most kConfFileBytesMax. Errc::io (sys_errno set), Errc::limit.
  virtual Result<std::string> read_file(const std::string &path) = 0;
  // The files a pattern matches, sorted; empty when there are none.
  virtual Result<std::vector<std::string>> glob(const std::string &pattern) = 0;
  // nullopt when unset or empty.
  virtual std::optional<std::string> environment(const std::string &name) = 0;
  // Every address of a host name, in the resolver's order, never empty.
  virtual Result<std::vector<SocketAddress>> resolve(const std::string &host, uint16_t port) = 0;
  // A user's number by name. Errc::not_found.
  virtual Result<uid_t> user_id(const std::string &name) = 0;
};

inline constexpr size_t kConfFileBytesMax = 1 << 20;     // a generated one with 10,000 locations
inline constexpr size_t kConfBundleBytesMax = 64 << 20;  // what a child accepts from its master

// Which configuration to read and how, as the command line said.
struct ConfRequest {
  std::string path;        // of the conf file, absolute
  std::string shown_path;  // as the person named it; what messages show
  std::string base_dir;    // absolute; what relative paths inside resolve against
  std::string directives;  // -g
  std::string error_log;   // -e; used unless the configuration says otherwise

  // `path` itself when absolute, else below base_dir.
  std::string resolve(std::string_view path_text) const;
};

// A request and every answer the outside gave while it was served: enough to build the same
// configuration again without asking anybody.
struct ConfBundle {
  enum class Kind : uint8_t { file, glob, environment, address, user };
  struct Answer {
    Kind kind;
    std::string question;
    std::vector<std::string> values;  // none = "there is none"
  };
  ConfRequest request;
  std::vector<Answer> answers;

  const Answer *find(Kind kind, std::string_view question) const noexcept;
  void record(Kind kind, std::string question, std::vector<std::string> values);

  // Length-prefixed text; parse() gives the same bundle back or Errc::protocol.
  std::string serialise() const;
  static Result<ConfBundle> parse(std::string_view text);
};

class LiveConfSource final : public ConfSource {
 public:
  explicit LiveConfSource(ConfBundle *record = nullptr) : record_(record) {}  // borrows
  Result<std::string> read_file(const std::string &path) override;
  Result<std::vector<std::string>> glob(const std::string &pattern) override;
  std::optional<std::string> environment(const std::string &name) override;
  Result<std::vector<SocketAddress>> resolve(const std::string &host, uint16_t port) override;
  Result<uid_t> user_id(const std::string &name) override;

 private:
  void record(ConfBundle::Kind kind, std::string question, std::vector<std::string> values);
  ConfBundle *record_;
};

class BundleConfSource final : public ConfSource {
 public:
  explicit BundleConfSource(const ConfBundle &bundle) : bundle_(bundle) {}  // borrows
  Result<std::string> read_file(const std::string &path) override;
  Result<std::vector<std::string>> glob(const std::string &pattern) override;
  std::optional<std::string> environment(const std::string &name) override;
  Result<std::vector<SocketAddress>> resolve(const std::string &host, uint16_t port) override;
  Result<uid_t> user_id(const std::string &name) override;

 private:
  const ConfBundle &bundle_;
};

}  // namespace holdfast
