// The daemon's own settings, those of a policy, and the order in which their sources count.
#include <algorithm>

#include "common/conf_check.h"
#include "common/units.h"
#include "sessiond/config_builder.h"

namespace holdfast::sessiond {

namespace {

// Only we and root drive sessions; people of the socket's group may look and ask.
constexpr mode_t kControlSocketMode = 0600;
constexpr mode_t kAdminSocketMode = 0660;
constexpr mode_t kHttpSocketMode = 0600;

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

}  // namespace

// "conf/sessiond.conf:12": the column helps nobody who asks where a value came from.
std::string ConfigBuilder::line_place(const ConfSpan &span) const {
  const std::string place = place_text(tree_.files, span);
  return place.substr(0, place.rfind(':'));
}

ConfigBuilder::Source ConfigBuilder::source_of(const ConfDirective &directive) const {
  const bool command_line = tree_.from_command_line(directive);
  std::string value;
  for (const ConfWord &word : directive.args) value += (value.empty() ? "" : " ") + word.text;
  return {command_line ? Origin::command_line : Origin::conf,
          command_line ? "-g" : line_place(directive.span()), directive.span(), std::move(value)};
}

Config ConfigBuilder::build() {
  config_.control_socket = {request_.resolve("run/sessiond.sock"), kControlSocketMode, {}};
  config_.admin_socket = {request_.resolve("run/admin.sock"), kAdminSocketMode, {}};
  config_.http_socket = {request_.resolve("run/http.sock"), kHttpSocketMode, {}};
  config_.pid_path = request_.resolve("run/holdfast-sessiond.pid");
  if (!request_.error_log.empty()) config_.error_log.target = request_.error_log;

  const auto apply_from = [this](bool command_line) {
    for (const ConfDirective &directive : tree_.directives) {
      const bool wanted = tree_.from_command_line(directive) == command_line;
      if (directive.row != nullptr && wanted) apply_main(directive);
    }
  };
  apply_from(false);
  for (const ConfDirective &directive : tree_.directives) {
    const bool names_it = directive.row != nullptr && directive.row->name == "env_file";
    if (names_it) env_file_directive_ = &directive;  // those of -g come last
  }
  apply_env_file();
  apply_environment();
  apply_from(true);
  check_sockets_differ();
  warn_about_lock_out(config_.top, sources_, "");
  warn_about_no_effect(config_.top, sources_, "");
  list_settings("", config_.top, sources_);
  list_daemon_settings();
  for (const ConfDirective &directive : tree_.directives) {
    if (directive.row != nullptr && directive.has_block) build_policy(directive);
  }
  return std::move(config_);
}

void ConfigBuilder::apply_main(const ConfDirective &directive) {
  if (find_policy_setting(directive.row->name) != nullptr) {
    apply_setting(config_.top, sources_, directive);
  } else if (!directive.has_block) {
    sources_[directive.row->name] = source_of(directive);
    apply_daemon(directive);
  }
}

void ConfigBuilder::apply_daemon(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  const std::string &word = directive.args.front().text;
  if (name == "control_socket") {
    config_.control_socket = read_socket(directive, kControlSocketMode);
  } else if (name == "admin_socket") {
    config_.admin_socket = read_socket(directive, kAdminSocketMode);
  } else if (name == "http_socket") {
    config_.http_socket = read_socket(directive, kHttpSocketMode);
  } else if (name == "log_full_ids") {
    config_.log_full_ids = word == "on";
  } else if (name == "tombstone_lifetime") {
    config_.tombstone_lifetime = *parse_duration(word);
  } else if (name == "error_log") {
    config_.error_log = read_error_log(directive, request_, report_);
  } else if (name == "pid") {
    config_.pid_path = read_path_or_off(directive, request_);
  } else if (name == "user") {
    config_.run_as = read_user(directive, source_, report_);
  } else if (name == "sandbox") {
    config_.sandbox = word == "on";
  }
}

// --- settings of a policy ------------------------------------------------------------------------

void ConfigBuilder::apply_setting(Policy &policy, Sources &sources,
                                  const ConfDirective &directive) {
  check_setting(directive);
  const std::string_view name = directive.row->name;
  find_policy_setting(name)->set(policy, arg_texts(directive));
  sources[name] = source_of(directive);
}

void ConfigBuilder::check_setting(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  if (name == "activity") check_activity(directive);
  if (name == "session_timeout") warn_about_bare_timeout(directive);
}

void ConfigBuilder::check_activity(const ConfDirective &directive) {
  constexpr size_t kMethodBytesMax = 128;
  for (const ConfWord &word : directive.args) {
    const bool keyword = word.text == "requests" || word.text == "messages";
    if (keyword && directive.args.size() > 1) {
      report_.error(word.span, in_quotes(word.text) + " stands alone: it includes every method");
      continue;
    }
    const bool printable = std::all_of(word.text.begin(), word.text.end(), [](char c) {
      return c > ' ' && c != 0x7f && c != '"' && c != '\\';
    });
    if (word.text.empty() || word.text.size() > kMethodBytesMax || !printable) {
      report_.error(word.span,
                    in_quotes(word.text) + " is not a JSON-RPC method; write tools/call");
    }
  }
}

void ConfigBuilder::warn_about_bare_timeout(const ConfDirective &directive) {
  constexpr uint64_t kDaySeconds = 86'400;
  const ConfWord &word = directive.args.front();
  const auto seconds = parse_whole(word.text, 0, UINT64_MAX);
  if (!seconds || *seconds <= kDaySeconds) return;
  const uint64_t days = *seconds / kDaySeconds;
  report_.warning(word.span, word.text + " seconds is " + std::to_string(days) +
                                 (days == 1 ? " day" : " days") + "; write " + word.text + "ms?");
}

// --- named policies ------------------------------------------------------------------------------

void ConfigBuilder::build_policy(const ConfDirective &block) {
  const ConfWord &name = block.args.front();
  if (!is_policy_name(name.text)) {
    report_.error(name.span, in_quotes(name.text) +
                                 " is not a policy name; use letters, digits, \".\", \"_\", \"-\"");
    return;
  }
  const auto [first, is_first] = policy_blocks_.emplace(name.text, &block);
  if (!is_first) {
    report_.error(name.span, "policy " + in_quotes(name.text) + " is duplicate (first at " +
                                 line_place(first->second->span()) + ")");
    return;
  }
  NamedPolicy named{name.text, config_.top};
  Sources sources = sources_;
  bool sets_cap = false;
  bool sets_mode = false;
  bool sets_unused = false;
  for (const ConfDirective &directive : block.children) {
    if (directive.row == nullptr) continue;
    apply_setting(named.policy, sources, directive);
    sets_cap = sets_cap ||
               (directive.row->name == "max_sessions" && named.policy.max_sessions.has_value());
    sets_mode = sets_mode || directive.row->name == "persistent_mode";
    sets_unused = sets_unused || directive.row->name == "unused_timeout";
  }
  // A cap of its own is a statement about many clients: it outweighs a mode that is only inherited.
  if (sets_cap && !sets_mode) {
    named.policy.persistent_mode = std::nullopt;
    sources.erase("persistent_mode");
  }
  warn_about_lock_out(named.policy, sources, "policy " + named.name + ": ");
  if (sets_unused) warn_about_no_effect(named.policy, sources, "policy " + named.name + ": ");
  list_settings(named.name, named.policy, sources);
  config_.policies.push_back(std::move(named));
}

void ConfigBuilder::warn_about_lock_out(const Policy &policy, const Sources &sources,
                                        const std::string &whose) {
  if (!can_lock_everybody_out(policy)) return;
  const std::string cap = std::to_string(*policy.max_sessions);
  const auto source = sources.find("max_sessions");
  report_.warning(source == sources.end() ? ConfSpan{} : source->second.span,
                  whose + "persistent_mode is on and max_sessions is " + cap +
                      ": sessions never expire, so once " + cap +
                      " are open nobody else gets in until one is closed by hand");
}

void ConfigBuilder::warn_about_no_effect(const Policy &policy, const Sources &sources,
                                         const std::string &whose) {
  if (!policy.unused_timeout || !is_persistent(policy)) return;
  report_.warning(sources.at("unused_timeout").span,
                  whose +
                      "unused_timeout spares persistent sessions, and all of them are: it "
                      "ends nobody");
}

void ConfigBuilder::list_settings(const std::string &policy_name, const Policy &policy,
                                  const Sources &sources) {
  for (const PolicySetting &setting : policy_settings()) {
    Setting entry{policy_name, std::string(setting.name), setting.show(policy), {}, ""};
    if (const auto it = sources.find(setting.name); it != sources.end()) {
      entry.origin = it->second.origin;
      entry.where = it->second.where;
    }
    config_.settings.push_back(std::move(entry));
  }
}

// The daemon's own settings: the words as they were written, or those that say the default.
void ConfigBuilder::list_daemon_settings() {
  for (const ConfRow &row : conf_schema().rows) {
    const bool listed =
        find_policy_setting(row.name) == nullptr && row.opens == 0 && !row.repeatable;
    if (!listed) continue;
    Setting entry{"", std::string(row.name), std::string(row.default_text), {}, ""};
    if (const auto it = sources_.find(row.name); it != sources_.end()) {
      entry.value = it->second.value;
      entry.origin = it->second.origin;
      entry.where = it->second.where;
    }
    config_.settings.push_back(std::move(entry));
  }
}

LoadedConf<Config> load_config(const ConfRequest &request, ConfSource &source) {
  LoadedConf<Config> loaded;
  loaded.tree = parse_conf(request, conf_schema(), source, loaded.report);
  check_conf(loaded.tree, conf_schema(), loaded.report);
  Config config = ConfigBuilder(request, source, loaded.tree, loaded.report).build();
  loaded.report.sort();
  if (!loaded.report.ok()) return loaded;
  config.warnings = loaded.report.warnings(loaded.tree.files);
  loaded.config = std::make_shared<const Config>(std::move(config));
  return loaded;
}

}  // namespace holdfast::sessiond
