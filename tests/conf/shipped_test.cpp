// The shipped files say what the tables say: every directive is in its file, at its default where
// it has one; with every comment sign taken off the file still means the defaults. And the two
// tables know each other's words.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "common/conf_check.h"
#include "common/env_file.h"
#include "proxy/config.h"
#include "proxy/directives.h"
#include "sessiond/config.h"
#include "sessiond/directives.h"
#include "tests/support/hf_test.h"
#include "tests/support/memory_conf_source.h"

using namespace holdfast;

namespace {

std::string slurp(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) HF_FAIL("cannot read " + path);
  return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

std::string trimmed(std::string line) {
  line.erase(0, line.find_first_not_of(' '));
  return line;
}

// The file with "#name …" taken for a directive; "# prose" stays a comment.
std::string uncommented(const std::string &text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line); out += line + "\n") {
    const std::string bare = trimmed(line);
    const bool is_directive = bare.size() > 1 && bare[0] == '#' && bare[1] != ' ';
    if (is_directive) line = bare.substr(1);
  }
  return out;
}

// The words of all directives of a text, one line each: "name arg arg".
void collect(const std::vector<ConfDirective> &directives, std::set<std::string> &lines) {
  for (const ConfDirective &directive : directives) {
    std::string line = directive.name.text;
    for (const ConfWord &word : directive.args) line += " " + word.text;
    lines.insert(line);
    collect(directive.children, lines);
  }
}

std::set<std::string> directives_of(const std::string &text, const ConfSchema &schema) {
  test::MemoryConfSource source;
  const ConfRequest request = test::request_for("x.conf");
  source.files[request.path] = text;
  ConfReport report;
  ConfTree tree = parse_conf(request, schema, source, report);
  std::set<std::string> lines;
  collect(tree.directives, lines);
  return lines;
}

// A word of prose counts for directives without a default: their example stands in a comment.
bool mentions(const std::string &text, const std::string &name) {
  for (size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    const auto is_part = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    };
    const char before = at == 0 ? ' ' : text[at - 1];
    const char after = at + name.size() < text.size() ? text[at + name.size()] : ' ';
    if (!is_part(before) && !is_part(after)) return true;
  }
  return false;
}

void check_complete(const std::string &path, const ConfSchema &schema) {
  const std::string text = slurp(path);
  const auto lines = directives_of(uncommented(text), schema);
  for (const ConfRow &row : schema.rows) {
    const std::string name(row.name);
    if (row.default_text.empty()) {
      if (!mentions(text, name)) HF_FAIL(path + " does not mention " + name);
    } else if (lines.count(name + " " + std::string(row.default_text)) == 0) {
      HF_FAIL(path + " lacks #" + name + " " + std::string(row.default_text) + ";");
    }
  }
}

template <class Load>
auto load_text(const std::string &text, Load load) {
  test::MemoryConfSource source;
  const ConfRequest request = test::request_for("x.conf");
  source.files[request.path] = text;
  auto loaded = load(request, source);
  if (!loaded.config) HF_FAIL(loaded.report.text(loaded.tree.files, "t"));
  return *loaded.config;
}

void check_rows(const ConfSchema &schema) {
  std::set<std::pair<std::string, ConfContexts>> seen;
  for (const ConfRow &row : schema.rows) {
    const std::string name(row.name);
    if (row.help.empty()) HF_FAIL(name + " has no help");
    if (row.args_max < row.args_min) HF_FAIL(name + " has impossible argument counts");
    for (const ConfContextName &context : schema.contexts) {
      if ((row.contexts & context.bit) == 0) continue;
      if (!seen.emplace(name, context.bit).second) HF_FAIL(name + " has two rows in one context");
    }
    const std::string first(row.default_text.substr(0, row.default_text.find(' ')));
    const auto fits = check_value(row, first);
    if (!first.empty() && !fits) HF_FAIL(name + ": " + fits.error().message);
  }
}

// The names of `schema` that `other` does not have itself.
std::vector<std::string_view> own_names(const ConfSchema &schema, const ConfSchema &other) {
  std::set<std::string_view> names;
  for (const ConfRow &row : schema.rows) {
    if (!other.knows(row.name)) names.insert(row.name);
  }
  return {names.begin(), names.end()};
}

void check_foreign(const ConfSchema &schema, const ConfSchema &other) {
  const auto names = own_names(other, schema);
  const auto listed = schema.foreign.names;
  for (const std::string_view name : names) {
    if (std::find(listed.begin(), listed.end(), name) == listed.end()) {
      HF_FAIL(std::string(name) + " is not told to belong in " + std::string(schema.foreign.file));
    }
  }
  HF_EQ(listed.size(), names.size());
}

}  // namespace

HF_TEST(every_directive_is_in_its_shipped_file_at_its_default) {
  check_complete("conf/proxy.conf", proxy::conf_schema());
  check_complete("conf/sessiond.conf", sessiond::conf_schema());
}

HF_TEST(the_shipped_sessiond_conf_means_the_defaults_with_and_without_its_comments) {
  const std::string text = slurp("conf/sessiond.conf");
  const auto nothing = load_text("", sessiond::load_config);
  for (const std::string &one : {text, uncommented(text)}) {
    const auto config = load_text(one, sessiond::load_config);
    HF_CHECK(config.top == nothing.top);
    HF_CHECK(config.policies.empty());
    HF_EQ(config.control_socket.path, nothing.control_socket.path);
    HF_EQ(config.admin_socket.path, nothing.admin_socket.path);
    HF_EQ(config.http_socket.path, nothing.http_socket.path);
    HF_CHECK(config.log_full_ids == nothing.log_full_ids && config.sandbox == nothing.sandbox);
    HF_CHECK(config.tombstone_lifetime == nothing.tombstone_lifetime);
    HF_CHECK(config.error_log == nothing.error_log);
    HF_EQ(config.pid_path, nothing.pid_path);
  }
}

HF_TEST(the_shipped_proxy_conf_means_the_defaults_with_and_without_its_comments) {
  const std::string minimal =
      "sessiond unix:run/sessiond.sock; upstream everything { server 127.0.0.1:3001; }"
      "server { listen 127.0.0.1:8080; location / { proxy_pass http://everything; } }";
  const std::string text = slurp("conf/proxy.conf");
  const auto wanted = load_text(minimal, proxy::load_config);
  for (const std::string &one : {text, uncommented(text)}) {
    const auto config = load_text(one, proxy::load_config);
    HF_EQ(config.worker_processes, wanted.worker_processes);
    HF_EQ(config.worker_connections, wanted.worker_connections);
    HF_EQ(config.connections_per_address, wanted.connections_per_address);
    HF_CHECK(config.worker_shutdown_timeout == wanted.worker_shutdown_timeout);
    HF_EQ(config.pid_path, wanted.pid_path);
    HF_CHECK(config.error_log == wanted.error_log && config.sandbox == wanted.sandbox);
    HF_EQ(config.sessiond->link_path, wanted.sessiond->link_path);
    HF_EQ(config.sessiond->http_path, wanted.sessiond->http_path);
    HF_EQ(config.trusted_proxies.size(), wanted.trusted_proxies.size());
    HF_EQ(config.trusts_unix_peers, wanted.trusts_unix_peers);
    HF_EQ(config.upstreams[0].keepalive, wanted.upstreams[0].keepalive);
    HF_EQ(config.access_logs.size(), 0u);
    const proxy::Server &server = config.servers[0];
    HF_CHECK(server.client_header_timeout == wanted.servers[0].client_header_timeout);
    HF_CHECK(server.client_body_timeout == wanted.servers[0].client_body_timeout);
    HF_CHECK(server.client_body_total == wanted.servers[0].client_body_total);
    HF_CHECK(server.keepalive_timeout == wanted.servers[0].keepalive_timeout);
    const proxy::ProxySettings &have = server.locations.back().settings;
    const proxy::ProxySettings &want = wanted.servers[0].locations.back().settings;
    HF_CHECK(have.sse_heartbeat == want.sse_heartbeat && have.session_user == want.session_user);
    HF_EQ(have.session_policy, want.session_policy);
    HF_EQ(have.when_sessiond_down, want.when_sessiond_down);
    HF_CHECK(have.call_timeout == want.call_timeout);
    HF_CHECK(have.dead_peer_timeout == want.dead_peer_timeout);
    HF_CHECK(!have.allowed_hosts && !have.allowed_origins && have.set_headers.empty());
    HF_EQ(have.streams_per_session, want.streams_per_session);
    HF_CHECK(have.legacy_sse == want.legacy_sse);
    HF_EQ(have.legacy_sse_waiting, want.legacy_sse_waiting);
    HF_EQ(have.legacy_sse_initialize_first, want.legacy_sse_initialize_first);
    HF_EQ(have.session_ttl_header, want.session_ttl_header);
    HF_EQ(have.mcp_header_check, want.mcp_header_check);
    HF_EQ(have.client_body_bytes_max, want.client_body_bytes_max);
    HF_CHECK(have.connect_timeout == want.connect_timeout &&
             have.read_timeout == want.read_timeout);
    HF_CHECK(have.send_timeout == want.send_timeout);
    HF_CHECK(have.client_send_timeout == want.client_send_timeout &&
             have.stream_send_timeout == want.stream_send_timeout);
    HF_CHECK(have.stream_idle_timeout == want.stream_idle_timeout &&
             have.stream_timeout == want.stream_timeout);
  }
}

HF_TEST(the_shipped_env_names_every_variable_and_changes_nothing) {
  const std::string text = slurp("conf/holdfast.env");
  HF_CHECK(parse_env_file(text).empty());
  test::MemoryConfSource source;
  const ConfRequest request = test::request_for("x.conf");
  source.files[request.path] = "";
  source.files[".env"] = uncommented(text);
  const auto loaded = sessiond::load_config(request, source);
  HF_CHECK(loaded.config && loaded.config->top == sessiond::Policy{});
  std::set<std::string> names;
  for (const EnvEntry &entry : parse_env_file(source.files[".env"])) names.insert(entry.name);
  HF_EQ(names.size(), sessiond::kEnvironmentNames.size());
  for (const auto &known : sessiond::kEnvironmentNames)
    HF_CHECK(names.count(std::string(known.variable)) == 1);
}

HF_TEST(every_row_is_possible_and_explained) {
  check_rows(proxy::conf_schema());
  check_rows(sessiond::conf_schema());
}

HF_TEST(each_daemon_knows_the_words_of_the_other) {
  check_foreign(proxy::conf_schema(), sessiond::conf_schema());
  check_foreign(sessiond::conf_schema(), proxy::conf_schema());
}

HF_TEST(every_setting_of_a_policy_has_a_row_that_policies_may_use) {
  for (const auto &setting : sessiond::policy_settings()) {
    const ConfRow *row = sessiond::conf_schema().find(setting.name, sessiond::kPolicy);
    HF_CHECK(row != nullptr && (row->contexts & sessiond::kMain) != 0);
    sessiond::Policy policy;
    setting.set(policy, {std::string(row->default_text)});
    HF_CHECK(policy == sessiond::Policy{});
    setting.set(policy, {setting.show(policy)});
    HF_CHECK(policy == sessiond::Policy{});
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(every_directive_is_in_its_shipped_file_at_its_default),
      HF_UNIT(the_shipped_sessiond_conf_means_the_defaults_with_and_without_its_comments),
      HF_UNIT(the_shipped_proxy_conf_means_the_defaults_with_and_without_its_comments),
      HF_UNIT(the_shipped_env_names_every_variable_and_changes_nothing),
      HF_UNIT(every_row_is_possible_and_explained),
      HF_UNIT(each_daemon_knows_the_words_of_the_other),
      HF_UNIT(every_setting_of_a_policy_has_a_row_that_policies_may_use),
  };
  return HF_RUN(tests);
}
