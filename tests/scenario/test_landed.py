"""Bytes that had arrived when a run was ended, before its ledger knew: the next run looks, and sends none again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from engine.api.options import Options
from engine.api.run import migrate
from engine.ledger import LedgerReader
from engine.model import MIB, Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.s3.wire_store import WireStore
from engine.transfer.recorder import Recorder
from tests.servers import Endpoint

BUCKET = "landed"


class Killed(BaseException):
    """The process is gone."""


async def _killed(recorder: Recorder) -> None:
    if recorder._count == 2:  # both have landed
        raise Killed


@pytest.mark.parametrize("way", ["clone", "upload"])
async def test_what_had_landed_is_not_sent_again(
    sandbox: Endpoint, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    client, bucket = sandbox.client(), f"{BUCKET}-{way}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    folder, prefix = f"{tmp_path}/files/", f"s3://{bucket}/p/"
    Path(folder).mkdir()
    bodies = {"small": b"a card", "large": os.urandom(20 * MIB)}
    for name, body in bodies.items():
        if way == "clone":
            client.put_object(Bucket=bucket, Key=f"p/{name}", Body=body)
        else:
            (Path(folder) / name).write_bytes(body)
    ends = (prefix, folder) if way == "clone" else (folder, prefix)
    plan, options = Plan.of(*ends, name="p", folder=tmp_path), Options(ledger=tmp_path / "p.ledger")
    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "finish", _killed)
        with pytest.raises(BaseException) as ended:
            await migrate(plan, options)
    assert "Killed" in repr(ended.value)
    moved: list[str] = []
    for name in ("fetch_into", "send_from"):
        original = getattr(WireStore, name)

        async def watched(self: WireStore, request: Any, *more: Any, through: Any = original) -> Any:
            moved.append(request.operation)
            return await through(self, request, *more)

        monkeypatch.setattr(WireStore, name, watched)
    assert (await migrate(plan, options)).complete
    assert moved == []
    async with await LedgerReader.open_to_read(tmp_path / "p.ledger") as ledger:
        rows = [row async for batch in ledger.records() for row in batch]
    assert {row.key: (row.state, row.proof) for row in rows} == dict.fromkeys(bodies, (State.COPIED, Proof.DIGEST))


async def test_what_a_power_cut_emptied_is_written_again_and_nothing_of_anyones(
    sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without syncs a file may have its name, its length and its time, and none of its bytes."""
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    client, bucket, folder = sandbox.client(), f"{BUCKET}-cut", tmp_path / "files"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    bodies = {name: os.urandom(3 * MIB) for name in ("emptied", "zeroed", "rewritten", "touched")}
    for name, body in bodies.items():
        client.put_object(Bucket=bucket, Key=f"p/{name}", Body=body)
    plan = Plan.of(f"s3://{bucket}/p/", f"{folder}/", name="p", folder=tmp_path)
    options = Options(ledger=tmp_path / "p.ledger", durability="none")

    async def killed(recorder: Recorder) -> None:
        if recorder._count == len(bodies):
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Recorder, "finish", killed)
        with pytest.raises(BaseException) as ended:
            await migrate(plan, options)
    assert "Killed" in repr(ended.value)
    theirs = b"z" * len(bodies["rewritten"])
    for name, left in {"emptied": b"", "zeroed": bytes(3 * MIB), "rewritten": theirs, "touched": b""}.items():
        time_ns = (folder / name).stat().st_mtime_ns + (name == "touched")
        (folder / name).write_bytes(left)
        os.utime(folder / name, ns=(time_ns, time_ns))
    result = await migrate(plan, options)
    assert (result.copied, result.aside) == (2, {State.CONFLICT: 2})
    held = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert held == {**bodies, "rewritten": theirs, "touched": b""}
