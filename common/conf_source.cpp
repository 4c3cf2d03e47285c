#include "common/conf_source.h"

#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "common/unique_fd.h"
#include "common/units.h"

namespace holdfast {

namespace {

Error system_error(std::string_view call, const std::string &path, int number) {
  return Error{Errc::io, number,
               std::string(call) + " \"" + path + "\" failed (" +
                   std::generic_category().message(number) + ")"};
}

Result<std::string> read_whole(int fd, const std::string &path) {
  std::string text;
  std::array<char, 16 * 1024> chunk{};
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error("read()", path, errno);
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<size_t>(got));
    if (text.size() > kConfFileBytesMax) {
      return Error{Errc::limit, 0,
                   "\"" + path + "\" is larger than " + size_text(kConfFileBytesMax)};
    }
  }
}

std::string host_port(const std::string &host, uint16_t port) {
  return host + " " + std::to_string(port);
}

}  // namespace

std::string ConfRequest::resolve(std::string_view path_text) const {
  const std::filesystem::path named(path_text);
  return (named.is_absolute() ? named : std::filesystem::path(base_dir) / named)
      .lexically_normal()
      .string();
}

void LiveConfSource::record(ConfBundle::Kind kind, std::string question,
                            std::vector<std::string> values) {
  if (record_ != nullptr) record_->record(kind, std::move(question), std::move(values));
}

Result<std::string> LiveConfSource::read_file(const std::string &path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return system_error("open()", path, errno);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return system_error("fstat()", path, errno);
  if (S_ISDIR(status.st_mode)) return system_error("open()", path, EISDIR);
  auto text = read_whole(fd.get(), path);
  if (text) record(ConfBundle::Kind::file, path, {*text});
  return text;
}

Result<std::vector<std::string>> LiveConfSource::glob(const std::string &pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), GLOB_ERR, nullptr, &found);
  const int number = errno;
  std::vector<std::string> paths;
  if (status == 0) paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  // A folder that is not there is a pattern without a match, as in nginx.
  if (status != 0 && status != GLOB_NOMATCH && !(status == GLOB_ABORTED && number == ENOENT)) {
    return system_error("glob()", pattern, number);
  }
  record(ConfBundle::Kind::glob, pattern, paths);
  return paths;
}

std::optional<std::string> LiveConfSource::environment(const std::string &name) {
  const char *value = std::getenv(name.c_str());
  std::optional<std::string> found;
  if (value != nullptr && *value != '\0') found = value;
  record(ConfBundle::Kind::environment, name,
         found ? std::vector<std::string>{*found} : std::vector<std::string>{});
  return found;
}

Result<std::vector<SocketAddress>> LiveConfSource::resolve(const std::string &host, uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo *list = nullptr;
  const int status = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (status != 0) {
    return Error{Errc::not_found, 0,
                 "host not found: \"" + host + "\" (" + gai_strerror(status) + ")"};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  std::vector<std::string> texts;
  for (const addrinfo *entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = SocketAddress::from(entry->ai_addr, entry->ai_addrlen);
    if (!address) continue;
    addresses.push_back(*address);
    texts.push_back(address->ip());
  }
  if (addresses.empty()) {
    return Error{Errc::not_found, 0, "host not found: \"" + host + "\" (no address)"};
  }
  record(ConfBundle::Kind::address, host_port(host, port), std::move(texts));
  return addresses;
}

Result<uid_t> LiveConfSource::user_id(const std::string &name) {
  std::array<char, 4096> buffer{};
  passwd entry{};
  passwd *found = nullptr;
  const int status = ::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (status != 0 || found == nullptr) {
    return Error{Errc::not_found, status, "there is no user \"" + name + "\""};
  }
  record(ConfBundle::Kind::user, name, {std::to_string(found->pw_uid)});
  return found->pw_uid;
}

namespace {

Error not_in_bundle(const std::string &what) {
  return Error{Errc::not_found, ENOENT,
               "\"" + what + "\" is not part of the configuration handed over"};
}

}  // namespace

Result<std::string> BundleConfSource::read_file(const std::string &path) {
  const auto *answer = bundle_.find(ConfBundle::Kind::file, path);
  if (answer == nullptr || answer->values.empty()) return not_in_bundle(path);
  return answer->values.front();
}

Result<std::vector<std::string>> BundleConfSource::glob(const std::string &pattern) {
  const auto *answer = bundle_.find(ConfBundle::Kind::glob, pattern);
  if (answer == nullptr) return not_in_bundle(pattern);
  return answer->values;
}

std::optional<std::string> BundleConfSource::environment(const std::string &name) {
  const auto *answer = bundle_.find(ConfBundle::Kind::environment, name);
  if (answer == nullptr || answer->values.empty()) return std::nullopt;
  return answer->values.front();
}

Result<std::vector<SocketAddress>> BundleConfSource::resolve(const std::string &host,
                                                             uint16_t port) {
  const auto *answer = bundle_.find(ConfBundle::Kind::address, host_port(host, port));
  std::vector<SocketAddress> addresses;
  if (answer != nullptr) {
    for (const std::string &text : answer->values) {
      if (const auto address = SocketAddress::numeric(text, port)) addresses.push_back(*address);
    }
  }
  if (addresses.empty()) return not_in_bundle(host);
  return addresses;
}

Result<uid_t> BundleConfSource::user_id(const std::string &name) {
  const auto *answer = bundle_.find(ConfBundle::Kind::user, name);
  if (answer == nullptr || answer->values.empty()) return not_in_bundle(name);
  const auto number = parse_whole(answer->values.front(), 0, UINT32_MAX);
  if (!number) return not_in_bundle(name);
  return static_cast<uid_t>(*number);
}

}  // namespace holdfast
