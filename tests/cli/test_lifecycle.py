"""`lifecycle` claims nothing of what it may not ask, and speaks of one key alone where one is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.plan import rule_effects
from engine.sandbox import FaultRule, SandboxSettings, start_sandbox
from tests.cli.commands import Terminal
from tests.servers import Endpoint

EXPIRES = {"ID": "a", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 1}}
OLDER = ("older", "older_bytes", "older_dollars_a_month")


@contextmanager
def versioned(terminal: Terminal, *denied: str) -> Iterator[Any]:
    """boto3 for a bucket that keeps versions, has a rule that expires everything, and two versions of one object."""
    faults = tuple(FaultRule("403", operation, probability=1) for operation in denied)
    with start_sandbox(SandboxSettings(faults=faults)) as sandbox:
        endpoint = Endpoint.of(sandbox)
        terminal.on(endpoint)
        sandbox.control("bucket", {"name": "bucket"})
        s3 = endpoint.client()
        s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_lifecycle_configuration(Bucket="bucket", LifecycleConfiguration={"Rules": [EXPIRES]})
        for _ in range(2):
            s3.put_object(Bucket="bucket", Key="p/1", Body=bytes(10 << 20))
        yield s3


@pytest.mark.parametrize(
    ("denied", "versions", "said"),
    [
        ("GetBucketVersioning", None, "whether the bucket keeps versions is not known: access denied"),
        ("ListObjectVersions", True, "older versions are not known: access denied"),
    ],
)
def test_versions_that_may_not_be_asked_for_are_not_none(
    terminal: Terminal, denied: str, versions: bool | None, said: str
) -> None:
    with versioned(terminal, denied):
        text = terminal.call("lifecycle", "s3://bucket/p/")
        summary = terminal.call("lifecycle", "s3://bucket/p/", "--json").summary
    assert text.code == 0 and said in text.out
    assert "all of it saves $0.00 a month" in text.out
    assert not any(line.startswith("and ") for line in text.out.splitlines())
    assert summary["versions"] is versions and [summary[name] for name in OLDER] == [None] * 3
    assert [item["saves_a_month"] for item in summary["effects"]] == [0]


def test_what_may_be_asked_for_is_counted(terminal: Terminal) -> None:
    with versioned(terminal):
        summary = terminal.call("lifecycle", "s3://bucket/p/", "--json").summary
    assert (summary["versions"], summary["older"], summary["notes"]) == (True, 1, [])


def test_what_bears_no_date_that_can_be_read_is_told(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule_effects, "ordinal_of", lambda day: 0)
    with versioned(terminal):
        summary = terminal.call("lifecycle", "s3://bucket/p/", "--json").summary
    assert summary["effects"][0]["objects"] == 0
    (note,) = summary["notes"]
    assert note.endswith("is not known, and not counted above: 2")


def test_of_one_key_its_own_uploads_are_counted(terminal: Terminal) -> None:
    with versioned(terminal) as s3:
        for key in ("p/1", "p/10", "p/1.tmp"):
            s3.create_multipart_upload(Bucket="bucket", Key=key)
        one = terminal.call("lifecycle", "s3://bucket/p/1", "--json").summary
        every = terminal.call("lifecycle", "s3://bucket/p/", "--json").summary
    assert (one["uploads"], every["uploads"]) == (1, 3)


def test_where_nothing_lies_that_is_said(terminal: Terminal) -> None:
    with versioned(terminal):
        one = terminal.call("lifecycle", "s3://bucket/p")
        mistyped = terminal.call("lifecycle", "s3://bucket/q/", "--abort-uploads", "7d", "--apply")
    assert one.code == 0 and "1 lies under s3://bucket/p/" in one.out
    assert mistyped.code == 0 and "s3://bucket/q/ holds nothing; near it hold something: s3://bucket/p/" in mistyped.out
