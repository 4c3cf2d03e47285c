// The Unix sockets as an attacker or a broken program on the same machine meets them: other users,
// garbage, endless lines, crowds and peers that never read. A client is served meanwhile, and
// sessiond's memory stays where it was.
#include <fcntl.h>
#include <pwd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "common/unix_address.h"
#include "tests/support/forked.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;
using namespace std::string_literals;

namespace {

constexpr std::string_view kControl = "sessiond.sock";
constexpr std::string_view kAdmin = "admin.sock";
constexpr std::string_view kHttp = "http.sock";
constexpr std::string_view kMaster = "proxy.pid.ctl";
constexpr int kAnswerSeconds = 5;
// What a crowd may cost sessiond: its connections' own memory, and the allocator's slack.
#ifdef HOLDFAST_SANITIZED
constexpr long kGrowthKibMax = 512 * 1024;  // freed memory stays in quarantine
#else
constexpr long kGrowthKibMax = 24 * 1024;
#endif

bool has(const std::string &text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

UniqueFd connect_to(const std::string &path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto address = UnixAddress::of(path);
  if (connect(fd.get(), address->get(), UnixAddress::bytes()) != 0) fd.reset();
  return fd;
}

// What the user `nobody` gets for `line` on a socket: the answer, "" for a connection that is
// closed without a word, or what connect(2) says.
std::string asked_by_nobody(const std::string &path, const std::string &line) {
  const passwd *nobody = getpwnam("nobody");
  HF_CHECK(nobody != nullptr);
  std::string answer;
  (void)status_of_a_fork(
      [&] {
        if (setresgid(nobody->pw_gid, nobody->pw_gid, nobody->pw_gid) != 0 ||
            setresuid(nobody->pw_uid, nobody->pw_uid, nobody->pw_uid) != 0)
          throw std::runtime_error("cannot become nobody");
        const UniqueFd fd = connect_to(path);
        if (!fd) throw std::runtime_error(std::strerror(errno));
        const timeval patience{kAnswerSeconds, 0};
        (void)setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        (void)!send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
        std::array<char, 4096> piece{};
        const ssize_t n = recv(fd.get(), piece.data(), piece.size(), 0);
        if (n < 0 && errno != ECONNRESET) throw std::runtime_error("no answer");
        if (n > 0) throw std::runtime_error(std::string(piece.data(), static_cast<size_t>(n)));
      },
      &answer);
  return answer;
}

std::string hello(const std::string &node) {
  return R"({"t":"hello","v":1,"node":")" + node +
         R"(","instance":"00112233445566ff","pid":1,"version":"0.1.0","policies":[]})"
         "\n";
}

long resident_kib(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  long total = 0;
  long resident = 0;
  HF_CHECK(bool(file >> total >> resident));
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

void allow_many_descriptors() {
  rlimit limit{};
  HF_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  HF_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

// A client with a session and a stream, and both daemons' good health, while somebody misbehaves.
class Served {
 public:
  explicit Served(PairOptions options = {})
      : pair_(std::move(options)), client_(pair_.proxy_port()) {
    client_.open();
    stream_ = std::make_unique<SseClient>(client_.get());
    pair_.wait_created();
    before_kib_ = resident_kib(pair_.sessiond().pid());
  }

  Pair &pair() { return pair_; }
  std::string path(std::string_view name) const { return pair_.dir().file(std::string(name)); }

  // A call, a new session (which asks sessiond), the admin socket and an event.
  void check() {
    HF_EQ(tool_text(client_.call("echo", R"({"message":"steady"})")), "steady");
    StreamableClient another(pair_.proxy_port());
    another.open();
    HF_CHECK(another.remove().status < 300);
    HF_CHECK(has(pair_.admin("show info"), "Name: "));
    (void)pair_.backend().tell(
        "emit", R"({"message":{"jsonrpc":"2.0","method":"notifications/x","params":{}}})");
    HF_EQ(Json{stream_->next().data}["method"].text(), "notifications/x");
    HF_EQ(pair_.health()["status"].text(), "ok");
    const long grown_kib = resident_kib(pair_.sessiond().pid()) - before_kib_;
    if (grown_kib > kGrowthKibMax)
      HF_FAIL("sessiond grew by " + std::to_string(grown_kib) + " KiB");
  }

 private:
  Pair pair_;
  StreamableClient client_;
  std::unique_ptr<SseClient> stream_;
  long before_kib_ = 0;
};

// Sends until the peer has had enough; how many bytes it took.
size_t pour(const std::string &path, size_t bytes) {
  Connection connection = Connection::unix_socket(path);
  const std::string block(64 * 1024, 'x');
  size_t sent = 0;
  const Deadline deadline(kSoon);
  while (sent < bytes && !deadline.over()) {
    const size_t n = connection.send_some(block);
    if (n > 0) {
      sent += n;
    } else if (connection.readable(Millis{50})) {
      return sent;  // its end, or its word about the line
    }
  }
  return sent;
}

const std::vector<std::string> kNonsense = {
    std::string("\0\0\0\0\n", 5),
    "\n\n\n\n",
    "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "{\n",
    "[]\n",
    "{}\n",
    "{\"t\":1}\n",
    "{\"t\":\"admit\"}\n",
    "{\"t\":\"bound\",\"session\":\"x\",\"backend\":\"y\"}\n",
    R"({"t":"hello","v":99,"node":"n","instance":"i","pid":1,"version":"9","policies":[]})" + "\n"s,
    "{\"t\":\"hello\",\"v\":1,\"node\":\"" + std::string(60'000, 'n') + "\"}\n",
    std::string(60'000, '[') + "\n",
    "{\"t\":\"" + std::string(2000, '\x80') + "\"}\n",
    "shutdown sessions user *; ; ;; \"\n",
    "show sess " + std::string(5000, '%') + "\n",
    "\x1b]0;title\x07\x1b[2J\n",
    std::string(40'000, '\xff'),
};

}  // namespace

HF_TEST(other_users_are_kept_out_by_the_sockets_modes) {
  if (geteuid() != 0) return;
  Served served;
  HF_EQ(chmod(served.pair().dir().path().c_str(), 0755), 0);
  // The admin socket's group is let in by its mode, and nobody is not in it.
  for (const std::string_view name : {kControl, kAdmin, kHttp, kMaster})
    HF_EQ(asked_by_nobody(served.path(name), "help\n"), std::strerror(EACCES));
  served.check();
}

HF_TEST(a_wide_mode_alone_lets_nobody_in) {
  if (geteuid() != 0) return;
  Served served;
  HF_EQ(chmod(served.pair().dir().path().c_str(), 0755), 0);
  for (const std::string_view name : {kControl, kHttp, kMaster}) {
    HF_EQ(chmod(served.path(name).c_str(), 0666), 0);
    HF_EQ(asked_by_nobody(served.path(name), "reload\n"), "");
  }
  const std::string uid = std::to_string(getpwnam("nobody")->pw_uid);
  (void)served.pair().sessiond().wait_for_line("refused a connection to " + served.path(kControl) +
                                               " from uid " + uid);
  served.check();
}

HF_TEST(whom_the_admin_sockets_mode_lets_in_may_look_and_its_group_operate) {
  if (geteuid() != 0) return;
  Served served;
  HF_EQ(chmod(served.pair().dir().path().c_str(), 0755), 0);
  const std::string path = served.path(kAdmin);
  HF_EQ(asked_by_nobody(path, "show info\n"), std::strerror(EACCES));  // 0660, of our own group
  HF_EQ(chmod(path.c_str(), 0666), 0);
  HF_CHECK(has(asked_by_nobody(path, "show info\n"), "Name: "));
  HF_CHECK(has(asked_by_nobody(path, "drain on\n"), "is for level operator, this is user"));
  HF_EQ(chown(path.c_str(), 0, getpwnam("nobody")->pw_gid), 0);
  HF_EQ(chmod(path.c_str(), 0660), 0);
  HF_CHECK(!has(asked_by_nobody(path, "drain on\n"), "denied"));
  HF_CHECK(!has(asked_by_nobody(path, "drain off\n"), "denied"));
  HF_CHECK(has(asked_by_nobody(path, "reload\n"), "is for level admin, this is operator"));
  served.check();
}

HF_TEST(a_listed_user_is_an_operator_and_no_admin) {
  if (geteuid() != 0) return;
  PairOptions options;
  options.sessiond_admin = "mode=0666 allow_uid=nobody";  // listed is more than let in
  Served served(options);
  HF_EQ(chmod(served.pair().dir().path().c_str(), 0755), 0);
  const std::string path = served.path(kAdmin);
  HF_CHECK(has(asked_by_nobody(path, "show info\n"), "Name: "));
  HF_CHECK(!has(asked_by_nobody(path, "drain on\n"), "denied"));
  HF_CHECK(!has(asked_by_nobody(path, "drain off\n"), "denied"));
  HF_CHECK(has(asked_by_nobody(path, "reload\n"), "is for level admin, this is operator"));
  HF_CHECK(!has(asked_by_nobody(path, "help\n"), "reload"));
  HF_CHECK(has(served.pair().admin("help"), "reload"));
  HF_EQ(asked_by_nobody(served.path(kControl), hello("n")), std::strerror(EACCES));
  served.check();
}

HF_TEST(a_second_sessiond_does_not_start_and_the_first_serves_on) {
  Served served;
  Pair &pair = served.pair();
  const auto second = [&](const std::string &directives) {
    return run({program("holdfast-sessiond"),
                {"-c", pair.sessiond_conf_path(), "-g", directives},
                session_environment({}),
                pair.dir().path()});
  };
  const Finished same = second("session_timeout 1h;");
  HF_EQ(same.exit, (Exit{false, 1}));
  HF_CHECK(has(same.err, "already running") && has(same.err, "sessiond.pid"));
  const Finished without_pid = second("pid off;");
  HF_EQ(without_pid.exit, (Exit{false, 1}));
  HF_CHECK(has(without_pid.err, "is held by process " + std::to_string(pair.sessiond().pid())));
  served.check();
}

HF_TEST(nonsense_on_either_socket_disturbs_nobody) {
  Served served;
  for (const std::string_view name : {kControl, kAdmin, kHttp, kMaster}) {
    std::vector<Connection> open;  // what is half a line stays open
    for (const std::string &text : kNonsense) {
      open.push_back(Connection::unix_socket(served.path(name)));
      (void)open.back().send_some(text);
    }
    served.check();
  }
  HF_CHECK(served.pair().sessiond().running() && served.pair().proxy().running());
}

HF_TEST(a_ten_megabyte_line_ends_at_its_bound) {
  constexpr size_t kLine = 10'000'000;
  constexpr size_t kTakenMax = 2'000'000;  // the bound, and what the kernel holds for the reader
  Served served;
  for (const std::string_view name : {kControl, kAdmin, kHttp, kMaster}) {
    HF_CHECK(pour(served.path(name), kLine) < kTakenMax);
    served.check();
  }
}

HF_TEST(a_thousand_clients_crowd_nobody_out) {
  constexpr size_t kClients = 1000;
  allow_many_descriptors();
  Served served;
  for (const std::string_view name : {kAdmin, kControl}) {
    std::vector<UniqueFd> crowd;
    for (size_t i = 0; i < kClients; ++i) {
      crowd.push_back(connect_to(served.path(name)));
      HF_CHECK(crowd.back());
    }
    served.check();
  }
  served.check();
  // Refusals are told a few times a second, not a thousand times.
  HF_CHECK(served.pair().sessiond().count_lines("event=link_refused") < 100);
}

HF_TEST(peers_that_ask_and_never_read_hold_up_nobody) {
  constexpr int kSessions = 50;
  constexpr int kPeers = 60;
  Served served;
  std::vector<StreamableClient> clients;
  for (int i = 0; i < kSessions; ++i) {
    clients.emplace_back(served.pair().proxy_port());
    clients.back().open();
  }
  std::string questions = "prompt\n";
  for (int i = 0; i < 200; ++i) questions += "show sess json\n";
  std::vector<Connection> peers;
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(Connection::unix_socket(served.path(kAdmin)));
    (void)peers.back().send_some(questions);
  }
  served.check();
  // As proxies: each says hello and asks for slots, and reads neither answer.
  for (int i = 0; i < kPeers; ++i) {
    peers.push_back(Connection::unix_socket(served.path(kControl)));
    (void)peers.back().send_some(hello("node" + std::to_string(i)));
    std::string asks;
    for (int k = 0; k < 300; ++k) {
      asks += R"({"t":"admit","session":"s)" + std::to_string(i * 1000 + k) +
              R"(","user":"-","policy":"","transport":"streamable","peer":"192.0.2.1"})"
              "\n";
    }
    (void)peers.back().send_some(asks);
  }
  served.check();
  peers.clear();
  HF_CHECK(eventually([&] { return served.pair().sessions_count() == kSessions + 1; }));
  served.check();
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(other_users_are_kept_out_by_the_sockets_modes),
      HF_UNIT(a_wide_mode_alone_lets_nobody_in),
      HF_UNIT(whom_the_admin_sockets_mode_lets_in_may_look_and_its_group_operate),
      HF_UNIT(a_listed_user_is_an_operator_and_no_admin),
      HF_UNIT(a_second_sessiond_does_not_start_and_the_first_serves_on),
      HF_UNIT(nonsense_on_either_socket_disturbs_nobody),
      HF_UNIT(a_ten_megabyte_line_ends_at_its_bound),
      HF_UNIT(a_thousand_clients_crowd_nobody_out),
      HF_UNIT(peers_that_ask_and_never_read_hold_up_nobody),
  };
  return HF_RUN(tests);
}
