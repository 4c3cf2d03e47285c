// Finds method, id and a few named members of JSON-RPC messages while the body streams through:
// depth and strings only, no tree, bounded memory, any body size, never recursive. It does not
// validate what it does not visit (the backend is the judge); what it does not understand is
// reported as `unclear`, never as an error to the peer. JSON-RPC 2.0; RFC 8259.
//
// Brackets, strings, commas and colons are followed exactly, so a value can never pass for
// structure. Numbers and words are not spelled out (Python writes NaN), nor are unvisited escapes.
// A member that RpcMessage reports and that occurs twice in its object makes the document unclear:
// parsers differ in which of the two they take, and a proxy that guesses can be led past its own
// checks. Names are compared unescaped and with case.
//
// Pure; one scanner per body; reset() keeps capacity, so steady state does not allocate.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "proxy/mcp/json_text.h"
#include "proxy/mcp/rpc_message.h"

namespace holdfast::proxy::mcp {

class RpcScanner {
 public:
  enum class State : uint8_t {
    more,    // inside the document
    done,    // the top-level value is complete; further bytes but white space make it unclear
    unclear  // not one JSON object or an array of objects (an empty array is none), a member twice,
             // or nested deeper than kDepthMax; final until reset()
  };
  static constexpr size_t kDepthMax = 512;

  void reset();
  // From now on params.name, params.uri and params.taskId of each message are compared with this
  // text as they stream by, whatever their length. Borrows it until reset().
  void expect(std::string_view name) { expected_ = name; }
  State feed(std::string_view bytes);
  State state() const { return state_; }
  bool batch() const { return batch_; }

  // The messages seen so far, the last one possibly incomplete: a member is reported once its value
  // has ended.
  const RpcMessage *begin() const { return messages_.data(); }
  const RpcMessage *end() const { return messages_.data() + count_; }
  size_t size() const { return count_; }
  // The first message, or an empty one before its opening brace.
  const RpcMessage &first() const;
  // True once the first message's kind cannot be in doubt for routing: its method is known, or the
  // message is complete, or the document is unclear. A document may still become unclear after its
  // method was known; who has forwarded part of it by then must not let it end as complete.
  bool routable() const;
  uint64_t messages_total() const { return messages_total_; }  // also those beyond the batch bound

 private:
  // The innermost visited object. Visited objects nest without a gap: message, params, then
  // clientInfo or _meta.
  enum class Where : uint8_t { outside, message, params, client_info, meta };
  // The member whose value is awaited or captured; `key` is a member's name itself.
  enum class Member : uint8_t {
    none,
    key,
    method,
    id,
    result,
    error,
    params,
    request_id,
    client_info,
    meta,
    uri,
    name,
    task_id,
    client_name,
    client_version,
    protocol_version
  };
  enum class Lex : uint8_t { structure, string, scalar };
  enum class Expect : uint8_t {
    value,
    value_or_close,
    key,
    key_or_close,
    colon,
    comma_or_close,
    end_of_document
  };

  struct Row {
    std::string_view name;
    Member member;
  };
  template <const auto &kRows>
  static Member find_row(std::string_view name);
  static Member find_member(Where where, std::string_view name);
  static bool keeps_token(Member member);
  static bool keeps_text(Member member);
  static bool is_compared(Member member);

  const char *feed_structure(const char *p, const char *end);
  const char *feed_string(const char *p, const char *end);
  const char *feed_scalar(const char *p, const char *end);
  const char *feed_strings(const char *p, const char *end);
  void begin_string(Member member, std::string_view plain);
  const char *on_scalar(const char *begin, const char *end);
  // Those that return bool: false when the document has become unclear.
  bool on_open(bool object);
  bool on_close(bool object);
  bool on_comma();
  bool on_colon();
  void on_escaped(char c);
  bool on_plain(Member member, std::string_view text);
  bool on_key(std::string_view name);
  void on_compared(Member member, bool same);
  void on_text(Member member, std::string_view text, bool cut);
  void on_token(Member member, std::string_view token, bool cut);

  bool fail() {
    state_ = State::unclear;
    return false;
  }
  bool expects_value() const {
    return expect_ == Expect::value || expect_ == Expect::value_or_close;
  }
  bool expects_message() const { return depth_ == 0 || (batch_ && depth_ == 1); }
  Member take_pending();
  void end_capture();
  void push(bool object);
  void enter(Member member);
  void visit(Where where);
  void leave();
  void open_message();
  RpcMessage &current() { return messages_[count_ - 1]; }

  std::vector<RpcMessage> messages_;  // the first count_ are of this body, the rest spare capacity
  size_t count_ = 0;
  uint64_t messages_total_ = 0;
  State state_ = State::more;
  bool batch_ = false;
  bool in_object_ = false;  // the innermost open container is one; of no meaning outside all
  Lex lex_ = Lex::structure;
  Expect expect_ = Expect::value;
  bool escaped_ = false;  // inside an escape sequence of a string
  Where where_ = Where::outside;
  Member pending_ = Member::none;  // named by the last key of the innermost visited object
  Member capture_ = Member::none;  // where the string or scalar being read goes
  uint32_t seen_ = 0;              // members of the current message met so far, one bit each
  size_t depth_ = 0;               // open containers
  size_t visited_depth_ = 0;       // depth_ of the innermost visited object; 0: none
  std::array<uint64_t, kDepthMax / 64> objects_{};  // per open container: 1 object, 0 array
  JsonText text_;
  std::string_view expected_{};
};

}  // namespace holdfast::proxy::mcp
