// From the checked tree to a Config: the conf's settings, then .env, then the environment, then -g,
// each over the one before, then the named policies, which inherit the result.
#include <algorithm>
#include <map>
#include <set>

#include "common/conf_check.h"
#include "common/conf_values.h"
#include "common/env_file.h"
#include "common/units.h"
#include "sessiond/config.h"
#include "sessiond/directives.h"

namespace holdfast::sessiond {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

struct Source {
  Origin origin = Origin::default_value;
  std::string where;
  ConfSpan span;
};
using Sources = std::map<std::string_view, Source>;  // by the setting's name, static storage

// "conf/sessiond.conf:12": the column helps nobody who asks where a value came from.
std::string line_place(const ConfTree &tree, const ConfSpan &span) {
  const std::string place = place_text(tree.files, span);
  return place.substr(0, place.rfind(':'));
}

class Builder {
 public:
  Builder(const ConfRequest &request, ConfSource &source, LoadedConf<Config> &loaded)
      : request_(request), source_(source), tree_(loaded.tree), report_(loaded.report) {}

  Config build();

 private:
  void apply_main(const ConfDirective &directive);
  void apply_setting(Policy &policy, Sources &sources, const ConfDirective &directive);
  bool check_setting(const ConfDirective &directive);
  void check_activity(const ConfDirective &directive);
  void warn_about_bare_timeout(const ConfDirective &directive);

  void apply_env_file();
  void apply_environment();
  void apply_variable(const EnvironmentName &name, const std::string &value, const ConfSpan &span,
                      const Source &source);

  void build_policy(const ConfDirective &block);
  void read_socket(SocketOptions &socket, const ConfDirective &directive, bool may_be_off);
  void read_socket_param(SocketOptions &socket, const ConfWord &word);
  void check_sockets_differ();
  void warn_about_lock_out(const Policy &policy, const Sources &sources, const std::string &whose);
  void list_settings(const std::string &policy_name, const Policy &policy, const Sources &sources);

  const ConfRequest &request_;
  ConfSource &source_;
  ConfTree &tree_;
  ConfReport &report_;
  Config config_;
  Sources top_sources_;
  std::map<std::string, const ConfDirective *> policy_blocks_;  // first of each name
  std::map<std::string_view, ConfSpan> socket_spans_;           // where each socket was named
  const ConfDirective *env_file_directive_ = nullptr;
};

Config Builder::build() {
  config_.control_socket = {request_.resolve("run/sessiond.sock"), 0600, {}};
  config_.admin_socket = {request_.resolve("run/admin.sock"), 0660, {}};
  config_.http_socket = {request_.resolve("run/http.sock"), 0600, {}};
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
  warn_about_lock_out(config_.top, top_sources_, "");
  list_settings("", config_.top, top_sources_);
  for (const ConfDirective &directive : tree_.directives) {
    if (directive.row != nullptr && directive.has_block) build_policy(directive);
  }
  return std::move(config_);
}

void Builder::apply_main(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  const std::string &word = directive.args.front().text;
  if (find_policy_setting(name) != nullptr) {
    apply_setting(config_.top, top_sources_, directive);
  } else if (name == "control_socket") {
    read_socket(config_.control_socket, directive, false);
  } else if (name == "admin_socket") {
    read_socket(config_.admin_socket, directive, true);
  } else if (name == "http_socket") {
    read_socket(config_.http_socket, directive, true);
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

void Builder::apply_setting(Policy &policy, Sources &sources, const ConfDirective &directive) {
  if (!check_setting(directive)) return;
  const std::string_view name = directive.row->name;
  find_policy_setting(name)->set(policy, arg_texts(directive));
  const bool command_line = tree_.from_command_line(directive);
  sources[name] = {command_line ? Origin::command_line : Origin::conf,
                   command_line ? "-g" : line_place(tree_, directive.span()), directive.span()};
}

// What is planned is refused by name: a setting that is read and not obeyed would be a trap.
bool Builder::check_setting(const ConfDirective &directive) {
  const std::string_view name = directive.row->name;
  const ConfWord &word = directive.args.front();
  const bool planned =
      (name == "at_capacity" && word.text == "evict_idle") ||
      ((name == "orphan_timeout" || name == "unused_timeout") && word.text != "off");
  if (planned) {
    report_.error(word.span, in_quotes(std::string(name) + " " + word.text) +
                                 " is not supported by this version");
    return false;
  }
  if (name == "activity") check_activity(directive);
  if (name == "session_timeout") warn_about_bare_timeout(directive);
  return true;
}

void Builder::check_activity(const ConfDirective &directive) {
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

void Builder::warn_about_bare_timeout(const ConfDirective &directive) {
  constexpr uint64_t kDaySeconds = 86'400;
  const ConfWord &word = directive.args.front();
  const auto seconds = parse_whole(word.text, 0, UINT64_MAX);
  if (!seconds || *seconds <= kDaySeconds) return;
  const uint64_t days = *seconds / kDaySeconds;
  report_.warning(word.span, word.text + " seconds is " + std::to_string(days) +
                                 (days == 1 ? " day" : " days") + "; write " + word.text + "ms?");
}

// --- .env and the environment --------------------------------------------------------------------

void Builder::apply_env_file() {
  std::string path = ".env";
  if (env_file_directive_ != nullptr) path = read_path_or_off(*env_file_directive_, request_);
  if (path.empty()) return;
  auto text = source_.read_file(path);
  if (!text) {
    if (env_file_directive_ != nullptr) {
      report_.error(env_file_directive_->args.front().span, text.error().message);
    } else if (text.error().sys_errno != ENOENT) {
      report_.error(ConfSpan{}, text.error().message);
    }
    return;
  }
  config_.env_file = path;
  const auto file = static_cast<uint32_t>(tree_.files.size());
  tree_.files.push_back({path, normalise_lines(*text), ConfFile::Kind::env_file, ""});
  std::map<std::string, EnvEntry> entries;
  for (EnvEntry &entry : parse_env_file(tree_.files[file].text)) {
    entries[entry.name] = std::move(entry);
  }
  for (const EnvironmentName &name : kEnvironmentNames) {
    const auto it = entries.find(std::string(name.variable));
    if (it == entries.end() || it->second.value.empty()) continue;
    // The real environment wins, so that what it overrides need not even be valid.
    if (source_.environment(it->first)) continue;
    const ConfSpan span{file, it->second.begin, it->second.end};
    apply_variable(name, it->second.value, span, {Origin::env_file, line_place(tree_, span), span});
  }
}

void Builder::apply_environment() {
  for (const EnvironmentName &name : kEnvironmentNames) {
    const std::string variable(name.variable);
    if (const auto value = source_.environment(variable)) {
      apply_variable(name, *value, ConfSpan{}, {Origin::environment, variable, ConfSpan{}});
    }
  }
}

// The environment's spelling of a value as the conf would have it: bare times are milliseconds
// there, switches have more words.
Result<std::string> conf_word(const ConfRow &row, const std::string &value) {
  if (row.type == ConfType::time) {
    const auto duration = parse_duration(value, BareUnit::milliseconds);
    if (!duration) return duration.error();
    return duration_text(*duration);
  }
  if (row.type == ConfType::onoff) {
    const auto on = parse_loose_switch(value);
    if (!on) return on.error();
    return std::string(*on ? "on" : "off");
  }
  const auto count = parse_count(value, row.min, row.max);
  if (!count) return count.error();
  return value;
}

void Builder::apply_variable(const EnvironmentName &name, const std::string &value,
                             const ConfSpan &span, const Source &source) {
  const ConfRow &row = *conf_schema().find(name.setting, kMain);
  const std::string variable(name.variable);
  auto word = conf_word(row, value);
  Result<void> outcome;
  if (!word) {
    outcome = word.error();
  } else {
    outcome = check_value(row, *word);
  }
  if (!outcome) {
    report_.error(span, variable + ": " + outcome.error().message +
                            (span.has_file() ? "" : " in the environment"));
    return;
  }
  find_policy_setting(name.setting)->set(config_.top, {*word});
  top_sources_[row.name] = source;
}

// --- named policies ------------------------------------------------------------------------------

void Builder::build_policy(const ConfDirective &block) {
  const ConfWord &name = block.args.front();
  if (!is_policy_name(name.text)) {
    report_.error(name.span, in_quotes(name.text) +
                                 " is not a policy name; use letters, digits, \".\", \"_\", \"-\"");
    return;
  }
  const auto [first, is_first] = policy_blocks_.emplace(name.text, &block);
  if (!is_first) {
    report_.error(name.span, "policy " + in_quotes(name.text) + " is duplicate (first at " +
                                 line_place(tree_, first->second->span()) + ")");
    return;
  }
  NamedPolicy named{name.text, config_.top};
  Sources sources = top_sources_;
  bool sets_cap = false;
  bool sets_mode = false;
  for (const ConfDirective &directive : block.children) {
    if (directive.row == nullptr) continue;
    apply_setting(named.policy, sources, directive);
    sets_cap = sets_cap ||
               (directive.row->name == "max_sessions" && named.policy.max_sessions.has_value());
    sets_mode = sets_mode || directive.row->name == "persistent_mode";
  }
  // A cap of its own is a statement about many clients: it outweighs a mode that is only inherited.
  if (sets_cap && !sets_mode) {
    named.policy.persistent_mode = std::nullopt;
    sources.erase("persistent_mode");
  }
  warn_about_lock_out(named.policy, sources, "policy " + named.name + ": ");
  list_settings(named.name, named.policy, sources);
  config_.policies.push_back(std::move(named));
}

void Builder::warn_about_lock_out(const Policy &policy, const Sources &sources,
                                  const std::string &whose) {
  if (!can_lock_everybody_out(policy)) return;
  const std::string cap = std::to_string(*policy.max_sessions);
  const auto source = sources.find("max_sessions");
  report_.warning(source == sources.end() ? ConfSpan{} : source->second.span,
                  whose + "persistent_mode is on and max_sessions is " + cap +
                      ": sessions never expire, so once " + cap +
                      " are open nobody else gets in until one is closed by hand");
}

void Builder::list_settings(const std::string &policy_name, const Policy &policy,
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

// --- sockets -------------------------------------------------------------------------------------

void Builder::read_socket(SocketOptions &socket, const ConfDirective &directive, bool may_be_off) {
  socket_spans_[directive.row->name] = directive.span();
  const ConfWord &path = directive.args.front();
  if (path.text == "off") {
    if (!may_be_off) report_.error(path.span, "the control socket cannot be off: proxies need it");
    socket.path.clear();
    return;
  }
  socket.path = read_socket_path(path.text, path.span, request_, report_);
  for (size_t i = 1; i < directive.args.size(); ++i) read_socket_param(socket, directive.args[i]);
}

void Builder::read_socket_param(SocketOptions &socket, const ConfWord &word) {
  const ConfParam param = split_param(word.text);
  if (param.name == "mode" && param.has_value) {
    const std::string_view digits = param.value;
    const bool octal = digits.size() >= 3 && digits.size() <= 4 &&
                       digits.find_first_not_of("01234567") == std::string_view::npos;
    mode_t mode = 0;
    for (const char digit : digits) mode = mode * 8 + static_cast<mode_t>(octal ? digit - '0' : 0);
    if (!octal || mode > 0777) {
      report_.error(word.span, in_quotes(param.value) + " is not a mode; write mode=0660");
      return;
    }
    socket.mode = mode;
  } else if (param.name == "allow_uid" && param.has_value) {
    std::string_view rest = param.value;
    while (true) {
      const size_t comma = rest.find(',');
      const std::string one(rest.substr(0, comma));
      if (const auto number = parse_whole(one, 0, UINT32_MAX - 1)) {
        socket.allow_uids.push_back(static_cast<uid_t>(*number));
      } else if (const auto id = source_.user_id(one)) {
        socket.allow_uids.push_back(*id);
      } else {
        report_.error(word.span, id.error().message);
      }
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  } else {
    report_.error(word.span, "invalid parameter " + in_quotes(word.text) + " (mode=, allow_uid=)");
  }
}

void Builder::check_sockets_differ() {
  std::set<std::string> paths;
  for (const auto &[name, socket] : {std::pair{"control_socket", &config_.control_socket},
                                     std::pair{"admin_socket", &config_.admin_socket},
                                     std::pair{"http_socket", &config_.http_socket}}) {
    if (socket->path.empty() || paths.insert(socket->path).second) continue;
    report_.error(socket_spans_[name], in_quotes(socket->path) + " is named for two sockets");
  }
}

}  // namespace

LoadedConf<Config> load_config(const ConfRequest &request, ConfSource &source) {
  LoadedConf<Config> loaded;
  loaded.tree = parse_conf(request, conf_schema(), source, loaded.report);
  check_conf(loaded.tree, conf_schema(), loaded.report);
  Config config = Builder(request, source, loaded).build();
  loaded.report.sort();
  if (!loaded.report.ok()) return loaded;
  config.warnings = loaded.report.warnings(loaded.tree.files);
  loaded.config = std::make_shared<const Config>(std::move(config));
  return loaded;
}

}  // namespace holdfast::sessiond
