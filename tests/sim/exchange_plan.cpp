#include "tests/sim/exchange_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast::sim {
namespace {

// What a reader that lost its place would take for something else.
constexpr std::array<std::string_view, 5> kTraps = {
    "0\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "GET /t/0 HTTP/1.1\r\nHost: localhost\r\n\r\n", ": ping\n\n", "\r\n"};

std::string filling(Rng &rng, size_t bytes) {
  constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz012345";
  std::string out;
  out.reserve(bytes);
  while (out.size() < bytes) {
    if (rng.percent(2)) out += rng.pick(kTraps);
    for (uint64_t word = rng.next(); word != 0; word >>= 5) out += kAlphabet[word & 31];
  }
  out.resize(bytes);
  return out;
}

size_t body_bytes(Rng &rng, const ExchangeShape &shape) {
  if (rng.percent(shape.big_percent)) return 60'000 + rng.below(140'000);
  const size_t kind = rng.below(10);
  if (kind < 2) return 0;
  if (kind < 8) return rng.below(400);
  return rng.below(12'000);
}

std::string json_body(Rng &rng, uint32_t tag, size_t bytes) {
  std::string letters = filling(rng, bytes);
  std::replace_if(
      letters.begin(), letters.end(), [](char c) { return c < 0x20 || c == '"'; }, '_');
  const std::string pad = R"("params":{"name":"tool","pad":")" + letters + R"("})";
  const std::string method = R"("method":"tools/call")";
  const bool late = rng.percent(50);  // the proxy waits for the method before it chooses a backend
  return fmt::format(R"({{"jsonrpc":"2.0","id":{},{},{}}})", tag, late ? pad : method,
                     late ? method : pad);
}

std::string chunks_of(Rng &rng, std::string_view body, bool extensions) {
  std::string out;
  while (!body.empty()) {
    const size_t bytes = std::min(body.size(), size_t{1} + rng.below(rng.percent(20) ? 20 : 9000));
    out += rng.percent(50) ? fmt::format("{:x}", bytes) : fmt::format("{:04X}", bytes);
    if (extensions && rng.percent(20)) out += ";name=\"va;lue\"";
    out.append("\r\n").append(body.substr(0, bytes)).append("\r\n");
    body.remove_prefix(bytes);
  }
  return out;
}

std::string last_chunk(Rng &rng) {
  return rng.percent(15) ? "000\r\nX-Trailer: 1\r\n\r\n" : "0\r\n\r\n";
}

// A request head that is ambiguous, or none: each of them another way to smuggle.
std::string flawed_head(Rng &rng, uint32_t tag) {
  const std::string line = fmt::format("POST /t/{} HTTP/1.1\r\n", tag);
  const std::string host = "Host: localhost\r\n";
  switch (rng.below(12)) {
    case 0:
      return line + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    case 1:
      return line + host + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello";
    case 2:
      return line + host + "Content-Length: +5\r\n\r\nhello";
    case 3:
      return line + host + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    case 4:
      return line + host + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n";
    case 5:
      return line + host + host + "\r\n";
    case 6:
      return line + "\r\n";
    case 7:
      return line + host + "X-Folded: a\r\n b\r\nContent-Length: 0\r\n\r\n";
    case 8:
      return line + host + "X-Bare: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    case 9:
      return fmt::format("BREW /t/{} HTTP/1.1\r\n", tag) + host + "\r\n";
    case 10:
      return fmt::format("GET /t/{} HTTP/2.0\r\n", tag) + host + "\r\n";
    default:
      return fmt::format("GET /t/{} HTTP/1.1\r\n", tag) + host + "Content-Length: 3\r\n\r\nabc";
  }
}

// An answer's head that is none, or ambiguous.
std::string flawed_answer(Rng &rng) {
  switch (rng.below(9)) {
    case 0:
      return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";
    case 1:
      return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    case 2:
      return "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx";
    case 3:
      return "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    case 4:
      return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n";
    case 5:
      return "hello, this is not HTTP\r\n\r\n";
    case 6:
      return "HTTP/1.1 200 OK\nContent-Length: 2\n\nok";
    case 7:
      return "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok";
    default: {
      std::string text;
      for (int i = 0; i < 9; ++i) text += "HTTP/1.1 103 Early Hints\r\nX-Hint: 1\r\n\r\n";
      return text + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    }
  }
}

std::string events_body(Rng &rng, uint32_t id) {
  std::string out;
  const size_t count = rng.below(6);
  for (size_t i = 0; i < count; ++i) {
    const std::string_view end = rng.percent(25) ? "\r\n" : "\n";
    if (rng.percent(30)) out.append(fmt::format("id: {}-{}", id, i)).append(end);
    for (size_t lines = 1 + rng.below(2); lines > 0; --lines) {
      std::string data = filling(rng, rng.below(rng.percent(5) ? 9000 : 90));
      std::replace_if(
          data.begin(), data.end(), [](char c) { return c < 0x20; }, '_');
      out.append("data: ").append(data).append(end);
    }
    out += end;
  }
  return out;
}

// How the answer ends, with what its flaw leaves of it.
void spoil(AnswerPlan &plan, Rng &rng, const ExchangeShape &shape, bool head_only) {
  std::string &out = plan.wire;
  plan.whole_bytes = out.size();
  if (plan.to_close) plan.end = AnswerPlan::End::close;
  if (rng.percent(shape.flaws_percent / 4) && !plan.to_close) {
    plan.end = static_cast<AnswerPlan::End>(1 + rng.below(3));
  }
  if (plan.flaw == AnswerPlan::Flaw::chunk && head_only) plan.flaw = AnswerPlan::Flaw::none;
  if (plan.flaw == AnswerPlan::Flaw::surplus && plan.to_close) plan.flaw = AnswerPlan::Flaw::none;
  if (plan.flaw == AnswerPlan::Flaw::surplus)
    out += rng.percent(50) ? "surplus" : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  if (plan.flaw == AnswerPlan::Flaw::cut || plan.flaw == AnswerPlan::Flaw::silence) {
    // Of a body that only the end ends, any end but a reset is its end.
    const size_t least = rng.percent(30) ? 1 : std::min(plan.head_bytes, out.size() - 1);
    out.resize(least + rng.below(out.size() - least));
    plan.whole_bytes = out.size();
    plan.end = plan.to_close || rng.percent(50) ? AnswerPlan::End::reset : AnswerPlan::End::close;
    if (plan.flaw == AnswerPlan::Flaw::silence) plan.end = AnswerPlan::End::keep;
  }
}

}  // namespace

ExchangeShape ExchangeShape::draw(Rng &rng, size_t configs_count) {
  ExchangeShape shape;
  shape.config = rng.below(configs_count);
  shape.clients_max = 1 + rng.below(4);
  shape.flaws_percent = static_cast<unsigned>(rng.below(3) * 12);
  shape.big_percent = rng.percent(20) ? 25 : 1;
  shape.slow_kernel = rng.percent(40);
  shape.kernel_bytes = static_cast<int>(2048 << rng.below(4));
  shape.impatient = rng.percent(25);
  return shape;
}

RequestPlan RequestPlan::draw(Rng &rng, uint32_t tag, const ExchangeShape &shape,
                              uint64_t body_max) {
  static constexpr std::array<std::string_view, 7> kMethods = {"GET",  "GET",    "POST",   "POST",
                                                               "POST", "DELETE", "OPTIONS"};
  RequestPlan plan;
  plan.tag = tag;
  if (rng.percent(shape.flaws_percent)) plan.flaw = static_cast<Flaw>(1 + rng.below(3));
  if (plan.flaw == Flaw::head) {
    plan.method = "POST";
    plan.closes = true;
    plan.wire = flawed_head(rng, tag);
    plan.head_bytes = plan.wire.size();
    return plan;
  }
  const bool needs_body = plan.flaw != Flaw::none;
  plan.method = needs_body ? "POST" : rng.percent(8) ? "HEAD" : std::string(rng.pick(kMethods));
  plan.http10 = !needs_body && rng.percent(8);
  const bool says_close = rng.percent(6);
  plan.closes = plan.http10 || says_close || needs_body;
  plan.asks_stream = plan.method == "GET" && rng.percent(30);
  const bool post = plan.method == "POST";
  const bool json = post && rng.percent(40);
  plan.patient = json;
  if (post) {
    const size_t bytes = std::min<uint64_t>(body_bytes(rng, shape), body_max - 200);
    plan.body = json ? json_body(rng, tag, bytes) : filling(rng, bytes);
  }
  plan.chunked = plan.flaw == Flaw::chunk || (post && !plan.http10 && rng.percent(45));
  plan.has_length = post && !plan.chunked;
  if (plan.flaw == Flaw::oversize) plan.chunked = plan.has_length = false;
  plan.expects = post && !plan.http10 && rng.percent(15);
  std::string &out = plan.wire;
  out = fmt::format("{} /t/{}{} HTTP/1.{}\r\nHost: localhost\r\nX-Tag: {}\r\n", plan.method, tag,
                    rng.percent(20) ? "?a=%20b" : "", plan.http10 ? 0 : 1, tag);
  if (says_close) out += rng.percent(50) ? "Connection: close\r\n" : "Connection: x, CLOSE\r\n";
  if (!says_close && rng.percent(10)) out += "Connection: X-Hop\r\nX-Hop: 1\r\n";
  if (plan.asks_stream) out += "Accept: text/event-stream\r\n";
  if (post && !json) out += "Content-Type: application/octet-stream\r\n";
  if (json) out += "Content-Type: application/json\r\n";
  if (plan.expects) out += "Expect: 100-continue\r\n";
  if (plan.has_length) out += fmt::format("Content-Length: {}\r\n", plan.body.size());
  if (plan.flaw == Flaw::oversize) out += fmt::format("Content-Length: {}\r\n", body_max + 1);
  if (plan.chunked) out += "Transfer-Encoding: chunked\r\n";
  out += "\r\n";
  plan.head_bytes = out.size();
  if (plan.chunked) {
    out += chunks_of(rng, plan.body, true);
    out += plan.flaw == Flaw::chunk ? "zz\r\nmore\r\n0\r\n\r\n" : last_chunk(rng);
  } else {
    out += plan.body;
  }
  return plan;
}

AnswerPlan AnswerPlan::draw(Rng &rng, uint32_t id, const RequestPlan &request,
                            const ExchangeShape &shape) {
  static constexpr std::array<int, 8> kStatuses = {200, 200, 200, 200, 201, 404, 409, 500};
  AnswerPlan plan;
  plan.id = id;
  plan.tag = request.tag;
  const bool flawed = rng.percent(shape.flaws_percent);
  if (flawed) plan.flaw = static_cast<Flaw>(1 + rng.below(5));
  plan.kind = static_cast<Kind>(rng.below(5));
  if (request.asks_stream && rng.percent(70)) plan.kind = Kind::events;
  if (plan.flaw == Flaw::chunk) plan.kind = Kind::chunked;
  plan.early = rng.percent(8);
  const bool head_only = request.method == "HEAD";
  const bool bare = plan.kind == Kind::bare;
  plan.status = bare ? (rng.percent(50) ? 204 : 304) : rng.pick(kStatuses);
  if (plan.kind == Kind::events) plan.status = 200;
  const bool coded = plan.kind == Kind::chunked || (plan.kind == Kind::events && rng.percent(60));
  plan.to_close = !bare && !coded && plan.kind != Kind::length && !head_only;
  if (!bare) {
    plan.body =
        plan.kind == Kind::events ? events_body(rng, id) : filling(rng, body_bytes(rng, shape));
  }
  if (rng.percent(10)) plan.interims_count = 1 + static_cast<unsigned>(rng.below(3));
  std::string &out = plan.wire;
  if (request.expects && rng.percent(50)) out += "HTTP/1.1 100 Continue\r\n\r\n";
  for (unsigned i = 0; i < plan.interims_count; ++i)
    out += fmt::format("HTTP/1.1 103 Early Hints\r\nX-Answer: {}\r\n\r\n", id);
  if (plan.flaw == Flaw::head) {
    out += flawed_answer(rng);
    plan.whole_bytes = out.size();
    plan.body.clear();
    plan.end = rng.percent(50) ? End::close : End::keep;
    return plan;
  }
  out += fmt::format("HTTP/1.1 {} {}\r\nX-Answer: {}\r\n", plan.status,
                     rng.percent(20) ? "" : "Some Words", id);
  if (plan.kind == Kind::events) out += "Content-Type: text/event-stream\r\n";
  if (rng.percent(8)) {
    out += "Connection: close\r\n";
    plan.end = End::close;
  } else if (rng.percent(8)) {
    out += "Keep-Alive: timeout=2\r\nConnection: keep-alive\r\n";
  }
  if (coded) out += "Transfer-Encoding: chunked\r\n";
  if (plan.kind == Kind::length) out += fmt::format("Content-Length: {}\r\n", plan.body.size());
  out += "\r\n";
  if (head_only || bare) plan.body.clear();
  plan.head_bytes = out.size();
  if (coded && !head_only) {
    out += chunks_of(rng, plan.body, false);
    out += plan.flaw == Flaw::chunk ? "not a size\r\n" : last_chunk(rng);
  } else {
    out += plan.body;
  }
  spoil(plan, rng, shape, head_only);
  return plan;
}

}  // namespace holdfast::sim
