// The oracle: what has been asked and answered on both sides of the proxy, kept as plainly as can
// be, and what follows from it. Whoever sees bytes says so here; a broken promise is thrown as a
// Violation. The promises are those of the threat and failure model: D1 identical bytes in order,
// D2 no cut answer looks whole, D3 one request gives one request, D4 nothing ambiguous passes,
// D5 an answer reaches who asked, F5 nobody waits for ever, R1 bounded memory, R2 nothing is left.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "tests/sim/exchange_plan.h"
#include "tests/sim/exchange_wire.h"
#include "tests/sim/trace.h"

namespace holdfast::sim {

struct AskedRequest {
  RequestPlan plan;
  size_t client = 0;            // its connection
  uint64_t begin = 0, end = 0;  // where it stands in that connection's bytes
  bool begun = false;           // a byte of it is in the kernel
  bool written = false;         // all of it is
  bool settled = false;         // its client has its answer, or has seen that there will be none
  bool waited = false;          // time enough for a deadline passed meanwhile
  bool broken = false;          // a backend that had it, or should have had it, failed
  bool behind_close = false;    // it follows one that ends the connection
  unsigned seen_count = 0;      // at how many backend connections
  bool arrived = false;         // whole, at a backend
  unsigned unheard_count = 0;   // of those, how many ended before a byte of an answer
  uint32_t answer = 0;          // the last one that was begun for it; 0: none
};

struct GivenAnswer {
  AnswerPlan plan;
  size_t sent_bytes = 0;  // of plan.wire
  bool whole = false;     // sent so that the client must get it as it is
};

class ExchangeBooks {
 public:
  explicit ExchangeBooks(Trace &trace) : trace_(trace) {}

  Trace &trace() noexcept { return trace_; }
  AskedRequest &ask(RequestPlan plan, size_t client);
  GivenAnswer &give(AnswerPlan plan);
  AskedRequest &request(uint32_t tag);  // throws D3: nobody asked that
  GivenAnswer *answer(uint64_t id);
  std::map<uint32_t, AskedRequest> &requests() noexcept { return requests_; }
  // Whoever waits for an answer now may be told that there is none.
  void break_in_flight();
  // Time enough for a deadline has passed.
  void note_wait();
  // Some backend could not be reached, or failed: from now on servers may be counted out.
  bool servers_failed = false;

  // ---- what backends see ----
  // A head that came at a backend, or the beginning of one. `reused`: an answer was given on this
  // connection before.
  AskedRequest &on_request_head(const WireHead &head);
  void on_request_seen(AskedRequest &request);
  void check_request_body(const AskedRequest &request, std::string_view body, bool whole);

  // ---- what clients see ----
  // The final head of the answer to this request. The answer it belongs to; nullptr: the proxy's
  // own.
  GivenAnswer *on_answer_head(AskedRequest &request, const WireHead &head, int status);
  void check_answer_body(const AskedRequest &request, const GivenAnswer &given,
                         std::string_view body, bool whole) const;

 private:
  void check_own_answer(const AskedRequest &request, int status) const;

  Trace &trace_;
  std::map<uint32_t, AskedRequest> requests_;
  std::map<uint64_t, GivenAnswer> answers_;
};

// How much of an event stream's received bytes are `sent`, heartbeats between events left out;
// nullopt: they are something else. `whole`: nothing more comes.
bool same_events(std::string_view received, std::string_view sent, bool whole);

}  // namespace holdfast::sim
