#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-otel.sh CHECKOUT: builds the OpenTelemetry eBPF profiler from a checkout of
# open-telemetry/opentelemetry-ebpf-profiler into ${PEERS_HOME:-~/.cache/stackwell-peers}/bin/ebpf-profiler.
# The checkout itself is not changed: its copy in PEERS_HOME is. Needs Go and a C compiler.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -f "$1/rlimit/rlimit.go" ]; then
  echo "usage: $0 CHECKOUT   (a checkout of open-telemetry/opentelemetry-ebpf-profiler)" >&2
  exit 2
fi
command -v go >/dev/null || {
  echo "Go is missing: https://go.dev/dl/ (or apt-get install golang)" >&2
  exit 1
}

home=${PEERS_HOME:-$HOME/.cache/stackwell-peers}
copy=$home/src/build-otel
mkdir -p "$home/bin" "$copy"
tar -C "$1" --exclude=.git -c . | tar -x -C "$copy"

# It stops where RLIMIT_MEMLOCK cannot be raised (no CAP_SYS_RESOURCE), which kernels have not needed since 5.11.
# Here it goes on, so that it can be measured on such machines too.
sed -i 's|return nil, fmt.Errorf("failed to set temporary rlimit: %w", err)|log.Warnf("%v", fmt.Errorf("failed to set temporary rlimit: %w", err)); return func() {}, nil|' \
  "$copy/rlimit/rlimit.go"
grep -q 'return func() {}, nil' "$copy/rlimit/rlimit.go" || {
  echo "rlimit/rlimit.go is not what this script knows: look at how it raises RLIMIT_MEMLOCK" >&2
  exit 1
}

cd "$copy"
CGO_ENABLED=1 GOFLAGS=-buildvcs=false nice go build -p 1 -o "$home/bin/ebpf-profiler" .
ls -l "$home/bin/ebpf-profiler"
