#!/usr/bin/env bash
# Stops the three processes whose pids start-rgw.sh left in DIR, each only if its command line says that it is ours.
set -euo pipefail
[ $# = 1 ] || { echo "usage: stop-rgw.sh DIR" >&2; exit 2; }
dir=$(realpath -m "$1")
left=0

is_ours() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- " -c $dir/ceph.conf "; }

for name in rgw osd mon; do
  [ -f "$dir/$name.pid" ] || continue
  pid=$(cat "$dir/$name.pid")
  tries=0
  while is_ours "$pid"; do
    case $tries in
      0) kill -TERM "$pid" ;;
      50) kill -KILL "$pid" ;;
      100) echo "stop-rgw: $name ($pid) still runs" >&2; left=1; break ;;
    esac
    sleep 0.1
    tries=$((tries + 1))
  done
  [ "$left" = 1 ] || rm -f "$dir/$name.pid"
done
exit "$left"
