#!/usr/bin/env bash
# Proves that scripts/check-layers.sh finds each kind of violation, at the right line, and that it
# does not mistake comments, literals or deleted functions for one.
set -euo pipefail
check="$(dirname "$0")/../../scripts/check-layers.sh"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/{common,proxy/http,proxy/mcp,sessiond/core,sessiond/ctl,tests}

failures=0
# expect_violation FILE CONTENT RULE_START: CONTENT as FILE is refused, for its second line.
expect_violation() {
  local output
  printf '%s\n' "$2" >"$tree/$1"
  if output=$("$check" "$tree" 2>&1) || [[ $output != *"$1:2: $3"* ]]; then
    printf 'not found: %s in %s; said: %s\n' "$3" "$1" "$output"
    failures=$((failures + 1))
  fi
  rm "$tree/$1"
}

first='// a file'$'\n'
expect_violation common/a.h "$first#include \"proxy/worker.h\"" 'common/ knows neither daemon'
expect_violation proxy/a.h "$first#include \"sessiond/core/step.h\"" 'proxy/ may not know'
expect_violation sessiond/a.h "$first#include \"proxy/worker.h\"" 'sessiond/ may not know'
expect_violation sessiond/ctl/a.cpp "$first#include \"sessiond/core/step.h\"" 'the ctl knows'
expect_violation sessiond/a.cpp "$first#include \"sessiond/ctl/client.h\"" 'the daemon may not know'
expect_violation proxy/http/a.cpp "$first#include <event2/event.h>" 'http/ and core/ are pure'
expect_violation sessiond/a.cpp "$first#include <evhtp/evhtp.h>" 'only sessiond/http_api.cpp'
expect_violation proxy/jwt_claims.cpp "$first#include <jwt.h>" 'only proxy/jwt_verifier.cpp includes libjwt'
expect_violation common/a.cpp "$first#include <jansson.h>" 'only common/json'
expect_violation proxy/a.cpp "$first auto *p = new Thing(1);" 'no new by hand'
expect_violation proxy/a.cpp "$first delete[] things;" 'no delete by hand'
expect_violation proxy/a.cpp "$first auto t = std::chrono::steady_clock::now();" 'one clock'
expect_violation proxy/a.h "$first std::unordered_map<std::string, int> by_name;" 'tables keyed by text'
expect_violation common/a.h "${first}using namespace std;" 'no using namespace'
expect_violation tests/a.cpp "$first std::this_thread::sleep_for(1s);" 'tests wait for events'

seq 601 | sed 's/.*/int n&;/' >"$tree/proxy/long.cpp"
output=$("$check" "$tree" 2>&1) && failures=$((failures + 1))
[[ $output == *"proxy/long.cpp:600: 601 lines"* ]] || failures=$((failures + 1))
rm "$tree/proxy/long.cpp"

cat >"$tree/proxy/good.cpp" <<'END'
// a new connection may delete x; it must not sleep(1)
#include "common/clock.h"
/* new Thing
   delete it */
Good(const Good &) = delete;
const char *text = "new Thing and delete p";
const char *raw = R"(new Thing // )";
std::unordered_map<std::string, int, KeyedHash> keyed;
constexpr int kMany = 1'000'000;
END
output=$("$check" "$tree" 2>&1) || {
  printf 'refused without reason: %s\n' "$output"
  failures=$((failures + 1))
}
exit $((failures > 0))
