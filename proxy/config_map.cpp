// map blocks, whose values are upstreams, and what proxy_pass http://$NAME makes of them.
#include <algorithm>

#include "common/suggest.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_variable(const ValuePart &part) { return part.variable.has_value(); }

}  // namespace

void ConfigBuilder::build_maps(const Directives &directives) {
  for (const ConfDirective &directive : directives) {
    if (directive.row == nullptr) continue;
    if (directive.row->name == "http") build_maps(directive.children);
    if (directive.row->name == "map") build_map(directive);
  }
}

// A map with a fault was told of; its name is known all the same, and whoever uses it says no more.
void ConfigBuilder::build_map(const ConfDirective &block) {
  UpstreamMap map;
  bool good = read_map_source(map, block.args[0]);
  const ConfWord &name = block.args[1];
  if (!read_map_name(name)) return;
  const ConfDirective *fallback = nullptr;
  for (const ConfDirective &rule : block.children) {
    if (rule.has_block || rule.args.size() != 1) {
      fail(rule.span(), "a rule of a map is a text and an upstream: " +
                            (rule.name.text.empty() ? "\"\"" : rule.name.text) + " UPSTREAM;");
      good = false;
      continue;
    }
    good = check_map_value(rule.args.front()) && good;
    map.upstreams.push_back(rule.args.front().text);
    if (rule.name.text != "default") {
      good = read_map_rule(map, rule.name) && good;
    } else if (fallback == nullptr) {
      fallback = &rule;
      map.fallback = map.upstreams.size() - 1;
    } else {
      fail(rule.span(),
           "the map has a default already (at " + place_text(tree_.files, fallback->span()) + ")");
      good = false;
    }
  }
  if (fallback == nullptr) {
    fail(block.span(), "the map has no \"default\": a request that meets no rule had no server");
    good = false;
  }
  std::stable_sort(map.patterns.begin(), map.patterns.end(), [](const auto &a, const auto &b) {
    if (a.masked != b.masked) return a.masked;
    return a.masked && a.pattern.text().size() > b.pattern.text().size();
  });
  if (!good) return;
  map_indices_.emplace(name.text, config_.maps.size());
  config_.maps.push_back(std::move(map));
}

bool ConfigBuilder::read_map_source(UpstreamMap &map, const ConfWord &source) {
  auto parts = parse_header_value(source.text);
  if (!parts) {
    fail(source.span, parts.error().message);
    return false;
  }
  if (std::none_of(parts->begin(), parts->end(), is_variable)) {
    fail(source.span, in_quotes(source.text) +
                          " is the same for every request; write a variable, as in map $mcp_name");
    return false;
  }
  for (const ValuePart &part : *parts) {
    if (part.variable != Variable::proxy_host) continue;
    fail(source.span, "\"$proxy_host\" is what the map decides about");
    return false;
  }
  map.source = std::move(*parts);
  return true;
}

// "$backend": a new name.
bool ConfigBuilder::read_map_name(const ConfWord &word) {
  if (!is_variable_name(word.text)) {
    fail(word.span, in_quotes(word.text) + " is not a variable; write $NAME");
    return false;
  }
  if (parse_header_value(word.text)) {
    fail(word.span, in_quotes(word.text) + " is a variable already");
    return false;
  }
  const auto [first, is_first] = map_spans_.emplace(word.text, word.span);
  if (!is_first) {
    fail(word.span, "the variable " + in_quotes(word.text) + " has a map already (at " +
                        place_text(tree_.files, first->second) + ")");
  }
  return is_first;
}

bool ConfigBuilder::check_map_value(const ConfWord &value) {
  if (upstream_spans_.contains(value.text)) return true;
  std::vector<std::string_view> names;
  for (const auto &entry : upstream_spans_) names.push_back(entry.first);
  fail(value.span, "unknown upstream " + in_quotes(value.text) + did_you_mean(value.text, names));
  return false;
}

// The rule whose upstream was read last.
bool ConfigBuilder::read_map_rule(UpstreamMap &map, const ConfWord &word) {
  const size_t rule = map.upstreams.size() - 1;
  auto pattern = TextPattern::of_map(word.text);
  if (!pattern) {
    fail(word.span, pattern.error().message);
    return false;
  }
  const bool expression = word.text.starts_with('~');
  bool known = false;
  if (!expression && !pattern->prefix()) {
    known = !map.exact.emplace(pattern->text(), rule).second;
  } else {
    known =
        std::any_of(map.patterns.begin(), map.patterns.end(),
                    [&](const UpstreamMap::Pattern &other) { return other.pattern == *pattern; });
    map.patterns.push_back({std::move(*pattern), rule, !expression});
  }
  if (known) fail(word.span, in_quotes(word.text) + " stands twice in this map");
  return !known;
}

// proxy_pass http://$NAME: a pass for each rule, so that a request finds its own by number.
bool ConfigBuilder::read_mapped_pass(Location &location, const ConfWord &url,
                                     const PassTarget &target, const TlsDirectives &tls) {
  const auto found = map_indices_.find(target.authority);
  if (found == map_indices_.end()) {
    if (map_spans_.contains(target.authority)) return false;
    std::vector<std::string_view> names;
    for (const auto &entry : map_spans_) names.push_back(entry.first);
    fail(url.span, "there is no map of " + in_quotes(target.authority) +
                       did_you_mean(target.authority, names));
    return false;
  }
  location.map = found->second;
  const UpstreamMap &map = config_.maps[location.map];
  for (const std::string &upstream : map.upstreams) {
    location.mapped.push_back(pass_to(url, {upstream, target.tls}, tls));
    if (location.mapped.back().upstream == kNone) return false;
  }
  location.pass = location.mapped[map.fallback];
  return true;
}

}  // namespace holdfast::proxy
