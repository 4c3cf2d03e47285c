// What a seed's clients ask and its backends answer, drawn before the bytes travel: the text on the
// wire, what it means, and what is wrong with it. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/rng.h"

namespace holdfast::sim {

// How one history differs from another, besides its chances.
struct ExchangeShape {
  size_t config = 0;            // which of the configurations (exchange_world.h)
  size_t clients_max = 3;       // connections at a time
  unsigned flaws_percent = 10;  // of requests and of answers
  unsigned big_percent = 2;     // bodies that no kernel buffer holds
  int kernel_bytes = 4096;      // what a kernel takes at once
  bool slow_kernel = false;     // only that little; else whatever it takes by itself
  bool impatient = false;       // time passes often

  static ExchangeShape draw(Rng &rng, size_t configs_count);
};

struct RequestPlan {
  enum class Flaw : uint8_t { none, head, chunk, oversize };

  uint32_t tag = 0;
  std::string method;
  bool http10 = false;
  bool closes = false;   // asks for, or implies, the end of the connection
  bool expects = false;  // 100-continue
  bool asks_stream = false;
  bool patient = false;  // a call: its backend may take for ever to begin
  Flaw flaw = Flaw::none;
  bool has_length = false;
  bool chunked = false;
  std::string body;
  std::string wire;
  size_t head_bytes = 0;  // of wire

  // May be sent a second time where the first cannot have been looked at (section 4 rule 10).
  bool resendable() const {
    return body.empty() && (method == "GET" || method == "HEAD" || method == "OPTIONS");
  }
  static RequestPlan draw(Rng &rng, uint32_t tag, const ExchangeShape &shape, uint64_t body_max);
};

struct AnswerPlan {
  enum class Kind : uint8_t { bare, length, chunked, until_close, events };
  enum class Flaw : uint8_t {
    none,
    cut,      // the connection ends before the answer does
    head,     // not HTTP as RFC 9112 has it
    chunk,    // nor its body
    surplus,  // more bytes than the answer has
    silence   // the rest never comes
  };
  enum class End : uint8_t { keep, close, half_close, reset };  // behind the last byte

  uint32_t id = 0;
  uint32_t tag = 0;
  int status = 200;
  Kind kind = Kind::length;
  Flaw flaw = Flaw::none;
  End end = End::keep;
  bool early = false;           // does not wait for the request's body
  bool to_close = false;        // only the connection's end ends it
  unsigned interims_count = 0;  // 103
  std::string body;             // what a client may see of it
  std::string wire;
  size_t head_bytes = 0;   // of wire
  size_t whole_bytes = 0;  // of wire: the answer, without a surplus

  // Whether all of it, once sent, is an answer a client must get as it is.
  bool good() const { return flaw == Flaw::none || flaw == Flaw::surplus; }
  static AnswerPlan draw(Rng &rng, uint32_t id, const RequestPlan &request,
                         const ExchangeShape &shape);
};

}  // namespace holdfast::sim
