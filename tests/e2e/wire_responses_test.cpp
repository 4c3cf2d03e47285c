// A backend's bytes as they stand on the wire: what is malformed or cut is 502 or a visibly broken
// answer, never a complete-looking one; what is accepted reaches the client with one framing (RFC
// 9112 sections 4, 6 and 8).
#include "tests/support/gate.h"
#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

enum class Then { wait, fin, rst };  // what the backend does behind its bytes

struct Row {
  const char *name;
  std::string bytes;
  Then then = Then::wait;
};

// Answers request number N ("GET /N") with row N's bytes.
ScriptedBackend::Script plays(const std::vector<Row> &rows) {
  return [&rows](Peer &peer) {
    for (std::string request = peer.read_request(); !request.empty();
         request = peer.read_request()) {
      const size_t number = std::stoul(request.substr(request.find('/') + 1));
      if (number >= rows.size()) {
        peer.answer(200, "text/plain", "honest");
        continue;
      }
      if (!peer.send(rows[number].bytes)) return;
      if (rows[number].then == Then::fin) return;
      if (rows[number].then == Then::rst) return peer.reset();
    }
  };
}

Pair front_of(const ScriptedBackend &backend, std::string location = {}) {
  PairOptions options;
  options.backend_port = backend.port();
  options.start_sessiond = false;
  options.location = std::move(location);
  return Pair(options);
}

std::string request_text(size_t number, std::string_view method = "GET",
                         std::string_view version = "1.1") {
  return std::string(method) + " /" + std::to_string(number) + " HTTP/" + std::string(version) +
         "\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
}

struct Seen {
  int status = 0;
  std::string body;
  BodyEnd end = BodyEnd::open;
};

// One request on a connection of its own.
Seen ask(uint16_t port, std::string_view request) {
  Connection client = Connection::tcp(port);
  client.send(request);
  ResponseReader reader(client);
  Seen seen;
  const std::optional<ResponseHead> head = reader.read_head();
  if (!head) {
    seen.end = client.end() == PeerEnd::reset ? BodyEnd::reset : BodyEnd::cut;
    return seen;
  }
  seen.status = head->status;
  while (reader.read_some(seen.body)) {
  }
  seen.end = reader.end();
  return seen;
}

std::string ok(std::string_view fields, std::string_view body = {}) {
  return "HTTP/1.1 200 OK\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

const std::vector<Row> kMalformed{
    {"garbage", "hello\r\n\r\n"},
    {"HTTP/0.9", "<html>hello</html>", Then::fin},
    {"TLS", std::string("\x15\x03\x01\x00\x02\x02\x46", 7)},
    {"HTTP/2", "HTTP/2 200\r\n\r\n"},
    {"HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {"a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"},
    {"a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"},
    {"a status of 600", "HTTP/1.1 600 No\r\nContent-Length: 0\r\n\r\n"},
    {"a status of 099", "HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n"},
    {"control byte in the reason", "HTTP/1.1 200 \x01\r\nContent-Length: 0\r\n\r\n"},
    {"a reason over 256 bytes", "HTTP/1.1 200 " + std::string(257, 'r') + "\r\n\r\n"},
    {"bare LF in the status line", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"},
    {"bare LF behind a field", ok("Content-Length: 0\n")},
    {"bare CR in a value", ok("X: a\rb\r\nContent-Length: 0\r\n")},
    {"NUL in a value", ok(std::string("X: a\0b\r\nContent-Length: 0\r\n", 27))},
    {"obs-fold", ok("X: a\r\n b\r\nContent-Length: 0\r\n")},
    {"no colon", ok("nonsense\r\nContent-Length: 0\r\n")},
    {"space before the colon", ok("X : a\r\nContent-Length: 0\r\n")},
    {"empty name", ok(": a\r\nContent-Length: 0\r\n")},
    {"CL and TE", ok("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"two equal CLs", ok("Content-Length: 2\r\nContent-Length: 2\r\n", "ab")},
    {"two unequal CLs", ok("Content-Length: 2\r\nContent-Length: 3\r\n", "abc")},
    {"a list of CLs", ok("Content-Length: 2, 2\r\n", "ab")},
    {"a signed CL", ok("Content-Length: +2\r\n", "ab")},
    {"a CL that wraps", ok("Content-Length: 18446744073709551618\r\n", "ab")},
    {"TE gzip", ok("Transfer-Encoding: gzip\r\n", "x")},
    {"TE gzip, chunked", ok("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
    {"two TEs", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"TE in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
    {"two Content-Types", ok("Content-Type: a/b\r\nContent-Type: a/b\r\nContent-Length: 0\r\n")},
    {"two session ids", ok("Mcp-Session-Id: a\r\nMcp-Session-Id: a\r\nContent-Length: 0\r\n")},
    {"a head over 32 KiB", ok("X: " + std::string(33'000, 'x') + "\r\n")},
    {"101 fields", ok([] {
       std::string fields;
       for (int i = 0; i < 101; ++i) fields += "N: v\r\n";
       return fields;
     }())},
    {"an unasked 101", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"},
    {"nine interim answers",
     [] {
       std::string text;
       for (int i = 0; i < 9; ++i) text += "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
       return text + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
     }()},
    {"an interim answer with a length", "HTTP/1.1 103 E\r\nContent-Length: 3\r\n\r\nabc"},
    {"nothing at all", "", Then::fin},
    {"half a head", "HTTP/1.1 200 OK\r\nContent-Le", Then::fin},
    {"half a head and RST", "HTTP/1.1 200 OK\r\nContent-Le", Then::rst},
    {"a first chunk without a size", ok("Transfer-Encoding: chunked\r\n", "zz\r\n")},
    {"a negative chunk size", ok("Transfer-Encoding: chunked\r\n", "-1\r\n")},
};

// How soon a client has to learn that its answer broke off.
constexpr Millis kToldWithin{1000};

struct Cut {
  const char *name;
  std::string begin;  // reaches the client before the rest comes
  std::string rest;
  Then then;
};

const std::vector<Cut> kCut{
    {"a short length", ok("Content-Length: 10\r\n", "12345"), "", Then::fin},
    {"a short length and RST", ok("Content-Length: 10\r\n", "12345"), "", Then::rst},
    {"no last chunk", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"), "", Then::fin},
    {"half a chunk", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"), "5\r\n12", Then::fin},
    {"no end behind the last chunk", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"),
     "0\r\n", Then::fin},
    {"a bad chunk size", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"), "x\r\n",
     Then::wait},
    {"data longer than its chunk", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"),
     "1\r\nab\r\n0\r\n\r\n", Then::wait},
    {"a bad trailer", ok("Transfer-Encoding: chunked\r\n", "5\r\n12345\r\n"), "0\r\nX : y\r\n\r\n",
     Then::wait},
    {"close-delimited and RST", ok("X: y\r\n", "12345"), "", Then::rst},
};

// The next head as it came, taken out of the buffer.
std::string take_head(Connection &client) {
  size_t end = std::string::npos;
  while ((end = client.buffer().find("\r\n\r\n")) == std::string::npos) {
    if (!client.fill()) HF_FAIL("the connection ended inside a head");
  }
  const std::string head = client.buffer().substr(0, end + 4);
  client.buffer().erase(0, end + 4);
  return head;
}

std::string without_date(std::string text) {
  for (size_t at = 0; (at = text.find("Date: ")) != std::string::npos;)
    text.erase(at, text.find("\r\n", at) + 2 - at);
  return text;
}

}  // namespace

HF_TEST(a_malformed_answer_is_502_and_its_connection_is_not_used_again) {
  ScriptedBackend backend(plays(kMalformed));
  const Pair pair = front_of(backend);
  std::string wrong;
  for (size_t i = 0; i < kMalformed.size(); ++i) {
    const size_t before = backend.connections_count();
    const Seen seen = ask(pair.proxy_port(), request_text(i));
    if (seen.status != 502 || seen.end != BodyEnd::framed)
      wrong += std::string(kMalformed[i].name) + ": " + std::to_string(seen.status) + "\n";
    if (backend.connections_count() != before + 1)
      wrong += std::string(kMalformed[i].name) + ": connection reused, or asked twice\n";
  }
  HF_EQ(wrong, "");
  HF_EQ(ask(pair.proxy_port(), request_text(kMalformed.size())).body, "honest");
  HF_EQ(backend.failure(), "");
}

// The client has the beginning before the end goes wrong, so no 502 can tell it any more.
HF_TEST(an_answer_that_breaks_off_never_looks_complete) {
  std::string wrong;
  for (const char *version : {"1.1", "1.0"}) {
    for (const Cut &cut : kCut) {
      Gate seen;
      ScriptedBackend backend([&](Peer &peer) {
        if (peer.read_request().empty()) return;
        peer.send(cut.begin);
        HF_CHECK(seen.wait());
        peer.send(cut.rest);
        if (cut.then == Then::rst) return peer.reset();
        if (cut.then == Then::wait) HF_CHECK(peer.wait_closed());
      });
      const Pair pair = front_of(backend);
      Connection client = Connection::tcp(pair.proxy_port());
      client.send(request_text(0, "GET", version));
      ResponseReader reader(client);
      const std::optional<ResponseHead> head = reader.read_head();
      HF_CHECK(head.has_value());
      std::string body;
      while (body.empty() && reader.read_some(body)) {
      }
      const MonoTime cut_at = SystemClock().now();
      seen.open();
      while (reader.read_some(body)) {
      }
      if (SystemClock().now() - cut_at > kToldWithin)
        wrong += std::string(cut.name) + " in " + version + ": told late\n";
      if (reader.end() != BodyEnd::cut && reader.end() != BodyEnd::reset)
        wrong += std::string(cut.name) + " in " + version + ": looks complete\n";
      HF_EQ(backend.failure(), "");
    }
  }
  HF_EQ(wrong, "");
}

HF_TEST(bodies_without_bytes_stay_without_bytes) {
  struct Case {
    const char *method;
    std::string bytes;
    const char *has;
    const char *lacks;
    bool clean = true;  // no byte too many: the connection may serve again
  };
  const std::vector<Case> cases{
      {"HEAD", ok("Content-Length: 5\r\n"), "Content-Length: 5\r\n", "Transfer-Encoding"},
      {"HEAD", ok("Transfer-Encoding: chunked\r\n"), "HTTP/1.1 200 OK\r\n", "Content-Length"},
      {"HEAD", ok("Content-Length: 5\r\n", "SECRE"), "Content-Length: 5\r\n", "SECRE", false},
      {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "Content-Length: 5\r\n",
       "Transfer-Encoding"},
      {"GET", "HTTP/1.1 304 Not Modified\r\n\r\nSECRE", "HTTP/1.1 304", "SECRE", false},
      {"GET", "HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 204", "Content-Length"},
      {"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nSECRE", "HTTP/1.1 204", "SECRE",
       false},
      {"GET",
       "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nSECRE\r\n0\r\n\r\n",
       "HTTP/1.1 204", "Transfer-Encoding", false},
      {"GET", ok("Content-Length: 2\r\n", "ab") + ok("Content-Length: 5\r\n", "SECRE"),
       "Content-Length: 2\r\n", "SECRE", false},
  };
  for (const Case &c : cases) {
    ScriptedBackend backend([&](Peer &peer) {
      if (peer.read_request().empty()) return;
      if (peer.number() == 0) {
        peer.send(c.bytes);
        if (peer.read_request().empty()) return;
      }
      peer.answer(200, "text/plain", "honest");
      (void)peer.wait_closed();
    });
    const Pair pair = front_of(backend);
    Connection client = Connection::tcp(pair.proxy_port());
    client.send(request_text(0, c.method));
    const std::string head = take_head(client);
    if (head.find(c.has) == head.npos || head.find(c.lacks) != head.npos) HF_FAIL(head);
    const bool has_body = head.starts_with("HTTP/1.1 200") && std::string_view(c.method) == "GET";
    while (has_body && client.buffer().size() < 2) HF_CHECK(client.fill());
    client.buffer().erase(0, has_body ? 2 : 0);
    // Behind it comes the next answer and nothing else: what was surplus was nobody's.
    client.send(request_text(1));
    HF_CHECK(take_head(client).starts_with("HTTP/1.1 200"));
    while (client.buffer().size() < 6 && client.fill()) {
    }
    HF_EQ(client.buffer(), "honest");
    HF_EQ(backend.connections_count(), c.clean ? 1U : 2U);
    HF_EQ(backend.failure(), "");
  }
}

HF_TEST(what_a_backend_says_is_framed_for_its_client) {
  struct Case {
    const char *version;
    std::string bytes;
    Then then;
    std::string whole;  // what the client gets, dates left out
    PeerEnd end;
  };
  const std::string chunked =
      ok("Transfer-Encoding: chunked\r\n", "3;x\r\nabc\r\n0\r\nT: v\r\n\r\n");
  const std::vector<Case> cases{
      {"1.1", chunked, Then::wait, ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
       PeerEnd::open},
      {"1.0", chunked, Then::wait, ok("Connection: close\r\n", "abc"), PeerEnd::fin},
      {"1.1", ok("", "abc"), Then::fin,
       ok("Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"), PeerEnd::open},
      {"1.0", ok("", "abc"), Then::fin, ok("Connection: close\r\n", "abc"), PeerEnd::fin},
      {"1.1", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", Then::fin,
       ok("Content-Length: 3\r\n", "abc"), PeerEnd::open},
      {"1.1", "HTTP/1.1 200\r\nContent-Length: 0003\r\nKeep-Alive: x\r\n\r\nabc", Then::wait,
       "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\nabc", PeerEnd::open},
      {"1.1", "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + ok("Content-Length: 1\r\n", "a"),
       Then::wait, "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + ok("Content-Length: 1\r\n", "a"),
       PeerEnd::open},
      {"1.0", "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n" + ok("Content-Length: 1\r\n", "a"),
       Then::wait, ok("Connection: close\r\nContent-Length: 1\r\n", "a"), PeerEnd::fin},
      {"1.1", "HTTP/1.1 100 Continue\r\n\r\n" + ok("Content-Length: 1\r\n", "a"), Then::wait,
       ok("Content-Length: 1\r\n", "a"), PeerEnd::open},
  };
  for (const Case &c : cases) {
    ScriptedBackend backend([&](Peer &peer) {
      if (peer.read_request().empty()) return;
      peer.send(c.bytes);
      if (c.then == Then::wait) (void)peer.wait_closed();
    });
    const Pair pair = front_of(backend);
    Connection client = Connection::tcp(pair.proxy_port());
    client.send(request_text(0, "GET", c.version));
    if (c.end == PeerEnd::open) {
      HF_CHECK(eventually([&] {
        if (client.readable(Millis{0})) HF_CHECK(client.fill());
        return without_date(client.buffer()).size() >= c.whole.size();
      }));
    } else {
      HF_CHECK(client.wait_end() == c.end);
    }
    HF_EQ(without_date(client.buffer()), c.whole);
  }
}

HF_TEST(an_answer_without_a_date_gets_one_and_one_with_a_date_keeps_it) {
  const std::vector<Row> rows{
      {"none", ok("Content-Length: 0\r\n")},
      {"one", ok("date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n")},
  };
  ScriptedBackend backend(plays(rows));
  const Pair pair = front_of(backend);
  const Response added = fetch(pair.proxy_port(), {"GET", "/0", {{"Accept", "text/plain"}}, {}});
  HF_EQ(added.count("Date"), 1U);
  HF_EQ(added.header("Date")->size(), 29U);
  const Response kept = fetch(pair.proxy_port(), {"GET", "/1", {{"Accept", "text/plain"}}, {}});
  HF_EQ(kept.count("Date"), 1U);
  HF_EQ(*kept.header("Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
}

// RFC 9112 9.5: the rest of the request is nobody's; neither connection is used again.
HF_TEST(an_early_answer_ends_the_request_and_both_connections) {
  ScriptedBackend backend([](Peer &peer) {
    if (!peer.wait_bytes("\r\n\r\n")) return;
    peer.answer(413, "text/plain", "too much");
    HF_CHECK(peer.wait_closed());
  });
  const Pair pair = front_of(backend);
  Connection client = Connection::tcp(pair.proxy_port());
  client.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n"
      "Content-Length: 1000\r\n\r\nsome");
  HF_CHECK(take_head(client).starts_with("HTTP/1.1 413"));
  client.send(request_text(7));  // inside the body it promised: never a request
  HF_CHECK(client.wait_end() == PeerEnd::fin);
  HF_EQ(client.buffer(), "too much");
  HF_EQ(backend.connections_count(), 1U);
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_malformed_answer_is_502_and_its_connection_is_not_used_again),
      HF_UNIT(an_answer_that_breaks_off_never_looks_complete),
      HF_UNIT(bodies_without_bytes_stay_without_bytes),
      HF_UNIT(what_a_backend_says_is_framed_for_its_client),
      HF_UNIT(an_answer_without_a_date_gets_one_and_one_with_a_date_keeps_it),
      HF_UNIT(an_early_answer_ends_the_request_and_both_connections),
  };
  return HF_RUN(tests);
}
