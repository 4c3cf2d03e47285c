// Core: a link's life, from hello to its end (PROTOCOL.md 1.4).
#include <fmt/format.h>

#include <algorithm>

#include "sessiond/core/reports.h"
#include "sessiond/core/sharing.h"
#include "sessiond/core/step.h"

namespace holdfast::sessiond {
namespace {

using OfInstance = IntrusiveList<Session, &Session::of_instance>;
using OfShares = IntrusiveList<Holding, &Holding::of_instance>;

constexpr size_t kReportedPoliciesMax = 1000;

}  // namespace

void Core::on(const LinkUp &event, Turn &turn) {
  LinkState &link = links_[event.link];
  link.id = event.link;
  link.since = turn.now;
}

void Core::on(const Message &event, Turn &turn) {
  const auto at = links_.find(event.link);
  if (at == links_.end() || at->second.closing) return;
  LinkState &link = at->second;
  if (link.instance == nullptr && !std::holds_alternative<link::Hello>(event.message)) {
    // A bye may come first: the proxy does not know our version.
    if (!std::holds_alternative<link::Bye>(event.message)) {
      close_link(link, "the first message must be hello", turn);
    }
    return;
  }
  std::visit([&](const auto &message) { on_message(link, message, turn); }, event.message);
}

void Core::close_link(LinkState &link, std::string reason, Turn &turn) {
  link.closing = true;
  turn.log(LogLevel::warn, fmt::format("event=link_refused node={} pid={} reason={}",
                                       quoted(link.node), link.pid, quoted(reason)));
  turn.out.push_back(CloseLink{link.id, std::move(reason)});
}

// ---- hello ----

void Core::on_message(LinkState &link, const link::Hello &hello, Turn &turn) {
  link.pid = hello.pid;
  link.version = hello.version;
  if (hello.v != link::kVersion) {
    return close_link(
        link, fmt::format("link version {} is not known here, only {}", hello.v, link::kVersion),
        turn);
  }
  if (link.instance != nullptr && link.instance->name != hello.instance) {
    return close_link(link, "hello: a link cannot change its instance", turn);
  }
  link.node = hello.node;
  link.policies = hello.policies;
  const bool again = link.instance != nullptr;  // its policy names changed
  link.snapshot_taken = false;                  // one follows every welcome
  if (!again) take_instance(link, hello, turn);
  link.siblings_told = 0;
  welcome(link, turn);
  if (!again) {
    turn.log(LogLevel::info,
             fmt::format("event=link_up node={} instance={} pid={} version={} known_sessions={}",
                         quoted(link.node), quoted(hello.instance), link.pid, quoted(link.version),
                         link.instance->sessions.size()));
  }
}

// The instance may still have an older connection whose end has not reached us.
void Core::take_instance(LinkState &link, const link::Hello &hello, Turn &turn) {
  Instance &instance = table_.instance(hello.node, hello.instance);
  if (instance.linked()) {
    LinkState &older = links_.at(instance.link);
    older.instance = nullptr;
    close_link(older, "replaced by a newer connection of the same instance", turn);
    commands_.link_ended(older.id, turn.out);
    forget_waiting(older.id);
    forget_asks(instance, turn);
  }
  instance.link = link.id;
  link.instance = &instance;
  offer_all(instance);
}

void Core::welcome(LinkState &link, Turn &turn) {
  turn.send(link.id, link::Welcome{link::kVersion, settings_.version, policies_.infos(),
                                   unknown_policies(link, turn), settings_.http_socket,
                                   settings_.tombstone_lifetime.count()});
  tell_servers(link, turn);
  // Before `restored_end`, which lets the proxy admit without asking where there is no cap.
  if (draining_) turn.send(link.id, link::Drain{true, false, {}});
  tell_siblings(link.node, turn);
  turn.send(link.id, link::RestoredBegin{});
  link.restoring = true;
  restore_some(link, turn);
  pump(*link.instance, turn);
}

std::vector<std::string> Core::unknown_policies(const LinkState &link, Turn &turn) {
  std::vector<std::string> unknown;
  for (const std::string &name : link.policies) {
    if (policies_.defined(name)) continue;
    unknown.push_back(name);
    report_unknown_policy(name, link.node, turn);
  }
  return unknown;
}

void Core::report_unknown_policy(std::string_view name, std::string_view node, Turn &turn) {
  if (reported_policies_.size() >= kReportedPoliciesMax) return;
  if (!reported_policies_.emplace(name).second) return;
  turn.log(LogLevel::error, fmt::format("event=unknown_policy policy={} node={} "
                                        "hint=\"no such policy block; using the top-level policy\"",
                                        quoted(name), quoted(node)));
}

// ---- restoring: sessions of earlier instances of this node and of its siblings, in pieces ----

void Core::on(const Drained &event, Turn &turn) {
  const auto at = links_.find(event.link);
  if (at == links_.end() || at->second.instance == nullptr) return;
  if (at->second.restoring || at->second.piece_out) restore_some(at->second, turn);
}

void Core::restore_some(LinkState &link, Turn &turn) {
  size_t left = kRestoredPerPiece;
  for (auto &[name, gone] : table_.instances()) {
    if (!link.restoring || gone.linked() || gone.node != link.node) continue;
    for (; left > 0 && !gone.sessions.empty(); --left) restore(*gone.sessions.front(), link, turn);
  }
  std::deque<SessionId> &owed = link.instance->owed;
  while (left > 0 && !owed.empty()) {
    const SessionId id = owed.front();
    owed.pop_front();
    if (hand_over(id, link, turn)) --left;
  }
  link.piece_out = left == 0;
  if (link.piece_out || !link.restoring) return;  // goes on when this piece has been written
  link.restoring = false;
  turn.send(link.id, link::RestoredEnd{});
}

void Core::restore(Session &session, LinkState &link, Turn &turn) {
  ++counters_.restored;
  move_to(session, *link.instance);
  session.unconfirmed = true;
  turn.send(link.id, link::Restored{record_of(session, turn.now)});
  offer(session, turn);
}

// ---- snapshot ----

void Core::on_message(LinkState &link, const link::SnapshotBegin &, Turn &) {
  ++link.instance->snapshots_count;
  link.in_snapshot = true;
  link.snapshot_lenient = !link.snapshot_taken || link.restoring;
}

void Core::on_message(LinkState &link, const link::Snapshot &snapshot, Turn &turn) {
  const link::Record &record = snapshot.record;
  const auto id = SessionId::parse(record.session);
  if (!id) return close_link(link, "snapshot: not a session id", turn);
  const Tombstone *const grave = tombstones_.find(record.session);
  Session *session = table_.find(record.session);
  // What the client or the backend has ended is over for whoever missed it, too.
  const bool over = grave != nullptr && (grave->drop_again || ends_for_all(grave->reason));
  if (session == nullptr && over) {
    turn.send(link.id, link::Drop{record.session, grave->reason});
    return;
  }
  // Begun while we ran, but not told: the proxy served it without waiting for us.
  const bool news = session == nullptr
                        ? grave == nullptr && age_of(record.age_ms) < turn.now - started_
                        : session->state == SessionState::opening;
  if (session == nullptr) session = &add_told(*id, link, record, turn);
  hold(*session, *link.instance, turn);
  apply(*session, link, record, turn);
  if (news) announce(*session, turn);
  offer(*session, turn);
}

Session &Core::add_told(const SessionId &id, LinkState &link, const link::Record &record,
                        Turn &turn) {
  tombstones_.erase(id.text());
  if (!policies_.defined(record.policy)) report_unknown_policy(record.policy, link.node, turn);
  const SessionIdentity identity{record.user, record.transport, record.peer, record.client_name,
                                 record.client_version};
  return table_.add(id, identity, *link.instance, policies_.named(record.policy), turn.now);
}

// Takes over what the proxy says of a session: only it knows.
void Core::apply(Session &session, const LinkState &link, const link::Record &record, Turn &turn) {
  if (session.state == SessionState::opening) table_.open(session);
  table_.set_backend(session, record.backend, record.backend_session, record.target);
  session.created = turn.now - age_of(record.age_ms);
  Part &part = part_of(session, *link.instance);
  part.last_activity = turn.now - age_of(record.idle_ms);
  part.in_flight = small_count_of(record.in_flight);
  part.streams = small_count_of(record.streams);
  part.requests = small_count_of(record.requests);
  part.seen = link.instance->snapshots_count;
  part.unconfirmed = false;
  merge(session);
  // What was ordered while the link was away, or what we have forgotten since.
  const bool persistent = is_persistent(session);
  if (record.persistent != persistent) {
    turn.send(link.id, link::Set{record.session, persistent});
  }
  if (session.state == SessionState::open) reaper_.arm(session, turn.now);
}

void Core::on_message(LinkState &link, const link::SnapshotEnd &, Turn &turn) {
  if (!link.in_snapshot) return close_link(link, "snapshot_end without snapshot_begin", turn);
  Instance &instance = *link.instance;
  const int64_t gone_count = end_unnamed(link, turn);
  ++counters_.snapshots;
  link.in_snapshot = false;
  link.snapshot_taken = true;
  turn.log(LogLevel::info, fmt::format("event=snapshot_taken node={} sessions={} shared={} gone={}",
                                       quoted(link.node), instance.sessions.size(),
                                       instance.shares.size(), gone_count));
  pump(instance, turn);
}

// What the snapshot did not name its instance does not hold.
int64_t Core::end_unnamed(LinkState &link, Turn &turn) {
  Instance &instance = *link.instance;
  const auto is_spared = [&](const Part &part) {
    return part.seen == instance.snapshots_count || (part.unconfirmed && link.snapshot_lenient);
  };
  std::vector<SessionId> unnamed;
  for (Session *s = instance.sessions.front(); s != nullptr; s = OfInstance::next(*s)) {
    const bool spared = s->sharing || s->state == SessionState::opening || is_spared(*s);
    if (!spared) unnamed.push_back(*s->id);
  }
  for (Holding *h = instance.shares.front(); h != nullptr; h = OfShares::next(*h)) {
    if (!is_spared(*h)) unnamed.push_back(*h->session->id);
  }
  for (const SessionId &id : unnamed) {
    Session &session = *table_.find(id.text());
    const bool ordered = session.state == SessionState::closing;
    if (session.sharing && !is_last_word(session, link, EndReason::not_in_snapshot)) {
      forget_holder(session, link, EndReason::not_in_snapshot, turn);
    } else {
      end(session, ordered ? session.end_reason : EndReason::not_in_snapshot, turn, link.id);
    }
  }
  return static_cast<int64_t>(unnamed.size());
}

// ---- the end ----

void Core::on(const LinkDown &event, Turn &turn) {
  const auto at = links_.find(event.link);
  if (at == links_.end()) return;
  forget_waiting(event.link);
  if (Instance *const instance = at->second.instance) {
    instance->link = LinkId::none;
    turn.log(LogLevel::info,
             fmt::format("event=link_down node={} instance={} sessions={}", quoted(instance->node),
                         quoted(instance->name), instance->sessions.size()));
    leave_shared(*instance, turn);
    leave_ownerless(*instance, turn);
  }
  const std::string node = at->second.node;
  links_.erase(at);
  commands_.link_ended(event.link, turn.out);
  tell_siblings(node, turn);
  hand_to_next(node, turn);
}

// The node's next instance may have said hello before we heard of this one's end: what it left
// ownerless goes there now, and a fresh snapshot follows.
void Core::hand_to_next(std::string_view node, Turn &turn) {
  const auto &instances = table_.instances();
  const bool ownerless = std::any_of(instances.begin(), instances.end(), [&](const auto &entry) {
    const Instance &instance = entry.second;
    return !instance.linked() && instance.node == node && !instance.sessions.empty();
  });
  if (!ownerless) return;
  for (auto at = links_.rbegin(); at != links_.rend(); ++at) {
    LinkState &link = at->second;
    if (link.instance == nullptr || link.closing || link.node != node) continue;
    if (link.restoring) return;  // goes on when the present piece has been written
    link.restoring = true;
    link.snapshot_taken = false;
    link.snapshot_lenient = true;
    turn.send(link.id, link::RestoredBegin{});
    if (!link.piece_out) restore_some(link, turn);
    return;
  }
}

void Core::forget_waiting(LinkId link) {
  std::erase_if(waiting_, [&](const WaitingAdmission &waiting) { return waiting.link == link; });
}

// What cannot live without its proxy ends; the rest waits for the node's next instance, and its
// clock begins anew, since only the proxy knew when it was last active.
void Core::leave_ownerless(Instance &instance, Turn &turn) {
  for (Session *s = instance.sessions.front(); s != nullptr;) {
    Session *const next = OfInstance::next(*s);
    set_asked(*s, Ask::none);
    if (s->state == SessionState::closing) {
      end(*s, s->end_reason, turn);
    } else if (s->state == SessionState::opening || s->transport != Transport::streamable) {
      end(*s, EndReason::link_lost, turn);
    } else {
      s->in_flight = 0;
      s->streams = 0;
      s->last_activity = s->last_use = turn.now;
      if (s->unconfirmed) take_back(*s);
      reaper_.arm(*s, turn.now);
    }
    s = next;
  }
}

// The connection that carried our questions is gone, the instance is not: reservations end with the
// connection, orders are repeated, all else follows from the snapshot.
void Core::forget_asks(Instance &instance, Turn &turn) {
  forget_said(instance, turn);
  for (Session *s = instance.sessions.front(); s != nullptr;) {
    Session *const next = OfInstance::next(*s);
    set_asked(*s, Ask::none);
    if (s->state == SessionState::opening) {
      release(*s);
    } else if (s->state == SessionState::closing) {
      if (s->look != Look::queued) enqueue(*s, true);
    } else {
      if (s->unconfirmed) take_back(*s);
      reaper_.arm(*s, turn.now);
    }
    s = next;
  }
}

// A session that was handed back and not named since may never have arrived: nobody has it, and the
// next connection gets it again.
void Core::take_back(Session &session) {
  const Instance &instance = *session.instance;
  move_to(session, table_.instance(instance.node, instance.name + "?"));
}

// ---- small talk ----

void Core::on_message(LinkState &link, const link::Stats &stats, Turn &turn) {
  link.stats = stats;
  learn_servers(link, turn);
}

void Core::on_message(LinkState &link, const link::Obeyed &obeyed, Turn &turn) {
  commands_.proxy_answered(link.id, static_cast<Token>(obeyed.token), true, {}, turn.out);
}

void Core::on_message(LinkState &link, const link::Reloaded &reloaded, Turn &turn) {
  commands_.proxy_answered(link.id, static_cast<Token>(reloaded.token), reloaded.ok,
                           reloaded.message, turn.out);
}

void Core::on_message(LinkState &, const link::Pong &, Turn &) {}

void Core::on_message(LinkState &link, const link::Unsupported &unsupported, Turn &turn) {
  turn.log(LogLevel::warn,
           fmt::format("event=message_unsupported node={} type={} hint=\"ignoring; is the proxy "
                       "older than sessiond?\"",
                       quoted(link.node), quoted(unsupported.type)));
}

void Core::on_message(LinkState &link, const link::Bye &bye, Turn &turn) {
  turn.log(LogLevel::info,
           fmt::format("event=link_bye node={} reason={}", quoted(link.node), quoted(bye.reason)));
}

}  // namespace holdfast::sessiond
