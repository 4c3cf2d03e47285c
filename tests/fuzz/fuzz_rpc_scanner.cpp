// RpcScanner over any bytes: the same in every split, alike with simdjson where that parses, and
// never `done` where the structure is not that of JSON.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "proxy/mcp/rpc_scanner.h"
#include "tests/proxy/mcp/rpc_reference.h"
#include "tests/proxy/mcp/scan_support.h"

using holdfast::proxy::mcp::echoable_id;
using holdfast::proxy::mcp::RpcMessage;
using holdfast::proxy::mcp::RpcScanner;
using holdfast::test::describe;

static void require(bool holds, const char *what) {
  if (holds) return;
  (void)std::fprintf(stderr, "fuzz_rpc_scanner: %s\n", what);
  std::abort();
}

static bool is_word_byte(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '-' || c == '.';
}

// The document with every string emptied and every number or word replaced by 0: what is left is
// structure, which a strict parser can judge.
static std::string skeleton(std::string_view document) {
  std::string out;
  for (size_t i = 0; i < document.size(); ++i) {
    if (document[i] == '"') {
      ++i;
      while (i < document.size() && document[i] != '"') i += document[i] == '\\' ? 2 : 1;
      out += i < document.size() ? "\"\"" : "\"";
    } else if (is_word_byte(document[i])) {
      while (i + 1 < document.size() && is_word_byte(document[i + 1])) ++i;
      out += '0';
    } else {
      out += document[i];
    }
  }
  return out;
}

static void check_messages(const RpcScanner &scanner) {
  for (const RpcMessage &message : scanner) {
    require(message.id.empty() || echoable_id(message.id), "an id that may not be echoed");
    require(message.request_id.empty() || echoable_id(message.request_id),
            "a request id that may not be echoed");
    require(message.method.size() <= holdfast::proxy::mcp::kRpcMethodBytesMax, "a long method");
    require(message.has_id == !(message.id.empty() || message.id == "null") || message.id == "null",
            "has_id without an id");
    require(message.complete || &message == scanner.end() - 1,
            "an incomplete message before the last");
    for (const std::string *text :
         {&message.method, &message.client_name, &message.client_version, &message.protocol_version,
          &message.resource_uri, &message.tool_name}) {
      require(text->size() <= holdfast::proxy::mcp::kRpcCaptureBytesMax, "a long capture");
      require(simdjson::validate_utf8(*text), "a capture that is not UTF-8");
    }
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static holdfast::test::RpcReferenceReader reader;
  static RpcScanner whole;
  static RpcScanner pieces;
  const std::string_view document(static_cast<const char *>(static_cast<const void *>(data)), size);
  // A text that occurs is expected, so that it can be found.
  whole.reset();
  (void)whole.feed(document);
  const std::string expected =
      whole.first().tool_name.empty() ? whole.first().resource_uri : whole.first().tool_name;
  reader.expect(expected);
  whole.reset();
  whole.expect(expected);
  (void)whole.feed(document);
  check_messages(whole);

  std::mt19937 random(static_cast<uint32_t>(std::hash<std::string_view>{}(document)));
  for (const size_t piece_bytes_max : {1U, 7U, 50U}) {
    pieces.reset();
    pieces.expect(expected);
    holdfast::test::feed_in_pieces(document, random, piece_bytes_max,
                                   [](std::string_view piece) { (void)pieces.feed(piece); });
    require(describe(pieces) == describe(whole), "pieces matter");
  }
  if (const auto reference = reader.read(document)) {
    const std::string differs = holdfast::test::disagreement(whole, *reference, size);
    require(differs.empty(), differs.c_str());
  }
  if (whole.state() == RpcScanner::State::done) {
    const auto structure = reader.read(skeleton(document));
    require(structure.has_value() && structure->messages_total == whole.messages_total(),
            "done without structure");
  }
  return 0;
}
