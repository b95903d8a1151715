"""The table of docs/proof.md is what happens: each kind of object copied and verified, and the page compared with it.

With CARTAGE_WRITE_DOCS=1 the page is brought up to date instead.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
import pytest
from botocore.config import Config

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.status import status
from engine.api.verify import verify
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.record import ObjectRecord
from engine.proof.depth import Depth
from engine.sandbox import Sandbox, start_sandbox
from tests.scenario.kinds import KINDS, KMS_TARGET, OLD, SOURCE, TARGET, ObjectKind
from tests.servers import Endpoint

PAGE = Path(__file__).parents[2] / "docs" / "proof.md"
CAN = {
    "sandbox": {"old", "checksums", "kms", "part numbers", "upload tags", "virtual", "archive"},
    "localstack": {"checksums", "part numbers", "upload tags", "archive"},
    "rgw": set(),
}
"""What each server is able to, of what a kind may need. LocalStack gives an MD5 as ETag under KMS, and no server but
the sandbox can hold an object that is older than S3's default checksums."""

LISTINGS = {
    "ListObjectsV2",
    "HeadBucket",
    "GetBucketVersioning",
    "GetBucketLifecycleConfiguration",
    "GetBucketAcl",
    "GetBucketEncryption",
    "GetBucketReplication",
}
ORDER = (
    "HeadObject",
    "GetObjectTagging",
    "CopyObject",
    "CreateMultipartUpload",
    "UploadPartCopy",
    "CompleteMultipartUpload",
)
METHODS = {
    "copy": "CopyObject",
    "copy+checksum": "CopyObject, asked for the source's checksum",
    "parts of the source": "by the source's own parts",
    "parts": "by parts of our own size",
    "": "–",
}


@dataclass(frozen=True, slots=True)
class Line:
    """What the ledger holds of one object after the run, a verification, and a deep one of what is below digest."""

    kind: ObjectKind
    copied: ObjectRecord
    verified: ObjectRecord
    deep: ObjectRecord
    requests: dict[str, int] | None

    def cells(self) -> list[str]:
        copied, verified = self.copied, self.verified
        if copied.method == "":
            return [self.kind.name, f"not copied: {copied.state.value}", copied.code, "–", "–", self._asked()]
        levels = [record.proof.name.lower() for record in (copied, verified, self.deep)]
        return [
            self.kind.name,
            METHODS[copied.method],
            verified.compared,
            levels[1] if levels[0] == levels[1] else f"{levels[0]}, then {levels[1]}",
            levels[2],
            self._asked(),
        ]

    def _asked(self) -> str:
        if self.requests is None:
            return "–"
        order = sorted(self.requests.items(), key=lambda item: ORDER.index(item[0]))
        return ", ".join(f"{count} {name}" for name, count in order) or "none"


def table(lines: list[Line]) -> str:
    head = ["object", "copied", "compared", "proof", "after `--deep=below-digest`", "requests, listings aside"]
    rows = [head, ["---"] * len(head), *(line.cells() for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def check_page(name: str, made: str) -> None:
    """The page holds this table between its marks, or is given it."""
    text = PAGE.read_text(encoding="utf-8")
    begin, end = f"<!-- made by tests/scenario/test_proof_table.py: {name} -->\n", f"\n<!-- end: {name} -->"
    head, found, rest = text.partition(begin)
    assert found, f"{PAGE.name} has no place for the table {name!r}"
    there, found, tail = rest.partition(end)
    assert found
    if os.environ.get("CARTAGE_WRITE_DOCS") == "1":
        PAGE.write_text(head + begin + made + end + tail, encoding="utf-8")
    else:
        assert there == made, "docs/proof.md is out of date: run this test with CARTAGE_WRITE_DOCS=1"


async def travel(kind: ObjectKind, key: str, options: Options, count: Any) -> Line:
    """Copy one object and verify it, twice."""
    plan = Plan.of(f"s3://{kind.bucket}/{key}", f"s3://{kind.target}/copies/{KINDS.index(kind)}", name="one")
    count()
    await migrate(plan, options)
    requests = count()
    copied = await record_of(options)
    await verify(plan, options)
    verified = await record_of(options)
    await verify(plan, options, depth=Depth(below=Proof.DIGEST))
    return Line(kind, copied, verified, await record_of(options), requests)


async def record_of(options: Options) -> ObjectRecord:
    assert options.ledger is not None
    assert (await status(options.ledger)).snapshots[0].closed_ms
    async with await LedgerReader.open_to_read(options.ledger) as reader:
        (record,) = [record async for batch in reader.records() for record in batch]
    return record


@pytest.fixture
def virtual() -> Iterator[tuple[Sandbox, Endpoint]]:
    """A sandbox of its own: its buckets have names that others may want, and its requests are counted."""
    with start_sandbox() as sandbox:
        yield sandbox, Endpoint.of(sandbox)


def prepare(endpoint: Endpoint, kinds: list[ObjectKind]) -> dict[str, str]:
    """Make the buckets and every object; gives each kind's key."""
    client = endpoint.client()
    where = {"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}}
    located = endpoint.region != "us-east-1" and endpoint.name != "rgw"
    for bucket in (SOURCE, OLD, TARGET, KMS_TARGET):
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket, **(where if located else {}))
    if "kms" in CAN[endpoint.name]:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
        client.put_bucket_encryption(Bucket=KMS_TARGET, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return {kind.name: kind.there or f"k{number:02}" for number, kind in enumerate(kinds)}


async def lines_of(
    endpoint: Endpoint, folder: Path, monkeypatch: pytest.MonkeyPatch, kinds: list[ObjectKind], count: Any
) -> list[Line]:
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)
    keys = prepare(endpoint, kinds)
    client = without_checksums(endpoint)
    lines: list[Line] = []
    for kind in kinds:
        kind.make(client, kind.bucket, keys[kind.name])
        # The sandbox is taken for AWS, where nothing has to be tried out first.
        assume: Literal["", "aws"] = "aws" if endpoint.name == "sandbox" else ""
        options = Options(ledger=folder / f"{len(lines)}.ledger", endpoint_url=endpoint.url, assume=assume)
        lines.append(await travel(kind, keys[kind.name], options, count))
    return lines


def without_checksums(endpoint: Endpoint) -> Any:
    """A client that sends no checksum of its own accord, as every SDK did until December 2024."""
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    return boto3.client(
        "s3",
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key,
        aws_secret_access_key=endpoint.secret_key,
        region_name=endpoint.region,
        config=config,
    )


def those_for(server: str) -> list[ObjectKind]:
    return [kind for kind in KINDS if kind.needs <= CAN[server]]


async def test_the_sandbox_s_table(
    virtual: tuple[Sandbox, Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, endpoint = virtual
    for bucket, legacy in (("reference-new", False), ("reference-old", True)):
        sandbox.control("reference", {"bucket": bucket, "scale": 0.001, "legacy_checksums": legacy})
    sandbox.control("bucket", {"name": OLD, "legacy_checksums": True})

    def count() -> dict[str, int]:
        found = sandbox.control("stats")["operations"]
        sandbox.control("reset_stats")
        return {name: sum(counts.values()) for name, counts in found.items() if name not in LISTINGS}

    lines = await lines_of(endpoint, tmp_path, monkeypatch, those_for("sandbox"), count)
    assert len(lines) == len(KINDS)
    for line in lines:
        if line.copied.method:
            assert line.verified.proof is line.copied.proof or line.copied.proof < line.verified.proof
            assert line.deep.proof is (Proof.BYTES if line.verified.proof < Proof.DIGEST else line.verified.proof)
    plain = lines[0]
    assert plain.requests == {"CopyObject": 1} and plain.copied.proof is Proof.DIGEST
    check_page("sandbox", table(lines))


@pytest.mark.real
@pytest.mark.parametrize("server", ["localstack", "rgw"])
async def test_a_real_server_s_table(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    endpoint: Endpoint = request.getfixturevalue(server)
    lines = await lines_of(endpoint, tmp_path, monkeypatch, those_for(server), lambda: None)
    check_page(server, table(lines))
