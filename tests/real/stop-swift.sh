#!/usr/bin/env bash
# Stops the processes whose pids start-swift.sh left in DIR, each only if its command line says that it is ours. Each
# leads a process group of its own, in which its workers are.
set -euo pipefail
[ $# = 1 ] || { echo "usage: stop-swift.sh DIR" >&2; exit 2; }
dir=$(realpath -m "$1")
left=0

is_ours() { # NAME PID
  local line
  line=$(tr '\0' ' ' 2>/dev/null <"/proc/$2/cmdline") || return 1
  case $1 in
    memcached) [[ $line == "memcached "*" -l 127.0.0.1 "* ]] ;;
    *) [[ $line == *" $dir/etc/$1-server.conf "* ]] ;;
  esac
}

for name in proxy object container account memcached; do
  [ -f "$dir/$name.pid" ] || continue
  pid=$(cat "$dir/$name.pid")
  tries=0
  while is_ours "$name" "$pid"; do
    case $tries in
      0) kill -TERM -- "-$pid" ;;
      50) kill -KILL -- "-$pid" ;;
      100) echo "stop-swift: $name ($pid) still runs" >&2; left=1; break ;;
    esac
    sleep 0.1
    tries=$((tries + 1))
  done
  [ "$left" = 1 ] || rm -f "$dir/$name.pid"
done
exit "$left"
