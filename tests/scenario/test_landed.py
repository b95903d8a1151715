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
        patched.setattr(Recorder, "_commit", _killed)
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
