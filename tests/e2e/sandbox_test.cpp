// What the running programs have given up, as the kernel tells it, with `sandbox` on and off, as
// root and as somebody else; and that logs and reloads work all the same.
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "common/landlock.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// One field of /proc/PID/status, without the blanks around.
std::string status_of(pid_t pid, const std::string &field) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) != 0) continue;
    return line.substr(line.find_first_not_of(" \t", field.size() + 1));
  }
  return "?";
}

// No core file, and /proc/PID is root's although the process is not: nobody may trace it.
void check_memory_hidden(pid_t pid) {
  const std::string proc = "/proc/" + std::to_string(pid);
  std::ifstream file(proc + "/limits");
  bool found = false;
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("Max core file size", 0) != 0) continue;
    found = line.find(" 0 ") != std::string::npos;
  }
  HF_CHECK(found);
  struct stat owner {};
  HF_EQ(stat((proc + "/environ").c_str(), &owner), 0);
  HF_EQ(owner.st_uid, uid_t{0});
}

bool has(const std::string &text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

PairOptions with_sandbox(const std::string &word) {
  PairOptions options;
  options.sessiond = "sandbox " + word + ";";
  options.proxy_main = "sandbox " + word + ";";
  return options;
}

// Both daemons as `nobody`, in a folder of which nobody owns `run`, and root alone `logs`.
class Unprivileged {
 public:
  Unprivileged() {
    const passwd *nobody = getpwnam("nobody");
    HF_CHECK(nobody != nullptr);
    uid_ = nobody->pw_uid;
    for (const char *name : {"run", "logs"}) HF_EQ(mkdir(dir_.file(name).c_str(), 0700), 0);
    HF_EQ(chown(dir_.file("run").c_str(), uid_, nobody->pw_gid), 0);
    HF_EQ(chmod(dir_.path().c_str(), 0711), 0);
    const std::string port = std::to_string(backend_.port());
    (void)dir_.write("sessiond.conf",
                     "user nobody; control_socket run/s.sock; admin_socket run/a.sock;\n"
                     "http_socket run/h.sock; pid off;\n");
    (void)dir_.write("proxy.conf",
                     "user nobody; sessiond unix:run/s.sock http=unix:run/h.sock; pid p.pid;\n"
                     "error_log logs/error.log info; access_log logs/access.log json;\n"
                     "server { listen 127.0.0.1:0; location = /health { holdfast_health; }\n"
                     "location / { proxy_pass http://127.0.0.1:" +
                         port + "; } }\n");
    HF_EQ(chmod(dir_.file("sessiond.conf").c_str(), 0644), 0);
    sessiond_ = std::make_unique<Process>(Command{program("holdfast-sessiond"),
                                                  {"-c", dir_.file("sessiond.conf")},
                                                  session_environment({}),
                                                  dir_.path()});
    (void)sessiond_->wait_for_line("event=ready");
    proxy_ = std::make_unique<Process>(
        Command{program("holdfast-proxy"), {"-c", dir_.file("proxy.conf")}, {}, dir_.path()});
    HF_CHECK(eventually([&] { return has(error_log(), "event=serving pid="); }));
    serving_ = std::stoi(after("event=serving pid="));
    port_ = static_cast<uint16_t>(std::stoi(after("event=listening address=127.0.0.1:")));
  }

  uid_t uid() const { return uid_; }
  uint16_t port() const { return port_; }
  pid_t serving() const { return serving_; }
  Process &sessiond() { return *sessiond_; }
  Process &proxy() { return *proxy_; }
  const TempDir &dir() const { return dir_; }
  std::string error_log() const { return dir_.read("logs/error.log"); }

 private:
  std::string after(const std::string &text) const {
    const std::string log = error_log();
    return log.substr(log.find(text) + text.size());
  }

  TempDir dir_;
  DemoBackend backend_;
  uid_t uid_ = 0;
  uint16_t port_ = 0;
  pid_t serving_ = 0;
  std::unique_ptr<Process> sessiond_;
  std::unique_ptr<Process> proxy_;
};

}  // namespace

HF_TEST(on_filters_both_daemons_and_the_master_cannot_gain_privileges) {
  Pair pair;  // on is the default
  const pid_t serving = serving_pid(pair.proxy());
  for (const pid_t pid : {serving, pair.sessiond().pid()}) {
    HF_EQ(status_of(pid, "NoNewPrivs"), "1");
    HF_EQ(status_of(pid, "Seccomp"), "2");
    HF_EQ(status_of(pid, "Seccomp_filters"), "1");
    if (geteuid() == 0) HF_EQ(status_of(pid, "CapEff"), "0000000000000002");
    check_memory_hidden(pid);
  }
  HF_EQ(status_of(pair.proxy().pid(), "NoNewPrivs"), "1");
  HF_EQ(status_of(pair.proxy().pid(), "Seccomp"), "0");
  const std::string landlock =
      landlock_abi() > 0 ? "abi" + std::to_string(landlock_abi()) : std::string("off");
  (void)pair.proxy().wait_for_line("event=sandbox seccomp=on landlock=" + landlock);
  (void)pair.sessiond().wait_for_line("event=sandbox seccomp=on landlock=" + landlock);
}

HF_TEST(every_thread_of_the_serving_process_is_filtered) {
  Pair pair;
  const std::string tasks = "/proc/" + std::to_string(serving_pid(pair.proxy())) + "/task";
  size_t threads = 0;
  for (const auto &task : std::filesystem::directory_iterator(tasks)) {
    HF_EQ(status_of(std::stoi(task.path().filename().string()), "Seccomp"), "2");
    ++threads;
  }
  HF_CHECK(threads >= 3);  // the control thread and two workers
}

HF_TEST(off_filters_nothing_and_says_so) {
  Pair pair(with_sandbox("off"));
  for (const pid_t pid : {serving_pid(pair.proxy()), pair.sessiond().pid()}) {
    HF_EQ(status_of(pid, "NoNewPrivs"), "1");
    HF_EQ(status_of(pid, "Seccomp"), "0");
    check_memory_hidden(pid);
  }
  (void)pair.proxy().wait_for_line("event=sandbox seccomp=off landlock=off");
  (void)pair.sessiond().wait_for_line("event=sandbox seccomp=off landlock=off");
}

HF_TEST(a_new_serving_process_is_filtered_like_the_first) {
  Pair pair;
  const pid_t first = serving_pid(pair.proxy());
  const size_t seen = pair.proxy().lines_count();
  HF_EQ(kill(first, SIGKILL), 0);
  const std::string line = pair.proxy().wait_for_line("event=serving pid=", kSoon, seen);
  const pid_t second = std::stoi(line.substr(line.find("pid=") + 4));
  HF_CHECK(second != first);
  HF_EQ(status_of(second, "Seccomp"), "2");
}

HF_TEST(nobody_serves_when_user_says_so_and_root_is_out_of_reach) {
  if (geteuid() != 0) return;
  Unprivileged pair;
  const std::string uid = std::to_string(pair.uid());
  const std::string all_four = uid + "\t" + uid + "\t" + uid + "\t" + uid;
  for (const pid_t pid : {pair.serving(), pair.sessiond().pid()}) {
    HF_EQ(status_of(pid, "Uid"), all_four);
    HF_EQ(status_of(pid, "CapEff"), "0000000000000000");
    HF_EQ(status_of(pid, "CapPrm"), "0000000000000000");
    HF_EQ(status_of(pid, "Seccomp"), "2");
    check_memory_hidden(pid);
  }
  HF_EQ(status_of(pair.proxy().pid(), "Uid"), "0\t0\t0\t0");
  StreamableClient client(pair.port());
  client.open();
  HF_EQ(tool_text(client.call("echo", R"({"message":"hello"})")), "hello");
}

// Its own figures, although its /proc entries are root's.
HF_TEST(a_confined_sessiond_still_tells_about_itself) {
  if (geteuid() != 0) return;
  Unprivileged pair;
  const Response metrics = fetch_unix(pair.dir().file("run/h.sock"), {"GET", "/metrics", {}, {}});
  HF_EQ(metrics.status, 200);
  for (const char *name : {"process_open_fds{", "process_resident_memory_bytes{",
                           "holdfast_sandbox_refused_calls_total{daemon=\"sessiond\"} 0"})
    HF_CHECK(has(metrics.body, name));
}

HF_TEST(logs_where_only_root_may_write_are_written_and_opened_anew) {
  if (geteuid() != 0) return;
  Unprivileged pair;
  (void)fetch(pair.port(), {"GET", "/health", {}, {}});
  const auto lines = [&] { return pair.dir().read("logs/access.log"); };
  HF_CHECK(eventually([&] { return has(lines(), "GET /health"); }));
  for (const char *name : {"error.log", "access.log"}) {
    std::filesystem::rename(pair.dir().file("logs/" + std::string(name)),
                            pair.dir().file("logs/old-" + std::string(name)));
  }
  pair.proxy().signal(SIGUSR1);
  HF_CHECK(
      eventually([&] { return access(pair.dir().file("logs/access.log").c_str(), F_OK) == 0; }));
  HF_CHECK(eventually([&] {
    (void)fetch(pair.port(), {"GET", "/health", {}, {}});
    return has(lines(), "GET /health");
  }));
  pair.sessiond().kill();  // the serving process tells of it, in the new file
  HF_CHECK(eventually([&] { return has(pair.error_log(), "event=sessiond_away"); }));
}

HF_TEST(a_log_that_a_reload_adds_is_written) {
  Pair pair;
  const std::string log = pair.dir().file("later.log");
  PairOptions options;
  options.location = "access_log " + log + ";";
  pair.rewrite_proxy_conf(options);
  HF_EQ(
      run({program("holdfast-proxy"), {"-c", pair.proxy_conf_path(), "-s", "reload"}, {}, {}}).exit,
      (Exit{false, 0}));
  StreamableClient client(pair.proxy_port());
  client.open();
  HF_CHECK(eventually([&] { return has(pair.dir().read("later.log"), "POST /mcp"); }));
}

HF_TEST(a_reload_from_a_folder_unknown_at_start_says_why_it_is_refused) {
  if (landlock_abi() == 0) return;
  const TempDir elsewhere;
  (void)elsewhere.write("more.conf", "session_timeout 5m;\n");
  Pair pair;
  const std::string conf = pair.dir().read("sessiond.conf");
  (void)pair.dir().write("near.conf", "session_timeout 5m;\n");
  (void)pair.dir().write("sessiond.conf", conf + "include near.conf;\n");
  HF_CHECK(has(pair.admin("reload"), "configuration applied"));
  (void)pair.dir().write("sessiond.conf", conf + "include " + elsewhere.file("more.conf") + ";\n");
  const std::string refused = pair.admin("reload");
  HF_CHECK(has(refused, "Permission denied"));
  HF_CHECK(has(refused, "sandbox is on"));
}

HF_TEST(t_says_what_this_kernel_can_do) {
  const Pair pair;
  for (const auto &[name, conf] : {std::pair{"holdfast-proxy", pair.proxy_conf_path()},
                                   std::pair{"holdfast-sessiond", pair.sessiond_conf_path()}}) {
    const Finished on = run({program(name), {"-t", "-c", conf}, {}, {}});
    HF_CHECK(has(on.err, std::string(name) + ": sandbox on, seccomp=on landlock="));
    const Finished off = run({program(name), {"-t", "-c", conf, "-g", "sandbox off;"}, {}, {}});
    HF_CHECK(has(off.err, std::string(name) + ": sandbox off\n"));
    const Finished quiet = run({program(name), {"-t", "-q", "-c", conf}, {}, {}});
    HF_EQ(quiet.err, "");
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(on_filters_both_daemons_and_the_master_cannot_gain_privileges),
      HF_UNIT(every_thread_of_the_serving_process_is_filtered),
      HF_UNIT(off_filters_nothing_and_says_so),
      HF_UNIT(a_new_serving_process_is_filtered_like_the_first),
      HF_UNIT(nobody_serves_when_user_says_so_and_root_is_out_of_reach),
      HF_UNIT(a_confined_sessiond_still_tells_about_itself),
      HF_UNIT(logs_where_only_root_may_write_are_written_and_opened_anew),
      HF_UNIT(a_log_that_a_reload_adds_is_written),
      HF_UNIT(a_reload_from_a_folder_unknown_at_start_says_why_it_is_refused),
      HF_UNIT(t_says_what_this_kernel_can_do),
  };
  return HF_RUN(tests);
}
