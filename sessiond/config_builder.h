// From the checked tree of sessiond.conf to a Config: the conf's settings, then .env, then the
// environment, then -g, each over the one before, then the named policies, which inherit the
// result. Faults go to the report and the walk goes on, so that all of them are told at once. Lives
// for one load.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/conf_parser.h"
#include "common/conf_values.h"
#include "sessiond/config.h"
#include "sessiond/directives.h"

namespace holdfast::sessiond {

class ConfigBuilder {
 public:
  // Borrows everything until build() returns.
  ConfigBuilder(const ConfRequest &request, ConfSource &source, ConfTree &tree, ConfReport &report)
      : request_(request), source_(source), tree_(tree), report_(report) {}

  Config build();

 private:
  struct Source {
    Origin origin = Origin::default_value;
    std::string where;
    ConfSpan span;
    std::string value = {};  // of settings of the daemon; those of a policy print themselves
  };
  using Sources = std::map<std::string_view, Source>;  // by the setting's name, static storage

  // config_load.cpp: the daemon, and the settings of a policy
  void apply_main(const ConfDirective &directive);
  void apply_daemon(const ConfDirective &directive);
  void apply_setting(Policy &policy, Sources &sources, const ConfDirective &directive);
  void check_setting(const ConfDirective &directive);
  void check_activity(const ConfDirective &directive);
  void warn_about_bare_timeout(const ConfDirective &directive);
  void build_policy(const ConfDirective &block);
  void warn_about_lock_out(const Policy &policy, const Sources &sources, const std::string &whose);
  void warn_about_no_effect(const Policy &policy, const Sources &sources, const std::string &whose);
  Source source_of(const ConfDirective &directive) const;
  std::string line_place(const ConfSpan &span) const;
  void list_settings(const std::string &policy_name, const Policy &policy, const Sources &sources);
  void list_daemon_settings();

  // config_env.cpp
  void apply_env_file();
  void apply_environment();
  void apply_variable(const EnvironmentName &name, const std::string &value, const Source &source);

  // config_sockets.cpp
  SocketOptions read_socket(const ConfDirective &directive, mode_t default_mode);
  void read_mode(SocketOptions &socket, const ConfWord &word, std::string_view digits);
  void read_allowed_users(SocketOptions &socket, const ConfWord &word, std::string_view list);
  void check_sockets_differ();

  const ConfRequest &request_;
  ConfSource &source_;
  ConfTree &tree_;
  ConfReport &report_;
  Config config_;
  Sources sources_;                                             // of the main level
  std::map<std::string, const ConfDirective *> policy_blocks_;  // first of each name
  const ConfDirective *env_file_directive_ = nullptr;
};

}  // namespace holdfast::sessiond
