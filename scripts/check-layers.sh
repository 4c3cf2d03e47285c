#!/usr/bin/env bash
# Checks what no compiler does: who may include what, how long a file may be, and which words the
# style forbids (CONTRIBUTING.md gives the reasons).
#
#   scripts/check-layers.sh [ROOT]
#
# Prints FILE:LINE: RULE for each violation and exits 1 if there is one. Runs as the CTest `layers`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
root=${1:-$HF_ROOT}
cd "$root"

readonly lines_max=600 test_lines_max=800
code=$(mktemp -d)
trap 'rm -rf "$code"' EXIT

sources() {
  find common proxy sessiond tests \( -name node_modules -o -name corpus \) -prune \
    -o -type f \( -name '*.cpp' -o -name '*.h' \) -print 2>/dev/null | sort
}

# Copies the sources to $code without comments and the insides of literals, line for line, so that
# a rule about code cannot be broken by prose.
strip_comments() {
  local file
  while read -r file; do mkdir -p "$code/${file%/*}"; done < <(sources)
  # shellcheck disable=SC2016  # the dollars are perl's
  HF_CODE=$code perl -ne '
    chomp(my $path = $_);
    open(my $in, "<", $path) or die "$path: $!";
    my $text = do { local $/; <$in> };
    $text =~ s{
        (?<keep> ^\s*\#\s*include[^\n]* | (?<=[0-9a-fA-F])\x27(?=[0-9a-fA-F]) )
      | //[^\n]* | /\*.*?\*/
      | R"(?<mark>\w*)\(.*?\)\k<mark>"
      | "(?:\\.|[^"\\\n])*" | \x27(?:\\.|[^\x27\\\n])+\x27
    }{ defined $+{keep} ? $+{keep} : "\"\"" . $& =~ tr/\n//cdr }gsmex;
    open(my $out, ">", "$ENV{HF_CODE}/$path") or die "$path: $!";
    print $out $text;' < <(sources)
}

violations=0
report() {
  printf '%s\n' "$1"
  violations=$((violations + 1))
}

# forbid RULE PATTERN PATHS [EXCEPT]: no line of code of the files matching the path pattern PATHS,
# but not EXCEPT, may match PATTERN (all three are Perl regular expressions).
forbid() {
  local rule=$1 pattern=$2 paths=$3 except=${4:-'^$'} hit
  while read -r hit; do
    report "$hit: $rule"
  done < <(cd "$code" && sources | grep -P "$paths" | grep -Pv "$except" |
    xargs -r grep -nP -e "$pattern" /dev/null | cut -d: -f1,2)
}

check_lengths() {
  local file lines limit
  while read -r file; do
    lines=$(wc -l <"$file")
    limit=$lines_max
    [[ $file == tests/* ]] && limit=$test_lines_max
    ((lines <= limit)) || report "$file:$limit: $lines lines, at most $limit are allowed"
  done < <(sources)
}

check_layers() {
  forbid 'common/ knows neither daemon' '^#include "(proxy|sessiond)/' '^common/'
  forbid 'proxy/ may not know sessiond/' '^#include "sessiond/' '^proxy/'
  forbid 'sessiond/ may not know proxy/' '^#include "proxy/' '^sessiond/'
  forbid 'the ctl knows common/ only' '^#include "sessiond/(?!ctl/)' '^sessiond/ctl/'
  forbid 'the daemon may not know its ctl' '^#include "sessiond/ctl/' '^sessiond/' '^sessiond/ctl/'
  forbid 'http/ and core/ are pure: no loop, no sockets' \
    '^#include <(event2?/|sys/socket|sys/epoll|unistd)' '^(proxy/http|sessiond/core)/'
  forbid 'only sessiond/http_api.cpp includes libevhtp' '^#include [<"]evhtp' '.' \
    '^sessiond/http_api\.cpp$'
  forbid 'only proxy/jwt_verifier.cpp includes libjwt' '^#include [<"]jwt\.h' '.' \
    '^(proxy/jwt_verifier\.cpp|tests/proxy/jwt_verifier_test\.cpp)$'
  forbid 'only common/json and the message files include jansson' '^#include [<"]jansson' \
    '^(common|proxy|sessiond)/' '^common/(json|[a-z]+_messages)\w*\.(h|cpp)$'
}

check_words() {
  forbid 'no new by hand: make_unique, or a container' '\bnew\s+[\w:(]' '.'
  forbid 'no delete by hand' '\bdelete\b\s*(\[\s*\]\s*)?[\w:(*]' '.'
  forbid 'tables keyed by text take KeyedHash (common/ids.h): peers choose texts' \
    'unordered_(multi)?(map|set)<\s*std::string(_view)?\b(?!.*KeyedHash)' '^(common|proxy|sessiond)/' \
    '^common/conf_check\.cpp$'
  forbid 'no using namespace for all who include a header' '^using namespace' '\.h$'
  forbid 'one clock: ask common/clock.h' '(steady|system|high_resolution)_clock::now' \
    '^(common|proxy|sessiond)/' '^common/clock\.(h|cpp)$'
  forbid 'tests wait for events with a deadline, they never sleep' \
    '\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(' '^tests/'
}

strip_comments
check_lengths
check_layers
check_words
((violations == 0)) || die "$violations violations"
