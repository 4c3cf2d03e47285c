// location blocks: what they match, what answers, and in which order a request tries them.
#include <algorithm>
#include <numeric>

#include "common/units.h"
#include "proxy/config_builder.h"

namespace holdfast::proxy {

namespace {

std::string in_quotes(std::string_view text) { return '"' + std::string(text) + '"'; }

bool is_redirect(int code) {
  return code == 301 || code == 302 || code == 303 || code == 307 || code == 308;
}

bool has_variable(std::string_view text) {
  for (size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (next == '{' || next == '_' || (next >= 'a' && next <= 'z')) return true;
  }
  return false;
}

// What a location lets whom do: where two differ, which of them a request meets is no small matter.
std::string_view access_difference(const Location &a, const Location &b) {
  const ProxySettings &x = a.settings;
  const ProxySettings &y = b.settings;
  if (a.handler != b.handler || a.status_admin != b.status_admin ||
      a.health_users != b.health_users)
    return "what answers";
  if (x.session_user != y.session_user) return "session_user";
  if (x.session_policy != y.session_policy) return "session_policy";
  if (x.allowed_hosts != y.allowed_hosts) return "allowed_hosts";
  if (x.allowed_origins != y.allowed_origins) return "allowed_origins";
  return {};
}

// Whether what `a` is for would come to `b` if `a` were not there.
bool stands_behind(const Location &a, const Location &b) {
  return b.exact ? a.exact && a.path == b.path : a.path.starts_with(b.path);
}

bool proven(const Location &location) {
  return location.handler != Handler::proxy || location.settings.mcp_header_check;
}

// "location "/mcp" mcp_name=a*"
std::string location_text(const Location &location) {
  std::string text = "location " + in_quotes(location.path);
  if (location.mcp_method) text += " mcp_method=" + location.mcp_method->written();
  if (location.mcp_name) text += " mcp_name=" + location.mcp_name->written();
  return text;
}

}  // namespace

// The parameters behind the path: of which messages the location is.
bool ConfigBuilder::read_location_fields(Location &location, std::span<const ConfWord> words) {
  for (const ConfWord &word : words) {
    const ConfParam param = split_param(word.text);
    std::optional<TextPattern> *const field = param.name == "mcp_method" ? &location.mcp_method
                                              : param.name == "mcp_name" ? &location.mcp_name
                                                                         : nullptr;
    if (field == nullptr || !param.has_value) {
      fail(word.span,
           "invalid parameter " + in_quotes(word.text) + " (mcp_method=TEXT, mcp_name=TEXT)");
      return false;
    }
    auto pattern = TextPattern::of_field(param.value);
    if (!pattern || field->has_value()) {
      fail(word.span,
           std::string(param.name) + "=: " + (pattern ? "stands twice" : pattern.error().message));
      return false;
    }
    *field = std::move(*pattern);
  }
  return true;
}

bool ConfigBuilder::read_location_match(Location &location, const ConfDirective &block) {
  const std::span<const ConfWord> words = block.args;
  const auto is_parameter = [](const ConfWord &word) {
    return !word.text.starts_with('/') && word.text.find('=', 1) != std::string::npos;
  };
  const auto parameters = std::find_if(words.begin() + 1, words.end(), is_parameter);
  const auto place_count = std::min<size_t>(static_cast<size_t>(parameters - words.begin()), 2);
  if (!read_location_fields(location, words.subspan(place_count))) return false;
  std::string modifier = place_count > 1 ? words[0].text : "";
  const ConfWord &path = words[place_count - 1];
  location.path = path.text;
  if (place_count == 1) {
    // nginx also takes the modifier without a blank: "=/x".
    const size_t slash = path.text.find('/');
    if (slash != std::string::npos && slash > 0) {
      modifier = path.text.substr(0, slash);
      location.path = path.text.substr(slash);
    }
  }
  if (modifier == "~" || modifier == "~*") {
    fail(block.args.front().span,
         "locations by regular expression are not supported by this version");
    return false;
  }
  if (!modifier.empty() && modifier != "=" && modifier != "^~") {
    fail(block.args.front().span,
         "invalid location modifier " + in_quotes(modifier) + " (= or ^~)");
    return false;
  }
  if (location.path.empty() || location.path.front() != '/') {
    fail(path.span, "the location " + in_quotes(path.text) + " does not begin with \"/\"");
    return false;
  }
  location.exact = modifier == "=";
  return true;
}

void ConfigBuilder::build_location(Server &server, const ConfDirective &block,
                                   const TlsDirectives &inherited_tls) {
  Location location;
  if (!read_location_match(location, block)) return;
  const bool known =
      std::any_of(server.locations.begin(), server.locations.end(), [&](const Location &other) {
        return other.path == location.path && other.exact == location.exact &&
               other.mcp_method == location.mcp_method && other.mcp_name == location.mcp_name;
      });
  if (known) {
    fail(block.span(), "duplicate " + location_text(location));
    return;
  }
  Level level = server;
  apply_level(level, block.children);
  location.settings = std::move(level.settings);
  make_jwt_verifier(location, block);
  const ConfDirective *handler = nullptr;
  bool faulty = false;  // a handler that the checker refused is not a missing one
  for (const ConfDirective &directive : block.children) {
    const std::string &name = directive.name.text;
    const bool is_handler =
        name == "proxy_pass" || name == "return" || name.substr(0, 9) == "holdfast_";
    if (!is_handler) continue;
    faulty = faulty || directive.row == nullptr;
    if (directive.row == nullptr) continue;
    if (handler != nullptr) {
      fail(directive.span(), in_quotes(name) + " and " + in_quotes(handler->name.text) +
                                 " cannot both answer one location");
      continue;
    }
    handler = &directive;
    (void)read_handler(
        location, directive,
        tls_level(inherited_tls,
                  block.children));  // ignoring: reported, and every location is kept
  }
  if (handler == nullptr && !faulty) {
    fail(block.span(), "location " + in_quotes(location.path) +
                           " has nothing that answers: proxy_pass, return or holdfast_…");
  }
  server.locations.push_back(std::move(location));
  location_spans_.push_back(block.span());
}

// Exact matches first, then the longest prefix, and of one place those for certain messages, as
// they stand, before the one for all: the order in which a request tries them.
void ConfigBuilder::order_locations(Server &server) {
  std::vector<Location> &locations = server.locations;
  std::vector<size_t> order(locations.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&locations](size_t left, size_t right) {
    const Location &a = locations[left];
    const Location &b = locations[right];
    if (a.exact != b.exact) return a.exact;
    if (a.path.size() != b.path.size()) return a.path.size() > b.path.size();
    if (a.path != b.path) return a.path < b.path;  // no request is for both
    return a.by_message() && !b.by_message();
  });
  std::vector<Location> ordered;
  std::vector<ConfSpan> spans;
  for (const size_t i : order) {
    server.by_message = server.by_message || locations[i].by_message();
    ordered.push_back(std::move(locations[i]));
    spans.push_back(location_spans_[i]);
  }
  locations = std::move(ordered);
  for (size_t i = 0; i < locations.size(); ++i) {
    if (locations[i].by_message()) check_by_message(locations, i, spans[i]);
  }
}

// Whatever chooses between two sets of rights must be true. What a head says is, once the body has
// been read: else a client would choose for itself.
void ConfigBuilder::check_by_message(const std::vector<Location> &locations, size_t at,
                                     const ConfSpan &span) {
  const Location &own = locations[at];
  for (size_t i = at + 1; i < locations.size(); ++i) {
    const Location &other = locations[i];
    if (!stands_behind(own, other)) continue;
    const std::string_view differs = access_difference(own, other);
    if (!differs.empty() && !(proven(own) && proven(other))) {
      fail(span, location_text(own) + " and " + location_text(other) + " differ in " +
                     std::string(differs) +
                     ", and clients say in their headers what they like: where the two pass "
                     "requests on they need \"mcp_header_check on;\"");
      return;
    }
    if (!other.by_message()) return;
  }
  if (proven(own)) return;
  fail(span,
       "besides " + location_text(own) +
           " nothing answers there, and clients say in their headers what they like: it needs "
           "\"mcp_header_check on;\", or another location for all else");
}

bool ConfigBuilder::read_handler(Location &location, const ConfDirective &directive,
                                 const TlsDirectives &tls) {
  const std::string_view name = directive.row->name;
  const size_t server = config_.servers.size() - 1;
  const std::string word = directive.args.empty() ? "" : directive.args.front().text;
  if (name == "proxy_pass") {
    location.handler = Handler::proxy;
    return read_pass(location, directive.args.front(), tls);
  }
  if (name == "return") {
    location.handler = Handler::return_text;
    read_return(location, directive);
  } else if (name == "holdfast_health") {
    location.handler = Handler::health;
    location.health_users = word == "users";
  } else if (name == "holdfast_status") {
    location.handler = Handler::status;
    location.status_admin = word == "admin";
    needs_sessiond_.push_back({server, directive.span()});
    if (location.status_admin) admin_status_.push_back({server, directive.span()});
  } else {
    location.handler = Handler::metrics;
    needs_sessiond_.push_back({server, directive.span()});
  }
  return true;
}

void ConfigBuilder::read_return(Location &location, const ConfDirective &directive) {
  constexpr uint64_t kStatusMin = 200;
  constexpr uint64_t kStatusMax = 599;
  const ConfWord &first = directive.args.front();
  const bool url = directive.args.size() == 1 &&
                   (first.text.substr(0, 7) == "http://" || first.text.substr(0, 8) == "https://");
  const ConfWord *text = directive.args.size() > 1 ? &directive.args[1] : nullptr;
  if (url) {
    location.return_code = 302;
    text = &first;
  } else {
    const auto code = parse_whole(first.text, kStatusMin, kStatusMax);
    if (!code || *code == 304 || *code == 444) {
      fail(first.span, "invalid return code " + in_quotes(first.text));
      return;
    }
    location.return_code = static_cast<int>(*code);
  }
  if (is_redirect(location.return_code) && text == nullptr) {
    fail(directive.span(), "\"return " + first.text + "\" needs the URL to go to");
    return;
  }
  if (text == nullptr) return;
  const bool clean = std::none_of(text->text.begin(), text->text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || c == 0x7f;
  });
  if (has_variable(text->text)) {
    fail(text->span, "variables in \"return\" are not supported by this version");
  } else if (is_redirect(location.return_code) && !clean) {
    fail(text->span, "a URL holds no blanks and no control characters");
  }
  location.return_text = text->text;
}

}  // namespace holdfast::proxy
