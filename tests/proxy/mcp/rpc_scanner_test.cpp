// RpcScanner finds the named members of JSON-RPC messages, however the bytes arrive, and reports
// everything it cannot be sure of as unclear.
#include "proxy/mcp/rpc_scanner.h"

#include <random>
#include <string>
#include <string_view>

#include "tests/proxy/mcp/scan_support.h"
#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::kRpcBatchMessagesMax;
using holdfast::proxy::mcp::Match;
using holdfast::proxy::mcp::RpcMessage;
using holdfast::proxy::mcp::RpcScanner;
using holdfast::test::describe;
using State = RpcScanner::State;

static RpcScanner scan(std::string_view document) {
  RpcScanner scanner;
  (void)scanner.feed(document);  // ignoring: callers look at state()
  return scanner;
}

static std::string nested(size_t depth, std::string_view open, std::string_view close) {
  std::string out;
  for (size_t i = 0; i < depth; ++i) out += open;
  for (size_t i = 0; i < depth; ++i) out += close;
  return out;
}

static const char *const kInitialize =
    R"({"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"sampling":{},)"
    R"("elicitation":{},"roots":{"listChanged":true}},"clientInfo":{"name":"ide-1","version":"1.0.0"}},)"
    R"("jsonrpc":"2.0","id":0})";
static const char *const kDiscover =
    R"({"jsonrpc":"2.0","id":"server-discover-probe-1","method":"server/discover","params":{"_meta":)"
    R"({"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":)"
    R"({"name":"ex","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}})";

struct Case {
  const char *document;
  const char *found;
};

// Messages as SDK clients and servers write them, then the corners of each captured member.
static const Case kCases[] = {
    {kInitialize,
     "done total=1\n method=initialize id=0 client_name=ide-1 version=1.0.0 has_method has_id "
     "complete"},
    {R"({"method":"notifications/initialized","jsonrpc":"2.0"})",
     "done total=1\n method=notifications/initialized has_method complete"},
    {R"({"method":"tools/call","params":{"name":"echo","arguments":{"message":"hi"}},"jsonrpc":"2.0","id":2})",
     "done total=1\n method=tools/call id=2 name=echo has_method has_id complete"},
    {R"({"result":{"roots":[]},"jsonrpc":"2.0","id":0})",
     "done total=1\n id=0 has_id has_result complete"},
    {R"({"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null})",
     "done total=1\n id=null has_error complete"},
    {kDiscover,
     "done total=1\n method=server/discover id=\"server-discover-probe-1\" protocol=2026-07-28"
     " has_method has_id complete"},
    {R"({"jsonrpc":"2.0","id":"listen:0","method":"subscriptions/listen","params":{"_meta":{},)"
     R"("notifications":{"toolsListChanged":true,"resourceSubscriptions":["test://watched-resource"]}}})",
     "done total=1\n method=subscriptions/listen id=\"listen:0\" has_method has_id complete"},
    {R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7,"reason":"timeout"}})",
     "done total=1\n method=notifications/cancelled request_id=7 has_method complete"},
    {R"({"method":"resources/read","id":"r","params":{"uri":"test:\/\/a\u00e9"}})",
     "done total=1\n method=resources/read id=\"r\" uri=test://a\xC3\xA9 has_method has_id "
     "complete"},
    // Only the paths named count: the same names elsewhere do not.
    {R"({"params":{"method":"x","id":1,"a":{"name":"y","uri":"z"},"arguments":[{"method":"q"}]}})",
     "done total=1\n complete"},
    {R"({"result":{"method":"tools/call","id":9,"name":"n"},"id":1})",
     "done total=1\n id=1 has_id has_result complete"},
    {R"({"params":{"clientInfo":{"x":{"name":"no"},"name":"yes"}}})",
     "done total=1\n client_name=yes complete"},
    {R"({"params":[{"name":"a","uri":"b"}],"method":"m"})",
     "done total=1\n method=m has_method complete"},
    {R"({"params":{"name":{"name":"a"},"_meta":["io.modelcontextprotocol\/protocolVersion"]}})",
     "done total=1\n complete"},
    // Keys are compared unescaped, and with case.
    {R"({"\u006dethod":"ping","i\u0064":3})",
     "done total=1\n method=ping id=3 has_method has_id complete"},
    {R"({"Method":"ping","ID":3})", "done total=1\n complete"},
    {R"({"params":{"_meta":{"io.modelcontextprotocol\/protocolVersion":"2026-07-28"}}})",
     "done total=1\n protocol=2026-07-28 complete"},
    // Structure inside strings is text.
    {R"({"a":"}],{\"method\":\"x\"","\\":"\\","b\"":"\\\"","method":"m"})",
     "done total=1\n method=m has_method complete"},
    // A method that is no string is none; an id of another type is one that cannot be echoed.
    {R"({"method":7,"id":true})", "done total=1\n id=null has_id complete"},
    {R"({"method":"m","id":{"id":1}})",
     "done total=1\n method=m id=null has_method has_id complete"},
    {R"({"method":"m","id":[1]})", "done total=1\n method=m id=null has_method has_id complete"},
    {R"({"method":"m","id":01})", "done total=1\n method=m id=null has_method has_id complete"},
    {R"({"method":"m","id":-1.5e+3})",
     "done total=1\n method=m id=-1.5e+3 has_method has_id complete"},
    {R"({"method":"m","id":"a\"\u00e9\\"})",
     "done total=1\n method=m id=\"a\\\"\\u00e9\\\\\" has_method has_id complete"},
    {R"({"method":"m","id":""})", "done total=1\n method=m id=\"\" has_method has_id complete"},
    {R"({"method":"m","id":"null"})",
     "done total=1\n method=m id=\"null\" has_method has_id complete"},
    {R"({"method":"m","params":{"requestId":{}}})", "done total=1\n method=m has_method complete"},
    {R"({"method":"m","params":{"requestId":"a\qb"}})",
     "done total=1\n method=m has_method complete"},
    {R"({"method":""})", "done total=1\n has_method complete"},
    // White space wherever it may stand.
    {" \t\r\n{ \"method\" : \"m\" , \"id\" : 1 } \r\n",
     "done total=1\n method=m id=1 has_method has_id complete"},
    {"{}", "done total=1\n complete"},
    // Surrogates: a pair is one character, half a pair is U+FFFD.
    {R"({"method":"\ud83d\ude00"})", "done total=1\n method=\xF0\x9F\x98\x80 has_method complete"},
    {R"({"method":"\ud83dx\ude00\ud83d\ud83d\ude00\ud83d\n\ud83d"})",
     "done total=1\n "
     "method=\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\xF0\x9F\x98\x80\xEF\xBF\xBD\n\xEF\xBF\xBD"
     " has_method complete"},
    {R"({"method":"\"\\\/\b\f\n\r\t\u0041"})",
     "done total=1\n method=\"\\/\b\f\n\r\tA has_method complete"},
    // What is not UTF-8 is captured as "?".
    {"{\"method\":\"a\xFF\xC3\xA9\xC3(\xED\xA0\x80\xC0\x80\"}",
     "done total=1\n method=a?\xC3\xA9?(????? has_method complete"},
    // Batches.
    {R"([{"method":"a","id":1},{"result":1,"id":2}])",
     "done batch total=2\n method=a id=1 has_method has_id complete\n id=2 has_id has_result "
     "complete"},
    {R"( [ { } ] )", "done batch total=1\n complete"},
    {R"([{"method":"a"},{"method":"a"}])",
     "done batch total=2\n method=a has_method complete\n method=a has_method complete"},
    // Numbers and words are not spelled out.
    {R"({"a":NaN,"b":-Infinity,"c":[01,1.e,nul],"method":"m"})",
     "done total=1\n method=m has_method complete"},
};

// Not one object or an array of objects, or not to be followed with certainty.
static const char *const kNotDone[] = {
    "[]",
    "[ ]",
    "[1]",
    "[{},1]",
    "[\"a\"]",
    "[[]]",
    "[[{}]]",
    "[{},[]]",
    "[null]",
    "[{}",
    "1",
    "\"a\"",
    "null",
    "\xEF\xBB\xBF{}",
    "",
    " ",
    "{",
    "{\"a\"",
    "{\"a\":",
    "{\"a\":1",
    "{\"a\":\"b",
    "[{},",
    "}",
    "]",
    ":",
    ",",
    "{]",
    "[}",
    "{\"a\":[}]",
    "{\"a\":{]}",
    "[{]}",
    "{}{}",
    "{}x",
    "{},",
    "{}[]",
    "{}\"",
    "{}]",
    "[{}]}",
    "{}\xEF\xBB\xBF",
    "{,}",
    "{\"a\":1,}",
    "[{},]",
    "[,{}]",
    "{\"a\":1,,\"b\":2}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1 2]}",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\"::1}",
    "{\"a\":1:2}",
    "{:1}",
    "{1:2}",
    "{a:1}",
    "{{}:1}",
    "{\"a\":1,2}",
    "{\"a\":\"b\"\"c\":1}",
    "{\"a\":'b'}",
    "{\"a\":/**/1}",
    "{\"a\":#}",
    "{\"a\":\x01}",
    "[{}{}]",
    "[{} {}]",
    "[{}:{}]",
    "{\"a\":1]",
    "{\"a\":[1:2]}",
    // An escape that means nothing, where the text counts.
    R"({"method":"\q"})",
    R"({"method":"\u00g0"})",
    R"({"method":"\u00"})",
    R"({"\x":1})",
    R"({"\u12":1})",
    // A member twice: parsers differ in which one they take.
    R"({"method":"a","method":"b"})",
    R"({"method":"a","method":"a"})",
    R"({"id":1,"method":"a","id":1})",
    R"({"method":"a","\u006dethod":"b"})",
    R"({"method":1,"method":"b"})",
    R"({"params":{},"params":{"name":"x"}})",
    R"({"result":1,"result":2})",
    R"({"error":1,"error":2})",
    R"({"params":{"name":"a","uri":"u","name":"b"}})",
    R"({"params":{"clientInfo":{},"clientInfo":{}}})",
    R"({"params":{"clientInfo":{"name":"a","name":"b"}}})",
    R"({"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"1","io.modelcontextprotocol/protocolVersion":"2"}}})",
    R"([{"method":"a"},{"method":"a","method":"b"}])",
    R"({"params":{"taskId":"a","taskId":"a"}})",
};

// The members reported are those of RpcMessage, and nothing else.
HF_TEST(messages_are_described_as_they_are) {
  for (const Case &c : kCases) HF_EQ(describe(scan(c.document)), c.found);
}

// A document that is no object or array of objects never becomes `done`.
HF_TEST(what_is_not_a_message_or_a_batch_is_never_done) {
  for (const char *document : kNotDone) {
    const RpcScanner scanner = scan(document);
    if (scanner.state() == State::done) HF_FAIL(std::string("done: ") + document);
  }
}

// Compared as it streams by, a name may be longer than what is kept of it.
HF_TEST(an_expected_name_is_found_whatever_its_length) {
  const std::string uri(5000, 'u');
  struct Row {
    std::string document;
    std::string expected;
    Match name, uri, task;
  };
  const Row rows[] = {
      {R"({"params":{"name":"echo"}})", "echo", Match::same, Match::absent, Match::absent},
      {R"({"params":{"name":"echo"}})", "ech", Match::other, Match::absent, Match::absent},
      {R"({"params":{"name":"ech"}})", "echo", Match::other, Match::absent, Match::absent},
      {R"({"params":{"name":""}})", "", Match::same, Match::absent, Match::absent},
      {R"({"params":{"name":"\u0065ch\u006f"}})", "echo", Match::same, Match::absent,
       Match::absent},
      {R"({"params":{"name":"\ud83d\ude00","uri":"a","taskId":"\ud83d\ude00"}})",
       "\xF0\x9F\x98\x80", Match::same, Match::other, Match::same},
      // Half a pair is no character: a server has another name than U+FFFD for it, if any.
      {R"({"params":{"name":"\ud83d","uri":"\ude00"}})", "\xEF\xBF\xBD", Match::other, Match::other,
       Match::absent},
      {"{\"params\":{\"name\":\"a\xFF\"}}", "a?", Match::other, Match::absent, Match::absent},
      {R"({"params":{"name":1,"uri":{"name":"echo"},"taskId":["echo"]}})", "echo", Match::absent,
       Match::absent, Match::absent},
      {R"({"name":"echo","params":{"arguments":{"name":"echo"},"clientInfo":{"name":"echo"}}})",
       "echo", Match::absent, Match::absent, Match::absent},
      {R"({"params":{"uri":")" + uri + "\"}}", uri, Match::absent, Match::same, Match::absent},
      {R"({"params":{"uri":")" + uri + "x\"}}", uri, Match::absent, Match::other, Match::absent},
      {R"({"params":{"uri":")" + uri + "\"}}", uri + "x", Match::absent, Match::other,
       Match::absent},
  };
  for (const Row &row : rows) {
    for (const size_t piece_bytes : {size_t{1}, size_t{7}, row.document.size()}) {
      RpcScanner scanner;
      scanner.reset();
      scanner.expect(row.expected);
      for (size_t at = 0; at < row.document.size(); at += piece_bytes)
        (void)scanner.feed(std::string_view(row.document).substr(at, piece_bytes));
      const bool right = scanner.first().name_match == row.name &&
                         scanner.first().uri_match == row.uri &&
                         scanner.first().task_match == row.task;
      if (!right)
        HF_FAIL(row.document.substr(0, 200) + " in pieces of " + std::to_string(piece_bytes));
    }
  }
}

// The same bytes in any split give the same messages; so does a scanner that was used before.
HF_TEST(pieces_do_not_matter) {
  std::mt19937 random = holdfast::test::repeatable_random(20261101);
  RpcScanner pieces;
  const auto check = [&](std::string_view document) {
    const std::string whole = describe(scan(document));
    for (size_t cut = 0; cut <= document.size(); ++cut) {
      pieces.reset();
      (void)pieces.feed(document.substr(0, cut));
      (void)pieces.feed(document.substr(cut));
      HF_EQ(describe(pieces), whole);
    }
    for (const size_t piece_bytes_max : {1U, 3U, 9U, 40U}) {
      pieces.reset();
      holdfast::test::feed_in_pieces(document, random, piece_bytes_max,
                                     [&](std::string_view piece) { (void)pieces.feed(piece); });
      HF_EQ(describe(pieces), whole);
    }
  };
  for (const Case &c : kCases) check(c.document);
  for (const char *document : kNotDone) check(document);
}

// reset() forgets a document wherever it was left.
HF_TEST(a_used_scanner_is_as_good_as_a_new_one) {
  const std::string_view next = R"({"x":"v","y":1,"params":{"z":"w"},"id":5})";
  const std::string expected = describe(scan(next));
  RpcScanner used;
  for (const Case &c : kCases) {
    const std::string_view document(c.document);
    for (size_t cut = 0; cut <= document.size(); ++cut) {
      used.reset();
      (void)used.feed(document.substr(0, cut));
      used.reset();
      HF_CHECK(used.begin() == used.end());
      (void)used.feed(next);
      HF_EQ(describe(used), expected);
    }
  }
}

// A scanner that is used again works in the memory it has.
HF_TEST(steady_state_keeps_its_memory) {
  const std::string message = R"({"method":"a-method-of-some-length","params":{"name":")" +
                              std::string(200, 'n') + R"("},"id":"an-id-of-some-length"})";
  RpcScanner scanner = scan("[" + message + "," + message + "]");
  const RpcMessage *const messages = scanner.begin();
  const char *const method = messages[1].method.data();
  const char *const name = messages[1].tool_name.data();
  for (int round = 0; round < 3; ++round) {
    scanner.reset();
    HF_CHECK(scanner.feed(round == 1 ? "{}" : "[" + message + "," + message + "]") == State::done);
    HF_CHECK(scanner.begin() == messages);
    HF_CHECK(messages[1].method.data() == method && messages[1].tool_name.data() == name);
  }
}

// No member shows before its value has ended: a cut method must not pass for another one.
HF_TEST(nothing_is_reported_early) {
  const std::string_view document =
      R"({"id":12,"method":"ping/more","params":{"name":"n"},"x":[]})";
  RpcScanner scanner;
  HF_CHECK(scanner.begin() == scanner.end());
  HF_EQ(scanner.first().method, "");
  for (size_t i = 0; i < document.size(); ++i) {
    HF_CHECK(scanner.state() == State::more);
    (void)scanner.feed(document.substr(i, 1));
    HF_EQ(scanner.first().id, i < document.find(",\"method") ? "" : "12");
    HF_EQ(scanner.first().method, i < document.find("\",\"params") ? "" : "ping/more");
    HF_EQ(scanner.routable(), i >= document.find("\",\"params"));
    HF_EQ(scanner.first().tool_name, i < document.find("\"},\"x") ? "" : "n");
    HF_EQ(scanner.first().complete, i + 1 == document.size());
  }
  HF_CHECK(scanner.state() == State::done);
}

// A response is routable at its end, an unclear document at once.
HF_TEST(routable_without_a_method) {
  RpcScanner scanner;
  (void)scanner.feed(R"({"result":{},"id":1)");
  HF_CHECK(!scanner.routable());
  (void)scanner.feed("}");
  HF_CHECK(scanner.routable());
  HF_CHECK(scan("x").routable());
  HF_CHECK(scan(R"([{"id":1},)").routable());
  HF_CHECK(!scan("[").routable());
}

// White space may follow a document; anything else makes it unclear, for good.
HF_TEST(what_follows_the_document_decides) {
  RpcScanner scanner = scan("{}");
  HF_CHECK(scanner.feed(" \r\n\t") == State::done);
  HF_CHECK(scanner.feed("") == State::done);
  HF_CHECK(scanner.feed(std::string_view("\0", 1)) == State::unclear);
  HF_CHECK(scanner.feed(" ") == State::unclear);
  scanner.reset();
  HF_CHECK(scanner.state() == State::more);
  HF_EQ(scanner.size(), 0U);
  HF_CHECK(scanner.feed("[{}]") == State::done);
  HF_CHECK(scanner.batch());
}

// A repeated method is noticed even after the first one made the message routable.
HF_TEST(a_late_duplicate_makes_a_routable_message_unclear) {
  RpcScanner scanner;
  (void)scanner.feed(R"({"method":"ping","id":1)");
  HF_CHECK(scanner.routable());
  HF_CHECK(scanner.feed(R"(,"method")") == State::unclear);
}

// 512 open containers are followed, the 513th is not; what kind each one is stays known.
HF_TEST(depth_has_a_bound) {
  constexpr size_t kMost = RpcScanner::kDepthMax;
  const auto document = [](size_t depth) { return "{\"a\":" + nested(depth - 1, "[", "]") + "}"; };
  HF_CHECK(scan(document(kMost)).state() == State::done);
  HF_CHECK(scan(document(kMost + 1)).state() == State::unclear);
  HF_CHECK(scan(nested(kMost / 2, "{\"a\":[", "]}")).state() == State::done);
  HF_CHECK(scan(nested(kMost / 2 + 1, "{\"a\":[", "]}")).state() == State::unclear);
  HF_CHECK(scan("[" + document(kMost - 1) + "]").state() == State::done);
  HF_CHECK(scan("[" + document(kMost) + "]").state() == State::unclear);
  for (size_t wrong = 0; wrong < kMost; ++wrong) {
    std::string broken = nested(kMost / 2, "{\"a\":[", "]}");
    char &closing = broken[broken.size() - 1 - wrong];
    closing = closing == ']' ? '}' : ']';
    HF_CHECK(scan(broken).state() == State::unclear);
  }
}

// Captured text has bounds; a long method is no method, a long id is not echoed.
HF_TEST(captures_have_bounds) {
  const auto with = [](size_t method_bytes, size_t id_bytes, size_t name_bytes) {
    return scan("{\"method\":\"" + std::string(method_bytes, 'm') + "\",\"id\":\"" +
                std::string(id_bytes - 2, 'i') + "\",\"params\":{\"name\":\"" +
                std::string(name_bytes, 'n') + "\"}}");
  };
  const RpcScanner fits = with(128, 256, 256);
  HF_EQ(fits.first().method, std::string(128, 'm'));
  HF_CHECK(!fits.first().method_long);
  HF_EQ(fits.first().id, "\"" + std::string(254, 'i') + "\"");
  HF_EQ(fits.first().tool_name, std::string(256, 'n'));

  for (const size_t method_bytes : {129U, 256U, 257U, 100000U}) {
    const RpcScanner longer = with(method_bytes, 257, 257);
    HF_EQ(longer.first().method, "");
    HF_CHECK(longer.first().method_long && longer.first().has_method);
    HF_EQ(longer.first().id, "null");
    HF_CHECK(longer.first().is_request());
    HF_EQ(longer.first().tool_name, std::string(256, 'n'));
  }
}

// A number is not cut: what is left would be another number.
HF_TEST(long_numbers_are_not_echoed) {
  const auto id_of = [](size_t digits) {
    return scan("{\"id\":" + std::string(digits, '7') + "}").first().id;
  };
  HF_EQ(id_of(256), std::string(256, '7'));
  HF_EQ(id_of(257), "null");
}

// A cut never leaves part of a character, escaped or not.
HF_TEST(a_cut_ends_at_a_character) {
  for (const char *character :
       {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\\u00e9", "\\ud83d\\ude00"}) {
    for (size_t before = 250; before <= 256; ++before) {
      const RpcScanner scanner = scan("{\"params\":{\"uri\":\"" + std::string(before, 'u') +
                                      character + character + "\"}}");
      const std::string &uri = scanner.first().resource_uri;
      HF_CHECK(uri.size() <= 256);
      HF_CHECK(uri.size() + 4 > 256 || uri.size() > before);
      HF_EQ(uri.find('?'), std::string::npos);
      const RpcScanner reference = scan("{\"params\":{\"uri\":\"" + uri + "\"}}");
      HF_EQ(reference.first().resource_uri, uri);
    }
  }
}

// A key longer than any we know is not mistaken for one it begins with.
HF_TEST(long_keys_match_nothing) {
  const std::string key(300, 'k');
  HF_EQ(describe(scan("{\"" + key + "\":1,\"method" + key + "\":2,\"method\":\"m\"}")),
        "done total=1\n method=m has_method complete");
}

// Members of a batch beyond the bound are followed and counted, not kept.
HF_TEST(batches_have_a_bound) {
  std::string document = "[";
  for (size_t i = 0; i < kRpcBatchMessagesMax + 3; ++i) {
    if (i > 0) document += ',';
    document += R"({"method":"m","method2":{"method":1},"id":)" + std::to_string(i) + "}";
  }
  const RpcScanner scanner = scan(document + "]");
  HF_CHECK(scanner.state() == State::done);
  HF_EQ(scanner.size(), kRpcBatchMessagesMax);
  HF_EQ(scanner.messages_total(), kRpcBatchMessagesMax + 3);
  HF_EQ(scanner.begin()[kRpcBatchMessagesMax - 1].id, std::to_string(kRpcBatchMessagesMax - 1));
  HF_CHECK(scan(document + ",1]").state() == State::unclear);
}

// The predicates tell requests, notifications and responses apart.
HF_TEST(kinds_of_messages) {
  const auto kind = [](std::string_view document) {
    const RpcScanner scanner = scan(document);
    const RpcMessage &m = scanner.first();
    return std::string(m.is_request() ? "request " : "") +
           (m.is_notification() ? "notification " : "") + (m.is_response() ? "response " : "");
  };
  HF_EQ(kind(R"({"method":"m","id":0})"), "request ");
  HF_EQ(kind(R"({"method":"m","id":{}})"), "request ");
  HF_EQ(kind(R"({"method":"m"})"), "notification ");
  HF_EQ(kind(R"({"method":"m","id":null})"), "notification ");
  HF_EQ(kind(R"({"result":null,"id":1})"), "response ");
  HF_EQ(kind(R"({"error":{},"id":null})"), "response ");
  HF_EQ(kind(R"({"method":null,"result":{},"id":1})"), "response ");
  HF_EQ(kind(R"({"id":1})"), "");
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(messages_are_described_as_they_are),
      HF_UNIT(what_is_not_a_message_or_a_batch_is_never_done),
      HF_UNIT(an_expected_name_is_found_whatever_its_length),
      HF_UNIT(pieces_do_not_matter),
      HF_UNIT(a_used_scanner_is_as_good_as_a_new_one),
      HF_UNIT(steady_state_keeps_its_memory),
      HF_UNIT(nothing_is_reported_early),
      HF_UNIT(routable_without_a_method),
      HF_UNIT(what_follows_the_document_decides),
      HF_UNIT(a_late_duplicate_makes_a_routable_message_unclear),
      HF_UNIT(depth_has_a_bound),
      HF_UNIT(captures_have_bounds),
      HF_UNIT(long_numbers_are_not_echoed),
      HF_UNIT(a_cut_ends_at_a_character),
      HF_UNIT(long_keys_match_nothing),
      HF_UNIT(batches_have_a_bound),
      HF_UNIT(kinds_of_messages),
  };
  return HF_RUN(tests);
}
