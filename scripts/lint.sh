#!/usr/bin/env bash
# Format, style and bug patterns: clang-format, shellcheck, check-layers.sh, check-promises.sh and
# clang-tidy.
#
#   scripts/lint.sh [--all | --fast] [--fix]
#
#   --all   clang-tidy on every source (default: on what differs from the main branch)
#   --fast  no clang-tidy
#   --fix   let clang-format rewrite the sources first
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

tidy=changed
fix=false
for argument in "$@"; do
  case $argument in
    --all) tidy=all ;;
    --fast) tidy=none ;;
    --fix) fix=true ;;
    -h | --help) usage && exit 0 ;;
    *) die "unknown argument \"$argument\"; try --help" ;;
  esac
done

# clang_tool NAME: the tool's command in major version 14, because every version formats and warns
# differently and the sources can agree with one only.
clang_tool() {
  local tool
  for tool in "$1-14" "$1"; do
    if [[ $("$tool" --version 2>/dev/null) == *"version 14."* ]]; then
      echo "$tool"
      return
    fi
  done
  die "$1 version 14 not found: scripts/setup.sh --dev"
}

sources() {
  find common proxy sessiond tests \( -name node_modules -o -name corpus \) -prune \
    -o -type f \( -name '*.cpp' -o -name '*.h' \) -print | sort
}

shell_scripts() {
  echo .ci/run
  find scripts tests package -name node_modules -prune -o -type f -name '*.sh' -print 2>/dev/null |
    sort
}

# The commit a change began at: where it left the main branch, or its parent when it is on it.
change_base() {
  local ref base
  for ref in origin/HEAD origin/main main; do
    base=$(git merge-base HEAD "$ref" 2>/dev/null) || continue
    [[ $base == "$(git rev-parse HEAD)" ]] || { echo "$base" && return; }
  done
  git rev-parse --verify -q HEAD~1
}

# Changed units, and the units that include a changed header directly.
changed_units() {
  local base=$1 file
  { git diff --name-only --diff-filter=d "$base" && git ls-files --others --exclude-standard; } |
    while read -r file; do
      case $file in
        *.cpp) echo "$file" ;;
        *.h) grep -rlF --include='*.cpp' "#include \"$file\"" common proxy sessiond tests || true ;;
      esac
    done | sort -u
}

# tidy_units: the paths to check that the build knows; the rest is not compiled in this tree.
tidy_units() {
  local base=''
  [[ $tidy == all ]] || base=$(change_base) || say "no earlier commit: checking everything"
  { if [[ -n $base ]]; then changed_units "$base"; else sources; fi; } |
    while read -r file; do
      if grep -qF "\"file\": \"$HF_ROOT/$file\"" build/asan/compile_commands.json; then
        echo "$file"
      fi
    done
}

run_tidy() {
  local clang_tidy units
  clang_tidy=$(clang_tool clang-tidy)
  # The asan preset is clang's: clang-tidy does not understand all of g++'s options.
  # Only what a new or renamed file needs is done again, since other tests use that build meanwhile.
  if [[ -f build/asan/build.ninja ]]; then
    ninja -C build/asan build.ninja >/dev/null
  else
    configure asan
  fi
  ninja -C build/asan generated_headers >/dev/null
  mapfile -t units < <(tidy_units)
  say "clang-tidy: ${#units[@]} units"
  ((${#units[@]} == 0)) && return
  printf '%s\n' "${units[@]}" |
    nice xargs -P "$(build_jobs)" -n 1 "$clang_tidy" -p build/asan --quiet 2> >(grep -v 'warnings\? generated' >&2)
}

failed=()
# check NAME COMMAND…: runs the rest even if this one fails, so that one run tells everything.
check() {
  local name=$1
  shift
  say "$name"
  "$@" || failed+=("$name")
}

clang_format=$(clang_tool clang-format)
mapfile -t all_sources < <(sources)
mapfile -t all_scripts < <(shell_scripts)
$fix && "$clang_format" -i "${all_sources[@]}"
check clang-format "$clang_format" --dry-run -Werror "${all_sources[@]}"
check shellcheck shellcheck -x "${all_scripts[@]}"
check check-layers scripts/check-layers.sh
check check-promises scripts/check-promises.sh
[[ $tidy == none ]] || check clang-tidy run_tidy
((${#failed[@]} == 0)) || die "failed: ${failed[*]}"
