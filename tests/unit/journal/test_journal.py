"""A journal has one writer at a time, whoever believes to be it; and a ledger that is its view holds what it says."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Ambiguous, LedgerCorrupt, LedgerError, LedgerMismatch
from engine.events import Event, OutOfReach
from engine.journal import views
from engine.journal.journal import Fenced, Journal
from engine.journal.segments import Segment, decoded, encoded
from engine.journal.views import Journals
from engine.ledger import Ledger, ShardedLedger
from engine.ledger.commands import Command
from engine.model import Checksum, Location, OpaqueEtag, Proof, UploadedPart
from engine.plan.lifecycle import State
from engine.plan.record import Decision, Outcome
from engine.plan.shards import Piece
from engine.store import PutObject
from tests.fake_store import FakeStore
from tests.unit.ledger.scene import BINDING, Clock, assert_tallies_agree, decision, outcome, upload
from tests.unit.ledger.scene import change as change_file

PLACE = Location("state", "cartage/")
CHECKSUM = Checksum("CRC64NVME", "FULL_OBJECT", "AAAAAAAAAAA=")
TEXT = st.text(max_size=8)
DECISIONS = st.lists(
    st.builds(
        Decision, TEXT, st.integers(0, 1 << 50), TEXT, TEXT, TEXT, TEXT, st.sampled_from(State), TEXT, TEXT,
        st.booleans(), st.sampled_from(Proof), TEXT, TEXT, TEXT, TEXT,
    ),
    max_size=4,
)  # fmt: skip
OUTCOMES = st.lists(
    st.builds(
        Outcome, TEXT, st.sampled_from(State), TEXT, TEXT, st.sampled_from(Proof), TEXT, TEXT, st.integers(0, 9), TEXT,
        TEXT, TEXT, TEXT,
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(DECISIONS, OUTCOMES, st.integers(0, 1 << 40), TEXT)
def test_a_segment_comes_back_as_it_was_written(
    decisions: list[Decision], outcomes: list[Outcome], at_ms: int, text: str
) -> None:
    segment = Segment(
        7,
        "nonce",
        (
            Command("decide", (1, decisions, at_ms)),
            Command("conclude", (1, outcomes, at_ms)),
            Command("record_parts", (2, text, [UploadedPart(1, text, at_ms, (CHECKSUM,)), UploadedPart(2, text, 3)])),
            Command("keep", ("manifest", text, text, text.encode(), at_ms)),
            Command("add_shards", ([[Piece("raw", None, text), Piece("raw", text, None)]],)),
            Command("intend_upload", (1, upload(text))),
        ),
    )
    assert decoded(encoded(segment)) == segment


def test_an_etag_that_proves_nothing_is_written_as_any_other() -> None:
    """As every file's, and those of a server whose ETags are doubted."""
    opaque = Decision("k", 1, OpaqueEtag("1-2-3-4"), "", "", "", State.PLANNED, OpaqueEtag("held"))
    changes = (Command("decide", (1, [opaque], 5)), Command("conclude", (1, [outcome("k")] * 2, 5)))
    (read, _), held = decoded(encoded(Segment(1, "n", changes))).commands, OpaqueEtag("held")
    assert read.arguments == (1, [opaque], 5)
    assert type(read.arguments[1][0].source_etag) is str
    thin = Command("conclude", (1, [outcome("k", target_etag=held), outcome("l", target_etag=held)], 5))
    assert decoded(encoded(Segment(1, "n", (thin,)))).commands == (thin,)


def test_a_checksum_is_written_as_earlier_versions_read_it() -> None:
    assert msgspec.msgpack.encode(CHECKSUM) == msgspec.msgpack.encode(["CRC64NVME", "FULL_OBJECT", "AAAAAAAAAAA="])


@pytest.mark.parametrize("body", [b"", b"x", encoded(Segment(1, "n"))[:-3], encoded(Segment(1, "n")) + b"x"])
def test_what_is_no_segment_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a segment"):
        decoded(body)


def test_a_claim_says_whose_it_is_and_an_older_one_is_read_without() -> None:
    claim = Segment(3, "n", by="a run at one")
    assert decoded(encoded(claim)) == claim
    older = zlib.compress(msgspec.msgpack.encode([2, 3, "n", []]))
    assert decoded(older) == Segment(3, "n")


async def claimed(store: FakeStore) -> tuple[Journal, list[Segment]]:
    journal = Journal(store, PLACE)
    found = [segment async for _, segment in journal.read(0)]
    while (other := await journal.claim()) is not None:
        found.append(other)
        found += [segment async for _, segment in journal.read(journal.next_slot)]
    return journal, found


def change(number: int) -> Command:
    return Command("set_note", (f"n{number}", "1", number))


async def test_what_was_appended_is_read_in_order() -> None:
    store = FakeStore()
    journal, _ = await claimed(store)
    for number in range(3):
        await journal.append(Segment(journal.epoch, str(number), (change(number),)))
    _, found = await claimed(store)
    assert [segment.commands for segment in found] == [(), (change(0),), (change(1),), (change(2),)]


async def test_who_was_taken_over_appends_nothing_more() -> None:
    store = FakeStore()
    old, _ = await claimed(store)
    await old.append(Segment(old.epoch, "a", (change(1),)))
    new, found = await claimed(store)
    assert (old.epoch, new.epoch) == (1, 2)
    with pytest.raises(Fenced, match="another process took"):
        await old.append(Segment(old.epoch, "b", (change(2),)))
    await new.append(Segment(new.epoch, "c", (change(3),)))
    _, all_of_it = await claimed(store)
    assert [segment.commands for segment in all_of_it if segment.commands] == [(change(1),), (change(3),)]
    assert [segment.commands for segment in found if segment.commands] == [(change(1),)]


async def test_of_two_that_claim_at_once_the_last_has_it() -> None:
    store = FakeStore()
    first, second = Journal(store, PLACE), Journal(store, PLACE)
    for journal in (first, second):
        assert [item async for item in journal.read(0)] == []
    assert await first.claim() is None
    assert await second.claim() == Segment(1, (await claims(store))[0].nonce)
    assert await second.claim() is None
    with pytest.raises(Fenced):
        await first.append(Segment(first.epoch, "x", (change(1),)))


async def claims(store: FakeStore) -> list[Segment]:
    return [segment async for _, segment in Journal(store, PLACE).read(0)]


@pytest.mark.parametrize("landed", [True, False])
async def test_an_append_whose_answer_was_lost_is_looked_up_by_its_nonce(landed: bool) -> None:
    store = FakeStore()
    journal, _ = await claimed(store)
    lost = 1

    async def lose(operation: str, request: object) -> None:
        nonlocal lost
        if isinstance(request, PutObject) and lost:
            lost -= 1
            if landed:
                await store.put_object(request)
            raise Ambiguous("reset", operation=operation)

    store.before = lose
    await journal.append(Segment(journal.epoch, "n", (change(1),)))
    await journal.append(Segment(journal.epoch, "m", (change(2),)))
    store.before = None
    assert [item.commands for item in await claims(store)] == [(), (change(1),), (change(2),)]


async def test_a_journal_that_lacks_a_slot_is_refused() -> None:
    store = FakeStore()
    journal, _ = await claimed(store)
    for number in range(3):
        await journal.append(Segment(journal.epoch, str(number), (change(number),)))
    del store.objects["state", "cartage/000000000002"]
    with pytest.raises(LedgerCorrupt, match="slot 2 is missing"):
        await claims(store)


# --- views ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def view(path: Path, store: FakeStore) -> AsyncIterator[Ledger]:
    async with await Ledger.open(path, BINDING, now_ms=Clock()) as ledger:
        journals = Journals(store, PLACE)
        await journals.join(ledger, "shards/000001")
        yield ledger


async def rows(ledger: Ledger) -> list[tuple[object, ...]]:
    return [row async for batch in ledger.records() for row in batch]


async def test_a_view_made_anew_holds_what_the_first_one_held(tmp_path: Path) -> None:
    store = FakeStore()
    async with view(tmp_path / "one.ledger", store) as one:
        await one.decide("raw", [decision("a"), decision("b"), decision("c")])
        await one.conclude("raw", [outcome("a"), outcome("b", State.FAILED, code="x")])
        await one.intend_upload(upload("c"))
        await one.set_upload_id("raw", "c", "id")
        await one.record_parts("raw", "c", [UploadedPart(1, "e", 5)])
        held = await rows(one)
        tallies, uploads = await one.tallies(), await one.open_uploads()
    async with view(tmp_path / "other.ledger", store) as other:
        assert await rows(other) == held
        assert await other.tallies() == tallies
        assert await other.open_uploads() == uploads
        assert await other.parts("raw", "c") == [UploadedPart(1, "e", 5)]


async def test_changes_that_wait_go_out_together(tmp_path: Path) -> None:
    store = FakeStore()
    async with view(tmp_path / "one.ledger", store) as ledger:
        before = len(store.objects)
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(ledger.decide, "raw", [decision(f"k{number:02}")])
        assert len(store.objects) - before < 10
        assert len(await rows(ledger)) == 50


async def test_whoever_gives_up_waiting_leaves_the_way_free_for_the_others(tmp_path: Path) -> None:
    store = FakeStore()
    async with view(tmp_path / "one.ledger", store) as ledger:
        under_way, may_end = anyio.Event(), anyio.Event()

        async def hold(operation: str, request: object) -> None:
            if isinstance(request, PutObject):
                under_way.set()
                await may_end.wait()

        store.before = hold
        gives_up = anyio.CancelScope()

        async def wait_in_vain() -> None:
            with gives_up:
                await ledger.decide("raw", [decision("b")])

        async with anyio.create_task_group() as group:
            group.start_soon(ledger.decide, "raw", [decision("a")])
            await under_way.wait()
            group.start_soon(wait_in_vain)
            await anyio.wait_all_tasks_blocked()
            gives_up.cancel()
            await anyio.wait_all_tasks_blocked()
            may_end.set()
        store.before = None
        with anyio.fail_after(60):
            await ledger.decide("raw", [decision("c")])
        assert [row[1] for row in await rows(ledger)] == ["a", "c"]


async def test_who_is_cancelled_while_it_appends_for_others_too_comes_to_its_end_first(tmp_path: Path) -> None:
    """By asyncio's own cancellation, which no scope holds off: what others were told then was that they are cancelled,
    and so was every later change."""
    store = FakeStore()
    async with view(tmp_path / "one.ledger", store) as ledger:
        under_way, may_end = asyncio.Event(), asyncio.Event()

        async def hold(operation: str, request: object) -> None:
            if isinstance(request, PutObject):
                under_way.set()
                await may_end.wait()

        store.before = hold
        first, second = (asyncio.ensure_future(ledger.decide("raw", [decision(key)])) for key in ("a", "b"))
        await under_way.wait()
        first.cancel()
        await anyio.wait_all_tasks_blocked()
        may_end.set()
        outcomes = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(item) for item in outcomes] == [asyncio.CancelledError, type(None)]
        await ledger.decide("raw", [decision("c")])
        assert [row[1] for row in await rows(ledger)] == ["a", "b", "c"]
    async with view(tmp_path / "other.ledger", store) as other:
        assert [row[1] for row in await rows(other)] == ["a", "b", "c"]


async def test_a_change_that_the_ledger_refuses_is_refused_in_every_view(tmp_path: Path) -> None:
    store = FakeStore()
    async with view(tmp_path / "one.ledger", store) as one:
        await one.decide("raw", [decision("a")])
        with pytest.raises(LedgerError, match="before any decision"):
            await one.conclude("raw", [outcome("never decided")])
        await one.decide("raw", [decision("b")])
        held = await rows(one)
    async with view(tmp_path / "other.ledger", store) as other:
        assert await rows(other) == held


async def test_a_writer_that_was_taken_over_commits_nothing_and_its_view_learns_nothing(tmp_path: Path) -> None:
    store = FakeStore()
    async with view(tmp_path / "old.ledger", store) as old:
        await old.decide("raw", [decision("a")])
        async with view(tmp_path / "new.ledger", store) as new:
            with pytest.raises(Fenced):
                await old.conclude("raw", [outcome("a")])
            with pytest.raises(Fenced):
                await old.decide("raw", [decision("b")])
            await new.conclude("raw", [outcome("a", State.FAILED, code="seen")])
            held = await rows(new)
    async with view(tmp_path / "third.ledger", store) as third:
        assert await rows(third) == held


async def test_a_ledger_that_was_made_without_a_journal_is_no_view_of_one(tmp_path: Path) -> None:
    store = FakeStore()
    async with await Ledger.open(tmp_path / "x.ledger", BINDING, now_ms=Clock()) as ledger:
        await ledger.decide("raw", [decision("a")])
    with pytest.raises(LedgerMismatch, match="was not made with --state"):
        async with view(tmp_path / "x.ledger", store):
            pass


@pytest.mark.parametrize("what", ["an acceptance", "a kept file"])
async def test_neither_is_one_that_holds_no_object_but_what_no_other_view_would_know(tmp_path: Path, what: str) -> None:
    store = FakeStore()
    async with await Ledger.open(tmp_path / "x.ledger", BINDING, now_ms=Clock()) as ledger:
        if what == "an acceptance":
            await ledger.accept("raw.objects", "2", "one is gone")
        else:
            await ledger.keep("manifest", "m.json", "e", b"{}")
        assert ledger.fresh
    with pytest.raises(LedgerMismatch, match="was not made with --state"):
        async with view(tmp_path / "x.ledger", store):
            pass


async def test_one_that_holds_nothing_yet_becomes_a_view(tmp_path: Path) -> None:
    """A plan was looked at without --state before."""
    async with await Ledger.open(tmp_path / "x.ledger", BINDING, now_ms=Clock()) as ledger:
        await ledger.set_note("surveyed", {"raw": [1, 2]})
    async with view(tmp_path / "x.ledger", FakeStore()) as ledger:
        await ledger.decide("raw", [decision("a")])


async def deleted_and_followed(ledger: Ledger) -> None:
    """A source that was proven and deleted, and another object at its key that is gone again."""
    await ledger.decide("raw", [decision("k")])
    for state in (State.COPIED, State.VERIFIED, State.DELETING, State.DELETED):
        await ledger.conclude("raw", [outcome("k", state, Proof.DIGEST)])
    await ledger.decide("raw", [decision("k", State.CONFLICT, size=20)])


async def test_the_view_of_an_older_cartage_is_made_anew(tmp_path: Path) -> None:
    """What a change did there is not what it does here: it kept nothing of a deleted source beside a newcomer."""
    store, older = FakeStore(), tmp_path / "older.ledger"
    async with view(older, store) as ledger:
        await deleted_and_followed(ledger)
        await ledger.intend_upload(upload("k"))
    change_file(older, "DROP TABLE former", "PRAGMA user_version = 9")
    async with view(older, store) as ledger, view(tmp_path / "new.ledger", store) as new:
        assert await ledger.former() == await new.former() == (1, 10)
        assert await rows(ledger) == await rows(new)
        assert await ledger.open_uploads() == await new.open_uploads()
    assert_tallies_agree(older)


async def test_a_view_that_refuses_what_no_other_one_refused_is_made_anew(tmp_path: Path) -> None:
    store, astray = FakeStore(), tmp_path / "astray.ledger"
    async with view(astray, store) as ledger:
        await deleted_and_followed(ledger)
    async with view(tmp_path / "one.ledger", store) as one:
        await one.forget("raw", ["k"])
        await one.conclude("raw", [outcome("k", State.LOST)])
        held = await rows(one)
    change_file(astray, "DELETE FROM former")
    async with view(astray, store) as ledger:
        assert await rows(ledger) == held


def test_an_older_cartage_does_not_read_what_it_would_replay_otherwise() -> None:
    """It forgets a newcomer and brings nothing back, and knows no acceptance with its name."""
    assert msgspec.msgpack.decode(zlib.decompress(encoded(Segment(1, "n"))))[0] == 5


@settings(max_examples=30)
@given(st.data())
def test_however_two_writers_take_turns_every_view_holds_the_same(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Two processes that both believe that the shard is theirs, each step by whichever of them."""
    folder = tmp_path_factory.mktemp("views")

    async def play() -> None:
        store = FakeStore()
        ledgers: list[Ledger] = []
        accepted: set[str] = set()
        for number in range(2):
            ledgers.append(await Ledger.open(folder / f"{number}.ledger", BINDING, now_ms=Clock()))
            await Journals(store, PLACE).join(ledgers[-1], "x")
        for step in range(data.draw(st.integers(1, 8))):
            one = data.draw(st.sampled_from(ledgers))
            if data.draw(st.booleans()):
                await ledgers.pop(ledgers.index(one)).close()
                ledgers.append(await Ledger.open(one.path, BINDING, now_ms=Clock()))
                await Journals(store, PLACE).join(ledgers[-1], "x")
                continue
            try:
                await one.decide("raw", [decision(f"k{step}")])
                accepted.add(f"k{step}")
            except Fenced:
                pass
        for ledger in ledgers:
            await ledger.close()
        async with await Ledger.open(folder / "judge.ledger", BINDING, now_ms=Clock()) as judge:
            await Journals(store, PLACE).join(judge, "x")
            assert {row[1] for row in await rows(judge)} == accepted

    anyio.run(play)


async def test_a_ledger_in_shards_is_whole_on_a_machine_that_never_saw_its_files(tmp_path: Path) -> None:
    store = FakeStore()
    cut = [[Piece("raw", None, "m"), Piece("model")], [Piece("raw", "m", None)]]
    async with await ShardedLedger.open(
        tmp_path / "here.ledger", BINDING, now_ms=Clock(), journals=Journals(store, PLACE)
    ) as here:
        await here.add_shards(cut)
        await here.decide("raw", [decision("a"), decision("z")])
        await here.conclude("raw", [outcome("z")])
        held, tallies = await rows(here), await here.tallies()
    async with await ShardedLedger.open(
        tmp_path / "there.ledger", BINDING, now_ms=Clock(), journals=Journals(store, PLACE)
    ) as there:
        assert await rows(there) == held
        assert await there.tallies() == tallies
        assert [item.pieces for item in await there.shards()] == [tuple(pieces) for pieces in cut]


async def test_an_append_that_holds_all_else_up_is_told_and_then_that_it_does_so_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "SLOW_S", 0.0)
    store, told, heard = FakeStore(), asyncio.Event(), list[Event]()

    def listener(event: Event) -> None:
        heard.append(event)
        told.set()

    async def slow(operation: str, request: object) -> None:
        if isinstance(request, PutObject) and request.ref.key.endswith("1"):
            await told.wait()

    store.before = slow
    async with await Ledger.open(tmp_path / "x.ledger", BINDING, now_ms=Clock()) as ledger:
        await Journals(store, PLACE, listener=listener).join(ledger, "x")
        await ledger.decide("raw", [decision("a")])
        first, last = heard
        assert isinstance(first, OutOfReach) and first.what == "the state" and "cartage/x/ takes nothing" in first.why
        assert last == OutOfReach(0.0)
