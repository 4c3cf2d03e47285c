#!/usr/bin/env bash
# What a newcomer does first: scripts/run.sh serves, says how to use it, names who holds a taken port,
# and leaves nothing behind when it is stopped. Uses the programs of HF_BIN_DIR.
set -euo pipefail
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
pid=''
clean_up() {
  [[ -z $pid ]] || kill -TERM "$pid" 2>/dev/null || true
  wait
  rm -rf "$scratch"
}
trap clean_up EXIT

fail() {
  printf '%s\n' "$1" >&2
  cat "$scratch"/*.out >&2 || true
  exit 1
}

export HOLDFAST_BIN_DIR=$HF_BIN_DIR HOLDFAST_RUN_DIR=$scratch/run
mkfifo "$scratch/lines"
# For reading and writing: neither side waits for the other to open it, and what nobody reads any
# more fits into the pipe.
exec {lines}<>"$scratch/lines"

# start_on PORT: true once run.sh has said everything, false if the port was taken meanwhile.
start_on() {
  HOLDFAST_PORT=$1 scripts/run.sh >&"$lines" 2>&1 &
  pid=$!
  local line
  while IFS= read -r -t 30 -u "$lines" line; do
    printf '%s\n' "$line" >>"$scratch/run.out"
    [[ $line == *'port '*' is taken'* ]] && return 1
    [[ $line == *'Ctrl-C'* ]] && return 0
  done
  fail "run.sh did not come up"
}

# Below the kernel's ephemeral range, so that no outgoing connection sits there.
for _ in 1 2 3 4 5; do
  port=$((12000 + RANDOM % 20000))
  start_on "$port" && break
  wait "$pid" || true
done

base="http://127.0.0.1:$port"
initialize='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",
"capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}'
post() {
  curl -s -m 10 "$base/mcp" -H 'content-type: application/json' \
    -H 'accept: application/json, text/event-stream' -d "$1"
}
[[ $(post "$initialize") == *'"serverInfo"'* ]] || fail "initialize was not answered"
[[ $(curl -s -m 10 "$base/health") == *'"total":1'* ]] || fail "/health does not count the session"
listing=$("$HF_BIN_DIR/holdfastctl" -s "$HOLDFAST_RUN_DIR/admin.sock" list-sessions)
[[ $listing == *streamable* ]] || fail "list-sessions shows no session: $listing"

for argument in "http://127.0.0.1:9/mcp" "https://example.org/mcp" "127.0.0.1:9"; do
  if HOLDFAST_PORT=$port HOLDFAST_RUN_DIR=$scratch/other scripts/run.sh "$argument" \
    >"$scratch/second.out" 2>&1; then
    fail "a second run.sh on port $port with $argument did not fail"
  fi
done
HOLDFAST_PORT=$port HOLDFAST_RUN_DIR=$scratch/other scripts/run.sh >"$scratch/second.out" 2>&1 || true
grep -q "port $port is taken" "$scratch/second.out" || fail "run.sh does not say that the port is taken"

kill -TERM "$pid"
wait "$pid" || fail "run.sh did not end well"
pid=''
curl -s -m 2 -o /dev/null "$base/health" && fail "something still serves"
[[ ! -S $HOLDFAST_RUN_DIR/admin.sock ]] || fail "sessiond's socket was left behind"
