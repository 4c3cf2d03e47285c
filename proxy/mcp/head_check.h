// Whether the Mcp-* fields of a POST's head say what its body says (2026-07-28, "Server
// Validation"; mcp_header_check). Whoever routes or decides by the head alone could be led past his
// rules by a body that says something else. A request that brings one of the fields is held to all
// of them, whatever its version. Pure but for what it remembers of the head; one per request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/mcp/rpc_scanner.h"

namespace holdfast::proxy::mcp {

class HeadCheck {
 public:
  enum class Verdict : uint8_t {
    more,    // what has been read of the body does not tell yet
    agrees,  // what is still to come can only show that the document is unclear, or its version
    no_message,
    method_missing,
    method_differs,
    name_missing,
    name_encoding,
    name_differs,
    version_differs
  };

  // What the head says. `body`: what will read the body, before its first byte; null for one that
  // is not JSON. Borrowed until the body has been read.
  HeadCheck(const http::FieldList &fields, RpcScanner *body);
  HeadCheck(const HeadCheck &) = delete;
  HeadCheck &operator=(const HeadCheck &) = delete;

  // Looks at what has been read. `scanner` null: nothing can be. May be asked as often as is liked;
  // once it says that something is wrong, that stays.
  Verdict judge(const RpcScanner *scanner, bool body_complete);
  bool failed() const { return verdict_ > Verdict::agrees; }
  // What is wrong, for the client. REQUIRES: failed().
  std::string_view text() const;

 private:
  Verdict look(const RpcScanner *scanner, bool body_complete) const;
  Verdict look_at_method(const RpcMessage &message) const;
  Verdict look_at_name(const RpcMessage &message) const;

  std::string version_;  // empty: none
  std::optional<std::string> method_;
  std::optional<std::string> name_;  // as it is meant
  bool name_malformed_ = false;
  Verdict verdict_ = Verdict::more;
};

}  // namespace holdfast::proxy::mcp
