#!/usr/bin/env bash
# Makes the virtual environment that LocalStack runs in, unless it stands already: $CARTAGE_REAL_DIR/localstack-venv.
# It is its own because LocalStack needs another botocore than aioboto3 does. Half a minute, once.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
real=$(realpath -m "${CARTAGE_REAL_DIR:-$here/../../.real}")
venv=$real/localstack-venv
mkdir -p "$real"
exec 9>"$real/localstack-venv.lock"
flock 9 # two sessions at once: the second waits and finds it made
cmp -s "$here/localstack-requirements.txt" "$venv/made-from.txt" && exit 0

python3 -m venv --clear "$venv" >&2
for attempt in 1 2 3; do
  "$venv/bin/python" -m pip install -q -r "$here/localstack-requirements.txt" >&2 && break
  [ "$attempt" = 3 ] && { echo "install-localstack: pip failed three times" >&2; exit 1; }
  sleep 5
done
# Written last: an interrupted installation is not taken for a whole one.
cp "$here/localstack-requirements.txt" "$venv/made-from.txt"
