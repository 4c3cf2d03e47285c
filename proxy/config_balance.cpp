// How an upstream chooses: least_conn, and hash KEY [consistent].
#include <algorithm>

#include "proxy/config_builder.h"
#include "proxy/config_values.h"

namespace holdfast::proxy {

void ConfigBuilder::read_balance(Upstream &upstream, const ConfDirective &directive) {
  if (upstream.balance != Balance::round_robin) {
    fail(directive.span(), "an upstream chooses in one way: \"least_conn\" or \"hash\"");
    return;
  }
  if (directive.row->name == "least_conn") {
    upstream.balance = Balance::least_conn;
    return;
  }
  upstream.balance = Balance::hash;
  if (directive.args.size() == 2) {
    const ConfWord &word = directive.args[1];
    if (word.text != "consistent") {
      fail(word.span, "invalid parameter \"" + word.text + "\" (consistent)");
    }
    upstream.balance = Balance::consistent_hash;
  }
  const ConfWord &key = directive.args.front();
  auto parts = parse_header_value(key.text);
  if (!parts) {
    fail(key.span, parts.error().message);
    return;
  }
  const bool varies = std::any_of(parts->begin(), parts->end(),
                                  [](const ValuePart &part) { return part.variable.has_value(); });
  if (!varies) {
    fail(key.span, "\"" + key.text +
                       "\" is the same for every request; write a variable, as in hash "
                       "$remote_addr");
  }
  upstream.hash_key = std::move(*parts);
}

// nginx refuses it, too: a key has one server, and no second one in reserve.
void ConfigBuilder::check_balance(const ConfDirective &block, const Upstream &upstream) {
  if (upstream.balance != Balance::hash && upstream.balance != Balance::consistent_hash) return;
  for (const ConfDirective &directive : block.children) {
    for (size_t i = 1; directive.name.text == "server" && i < directive.args.size(); ++i) {
      if (directive.args[i].text != "backup") continue;
      fail(directive.args[i].span, "\"hash\" does not support parameter \"backup\"");
    }
  }
}

}  // namespace holdfast::proxy
