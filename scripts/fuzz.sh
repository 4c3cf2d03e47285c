#!/usr/bin/env bash
# Searches for new fuzz inputs for longer than CI does, and renews the corpora with what it found.
#
#   scripts/fuzz.sh [MINUTES] [TARGET…]
#
#   MINUTES  for each target (default 10)
#   TARGET   fuzz_request_head … ; default: all of tests/fuzz
#
# Runs at the lowest priority, one target after the other. What covers something new joins
# tests/fuzz/corpus/TARGET under its hash; found inputs that cover no more than smaller ones are left
# out, the hand-written ones (which have names) stay as they are. Review and commit the difference.
# A crash ends the run: its input is named in the output and kept in build/asan/fuzz; it becomes a
# unit test and a corpus file with the fix.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# Short inputs reach nearly everything, and a corpus of them stays small and quick to replay; the
# bounds above it have unit tests.
readonly INPUT_BYTES_MAX=4096
# Found inputs are named by libFuzzer after their SHA-1.
readonly FOUND_NAME='[0-9a-f]{40}'

minutes=10
case ${1:-} in
  -h | --help) usage && exit 0 ;;
  '' | fuzz_*) ;;
  *[!0-9]* | 0) die "\"$1\" is no number of minutes; try --help" ;;
  *) minutes=$1 && shift ;;
esac
targets=("$@")
if ((!${#targets[@]})); then
  for source in tests/fuzz/fuzz_*.cpp; do targets+=("$(basename "$source" .cpp)"); done
fi
for target in "${targets[@]}"; do
  [[ -f tests/fuzz/$target.cpp ]] || die "no fuzz target \"$target\"; see tests/fuzz"
done

# renew TARGET: replaces the found inputs of its corpus by the fewest that cover as much.
renew() {
  local target=$1 corpus=tests/fuzz/corpus/$1 found=build/asan/fuzz/found/$1 merged hand
  merged=$(mktemp -d) hand=$(mktemp -d)
  find "$corpus" -maxdepth 1 -type f -regextype posix-extended ! -regex ".*/$FOUND_NAME" -exec cp -t "$hand" {} +
  # A merge keeps every file of its first folder and adds what the others cover beyond them.
  cp -r "$hand/." "$merged"
  nice -n 19 "build/asan/fuzz/$target" -merge=1 "$merged" "$corpus" "$found" \
    >"build/asan/fuzz/$target.merge.log" 2>&1 || die "the merge failed: build/asan/fuzz/$target.merge.log"
  find "$corpus" -maxdepth 1 -type f -regextype posix-extended -regex ".*/$FOUND_NAME" -delete
  cp -n "$merged"/* "$corpus"
  rm -r "$merged" "$hand"
  say "$target: $(find "$corpus" -type f | wc -l) inputs, $(cat "$corpus"/* | wc -c) bytes"
}

scripts/setup.sh --dev
configure asan
compile asan "${targets[@]}"
for target in "${targets[@]}"; do
  mkdir -p "build/asan/fuzz/found/$target"
  say "$target: searching for $minutes min"
  nice -n 19 "build/asan/fuzz/$target" -max_total_time=$((minutes * 60)) -timeout=30 -use_value_profile=1 \
    -max_len="$INPUT_BYTES_MAX" -print_final_stats=1 -artifact_prefix="build/asan/fuzz/$target-" \
    "build/asan/fuzz/found/$target" "tests/fuzz/corpus/$target" >"build/asan/fuzz/$target.log" 2>&1 || {
    tail -40 "build/asan/fuzz/$target.log" >&2
    die "$target found a fault; its input is named above"
  }
  renew "$target"
done
