#!/usr/bin/env bash
# Checks that tests/PROMISES.md has a row for every promise, and that every test a row names exists
# and is run, so that neither the table nor a promise can be forgotten.
#
#   scripts/check-promises.sh [ROOT]
#
# Prints FILE:LINE: RULE for each violation and exits 1 if there is one. Runs as the CTest `promises`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
root=${1:-$HF_ROOT}
cd "$root"

readonly table=tests/PROMISES.md
readonly promises=(D{1..6} S{1..7} F{1..9} R{1..5} C{1..2})

violations=0
report() {
  printf '%s\n' "$1"
  violations=$((violations + 1))
}

# runs CASE FILES: one of the files runs that case, or, where nothing is registered, speaks of it.
runs() {
  local case=$1 file
  shift
  for file in "$@"; do
    case $file in
      *_test.cpp) grep -q "HF_UNIT($case)" "$file" && return ;;
      *_test.mjs) grep -qF "test('$case'" "$file" && return ;;
      *) grep -qw -e "$case" "$file" && return ;;
    esac
  done
  return 1
}

# check_row LINE TESTS: TESTS names files without their ending (`folder/begin_of_name`), each
# followed by cases in it (`words`). Fuzz targets, the soak and tests that name their cases at run
# time have none.
check_row() {
  local where=$table:$1 token files=() cases=1
  # shellcheck disable=SC2016  # backquotes are Markdown's
  for token in $(grep -o '`[^`]*`' <<<"$2" | tr -d '`'); do
    if [[ $token == */* ]]; then
      ((cases > 0)) || report "$where: no test is named before $token"
      mapfile -t files < <(compgen -G "tests/$token*")
      ((${#files[@]} > 0)) || report "$where: no file tests/$token*"
      cases=0
      [[ $token == @(fuzz|soak|real)/* ]] && cases=1
      continue
    fi
    cases=$((cases + 1))
    runs "$token" "${files[@]}" || report "$where: no test $token in ${files[*]:-any file}"
  done
  ((cases > 0 && ${#files[@]} > 0)) || report "$where: no test is named"
}

line=0
seen=' '
while IFS= read -r text; do
  line=$((line + 1))
  [[ $text =~ ^\|\ ([A-Z][0-9]+)\ \|.*\|(.*)\|$ ]] || continue
  seen+="${BASH_REMATCH[1]} "
  check_row $line "${BASH_REMATCH[2]}"
done <$table
for promise in "${promises[@]}"; do
  [[ $seen == *" $promise "* ]] || report "$table:1: no row for $promise"
done
((violations == 0)) || die "$violations violations"
