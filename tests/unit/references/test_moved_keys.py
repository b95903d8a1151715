"""What is asked of a ledger about the keys that a text names, and what that costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
