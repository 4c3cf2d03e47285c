#!/usr/bin/env bash
# Runs the official MCP conformance suite against a server, directly and through Holdfast, and prints
# every scenario's two outcomes side by side. Exit 0: all the same; 1: some differ; 2: it could not run.
#
#   scripts/conformance.sh [--revision 2025-11-25 | --revision 2026-07-28] [--direct URL]
#
#   --revision  only that revision of the specification (default: both)
#   --direct    your own server, for example http://127.0.0.1:3001/mcp, with the pair in front of it
#               (default: the dual-era server of tests/real)
#   --through   with --direct: the same server through any other proxy; the pair is not started
#   --evidence  compare also what the suite recorded of every check
#
# Installs missing packages and builds. HOLDFAST_BIN_DIR takes the programs of that folder instead and
# installs only Node.js packages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"
case ${1:-} in -h | --help) usage && exit 0 ;; esac

if [[ -z ${HOLDFAST_BIN_DIR:-} ]]; then
  "$HF_ROOT/scripts/setup.sh" --dev
  "$HF_ROOT/scripts/build.sh"
fi
install_node_packages
export HF_BIN_DIR=${HOLDFAST_BIN_DIR:-$HF_ROOT/build/release/bin}
exec "$HF_ROOT/tests/real/node.sh" conformance.mjs "$@"
