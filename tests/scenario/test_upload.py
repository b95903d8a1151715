"""A local folder taken into a bucket: every kind of file, proven by what S3 says of it, and gone on with after a stop.
The sandbox stands in for S3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.api.options import Options
from engine.api.plan import survey
from engine.api.run import migrate
from engine.api.verify import verify
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord
from engine.s3.wire_store import WireStore
from engine.store import UploadPart
from tests.servers import Endpoint

BUCKET = "upload-target"
BODY = b"a card\n" * 1000
MIB = 1 << 20


@pytest.fixture(autouse=True)
def client(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return sandbox.emptied(BUCKET)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def put(folder: Path, name: str, body: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    os.utime(path, ns=(1_700_000_000_250_000_000, 1_700_000_000_250_000_000))
    return path


def large(size: int = 20 * MIB + 5) -> bytes:
    return bytes(range(256)) * (size // 256) + bytes(size % 256)


def plan_of(folder: Path, **rules: Any) -> Plan:
    return Plan.of(f"{folder}/", f"s3://{BUCKET}/p/", name="upload", folder=folder.parent, **rules)


def options(folder: Path) -> Options:
    return Options(ledger=folder.parent / "upload.ledger")


async def rows(folder: Path) -> dict[str, ObjectRecord]:
    async with await LedgerReader.open_to_read(folder.parent / "upload.ledger") as ledger:
        return {row.key: row async for batch in ledger.records() for row in batch}


async def test_every_kind_arrives_with_its_bytes_and_is_proven(client: Any, folder: Path) -> None:
    bodies = {
        "plain.txt": BODY,
        "empty": b"",
        "deep/er/ümlaut\n.bin": BODY,
        "large.bin": large(),
        "8 MiB": large(8 * MIB),
    }
    for name, body in bodies.items():
        put(folder, name, body)
    (folder / "a folder").mkdir()
    result = await migrate(plan_of(folder), options(folder))
    assert (result.copied, result.complete) == (6, True)
    for name, body in bodies.items():
        got = client.get_object(Bucket=BUCKET, Key=f"p/{name}", ChecksumMode="ENABLED")
        assert got["Body"].read() == body
        assert got["ChecksumType"] == "FULL_OBJECT" and got["ChecksumCRC64NVME"]
        assert got["Metadata"]["mtime"] == "1700000000.250000000"
        assert got["Metadata"]["mode"].startswith("0100")
    assert client.head_object(Bucket=BUCKET, Key="p/plain.txt")["ContentType"] == "text/plain"
    assert client.head_object(Bucket=BUCKET, Key="p/a folder/")["ContentLength"] == 0
    found = await rows(folder)
    assert {key: (row.proof, row.method) for key, row in found.items()} == dict.fromkeys(
        [*bodies, "a folder/"], (Proof.DIGEST, "upload")
    )
    assert (await verify(plan_of(folder), options(folder))).agrees
    again = await migrate(plan_of(folder), options(folder))
    assert (again.copied, again.complete) == (0, True)


async def test_the_plan_counts_the_requests_of_an_upload(folder: Path) -> None:
    put(folder, "small", BODY)
    put(folder, "large", large())
    (found,) = (await survey(plan_of(folder), options(folder))).routes
    assert (found.to_copy, found.copy_requests, found.head_requests) == (2, 1 + 3 + 2, 0)


async def test_a_file_that_changes_in_the_middle_of_a_run_is_drifted_and_taken_by_the_next(
    client: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(folder, "large", large())
    send_from = WireStore.send_from

    async def changing(self: WireStore, request: Any, source: Any) -> Any:
        if isinstance(request, UploadPart) and path.read_bytes() == large():
            path.write_bytes(large()[::-1])
        return await send_from(self, request, source)

    monkeypatch.setattr(WireStore, "send_from", changing)
    first = await migrate(plan_of(folder), Options(ledger=options(folder).ledger, concurrency=1))
    assert first.aside == {State.DRIFTED: 1}
    assert "Uploads" not in client.list_multipart_uploads(Bucket=BUCKET)
    assert (await migrate(plan_of(folder), options(folder))).complete
    assert client.get_object(Bucket=BUCKET, Key="p/large")["Body"].read() == large()[::-1]


async def test_a_file_that_gives_bytes_and_has_no_size_is_left_and_named(
    client: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of /proc: nothing is taken for an empty file of it, nor for its copy."""
    inodes = [put(folder, name, b"").stat().st_ino for name in ("made up", "there")]
    put(folder, "empty", b"")
    client.put_object(Bucket=BUCKET, Key="p/there", Body=b"")
    pread = os.pread

    def made_up(descriptor: int, length: int, offset: int) -> bytes:
        return b"1" if os.fstat(descriptor).st_ino in inodes else pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", made_up)
    result = await migrate(plan_of(folder), options(folder))
    assert (result.copied, result.aside) == (1, {State.FAILED: 2})
    found = await rows(folder)
    assert [found[key].code for key in ("made up", "there")] == ["NoSize"] * 2
