#!/usr/bin/env bash
# Unpacks the PNGs of Debian's oxygen-icon-theme (6,296 files that no one here made, 32 MB to download) into
# $CARTAGE_REAL_DIR/icons, unless they are there; prints the folder. Nothing is installed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
real=$(realpath -m "${CARTAGE_REAL_DIR:-$here/../../.real}")
icons=$real/icons
mkdir -p "$real"
exec 9>"$real/icons.lock"
flock 9
if [ ! -f "$icons/complete" ]; then
  rm -rf "$icons"
  mkdir -p "$icons/package"
  cd "$icons/package"
  for attempt in 1 2 3; do
    apt-get -q download oxygen-icon-theme </dev/null >&2 && break
    [ "$attempt" = 3 ] && { echo "fetch-icons: the package cannot be had" >&2; exit 1; }
    # The lists of packages may be missing or too old for what the mirror holds now.
    if [ "$(id -u)" = 0 ]; then apt-get -q update >&2 || true; else sudo -n apt-get -q update >&2 || true; fi
  done
  dpkg -x oxygen-icon-theme_*.deb "$icons/unpacked"
  rm -rf "$icons/package"
  touch "$icons/complete"
fi
echo "$icons/unpacked/usr/share/icons/oxygen/base"
