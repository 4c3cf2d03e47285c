#!/usr/bin/env bash
# Checks how programs were compiled and linked: what an attacker of the parsers would have to get past.
#
#   scripts/check-hardening.sh [--no-fortify] PROGRAM…
#
#   --no-fortify  for a program that calls nothing the fortified library checks
#
# Prints PROGRAM: what is missing, and exits 1 if anything is. Runs as the CTest `hardening` on the
# programs of an optimised build without sanitizers; needs binutils.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"

failures=0
# want NAME PATTERN TEXT: TEXT must have a line that matches PATTERN.
want() {
  grep -Eq -- "$2" <<<"$3" && return
  printf '%s: no %s\n' "$program" "$1"
  failures=$((failures + 1))
}

refuse() {
  grep -Eq -- "$2" <<<"$3" || return 0
  printf '%s: %s\n' "$program" "$1"
  failures=$((failures + 1))
}

# Every function that may be called through a pointer begins with endbr64; main is one of them.
first_instruction_of_main() {
  objdump -d --no-show-raw-insn --disassemble=main "$1" | awk '/<main>:$/ { getline; print; exit }'
}

# g++ records its options in the debug information, unit by unit: one unit without them is a hole.
# Where there is none (stripped, or clang) the program's tables above have to do.
check_units() {
  local option units
  units=$(LC_ALL=C readelf --debug-dump=info --dwarf-depth=1 "$program" 2>/dev/null |
    grep -a 'DW_AT_producer.*GNU C++' | sed 's/.*GNU C++/GNU C++/' | sort -u || true)
  for option in -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero -fPI; do
    refuse "a unit compiled without $option" . "$(grep -v -e "$option" <<<"$units" || true)"
  done
}

check_program() {
  local program=$1 header segments dynamic symbols
  header=$(LC_ALL=C readelf -hW "$program")
  segments=$(LC_ALL=C readelf -lW "$program")
  dynamic=$(LC_ALL=C readelf -dW "$program")
  symbols=$(LC_ALL=C readelf -W --dyn-syms "$program" | awk '{ print $8 }')
  want 'position independence (PIE)' 'Type: +DYN' "$header"
  want 'PIE flag' 'FLAGS_1.* PIE' "$dynamic"
  want 'read-only relocations (RELRO)' 'GNU_RELRO' "$segments"
  want 'binding at start (-z now)' 'FLAGS_1.* NOW' "$dynamic"
  want 'non-executable stack' 'GNU_STACK .* RW +0x' "$segments"
  refuse 'a segment that can be written and executed' 'LOAD .* RWE ' "$segments"
  refuse 'relocations in its code (TEXTREL)' 'TEXTREL' "$dynamic"
  refuse 'a search path for libraries of its own' 'RPATH|RUNPATH' "$dynamic"
  want 'stack protector' '^__stack_chk_fail(@|$)' "$symbols"
  if $fortify; then want 'fortified library calls' '^__(mem|str|f?printf|v?sn?printf|fdelt|read|recv)[a-z]*_chk(@|$)' "$symbols"; fi
  # Debian's own start files carry no mark for indirect branches, so the program as a whole cannot.
  if grep -q 'Machine: .*X86-64' <<<"$header"; then
    want 'shadow stack mark' 'SHSTK' "$(LC_ALL=C readelf -nW "$program")"
    want 'landing pad (endbr64) at main' 'endbr64' "$(first_instruction_of_main "$program")"
    check_units
  fi
}

fortify=true
if [[ ${1:-} == --no-fortify ]]; then
  fortify=false
  shift
fi
(($#)) || die "no program given; try scripts/build.sh first"
for program in "$@"; do
  [[ -x $program ]] || die "$program is not a program"
  check_program "$program"
done
exit $((failures > 0))
