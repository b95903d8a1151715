#!/usr/bin/env bash
# Stops the processes whose pids a start script left in DIR, in the order of their names, each with its group and only
# if its environment says that it was started for DIR (CARTAGE_SERVER_DIR, which the start scripts set).
#
#   stop.sh DIR NAME…
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: stop.sh DIR NAME…" >&2; exit 2; }
dir=$(realpath -m "$1")
shift
left=0

is_ours() { grep -qzxF "CARTAGE_SERVER_DIR=$dir" "/proc/$1/environ" 2>/dev/null; } # empty once it has ended

for name in "$@"; do
  [ -f "$dir/$name.pid" ] || continue
  pid=$(cat "$dir/$name.pid")
  tries=0
  while is_ours "$pid"; do
    case $tries in
      0) kill -TERM -- "-$pid" 2>/dev/null || true ;;
      100) kill -KILL -- "-$pid" 2>/dev/null || true ;;
      200) echo "stop: $name ($pid) still runs" >&2; left=1; break ;;
    esac
    sleep 0.1
    tries=$((tries + 1))
  done
  [ "$left" = 1 ] || rm -f "$dir/$name.pid"
done
exit "$left"
