#!/usr/bin/env bash
# Installs OpenStack Swift and memcached from Debian's own packages, unless they are there: once, as root (or with a
# sudo that asks nothing).
set -euo pipefail
type swift-proxy-server swift-ring-builder swift-object-server swift-container-server swift-account-server \
  memcached >/dev/null 2>&1 && exit 0
as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo -n)
fi
for attempt in 1 2 3; do
  if "${as_root[@]}" apt-get -q update >&2 &&
     "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends \
       swift swift-proxy swift-account swift-container swift-object memcached </dev/null >&2; then
    exit 0
  fi
  echo "install-swift: attempt $attempt failed" >&2
  sleep $((attempt * 5))
done
exit 1
