#include "sessiond/session_explain.h"

#include <algorithm>

#include "common/log.h"
#include "common/units.h"
#include "sessiond/core/health.h"
#include "sessiond/core/reaper.h"

namespace holdfast::sessiond {
namespace {

// "max_sessions 100 (conf/sessiond.conf:3)", as the session's policy has it.
std::string written(const Config &config, const PolicyState &policy, std::string_view name) {
  const std::string_view whose = policy.defined ? std::string_view(policy.name) : "";
  const auto at =
      std::find_if(config.settings.begin(), config.settings.end(),
                   [&](const Setting &s) { return s.policy == whose && s.name == name; });
  if (at == config.settings.end()) return std::string(name);
  const std::string where = at->where.empty() ? std::string(to_word(at->origin)) : at->where;
  return at->name + " " + at->value + " (" + where + ")";
}

std::string policy_text(const PolicyState &policy) {
  if (policy.name.empty()) return "the top-level policy";
  if (policy.defined) return quoted(policy.name);
  return quoted(policy.name) + ", which is not defined: the top-level policy applies";
}

std::string why_persistent_or_not(const Session &session, const Config &config) {
  if (session.pin != Pin::by_policy) {
    return "an administrator said so: set session ID persistent " +
           std::string(session.pin == Pin::persistent ? "on" : "off");
  }
  const PolicyState &policy = *session.policy;
  if (policy.rules.persistent_mode) return written(config, policy, "persistent_mode");
  if (!policy.rules.max_sessions) {
    return "persistent_mode smart: without max_sessions a client is never cut off";
  }
  return "persistent_mode smart: " + written(config, policy, "max_sessions") +
         " means many clients, who are cleaned up after";
}

// What keeps a session from ending by itself, whatever its age; empty: nothing.
std::string held_by(const Session &session) {
  if (session.state == SessionState::opening) return "its initialize is not answered yet";
  if (session.in_flight > 0) return "a request in flight";
  if (is_held(session)) return "an open stream, with stream_keeps_alive on";
  if (!is_persistent(session)) return {};
  if (!session.policy->rules.orphan_timeout) return "it is persistent";
  return session.streams > 0 ? "it is persistent and has an open stream" : "";
}

void add(Facts &facts, std::string_view key, std::string text) {
  facts.push_back({key, std::move(text)});
}
void add(Facts &facts, std::string_view key, const char *text) {
  facts.push_back({key, std::string(text)});
}
void add(Facts &facts, std::string_view key, bool flag) { facts.push_back({key, flag}); }
void add(Facts &facts, std::string_view key, Millis duration) { facts.push_back({key, duration}); }

// The rule that will end it first, unless something happens before.
DueRule next_rule(const Session &session, MonoTime at) {
  return due_rule(session, at).value_or(DueRule{});
}

std::string_view setting_of(EndReason reason) noexcept {
  if (reason == EndReason::orphan_timeout) return "orphan_timeout";
  if (reason == EndReason::unused_timeout) return "unused_timeout";
  return "session_timeout";
}

void add_end(Facts &facts, const Session &session, const Config &config, MonoTime now) {
  if (session.state == SessionState::closing) {
    add(facts, "ends",
        "now: its proxy has been told, reason " + std::string(to_word(session.end_reason)));
    return;
  }
  if (std::string held = held_by(session); !held.empty()) {
    add(facts, "held_by", std::move(held));
    return;
  }
  const auto at = ends_at(session);
  if (!at) return;
  const DueRule rule = next_rule(session, *at);
  add(facts, "ends_by", written(config, *session.policy, setting_of(rule.reason)));
  add(facts, "ends_in", std::max(*at - now, Millis{0}));
  // Expiry is looked at in passes; the proxy has the last word, as it knows the latest activity.
  add(facts, "found_within", config.sweep_interval());
}

Millis since(MonoTime then, MonoTime now) { return std::max(now - then, Millis{0}); }

}  // namespace

Facts explain(const Session &session, const Config &config, const Core &core, MonoTime now) {
  Facts facts;
  add(facts, "id", std::string(handle_of(session.id->text())));
  add(facts, "state", std::string(to_word(standing_of(session))));
  facts.push_back({"user", std::string(session.user->name), true});
  add(facts, "policy", policy_text(*session.policy));
  add(facts, "persistent", is_persistent(session));
  add(facts, "persistent_because", why_persistent_or_not(session, config));
  add(facts, "age", since(session.created, now));
  add(facts, "idle", session.in_flight > 0 ? Millis{0} : since(session.last_activity, now));
  add(facts, "activity", written(config, *session.policy, "activity"));
  add_end(facts, session, config, now);
  if (!session.instance->linked()) {
    add(facts, "proxy", "away: its sessions wait for it with a clock begun anew");
  } else {
    facts.push_back({"proxy", session.instance->node, true});
  }
  if (core.draining()) add(facts, "draining", true);
  return facts;
}

Facts explain(std::string_view id, const Tombstone &grave, const Core &core, MonoTime now) {
  Facts facts;
  add(facts, "id", std::string(handle_of(id)));
  add(facts, "state", "ended");
  facts.push_back({"user", grave.user, true});
  add(facts, "reason", std::string(to_word(grave.reason)));
  const auto words = enum_words<EndReason>();
  const auto row = std::find_if(words.begin(), words.end(),
                                [&](const auto &r) { return r.value == grave.reason; });
  if (row != words.end()) add(facts, "because", std::string(row->help));
  add(facts, "persistent", grave.persistent);
  add(facts, "ended_ago", since(grave.ended, now));
  add(facts, "lived", grave.lived);
  add(facts, "idle_at_end", grave.idle);
  const Millis left = core.settings().tombstone_lifetime - since(grave.ended, now);
  add(facts, "forgotten_in", std::max(left, Millis{0}));
  return facts;
}

std::string facts_text(const Facts &facts) {
  std::string out;
  for (const auto &[key, value, foreign] : facts) {
    out += std::string(key) + ": ";
    if (const auto *text = std::get_if<std::string>(&value)) {
      out += foreign ? quoted(*text) : *text;
    } else if (const auto *flag = std::get_if<bool>(&value)) {
      out += *flag ? "yes" : "no";
    } else {
      out += duration_text(std::chrono::floor<std::chrono::seconds>(std::get<Millis>(value)));
    }
    out += '\n';
  }
  return out;
}

void write_facts(JsonWriter &w, const Facts &facts) {
  w.begin_object();
  for (const auto &[key, value, foreign] : facts) {
    if (const auto *text = std::get_if<std::string>(&value)) {
      w.key(key).text(*text);
    } else if (const auto *flag = std::get_if<bool>(&value)) {
      w.key(key).boolean(*flag);
    } else {
      w.key(std::string(key) + "_ms").number(std::get<Millis>(value).count());
    }
  }
  w.end_object();
}

}  // namespace holdfast::sessiond
