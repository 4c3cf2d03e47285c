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

int start(const CommandLine &line, const ConfRequest &request) {
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
  print_findings(kProgram, loaded.tree, loaded.report);
  if (!loaded.config) return 1;
  if (line.signal) return signal_master(*loaded.config, *line.signal);
  const Result<void> log =
      log_open(loaded.config->error_log.target, loaded.config->error_log.level);
  if (!log) return fail(log.error().message);
  for (const std::string &warning : loaded.config->warnings) log_warn("{}", warning);
  Master master(request, loaded.config, std::move(bundle));
  return master.run();
}

int run(int argc, char **argv) {
  const Result<CommandLine> line = parse_command_line(argc, argv);
  if (!line) return fail(line.error().message);
  if (line->help) {
    print(help_text(kProgram, kDefaultConf));
    return 0;
  }
  if (line->version || line->build_info) {
    print(line->build_info ? build_info() : version_text(kProgram));
    return 0;
  }
  harden_process();
  log_prefix(kProgram);
  const Result<ConfRequest> request = make_conf_request(*line, kDefaultConf);
  if (!request) return fail(request.error().message);
  return start(*line, *request);
}

}  // namespace
}  // namespace holdfast::proxy

int main(int argc, char **argv) { return holdfast::proxy::run(argc, argv); }
