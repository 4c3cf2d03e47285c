// Bytes a client chose, wherever they are logged or shown: they write no line, no column, no JSON
// member and no terminal command of their own. And what is a credential is in none of it, however
// busy the run.
#include <algorithm>
#include <regex>

#include "common/limits.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

// No line of any output may begin so.
constexpr std::string_view kForged = "FORGED";

// As JSON strings (in messages) …
const std::vector<std::string> kJsonValues = {
    R"(x\nFORGED info event=forged)",
    R"(x\r\nFORGED\r\n\r\n)",
    R"(\",\"user\":\"root\",\"x\":\")",
    R"(\u001b[31mred\u001b[0m\u0007)",
    R"(\u009b31m\u0085FORGED\u2028FORGED)",
    R"(nul\u0000after)",
    R"(lone\ud800surrogate)",
    R"(back\\slash \"quote\" = # { } | \t)",
    "invalid\xff\xfe\xc0\x80utf8",
};
// … and as header values: what HTTP lets through.
const std::vector<std::string> kHeaderValues = {
    R"(","status":200,"user":"root","x":")",
    R"(\" 200 0 "-" "-" FORGED \)",
    "tab\there",
    std::string("high\xff\xfe\xc2\x9b") + "31m\xe2\x80\xa8",  // C1's CSI, a line separator
    "%0aFORGED%0d%0a \\x0aFORGED \\n",
};

std::vector<std::string> lines_of(const std::string &text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// Nothing but printable ASCII and line ends, and no line a client began.
void check_plain(const std::string &what, const std::string &text) {
  for (const std::string &line : lines_of(text)) {
    if (line.starts_with(kForged)) HF_FAIL(what + " has a forged line: " + line);
    for (const char c : line) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x20 || byte >= 0x7f) HF_FAIL(what + " has raw bytes: " + line);
    }
  }
}

// The same for people who may see other alphabets: no control character, no broken UTF-8 (JsonPtr
// would not take it), and no line a client began.
void check_steers_no_terminal(const std::string &what, const std::string &text) {
  for (const std::string &line : lines_of(text)) {
    if (line.starts_with(kForged)) HF_FAIL(what + " has a forged line: " + line);
    for (size_t i = 0; i < line.size(); ++i) {
      const auto byte = static_cast<unsigned char>(line[i]);
      const bool c1 =
          byte == 0xc2 && i + 1 < line.size() && static_cast<unsigned char>(line[i + 1]) < 0xa0;
      if (byte < 0x20 || byte == 0x7f || c1) HF_FAIL(what + " steers a terminal: " + line);
    }
  }
}

// Every line is the program's own: stamp, name, then level or contract line. The banner aside.
void check_log(const std::string &program_name, const std::string &text) {
  const std::regex own(R"(^\d{4}-\d\d-\d\dT[^ ]+ )" + program_name + " .*");
  for (const std::string &line : lines_of(text)) {
    if (!std::regex_match(line, own)) HF_FAIL("not a log line of " + program_name + ": " + line);
  }
  check_plain(program_name, text);
}

PairOptions logging_everything(const std::string &user_rule) {
  PairOptions options;
  options.sessiond = "error_log stderr debug;";
  options.proxy_main = "error_log stderr debug;";
  options.server = user_rule;
  options.location = "access_log combined.log combined;";  // legacy clients
  for (const char *format : {"combined", "mcp", "json"}) {
    options.locations += "location /" + std::string(format) +
                         " { proxy_pass http://backend; access_log " + format + ".log " + format +
                         "; }\n  ";
  }
  options.locations +=
      "location /status/ { holdfast_status readonly; }\n"
      "  location = /metrics { holdfast_metrics; }";
  return options;
}

std::string initialize_as(const std::string &name, const std::string &version) {
  return R"({"jsonrpc":"2.0","id":"0","method":"initialize","params":{"protocolVersion":"2025-11-25",)"
         R"("capabilities":{},"clientInfo":{"name":")" +
         name + R"(","version":")" + version + R"("}}})";
}

// The access logs of the three formats: every line whole, and none that only one format has, since
// the three locations got the same requests.
void check_access_logs(const Pair &pair, size_t lines_min, size_t lines_max) {
  const std::regex combined(
      R"(^\S+ - \S+ \[[^\]]+\] "[^"]*" \d{3} \d+ "[^"]*" "[^"]*"( \S+ \S+ \S+ \S+ \S+ [\d.]+)?$)");
  for (const std::string format : {"combined", "mcp", "json"}) {
    const auto text = [&] { return pair.dir().read(format + ".log"); };
    HF_CHECK(lines_of(text()).size() >= lines_min && lines_of(text()).size() <= lines_max);
    HF_EQ(lines_of(text()).size(), lines_of(pair.dir().read("json.log")).size());
    if (format != "json") check_plain(format, text());
    for (const std::string &line : lines_of(text())) {
      if (format != "json") {
        if (!std::regex_match(line, combined)) HF_FAIL("not a " + format + " line: " + line);
        continue;
      }
      check_steers_no_terminal(format, line);
      json_error_t error{};
      const JsonPtr one(
          json_loadb(line.data(), line.size(), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error));
      if (!one) HF_FAIL("not one JSON object: " + line);
      HF_CHECK(json_is_integer(json_object_get(one.get(), "status")));
      HF_CHECK(json_object_size(one.get()) <= 15);
    }
  }
}

void check_contains(const std::string &text, const std::string &part) {
  if (text.find(part) == std::string::npos) HF_FAIL("no " + part + " in:\n" + text);
}

}  // namespace

HF_TEST(no_client_text_writes_a_line_a_column_or_a_terminal_command) {
  Pair pair(logging_everything("session_user header X-User;"));
  const uint16_t port = pair.proxy_port();
  size_t requests = 0;
  size_t opened_count = 0;  // the backend itself refuses what is no JSON
  for (const std::string format : {"combined", "mcp", "json"}) {
    requests = 0;
    const auto send = [&](const std::string &path, const std::string &body, Headers headers) {
      ++requests;
      return fetch(port, mcp_post("/" + format + path, body, std::move(headers)));
    };
    for (const std::string &value : kJsonValues) {
      const Response opened = send("/mcp", initialize_as(value, value), {{"X-User", "a b=c\"\\"}});
      const std::string session = opened.header("Mcp-Session-Id").value_or("none");
      opened_count += opened.status == 200 ? 1 : 0;
      (void)send("/mcp",
                 R"({"jsonrpc":"2.0","id":")" + value +
                     R"(","method":"tools/call","params":{"name":")" + value +
                     R"(","arguments":{}}})",
                 {{"Mcp-Session-Id", session}, {"X-User", "a b=c\"\\"}});
      (void)send("/mcp", R"({"jsonrpc":"2.0","id":1,"method":")" + value + R"("})",
                 {{"Mcp-Session-Id", session}, {"X-User", "a b=c\"\\"}});
    }
    for (const std::string &value : kHeaderValues) {
      (void)send("/mcp?q=%0aFORGED%22&x='~", rpc("ping", "1"),
                 {{"User-Agent", value}, {"Referer", value}});
      (void)send("/mcp", rpc("ping", "1"), {{"Mcp-Session-Id", value}, {"Mcp-Method", value}});
      const int refused =
          fetch(port, mcp_post("/" + format + "/mcp", "{}", {{"Origin", value}})).status;
      HF_CHECK(refused == 400 || refused == 403);
      // No host, no target: refused before it belongs to any log.
      HF_EQ(fetch(port, mcp_post("/" + format + "/mcp", "{}", {{"Host", value}})).status, 400);
      HF_EQ(fetch(port, mcp_post("/" + format + "/mcp?\"|" + value, "{}")).status, 400);
    }
  }
  HF_CHECK(opened_count >= 3 * (kJsonValues.size() - 3));
  pair.wait_sessions(opened_count);

  // What people and machines are shown.
  for (const char *command : {"show sess", "show info", "show stat", "show backend"})
    check_plain(command, pair.admin(command));
  HF_EQ(lines_of(pair.admin("show sess")).size(), opened_count);
  const Json sessions = pair.admin_json("show sess json");
  HF_EQ(sessions.size(), opened_count);
  for (size_t i = 0; i < sessions.size(); ++i) {
    const std::string handle = sessions[i]["id"].text();
    check_plain("show sess ID", pair.admin("show sess " + handle));
    check_plain("explain", pair.admin("explain " + handle));
  }
  check_steers_no_terminal("list-sessions", pair.ctl({"list-sessions"}).out);
  check_steers_no_terminal("session-status",
                           pair.ctl({"session-status", sessions[size_t{0}]["id"].text()}).out);
  for (const char *path : {"/status/status.json", "/status/api/sessions", "/health"}) {
    const std::string body = fetch(port, {"GET", path, {}, {}}).body;
    HF_CHECK(Json{body}.present());
    check_steers_no_terminal(path, body);
  }
  const std::regex sample(
      R"re(^([a-z_]+(\{([a-z_]+="[^"\n]*",?)*\})? [-+0-9.eInNa]+|# (HELP|TYPE) .*|)$)re");
  for (const std::string &line : lines_of(fetch(port, {"GET", "/metrics", {}, {}}).body)) {
    if (!std::regex_match(line, sample)) HF_FAIL("not a metric: " + line);
  }

  pair.proxy().signal(SIGQUIT);
  (void)pair.proxy().wait_exit(Millis{20'000});  // flushes the access logs
  check_access_logs(pair, 3 * kJsonValues.size() + kHeaderValues.size(), 2 * requests);
  check_log("holdfast-proxy", pair.proxy().err());
  check_log("holdfast-sessiond", pair.sessiond().err());
}

HF_TEST(a_name_cut_within_a_character_costs_nobody_the_link) {
  Pair pair(logging_everything("session_user none;"));
  const std::string name(kClientNameBytesMax - 1, 'n');
  HF_EQ(fetch(pair.proxy_port(), mcp_post("/json/mcp", initialize_as(name + "\u00fc", "1"))).status,
        200);
  pair.wait_sessions(1);
  HF_EQ(pair.sessiond().count_lines("event=link_malformed"), size_t{0});
}

HF_TEST(a_busy_run_at_debug_level_shows_no_credential) {
  const std::string token = "tok-5ecret-0123456789abcdef";
  const Headers bearer = {{"Authorization", "Bearer " + token}, {"Cookie", "sid=" + token}};
  Pair pair(logging_everything("session_user bearer;"));
  std::vector<std::string> secrets = {token};
  for (const std::string format : {"combined", "mcp", "json"}) {
    StreamableClient client(pair.proxy_port(), "/" + format + "/mcp", bearer);
    client.open();
    secrets.push_back(client.session());
    SseClient stream = client.get();
    (void)client.call("echo", R"({"message":"hello"})");
    // Where ids do not belong, and another user's try.
    (void)fetch(
        pair.proxy_port(),
        {"GET",
         "/" + format + "/mcp?sessionId=" + client.session() + "&session_id=" + client.session(),
         {{"Referer", "http://localhost/?sessionId=" + client.session()}},
         {}});
    StreamableClient thief(pair.proxy_port(), "/" + format + "/mcp");
    thief.set_session(client.session());
    HF_EQ(thief.post(rpc("ping", "1")).status, 404);
    LegacyClient legacy(pair.proxy_port(), "/sse", bearer);
    legacy.open();
    secrets.push_back(legacy.session());
    (void)legacy.call("echo", R"({"message":"hello"})");
    const Json backend = pair.backend().state()["sessions"];
    for (size_t i = 0; i < backend.size(); ++i) secrets.push_back(backend[i]["id"].text());
    pair.wait_created(secrets.size() > 4 ? 2 : 1);
    if (format == "json") {
      pair.kill_sessiond();
      HF_CHECK(eventually([&] { return pair.health()["status"] == "degraded"; }));
    }
    HF_CHECK(client.remove().status < 300);
    HF_EQ(client.post(rpc("ping", "1")).status, 404);
  }
  const std::string before = pair.sessiond().err();
  pair.start_sessiond();
  pair.wait_linked();
  pair.proxy().signal(SIGQUIT);
  (void)pair.proxy().wait_exit(Millis{20'000});  // flushes the access logs
  std::string everything =
      before + pair.sessiond().out() + pair.sessiond().err() + pair.proxy().err();
  for (const char *format : {"combined", "mcp", "json"}) {
    const std::string log = pair.dir().read(std::string(format) + ".log");
    HF_CHECK(!log.empty());
    everything += log;
  }
  for (const char *command : {"show sess json", "show stat", "show info"})
    everything += pair.admin(command);
  HF_CHECK(secrets.size() >= 7);
  for (const std::string &secret : secrets) {
    HF_CHECK(secret.size() >= 16);
    const size_t at = everything.find(secret);
    if (at == std::string::npos) continue;
    const size_t begin = everything.rfind('\n', at) + 1;
    HF_FAIL("a credential is shown: " +
            everything.substr(begin, everything.find('\n', at) - begin));
  }
  check_contains(everything, secrets[1].substr(0, 8));  // its handle is what we do show
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(no_client_text_writes_a_line_a_column_or_a_terminal_command),
      HF_UNIT(a_name_cut_within_a_character_costs_nobody_the_link),
      HF_UNIT(a_busy_run_at_debug_level_shows_no_credential),
  };
  return HF_RUN(tests);
}
