// A world for configurations that lives in the test: files, globs, environment, names. Nothing of
// the real machine shows through.
#pragma once

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "common/conf_source.h"

namespace holdfast::test {

class MemoryConfSource : public ConfSource {
 public:
  std::map<std::string, std::string> files;
  std::map<std::string, std::vector<std::string>> globs;
  std::map<std::string, std::string> variables;
  std::map<std::string, std::vector<std::string>> hosts;  // name to numeric addresses
  std::map<std::string, uid_t> users;

  Result<std::string> read_file(const std::string &path) override {
    const auto it = files.find(path);
    if (it != files.end()) return it->second;
    return Error{Errc::io, ENOENT, "open() \"" + path + "\" failed (No such file or directory)"};
  }
  Result<std::vector<std::string>> glob(const std::string &pattern) override {
    const auto it = globs.find(pattern);
    return it == globs.end() ? std::vector<std::string>{} : it->second;
  }
  std::optional<std::string> environment(const std::string &name) override {
    const auto it = variables.find(name);
    if (it == variables.end() || it->second.empty()) return std::nullopt;
    return it->second;
  }
  Result<std::vector<SocketAddress>> resolve(const std::string &host, uint16_t port) override {
    const auto it = hosts.find(host);
    if (it == hosts.end()) return Error{Errc::not_found, 0, "host not found: \"" + host + "\""};
    std::vector<SocketAddress> addresses;
    for (const std::string &ip : it->second) {
      if (const auto address = SocketAddress::numeric(ip, port)) addresses.push_back(*address);
    }
    return addresses;
  }
  Result<uid_t> user_id(const std::string &name) override {
    const auto it = users.find(name);
    if (it == users.end()) return Error{Errc::not_found, 0, "there is no user \"" + name + "\""};
    return it->second;
  }
};

// A request for "/etc/holdfast/NAME", with that file's folder as base.
inline ConfRequest request_for(const std::string &name) {
  ConfRequest request;
  request.path = "/etc/holdfast/" + name;
  request.shown_path = name;
  request.base_dir = "/etc/holdfast";
  return request;
}

}  // namespace holdfast::test
