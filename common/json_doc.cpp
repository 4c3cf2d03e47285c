#include "common/json_doc.h"

#include <algorithm>
#include <charconv>

#include "common/json_plain.h"
#include "common/limits.h"
#include "common/utf8.h"

namespace holdfast {
namespace {

constexpr size_t kFewMembers = 24;  // compared pair by pair: no more than a message of ours has

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

void append_utf8(std::string &out, uint32_t code) {
  const auto byte = [&](uint32_t bits) { out += static_cast<char>(bits); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      byte(0xe0 | code >> 12);
    } else {
      byte(0xf0 | code >> 18);
      byte(0x80 | (code >> 12 & 0x3f));
    }
    byte(0x80 | (code >> 6 & 0x3f));
  }
  byte(0x80 | (code & 0x3f));
}

}  // namespace

const JsonNode *JsonNode::member(std::string_view name) const noexcept {
  const JsonNode *at = first();
  for (uint32_t i = 0; i < count; ++i, at = at->next()) {
    if (at->key == name) return at;
  }
  return nullptr;
}

// Recursive descent, kJsonDepthMax deep at most. Every function returns false where the text is no
// JSON; `fault_` then says why and at_ where.
class JsonDoc::Parser {
 public:
  Parser(std::string_view text, JsonDoc &doc) : text_(text), doc_(doc) {}

  Result<void> run() {
    doc_.nodes_.reserve(32);  // most messages fit: one allocation
    skip_space();
    const bool container = at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[');
    if ((container || fail("'[' or '{' expected")) && value({})) {
      skip_space();
      if (at_ == text_.size() || fail("end of file expected")) return {};
    }
    return Error{Errc::protocol, 0,
                 std::string("not JSON: ") + fault_ + " at byte " + std::to_string(at_)};
  }

 private:
  bool fail(const char *why) {
    fault_ = why;
    return false;
  }
  bool more() const noexcept { return at_ < text_.size(); }
  void skip_space() noexcept {
    while (more() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool take(char c) noexcept {
    if (!more() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool value(std::string_view key) {
    if (!more()) return fail("unexpected end of input");
    const size_t place = doc_.nodes_.size();
    doc_.nodes_.emplace_back().key = key;
    switch (text_[at_]) {
      case '{':
      case '[':
        return container(place);
      case '"': {
        ++at_;
        std::string_view text;
        if (!string(text)) return false;
        doc_.nodes_[place].text = text;
        doc_.nodes_[place].kind = JsonNode::Kind::text;
        return true;
      }
      case 't':
        return word("true", JsonNode::Kind::boolean, 1);
      case 'f':
        return word("false", JsonNode::Kind::boolean, 0);
      case 'n':
        return word("null", JsonNode::Kind::null, 0);
      default:
        return number();
    }
  }

  bool word(std::string_view spelling, JsonNode::Kind kind, int64_t meaning) {
    if (text_.substr(at_, spelling.size()) != spelling) return fail("invalid token");
    at_ += spelling.size();
    doc_.nodes_.back().kind = kind;
    doc_.nodes_.back().integer = meaning;
    return true;
  }

  bool container(size_t place) {
    if (++depth_ > kJsonDepthMax) return fail("nested too deep");
    const bool object = text_[at_++] == '{';
    const char end = object ? '}' : ']';
    uint32_t count = 0;
    skip_space();
    if (!take(end)) {
      do {
        ++count;
        skip_space();
        std::string_view key;
        if (object && !name(key)) return false;
        if (!value(key)) return false;
        skip_space();
      } while (take(','));
      if (!take(end)) return fail(object ? "'}' expected" : "']' expected");
    }
    --depth_;
    JsonNode &node = doc_.nodes_[place];
    node.kind = object ? JsonNode::Kind::object : JsonNode::Kind::array;
    node.count = count;
    node.span = static_cast<uint32_t>(doc_.nodes_.size() - place);
    return !object || members_differ(node) || fail("duplicate object key");
  }

  bool name(std::string_view &key) {
    if (!take('"')) return fail("string expected");
    if (!string(key)) return false;
    skip_space();
    if (!take(':')) return fail("':' expected");
    skip_space();
    return true;
  }

  // 0 to 63; equal keys have equal ones.
  static unsigned mark(std::string_view key) noexcept {
    const auto byte = [key](size_t at) { return static_cast<unsigned char>(key.data()[at]); };
    return key.empty() ? 0 : (key.size() * 7 + byte(0) * 5U + byte(key.size() - 1)) % 64;
  }
  static bool members_differ(const JsonNode &object) {
    if (object.count > kFewMembers) return many_members_differ(object);
    const JsonNode *at = object.first();
    uint64_t seen = 0;  // a bit for each key; only keys that share one are compared
    for (uint32_t i = 0; i < object.count; ++i, at = at->next()) {
      const uint64_t bit = uint64_t{1} << mark(at->key);
      if ((seen & bit) != 0 && object.member(at->key) != at) return false;  // not the first one
      seen |= bit;
    }
    return true;
  }
  static bool many_members_differ(const JsonNode &object) {
    std::vector<std::string_view> keys;
    keys.reserve(object.count);
    const JsonNode *at = object.first();
    for (uint32_t i = 0; i < object.count; ++i, at = at->next()) keys.push_back(at->key);
    std::sort(keys.begin(), keys.end());
    return std::adjacent_find(keys.begin(), keys.end()) == keys.end();
  }

  // Behind its opening quote. Views the line, unless something in it has to be resolved.
  bool string(std::string_view &out) {
    const size_t begin = at_;
    for (;;) {
      at_ += json_plain_bytes(text_.substr(at_));
      if (!more()) break;
      const char c = text_[at_];
      if (c == '"') {
        out = text_.substr(begin, at_++ - begin);
        return true;
      }
      if (c == '\\') return escaped_string(begin, out);
      if (!character()) return false;
    }
    return fail("premature end of input");
  }

  bool character() {
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c < 0x20) return fail("control character");
    const size_t bytes = c < 0x80 ? 1 : utf8_char_bytes(text_.substr(at_));
    if (bytes == 0) return fail("invalid UTF-8");
    at_ += bytes;
    return true;
  }

  bool escaped_string(size_t begin, std::string_view &out) {
    std::string &text = *doc_.unescaped_.emplace_back(std::make_unique<std::string>());
    text = text_.substr(begin, at_ - begin);
    while (more()) {
      const size_t from = at_;
      if (take('"')) {
        out = text;
        return true;
      }
      if (take('\\')) {
        if (!escape(text)) return false;
        continue;
      }
      if (!character()) return false;
      text += text_.substr(from, at_ - from);
    }
    return fail("premature end of input");
  }

  bool escape(std::string &out) {
    if (!more()) return fail("premature end of input");
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const char c = text_[at_++];
    const size_t known = kNames.find(c);
    if (known != std::string_view::npos) {
      out += kMeant[known];
      return true;
    }
    uint32_t code = 0;
    if (c != 'u' || !hex4(code)) return fail("invalid escape");
    if (code >= 0xd800 && code < 0xe000) {
      uint32_t low = 0;
      const bool pair =
          code < 0xdc00 && take('\\') && take('u') && hex4(low) && low >= 0xdc00 && low < 0xe000;
      if (!pair) return fail("invalid Unicode escape");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
    return true;
  }

  bool hex4(uint32_t &code) {
    const std::string_view digits = text_.substr(at_, 4);
    const char *const end = digits.data() + digits.size();
    const auto read = std::from_chars(digits.data(), end, code, 16);
    if (digits.size() < 4 || read.ptr != end) return false;
    at_ += 4;
    return true;
  }

  bool number() {
    const size_t begin = at_;
    (void)take('-');  // ignoring: most have none
    if (!take('0') && !digits()) return fail("invalid token");
    bool real = false;
    if (take('.')) {
      real = true;
      if (!digits()) return fail("invalid number");
    }
    if (take('e') || take('E')) {
      real = true;
      if (!take('+')) (void)take('-');  // ignoring: either, or none
      if (!digits()) return fail("invalid number");
    }
    JsonNode &node = doc_.nodes_.back();
    node.kind = real ? JsonNode::Kind::real : JsonNode::Kind::integer;
    if (real) return true;
    const auto read = std::from_chars(text_.data() + begin, text_.data() + at_, node.integer);
    return read.ec == std::errc{} || fail("too big integer");
  }

  bool digits() noexcept {
    const size_t begin = at_;
    while (more() && is_digit(text_[at_])) ++at_;
    return at_ > begin;
  }

  std::string_view text_;
  JsonDoc &doc_;
  size_t at_ = 0;
  size_t depth_ = 0;
  const char *fault_ = "";
};

Result<JsonDoc> JsonDoc::parse(std::string_view text) {
  JsonDoc doc;
  if (auto read = Parser(text, doc).run(); !read) return std::move(read).error();
  return doc;
}

}  // namespace holdfast
