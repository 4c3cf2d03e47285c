#!/usr/bin/env bash
# Measures Holdfast side by side with nginx and HAProxy on this machine.
#
#   scripts/bench.sh [quick | full | tests] [CASE…]
#
#   quick  one short round of each case (default): about 5 minutes
#   full   three rounds, which alone say something: about 12 minutes
#   tests  the yardstick's own tests and those of what is bounded (CTest label bench)
#
# Installs what is missing, builds the release programs and the tools, and prints the tables; without
# CASE they also go to tests/bench/RESULTS.md. tests/bench/README.md tells how to read them. Use a
# quiet machine with two free cores.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

mode=quick
case ${1:-} in
  quick | full | tests) mode=$1 && shift ;;
  -h | --help) usage && exit 0 ;;
esac

scripts/setup.sh --bench
configure release
compile release holdfast-proxy holdfast-sessiond holdfastctl bench_tools
if [[ $mode == tests ]]; then
  exec ctest --test-dir build/release --output-on-failure --no-tests=error -L '^bench$' "$@"
fi

arguments=(--bin "$HF_ROOT/build/release/bin")
[[ $mode == quick ]] && arguments+=(--rounds 1 --seconds 1.5)
(($#)) || arguments+=(--results tests/bench/RESULTS.md)
# nginx and haproxy live in /usr/sbin, which a user's PATH may lack.
PATH=$PATH:/usr/sbin exec python3 tests/bench/runner/bench.py "${arguments[@]}" "$@"
