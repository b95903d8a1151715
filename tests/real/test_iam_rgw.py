"""The smallest policies of docs/iam.md on a server that no one here wrote: a second user of Ceph's gateway, who may do
what a bucket policy made of them says, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api.load import load_plan
from engine.plan.permissions import bucket_policy, policy
from tests.cli.commands import Ended, Terminal
from tests.cli.conftest import terminal
from tests.servers import Endpoint

__all__ = ["terminal"]

BUCKET = "iam-test"
KEY, SECRET = "IAMTESTKEY0000000001", "iamtestsecret0000000000000000000000000001"
EXISTS = 17
PLAN = f"""name = "moving"
bucket = "{BUCKET}"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "/project/raw/"
[cleanup]
hold = "0s"
"""


class Restricted:
    """The other user's terminal, and the owner's hand on the bucket's policy."""

    def __init__(self, terminal: Terminal, owner: Any, endpoint_url: str) -> None:
        self._terminal = terminal
        self._owner = owner
        named = f'[connection]\nendpoint_url = "{endpoint_url}"\n'  # by which the policies are those for another server
        (terminal.folder / "moving.toml").write_text(PLAN + named)

    def call(self, *arguments: str) -> Ended:
        """Run a command under the policy that is in force."""
        return self._terminal.call(*arguments)

    def put(self, document: dict[str, Any]) -> None:
        self._owner.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(document))

    def under(self, command: str, *arguments: str) -> Ended:
        """Run a command under its own policy."""
        made = policy(load_plan(self._terminal.folder / "moving.toml"), command)
        for statement in made["Statement"]:
            statement["Principal"] = {"AWS": ["arn:aws:iam:::user/other"]}
            if "s3:DeleteObject" in statement["Action"]:
                statement["Resource"].append(f"arn:aws:s3:::{BUCKET}")  # the gateway asks for a batch's bucket as well
        self.put(made)
        return self.call(*arguments)


@pytest.fixture
def restricted(rgw: Endpoint, terminal: Terminal) -> Iterator[Restricted]:
    assert rgw.folder is not None
    create_user(rgw.folder)
    owner = rgw.client()
    owner.create_bucket(Bucket=BUCKET)
    for number in range(5):
        owner.put_object(Bucket=BUCKET, Key=f"data/raw/{number}", Body=bytes([number]) * 100)
    owner.put_object(Bucket=BUCKET, Key="data/secret/x", Body=b"not for the other")
    terminal.on(replace(rgw, access_key=KEY, secret_key=SECRET))
    yield Restricted(terminal, owner, rgw.url)
    for item in owner.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        owner.delete_object(Bucket=BUCKET, Key=item["Key"])
    owner.delete_bucket(Bucket=BUCKET)


def create_user(folder: Path) -> None:
    environment = os.environ | {"CEPH_ARGS": "--no-mon-config", "CEPH_CONF": str(folder / "ceph.conf")}
    identity = ["--uid=other", "--display-name=other", f"--access-key={KEY}", f"--secret-key={SECRET}"]
    done = subprocess.run(
        ["radosgw-admin", "-n", "client.rgw", "user", "create", *identity],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, EXISTS), done.stderr


def test_each_command_works_under_its_own_policy_on_cephs_gateway(restricted: Restricted) -> None:
    assume = ("--assume", "aws")
    for command, arguments in (
        ("list", ("ls", f"s3://{BUCKET}/data/raw/", "--recursive")),
        ("plan", ("plan", "moving.toml")),
        ("run", ("run", "moving.toml", *assume)),
        ("verify", ("verify", "moving.toml", "--deep")),
        ("verify", ("receipt", "moving.toml")),
        ("revert", ("revert", "moving.toml", "--delete", "--confirm", "moving", "--unconditional")),
        ("run", ("run", "moving.toml", *assume)),
        ("verify", ("verify", "moving.toml")),
        ("cleanup", ("cleanup", "moving.toml", "--delete", "--confirm", "moving", "--unconditional")),
    ):
        ended = restricted.under(command, *arguments)
        assert ended.code == 0, f"{arguments}: {ended.err}{ended.out}"


def test_what_is_not_in_the_policy_is_refused_on_cephs_gateway(restricted: Restricted) -> None:
    for command, arguments in (
        ("plan", ("ls", f"s3://{BUCKET}/data/secret/", "--recursive")),
        ("plan", ("run", "moving.toml", "--assume", "aws")),
        ("run", ("ls", f"s3://{BUCKET}/", "--recursive")),
    ):
        ended = restricted.under(command, *arguments)
        assert ended.code in (1, 3), f"{arguments}: {ended.out}"
        assert "access denied" in ended.err, ended.err


def test_a_colleague_reads_what_the_policy_gives_and_nothing_else(restricted: Restricted) -> None:
    made = bucket_policy(f"s3://{BUCKET}/data/raw/", "arn:aws:iam:::user/other")
    restricted.put(made.document)
    listed = restricted.call("ls", f"s3://{BUCKET}/data/raw/", "--recursive")
    assert (listed.code, len(listed.out.splitlines())) == (0, 5), listed.err
    copied = restricted.call("cp", f"s3://{BUCKET}/data/raw/", "./raw/", "--yes")
    assert copied.code == 0, copied.err
    for words in (
        ("ls", f"s3://{BUCKET}/data/secret/", "--recursive"),
        ("ls", f"s3://{BUCKET}/"),
        ("cp", f"s3://{BUCKET}/data/secret/x", "./x", "--yes"),
        ("cp", "./raw/", f"s3://{BUCKET}/data/raw/more/", "--yes", "--assume", "aws"),
    ):
        ended = restricted.call(*words)
        assert ended.code in (1, 3) and "access denied" in ended.err, f"{words}: {ended.out}{ended.err}"
