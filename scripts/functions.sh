# Sourced by the other scripts, never run: the few things all of them need.
# shellcheck shell=bash

HF_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
readonly HF_ROOT

say() { printf '==> %s\n' "$*" >&2; }

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Prints the comment block below the shebang: each script documents itself there, in one place.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# Parallel compilers: one per core, but no more than memory carries, because the units that include
# CLI11 and spdlog take about a gigabyte each and a small machine would swap or lose its compiler.
build_jobs() {
  local cores memory_mib limit
  cores=$(nproc)
  memory_mib=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || true)
  if [[ $limit =~ ^[0-9]+$ ]] && ((limit / 1048576 < memory_mib)); then
    memory_mib=$((limit / 1048576))
  fi
  local jobs=$((memory_mib / 1024))
  ((jobs > cores)) && jobs=$cores
  ((jobs < 1)) && jobs=1
  echo "${HOLDFAST_JOBS:-$jobs}"
}

# configure PRESET: (re)configures build/PRESET quietly; shows the log only when it fails.
configure() {
  local log="$HF_ROOT/build/$1.configure.log"
  mkdir -p "$HF_ROOT/build"
  (cd "$HF_ROOT" && cmake --preset "$1") >"$log" 2>&1 || {
    cat "$log" >&2
    die "configuring build/$1 failed"
  }
}

# compile PRESET [TARGET…]: builds the targets (default: all) of build/PRESET.
compile() {
  local preset=$1
  shift
  (($#)) || set -- all
  nice ninja -C "$HF_ROOT/build/$preset" -j "$(build_jobs)" "$@"
}

# Installs the locked Node.js packages once per lock file; none of them needs its install scripts.
install_node_packages() {
  local folder=$HF_ROOT/tests/real lock
  local stamp=$folder/node_modules/.installed-lock
  lock=$(sha256sum <"$folder/package-lock.json")
  [[ $(cat "$stamp" 2>/dev/null) == "$lock" ]] && return
  say "npm ci in tests/real"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
  echo "$lock" >"$stamp"
}
