#include "sessiond/ctl/verbs.h"

#include <poll.h>

#include <array>
#include <istream>
#include <ostream>

#include "common/clock.h"
#include "sessiond/ctl/backend_verbs.h"
#include "sessiond/ctl/render.h"
#include "sessiond/ctl/run.h"

namespace holdfast::ctl {
namespace {

AdminWords show_sess(const Run &run) {
  AdminWords words = {"show", "sess"};
  if (run.options.full) words.emplace_back("full");
  return words;
}

Exit list_sessions(const Run &run) {
  AdminWords words = show_sess(run);
  for (const auto &[word, value] : run.options.filters) {
    words.push_back(word);
    words.push_back(value);
  }
  const JsonReply reply = ask_json(run, words);
  if (!reply.value) return reply.exit;
  if (run.wants_json()) {
    run.print_json(reply.value.get());
  } else {
    run.print(session_table(reply.value.get(), run.options.legend));
  }
  return Exit::done;
}

// Asks about each id and goes on after a failure; prints what `render` makes of it, or one array.
template <class Render>
Exit each_session(const Run &run, Render render) {
  Exit worst = Exit::done;
  const JsonPtr all(json_array());
  std::string text;
  for (const std::string &id : run.options.args) {
    AdminWords words = {"show", "sess", id};
    if (run.options.full) words.emplace_back("full");
    JsonReply reply = ask_json(run, words);
    worst = worse(worst, reply.exit);
    if (reply.exit == Exit::unreachable) break;
    if (!reply.value) continue;
    text += (text.empty() || run.options.values_only ? "" : "\n") + render(reply.value.get());
    (void)json_array_append_new(all.get(), reply.value.release());  // ignoring: printed as it is
  }
  if (run.wants_json()) {
    run.print_json(all.get());
  } else {
    run.print(text);
  }
  return worst;
}

Exit session_status(const Run &run) { return each_session(run, session_details); }

Exit show_session(const Run &run) {
  return each_session(run, [&run](const json_t *session) {
    return session_properties(session, run.options.properties, run.options.values_only);
  });
}

Exit terminate_each(const Run &run, const AdminWords &command) {
  Exit worst = Exit::done;
  const JsonPtr all(json_array());
  for (const std::string &arg : run.options.args) {
    AdminWords words = command;
    words.push_back(arg);
    JsonReply reply = ask_json(run, words);
    worst = worse(worst, reply.exit);
    if (reply.exit == Exit::unreachable) break;
    if (!reply.value) continue;
    if (!run.wants_json()) {
      const auto pending = json_get_int(reply.value.get(), "pending").value_or(0);
      run.print(printable(arg) + ": " +
                std::to_string(json_get_int(reply.value.get(), "ended").value_or(0)) + " ended" +
                (pending > 0 ? ", " + std::to_string(pending) + " pending" : "") + "\n");
    }
    json_put(reply.value.get(), "argument", arg);
    (void)json_array_append_new(all.get(), reply.value.release());  // ignoring: as above
  }
  if (run.wants_json()) run.print_json(all.get());
  return worst;
}

Exit terminate_session(const Run &run) { return terminate_each(run, {"shutdown", "session"}); }

// Nobody counts a user's sessions before: this one asks.
Exit terminate_user(const Run &run) {
  std::string users;
  for (const std::string &user : run.options.args) {
    users += (users.empty() ? "" : ", ") + printable(user);
  }
  if (!confirmed(run, "End all sessions of " + users + "?")) {
    return run.console.interactive ? run.fail(Exit::failed, "nothing was ended")
                                   : run.fail(Exit::usage, "this may end many sessions: say --yes");
  }
  return terminate_each(run, {"shutdown", "user"});
}

Exit set_property(const Run &run) {
  const auto &args = run.options.args;
  const JsonReply reply = ask_json(run, {"set", "session", args[0], args[1], args[2]});
  if (!reply.value) return reply.exit;
  if (run.wants_json()) run.print_json(reply.value.get());
  return Exit::done;
}

// The daemon's own words where people read, its JSON where machines do.
Exit pass_on(const Run &run, const AdminWords &words) {
  if (run.wants_json()) {
    const JsonReply reply = ask_json(run, words);
    if (reply.value) run.print_json(reply.value.get());
    return reply.exit;
  }
  const Reply reply = run.client.ask(words);
  if (reply.exit != Exit::done) return run.fail(reply);
  run.print(reply.text);
  return Exit::done;
}

// Something `show info` counts, and its name for people.
struct Counted {
  const char *key;
  const char *things;
};

// Asks every half second until nothing of it is left or `patience` is over.
Exit wait_until_none(const Run &run, const Counted &what, std::chrono::milliseconds patience) {
  const SystemClock clock;
  const MonoTime deadline = clock.now() + patience;
  for (;;) {
    const JsonReply info = ask_json(run, {"show", "info"});
    if (!info.value) return info.exit;
    const auto left_count = json_get_int(info.value.get(), what.key).value_or(0);
    if (left_count == 0) return Exit::done;
    if (clock.now() >= deadline) {
      return run.fail(Exit::failed, std::to_string(left_count) + " " + what.things + " are left");
    }
    (void)::poll(nullptr, 0, 500);  // ignoring: asked again in any case
  }
}

Exit drain(const Run &run) {
  const std::string word = run.options.args.empty() ? "exit" : run.options.args[0];
  if (const Exit asked = pass_on(run, {"drain", word}); asked != Exit::done) return asked;
  if (!run.options.wait || word == "off") return Exit::done;
  const Counted waited_for =
      word == "exit" ? Counted{"Proxies", "proxies"} : Counted{"Sessions", "sessions"};
  return wait_until_none(run, waited_for, *run.options.wait);
}

Exit reload(const Run &run) {
  const JsonReply reply = ask_json(run, {"reload"});
  if (!reply.value) return reply.exit;
  const bool ok = json_get_bool(reply.value.get(), "ok").value_or(false);
  if (run.wants_json()) {
    run.print_json(reply.value.get());
  } else if (ok) {
    run.print(reload_text(reply.value.get()));
  } else {
    run.console.err << reload_text(reply.value.get());
  }
  return ok ? Exit::done : Exit::failed;
}

Exit health(const Run &run) {
  const JsonReply reply = ask_json(run, {"show", "health"});
  if (!reply.value) return reply.exit;
  run.print_json(reply.value.get());
  return json_get_text(reply.value.get(), "status") == "ok" ? Exit::done : Exit::failed;
}

Exit status(const Run &run) {
  const JsonReply info = ask_json(run, {"show", "info"});
  if (!info.value) return info.exit;
  JsonReply stat = ask_json(run, {"show", "stat"});
  if (!stat.value) return stat.exit;
  if (!run.wants_json()) {
    run.print(status_text(info.value.get(), stat.value.get()));
    return Exit::done;
  }
  json_put(info.value.get(), "stat", std::move(stat.value));
  run.print_json(info.value.get());
  return Exit::done;
}

Exit show_config(const Run &run) {
  AdminWords words = {"show", "config"};
  if (run.options.origin) words.emplace_back("origin");
  return pass_on(run, words);
}

Exit explain(const Run &run) { return pass_on(run, {"explain", run.options.args[0]}); }

struct VerbHandler {
  Verb verb;
  Exit (*run)(const Run &run);
};
constexpr std::array<VerbHandler, 17> kHandlers = {{
    {Verb::status, status},
    {Verb::list_sessions, list_sessions},
    {Verb::session_status, session_status},
    {Verb::show_session, show_session},
    {Verb::terminate_session, terminate_session},
    {Verb::terminate_user, terminate_user},
    {Verb::set, set_property},
    {Verb::drain, drain},
    {Verb::reload, reload},
    {Verb::health, health},
    {Verb::show_config, show_config},
    {Verb::explain, explain},
    {Verb::list_backends, list_backends},
    {Verb::backend_status, backend_status},
    {Verb::drain_backend, drain_backend},
    {Verb::disable_backend, disable_backend},
    {Verb::enable_backend, enable_backend},
}};

}  // namespace

Exit run_verb(const Options &options, Client &client, Console &console) {
  const Run run{options, client, console};
  for (const VerbHandler &handler : kHandlers) {
    if (handler.verb == options.verb) return handler.run(run);
  }
  return run.fail(Exit::usage, "this command is not known");
}

}  // namespace holdfast::ctl
