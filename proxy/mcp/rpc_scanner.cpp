#include "proxy/mcp/rpc_scanner.h"

#include <utility>

#include "proxy/mcp/find_either.h"

namespace holdfast::proxy::mcp {

namespace {

static_assert(kRpcMethodBytesMax <= JsonText::kBytesMax);
static_assert(kRpcIdBytesMax == JsonText::kBytesMax);
static_assert(kRpcCaptureBytesMax == JsonText::kBytesMax);

// Bytes of numbers and words. None of them is structure, so a run of them can be skipped unread.
constexpr std::array<bool, 256> make_scalar_bytes() {
  std::array<bool, 256> table{};
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'A'; c <= 'Z'; ++c) table[c] = table[c + ('a' - 'A')] = true;
  table['+'] = table['-'] = table['.'] = true;
  return table;
}
constexpr std::array<bool, 256> kScalarBytes = make_scalar_bytes();

bool is_scalar_byte(char c) { return kScalarBytes.data()[static_cast<unsigned char>(c)]; }

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
  expected_ = {};
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
  bool sound = true;
  while (p != end && sound) {
    const char c = *p++;
    switch (c) {
      case '"':
        p = feed_strings(p, end);
        sound = lex_ == Lex::structure && state_ != State::unclear;
        break;
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        break;
      case ':':
        sound = on_colon();
        break;
      case ',':
        sound = on_comma();
        break;
      case '{':
      case '[':
        sound = on_open(c == '{');
        break;
      case '}':
      case ']':
        sound = on_close(c == '}');
        break;
      default:
        p = on_scalar(p - 1, end);
        sound = lex_ == Lex::structure && state_ != State::unclear;
        break;
    }
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
    if (capture_ != Member::none) text_.append({p, static_cast<size_t>(special - p)});
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
  if (state == JsonText::Escape::bad) {
    (void)fail();
    return;
  }
  escaped_ = state == JsonText::Escape::more;
}

const char *RpcScanner::feed_scalar(const char *p, const char *end) {
  const char *const begin = p;
  while (p != end && is_scalar_byte(*p)) ++p;
  if (capture_ != Member::none) text_.append({begin, static_cast<size_t>(p - begin)});
  if (p != end) end_capture();
  return p;
}

// Ends a string or scalar that was read in parts and hands what was captured to its place.
void RpcScanner::end_capture() {
  const Member member = capture_;
  const bool string = lex_ == Lex::string;
  lex_ = Lex::structure;
  capture_ = Member::none;
  if (member == Member::key) {
    (void)on_key(text_.finish());  // ignoring: state() says so
    return;
  }
  if (keeps_token(member)) {
    if (string) text_.append("\"");
    return on_token(member, text_.raw(), text_.cut());
  }
  if (member == Member::none) return;
  const std::string_view text = text_.finish();
  if (is_compared(member)) on_compared(member, text_.same());
  on_text(member, text, text_.cut());
}

// --- Structure ---------------------------------------------------------------------------------

// Reads strings from behind the first one's opening quote, with the colons and commas that stand
// right between them, as they do wherever no blanks were written. A string that is here whole and
// without escapes, as nearly all are, is taken at once: it need not be copied to be understood. Any
// other is begun, and feed_string() goes on where this has stopped.
[[gnu::always_inline]] inline const char *RpcScanner::feed_strings(const char *p, const char *end) {
  bool key = expect_ == Expect::key || expect_ == Expect::key_or_close;
  if (!key && (!expects_value() || expects_message())) {
    (void)fail();
    return p;
  }
  for (;;) {
    Member member = Member::none;
    if (key) {
      if (depth_ == visited_depth_) member = Member::key;
      expect_ = Expect::colon;
    } else {
      member = take_pending();
      if (!keeps_text(member) && !keeps_token(member)) member = Member::none;
      expect_ = Expect::comma_or_close;
    }
    const char *const special = find_either(p, end, '"', '\\');
    const std::string_view plain{p, static_cast<size_t>(special - p)};
    if (special == end || *special != '"') {
      begin_string(member, plain);
      return special;
    }
    p = special + 1;
    if (member != Member::none && !on_plain(member, plain)) return p;
    if (p == end || *p != (key ? ':' : ',')) return p;
    key = !key && in_object_;
    expect_ = key ? Expect::key : Expect::value;
    if (++p == end || *p != '"') return p;
    ++p;
  }
}

void RpcScanner::begin_string(Member member, std::string_view plain) {
  lex_ = Lex::string;
  capture_ = member;
  text_.clear();
  if (is_compared(member)) text_.compare_with(expected_);
  if (keeps_token(member)) text_.append("\"");
  if (member != Member::none) text_.append(plain);
}

// Takes a string that needed no unescaping; its quotes stand around it. False: the document failed.
inline bool RpcScanner::on_plain(Member member, std::string_view text) {
  if (member == Member::key) return on_key(text);  // no name we know has a byte finish() changes
  if (keeps_token(member)) {
    const std::string_view token{text.data() - 1, text.size() + 2};
    on_token(member, token, token.size() > JsonText::kBytesMax);
    return true;
  }
  if (is_compared(member)) on_compared(member, text == expected_);
  if (JsonText::is_plain(text)) {
    on_text(member, text, false);
    return true;
  }
  text_.clear();
  text_.append(text);
  on_text(member, text_.finish(), text_.cut());
  return true;
}

// Reads a number or word; one that may go on in the next piece is begun, as strings are.
inline const char *RpcScanner::on_scalar(const char *begin, const char *end) {
  if (!is_scalar_byte(*begin) || !expects_value() || expects_message()) {
    (void)fail();
    return begin;
  }
  Member member = take_pending();
  if (!keeps_token(member)) member = Member::none;
  expect_ = Expect::comma_or_close;
  const char *p = begin + 1;
  while (p != end && is_scalar_byte(*p)) ++p;
  const std::string_view token{begin, static_cast<size_t>(p - begin)};
  if (p != end) {
    if (member != Member::none) on_token(member, token, token.size() > JsonText::kBytesMax);
    return p;
  }
  lex_ = Lex::scalar;
  capture_ = member;
  text_.clear();
  if (member != Member::none) text_.append(token);
  return p;
}

inline bool RpcScanner::on_open(bool object) {
  if (!expects_value() || depth_ == kDepthMax) return fail();
  if (!object && batch_ && depth_ == 1) return fail();
  const bool message = object && expects_message();
  if (!object && depth_ == 0) batch_ = true;
  push(object);
  expect_ = object ? Expect::key_or_close : Expect::value_or_close;
  if (message) {
    open_message();
    return true;
  }
  const Member member = take_pending();
  if (member == Member::id) {
    current().has_id = true;
    current().id = "null";
  } else if (object) {
    enter(member);
  }
  return true;
}

inline bool RpcScanner::on_close(bool object) {
  if (depth_ == 0 || in_object_ != object) return fail();
  const Expect empty = object ? Expect::key_or_close : Expect::value_or_close;
  if (expect_ != Expect::comma_or_close && expect_ != empty) return fail();
  if (batch_ && depth_ == 1 && expect_ == empty) return fail();
  if (depth_ == visited_depth_) leave();
  --depth_;
  expect_ = Expect::comma_or_close;
  if (depth_ == 0) {
    expect_ = Expect::end_of_document;
    state_ = State::done;
  } else {
    in_object_ = (objects_.data()[(depth_ - 1) / 64] >> (depth_ - 1) % 64 & 1) != 0;
  }
  return true;
}

inline bool RpcScanner::on_comma() {
  if (expect_ != Expect::comma_or_close) return fail();
  expect_ = in_object_ ? Expect::key : Expect::value;
  return true;
}

inline bool RpcScanner::on_colon() {
  if (expect_ != Expect::colon) return fail();
  expect_ = Expect::value;
  return true;
}

inline void RpcScanner::push(bool object) {
  const uint64_t bit = uint64_t{1} << depth_ % 64;
  uint64_t &word = objects_.data()[depth_ / 64];  // depth_ < kDepthMax
  word = object ? word | bit : word & ~bit;
  in_object_ = object;
  ++depth_;
}

// --- Meaning -----------------------------------------------------------------------------------

template <const auto &kRows>
RpcScanner::Member RpcScanner::find_row(std::string_view name) {
  // Unrolled, so that each name is compared as a constant: a few instructions instead of a call.
  const auto find = [name]<size_t... kAt>(std::index_sequence<kAt...>) {
    Member found = Member::none;
    (void)((name == kRows[kAt].name && (found = kRows[kAt].member, true)) || ...);
    return found;
  };
  return find(std::make_index_sequence<std::size(kRows)>());
}

inline RpcScanner::Member RpcScanner::find_member(Where where, std::string_view name) {
  static constexpr Row kMessage[] = {
      {"id", Member::id},         {"method", Member::method}, {"params", Member::params},
      {"result", Member::result}, {"error", Member::error},
  };
  static constexpr Row kParams[] = {
      {"name", Member::name},
      {"uri", Member::uri},
      {"taskId", Member::task_id},
      {"_meta", Member::meta},
      {"requestId", Member::request_id},
      {"clientInfo", Member::client_info},
  };
  static constexpr Row kClientInfo[] = {
      {"name", Member::client_name},
      {"version", Member::client_version},
  };
  static constexpr Row kMeta[] = {
      {"io.modelcontextprotocol/protocolVersion", Member::protocol_version},
  };
  switch (where) {
    case Where::message:
      return find_row<kMessage>(name);
    case Where::params:
      return find_row<kParams>(name);
    case Where::client_info:
      return find_row<kClientInfo>(name);
    case Where::meta:
      return find_row<kMeta>(name);
    case Where::outside:
      break;
  }
  return Member::none;
}

// Members whose raw token is kept, quotes and escapes included.
inline bool RpcScanner::keeps_token(Member member) {
  return member == Member::id || member == Member::request_id;
}

// Strings whose unescaped text is kept.
inline bool RpcScanner::keeps_text(Member member) {
  switch (member) {
    case Member::key:
    case Member::method:
    case Member::uri:
    case Member::name:
    case Member::task_id:
    case Member::client_name:
    case Member::client_version:
    case Member::protocol_version:
      return true;
    default:
      return false;
  }
}

// Strings that expect() is about.
inline bool RpcScanner::is_compared(Member member) {
  return member == Member::name || member == Member::uri || member == Member::task_id;
}

inline RpcScanner::Member RpcScanner::take_pending() {
  const Member member = pending_;
  pending_ = Member::none;
  return member;
}

// False: a member twice.
inline bool RpcScanner::on_key(std::string_view name) {
  const Member member = find_member(where_, name);
  if (member == Member::none) return true;
  const uint32_t bit = uint32_t{1} << static_cast<unsigned>(member);
  if ((seen_ & bit) != 0) return fail();
  seen_ |= bit;
  pending_ = member;
  if (member == Member::result) current().has_result = true;
  if (member == Member::error) current().has_error = true;
  return true;
}

inline void RpcScanner::on_compared(Member member, bool same) {
  RpcMessage &message = current();
  Match &match = member == Member::name  ? message.name_match
                 : member == Member::uri ? message.uri_match
                                         : message.task_match;
  match = same ? Match::same : Match::other;
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

void RpcScanner::on_token(Member member, std::string_view token, bool cut) {
  RpcMessage &message = current();
  const bool echoable = !cut && echoable_id(token);
  if (member == Member::request_id) {
    if (echoable) message.request_id = token;
    return;
  }
  message.has_id = token != "null";
  message.id = echoable ? token : "null";
}

inline void RpcScanner::enter(Member member) {
  if (member == Member::params) visit(Where::params);
  if (member == Member::client_info) visit(Where::client_info);
  if (member == Member::meta) visit(Where::meta);
}

inline void RpcScanner::visit(Where where) {
  where_ = where;
  visited_depth_ = depth_;
}

inline void RpcScanner::leave() {
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
