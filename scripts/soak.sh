#!/usr/bin/env bash
# Runs the real pair under a mixed load with faults and reports leaks, lost events and wrong answers.
#
#   scripts/soak.sh [MINUTES] [SOAK.PY OPTION…]
#
#   MINUTES  how long (5); an hour before a release
#
# Exit 0: nothing was lost, answered wrongly, or kept. --seed N repeats a choice of faults,
# --keep FOLDER keeps configurations and logs. tests/soak/README.md tells what is done and judged.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
cd "$HF_ROOT"

minutes=5
case ${1:-} in
  -h | --help) usage && exit 0 ;;
  [0-9]*) minutes=$1 && shift ;;
esac
scripts/setup.sh --dev
configure release
compile release holdfast-proxy holdfast-sessiond holdfast-demo-backend bench_tools
exec python3 tests/soak/soak.py --bin "$HF_ROOT/build/release/bin" --minutes "$minutes" "$@"
