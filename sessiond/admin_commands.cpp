#include "sessiond/admin_commands.h"

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "common/log.h"
#include "common/suggest.h"
#include "sessiond/admin_handlers.h"

namespace holdfast::sessiond {
namespace {

void help(const AdminCall &call);
void prompt(const AdminCall &call) { call.reply(AdminAnswer{{}, {}, AdminAnswer::Then::prompt}); }
void quit(const AdminCall &call) { call.reply(AdminAnswer{{}, {}, AdminAnswer::Then::quit}); }

constexpr auto kUser = AdminLevel::user;
constexpr auto kOperate = AdminLevel::operate;
constexpr auto kAdmin = AdminLevel::admin;
constexpr std::string_view kFilters =
    "[ID] [user U] [backend B] [transport T] [state S] [policy P] [idle_over TIME] [full]";

constexpr AdminCommand kCommands[] = {
    {"help", "[WORD]", 0, 1, false, kUser, "this list, or the commands that contain WORD", help},
    {"show info", "", 0, 0, true, kUser, "the daemon in `Key: value` lines", show_info},
    {"show sess", kFilters, 0, 16, true, kUser, "sessions, or everything about one", show_sessions},
    {"explain", "ID", 1, 1, true, kUser,
     "why a session is persistent or not and when it ends, or why it ended", explain_session},
    {"show stat", "", 0, 0, true, kUser, "proxies, upstreams and servers as HAProxy's CSV",
     show_stat},
    {"show backend", "", 0, 0, true, kUser, "the upstreams, by name", show_backend},
    {"show servers", "state [UPSTREAM]", 1, 2, true, kUser,
     "the servers of all upstreams, or of one, with state and weight", show_servers},
    {"show proxies", "", 0, 0, true, kUser, "the proxies that are linked", show_proxies},
    {"show health", "", 0, 0, true, kUser, "what /health says, always as JSON", show_health},
    {"show config", "[origin]", 0, 1, true, kUser, "settings in force, with where they come from",
     show_config},
    {"show version", "", 0, 0, true, kUser, "the version", show_version},
    {"shutdown session", "ID", 1, 1, true, kOperate, "end one session", shutdown_session},
    {"shutdown sessions", "user U", 2, 2, true, kOperate, "end all sessions of a user",
     shutdown_user},
    {"shutdown user", "U", 1, 1, true, kOperate, "the same", shutdown_user},
    {"set server", "UPSTREAM/SERVER state ready|drain|maint, or weight N", 3, 3, true, kOperate,
     "whether new sessions go to a server, and how many; those it has stay", set_server},
    {"set session", "ID persistent on|off", 3, 3, true, kOperate,
     "never expire a session, or let it", change_session},
    {"drain", "[exit|on|off]", 0, 1, true, kOperate,
     "the proxies end streams, finish what runs and exit; on, off: only stop or resume admitting "
     "sessions",
     change_drain},
    {"reload", "", 0, 0, true, kAdmin, "read the configuration anew, here and in the proxies",
     change_reload},
    {"prompt", "", 0, 0, false, kUser, "keep the connection and prompt for commands", prompt},
    {"quit", "", 0, 0, false, kUser, "close the connection", quit},
};

void help(const AdminCall &call) {
  std::string out;
  for (const AdminCommand &row : kCommands) {
    if (row.level > call.peer.level) continue;
    if (!call.args.empty() && row.name.find(call.args[0]) == std::string_view::npos) continue;
    std::string usage(row.name);
    if (!row.args.empty()) usage += " " + std::string(row.args);
    if (row.json) usage += " [json]";
    out += usage + std::string(usage.size() < 40 ? 40 - usage.size() : 1, ' ');
    out += std::string(row.help) + "\n";
  }
  if (out.empty())
    return call.fail(AdminFault::usage, "no command contains \"" + call.args[0] + "\"");
  call.answer(std::move(out));
}

// The words of a row's name, joined, as far as the command has them.
std::string joined(const AdminWords &words, size_t count) {
  std::string out;
  for (size_t i = 0; i < std::min(count, words.size()); ++i) out += (i == 0 ? "" : " ") + words[i];
  return out;
}

size_t name_words(const AdminCommand &row) noexcept {
  return row.name.find(' ') == std::string_view::npos ? 1 : 2;
}

const AdminCommand *find_command(const AdminWords &words) {
  for (const AdminCommand &row : kCommands) {
    const size_t count = name_words(row);
    if (words.size() >= count && joined(words, count) == row.name) return &row;
  }
  return nullptr;
}

std::string unknown_command(const AdminWords &words) {
  std::vector<std::string_view> names;
  for (const AdminCommand &row : kCommands) names.push_back(row.name);
  const std::string one = joined(words, 1);
  const std::string two = joined(words, 2);
  std::string hint = did_you_mean(two, names);
  if (hint.empty()) hint = did_you_mean(one, names);
  return "unknown command " + quoted(two, 80) + (hint.empty() ? "; try help" : hint);
}

std::string usage_of(const AdminCommand &row) {
  return "usage: " + std::string(row.name) + (row.args.empty() ? "" : " ") + std::string(row.args) +
         (row.json ? " [json]" : "");
}

}  // namespace

std::string_view to_word(AdminLevel level) noexcept {
  switch (level) {
    case AdminLevel::user:
      return "user";
    case AdminLevel::operate:
      return "operator";
    case AdminLevel::admin:
      return "admin";
  }
  return "";
}

std::span<const AdminCommand> admin_commands() noexcept { return kCommands; }

void run_admin_command(Service &service, const AdminPeer &peer, const AdminWords &words,
                       AdminReply reply) {
  AdminCall call{service, peer, {}, false, std::move(reply)};
  const AdminCommand *row = find_command(words);
  if (row == nullptr) return call.fail(AdminFault::usage, unknown_command(words));
  std::span<const std::string> args(words);
  args = args.subspan(name_words(*row));
  if (row->json && !args.empty() && args.back() == "json") {
    call.json = true;
    args = args.first(args.size() - 1);
  }
  call.args = args;
  if (args.size() < row->args_min || args.size() > row->args_max) {
    return call.fail(AdminFault::usage, usage_of(*row));
  }
  if (peer.level < row->level) {
    return call.fail(AdminFault::denied, "\"" + std::string(row->name) + "\" is for level " +
                                             std::string(to_word(row->level)) + ", this is " +
                                             std::string(to_word(peer.level)));
  }
  row->run(call);
}

}  // namespace holdfast::sessiond
