"""Another object at the key of one whose source was deleted, and what holds again once it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.events import Event, Notice
from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from tests.fake_store import FakeStore
from tests.unit.transfer.scene import ROUTE, open_ledger, run_once

KEYS = ("a", "b", "c")


async def followed(store: FakeStore, path: Path) -> None:
    """Three sources that were proven and deleted, and a newcomer at the key of the second."""
    for key in KEYS:
        store.put(f"s3://bkt/old/{key}", key.encode())
    _, rows = await run_once(store, path)
    async with await open_ledger(path, ROUTE) as ledger:
        for state in (State.VERIFIED, State.DELETING, State.DELETED):
            ends = [Outcome.seen(key, state, rows[key].target_etag, proof=Proof.DIGEST) for key in KEYS]
            await ledger.conclude("r", ends)
    for key in KEYS:
        store.remove(f"s3://bkt/old/{key}")
    store.put("s3://bkt/old/b", b"a newcomer")
    _, rows = await run_once(store, path)
    assert {key: row.state for key, row in rows.items()} == {
        "a": State.DELETED,
        "b": State.CONFLICT,
        "c": State.DELETED,
    }


@pytest.mark.parametrize("target", ["missing", "changed", "standing"])
async def test_where_it_goes_again_the_target_is_held_against_the_old_one_in_the_same_run(
    tmp_path: Path, target: str
) -> None:
    store = FakeStore()
    await followed(store, tmp_path / "l")
    store.remove("s3://bkt/old/b")
    if target == "missing":
        store.remove("s3://bkt/new/b")
    elif target == "changed":
        store.put("s3://bkt/new/b", b"somebody else's")
    run, rows = await run_once(store, tmp_path / "l")
    stands = target == "standing"
    assert rows["b"].state is (State.DELETED if stands else State.LOST)
    assert run.counters.aside == (0 if stands else 1)


@pytest.mark.parametrize("key", ["a", "b"])
async def test_that_a_proven_target_is_gone_is_said_where_a_newcomer_takes_its_place(tmp_path: Path, key: str) -> None:
    """Whether it came in this run or was in conflict before: no row says so afterwards."""
    store, heard = FakeStore(), list[Event]()
    await followed(store, tmp_path / "l")
    store.put(f"s3://bkt/old/{key}", b"a newcomer")
    store.put("s3://bkt/old/c", b"c")  # the very source is back: nothing is lost with its copy
    for gone in (key, "c"):
        store.remove(f"s3://bkt/new/{gone}")
    _, rows = await run_once(store, tmp_path / "l", listener=heard.append)
    assert {rows[key].state, rows["c"].state} == {State.COPIED}
    [said] = [item for item in heard if isinstance(item, Notice) and item.code == "ProvenGone"]
    assert said.message.startswith(f"r: 1 target gone that cleanup relied on when it deleted the source, first {key!r}")
    await run_once(store, tmp_path / "l", listener=heard.append)
    assert len([item for item in heard if isinstance(item, Notice) and item.code == "ProvenGone"]) == 1
