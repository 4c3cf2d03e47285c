#include "tests/bench/tools/process_sample.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>

namespace holdfast::bench {
namespace {

namespace fs = std::filesystem;

// A file of /proc whole; empty when its process has gone.
std::string slurp(const fs::path &path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The number after "Key:" in a file of "Key:   123 kB" lines.
double field(const std::string &text, std::string_view key) {
  const size_t at = text.find(key);
  return at == std::string::npos ? 0 : std::strtod(text.c_str() + at + key.size(), nullptr);
}

// The fields of /proc/PID/stat from the third on: the second is a name that may hold blanks.
std::istringstream stat_after_name(const fs::path &process) {
  const std::string text = slurp(process / "stat");
  const size_t end = text.rfind(')');
  return std::istringstream(end == std::string::npos ? std::string() : text.substr(end + 1));
}

std::multimap<int, int> children_by_parent() {
  std::multimap<int, int> children;
  for (const fs::directory_entry &entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc{}) continue;
    std::istringstream stat = stat_after_name(entry.path());
    char state = 0;
    int parent = 0;
    if (stat >> state >> parent) children.emplace(parent, pid);
  }
  return children;
}

std::set<int> process_tree(const std::vector<int> &roots) {
  const std::multimap<int, int> children = children_by_parent();
  std::set<int> all;
  std::vector<int> todo = roots;
  while (!todo.empty()) {
    const int pid = todo.back();
    todo.pop_back();
    if (!all.insert(pid).second) continue;
    const auto [begin, end] = children.equal_range(pid);
    for (auto child = begin; child != end; ++child) todo.push_back(child->second);
  }
  return all;
}

// schedstat counts nanoseconds, but of live threads only; stat also knows of threads that ended, in
// clock ticks. The larger one is the better answer.
void add_cpu(const fs::path &process, ProcSample &sum) {
  static const double ticks_per_s = static_cast<double>(::sysconf(_SC_CLK_TCK));
  constexpr int kFieldsBeforeUtime = 11;
  std::istringstream stat = stat_after_name(process);
  std::string skipped;
  for (int i = 0; i < kFieldsBeforeUtime; ++i) stat >> skipped;
  double user = 0;
  double system = 0;
  stat >> user >> system;
  double fine_s = 0;
  std::error_code gone;  // ignoring: a process that ended has no threads left to count
  for (const fs::directory_entry &task : fs::directory_iterator(process / "task", gone)) {
    ++sum.threads;
    fine_s += std::strtod(slurp(task.path() / "schedstat").c_str(), nullptr) / 1e9;
  }
  sum.user_s += user / ticks_per_s;
  sum.cpu_s += std::max((user + system) / ticks_per_s, fine_s);
}

void add_memory(const fs::path &process, bool walk_pages, ProcSample &sum) {
  const std::string status = slurp(process / "status");
  sum.hwm_kib += field(status, "VmHWM:");
  const std::string smaps = walk_pages ? slurp(process / "smaps_rollup") : std::string();
  sum.rss_kib += smaps.empty() ? field(status, "VmRSS:") : field(smaps, "\nRss:");
  sum.pss_kib += field(smaps, "\nPss:");
}

size_t count_files(const fs::path &process) {
  std::error_code gone;  // ignoring: a process that ended has no files
  const fs::directory_iterator files(process / "fd", gone);
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

ProcSample sample_processes(const std::vector<int> &roots, bool walk_pages) {
  ProcSample sum;
  if (roots.empty()) return sum;
  for (const int pid : process_tree(roots)) {
    const fs::path process = "/proc/" + std::to_string(pid);
    if (!fs::exists(process / "stat")) continue;
    ++sum.procs;
    add_cpu(process, sum);
    add_memory(process, walk_pages, sum);
    sum.files += count_files(process);
  }
  return sum;
}

}  // namespace holdfast::bench
