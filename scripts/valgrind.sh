#!/usr/bin/env bash
# Looks for invalid accesses, undefined values and leaks with valgrind's memcheck.
#
#   scripts/valgrind.sh [unit | pair] [CTEST REGEX | CASE…]
#
#   unit  every unit test under memcheck, or those whose names the expression matches
#   pair  both daemons under memcheck with the loads of the bench (cases: scripts/bench.sh), TLS on
#         both sides among them
#
# Without a word does both, some ten minutes. Finds what the address sanitizer of scripts/test.sh
# cannot: values that were never set, and what happens in libraries that are not instrumented.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

mode=both
case ${1:-} in
  unit | pair) mode=$1 && shift ;;
  -h | --help) usage && exit 0 ;;
  '') ;;
  *) die "unknown argument \"$1\"; try --help" ;;
esac
scripts/setup.sh --dev --bench
configure release
compile release

failed=()
if [[ $mode != pair ]]; then
  mapfile -t tests < <(ctest --test-dir build/release -N -L '^unit$' -R "${1:-}" | sed -n 's/^ *Test *#[0-9]*: //p')
  for test in "${tests[@]}"; do
    program=build/release/tests/$test
    [[ -x $program ]] || continue
    say "$test"
    # A test ends by exit() in the middle of what it was about: what is still reachable is no leak.
    (cd build/release && nice valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
      --show-leak-kinds=definite --num-callers=25 "tests/$test" >"$test.memcheck.log" 2>&1) || {
      tail -60 "build/release/$test.memcheck.log" >&2
      failed+=("$test")
    }
  done
fi
if [[ $mode != unit ]]; then
  compile release bench_tools
  PATH=$PATH:/usr/sbin nice python3 tests/bench/runner/memcheck.py --bin "$HF_ROOT/build/release/bin" "$@" || failed+=(pair)
fi
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
say "nothing found"
