// What the tests of upgrades share: asking for one, and looking at the processes from outside.
#pragma once

#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

namespace holdfast::test {

inline Finished order(const Pair &pair, const char *what) {
  return run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", what}, {}, {}},
             Millis{20'000});
}

// The master the pid file names.
inline pid_t master_pid(const Pair &pair) { return std::stoi("0" + pair.dir().read("proxy.pid")); }

// The state in a stat file of /proc; a blank when there is none.
inline char state_in(const std::string &path) {
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line)) return ' ';
  const size_t name_end = line.rfind(')');
  return name_end + 2 < line.size() ? line[name_end + 2] : ' ';
}

// Gone, or a zombie whose parent has not looked yet.
inline bool gone(pid_t pid) {
  const char state = state_in("/proc/" + std::to_string(pid) + "/stat");
  return state == ' ' || state == 'Z';
}

// Stops every thread of a process.
inline void freeze(pid_t pid) {
  HF_EQ(::kill(pid, SIGSTOP), 0);
  HF_CHECK(eventually([&] {
    namespace fs = std::filesystem;
    for (const auto &task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
      if (state_in((task.path() / "stat").string()) != 'T') return false;
    }
    return true;
  }));
}

inline pid_t first_child(pid_t pid) {
  const std::string number = std::to_string(pid);
  std::ifstream in("/proc/" + number + "/task/" + number + "/children");
  pid_t child = 0;
  in >> child;
  return child;
}

// How often each kind of descriptor is open there, but the standard ones.
inline std::map<std::string, int> descriptors(pid_t pid) {
  std::map<std::string, int> kinds;
  for (const auto &entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    if (entry.path().filename().string().size() == 1 && entry.path().filename() < "3") continue;
    std::error_code gone_by_now;
    std::string target = std::filesystem::read_symlink(entry.path(), gone_by_now).string();
    if (const size_t number = target.find(":["); number != std::string::npos) target.resize(number);
    if (!gone_by_now) ++kinds[target];
  }
  return kinds;
}

// An upgrade that has to go well: the new master serves, and the pid file names it.
inline pid_t upgraded(const Pair &pair) {
  const pid_t before = master_pid(pair);
  const Finished done = order(pair, "upgrade");
  if (done.exit.code != 0) HF_FAIL("not upgraded: " + done.err);
  HF_EQ(done.out, "ok\n");
  const pid_t now = master_pid(pair);
  HF_CHECK(now > 0 && now != before && !gone(now));
  return now;
}

inline std::string echo(const StreamableClient &client, const std::string &text = "mine") {
  return tool_text(client.call("echo", R"({"message":")" + text + "\"}"));
}

}  // namespace holdfast::test
