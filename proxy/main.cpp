// holdfast-proxy: command line, then the master.
#include <event2/event-config.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include <array>
#include <cstdio>

#include "common/command_line.h"
#include "common/daemon.h"
#include "common/json.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "proxy/launch.h"
#include "proxy/master.h"

namespace holdfast::proxy {
namespace {

constexpr std::string_view kProgram = "holdfast-proxy";
constexpr std::string_view kDefaultConf = "proxy.conf";

int fail(const std::string &message) {
  (void)std::fprintf(stderr, "holdfast-proxy: [emerg] %s\n", message.c_str());
  return 1;
}

void print(const std::string &text) { (void)std::fputs(text.c_str(), stdout); }

std::string build_info() {
  const std::array<LibraryVersion, 3> libraries = {{
      {"libevent", EVENT__VERSION, event_get_version()},
      {"jansson", JANSSON_VERSION, jansson_version_str()},
      {"OpenSSL", OPENSSL_VERSION_TEXT, OpenSSL_version(OPENSSL_VERSION)},
  }};
  return build_info_text(kProgram, libraries);
}

// Who hears what keeps us from starting: whoever started us, or the proxy we are to replace.
int refuse(Heir *heir, const std::string &why) {
  return heir != nullptr ? heir->fail(why) : fail(why);
}

int serve(LoadedConf<Config> &loaded, const ConfRequest &request, ConfBundle bundle,
          const Launch &launch, std::unique_ptr<Heir> heir) {
  if (!loaded.config && heir) return heir->fail(loaded.report.text(loaded.tree.files, kProgram));
  print_findings(kProgram, loaded.tree, loaded.report);
  if (!loaded.config) return 1;
  const Result<void> log =
      log_open(loaded.config->error_log.target, loaded.config->error_log.level);
  if (!log) return refuse(heir.get(), log.error().message);
  for (const std::string &warning : loaded.config->warnings) log_warn("{}", warning);
  Master master(request, loaded.config, std::move(bundle), launch, std::move(heir));
  return master.run();
}

int start(const CommandLine &line, const ConfRequest &request, const Launch &launch,
          std::unique_ptr<Heir> heir) {
  ConfBundle bundle;
  bundle.request = request;
  LiveConfSource source(&bundle);
  LoadedConf<Config> loaded = load_config(request, source);
  if (line.test || line.dump) {
    const int code = print_conf_test(kProgram, line, request, loaded.tree, loaded.report);
    if (code == 0 && !line.quiet)
      (void)std::fputs(sandbox_notice(kProgram, loaded.config->sandbox).c_str(), stderr);
    return code;
  }
  if (!line.signal) return serve(loaded, request, std::move(bundle), launch, std::move(heir));
  print_findings(kProgram, loaded.tree, loaded.report);
  if (loaded.config) return signal_master(*loaded.config, *line.signal);
  if (line.signal == DaemonSignal::upgrade)
    (void)std::fputs("holdfast-proxy: [error] not upgraded, the old one still serves\n", stderr);
  return 1;
}

int run(int argc, char **argv) {
  const Result<CommandLine> line = parse_command_line(argc, argv);
  if (line && line->help) {
    print(help_text(kProgram, kDefaultConf));
    return 0;
  }
  if (line && (line->version || line->build_info)) {
    print(line->build_info ? build_info() : version_text(kProgram));
    return 0;
  }
  const bool serves = !line || (!line->test && !line->signal);
  Result<std::unique_ptr<Heir>> heir =
      serves ? Heir::from_environment() : Result<std::unique_ptr<Heir>>(nullptr);
  if (!heir) return fail(heir.error().message);
  if (!line) return refuse(heir->get(), line.error().message);
  const Launch launch = own_launch(argc, argv);
  harden_process();
  log_prefix(kProgram);
  const Result<ConfRequest> request = make_conf_request(*line, kDefaultConf);
  if (!request) return refuse(heir->get(), request.error().message);
  return start(*line, *request, launch, std::move(*heir));
}

}  // namespace
}  // namespace holdfast::proxy

int main(int argc, char **argv) { return holdfast::proxy::run(argc, argv); }
