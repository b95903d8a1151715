#!/usr/bin/env bash
# Chromium, for the tests that look at pages (tests/browser): the system's own where there is one, else from apt.
set -euo pipefail
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
if command -v chromium >/dev/null || command -v chromium-browser >/dev/null; then exit 0; fi
as_root apt-get -q update
as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends chromium fonts-dejavu-core
