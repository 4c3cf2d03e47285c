// A directory of the test's own below the system's temporary one, removed with its content at the
// end (HF_KEEP_TEMP=1 in the environment keeps it). Short, so that socket paths in it fit into
// sockaddr_un.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>

namespace holdfast::test {

class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp " + pattern);
    path_ = pattern;
  }
  ~TempDir() {
    if (::getenv("HF_KEEP_TEMP") != nullptr) return;
    std::error_code ignored;  // what cannot be removed must not hide the test's own result
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;

  const std::string &path() const noexcept { return path_; }
  std::string file(const std::string &name) const { return path_ + "/" + name; }

  // Writes the whole file, replacing it; returns its path.
  std::string write(const std::string &name, std::string_view text) const {
    std::ofstream out(file(name), std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) throw std::runtime_error("cannot write " + file(name));
    return file(name);
  }
  // The whole file; empty when there is none.
  std::string read(const std::string &name) const {
    std::ifstream in(file(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

 private:
  std::string path_;
};

}  // namespace holdfast::test
