// Whether a key can serve an algorithm of RFC 7518: what a person put into jwt_key_file, judged
// before the first token comes. A PEM text is never a secret, and a secret never a PEM text: who
// took a public key for an HMAC secret would accept tokens anybody can sign. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/result.h"

namespace holdfast::proxy {

// The key as it is used: a secret without the line end an editor adds, a PEM public key as it is.
// Errc::config: what is wrong with it, for a person; no byte of it is in the text.
Result<std::string> usable_jwt_key(std::string_view algorithm, std::string key);

}  // namespace holdfast::proxy
