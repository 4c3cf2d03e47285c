// The sessions of the two session-keeping eras: who is connected, what they subscribed to, and the
// recent events of each session's stream for Last-Event-ID. Owned by Demo. Loop thread only; pure
// otherwise: writing to streams is its callers' work.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "tests/demo/event_streams.h"

namespace holdfast::demo {

struct Session {
  std::string id;
  bool legacy = false;
  StreamId stream = 0;  // its GET or legacy stream; 0 when none is open
  std::set<std::string> subscriptions;
  std::string log_level;
  int64_t pings = 0;            // of the client
  MonoTime last_use{};          // its last POST
  int64_t next_request_id = 0;  // of our own requests to the client
  uint64_t last_event = 0;      // number of the newest event in `history`
  std::deque<std::string> history;

  // Keeps `message` as the next event and returns its text with the event id.
  std::string record(const json_t *message);
  // The kept events after `last_event_id`, oldest first; all kept ones when the id is not ours.
  std::vector<std::string> after(std::string_view last_event_id) const;
};

struct EndedSession {
  std::string id;
  const char *how;  // "delete", "forgotten", "client_left", "closed"
};

class Sessions {
 public:
  // The new session has a random UUID. REQUIRES: the reference is not kept past a call of end().
  Session &create(bool legacy);
  Session *find(std::string_view id);              // nullptr when unknown
  void end(std::string_view id, const char *how);  // unknown ids are ignored
  void forget_all();

  const std::map<std::string, Session, std::less<>> &live() const { return live_; }
  std::map<std::string, Session, std::less<>> &live() { return live_; }
  const std::deque<EndedSession> &ended() const { return ended_; }  // newest last, bounded

 private:
  std::map<std::string, Session, std::less<>> live_;
  std::deque<EndedSession> ended_;
};

}  // namespace holdfast::demo
