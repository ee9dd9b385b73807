#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build-pyroscope.sh CHECKOUT: builds Grafana Pyroscope and its profilecli from a checkout of grafana/pyroscope into
# ${PEERS_HOME:-~/.cache/stackwell-peers}/bin. The checkout itself is not changed. Needs Go; 10 minutes on one core.
set -euo pipefail

if [ $# -ne 1 ] || [ ! -d "$1/cmd/pyroscope" ]; then
  echo "usage: $0 CHECKOUT   (a checkout of grafana/pyroscope)" >&2
  exit 2
fi
command -v go >/dev/null || {
  echo "Go is missing: https://go.dev/dl/ (or apt-get install golang)" >&2
  exit 1
}

home=${PEERS_HOME:-$HOME/.cache/stackwell-peers}
copy=$home/src/build-pyroscope
mkdir -p "$home/bin" "$copy"
tar -C "$1" --exclude=.git -c . | tar -x -C "$copy"

cd "$copy"
export CGO_ENABLED=0 GOFLAGS="-mod=mod -buildvcs=false"
# Not every commit of dskit that a checkout pins can be had from every module proxy; DSKIT names another one.
[ -z "${DSKIT:-}" ] || go mod edit -require "github.com/grafana/dskit@$DSKIT"
for program in pyroscope profilecli; do
  nice go build -p "${JOBS:-1}" -tags netgo -o "$home/bin/$program" "./cmd/$program"
  ls -l "$home/bin/$program"
done
