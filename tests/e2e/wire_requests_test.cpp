// Requests byte by byte as they stand on the wire: each refusal has its status and closes the
// connection, nothing behind it is executed, and no backend ever sees what was refused; what is
// accepted is written anew with one framing and one Host (RFC 9112, RFC 9110).
#include <algorithm>
#include <atomic>

#include "tests/support/hf_test.h"
#include "tests/support/pair.h"
#include "tests/support/scripted_backend.h"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::string_view kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

// Answers everything, one request after the other.
void honest(Peer &peer) {
  while (!peer.read_request().empty()) {
    if (!peer.answer(200, "text/plain", "served")) return;
  }
}

Pair front_of(const ScriptedBackend &backend, std::string server = {}, std::string location = {}) {
  PairOptions options;
  options.backend_port = backend.port();
  options.start_sessiond = false;
  options.server = std::move(server);
  options.location = std::move(location);
  options.locations = "location = /text { return 200 here; }";
  return Pair(options);
}

struct Refusal {
  const char *name;
  int status;
  std::string bytes;
};

// Without such an Accept a GET may open a legacy stream, about which sessiond would be asked.
const std::string kHost = "Host: localhost\r\nAccept: text/plain\r\n";

std::string post(std::string_view fields, std::string_view body) {
  return "POST / HTTP/1.1\r\n" + kHost + std::string(fields) + "\r\n" + std::string(body);
}
std::string get(std::string_view fields, std::string_view target = "/") {
  return "GET " + std::string(target) + " HTTP/1.1\r\n" + kHost + std::string(fields) + "\r\n";
}

const std::vector<Refusal> kRequestLines{
    {"HTTP/0.9", 400, "GET /\r\n"},
    {"two spaces", 400, "GET  / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"space at the end", 400, "GET / HTTP/1.1 \r\n" + kHost + "\r\n"},
    {"leading space", 400, " GET / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"bare LF", 400, "GET / HTTP/1.1\n" + kHost + "\r\n"},
    {"lower case version", 400, "GET / http/1.1\r\n" + kHost + "\r\n"},
    {"version 1.2", 505, "GET / HTTP/1.2\r\n" + kHost + "\r\n"},
    {"version 2.0", 505, "GET / HTTP/2.0\r\n" + kHost + "\r\n"},
    {"HTTP/2 preface", 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
    {"TLS on a plain port", 400, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)},
    {"unknown method", 501, "BREW / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"lower case method", 501, "get / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"long method", 501, std::string(33, 'M') + " / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"CONNECT", 501, "CONNECT localhost:80 HTTP/1.1\r\n" + kHost + "\r\n"},
    {"TRACE", 405, "TRACE / HTTP/1.1\r\n" + kHost + "\r\n"},
    {"fragment", 400, get("", "/a#b")},
    {"encoded NUL", 400, get("", "/a%00")},
    {"bad triplet", 400, get("", "/%zz")},
    {"DEL in the target", 400, get("", "/a\x7f")},
    {"obs-text in the target", 400, get("", "/\xc3\xa9")},
    {"asterisk without OPTIONS", 400, get("", "*")},
    {"user information", 400, get("", "http://u@localhost/")},
    {"another Host than the target", 400, get("", "http://other/")},
    {"https on a plain listener", 421, get("", "https://localhost/")},
    {"dot segment", 400, get("", "/a/../b")},
    {"encoded dot segment", 400, get("", "/a/%2e%2e/b")},
    {"encoded slash", 400, get("", "/a%2fb")},
    {"encoded backslash", 400, get("", "/a%5Cb")},
    {"empty segment", 400, get("", "/a//b")},
    {"request line over 8 KiB", 414, get("", "/" + std::string(8192, 'a'))},
};

const std::vector<Refusal> kFields{
    {"no Host", 400, "GET / HTTP/1.1\r\n\r\n"},
    {"empty Host", 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
    {"two Hosts", 400, get("Host: localhost\r\n")},
    {"Host with a path", 400, "GET / HTTP/1.1\r\nHost: localhost/x\r\n\r\n"},
    {"Host list", 400, "GET / HTTP/1.1\r\nHost: localhost,evil\r\n\r\n"},
    {"Host with a bad port", 400, "GET / HTTP/1.1\r\nHost: localhost:99999\r\n\r\n"},
    {"foreign Host", 403, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"},
    {"foreign Origin", 403, get("Origin: http://evil.example\r\n")},
    {"two Origins", 400, get("Origin: http://localhost\r\nOrigin: http://localhost\r\n")},
    {"space before the colon", 400, get("X : y\r\n")},
    {"tab before the colon", 400, get("X\t: y\r\n")},
    {"empty name", 400, get(": y\r\n")},
    {"no colon", 400, get("nonsense\r\n")},
    {"obs-fold", 400, get("X: a\r\n b\r\n")},
    {"white space before the first field", 400, "GET / HTTP/1.1\r\n X: y\r\n" + kHost + "\r\n"},
    {"bare LF behind a field", 400, get("X: y\n")},
    {"bare CR in a value", 400, get("X: a\rb\r\n")},
    {"NUL in a value", 400, get(std::string("X: a\0b\r\n", 8))},
    {"control byte in a value", 400, get("X: \x01\r\n")},
    {"DEL in a value", 400, get("X: \x7f\r\n")},
    {"obs-text in a name", 400, get("X\xc3: y\r\n")},
    {"two Authorizations", 400, get("Authorization: a\r\nAuthorization: a\r\n")},
    {"two session ids", 400, get("Mcp-Session-Id: a\r\nMcp-Session-Id: a\r\n")},
    {"blank in a session id", 400, get("Mcp-Session-Id: a b\r\n")},
    {"session id over 4096 bytes", 400, get("Mcp-Session-Id: " + std::string(4097, 's') + "\r\n")},
    {"two Mcp-Methods", 400, get("Mcp-Method: a\r\nmcp-method: a\r\n")},
    {"name over 256 bytes", 431, get(std::string(257, 'n') + ": y\r\n")},
    {"101 fields", 431,
     [] {
       std::string fields;
       for (int i = 0; i < 100; ++i) fields += "N: v\r\n";
       return get(fields);
     }()},
    {"head over 32 KiB", 431, get("X: " + std::string(33'000, 'v') + "\r\n")},
    {"Expect of another kind", 417, get("Expect: a-miracle\r\n")},
    {"two Expects", 400, get("Expect: 100-continue\r\nExpect: 100-continue\r\n")},
};

const std::vector<Refusal> kFraming{
    {"CL and TE", 400, post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"TE and CL", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")},
    {"two unequal CLs", 400, post("Content-Length: 5\r\nContent-Length: 6\r\n", "hello")},
    {"two equal CLs", 400, post("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")},
    {"list of equal CLs", 400, post("Content-Length: 5, 5\r\n", "hello")},
    {"signed CL", 400, post("Content-Length: +5\r\n", "hello")},
    {"negative CL", 400, post("Content-Length: -1\r\n", "")},
    {"hexadecimal CL", 400, post("Content-Length: 0x5\r\n", "hello")},
    {"empty CL", 400, post("Content-Length:\r\n", "")},
    {"CL of 19 digits", 400, post("Content-Length: 1000000000000000000\r\n", "")},
    {"CL that wraps at 2^64", 400, post("Content-Length: 18446744073709551617\r\n", "h")},
    {"TE in HTTP/1.0", 400, "POST / HTTP/1.0\r\n" + kHost + "Transfer-Encoding: chunked\r\n\r\n"},
    {"TE identity", 400, post("Transfer-Encoding: identity\r\n", "")},
    {"TE with a vertical tab", 400,
     post("Transfer-Encoding: \x0b"
          "chunked\r\n",
          "0\r\n\r\n")},
    {"TE that ends otherwise", 400, post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n")},
    {"TE chunked twice", 400, post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n")},
    {"two TEs", 400,
     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")},
    {"TE with a parameter", 400, post("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n")},
    {"quoted TE", 400, post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n")},
    {"TE with gzip first", 501, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")},
    {"GET with a body", 400, get("Content-Length: 1\r\n") + "x"},
    {"GET with a chunked body", 400, get("Transfer-Encoding: chunked\r\n") + "0\r\n\r\n"},
    {"HEAD with a body", 400, "HEAD / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\n\r\nx"},
    {"body above the limit", 413, post("Content-Length: 8388609\r\n", "")},
};

const std::vector<Refusal> kChunks{
    {"sign", 400, "+1\r\nx\r\n0\r\n\r\n"},
    {"0x", 400, "0x1\r\nx\r\n0\r\n\r\n"},
    {"17 digits", 400, "00000000000000001\r\nx\r\n0\r\n\r\n"},
    {"size that wraps", 400, "10000000000000001\r\nx\r\n0\r\n\r\n"},
    {"size above 2^31", 400, "80000001\r\n"},
    {"byte above 0x7f as a digit", 400, "\xb1\r\nx\r\n0\r\n\r\n"},
    {"blank before the size", 400, " 1\r\nx\r\n0\r\n\r\n"},
    {"blank behind the size", 400, "1 \r\nx\r\n0\r\n\r\n"},
    {"no size", 400, "\r\nx\r\n0\r\n\r\n"},
    {"bare LF behind the size", 400, "1\nx\r\n0\r\n\r\n"},
    {"bare LF behind the data", 400, "1\r\nx\n0\r\n\r\n"},
    {"data longer than its size", 400, "1\r\nxy\r\n0\r\n\r\n"},
    {"bare LF in an extension", 400, "1;a\nb\r\nx\r\n0\r\n\r\n"},
    {"unfinished quoted extension", 400, "1;a=\"b\r\nx\r\n0\r\n\r\n"},
    {"extension over 256 bytes", 400, "1;" + std::string(257, 'e') + "\r\nx\r\n0\r\n\r\n"},
    {"bare LF behind the last chunk", 400, "0\n\r\n"},
    {"trailer with a space before the colon", 400, "0\r\nX : y\r\n\r\n"},
    {"folded trailer", 400, "0\r\nX: y\r\n z\r\n\r\n"},
    {"33 trailer fields", 400,
     [] {
       std::string text = "0\r\n";
       for (int i = 0; i < 33; ++i) text += "T: v\r\n";
       return text + "\r\n";
     }()},
};

// Faults of the message itself cost the connection; policy (403, 405) does not.
bool closes(int status) { return status != 403 && status != 405; }

std::string check_refusal_of(uint16_t port, const Refusal &refusal) {
  Connection client = Connection::tcp(port);
  client.send(refusal.bytes + std::string(closes(refusal.status) ? kSmuggled : ""));
  ResponseReader reader(client);
  const std::optional<ResponseHead> head = reader.read_head();
  if (!head) return "no answer";
  std::string body;
  while (reader.read_some(body)) {
  }
  if (head->status != refusal.status) return std::to_string(head->status);
  if (!head->header("Date")) return "no Date";
  if (!closes(refusal.status)) {
    return exchange(client, {"GET", "/text", {{"Host", "localhost"}}, {}}).status == 200
               ? ""
               : "the connection was lost";
  }
  if (head->header("Connection") != "close") return "no Connection: close";
  if (client.wait_end() != PeerEnd::fin) return "no clean end";
  return client.buffer().empty() ? "" : "what came behind it was answered";
}

void check_refusals(const std::vector<Refusal> &refusals) {
  ScriptedBackend backend(honest);
  const Pair pair = front_of(backend);
  std::string wrong;
  for (const Refusal &refusal : refusals) {
    const std::string fault = check_refusal_of(pair.proxy_port(), refusal);
    if (!fault.empty()) wrong += std::string(refusal.name) + ": " + fault + "\n";
  }
  HF_EQ(wrong, "");
  HF_EQ(backend.requests().size(), 0U);
  HF_EQ(backend.failure(), "");
}

size_t count_of(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++count;
  return count;
}

std::string lower(std::string text) {
  for (char &c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

struct Forwarded {
  const char *name;
  std::string bytes;
  std::vector<std::string> has;
  std::vector<std::string> lacks;  // in lower case
};

const std::vector<Forwarded> kForwarded{
    {"empty lines first", "\r\n\r\n" + get(""), {"GET / HTTP/1.1\r\nHost: localhost\r\n"}, {}},
    {"an absolute target",
     get("", "http://LOCALHOST:80/a?b"),
     {"GET /a?b HTTP/1.1\r\n"},
     {"http:"}},
    {"a path as it came", get("", "/a%41;x=1?q=../%2f"), {"GET /a%41;x=1?q=../%2f HTTP"}, {}},
    {"fields bound to the connection",
     get("Connection: keep-alive, X-Own, Origin\r\nX-Own: 1\r\nKeep-Alive: timeout=1\r\n"
         "Proxy-Connection: x\r\nTE: trailers\r\nTrailer: x\r\nUpgrade: h2c\r\n"
         "HTTP2-Settings: x\r\nProxy-Authorization: x\r\nOrigin: http://localhost\r\n"),
     {"\r\nOrigin: http://localhost\r\n"},
     {"x-own", "keep-alive", "proxy-", "te:", "trailer", "upgrade", "http2-"}},
    {"underscores", get("Mcp_Session_Id: x\r\nX_Y: z\r\n"), {}, {"_"}},
    {"a client's own X-Forwarded-For",
     get("Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n"),
     {"X-Real-IP: 127.0.0.1\r\n"},
     {"6.6.6.6"}},
    {"leading zeros",
     post("Content-Type: text/plain\r\nContent-Length: 0005\r\n", "hello"),
     {"Content-Length: 5\r\n", "\r\n\r\nhello"},
     {}},
    {"a chunked body",
     post("Content-Type: text/plain\r\nTransfer-Encoding: CHUNKED\r\n",
          "00002;a=\"b;\\\"\";c\r\nhe\r\n3\r\nllo\r\n000\r\nMcp-Session-Id: x\r\nHost: y\r\n\r\n"),
     {"Transfer-Encoding: chunked\r\n"},
     {"content-length", "a=", "mcp-session-id", "host: y"}},
    {"Expect",
     post("Content-Type: text/plain\r\nExpect: 100-continue\r\nContent-Length: 2\r\n", "ab"),
     {"\r\n\r\nab"},
     {"expect"}},
    {"HTTP/1.0",
     "GET / HTTP/1.0\r\n" + kHost + "Connection: keep-alive\r\n\r\n",
     {"GET / HTTP/1.1\r\n"},
     {"keep-alive"}},
};

}  // namespace

HF_TEST(a_malformed_request_line_is_refused) { check_refusals(kRequestLines); }

HF_TEST(malformed_and_ambiguous_fields_are_refused) { check_refusals(kFields); }

HF_TEST(ambiguous_framing_is_refused) { check_refusals(kFraming); }

// Read as JSON and not: what comes whole is refused before a backend hears of it.
HF_TEST(malformed_chunks_are_refused_and_never_complete_a_request) {
  std::vector<Refusal> refusals;
  for (const char *type : {"application/json", "text/plain"}) {
    for (const Refusal &chunk : kChunks) {
      const std::string fields =
          "Content-Type: " + std::string(type) + "\r\nTransfer-Encoding: chunked\r\n";
      refusals.push_back({chunk.name, chunk.status, post(fields, "2\r\n{}\r\n" + chunk.bytes)});
    }
  }
  check_refusals(refusals);
}

// The backend has the beginning when the rest turns out to be malformed: it never gets an end.
HF_TEST(a_request_that_turns_out_malformed_is_never_completed) {
  std::atomic<size_t> begun = 0;
  ScriptedBackend backend([&begun](Peer &peer) {
    if (!peer.wait_bytes("\r\n\r\n2\r\n{}\r\n")) return;
    ++begun;
    HF_CHECK(peer.wait_closed());
    HF_CHECK(peer.seen().ends_with("\r\n\r\n2\r\n{}\r\n"));
  });
  const Pair pair = front_of(backend);
  std::string wrong;
  for (const Refusal &chunk : kChunks) {
    const size_t before = begun;
    Connection client = Connection::tcp(pair.proxy_port());
    client.send(post("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n"));
    HF_CHECK(eventually([&] { return begun == before + 1; }));
    client.send(chunk.bytes + std::string(kSmuggled));
    ResponseReader reader(client);
    const std::optional<ResponseHead> head = reader.read_head();
    if (!head || head->status != chunk.status) wrong += std::string(chunk.name) + "\n";
  }
  HF_EQ(wrong, "");
  HF_EQ(backend.requests().size(), 0U);
  HF_EQ(backend.failure(), "");
}

HF_TEST(what_is_forwarded_is_written_anew) {
  ScriptedBackend backend(honest);
  const Pair pair = front_of(backend, {}, "client_max_body_size 0;");
  std::string wrong;
  for (const Forwarded &row : kForwarded) {
    const size_t before = backend.requests().size();
    Connection client = Connection::tcp(pair.proxy_port());
    client.send(row.bytes);
    ResponseReader reader(client);
    const std::optional<ResponseHead> head = reader.read_head();
    if (!head || head->status != 200 || backend.requests().size() != before + 1) {
      wrong += std::string(row.name) + ": not served\n";
      continue;
    }
    const std::string seen = backend.requests().back();
    const std::string lowered = lower(seen);
    const size_t framing =
        count_of(lowered, "\r\ncontent-length:") + count_of(lowered, "\r\ntransfer-encoding:");
    if (count_of(lowered, "\r\nhost:") != 1 || framing > 1) wrong += std::string(row.name) + "\n";
    for (const std::string &text : row.has) {
      if (seen.find(text) == seen.npos) wrong += std::string(row.name) + " lacks " + text + "\n";
    }
    for (const std::string &text : row.lacks) {
      if (lowered.find(text) != seen.npos) wrong += std::string(row.name) + " has " + text + "\n";
    }
  }
  HF_EQ(wrong, "");
  HF_EQ(backend.failure(), "");
}

HF_TEST(pipelined_requests_are_answered_one_by_one_and_in_order) {
  ScriptedBackend backend([](Peer &peer) {
    for (std::string request = peer.read_request(); !request.empty();
         request = peer.read_request()) {
      if (!peer.answer(200, "text/plain", request.substr(4, request.find(" HTTP") - 4))) return;
    }
  });
  const Pair pair = front_of(backend);
  Connection client = Connection::tcp(pair.proxy_port());
  std::string all;
  for (int i = 0; i < 200; ++i) all += get("", "/" + std::to_string(i));
  client.send(all);
  for (int i = 0; i < 200; ++i) {
    ResponseReader reader(client);
    HF_EQ(reader.read_head().value().status, 200);
    std::string body;
    while (reader.read_some(body)) {
    }
    HF_EQ(body, "/" + std::to_string(i));
  }
  HF_EQ(backend.connections_count(), 1U);  // one exchange at a time needs no second connection
  HF_EQ(backend.failure(), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(a_malformed_request_line_is_refused),
      HF_UNIT(malformed_and_ambiguous_fields_are_refused),
      HF_UNIT(ambiguous_framing_is_refused),
      HF_UNIT(malformed_chunks_are_refused_and_never_complete_a_request),
      HF_UNIT(a_request_that_turns_out_malformed_is_never_completed),
      HF_UNIT(what_is_forwarded_is_written_anew),
      HF_UNIT(pipelined_requests_are_answered_one_by_one_and_in_order),
  };
  return HF_RUN(tests);
}
