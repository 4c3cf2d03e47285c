// holdfast-sessiond: owns the session policy. Reads its configuration, binds its sockets and serves
// until a signal ends it.
#include <event2/event.h>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include "common/command_line.h"
#include "common/daemon.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "sessiond/confinement.h"
#include "sessiond/sessiond.h"
#include "sessiond/signal_command.h"

namespace {

using namespace holdfast;

constexpr const char *kProgram = "holdfast-sessiond";
constexpr const char *kConfName = "sessiond.conf";

void print(std::FILE *to, const std::string &text) { (void)std::fputs(text.c_str(), to); }

// The last word of a daemon that does not start: to the person, and to the log if that is
// elsewhere.
int fail(const std::string &message, const ErrorLog &log = {}) {
  print(stderr, fmt::format("{}: [emerg] {}\n", kProgram, message));
  if (log.target != "stderr") log_error("event=start_failed error={}", quoted(message, 1024));
  return 1;
}

int print_build_info() {
  const std::array<LibraryVersion, 4> libraries{{
      {"libevent", LIBEVENT_VERSION, event_get_version()},
      {"jansson", JANSSON_VERSION, jansson_version_str()},
      {"OpenSSL", OPENSSL_VERSION_TEXT, OpenSSL_version(OPENSSL_VERSION)},
      {"fmt", std::to_string(FMT_VERSION), ""},
  }};
  print(stderr, build_info_text(kProgram, libraries));
  return 0;
}

void confine(const ConfRequest &request, const ConfBundle &read, const sessiond::Config &config) {
  SandboxState state;
  if (config.sandbox) state = enter_sandbox(sessiond::confinement(request, read, config));
  log_info("event=sandbox {} uid={} pid={}", state.words(), ::geteuid(), ::getpid());
  if (!state.missing.empty())
    log_warn("event=sandbox_incomplete missing={}", quoted(state.missing_text(), 1024));
}

int serve(const ConfRequest &request, const ConfBundle &read,
          const std::shared_ptr<const sessiond::Config> &config) {
  harden_process();
  log_prefix(kProgram);
  if (const auto opened = log_open(config->error_log.target, config->error_log.level); !opened) {
    return fail(opened.error().message);
  }
  std::unique_ptr<PidFile> pid_file;
  if (!config->pid_path.empty()) {
    auto created = PidFile::create(config->pid_path);
    if (!created) return fail(created.error().message, config->error_log);
    pid_file = *std::move(created);
  }
  // Before the sockets are bound: they and their folder belong to whom we serve as.
  if (const auto dropped = drop_privileges(config->run_as); !dropped) {
    return fail(dropped.error().message, config->error_log);
  }
  const SystemClock clock;
  auto daemon = sessiond::Sessiond::create(clock, request, config);
  if (!daemon) return fail(daemon.error().message, config->error_log);

  confine(request, read, *config);
  const RefusalWatch refusals((*daemon)->base(), [](const std::string &call, uint64_t refused) {
    log_warn("event=syscall_refused call={} refused={} hint=\"the sandbox does not know it\"", call,
             refused);
  });

  print(stdout, sessiond::start_banner(*config));
  (void)std::fflush(stdout);  // ignoring: a closed stdout must not keep us from serving
  for (const std::string &warning : config->warnings) {
    log_warn("event=configuration warning={}", quoted(warning, 1024));
  }
  log_info("event=ready version={} pid={} control_socket={} admin_socket={} http_socket={}",
           holdfast_version(), ::getpid(), quoted(config->control_socket.path),
           quoted(config->admin_socket.path), quoted(config->http_socket.path));
  (*daemon)->run();
  log_info("event=stopped");
  return 0;
}

int run(const CommandLine &line) {
  if (line.help) return print(stdout, help_text(kProgram, kConfName)), 0;
  if (line.version) return print(stderr, version_text(kProgram)), 0;
  if (line.build_info) return print_build_info();

  const auto request = make_conf_request(line, kConfName);
  if (!request) return fail(request.error().message);
  ConfBundle read;
  LiveConfSource source(&read);
  auto loaded = sessiond::load_config(*request, source);
  if (line.test) {
    const int code = print_conf_test(kProgram, line, *request, loaded.tree, loaded.report);
    if (code == 0 && !line.quiet) print(stderr, sandbox_notice(kProgram, loaded.config->sandbox));
    return code;
  }
  if (!loaded.config) {
    print_findings(kProgram, loaded.tree, loaded.report);
    return 1;
  }
  if (line.signal) return sessiond::deliver_signal(*loaded.config, *line.signal);
  return serve(*request, read, loaded.config);
}

}  // namespace

int main(int argc, char **argv) {
  const auto line = holdfast::parse_command_line(argc, argv);
  if (!line) return fail(line.error().message);
  return run(*line);
}
