// One JSON document as a flat array of values: the reader of what arrives often (link messages),
// where a tree of reference-counted values with a hash table per object costs more than all that is
// done with them. As strict as json_parse() (RFC 8259, UTF-8, no duplicate members, at most
// kJsonDepthMax levels, integers of 64 bits), and tested against it. Views the text it was read
// from. Pure; any thread, one object at a time.
//
//   {"t":"pong","n":1}    object(2 children) · "t" text · "n" integer: each value before its
//                         children, so that the next sibling is `span` places on
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace holdfast {

struct JsonNode {
  enum class Kind : uint8_t { null, boolean, integer, real, text, array, object };

  std::string_view key;   // of a member
  std::string_view text;  // of a text, its escapes resolved
  int64_t integer = 0;    // or 1 for true
  uint32_t span = 1;      // values up to the next sibling
  uint32_t count = 0;     // children
  Kind kind = Kind::null;

  const JsonNode *first() const noexcept { return this + 1; }  // REQUIRES: count > 0
  const JsonNode *next() const noexcept { return this + span; }
  // nullptr where there is none. REQUIRES: an object.
  const JsonNode *member(std::string_view name) const noexcept;
};

class JsonDoc {
 public:
  // `text` must outlive the document. Errc::protocol with position.
  static Result<JsonDoc> parse(std::string_view text);

  const JsonNode &root() const noexcept { return nodes_.front(); }  // an array or an object

 private:
  class Parser;

  std::vector<JsonNode> nodes_;
  std::vector<std::unique_ptr<std::string>> unescaped_;  // texts that are not as they stand
};

}  // namespace holdfast
