#include "tests/demo/options.h"

#include <getopt.h>

#include <charconv>
#include <iterator>
#include <string_view>

namespace holdfast::demo {
namespace {

struct FormRow {
  EndpointForm form;
  std::string_view word;
};
constexpr FormRow kForms[] = {
    {EndpointForm::relative, "relative"},
    {EndpointForm::bare, "bare"},
    {EndpointForm::absolute, "absolute"},
    {EndpointForm::host, "host"},
    {EndpointForm::session_id, "session_id"},
    {EndpointForm::path, "path"},
    {EndpointForm::crlf, "crlf"},
    {EndpointForm::foreign, "foreign"},
};

Error bad(std::string_view option, std::string_view value, std::string_view wanted) {
  Error error;
  error.code = Errc::config;
  error.message = "\"" + std::string(value) + "\" is not a value of --" + std::string(option) +
                  ": " + std::string(wanted);
  return error;
}

// Whole number from 0 to max; nullopt otherwise.
std::optional<uint64_t> number(std::string_view text, uint64_t max) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
  return value;
}

using Setter = Result<void> (*)(Options &, std::string_view);

Result<void> set_host(Options &options, std::string_view value) {
  options.host = value;
  return {};
}

Result<void> set_port(Options &options, std::string_view value) {
  const auto n = number(value, 65535);
  if (!n) return bad("port", value, "0 to 65535");
  options.port = static_cast<uint16_t>(*n);
  return {};
}

Result<void> set_answer(Options &options, std::string_view value) {
  if (value != "sse" && value != "json") return bad("answer", value, "sse or json");
  options.answer_sse = value == "sse";
  return {};
}

Result<void> set_endpoint(Options &options, std::string_view value) {
  for (const FormRow &row : kForms) {
    if (row.word != value) continue;
    options.endpoint = row.form;
    return {};
  }
  return bad("legacy-endpoint", value,
             "relative, bare, absolute, host, session_id, path, crlf or foreign");
}

Result<void> set_no_sessions(Options &options, std::string_view) {
  options.sessions = false;
  return {};
}

constexpr uint64_t kMillisMax = 86'400'000;

Result<void> set_keepalive(Options &options, std::string_view value) {
  const auto n = number(value, kMillisMax);
  if (!n) return bad("keepalive-ms", value, "0 to 86400000");
  options.keepalive = Millis{static_cast<Millis::rep>(*n)};
  return {};
}

Result<void> set_delay(Options &options, std::string_view value) {
  const auto n = number(value, kMillisMax);
  if (!n) return bad("delay-ms", value, "0 to 86400000");
  options.delay = Millis{static_cast<Millis::rep>(*n)};
  return {};
}

Result<void> set_refuse(Options &options, std::string_view value) {
  const auto n = number(value, 599);
  if (!n || *n < 400) return bad("refuse-initialize", value, "an HTTP status from 400 to 599");
  options.refuse_initialize = static_cast<int>(*n);
  return {};
}

Result<void> set_unknown(Options &options, std::string_view value) {
  if (value != "400" && value != "404") return bad("unknown-session", value, "400 or 404");
  options.unknown_session = value == "400" ? 400 : 404;
  return {};
}

Result<void> set_forget_idle(Options &options, std::string_view value) {
  const auto n = number(value, kMillisMax);
  if (!n) return bad("forget-idle-ms", value, "0 to 86400000");
  options.forget_idle = Millis{static_cast<Millis::rep>(*n)};
  return {};
}

Result<void> set_version(Options &options, std::string_view value) {
  options.version = value;
  return {};
}

Result<void> set_die_after(Options &options, std::string_view value) {
  const auto n = number(value, UINT64_MAX);
  if (!n) return bad("die-after", value, "a number of POSTs");
  options.die_after_posts_count = *n;
  return {};
}

Result<void> set_help(Options &options, std::string_view) {
  options.help = true;
  return {};
}

struct OptionRow {
  const char *name;
  const char *argument;  // nullptr: takes none
  const char *help;
  Setter set;
};
constexpr OptionRow kOptions[] = {
    {"host", "ADDRESS", "address to listen on (127.0.0.1)", set_host},
    {"port", "N", "port to listen on; 0 (the default) lets the kernel choose", set_port},
    {"answer", "sse|json", "how 2025 POSTs are answered (sse)", set_answer},
    {"legacy-endpoint", "FORM",
     "relative|bare|absolute|host|session_id|path|crlf|foreign: the URI of the endpoint event",
     set_endpoint},
    {"no-sessions", nullptr, "answer initialize without Mcp-Session-Id", set_no_sessions},
    {"keepalive-ms", "N", "send an SSE comment on every open stream each N ms", set_keepalive},
    {"delay-ms", "N", "look at a POST only N ms after it arrived", set_delay},
    {"refuse-initialize", "STATUS", "answer initialize with this HTTP status", set_refuse},
    {"unknown-session", "400|404", "how requests of an unknown session are answered (404)",
     set_unknown},
    {"forget-idle-ms", "N", "forget a session that got no POST for N ms", set_forget_idle},
    {"version", "TEXT", "version in serverInfo (1)", set_version},
    {"die-after", "N", "exit without an answer at the POST after the Nth", set_die_after},
    {"help", nullptr, "show this text", set_help},
};

}  // namespace

Result<Options> parse_options(int argc, char **argv) {
  option table[std::size(kOptions) + 1] = {};  // the last row stays zero, as getopt wants it
  for (size_t i = 0; i < std::size(kOptions); ++i) {
    table[i].name = kOptions[i].name;
    table[i].has_arg = kOptions[i].argument != nullptr ? required_argument : no_argument;
  }
  Options options;
  opterr = 0;  // the message is ours
  for (;;) {
    int row = -1;
    const int c = getopt_long(argc, argv, "", table, &row);
    if (c == -1) break;
    if (c != 0 || row < 0) {
      return Error{Errc::config, 0,
                   std::string("bad option ") + argv[optind - 1] + " (try --help)"};
    }
    if (auto set = kOptions[row].set(options, optarg != nullptr ? optarg : ""); !set) {
      return set.error();
    }
  }
  if (optind < argc) {
    return Error{Errc::config, 0, std::string("unexpected argument ") + argv[optind]};
  }
  return options;
}

std::string usage() {
  std::string text =
      "usage: holdfast-demo-backend [OPTION...]\n"
      "A small MCP server for trying and testing Holdfast: /mcp and /sse, all protocol eras.\n\n";
  for (const OptionRow &row : kOptions) {
    std::string head = std::string("  --") + row.name;
    if (row.argument != nullptr) head += std::string(" ") + row.argument;
    head.resize(head.size() < 30 ? 30 : head.size() + 1, ' ');
    text += head + row.help + "\n";
  }
  return text;
}

}  // namespace holdfast::demo
