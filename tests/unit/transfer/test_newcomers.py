"""Another object at the key of one whose source was deleted, and what holds again once it is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model import Proof
from engine.plan.lifecycle import State
from engine.plan.record import Outcome
from tests.fake_store import FakeStore
from tests.unit.transfer.scene import ROUTE, open_ledger, run_once

KEYS = ("a", "b", "c")


@pytest.mark.parametrize("target", ["missing", "changed", "standing"])
async def test_where_it_goes_again_the_target_is_held_against_the_old_one_in_the_same_run(
    tmp_path: Path, target: str
) -> None:
    store = FakeStore()
    for key in KEYS:
        store.put(f"s3://bkt/old/{key}", key.encode())
    _, rows = await run_once(store, tmp_path / "l")
    async with await open_ledger(tmp_path / "l", ROUTE) as ledger:
        for state in (State.VERIFIED, State.DELETING, State.DELETED):
            ends = [Outcome.seen(key, state, rows[key].target_etag, proof=Proof.DIGEST) for key in KEYS]
            await ledger.conclude("r", ends)
    for key in KEYS:
        store.remove(f"s3://bkt/old/{key}")
    store.put("s3://bkt/old/b", b"a newcomer")
    _, rows = await run_once(store, tmp_path / "l")
    assert {key: row.state for key, row in rows.items()} == {
        "a": State.DELETED,
        "b": State.CONFLICT,
        "c": State.DELETED,
    }

    store.remove("s3://bkt/old/b")
    if target == "missing":
        store.remove("s3://bkt/new/b")
    elif target == "changed":
        store.put("s3://bkt/new/b", b"somebody else's")
    run, rows = await run_once(store, tmp_path / "l")
    stands = target == "standing"
    assert rows["b"].state is (State.DELETED if stands else State.LOST)
    assert run.counters.aside == (0 if stands else 1)
