#include "proxy/mcp/rpc_scanner.h"

#include "proxy/mcp/find_either.h"

namespace holdfast::proxy::mcp {

namespace {

static_assert(kRpcMethodBytesMax <= JsonText::kBytesMax);
static_assert(kRpcIdBytesMax == JsonText::kBytesMax);
static_assert(kRpcCaptureBytesMax == JsonText::kBytesMax);

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Bytes of numbers and words. None of them is structure, so a run of them can be skipped unread.
constexpr std::array<bool, 256> make_scalar_bytes() {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = table[c + ('a' - 'A')] = true;
  table['+'] = table['-'] = table['.'] = true;
  return table;
}
constexpr std::array<bool, 256> kScalarBytes = make_scalar_bytes();

bool is_scalar_byte(char c) { return kScalarBytes[static_cast<unsigned char>(c)]; }

}  // namespace

void RpcScanner::reset() {
  count_ = 0;
  messages_total_ = 0;
  state_ = State::more;
  batch_ = false;
  lex_ = Lex::structure;
  expect_ = Expect::value;
  escaped_ = false;
  where_ = Where::outside;
  pending_ = capture_ = Member::none;
  depth_ = visited_depth_ = 0;
  text_.clear();
}

RpcScanner::State RpcScanner::feed(std::string_view bytes) {
  const char *p = bytes.data();
  const char *const end = p + bytes.size();
  while (p != end && state_ != State::unclear) {
    switch (lex_) {
      case Lex::structure:
        p = feed_structure(p, end);
        break;
      case Lex::string:
        p = feed_string(p, end);
        break;
      case Lex::scalar:
        p = feed_scalar(p, end);
        break;
    }
  }
  return state_;
}

const RpcMessage &RpcScanner::first() const {
  static const RpcMessage none;
  return count_ > 0 ? messages_[0] : none;
}

bool RpcScanner::routable() const {
  return state_ == State::unclear || first().has_method || first().complete;
}

// --- Lexical level -----------------------------------------------------------------------------

const char *RpcScanner::feed_structure(const char *p, const char *end) {
  while (p != end) {
    const char c = *p++;
    if (is_space(c)) continue;
    on_structure(c);
    if (lex_ != Lex::structure || state_ == State::unclear) break;
  }
  return p;
}

const char *RpcScanner::feed_string(const char *p, const char *end) {
  while (p != end && state_ != State::unclear) {
    if (escaped_) {
      on_escaped(*p++);
      continue;
    }
    const char *special = find_either(p, end, '"', '\\');
    const std::string_view plain{p, static_cast<size_t>(special - p)};
    if (special != end && *special == '"' && text_.empty()) {
      end_plain(plain);
      return special + 1;
    }
    if (capture_ != Member::none) text_.append(plain);
    if (special == end) return end;
    p = special + 1;
    if (*special == '"') {
      end_capture();
      return p;
    }
    if (capture_ == Member::none && p != end) {
      ++p;  // only what follows the backslash matters here: it cannot end the string
      continue;
    }
    escaped_ = true;
    if (keeps_token(capture_)) text_.append("\\");
  }
  return p;
}

// Takes a byte after a backslash: one where the text is kept as it stands or not at all, as many as
// the escape sequence has where it is unescaped.
void RpcScanner::on_escaped(char c) {
  if (capture_ == Member::none || keeps_token(capture_)) {
    if (capture_ != Member::none) text_.append({&c, 1});
    escaped_ = false;
    return;
  }
  const JsonText::Escape state = text_.feed_escape(c);
  if (state == JsonText::Escape::bad) return fail();
  escaped_ = state == JsonText::Escape::more;
}

const char *RpcScanner::feed_scalar(const char *p, const char *end) {
  const char *const begin = p;
  while (p != end && is_scalar_byte(*p)) ++p;
  if (capture_ != Member::none) text_.append({begin, static_cast<size_t>(p - begin)});
  if (p != end) end_capture();
  return p;
}

// Ends the string or scalar being read and hands what was captured to its place.
void RpcScanner::end_capture() {
  const Member member = capture_;
  const bool string = lex_ == Lex::string;
  lex_ = Lex::structure;
  capture_ = Member::none;
  if (member == Member::key) return on_key(text_.finish());
  if (keeps_token(member)) {
    if (string) text_.append("\"");
    return on_token(member);
  }
  if (member != Member::none) on_text(member, text_.finish(), text_.cut());
}

// Ends a string that is here whole and without escapes, as nearly all are: it need not be copied to
// be understood. Tokens are never among them: their text begins with the quote.
void RpcScanner::end_plain(std::string_view text) {
  const Member member = capture_;
  lex_ = Lex::structure;
  capture_ = Member::none;
  if (member == Member::none) return;
  if (member == Member::key) return on_key(text);  // no name we know has a byte finish() changes
  if (JsonText::is_plain(text)) return on_text(member, text, false);
  text_.append(text);
  on_text(member, text_.finish(), text_.cut());
}

// --- Structure ---------------------------------------------------------------------------------

void RpcScanner::on_structure(char c) {
  switch (c) {
    case '"':
      return on_quote();
    case '{':
    case '[':
      return on_open(c == '{');
    case '}':
    case ']':
      return on_close(c == '}');
    case ',':
      return on_comma();
    case ':':
      return on_colon();
    default:
      return on_scalar(c);
  }
}

void RpcScanner::on_quote() {
  if (expect_ == Expect::key || expect_ == Expect::key_or_close) {
    if (depth_ == visited_depth_) capture_ = Member::key;
    text_.clear();
    expect_ = Expect::colon;
  } else if (expects_value() && !expects_message()) {
    const Member member = take_pending();
    text_.clear();
    if (keeps_text(member) || keeps_token(member)) capture_ = member;
    if (keeps_token(member)) text_.append("\"");
    expect_ = Expect::comma_or_close;
  } else {
    return fail();
  }
  lex_ = Lex::string;
}

void RpcScanner::on_scalar(char c) {
  if (!is_scalar_byte(c) || !expects_value() || expects_message()) return fail();
  const Member member = take_pending();
  if (keeps_token(member)) {
    capture_ = member;
    text_.clear();
    text_.append({&c, 1});
  }
  expect_ = Expect::comma_or_close;
  lex_ = Lex::scalar;
}

void RpcScanner::on_open(bool object) {
  if (!expects_value() || depth_ == kDepthMax) return fail();
  if (!object && batch_ && depth_ == 1) return fail();
  const bool message = object && expects_message();
  if (!object && depth_ == 0) batch_ = true;
  push(object);
  expect_ = object ? Expect::key_or_close : Expect::value_or_close;
  if (message) return open_message();
  const Member member = take_pending();
  if (member == Member::id) {
    current().has_id = true;
    current().id = "null";
  } else if (object) {
    enter(member);
  }
}

void RpcScanner::on_close(bool object) {
  if (depth_ == 0 || in_object() != object) return fail();
  const Expect empty = object ? Expect::key_or_close : Expect::value_or_close;
  if (expect_ != Expect::comma_or_close && expect_ != empty) return fail();
  if (batch_ && depth_ == 1 && expect_ == empty) return fail();
  if (depth_ == visited_depth_) leave();
  --depth_;
  expect_ = Expect::comma_or_close;
  if (depth_ == 0) {
    expect_ = Expect::end_of_document;
    state_ = State::done;
  }
}

void RpcScanner::on_comma() {
  if (expect_ != Expect::comma_or_close) return fail();
  expect_ = in_object() ? Expect::key : Expect::value;
}

void RpcScanner::on_colon() {
  if (expect_ != Expect::colon) return fail();
  expect_ = Expect::value;
}

void RpcScanner::push(bool object) {
  const uint64_t bit = uint64_t{1} << depth_ % 64;
  uint64_t &word = objects_[depth_ / 64];
  word = object ? word | bit : word & ~bit;
  ++depth_;
}

// --- Meaning -----------------------------------------------------------------------------------

RpcScanner::Member RpcScanner::find_member(Where where, std::string_view name) {
  struct Row {
    Where where;
    std::string_view name;
    Member member;
  };
  static constexpr Row kRows[] = {
      {Where::message, "method", Member::method},
      {Where::message, "id", Member::id},
      {Where::message, "result", Member::result},
      {Where::message, "error", Member::error},
      {Where::message, "params", Member::params},
      {Where::params, "requestId", Member::request_id},
      {Where::params, "clientInfo", Member::client_info},
      {Where::params, "_meta", Member::meta},
      {Where::params, "uri", Member::uri},
      {Where::params, "name", Member::name},
      {Where::client_info, "name", Member::client_name},
      {Where::client_info, "version", Member::client_version},
      {Where::meta, "io.modelcontextprotocol/protocolVersion", Member::protocol_version},
  };
  for (const Row &row : kRows) {
    if (row.where == where && row.name == name) return row.member;
  }
  return Member::none;
}

// Members whose raw token is kept, quotes and escapes included.
bool RpcScanner::keeps_token(Member member) {
  return member == Member::id || member == Member::request_id;
}

// Strings whose unescaped text is kept.
bool RpcScanner::keeps_text(Member member) {
  switch (member) {
    case Member::key:
    case Member::method:
    case Member::uri:
    case Member::name:
    case Member::client_name:
    case Member::client_version:
    case Member::protocol_version:
      return true;
    default:
      return false;
  }
}

RpcScanner::Member RpcScanner::take_pending() {
  const Member member = pending_;
  pending_ = Member::none;
  return member;
}

void RpcScanner::on_key(std::string_view name) {
  const Member member = find_member(where_, name);
  if (member == Member::none) return;
  const uint32_t bit = uint32_t{1} << static_cast<unsigned>(member);
  if ((seen_ & bit) != 0) return fail();
  seen_ |= bit;
  pending_ = member;
  if (member == Member::result) current().has_result = true;
  if (member == Member::error) current().has_error = true;
}

void RpcScanner::on_text(Member member, std::string_view text, bool cut) {
  RpcMessage &message = current();
  switch (member) {
    case Member::method:
      message.has_method = true;
      message.method_long = cut || text.size() > kRpcMethodBytesMax;
      if (!message.method_long) message.method = text;
      return;
    case Member::uri:
      message.resource_uri = text;
      return;
    case Member::name:
      message.tool_name = text;
      return;
    case Member::client_name:
      message.client_name = text;
      return;
    case Member::client_version:
      message.client_version = text;
      return;
    case Member::protocol_version:
      message.protocol_version = text;
      return;
    default:
      return;
  }
}

void RpcScanner::on_token(Member member) {
  RpcMessage &message = current();
  const bool echoable = !text_.cut() && echoable_id(text_.raw());
  if (member == Member::request_id) {
    if (echoable) message.request_id = text_.raw();
    return;
  }
  message.has_id = text_.raw() != "null";
  message.id = echoable ? text_.raw() : "null";
}

void RpcScanner::enter(Member member) {
  if (member == Member::params) visit(Where::params);
  if (member == Member::client_info) visit(Where::client_info);
  if (member == Member::meta) visit(Where::meta);
}

void RpcScanner::visit(Where where) {
  where_ = where;
  visited_depth_ = depth_;
}

void RpcScanner::leave() {
  --visited_depth_;
  if (where_ == Where::message) {
    current().complete = true;
    where_ = Where::outside;
    visited_depth_ = 0;
  } else {
    where_ = where_ == Where::params ? Where::message : Where::params;
  }
}

// Messages beyond the bound are counted and followed, not visited.
void RpcScanner::open_message() {
  ++messages_total_;
  if (count_ == kRpcBatchMessagesMax) return;
  if (count_ == messages_.size()) messages_.emplace_back();
  messages_[count_].clear();
  ++count_;
  seen_ = 0;
  visit(Where::message);
}

}  // namespace holdfast::proxy::mcp
