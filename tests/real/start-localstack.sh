#!/usr/bin/env bash
# Starts LocalStack's S3 on loopback: the server that refuses where moto and Ceph's gateway shrug (a changed source,
# an archived object, an upload that is gone, a range past the end) and that keeps full-object checksums.
#
#   start-localstack.sh DIR PORT      DIR: a folder for this one server's files, made if need be
#
# Prints endpoint=, access_key=, secret_key= and region= once it answers. Stop it with stop.sh DIR localstack.
set -euo pipefail
[ $# = 2 ] || { echo "usage: start-localstack.sh DIR PORT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
real=$(realpath -m "${CARTAGE_REAL_DIR:-$here/../../.real}")
dir=$(realpath -m "$1") port=$2
export CARTAGE_SERVER_DIR=$dir

"$here/install-localstack.sh"
mkdir -p "$dir/volume"

healthy() {
  local line
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET /_localstack/health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
  while IFS= read -r -t 2 -u 3 line || [ -n "$line" ]; do
    case $line in *'"s3": "running"'* | *'"s3": "available"'*) exec 3>&-; return 0 ;; esac
  done
  exec 3>&-
  return 1
}
if (healthy) 2>/dev/null; then echo "start-localstack: something answers on port $port already" >&2; exit 1; fi

# Only S3, loaded at once; no name server, no certificate download, no usage events.
env SERVICES=s3 EAGER_SERVICE_LOADING=1 "GATEWAY_LISTEN=127.0.0.1:$port" DNS_ADDRESS=0 SKIP_SSL_CERT_DOWNLOAD=1 \
    DISABLE_EVENTS=1 DEBUG=0 "LOCALSTACK_VOLUME_DIR=$dir/volume" \
    setsid "$real/localstack-venv/bin/python" -m localstack.runtime.main </dev/null >"$dir/localstack.log" 2>&1 &
pid=$!
echo "$pid" >"$dir/localstack.pid"

for _ in $(seq 600); do
  if ! kill -0 "$pid" 2>/dev/null; then
    tail -n 20 "$dir/localstack.log" >&2
    echo "start-localstack: it ended before it answered; see $dir/localstack.log" >&2
    rm -f "$dir/localstack.pid"
    exit 1
  fi
  if (healthy) 2>/dev/null; then
    printf 'endpoint=http://127.0.0.1:%s\naccess_key=test\nsecret_key=test\nregion=us-east-1\n' "$port"
    exit 0
  fi
  sleep 0.1
done
kill "$pid" 2>/dev/null || true
echo "start-localstack: no answer within a minute; see $dir/localstack.log" >&2
exit 1
