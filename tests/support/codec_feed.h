// Feeds bytes to the HTTP codec in any split and writes down what came out, so that two splits of
// the same bytes can be compared. Every step sees a fresh heap copy of exactly the bytes received
// so far: a view kept from an earlier step, or a read past the end, is a sanitizer report.
#pragma once

#include <cstddef>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/body_decoder.h"
#include "proxy/http/head_parser.h"

namespace holdfast::test {

// Ascending end positions of the pieces; the last one is the input's size.
using Cuts = std::vector<size_t>;
inline Cuts cut_whole(size_t bytes) { return {bytes}; }
inline Cuts cut_bytewise(size_t bytes) {
  Cuts cuts;
  for (size_t i = 1; i <= bytes; ++i) cuts.push_back(i);
  return cuts;
}
template <class Rng>
Cuts cut_randomly(size_t bytes, Rng &rng, size_t piece_bytes_max = 40) {
  Cuts cuts;
  for (size_t at = 0; at < bytes;) {
    at += 1 + rng() % piece_bytes_max;
    cuts.push_back(at < bytes ? at : bytes);
  }
  return cuts;
}

inline std::string describe(const proxy::http::Framing &framing) {
  return std::to_string(static_cast<int>(framing.kind)) + "/" + std::to_string(framing.length);
}

inline std::string describe(const proxy::http::FieldList &fields) {
  std::string text;
  for (const proxy::http::Field &field : fields.all()) {
    text.append("\n").append(field.name).append("=").append(field.value);
    text.append(" id=").append(std::to_string(static_cast<int>(field.id)));
    if (field.hop_by_hop) text.append(" hop");
  }
  return text;
}

inline std::string describe(const proxy::http::RequestHead &head) {
  std::string text(head.method_name);
  text.append(" target=").append(head.target).append(" path=").append(head.path);
  text.append(" query=").append(head.query).append(" host=").append(head.host);
  text.append(" scheme=").append(head.scheme);
  text.append(" minor=").append(std::to_string(head.minor_version));
  if (head.keep_alive) text.append(" keep_alive");
  if (head.expect_continue) text.append(" expect_continue");
  return text.append(" framing=").append(describe(head.framing)).append(describe(head.fields));
}

inline std::string describe(const proxy::http::ResponseHead &head) {
  std::string text = std::to_string(head.status);
  text.append(" reason=").append(head.reason);
  text.append(" minor=").append(std::to_string(head.minor_version));
  if (head.keep_alive) text.append(" keep_alive");
  if (head.has_declared_length) {
    text.append(" declared=").append(std::to_string(head.declared_length));
  }
  return text.append(" framing=").append(describe(head.framing)).append(describe(head.fields));
}

struct HeadOutcome {
  proxy::http::HeadState state = proxy::http::HeadState::incomplete;
  int status = 0;
  std::string reason;
  size_t head_bytes = 0;
  std::string head;  // described; empty unless complete
  bool operator==(const HeadOutcome &) const = default;
};

inline std::string describe(const HeadOutcome &outcome) {
  return "state=" + std::to_string(static_cast<int>(outcome.state)) +
         " status=" + std::to_string(outcome.status) + " reason=" + outcome.reason +
         " head_bytes=" + std::to_string(outcome.head_bytes) + "\n" + outcome.head;
}

// `parse(parser, bytes, head)` is one call of the parser.
template <class Parser, class Head, class Parse>
HeadOutcome feed_head(std::string_view input, const Cuts &cuts, Parse parse) {
  using proxy::http::HeadState;
  Parser parser;
  HeadOutcome outcome;
  Head head;
  for (const size_t cut : cuts) {
    const std::vector<char> received(input.begin(), input.begin() + static_cast<ptrdiff_t>(cut));
    outcome.state = parse(parser, std::string_view(received.data(), received.size()), head);
    if (outcome.state == HeadState::incomplete) continue;
    if (outcome.state == HeadState::complete) {
      outcome.head_bytes = parser.head_bytes();
      outcome.head = describe(head);
    } else {
      outcome.status = parser.error().status;
      outcome.reason = parser.error().reason;
    }
    break;
  }
  return outcome;
}

inline HeadOutcome feed_request(std::string_view input, const Cuts &cuts) {
  using namespace proxy::http;
  return feed_head<RequestParser, RequestHead>(
      input, cuts, [](RequestParser &parser, std::string_view bytes, RequestHead &head) {
        return parser.parse(bytes, head);
      });
}

inline HeadOutcome feed_response(std::string_view input, proxy::http::Method method,
                                 const Cuts &cuts) {
  using namespace proxy::http;
  return feed_head<ResponseParser, ResponseHead>(
      input, cuts, [method](ResponseParser &parser, std::string_view bytes, ResponseHead &head) {
        return parser.parse(bytes, method, head);
      });
}

struct BodyOutcome {
  proxy::http::BodyDecoder::State state = proxy::http::BodyDecoder::State::more;
  std::string data;
  size_t consumed = 0;
  uint64_t decoded_bytes = 0;
  std::string error;
  bool complete_at_eof = false;
  bool progressed = true;  // no step returned `more` without having consumed anything
  bool operator==(const BodyOutcome &) const = default;
};

inline BodyOutcome feed_body(proxy::http::Framing framing, uint64_t bytes_max,
                             std::string_view input, const Cuts &cuts) {
  using State = proxy::http::BodyDecoder::State;
  proxy::http::BodyDecoder decoder(framing, bytes_max);
  BodyOutcome outcome;
  outcome.state = decoder.next({}).state;  // a body without bytes is complete before any arrives
  size_t begin = 0;
  for (const size_t cut : cuts) {
    const std::vector<char> piece(input.begin() + static_cast<ptrdiff_t>(begin),
                                  input.begin() + static_cast<ptrdiff_t>(cut));
    begin = cut;
    std::string_view rest(piece.data(), piece.size());
    while (outcome.state == State::more && !rest.empty() && outcome.progressed) {
      const proxy::http::BodyDecoder::Step step = decoder.next(rest);
      outcome.state = step.state;
      outcome.data.append(step.data);
      outcome.consumed += step.consumed;
      outcome.progressed = step.consumed > 0 || step.state != State::more;
      rest.remove_prefix(step.consumed);
    }
    if (outcome.state != State::more) break;
  }
  outcome.decoded_bytes = decoder.decoded_bytes();
  if (outcome.state == State::failed) outcome.error = decoder.error();
  outcome.complete_at_eof = decoder.finish_at_eof();
  return outcome;
}

}  // namespace holdfast::test
