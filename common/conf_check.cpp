#include "common/conf_check.h"

#include <algorithm>
#include <unordered_map>

#include "common/suggest.h"
#include "common/units.h"

namespace holdfast {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_listed(std::span<const std::string_view> names, std::string_view name) noexcept {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class Checker {
 public:
  Checker(ConfTree &tree, const ConfSchema &schema, ConfReport &report)
      : tree_(tree), schema_(schema), report_(report) {}

  void check_block(std::vector<ConfDirective> &directives, ConfContexts context);

 private:
  using FirstSeen = std::unordered_map<std::string_view, const ConfDirective *>;

  const ConfRow *find_row(const ConfDirective &directive, ConfContexts context);
  const ConfRow *explain_unknown(const ConfDirective &directive, ConfContexts context);
  std::string_view suggest(std::string_view name, ConfContexts context) const;
  bool check_form(const ConfDirective &directive, const ConfRow &row);
  bool check_unique(const ConfDirective &directive, const ConfRow &row, FirstSeen &first_seen);
  bool check_type(const ConfDirective &directive, const ConfRow &row);

  ConfTree &tree_;
  const ConfSchema &schema_;
  ConfReport &report_;
};

void Checker::check_block(std::vector<ConfDirective> &directives, ConfContexts context) {
  FirstSeen first_seen;
  for (ConfDirective &directive : directives) {
    const size_t errors_before = report_.errors_count();
    const ConfRow *row = find_row(directive, context);
    if (row == nullptr) continue;
    if (report_.errors_count() == errors_before) {
      const bool form_ok = check_form(directive, *row);
      const bool unique = check_unique(directive, *row, first_seen);
      if (form_ok && unique && check_type(directive, *row)) directive.row = row;
    }
    if (row->opens != 0 && !row->free_form) check_block(directive.children, row->opens);
  }
}

// The row to go on with: of the directive itself, or of the block a misspelt word probably means.
const ConfRow *Checker::find_row(const ConfDirective &directive, ConfContexts context) {
  const ConfRow *row = schema_.find(directive.name.text, context);
  return row != nullptr ? row : explain_unknown(directive, context);
}

const ConfRow *Checker::explain_unknown(const ConfDirective &directive, ConfContexts context) {
  const std::string &name = directive.name.text;
  const std::string quoted = in_quotes(name);
  if (schema_.knows(name)) {
    report_.error(directive.span(), quoted + " is not allowed in " +
                                        in_quotes(schema_.context_names(context)) + " (only in " +
                                        schema_.context_names(schema_.contexts_of(name)) + ")");
  } else if (is_listed(schema_.later, name)) {
    report_.error(directive.span(), quoted + " is not supported by this version");
  } else if (is_listed(schema_.foreign.names, name)) {
    report_.error(directive.span(), quoted + " belongs in " + std::string(schema_.foreign.file));
  } else if (is_listed(schema_.nginx_only, name)) {
    report_.error(directive.span(), quoted + " is an nginx directive Holdfast does not have");
  } else {
    const std::string_view meant = suggest(name, context);
    report_.error(directive.span(),
                  "unknown directive " + quoted +
                      (meant.empty() ? "" : "; did you mean " + in_quotes(meant) + "?"));
    const ConfRow *row = schema_.find(meant, context);
    return row != nullptr && row->opens != 0 && directive.has_block ? row : nullptr;
  }
  return nullptr;
}

std::string_view Checker::suggest(std::string_view name, ConfContexts context) const {
  if (report_.errors_count() >= kFindingsShownMax) return {};  // nobody will see it
  std::vector<std::string_view> legal;
  for (const ConfRow &row : schema_.rows) {
    if ((row.contexts & context) != 0) legal.push_back(row.name);
  }
  return nearest(name, legal);
}

bool Checker::check_form(const ConfDirective &directive, const ConfRow &row) {
  const std::string quoted = in_quotes(row.name);
  if (row.opens != 0 && !directive.has_block) {
    report_.error(directive.span(), quoted + " has no opening \"{\"");
    return false;
  }
  if (row.opens == 0 && directive.has_block) {
    report_.error(directive.span(), quoted + " takes no block; end it with \";\"");
    return false;
  }
  const size_t count = directive.args.size();
  if (count >= row.args_min && (row.args_max == kManyArgs || count <= row.args_max)) return true;
  std::string wanted = std::to_string(row.args_min);
  if (row.args_max == kManyArgs) {
    wanted = "at least " + wanted;
  } else if (row.args_max != row.args_min) {
    wanted += " to " + std::to_string(row.args_max);
  }
  report_.error(directive.span(),
                quoted + " takes " + wanted + " argument(s), not " + std::to_string(count));
  return false;
}

bool Checker::check_unique(const ConfDirective &directive, const ConfRow &row,
                           FirstSeen &first_seen) {
  if (row.repeatable) return true;
  const auto [it, is_first] = first_seen.emplace(row.name, &directive);
  if (is_first) return true;
  const ConfDirective &first = *it->second;
  // -g overrides the file; twice in -g is a mistake again.
  if (tree_.from_command_line(directive) && !tree_.from_command_line(first)) {
    it->second = &directive;
    return true;
  }
  const ConfFile &file = tree_.files[first.span().file];
  const bool same_file = first.span().file == directive.span().file;
  const std::string line = std::to_string(place_of(file.text, first.span().begin).line);
  report_.error(directive.span(), in_quotes(row.name) + " is duplicate (first at " +
                                      (same_file ? "line " + line : file.name() + ":" + line) +
                                      ")");
  return false;
}

bool Checker::check_type(const ConfDirective &directive, const ConfRow &row) {
  if (directive.args.empty()) return true;
  const ConfWord &word = directive.args.front();
  const auto outcome = check_value(row, word.text);
  if (!outcome) report_.error(word.span, outcome.error().message);
  return bool(outcome);
}

Error bad_value(std::string message) { return Error{Errc::config, 0, std::move(message)}; }

// A number the row's type gives for a word: milliseconds, bytes, or the count itself.
Result<uint64_t> number_of(const ConfRow &row, std::string_view word) {
  if (row.type == ConfType::size) return parse_size(word);
  if (row.type == ConfType::count) return parse_count(word, row.min, row.max);
  const auto duration = parse_duration(word);
  if (!duration) return duration.error();
  return static_cast<uint64_t>(duration->count());
}

Result<void> check_range(const ConfRow &row, std::string_view word, uint64_t value) {
  if (value >= row.min && value <= row.max) return {};
  const bool low = value < row.min;
  const uint64_t bound = low ? row.min : row.max;
  return bad_value(in_quotes(row.name) + " must be at " + (low ? "least " : "most ") +
                   (row.type == ConfType::size
                        ? size_text(bound)
                        : duration_text(Millis{static_cast<int64_t>(bound)})) +
                   ", not " + std::string(word));
}

}  // namespace

Result<void> check_value(const ConfRow &row, std::string_view word) {
  if (row.type == ConfType::none || is_choice(row.words, word)) return {};
  if (row.type == ConfType::choice) {
    return bad_value(in_quotes(word) + " is not one of " + choices_text(row.words));
  }
  const std::string or_words = row.words.empty() ? "" : ", or " + choices_text(row.words);
  if (row.type == ConfType::onoff) {
    const auto value = parse_switch(word);
    if (value) return {};
    return bad_value(value.error().message +
                     (row.words.empty() ? "" : ", nor " + choices_text(row.words)));
  }
  const auto number = number_of(row, word);
  if (!number) return bad_value(number.error().message + or_words);
  return check_range(row, word, *number);
}

void check_conf(ConfTree &tree, const ConfSchema &schema, ConfReport &report) {
  Checker(tree, schema, report).check_block(tree.directives, kConfMain);
}

}  // namespace holdfast
