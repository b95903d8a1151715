"""What is asked of a ledger about the keys that a text names, and what that costs."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from engine.errors import LedgerCorrupt
from engine.ledger import Binding, Ledger
from engine.plan.binding import RouteBinding
from engine.plan.lifecycle import State
from engine.plan.record import Decision, Entry
from engine.references.judging import Lookup
from engine.references.moved_keys import MovedKeys

ROUTE = RouteBinding("r", "s3://a/", "s3://b/", "")


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with await Ledger.open(tmp_path / "p.ledger", Binding("p", "e", (ROUTE,)), now_ms=lambda: 1) as opened:
        none = Decision("none", 1, "e", "", "", "", State.PLANNED)
        many = [none._replace(key=f"many/{number:04}", state=State.COPIED, target_etag="e") for number in range(2_500)]
        await opened.decide("r", [*many, none])
        yield opened


@pytest.fixture
def rows_read(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each request for several of them gave."""
    read: list[int] = []
    before = ledger.entries

    async def entries(route: str, after: str | None, upto: str | None, limit: int) -> list[Entry]:
        found = await before(route, after, upto, limit)
        read.append(len(found))
        return found

    monkeypatch.setattr(ledger, "entries", entries)
    return read


async def test_an_object_costs_its_own_row_alone_while_others_are_not_in_place(
    ledger: Ledger, rows_read: list[int]
) -> None:
    def ask(lookup: Lookup) -> list[bool | None]:
        return [lookup("r", key).exact for key in ("many/0007", "none", "other")]

    assert await MovedKeys(ledger).answering(ask) == [True, False, None]
    assert rows_read == []


async def test_a_folder_of_thousands_costs_one_row_while_others_are_not_in_place(
    ledger: Ledger, rows_read: list[int]
) -> None:
    assert await MovedKeys(ledger).answering(lambda lookup: lookup("r", "many/").under) is True
    assert rows_read == [1]


async def test_a_text_is_gone_through_twice_at_most_and_once_where_all_is_known(ledger: Ledger) -> None:
    """One question may lead to the next: each is answered while it is asked."""
    times: list[int] = []

    def work(lookup: Lookup) -> list[bool | None]:
        times.append(1)
        names = ["many/0001", "other", "none"]
        return [lookup("r", name).exact or lookup("r", name).under or lookup("r", name + "/").exact for name in names]

    keys = MovedKeys(ledger)
    for passes in (2, 1):
        assert await keys.answering(work) == [True, None, None]
        assert len(times) == passes
        times.clear()


async def test_who_is_cancelled_does_not_wait_for_the_text_which_asks_no_more(ledger: Ledger) -> None:
    """Minutes may go by in one long file. What is left to itself is not heard again, nor does it ask the ledger."""
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()
    answers: list[bool | None] = []

    def work(lookup: Lookup) -> None:
        try:
            answers.append(lookup("r", "none").exact)
            begun.set()
            go_on.wait(60)
            answers.append(lookup("r", "none").exact)
        finally:
            ended.set()

    async with anyio.create_task_group() as group:
        group.start_soon(MovedKeys(ledger).answering, work)
        await anyio.to_thread.run_sync(begun.wait, 60)
        group.cancel_scope.cancel()
    assert not ended.is_set(), "the cancelled waited for it"
    go_on.set()
    assert await anyio.to_thread.run_sync(ended.wait, 60)
    assert len(answers) == 1


async def test_what_the_ledger_raises_comes_out_as_it_is(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    async def entry(route: str, key: str) -> Entry | None:
        raise LedgerCorrupt("it is damaged")

    monkeypatch.setattr(ledger, "entry", entry)
    with pytest.raises(LedgerCorrupt, match="it is damaged"):
        await MovedKeys(ledger).answering(lambda lookup: lookup("r", "none").exact)
