"""Who is at work on a ledger in S3 is seen from elsewhere: a look ends nobody's run."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import anyio
import pytest

import engine.journal.holding
from engine.errors import AccessDenied, LedgerLocked
from engine.journal.holding import STALE_S, AtWork
from engine.journal.journal import Fenced
from engine.journal.views import Journals
from engine.ledger import ShardedLedger
from engine.model import Location
from engine.store import DeleteObject, PutObject
from tests.fake_store import FakeStore
from tests.unit.ledger.scene import BINDING, Clock

PLACE = Location("state", "cartage/moving/")
SIGN = ("state", "cartage/moving/at-work/index")
RUN = AtWork("run", "one", "2026-01-31T10:00:00.000Z", "cartage status p.toml --state s3://state/cartage/", True)
LOOK = AtWork("cleanup", "other", "2026-01-31T11:00:00.000Z", "cartage status q.toml --state s3://state/cartage/")


async def opened(path: Path, store: FakeStore, holder: AtWork) -> ShardedLedger:
    return await ShardedLedger.open(path, BINDING, now_ms=Clock(), journals=Journals(store, PLACE, holder))


async def test_who_is_seen_at_work_is_not_taken_over_by_a_look(tmp_path: Path) -> None:
    store = FakeStore()
    async with await opened(tmp_path / "one", store, RUN) as run:
        store.now_s += 3
        there = dict(store.objects)
        with pytest.raises(LedgerLocked) as refused:
            await opened(tmp_path / "other", store, LOOK)
        assert refused.value.message == (
            '"cartage run" at one, since 2026-01-31T10:00:00.000Z, is at work on s3://state/cartage/moving/; it was '
            "seen 3 s ago."
        )
        assert refused.value.advice.endswith("look at it with: cartage status q.toml --state s3://state/cartage/")
        assert store.objects == there
        await run.set_note("goes", "on")
    assert SIGN not in store.objects
    async with await opened(tmp_path / "other", store, LOOK) as other:
        assert await other.note("goes") == "on"


async def test_a_run_takes_over_and_whoever_had_it_is_told_by_whom_and_where_to_look(tmp_path: Path) -> None:
    store = FakeStore()
    async with await opened(tmp_path / "other", store, LOOK) as other:
        run = await opened(tmp_path / "one", store, RUN)
        with pytest.raises(Fenced, match=r'"cartage run" at one, since .*, took s3://state/.*/index/ over') as told:
            await other.set_note("comes", "too late")
        assert told.value.advice.endswith(f"Look at it with: {LOOK.look}")
    assert SIGN in store.objects, "it is the run's"
    await run.close()


async def test_whom_a_run_ended_does_not_sign_over_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take minutes to find out that it was ended."""
    monkeypatch.setattr(engine.journal.holding, "RENEWED_EVERY_S", 0.0)
    store = FakeStore()
    signed: list[str] = []
    first = await opened(tmp_path / "one", store, RUN)
    second = await opened(tmp_path / "two", store, replace(RUN, host="two"))

    async def note(operation: str, request: object) -> None:
        if isinstance(request, PutObject):
            signed.append(json.loads(request.body)["host"])

    store.before = note
    with anyio.fail_after(60):
        while len(signed) < 10:
            await anyio.lowlevel.checkpoint()
    assert set(signed[1:]) == {"two"}, "the first may have been on its way"
    await first.close()
    assert SIGN in store.objects
    await second.close()
    assert SIGN not in store.objects


async def test_who_was_not_seen_for_long_is_gone(tmp_path: Path) -> None:
    store = FakeStore()
    async with await opened(tmp_path / "one", store, RUN) as run:
        store.now_s += STALE_S
        async with await opened(tmp_path / "other", store, LOOK):
            with pytest.raises(Fenced, match='"cartage cleanup" at other'):
                await run.set_note("comes", "too late")


async def test_who_was_seen_nobody_can_say_when_is_not_taken_for_gone(tmp_path: Path) -> None:
    """The server's date of the sign cannot be read."""
    store = FakeStore()
    run = await opened(tmp_path / "one", store, RUN)
    store.objects[SIGN].modified = "yesterday"
    with pytest.raises(LedgerLocked, match=r"is at work on .*; when it was seen last cannot be told\.") as refused:
        await opened(tmp_path / "other", store, LOOK)
    assert refused.value.advice.startswith("If it has ended, remove s3://state/cartage/moving/at-work/index. ")
    await run.set_note("goes", "on")
    await run.close()
    await (await opened(tmp_path / "other", store, LOOK)).close()


async def test_who_was_killed_on_this_machine_is_known_to_be_gone(tmp_path: Path) -> None:
    """Its ledger is locked by us."""
    store = FakeStore()
    run = await opened(tmp_path / "one", store, RUN)
    left = copy.copy(store.objects[SIGN])
    await run.close()
    store.objects[SIGN] = left
    with pytest.raises(LedgerLocked):
        await opened(tmp_path / "other", store, LOOK)
    await (await opened(tmp_path / "one", store, LOOK)).close()


async def test_a_claim_that_fails_leaves_no_sign(tmp_path: Path) -> None:
    store = FakeStore()

    async def refuse(operation: str, request: object) -> None:
        if isinstance(request, PutObject) and "/index/" in request.ref.key:
            raise AccessDenied("no", operation=operation)

    store.before = refuse
    with pytest.raises(AccessDenied):
        await opened(tmp_path / "one", store, RUN)
    assert SIGN not in store.objects


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"command": 1}'])
async def test_what_is_no_sign_stands_in_nobodys_way(tmp_path: Path, body: bytes) -> None:
    store = FakeStore()
    store.put("s3://state/cartage/moving/at-work/index", body)
    await (await opened(tmp_path / "other", store, LOOK)).close()


async def test_a_later_version_that_says_more_is_somebody_all_the_same(tmp_path: Path) -> None:
    store = FakeStore()
    store.put("s3://state/cartage/moving/at-work/index", json.dumps(asdict(RUN) | {"more": 1}).encode())
    with pytest.raises(LedgerLocked, match='"cartage run" at one'):
        await opened(tmp_path / "other", store, LOOK)


async def test_it_is_seen_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.journal.holding, "RENEWED_EVERY_S", 0.0)
    store = FakeStore()
    async with await opened(tmp_path / "one", store, RUN):
        store.now_s += STALE_S
        before = store.objects[SIGN]
        with anyio.fail_after(60):
            while store.objects[SIGN] is before:
                await anyio.lowlevel.checkpoint()
        with pytest.raises(LedgerLocked):
            await opened(tmp_path / "other", store, LOOK)


async def test_a_scope_that_was_cancelled_leaves_neither_sign_nor_writer(tmp_path: Path) -> None:
    """As by a second Ctrl-C."""
    store = FakeStore()
    with anyio.CancelScope() as scope:
        async with await opened(tmp_path / "one", store, RUN):
            scope.cancel()
            await anyio.lowlevel.checkpoint()
    assert SIGN not in store.objects
    assert not [thread for thread in threading.enumerate() if thread.name == "ledger-writer"]


async def test_a_task_that_is_cancelled_while_the_sign_is_taken_away_leaves_no_writer(tmp_path: Path) -> None:
    """By asyncio's own cancellation, which no scope holds off."""
    store, come = FakeStore(), asyncio.Event()

    async def wait(operation: str, request: object) -> None:
        if isinstance(request, DeleteObject):
            come.set()
            await anyio.sleep_forever()

    ledger = await opened(tmp_path / "one", store, RUN)
    store.before = wait
    closing = asyncio.ensure_future(ledger.close())
    await come.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not [thread for thread in threading.enumerate() if thread.name == "ledger-writer"]
