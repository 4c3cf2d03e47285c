#!/usr/bin/env bash
# Proves that scripts/check-promises.sh finds a promise without a row, a row without a test, and
# tests that are not there or not run.
# shellcheck disable=SC2016  # backquotes are Markdown's
set -euo pipefail
check="$(dirname "$0")/../../scripts/check-promises.sh"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/tests/{e2e,fuzz,real}

cat >"$tree/tests/e2e/a_test.cpp" <<'END'
HF_TEST(it_works) {}
HF_TEST(it_is_not_run) {}
HF_UNIT(it_works)
END
echo "test('it_works_too', run);" >"$tree/tests/real/b_test.mjs"
touch "$tree/tests/fuzz/fuzz_c.cpp"

# table TESTS: a row for every promise, TESTS for D1.
table() {
  local promise
  printf '| D1 | bytes | %s |\n' "$1"
  for promise in D{2..6} S{1..7} F{1..9} R{1..5} C{1..2}; do
    printf '| %s | something | `e2e/a_test` `it_works` |\n' "$promise"
  done
}

failures=0
# expect_violation RULE: the table as it is now is refused for this.
expect_violation() {
  local output
  if output=$("$check" "$tree" 2>&1) || [[ $output != *"$1"* ]]; then
    printf 'not found: %s; said: %s\n' "$1" "$output"
    failures=$((failures + 1))
  fi
}
# expect_in_row TESTS RULE: a row that names these is.
expect_in_row() {
  table "$1" >"$tree/tests/PROMISES.md"
  expect_violation "tests/PROMISES.md:1: $2"
}

expect_in_row '`e2e/a_test` `it_works_not`' 'no test it_works_not'
expect_in_row '`e2e/a_test` `it_works` `it_is_not_run`' 'no test it_is_not_run'
expect_in_row '`e2e/b_test` `it_works`' 'no file tests/e2e/b_test'
expect_in_row '`real/b_test` `it_works`' 'no test it_works'
expect_in_row '`it_works`' 'no test it_works in any file'
expect_in_row 'by inspection' 'no test is named'
expect_in_row '`e2e/a_test`' 'no test is named'
expect_in_row '`e2e/a_test`, `fuzz/fuzz_c`' 'no test is named before fuzz/fuzz_c'
good='`e2e/a_test` `it_works`, `real/b_test` `it_works_too`, `fuzz/fuzz_c`'
for promise in D1 S7 F9 C2; do
  table "$good" | grep -v "^| $promise " >"$tree/tests/PROMISES.md"
  expect_violation "no row for $promise"
done
table "$good" >"$tree/tests/PROMISES.md"
output=$("$check" "$tree" 2>&1) || {
  printf 'refused without reason: %s\n' "$output"
  failures=$((failures + 1))
}
exit $((failures > 0))
