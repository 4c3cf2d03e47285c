#!/usr/bin/env bash
# Builds build/release/bin/{holdfast-proxy,holdfast-sessiond,holdfastctl,holdfast-demo-backend}.
#
#   scripts/build.sh
#
# HOLDFAST_JOBS sets the number of parallel compilers (default: from cores and memory).
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
case ${1:-} in
  '') ;;
  -h | --help) usage && exit 0 ;;
  *) die "unknown argument \"$1\"; try --help" ;;
esac

configure release
compile release holdfast-proxy holdfast-sessiond holdfastctl holdfast-demo-backend
say "built $HF_ROOT/build/release/bin"
