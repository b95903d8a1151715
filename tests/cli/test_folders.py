"""Local folders and other endpoints from the command line, as they are typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import Terminal, assert_said_well
from tests.servers import Endpoint

BUCKET = "typed"


@pytest.fixture
def client(sandbox: Endpoint, terminal: Terminal) -> Any:
    terminal.on(sandbox)
    client = sandbox.client()
    if BUCKET not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    for key in ("p/a", "p/deep/b"):
        client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    return client


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_side_is_at_an_endpoint_of_its_own_and_the_ledger_remembers_it(
    terminal: Terminal, client: Any, sandbox: Endpoint
) -> None:
    terminal.set(AWS_ENDPOINT_URL_S3="http://127.0.0.1:9")  # where nothing is, and nothing is asked
    flags = ("--from-endpoint-url", sandbox.url, "--from-region", sandbox.region)
    ended = terminal.call("cp", f"s3://{BUCKET}/p/", "./clone/", *flags, "--ledger", "clone.ledger")
    assert ended.code == 0, ended.err
    assert files(terminal.folder / "clone") == {"a": b"p/a", "deep/b": b"p/deep/b"}
    assert terminal.call("verify", "--ledger", "clone.ledger").code == 0
    assert terminal.call("status", "--ledger", "clone.ledger").code == 0


def test_a_flag_of_an_endpoint_is_refused_for_a_local_side(terminal: Terminal) -> None:
    ended = terminal.call("cp", "s3://bucket/p/", "./clone/", "--to-profile", "other")
    assert_said_well(ended, "cp")
    assert ended.code == 2
    assert "--to-profile" in ended.err and "./clone/" in ended.err
