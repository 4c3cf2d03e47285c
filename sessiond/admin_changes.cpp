// The admin commands that change something. Each is logged with who asked for it, once, when it is
// handed on; session ids appear as their handle.
#include "common/json_writer.h"
#include "common/log.h"
#include "sessiond/admin_handlers.h"

namespace holdfast::sessiond {
namespace {

// `about`: "key=value" with a blank before it, or nothing.
void log_change(const AdminCall &call, std::string_view command, const std::string &about) {
  log_info("event=admin_command command={}{} uid={} pid={}", command, about, call.peer.uid,
           call.peer.pid);
}

std::string sessions_json(const CommandDone &done) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().key("sessions").number(done.sessions_count);
  w.key("ended").number(done.ended_count);
  w.key("pending").number(done.sessions_count - done.ended_count).end_object();
  return out + "\n";
}

std::string shutdown_text(const CommandDone &done) {
  const int64_t pending_count = done.sessions_count - done.ended_count;
  std::string out = std::to_string(done.ended_count) +
                    (done.ended_count == 1 ? " session ended" : " sessions ended");
  if (pending_count > 0) {
    out += ", " + std::to_string(pending_count) + " pending: the proxy has not answered yet";
  }
  return out + "\n";
}

// What outlives the handler: a copy of the call without what its line owned.
AdminCall detached(const AdminCall &call) {
  AdminCall copy = call;
  copy.args = {};
  return copy;
}

void order_shutdown(const AdminCall &call, Token token, Event event, const std::string &what) {
  call.service.submit(token, std::move(event),
                      [call = detached(call), what](const CommandDone &done) {
                        if (done.outcome == CommandOutcome::not_found) {
                          return call.fail(AdminFault::not_found, "no " + what);
                        }
                        call.answer(call.json ? sessions_json(done) : shutdown_text(done));
                      });
}

std::string_view state_word(const ProxyOutcome &proxy) {
  switch (proxy.state) {
    case ProxyOutcome::State::ok:
      return "ok";
    case ProxyOutcome::State::failed:
      return "failed";
    case ProxyOutcome::State::pending:
      break;
  }
  return "pending";
}

bool all_ok(const ReloadOutcome &outcome) {
  bool ok = outcome.ok;
  for (const ProxyOutcome &proxy : outcome.proxies) ok &= proxy.state == ProxyOutcome::State::ok;
  return ok;
}

std::string reload_json(const ReloadOutcome &outcome) {
  std::string out;
  JsonWriter w(out);
  w.begin_object().key("ok").boolean(all_ok(outcome));
  w.key("sessiond").begin_object().key("ok").boolean(outcome.ok);
  w.key("message").text(outcome.message).end_object();
  w.key("proxies").begin_array();
  for (const ProxyOutcome &proxy : outcome.proxies) {
    w.begin_object().key("node").text(proxy.node).key("pid").number(proxy.pid);
    w.key("state").text(state_word(proxy)).key("message").text(proxy.message).end_object();
  }
  w.end_array().end_object();
  return out + "\n";
}

// Several lines of somebody else's text; an empty one would end the answer too early.
std::string without_empty_lines(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c != '\n' || (!out.empty() && out.back() != '\n')) out += c;
  }
  return out;
}

std::string reload_text(const ReloadOutcome &outcome) {
  std::string out;
  if (!all_ok(outcome)) {
    out = admin_error(AdminFault::refused,
                      outcome.ok ? "a proxy has not taken the new configuration"
                                 : "the configuration was refused, the old one stays");
  }
  out += "sessiond: " + outcome.message + "\n";
  for (const ProxyOutcome &proxy : outcome.proxies) {
    out += "proxy " + proxy.node + " (pid " + std::to_string(proxy.pid) +
           "): " + std::string(state_word(proxy));
    if (!proxy.message.empty()) out += ": " + proxy.message;
    out += '\n';
  }
  return without_empty_lines(out);
}

// True and the value for "on" and "off"; else call.fail() was called.
bool read_switch(const AdminCall &call, std::string_view word, bool &value) {
  value = word == "on";
  if (value || word == "off") return true;
  call.fail(AdminFault::usage, "\"" + std::string(word) + "\" is neither on nor off");
  return false;
}

}  // namespace

void shutdown_session(const AdminCall &call) {
  const Session *session = find_session_or_fail(call, call.args[0]);
  if (session == nullptr) return;
  const std::string handle(handle_of(session->id->text()));
  log_change(call, "shutdown_session", " session=" + handle);
  const Token token = call.service.new_token();
  order_shutdown(call, token, ShutdownSession{token, std::string(session->id->text())},
                 "session " + handle);
}

void shutdown_user(const AdminCall &call) {
  if (call.args.size() == 2 && call.args[0] != "user") {
    return call.fail(AdminFault::usage, "usage: shutdown sessions user U [json]");
  }
  const std::string user = call.args.back();
  log_change(call, "shutdown_sessions", " user=" + quoted(user));
  const Token token = call.service.new_token();
  SessionFilter filter;
  filter.user = user;
  order_shutdown(call, token, ShutdownSessions{token, filter}, "session of " + quoted(user));
}

void change_session(const AdminCall &call) {
  const Session *session = find_session_or_fail(call, call.args[0]);
  if (session == nullptr) return;
  if (call.args[1] != "persistent") {
    return call.fail(AdminFault::usage,
                     "\"" + call.args[1] + "\" cannot be set; only persistent can");
  }
  bool on = false;
  if (!read_switch(call, call.args[2], on)) return;
  const std::string handle(handle_of(session->id->text()));
  log_change(call, "set_session",
             " session=" + handle + (on ? " persistent=on" : " persistent=off"));
  const Token token = call.service.new_token();
  call.service.submit(
      token, SetPersistent{token, std::string(session->id->text()), on},
      [call = detached(call), handle, on](const CommandDone &done) {
        if (done.outcome == CommandOutcome::not_found) {
          return call.fail(AdminFault::not_found, "session " + handle + " is not open");
        }
        if (!call.json) {
          return call.answer("session " + handle + " persistent " + (on ? "on\n" : "off\n"));
        }
        std::string out;
        JsonWriter w(out);
        w.begin_object().key("id").text(handle).key("persistent").boolean(on).end_object();
        call.answer(out + "\n");
      });
}

void change_drain(const AdminCall &call) {
  // By itself it is the whole: what runs finishes and the proxies leave. `on` only closes the door.
  const bool exit = call.args.empty() || call.args[0] == "exit";
  if (exit && call.peer.level < AdminLevel::admin) {
    return call.fail(AdminFault::denied,
                     "drain ends the proxies: for level admin; drain on only refuses sessions");
  }
  bool on = true;
  if (!exit && !call.args.empty() && !read_switch(call, call.args[0], on)) return;
  log_change(call, "drain", exit ? " on=yes exit=yes" : on ? " on=yes" : " on=no");
  const Token token = call.service.new_token();
  call.service.submit(
      token, SetDrain{token, on, exit}, [call = detached(call), on, exit](const CommandDone &done) {
        const bool pending = done.outcome == CommandOutcome::pending;
        if (!call.json) {
          const std::string text = exit ? "draining: the proxies finish what runs and exit"
                                   : on ? "draining: new sessions are refused"
                                        : "not draining";
          return call.answer(text + (pending ? "; pending: a proxy has not answered\n" : "\n"));
        }
        std::string out;
        JsonWriter w(out);
        w.begin_object().key("draining").boolean(on).key("exit").boolean(exit);
        if (pending) w.key("pending").boolean(true);
        w.end_object();
        call.answer(out + "\n");
      });
}

void change_reload(const AdminCall &call) {
  log_change(call, "reload", "");
  call.service.reload([call = detached(call)](const ReloadOutcome &outcome) {
    call.answer(call.json ? reload_json(outcome) : reload_text(outcome));
  });
}

}  // namespace holdfast::sessiond
