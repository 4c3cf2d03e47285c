// Everything sessiond.conf, .env, the environment and -g say, after precedence (-g > environment >
// .env > conf > default). Immutable once built; a reload builds another beside it and swaps.
// Loading reads files through a ConfSource and reports every error, see load_config().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/command_line.h"
#include "common/conf_values.h"
#include "common/unix_listener.h"
#include "sessiond/core/policy.h"

namespace holdfast::sessiond {

// Where a setting's value came from; the words are those of `show config origin`.
enum class Origin { default_value, conf, env_file, environment, command_line };
std::string_view to_word(Origin origin) noexcept;

// One setting as a person may ask about it: "max_sessions", "100", ".env:3".
struct Setting {
  std::string policy;  // empty for the top level
  std::string name;
  std::string value;  // printed so that the directive can be written with it
  Origin origin = Origin::default_value;
  std::string where;  // "conf/sessiond.conf:12", ".env:3", "MAX_SESSIONS"; empty for a default
};

struct Config {
  Policy top;                         // the top-level policy; its cap counts all sessions
  std::vector<NamedPolicy> policies;  // in the order of the file; caps count in addition

  SocketOptions control_socket;  // the proxies' link; never off
  SocketOptions admin_socket;    // paths are absolute; an empty one is switched off
  SocketOptions http_socket;

  bool log_full_ids = false;
  Millis tombstone_lifetime{std::chrono::hours{1}};  // how long an ended session's reason is kept
  ErrorLog error_log;
  std::string pid_path;  // absolute; empty = none
  RunAs run_as;
  bool sandbox = true;

  std::string env_file;               // the .env that was read; empty when there was none
  std::vector<Setting> settings;      // every setting with its origin, top level first
  std::vector<std::string> warnings;  // for the log at start and for -t; none stops the daemon

  // The policy of that name; the top-level one for "" and for a name nobody defined.
  const Policy &policy(std::string_view name) const noexcept;
  bool has_policy(std::string_view name) const noexcept;

  // How often expiry has to be looked at so that every policy's own interval is kept.
  Millis sweep_interval() const noexcept;
};

// Reads sessiond.conf, .env and the environment through `source`. `config` is null when the report
// has errors; the tree is what -T dumps. Blocks while it reads: at start and on reload only.
LoadedConf<Config> load_config(const ConfRequest &request, ConfSource &source);

// The banner sessiond prints to stdout at start, with its last line end: the effective top-level
// policy, then one block for each named policy headed by its name.
std::string start_banner(const Config &config);

}  // namespace holdfast::sessiond
