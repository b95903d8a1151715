"""What a run's processes tell of their requests, and what each is held to: by bucket and direction, in key order."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.events import OutOfReach, Progress
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.route import Route
from engine.plan.shards import Piece
from engine.shards.board import Board, FolderBoard, Held, Pace, Shares, StateBoard, Told
from engine.shards.rates import FORGOTTEN_AFTER_S, Holding, Met, Rates
from engine.sites.governor.sharing import Share
from engine.sites.pacing import Tally
from tests.fake_store.store import FakeStore

pytestmark = pytest.mark.anyio

PLAN = Plan("rates", (Route("a", Location("from", "x/"), Location("to", "y/")),))
PIECES = {
    7: (Piece("a", None, "k"),),
    2: (Piece("a", "k", "p"),),
    5: (Piece("a", "p", None),),
}
"""Numbered as they were begun, not as their keys are."""


def told(at_s: float, accepted: Mapping[int, float], refused_share: float, *, pid: int = 1) -> dict[int, Told]:
    """So many writes accepted a second since second 0, and a share refused of reads none."""
    return {
        number: Told(
            pid,
            Progress(),
            None,
            at_s,
            (
                Pace("", "from", True, int(at_s * 5_000), 0, 5_000.0),
                Pace("", "to", False, int(at_s * rps), int(at_s * rps * refused_share), rps),
            ),
        )
        for number, rps in accepted.items()
    }


def test_those_that_meet_share_what_they_write_and_read_as_before() -> None:
    rates, fighting = Rates(PLAN), {7: 3_000.0, 2: 200.0, 5: 300.0}
    for at_s in (2.0, 4.0):
        assert rates.turn(told(at_s, fighting, 0.03), PIECES) is None
    shares = rates.turn(told(6.0, fighting, 0.03), PIECES)
    assert shares is not None
    assert {(item.number, item.bucket, item.reads) for item in shares.held} == {
        (7, "to", False),
        (2, "to", False),
        (5, "to", False),
    }
    assert {round(item.most_rps) for item in shares.held} == {round(1.02 * 3_500 / 3)}


def test_neighbours_are_so_by_their_keys() -> None:
    """Shards 7 and 5 are refused and shard 2, whose keys lie between theirs, is not."""
    rates = Rates(PLAN)
    for at_s in (2.0, 4.0, 6.0, 8.0):
        row = told(at_s, {7: 1_000.0, 5: 1_000.0}, 0.03) | told(at_s, {2: 3_000.0}, 0.0)
        assert rates.turn(row, PIECES) is None


def test_that_nobody_is_held_any_more_is_said_once() -> None:
    rates, fighting = Rates(PLAN), {7: 3_000.0, 2: 200.0}
    for at_s in (2.0, 4.0, 6.0):
        shares = rates.turn(told(at_s, fighting, 0.03), PIECES)
    assert shares is not None
    assert shares.held
    alone = rates.turn(told(8.0, {7: 3_000.0}, 0.03), PIECES)
    assert alone is not None
    assert (alone.turn, alone.held) == (shares.turn + 1, ())
    assert rates.turn(told(10.0, {7: 3_000.0}, 0.03), PIECES) is None


def test_another_process_of_a_shard_counts_from_nothing() -> None:
    """It says nothing of a turn before it has told twice; and its smaller figures are no requests taken back."""
    rates = Rates(PLAN)
    rates.turn(told(100.0, {7: 3_000.0, 2: 200.0}, 0.03), PIECES)
    assert rates.turn(told(2.0, {7: 3_000.0, 2: 200.0}, 0.03, pid=2), PIECES) is None


def test_who_begins_is_told_where_others_were_refused_and_how_fast_they_go() -> None:
    rates = Rates(PLAN)
    assert rates.met(told(2.0, {7: 500.0, 2: 300.0}, 0.0)) == ()
    found = (Met(Location("to", ""), False, 400.0),)
    assert rates.met(told(4.0, {7: 500.0, 2: 300.0}, 0.03)) == found
    assert rates.met({}) == found  # those who met it have ended


# --- where it is held ---------------------------------------------------------------------------------------


class Opened:
    """Sites that note what they are held to."""

    def __init__(self) -> None:
        self.held: dict[tuple[str, str, bool], Share | None] = {}

    def tallies(self) -> dict[str, list[Tally]]:
        return {"": [Tally("to", False, 10, 1, 50.0)], "old": [Tally("from", True, 20, 0, 70.0)]}

    def hold(self, where: Location, share: Share | None, *, reads: bool) -> None:
        self.held[where.site, where.bucket, reads] = share


MINE = Held(3, "", "to", False, 400.0, 390.0)
OTHERS = Held(4, "", "to", False, 300.0, 290.0)


def test_a_process_is_held_to_its_own_share_until_it_is_named_no_more() -> None:
    opened = Opened()
    holding = Holding(3, opened)  # type: ignore[arg-type]
    holding.hear(0.0, None)
    assert not opened.held
    holding.hear(1.0, Shares(1, (MINE, OTHERS)))
    assert opened.held == {("", "to", False): Share(400.0, 390.0)}
    holding.hear(2.0, Shares(2, (OTHERS,)))
    assert opened.held == {("", "to", False): None}


def test_a_share_that_nobody_writes_any_more_is_let_go_of() -> None:
    """The coordinator is gone, and on a cluster its workers go on."""
    opened = Opened()
    holding = Holding(3, opened)  # type: ignore[arg-type]
    holding.hear(0.0, Shares(1, (MINE,)))
    holding.hear(FORGOTTEN_AFTER_S - 1, Shares(1, (MINE,)))
    assert opened.held["", "to", False] is not None
    holding.hear(FORGOTTEN_AFTER_S + 1, Shares(1, (MINE,)))
    assert opened.held["", "to", False] is None


def test_every_site_bucket_and_direction_is_told() -> None:
    assert Holding(3, Opened()).paces() == (  # type: ignore[arg-type]
        Pace("", "to", False, 10, 1, 50.0),
        Pace("old", "from", True, 20, 0, 70.0),
    )


# --- the board ----------------------------------------------------------------------------------------------


@pytest.fixture(params=["folder", "state"])
async def board(request: pytest.FixtureRequest, tmp_path: Path) -> Board:
    state = Location("state", "run/")
    board: Board = (
        FolderBoard(tmp_path / "work") if request.param == "folder" else StateBoard(FakeStore(), state, "run-1")
    )
    await board.clear()
    return board


async def test_a_stop_and_a_rest_are_asked_for_on_a_full_disk_too(board: Board, tmp_path: Path) -> None:
    await board.ask_to_stop()
    await board.ask_for_rest(3)
    assert await board.is_stop_asked() and await board.is_rest_asked(3)
    assert not any(path.stat().st_size for path in (tmp_path / "work").glob("*")), "a file without bytes takes no room"


async def test_what_is_told_and_shared_comes_back_as_it_was(board: Board) -> None:
    paces = (Pace("old", "from", True, 20, 1, 70.5),)
    for said in (
        Told(12, Progress(copied=3), None, 4.5, paces),
        Told(12, Progress(), outage=OutOfReach(7.5, "refused")),
    ):
        await board.tell(3, said)
        assert await board.told(3) == said
    assert await board.shares() is None
    await board.share(Shares(2, (MINE, OTHERS)))
    assert await board.shares() == Shares(2, (MINE, OTHERS))
    await board.clear()
    assert await board.shares() is None


async def test_of_a_shard_that_is_begun_anew_nothing_is_known_and_nothing_asked(board: Board) -> None:
    """Numbers are kept from run to run; others may be at work meanwhile."""
    others = Told(13, Progress(copied=4))
    await board.tell(1, Told(12, Progress(copied=3, listing_done=True)))
    await board.tell(2, others)
    await board.ask_for_rest(1)
    await board.ask_for_rest(2)
    await board.forget(1)
    assert await board.told(1) is None and not await board.is_rest_asked(1)
    assert await board.told(2) == others and await board.is_rest_asked(2)
    await board.forget(1)
    await board.tell(1, others)
    assert await board.told(1) == others, "the new process is heard"


async def test_a_run_that_was_taken_over_stops_nobody_in_the_one_that_has_it_now() -> None:
    store, state = FakeStore(), Location("state", "run/")
    older, newer = (StateBoard(store, state, run) for run in ("run-1", "run-2"))
    await newer.clear()
    await older.ask_to_stop()
    await older.ask_for_rest(1)
    await older.share(Shares(2, (MINE, OTHERS)))
    await older.tell(1, Told(12, Progress(copied=3)))
    assert not await newer.is_stop_asked() and not await newer.is_rest_asked(1)
    assert await newer.shares() is None and await newer.told(1) is None
    await newer.ask_to_stop()
    assert await newer.is_stop_asked()
