#!/usr/bin/env bash
# Starts a Ceph RADOS Gateway on loopback, as three plain processes: one monitor, one OSD that keeps everything in
# memory, one radosgw. No manager, no systemd, no container, no authentication between the three. It checks every
# SigV4 signature, lists in UTF-8 order and shares no code with anything here.
#
#   start-rgw.sh DIR PORT      DIR: an empty or new folder for this one cluster. PORT: the S3 endpoint;
#                              PORT+1 is the monitor's, PORT+2 to PORT+9 the OSD's
#
# Prints endpoint=, access_key=, secret_key= and region= once it answers; about 2 s. Stop it with
# stop.sh DIR rgw osd mon.
# RGW_EXTRA holds further lines for radosgw's configuration ("rgw_max_concurrent_requests = 4": real 503 answers).
set -euo pipefail
[ $# = 2 ] || { echo "usage: start-rgw.sh DIR PORT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
dir=$(realpath -m "$1") port=$2
export CARTAGE_SERVER_DIR=$dir
access_key=CARTAGETEST secret_key=not-a-secret

fail() { echo "start-rgw: $*" >&2; exit 1; }
if [ -e "$dir" ] && [ -n "$(ls -A "$dir")" ]; then fail "$dir is not empty"; fi
"$here/install-rgw.sh"
mkdir -p "$dir"/{mon,osd,rgw,log}
conf=$dir/ceph.conf
: >"$dir/keyring"
osd_id=$(cat /proc/sys/kernel/random/uuid) cluster_id=$(cat /proc/sys/kernel/random/uuid)

# paxos_propose_interval: with its default of 1 s each of the dozen pools waits a second to be made.
# The bucket index is in one shard, and the daemons that tidy, sync and account are off: nothing moves but the tests.
cat >"$conf" <<CONF
[global]
fsid = $cluster_id
mon_host = v1:127.0.0.1:$((port + 1))
ms_bind_msgr2 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = $dir/keyring
run_dir = $dir
admin_socket =
log_file = $dir/log/\$name.log
log_to_stderr = false
err_to_stderr = true
mon_cluster_log_to_file = false
debug_ms = 0/0
debug_osd = 0/0
debug_rgw = 1/1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
[mon]
mon_data = $dir/mon
mon_data_avail_crit = 1
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
mon_memory_autotune = false
rocksdb_cache_size = 33554432
paxos_propose_interval = 0.05
[osd]
monmap = $dir/monmap
osd_data = $dir/osd
osd_objectstore = memstore
memstore_device_bytes = 4294967296
ms_bind_port_min = $((port + 2))
ms_bind_port_max = $((port + 9))
osd_op_num_shards = 2
osd_min_pg_log_entries = 100
osd_max_pg_log_entries = 500
osd_heartbeat_grace = 600
[client]
monmap = $dir/monmap
[client.rgw]
rgw_data = $dir/rgw
rgw_frontends = beast endpoint=127.0.0.1:$port
rgw_dns_name = localhost
rgw_rados_pool_pg_num_min = 4
rgw_thread_pool_size = 128
rgw_override_bucket_index_max_shards = 1
rgw_dynamic_resharding = false
rgw_run_sync_thread = false
rgw_enable_lc_threads = false
rgw_enable_usage_log = false
rgw_enable_ops_log = false
${RGW_EXTRA:-}
CONF

# --no-mon-config with the monmap lines above: the commands know the cluster's id from their first message on;
# without, some of them race for it and fail with "wrong fsid".
export CEPH_ARGS=--no-mon-config CEPH_CONF=$conf TCMALLOC_MAX_TOTAL_THREAD_CACHE_BYTES=33554432

daemon() { # NAME COMMAND…: in the background, its pid in DIR/NAME.pid
  local name=$1
  shift
  setsid "$@" -c "$conf" -f </dev/null >"$dir/log/$name.out" 2>&1 &
  echo $! >"$dir/$name.pid"
}
check_alive() {
  kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null && return
  tail -n 20 "$dir/log/$1.out" >&2
  fail "$1 ended; see $dir/log"
}
admin() { # COMMAND…: must succeed
  "$@" >>"$dir/log/admin.out" 2>&1 && return
  tail -n 5 "$dir/log/admin.out" >&2
  fail "this failed: $*"
}
wait_until() { # TENTHS_OF_A_SECOND CHECK
  local tries=$1
  while [ "$tries" -gt 0 ]; do
    "$2" && return
    sleep 0.1
    tries=$((tries - 1))
  done
  return 1
}
ask_mon() { timeout 30 ceph --connect-timeout 20 "$@" 2>>"$dir/log/mon-answers.out"; }
osd_registered() { check_alive mon; ask_mon osd new "$osd_id" 0 >/dev/null; } # may be asked again
osd_up() { check_alive mon; check_alive osd; ask_mon osd stat -f json | grep -q '"num_up_osds": *1'; }
answers() (
  exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
  printf 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
  IFS= read -r -t 2 -u 3 status && [[ $status == "HTTP/1.1 200"* ]]
)
gateway_up() { check_alive rgw; answers; }

if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then fail "port $port is taken"; fi
trap 'code=$?; [ $code = 0 ] || "$here/stop.sh" "$dir" rgw osd mon >&2 || true; exit $code' EXIT

admin monmaptool --create --fsid "$cluster_id" --addv a "[v1:127.0.0.1:$((port + 1))]" "$dir/monmap"
admin ceph-mon --mkfs -i a -c "$conf" --monmap "$dir/monmap"
daemon mon ceph-mon -i a
wait_until 100 osd_registered || fail "the monitor has no quorum; see $dir/log"
admin ceph-osd -i 0 --mkfs --osd-uuid "$osd_id" -c "$conf"
daemon osd ceph-osd -i 0
wait_until 200 osd_up || fail "the OSD does not come up; see $dir/log"
admin timeout 120 radosgw-admin -n client.rgw user create --uid=test --display-name=test \
  --access-key="$access_key" --secret-key="$secret_key"
# A second storage class, so that a copy's class can be told from the default.
admin timeout 120 radosgw-admin -n client.rgw zonegroup placement add --rgw-zonegroup default \
  --placement-id default-placement --storage-class STANDARD_IA
admin timeout 120 radosgw-admin -n client.rgw zone placement add --rgw-zone default \
  --placement-id default-placement --storage-class STANDARD_IA --data-pool default.rgw.buckets.data
daemon rgw radosgw -n client.rgw
wait_until 300 gateway_up || fail "the gateway does not answer; see $dir/log"
printf 'endpoint=http://127.0.0.1:%s\naccess_key=%s\nsecret_key=%s\nregion=default\n' \
  "$port" "$access_key" "$secret_key"
