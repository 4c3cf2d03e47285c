#!/usr/bin/env bash
# Proves that scripts/check-hardening.sh misses no protection that a program lacks, and that a
# program with all of them passes.
set -euo pipefail
check="$(dirname "$0")/../../scripts/check-hardening.sh"
compiler=${CXX:-c++}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat >"$dir/p.cpp" <<'END'
#include <cstdio>
#include <cstring>
// Writes into its buffer through the fortified library, behind a stack protector.
int main(int argc, char **argv) {
  char text[16];
  std::memcpy(text, argv[0], static_cast<size_t>(argc));
  return std::snprintf(text + 1, static_cast<size_t>(argc), "%s", argv[0]);
}
END

all=(-O2 -g -fPIE -pie -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
  -ftrivial-auto-var-init=zero '-Wl,-z,relro,-z,now,-z,noexecstack')
[[ $("$compiler" -dumpmachine) == x86_64* ]] && all+=(-fcf-protection=full '-Wl,-z,shstk')
"$compiler" --version | grep -qi clang && exit 77 # its options differ; g++ builds the releases

failures=0
# expect_missing TEXT OPTION…: with these options in the place of their namesakes, the check refuses
# and says TEXT.
expect_missing() {
  local text=$1 output option kept=()
  shift
  for option in "${all[@]}"; do
    [[ ${option%%=*} == "${1%%=*}" ]] || kept+=("$option")
  done
  "$compiler" "${kept[@]}" "$@" -o "$dir/p" "$dir/p.cpp" 2>/dev/null
  if output=$("$check" "$dir/p" 2>&1) || [[ $output != *"$text"* ]]; then
    printf 'not found: %s; said: %s\n' "$text" "$output"
    failures=$((failures + 1))
  fi
}

"$compiler" "${all[@]}" -o "$dir/p" "$dir/p.cpp"
"$check" "$dir/p" || failures=$((failures + 1))
expect_missing 'no position independence' -fno-pie -no-pie
expect_missing 'no read-only relocations' -Wl,-z,norelro
expect_missing 'no binding at start' -Wl,-z,lazy
expect_missing 'no non-executable stack' -Wl,-z,execstack
expect_missing 'a search path for libraries' -Wl,-rpath,/nowhere
expect_missing 'no stack protector' -fno-stack-protector
expect_missing 'no fortified library calls' -U_FORTIFY_SOURCE
expect_missing 'without -fstack-clash-protection' -fno-stack-clash-protection
expect_missing 'without -ftrivial-auto-var-init=zero' -ftrivial-auto-var-init=uninitialized
if [[ $("$compiler" -dumpmachine) == x86_64* ]]; then
  expect_missing 'no landing pad' -fcf-protection=none
  expect_missing 'without -fcf-protection=full' -fcf-protection=branch
fi
exit $((failures > 0))
