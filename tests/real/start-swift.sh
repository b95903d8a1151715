#!/usr/bin/env bash
# Starts OpenStack Swift with its s3api on loopback: proxy, account, container and object server as plain processes,
# one replica, and a memcached of its own. An S3 of another family: it checks SigV4 signatures, keeps an upload's parts
# as objects of their own, and answers questions that it does not know with a listing of the bucket.
#
#   start-swift.sh DIR PORT      DIR: an empty or new folder for this one server, on a file system with extended
#                                attributes. PORT: the S3 endpoint; PORT+1 to PORT+4 are the other processes'
#
# Prints endpoint=, access_key=, secret_key= and region= once it answers; about 3 s. Stop it with
# stop.sh DIR proxy object container account memcached.
set -euo pipefail
[ $# = 2 ] || { echo "usage: start-swift.sh DIR PORT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "$1") port=$2
export CARTAGE_SERVER_DIR=$dir

fail() { echo "start-swift: $*" >&2; exit 1; }
if [ -e "$dir" ] && [ -n "$(ls -A "$dir")" ]; then fail "$dir is not empty"; fi
"$here/install-swift.sh"
for number in 0 1 2 3 4; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$((port + number))") 2>/dev/null; then fail "port $((port + number)) is taken"; fi
done
mkdir -p "$dir"/{etc,srv/disk,log}

# As long a header as S3's 2 KiB of metadata and a key of 1,024 encoded bytes need.
cat >"$dir/etc/swift.conf" <<CONF
[swift-hash]
swift_hash_path_prefix = cartage
swift_hash_path_suffix = cartage
[storage-policy:0]
name = Policy-0
default = yes
[swift-constraints]
max_header_size = 32768
CONF

common() { # PORT WORKERS
  cat <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $1
workers = $2
user = $(id -un)
swift_dir = $dir/etc
devices = $dir/srv
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_address = $dir/no-syslog
CONF
}
storage() { # NAME PORT: its configuration, and the ring that has it as its one device
  { common "$2" 1
    printf '[pipeline:main]\npipeline = healthcheck %s-server\n[filter:healthcheck]\nuse = egg:swift#healthcheck\n' "$1"
    printf '[app:%s-server]\nuse = egg:swift#%s\n' "$1" "$1"
  } >"$dir/etc/$1-server.conf"
  (
    cd "$dir/etc"
    swift-ring-builder "$1.builder" create 4 1 1
    swift-ring-builder "$1.builder" add --region 1 --zone 1 --ip 127.0.0.1 --port "$2" --device disk --weight 1
    swift-ring-builder "$1.builder" rebalance || [ $? = 1 ] # 1: a warning about one replica
  ) >>"$dir/log/rings.out" 2>&1 || { tail -n 5 "$dir/log/rings.out" >&2; fail "no ring for $1"; }
}
storage object $((port + 1)) &
storage container $((port + 2)) &
storage account $((port + 3)) &
for job in $(jobs -p); do wait "$job"; done

filters="catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink"
{
  common "$port" 1
  cat <<CONF
[pipeline:main]
pipeline = $filters proxy-server
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
error_suppression_limit = 1000000
CONF
  for filter in $filters; do
    # Two of the plug-ins have other names than the filters that everyone calls them by.
    case $filter in cache) plugin=memcache ;; *) plugin=$filter ;; esac
    printf '[filter:%s]\nuse = egg:swift#%s\n' "$filter" "$plugin"
    case $filter in
      cache) echo "memcache_servers = 127.0.0.1:$((port + 4))" ;;
      tempauth) echo "user_cartage_tester = not-a-secret .admin .reseller_admin" ;;
      versioned_writes) echo "allow_object_versioning = true" ;;
      s3api)
        echo "location = us-east-1"
        echo "min_segment_size = 5242880"
        echo "max_multi_delete_objects = 1000"
        ;;
    esac
  done
} >"$dir/etc/proxy-server.conf"

daemon() { # NAME COMMAND…: in the background, its pid in DIR/NAME.pid
  local name=$1
  shift
  PYTHONUNBUFFERED=1 setsid "$@" </dev/null >"$dir/log/$name.out" 2>&1 &
  echo $! >"$dir/$name.pid"
}
trap 'code=$?; [ $code = 0 ] || "$here/stop.sh" "$dir" proxy object container account memcached >&2 || true; exit $code' EXIT
daemon memcached memcached -u "$(id -un)" -l 127.0.0.1 -p $((port + 4)) -m 64
for name in account container object; do daemon "$name" "swift-$name-server" "$dir/etc/$name-server.conf"; done

answers() ( # PORT
  exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'GET /healthcheck HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  IFS= read -r -t 2 -u 3 status && [[ $status == "HTTP/1.1 200"* ]]
)
await() { # NAME PORT
  for _ in $(seq 600); do
    answers "$2" && return
    kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null || { tail -n 20 "$dir/log/$1.out" >&2; fail "$1 ended; see $dir/log"; }
    sleep 0.1
  done
  fail "no answer of $1 within a minute; see $dir/log"
}
# The proxy last: what it finds silent it does not ask again for a while.
await object $((port + 1))
await container $((port + 2))
await account $((port + 3))
daemon proxy swift-proxy-server "$dir/etc/proxy-server.conf"
await proxy "$port"
printf 'endpoint=http://127.0.0.1:%s\naccess_key=cartage:tester\nsecret_key=not-a-secret\nregion=us-east-1\n' "$port"
