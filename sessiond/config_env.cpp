// What .env and the environment say about the top-level policy.
#include <cerrno>

#include "common/conf_check.h"
#include "common/env_file.h"
#include "common/units.h"
#include "sessiond/config_builder.h"

namespace holdfast::sessiond {

namespace {

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

}  // namespace

void ConfigBuilder::apply_env_file() {
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
  for (const EnvironmentName &name : kEnvironmentNames) {
    tree_.known_variables.push_back(name.variable);
  }
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
    apply_variable(name, it->second.value, {Origin::env_file, line_place(span), span});
  }
}

void ConfigBuilder::apply_environment() {
  for (const EnvironmentName &name : kEnvironmentNames) {
    const std::string variable(name.variable);
    if (const auto value = source_.environment(variable)) {
      apply_variable(name, *value, {Origin::environment, variable, ConfSpan{}});
    }
  }
}

void ConfigBuilder::apply_variable(const EnvironmentName &name, const std::string &value,
                                   const Source &source) {
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
    report_.error(source.span, variable + ": " + outcome.error().message +
                                   (source.span.has_file() ? "" : " in the environment"));
    return;
  }
  find_policy_setting(name.setting)->set(config_.top, {*word});
  sources_[row.name] = source;
}

}  // namespace holdfast::sessiond
