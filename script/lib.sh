# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts in this folder; sourced, never run.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Compiler caches live outside the checkout, so that a clean clone builds fast.
cache=${STACKWELL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/stackwell}
mkdir -p "$cache"
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/cargo}
export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1
export npm_config_fund=false npm_config_audit=false npm_config_update_notifier=false

say() { printf '%s\n' "$*" >&2; }
step() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}

# version_at_least HAVE WANT: compares dotted versions.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# need_runtimes: Node.js and Rust are not installed by us, because how they are installed is the owner's choice.
need_runtimes() {
  local node_version rust_version
  node_version=$(node --version 2>/dev/null | tr -d v || true)
  if [ -z "$node_version" ] || ! version_at_least "$node_version" 20.0.0; then
    say "Stackwell needs Node.js 20 or later (found: ${node_version:-none}). On Debian, either"
    say "  curl -fsSL https://deb.nodesource.com/setup_22.x | sudo bash - && sudo apt-get install -y nodejs"
    die "or unpack an archive from https://nodejs.org/en/download into /usr/local."
  fi
  rust_version=$(rustc --version 2>/dev/null | cut -d' ' -f2 || true)
  if [ -z "$rust_version" ] || ! version_at_least "$rust_version" 1.88.0 || ! command -v cargo >/dev/null; then
    say "Stackwell needs Rust 1.88 or later with cargo (found: ${rust_version:-none}). Get it with"
    die "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal -c rustfmt -c clippy"
  fi
}

# need_packages PACKAGE...: installs the Debian packages that are missing, in one call. A package written as
# PACKAGE:COMMAND is not needed where that command is there from elsewhere.
need_packages() {
  local missing=() want package
  for want in "$@"; do
    package=${want%%:*}
    [ "$want" != "$package" ] && command -v "${want#*:}" >/dev/null && continue
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  local install="apt-get install -y --no-install-recommends ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    say "These Debian packages are missing. Install them, then run this again:"
    die "  sudo apt-get update && sudo $install"
  fi
  step "Installing Debian packages: ${missing[*]}"
  if ! DEBIAN_FRONTEND=noninteractive $install >"$cache/apt.log" 2>&1; then
    # Package lists may be missing or old.
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive $install >"$cache/apt.log" 2>&1 ||
      die "apt-get failed; see $cache/apt.log"
  fi
}

BUILD_PACKAGES=(
  g++ make python3 ccache clang llvm pkg-config
  libbpf-dev libelf-dev zlib1g-dev libdeflate-dev libzstd-dev libre2-dev ca-certificates
)
TEST_PACKAGES=(
  clang-19 clang-format-19 binutils musl-tools xz-utils dwz bpftool linux-perf runc busybox-static buildah debootstrap chromium
  fonts-dejavu-core golang-go:go openjdk-17-jdk-headless:javac maven:mvn procps util-linux python3-minimal python3-venv git iproute2 curl
  elfutils debuginfod libc6-dbg prometheus:promtool
)

# stale NAME FILE...: true when the content of the files (folders: all below) differs from when `fresh NAME` was last
# said. Contents and not times, because a clone has new times for old files.
declare -A digest
stale() {
  local name=$1
  shift
  digest[$name]=$(find "$@" -type f -not -path '*/build/*' -not -path '*/target/*' -print0 2>/dev/null | LC_ALL=C sort -z |
    xargs -0 -r sha1sum | sha1sum | cut -d' ' -f1)
  [ "$(cat "build/stamps/$name" 2>/dev/null)" != "${digest[$name]}" ]
}
fresh() {
  mkdir -p build/stamps
  printf '%s\n' "${digest[$1]}" >"build/stamps/$1"
}

# node_gyp FOLDER...: builds addons against the headers of the node that is installed, where they are.
node_gyp() {
  local headers
  headers=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  [ -f "$headers/include/node/node.h" ] && export npm_config_nodedir=$headers
  local folder log=$cache/node-gyp.log
  for folder in "$@"; do
    CC="ccache gcc" CXX="ccache g++" node_modules/.bin/node-gyp -C "$folder" configure build --release -j 2 >"$log" 2>&1 || {
      cat "$log" >&2
      die "$folder does not build"
    }
  done
}
