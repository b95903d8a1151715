"""A ledger that was overwritten, cut or lengthened anywhere: it is refused in words, or it works. Nothing else."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from engine.errors import LedgerCorrupt, LedgerError
from engine.ledger import LedgerReader
from engine.model import UploadedPart
from engine.plan.lifecycle import State
from tests.faults.amount import examples
from tests.unit.ledger.scene import decision, opened, outcome, upload

ROWS = 300


async def make(path: Path) -> None:
    async with opened(path) as ledger:
        keys = [f"images/{number:04}.png" for number in range(ROWS)]
        await ledger.decide("raw", [decision(key) for key in keys])
        await ledger.conclude("raw", [outcome(key) for key in keys[:200]])
        await ledger.decide("model", [decision("")])
        await ledger.intend_upload(upload(keys[250]))
        await ledger.set_upload_id("raw", keys[250], "upload-1")
        await ledger.record_parts("raw", keys[250], [UploadedPart(1, "e", 5)])
        await ledger.accept("raw.objects", "300", "because")
        await ledger.set_note("honours", {"if_match": True})
        await ledger.keep("manifest", "m.json", "e", b"{}")


@pytest.fixture(scope="module")
def whole() -> bytes:
    folder = Path(tempfile.mkdtemp(prefix="cartage-damage-"))
    try:
        path = folder / "moving.ledger"
        asyncio.run(make(path))
        return path.read_bytes()
    finally:
        shutil.rmtree(folder)


async def use(path: Path) -> None:
    """Everything that a run asks of a ledger, and a write."""
    async with opened(path) as ledger:
        for route in ("raw", "model"):
            await ledger.entries(route, None, None, 1_000)
        _ = [batch async for batch in ledger.records()]
        await ledger.tallies()
        await ledger.snapshots()
        await ledger.open_uploads()
        await ledger.parts("raw", "images/0250.png")
        await ledger.acceptances()
        await ledger.note("honours")
        await ledger.kept("manifest")
        await ledger.decide("raw", [decision("new")])
        await ledger.conclude("raw", [outcome("images/0299.png")])


async def look(path: Path) -> None:
    async with await LedgerReader.open_to_read(path) as reader:
        await reader.binding()
        await reader.tallies()
        _ = [batch async for batch in reader.records(states=[State.PLANNED, State.FAILED])]


@settings(max_examples=examples(60))
@given(
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64)), max_size=4),
    length=st.one_of(st.just(1.0), st.floats(0, 1.5)),
)
def test_a_damaged_ledger_is_refused_in_words_or_works(
    whole: bytes, damage: list[tuple[float, bytes]], length: float
) -> None:
    data = bytearray(whole)
    for share, written in damage:
        at = int(share * len(data))
        data[at : at + len(written)] = written
    data = data[: int(len(whole) * length)] + bytes(max(0, int(len(whole) * (length - 1))))
    folder = Path(tempfile.mkdtemp(prefix="cartage-damage-"))
    try:
        path = folder / "moving.ledger"
        for work in (look, use):
            path.write_bytes(data)
            try:
                asyncio.run(work(path))
            except LedgerError as error:
                assert str(path) in error.message or "came before any decision" in error.message, error.message
                if not isinstance(error, LedgerCorrupt):
                    assert error.message
    finally:
        shutil.rmtree(folder)
