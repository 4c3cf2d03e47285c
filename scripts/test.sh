#!/usr/bin/env bash
# Sets up, builds and tests; needs nothing but a fresh Debian and ends with CTest's own summary.
#
#   scripts/test.sh [all | unit | sim | e2e | real | asan | fuzz | tsan | lint]
#
#   all   everything below in one CTest run over the three builds (default; .ci/run runs this)
#         but neither the label bench, which needs a quiet machine and minutes (scripts/bench.sh),
#         nor soak (scripts/soak.sh; ctest -L soak does every fault once)
#   unit  sim  e2e  real   that label of the release build; sim = seeded failure histories,
#         real = official MCP SDKs and servers
#   asan  unit, sim, e2e and fuzz tests under clang's address and undefined-behaviour sanitizers
#   fuzz  every fuzz target: replays its corpus, then searches for some seconds
#   tsan  the tests that use threads, under the thread sanitizer
#   lint  format, style and dependency rules
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
# Without it the real tests may skip, where Node.js packages were never installed.
export HF_REAL_REQUIRED=1

# build PRESET [TARGET…]: configures and builds; every build precedes the first test.
build() {
  local started=$SECONDS
  configure "$1"
  compile "$@"
  say "build/$1 took $((SECONDS - started)) s"
}

# run_tests DIRECTORY [CTEST ARGUMENT…]: the last thing a mode does, so that CTest has the last word.
# One more at a time than there are cores: most tests wait for programs and deadlines.
run_tests() {
  local directory=$1
  shift
  exec ctest --test-dir "$directory" --output-on-failure --no-tests=error -j "$(($(nproc) + 1))" "$@"
}

# One CTest run over the three builds: one summary, and a failure anywhere is in it.
write_combined_tests() {
  mkdir -p build/all
  printf 'subdirs("%s")\n' "$HF_ROOT"/build/{release,asan,tsan} >build/all/CTestTestfile.cmake
}

mode=${1:-all}
case $mode in
  all | unit | sim | e2e | real | asan | fuzz | tsan | lint) ;;
  -h | --help) usage && exit 0 ;;
  *) die "unknown argument \"$mode\"; try --help" ;;
esac
scripts/setup.sh --dev
case $mode in all | real) install_node_packages ;; esac

case $mode in
  all)
    build release
    build asan
    build tsan worker_tests
    write_combined_tests
    run_tests build/all -LE '^(bench|soak)$'
    ;;
  lint)
    configure release
    run_tests build/release -L '^lint$'
    ;;
  unit | sim | e2e | real)
    build release
    run_tests build/release -L "^$mode\$"
    ;;
  asan)
    build asan
    run_tests build/asan -L '^(unit|sim|e2e|fuzz)$'
    ;;
  fuzz)
    build asan
    run_tests build/asan -L '^fuzz'
    ;;
  tsan)
    build tsan worker_tests
    run_tests build/tsan
    ;;
esac
