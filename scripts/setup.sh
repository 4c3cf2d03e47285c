#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages Holdfast is built with.
#
#   scripts/setup.sh [--dev] [--bench] [--dry-run]
#
#   --dev      also what scripts/test.sh and scripts/lint.sh use
#   --bench    also what scripts/bench.sh compares with and measures by
#   --dry-run  print what is missing, install nothing
#
# Prints the list before it installs, uses sudo only when not root, and does not touch apt at all
# when everything is there.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/functions.sh"

# libevhtp-dev depends neither on libevent-dev nor on libssl-dev, although its header needs both.
# libcmocka-dev is here because one configuration serves the programs and their tests.
readonly build_packages=(
  build-essential cmake ninja-build pkg-config ca-certificates curl
  libevent-dev libevhtp-dev libssl-dev libjansson-dev libjwt-dev libfmt-dev libspdlog-dev
  libxxhash-dev libcli11-dev libseccomp-dev prometheus-cpp-dev zlib1g-dev libcmocka-dev
)
# libclang-rt-dev holds the sanitizers and libFuzzer, llvm the symbolizer that makes their reports
# readable; clang only recommends them.
readonly dev_packages=(
  clang clang-format clang-tidy llvm libclang-rt-dev libsimdjson-dev shellcheck git jq socat
  faketime python3 iproute2
)

# Command and package: any nginx will do, and the flavours conflict with each other.
readonly bench_commands=(
  nginx:nginx-light haproxy:haproxy openssl:openssl python3:python3 valgrind:valgrind strace:strace pgrep:procps
)

dev=false
bench=false
dry_run=false
for argument in "$@"; do
  case $argument in
    --dev) dev=true ;;
    --bench) bench=true ;;
    --dry-run) dry_run=true ;;
    -h | --help) usage && exit 0 ;;
    *) die "unknown argument \"$argument\"; try --help" ;;
  esac
done

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing_packages() {
  local wanted=("${build_packages[@]}") package
  if $dev; then
    wanted+=("${dev_packages[@]}")
    # Debian's npm conflicts with a Node.js from elsewhere, and any npm will do.
    command -v npm >/dev/null || wanted+=(nodejs npm)
  fi
  for package in "${wanted[@]}"; do
    is_installed "$package" || echo "$package"
  done
  $bench || return 0
  local pair
  for pair in "${bench_commands[@]}"; do
    PATH=$PATH:/usr/sbin command -v "${pair%%:*}" >/dev/null || echo "${pair#*:}"
  done
}

# Debian starts a daemon as soon as it is installed; the peers of a measurement must not run.
install_without_starting() {
  local policy=/usr/sbin/policy-rc.d
  if $bench && [[ ! -e $policy ]]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  as_root "${apt[@]}" install -y --no-install-recommends "${missing[@]}"
  command -v systemctl >/dev/null || return 0
  local service
  for service in nginx haproxy; do
    if [[ " ${missing[*]} " == *" $service"* ]]; then
      as_root systemctl disable "$service" 2>/dev/null || true # ignoring: no systemd runs here
    fi
  done
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "not root and no sudo here; as root run: apt-get install ${missing[*]}"
  fi
}

command -v dpkg-query >/dev/null || die "this script knows Debian and Ubuntu only; README.md names the libraries"
mapfile -t missing < <(missing_packages)
if ((${#missing[@]} == 0)); then
  say "all packages are installed"
  exit 0
fi
say "missing packages: ${missing[*]}"
$dry_run && exit 0

# The lock is waited for because a fresh machine is often still running its own first upgrade.
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -q)
as_root "${apt[@]}" update
install_without_starting
