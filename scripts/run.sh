#!/usr/bin/env bash
# Runs Holdfast in the foreground in front of an MCP server, from a fresh checkout on.
#
#   scripts/run.sh [BACKEND_URL]
#
#   BACKEND_URL  an MCP server that speaks HTTP or HTTPS, for example http://127.0.0.1:3001/mcp;
#                without it the built-in demo backend is started
#
# Installs missing packages, builds, writes a minimal configuration, starts both daemons and waits
# until they answer. Ctrl-C stops everything this script started.
#
# HOLDFAST_PORT     the port to serve on (8080)
# HOLDFAST_RUN_DIR  sockets and generated configuration (default: $XDG_RUNTIME_DIR/holdfast, else a
#                   folder of this user in the temporary directory)
# HOLDFAST_BIN_DIR  run the programs of this folder; nothing is installed or built
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"

case ${1:-} in
  -h | --help) usage && exit 0 ;;
  '' | http://?* | https://?*) ;;
  *) die "\"$1\" is not a URL; write it like http://127.0.0.1:3001/mcp" ;;
esac
(($# <= 1)) || die "one BACKEND_URL at most; try --help"
backend_url=${1:-}
port=${HOLDFAST_PORT:-8080}
if [[ ! $port =~ ^[1-9][0-9]{0,4}$ ]] || ((port > 65535)); then
  die "HOLDFAST_PORT=\"$port\" is not a port"
fi
readonly base="http://127.0.0.1:$port" bin=${HOLDFAST_BIN_DIR:-$HF_ROOT/build/release/bin}

# Refuses a folder that is not ours alone: another user could otherwise hand us sockets.
make_run_directory() {
  run=${HOLDFAST_RUN_DIR:-${XDG_RUNTIME_DIR:+$XDG_RUNTIME_DIR/holdfast}}
  run=${run:-${TMPDIR:-/tmp}/holdfast-$EUID}
  (umask 077 && mkdir -p "$run")
  [[ ! -L $run && $(stat -c '%u %a' "$run") == "$EUID 700" ]] ||
    die "$run must be a directory of this user with mode 0700; set HOLDFAST_RUN_DIR to another one"
  run=$(cd "$run" && pwd)
  # A Unix socket's path holds 107 bytes.
  ((${#run} <= 90)) || die "$run is too long for socket paths; set HOLDFAST_RUN_DIR to a shorter one"
  exec {lock}>"$run/run.lock"
  flock -n "$lock" || die "another run.sh uses $run; stop it or set HOLDFAST_RUN_DIR"
}

check_port() {
  (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
  local holder=''
  if command -v ss >/dev/null; then
    holder=$(ss -Hltnp "sport = :$port" | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1, pid \2/p' | head -n 1)
  fi
  die "port $port is taken${holder:+ by $holder}; choose another: HOLDFAST_PORT=8081 scripts/run.sh ${backend_url}"
}

declare -A programs=() # pid → name
newest_first=()        # their pids
# start NAME ARGUMENT…: runs build/release/bin/NAME as our child. It must not inherit the lock, or
# one that outlived us would keep it.
start() {
  "$bin/$1" "${@:2}" {lock}>&- &
  programs[$!]=$1
  newest_first=("$!" "${newest_first[@]}")
}

stop_all() {
  trap - EXIT INT TERM
  local pid
  # One after the other, so that the proxy can still tell sessiond that it ends.
  for pid in "${newest_first[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" || true
  done
}

# Ends this script if a program it started has ended.
check_alive() {
  local pid
  for pid in "${!programs[@]}"; do
    kill -0 "$pid" 2>/dev/null || die "${programs[$pid]} ended; its messages are above"
  done
}

# wait_until WHAT COMMAND…: until the command succeeds, at most 15 seconds.
wait_until() {
  local what=$1 deadline=$((SECONDS + 15))
  shift
  until "$@"; do
    check_alive
    ((SECONDS < deadline)) || die "$what: not within 15 s; the messages are above"
    sleep 0.1
  done
}

start_demo_backend() {
  : >"$run/backend.out"
  start holdfast-demo-backend >"$run/backend.out"
  wait_until "the demo backend's port" grep -q '"port":' "$run/backend.out"
  backend_url="http://127.0.0.1:$(sed -n 's/.*"port": *\([0-9]*\).*/\1/p' "$run/backend.out")"
}

# Sets scheme, host (authority) and path (without a trailing slash) from the URL.
split_backend_url() {
  scheme=${backend_url%%://*}
  local rest=${backend_url#*://} standard_port=80
  [[ $scheme == https ]] && standard_port=443
  host=${rest%%[/?#]*}
  path=${rest#"$host"}
  path=${path%%[?#]*}
  path=${path%/}
  [[ $host == *@* ]] && die "no user or password in the backend's URL, please"
  [[ $host =~ :[0-9]+$ ]] || host="$host:$standard_port"
}

write_configuration() {
  local location="proxy_pass $scheme://backend;"
  # Verified by the system's certificate authorities, as the name in the URL.
  [[ $scheme == https ]] &&
    location="proxy_pass https://backend; proxy_ssl_name ${host%:*}; proxy_set_header Host ${host%:443};"
  cat >"$run/sessiond.conf" <<END
# Written by scripts/run.sh at each start. What else there is: conf/sessiond.conf in the sources.
control_socket sessiond.sock;
admin_socket   admin.sock;
http_socket    http.sock;
pid            sessiond.pid;
END
  cat >"$run/proxy.conf" <<END
# Written by scripts/run.sh at each start. What else there is: conf/proxy.conf in the sources.
worker_processes auto;
pid proxy.pid;
sessiond unix:sessiond.sock;
upstream backend { server $host; keepalive 64; }
server {
    listen 127.0.0.1:$port;
    location = /health { holdfast_health; }
    location /holdfast/ { holdfast_status; }
    location / { $location }
}
END
}

answers_health() { curl -fs -m 2 -o /dev/null "$base/health"; }

print_urls() {
  if [[ -n $path ]]; then
    printf '  MCP            %s%s\n' "$base" "$path"
  else
    printf '  MCP            %s/mcp   (streamable HTTP)\n' "$base"
    printf '                 %s/sse   (HTTP+SSE)\n' "$base"
  fi
}

print_summary() {
  cat <<END

Holdfast runs in front of $backend_url

$(print_urls)
  Health         curl -s $base/health
  Status page    $base/holdfast/
  Sessions       $bin/holdfastctl -s $run/admin.sock list-sessions
  Configuration  $run/proxy.conf
                 $run/sessiond.conf

  Your server    scripts/run.sh http://127.0.0.1:3001/mcp
  Another port   HOLDFAST_PORT=9090 scripts/run.sh
  Stop           Ctrl-C

END
}

if [[ -z ${HOLDFAST_BIN_DIR:-} ]]; then
  "$HF_ROOT/scripts/setup.sh"
  "$HF_ROOT/scripts/build.sh"
fi
make_run_directory
check_port
trap stop_all EXIT
trap 'echo >&2; say "stopping"; exit 0' INT TERM
[[ -n $backend_url ]] || start_demo_backend
split_backend_url
write_configuration
start holdfast-sessiond -c "$run/sessiond.conf"
start holdfast-proxy -c "$run/proxy.conf"
wait_until "$base/health" answers_health
print_summary
wait -n || true
check_alive
