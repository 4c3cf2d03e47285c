// RpcScanner against two tree parsers over generated documents: what simdjson reads it must read
// alike, and no change of structure may pass it that jansson refuses.
#include <jansson.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "proxy/mcp/rpc_scanner.h"
#include "tests/proxy/mcp/rpc_reference.h"
#include "tests/proxy/mcp/scan_support.h"
#include "tests/support/hf_test.h"

using holdfast::proxy::mcp::RpcScanner;
using holdfast::test::describe;
using holdfast::test::disagreement;
using holdfast::test::RpcReferenceReader;
using State = RpcScanner::State;

struct JsonDecref {
  void operator()(json_t *json) const { json_decref(json); }
};
using JsonPtr = std::unique_ptr<json_t, JsonDecref>;

static JsonPtr jansson(std::string_view document) {
  return JsonPtr(json_loadb(document.data(), document.size(),
                            JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, nullptr));
}

// Writes random JSON that looks like JSON-RPC often enough: known names, at every depth.
class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed) {}

  // Plain documents have no backslash and no byte outside ASCII.
  std::string document(bool plain) {
    out_.clear();
    plain_ = plain;
    space();
    if (one_in(5)) {
      list('[', ']', 1 + below(4), [this] { message(); });
    } else {
      message();
    }
    space();
    return out_;
  }
  uint32_t below(uint32_t bound) {
    return std::uniform_int_distribution<uint32_t>(0, bound - 1)(random_);
  }
  std::mt19937 &random() { return random_; }

 private:
  bool one_in(uint32_t n) { return below(n) == 0; }

  void space() {
    while (one_in(6)) out_ += " \t\r\n"[below(4)];
  }

  template <class Item>
  void list(char open, char close, uint32_t count, Item item) {
    out_ += open;
    space();
    for (uint32_t i = 0; i < count; ++i) {
      if (i > 0) {
        out_ += ',';
        space();
      }
      item();
      space();
    }
    out_ += close;
  }

  void message() {
    static constexpr const char *kNames[] = {"method", "id",      "params", "result",
                                             "error",  "jsonrpc", "name"};
    list('{', '}', below(6), [this] {
      const char *name = kNames[below(7)];
      key(name);
      if (name == kNames[2] && !one_in(5)) return params();
      value(4);
    });
  }

  void params() {
    static constexpr const char *kNames[] = {"requestId", "clientInfo", "_meta", "uri",
                                             "name",      "arguments",  "id",    "taskId"};
    list('{', '}', below(5), [this] {
      const char *name = kNames[below(8)];
      key(name);
      const bool visited = name == kNames[1] || name == kNames[2];
      if (!visited || one_in(5)) return value(4);
      list('{', '}', below(4), [this] {
        static constexpr const char *kInner[] = {"name", "version",
                                                 "io.modelcontextprotocol/protocolVersion", "x"};
        key(kInner[below(4)]);
        value(2);
      });
    });
  }

  void value(uint32_t depth) {
    switch (below(depth > 0 ? 7 : 5)) {
      case 0:
        return string(text());
      case 1:
        return string("tools/call");
      case 2:
        return number();
      case 3:
        return word(one_in(2) ? "true" : "false");
      case 4:
        return word("null");
      case 5:
        return list('[', ']', below(4), [this, depth] { value(depth - 1); });
      default:
        return list('{', '}', below(4), [this, depth] {
          static constexpr const char *kNames[] = {"method", "id",    "name", "uri",
                                                   "params", "_meta", "",     "x"};
          key(kNames[below(8)]);
          value(depth - 1);
        });
    }
  }

  void key(std::string_view name) {
    string(name);
    space();
    out_ += ':';
    space();
  }

  // The scanner leaves the spelling of words to the backend, so plain documents, which are to be
  // damaged, have none; a plain number stays one when it meets another.
  void word(const char *spelled) {
    if (plain_) return number();
    out_ += spelled;
  }

  void number() {
    static constexpr const char *kNumbers[] = {
        "0", "-0", "-1", "1.5", "1e9", "-2.5E-3", "18446744073709551615", "0.1e+2"};
    out_ += plain_ ? std::to_string(1 + below(9)) : kNumbers[below(8)];
  }

  std::string text() {
    static constexpr const char *kPieces[] = {"a",
                                              "}",
                                              "]",
                                              "{",
                                              "[",
                                              ",",
                                              ":",
                                              " ",
                                              "abcdefghijklmnop",
                                              "/",
                                              "1",
                                              "'",
                                              "\"",
                                              "\\",
                                              "\n",
                                              "\x01",
                                              "\xC3\xA9",
                                              "\xE2\x82\xAC",
                                              "\xF0\x9F\x98\x80"};
    std::string out;
    const uint32_t longest = one_in(20) ? 400 : 12;
    for (uint32_t i = below(longest); i > 0; --i) out += kPieces[below(plain_ ? 12 : 19)];
    return out;
  }

  // Writes each character as itself or as one of its escapes.
  void string(std::string_view text) {
    out_ += '"';
    for (size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      const bool ascii = byte < 0x80;
      if (byte < 0x20 || (ascii && !plain_ && one_in(20))) {
        char escape[8];
        (void)std::snprintf(escape, sizeof escape, one_in(2) ? "\\u%04x" : "\\u%04X",
                            static_cast<unsigned>(byte));
        out_ += escape;
      } else if (byte == '"' || byte == '\\' || (byte == '/' && !plain_ && one_in(2))) {
        out_ += '\\';
        out_ += text[i];
      } else if (byte == 0xF0 && one_in(2)) {
        out_ += "\\ud83d\\uDE00";
        i += 3;
      } else {
        out_ += text[i];
      }
    }
    out_ += '"';
  }

  std::mt19937 random_;
  std::string out_;
  bool plain_ = false;
};

[[noreturn]] static void fail_on(std::string what, const std::string &document) {
  HF_FAIL(what.append(": ").append(document));
}

static void check_with_jansson(const RpcScanner &scanner, std::string_view document) {
  const JsonPtr root = jansson(document);
  HF_CHECK(root != nullptr);
  const json_t *message = json_is_array(root.get()) ? json_array_get(root.get(), 0) : root.get();
  const json_t *method = json_object_get(message, "method");
  HF_EQ(scanner.first().has_method, json_is_string(method));
  if (json_is_string(method) && json_string_length(method) <= 128) {
    HF_EQ(scanner.first().method,
          std::string(json_string_value(method), json_string_length(method)));
  }
  const json_t *id = json_object_get(message, "id");
  HF_EQ(scanner.first().has_id, id != nullptr && !json_is_null(id));
}

// Valid documents: the same members as simdjson and jansson find, whole and in pieces.
HF_TEST(valid_documents_are_read_as_by_tree_parsers) {
  Generator generator(20261102);
  RpcReferenceReader reader;
  RpcScanner whole;
  RpcScanner pieces;
  int clear_count = 0;
  int unclear_count = 0;
  int same_count = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string document = generator.document(false);
    reader.expect("tools/call");
    auto reference = reader.read(document);
    if (!reference) fail_on("the generator wrote no JSON", document);
    // One of the names it has, or nearly so.
    std::string name = reference->a_name;
    if (round % 4 == 0) name += 'x';
    if (round % 4 == 1 && !name.empty()) name.back() = 'x';
    reader.expect(name);
    reference = reader.read(document);
    whole.reset();
    whole.expect(name);
    (void)whole.feed(document);
    const std::string differs = disagreement(whole, *reference, document.size());
    if (!differs.empty()) fail_on(differs, document);
    pieces.reset();
    pieces.expect(name);
    holdfast::test::feed_in_pieces(document, generator.random(), 1 + generator.below(30),
                                   [&](std::string_view piece) { (void)pieces.feed(piece); });
    if (describe(pieces) != describe(whole)) fail_on("pieces differ", document);
    same_count += describe(whole).find(" same ") != std::string::npos ? 1 : 0;
    ++(reference->unclear ? unclear_count : clear_count);
    if (!reference->unclear) check_with_jansson(whole, document);
  }
  HF_CHECK(clear_count > 5000);
  HF_CHECK(unclear_count > 1000);
  HF_CHECK(same_count > 300);
}

// Damaged documents: wherever one byte of structure was taken, put in or changed, the scanner
// accepts exactly what jansson accepts and simdjson reads without doubt.
HF_TEST(damaged_structure_is_accepted_exactly_when_a_tree_parser_accepts_it) {
  static constexpr std::string_view kStructure = "{}[],:\" 1";
  Generator generator(20261103);
  RpcReferenceReader reader;
  RpcScanner scanner;
  int accepted_count = 0;
  int refused_count = 0;
  for (int round = 0; round < 40000; ++round) {
    std::string document = generator.document(true);
    const size_t at = generator.below(static_cast<uint32_t>(document.size()));
    const char c = kStructure[generator.below(kStructure.size())];
    switch (generator.below(3)) {
      case 0:
        document.erase(at, 1);
        break;
      case 1:
        document.insert(at, 1, c);
        break;
      default:
        document[at] = c;
    }
    scanner.reset();
    (void)scanner.feed(document);
    const auto reference = reader.read(document);
    const bool acceptable = reference && !reference->unclear && jansson(document) != nullptr;
    if (acceptable != (scanner.state() == State::done)) {
      fail_on(acceptable ? "refused" : "accepted", document);
    }
    ++(acceptable ? accepted_count : refused_count);
  }
  HF_CHECK(accepted_count > 5000);
  HF_CHECK(refused_count > 5000);
}

// Large bodies as clients send them: method and id are found wherever they stand.
HF_TEST(large_bodies_are_read_as_by_a_tree_parser) {
  std::mt19937 random = holdfast::test::repeatable_random(20261104);
  RpcReferenceReader reader;
  std::string blob;
  while (blob.size() < 3'000'000) blob += R"(some text with \"quotes\", \\ and {[,:]} \u00e9 )";
  for (const char *rest :
       {R"("method":"tools/call","id":"x")", R"("id":7,"method":"tools\/call")"}) {
    for (const bool first : {true, false}) {
      const std::string params = R"("params":{"name":"n","arguments":{"blob":")" + blob + R"("}})";
      std::string document = "{";
      document.append(first ? rest : params).append(",").append(first ? params : rest).append("}");
      RpcScanner scanner;
      holdfast::test::feed_in_pieces(document, random, 65536,
                                     [&](std::string_view piece) { (void)scanner.feed(piece); });
      const auto reference = reader.read(document);
      HF_CHECK(reference.has_value());
      HF_EQ(disagreement(scanner, *reference, document.size()), "");
      HF_EQ(scanner.first().method, "tools/call");
    }
  }
}

int main() {
  const CMUnitTest tests[] = {
      HF_UNIT(valid_documents_are_read_as_by_tree_parsers),
      HF_UNIT(damaged_structure_is_accepted_exactly_when_a_tree_parser_accepts_it),
      HF_UNIT(large_bodies_are_read_as_by_a_tree_parser),
  };
  return HF_RUN(tests);
}
