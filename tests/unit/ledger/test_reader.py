"""Reading: alone, without a lock, while a run writes; in the order of the keys' bytes; flat in memory."""

from __future__ import annotations

import asyncio
import resource
import shutil
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from engine.errors import LedgerError
from engine.ledger import ACCEPTED_BY, LedgerReader
from engine.ledger.reader import RECORDS_A_READ
from engine.model import Proof, UploadedPart
from engine.plan.lifecycle import ASIDE, State
from engine.plan.shards import Piece
from tests.unit.ledger.scene import COPIED, MODEL, RAW, VERIFIED, Clock, decision, opened, outcome, query, upload


@pytest.fixture
def full_disk() -> Iterator[None]:
    """As on a full disk SQLite cannot give the file that it shares with others its 32 KB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_on_a_full_disk_a_ledger_is_read_all_the_same(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Also after a command that was refused there, which leaves an empty -wal."""
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        copied = shutil.copy(path, tmp_path / "copied.ledger")
        shutil.copy(f"{path}-wal", f"{copied}-wal")
    Path(f"{path}-wal").touch()
    request.getfixturevalue("full_disk")
    for _ in range(2):
        async with await LedgerReader.open_to_read(path) as reader:
            assert [tally.objects for tally in await reader.tallies()] == [1]
    with pytest.raises(LedgerError, match="is full"):
        await LedgerReader.open_to_read(Path(copied))


async def test_a_reader_answers_while_a_run_writes_and_sees_whole_commits_only(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        stop = asyncio.Event()

        async def write() -> None:
            for page in range(40):
                await ledger.decide("raw", [decision(f"{page:03}-{number:03}") for number in range(100)])
            stop.set()

        writing = asyncio.ensure_future(write())
        seen: list[int] = []
        async with await LedgerReader.open_to_read(path) as reader:
            while not stop.is_set():
                tallies = await reader.tallies()
                seen.append(sum(tally.objects for tally in tallies))
                assert len(await reader.entries("raw", None, None, 10_000)) >= seen[-1]
            await writing
            assert sum(tally.objects for tally in await reader.tallies()) == 4_000
            assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert seen == sorted(seen)
    assert {count % 100 for count in seen} == {0}


async def test_entries_come_in_the_order_of_the_keys_utf8_bytes_between_bounds(tmp_path: Path) -> None:
    keys = ["", "A", "Z", "a", "a/", "a//b", "a\0", "~", "é", "ﬀ", "\ue000", "\U0001f600"]
    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision(key) for key in reversed(keys)])
        await ledger.decide("model", [decision("", size=99)])
        got = [entry.key for entry in await ledger.entries("raw", None, None, 100)]
        assert got == sorted(keys, key=str.encode)
        assert [entry.key for entry in await ledger.entries("raw", "a", "~", 100)] == got[got.index("a") + 1 : 8]
        assert [entry.key for entry in await ledger.entries("raw", "\U0001f600", None, 100)] == []
        assert [entry.key for entry in await ledger.entries("raw", None, None, 3)] == got[:3]
        assert [entry.size for entry in await ledger.entries("model", None, None, 100)] == [99]


async def test_what_a_kill_left_in_the_wal_is_read_there_and_left_there(tmp_path: Path) -> None:
    async def objects_in(folder: Path) -> int:
        async with await LedgerReader.open_to_read(folder / "moving.ledger") as reader:
            return sum(tally.objects for tally in await reader.tallies())

    killed, alone, together = (tmp_path / name for name in ("killed", "alone", "together"))
    for folder in (killed, alone, together):
        folder.mkdir()
    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision("a")])
        for name in ("moving.ledger", "moving.ledger-wal"):
            shutil.copy(tmp_path / name, killed)
    assert await objects_in(killed) == 1
    shutil.copy(killed / "moving.ledger", alone)
    for name in ("moving.ledger", "moving.ledger-wal", "moving.ledger-shm"):
        shutil.copy(killed / name, together)
    assert (await objects_in(alone), await objects_in(together)) == (0, 1)


async def test_records_come_in_batches_by_route_and_state(tmp_path: Path) -> None:
    count = RECORDS_A_READ * 2 + 1
    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision(f"{number:05}") for number in range(count)])
        await ledger.decide("model", [decision("", State.CONFLICT, code="TargetDiffers", message="why")])
        batches = [[record.key for record in batch] async for batch in ledger.records()]
        assert [len(batch) for batch in batches] == [1_000, 1_000, 1, 1]
        assert list(chain.from_iterable(batches)) == [*(f"{number:05}" for number in range(count)), ""]
        (aside,) = [record async for batch in ledger.records(states=ASIDE) for record in batch]
        assert (aside.route, aside.key, aside.state, aside.code, aside.message) == (
            "model",
            "",
            State.CONFLICT,
            "TargetDiffers",
            "why",
        )
        assert [batch async for batch in ledger.records("model", [State.PLANNED])] == []


async def test_a_snapshot_is_open_until_its_listing_reached_the_end(tmp_path: Path) -> None:
    clock = Clock()
    path = tmp_path / "moving.ledger"
    async with opened(path, clock=clock) as ledger:
        assert [tuple(item) for item in await ledger.snapshots()] == [("raw", 0, 0, 0, 0), ("model", 0, 0, 0, 0)]
        await ledger.open_snapshot("raw")
        clock.now_ms = 2_000
        await ledger.close_snapshot("raw", 3, 30)
        assert tuple((await ledger.snapshots())[0]) == ("raw", 1_000, 2_000, 3, 30)
        clock.now_ms = 3_000
        await ledger.open_snapshot("raw")
    async with opened(path) as ledger:
        assert (await ledger.snapshots())[0].closed_ms == 0


async def test_when_a_proof_was_first_reached_is_kept_until_the_target_changes(tmp_path: Path) -> None:
    """The hold of cleanup counts from there: verifying again does not restart it, a change does."""
    clock = Clock()

    async with opened(tmp_path / "moving.ledger", clock=clock) as ledger:

        async def proven(state: State, proof: Proof, etag: str = "e") -> tuple[int, int, int, int]:
            clock.now_ms += 1_000
            await ledger.conclude("raw", [outcome("a", state, proof, target_etag=etag)])
            (record,) = [record async for batch in ledger.records() for record in batch]
            return record.copied_ms, record.size_ms, record.digest_ms, record.bytes_ms

        await ledger.decide("raw", [decision("a")])
        assert await proven(COPIED, Proof.DIGEST) == (2_000, 0, 0, 0)  # copied is not verified
        assert await proven(VERIFIED, Proof.SIZE) == (2_000, 3_000, 0, 0)
        assert await proven(VERIFIED, Proof.DIGEST) == (2_000, 3_000, 4_000, 0)
        assert await proven(VERIFIED, Proof.DIGEST) == (2_000, 3_000, 4_000, 0)
        assert await proven(VERIFIED, Proof.BYTES) == (2_000, 3_000, 4_000, 6_000)
        assert await proven(VERIFIED, Proof.BYTES, "other") == (2_000, 7_000, 7_000, 7_000)
        assert await proven(State.DELETING, Proof.BYTES, "other") == (2_000, 7_000, 7_000, 7_000)
        assert await proven(VERIFIED, Proof.BYTES, "other") == (2_000, 7_000, 7_000, 7_000)
        assert await proven(State.DAMAGED, Proof.NONE, "other") == (2_000, 0, 0, 0)
        await ledger.decide("raw", [decision("a")])
        assert await proven(COPIED, Proof.NONE, "new") == (11_000, 0, 0, 0)


async def test_an_uploads_parts_and_end_are_those_of_the_open_one(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        await ledger.intend_upload(upload("a"))
        assert [entry.state for entry in await ledger.entries("raw", None, None, 1)] == [State.COPYING]
        await ledger.set_upload_id("raw", "a", "first")
        await ledger.record_parts("raw", "a", [UploadedPart(2, "e2", 5), UploadedPart(1, "e1", 5)])
        await ledger.record_parts("raw", "a", [UploadedPart(1, "e1-again", 5)])
        assert await ledger.parts("raw", "a") == [UploadedPart(1, "e1-again", 5), UploadedPart(2, "e2", 5)]
    async with opened(path) as ledger:
        assert [(item.key, item.upload_id) for item in await ledger.open_uploads()] == [("a", "first")]
        await ledger.intend_upload(upload("a", intent_ms=2_000))
        assert [(item.upload_id, item.intent_ms) for item in await ledger.open_uploads()] == [("", 2_000)]
        assert await ledger.parts("raw", "a") == []
        await ledger.record_parts("raw", "b", [UploadedPart(1, "e", 5)])  # of no upload: nothing to keep
        await ledger.finish_upload("raw", "a", "completed")
        assert await ledger.open_uploads() == []


async def test_who_accepted_is_kept_in_one_with_the_acceptance_and_goes_with_it(tmp_path: Path) -> None:
    """Else one that was killed between two commits would be put down to who accepted the same figure before."""

    async def accepted() -> tuple[int, dict[str, str]]:
        noted = {key: value for key, value in (await ledger.notes()).items() if key.startswith(ACCEPTED_BY)}
        return len(await ledger.acceptances()), noted

    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.accept("raw.objects", "3", "because", "alice@host")
        await ledger.accept("raw.bytes", "3", "because", "alice@host")
        assert await accepted() == (2, {f"{ACCEPTED_BY}raw.{of} 3": "alice@host" for of in ("objects", "bytes")})
        await ledger.accept("raw.objects", "3", "because")
        assert await accepted() == (2, {f"{ACCEPTED_BY}raw.objects 3": "", f"{ACCEPTED_BY}raw.bytes 3": "alice@host"})
        await ledger.take_back("raw.objects")
        assert (await accepted())[0] == 1
        await ledger.accept("raw.objects", "3", "because", "bob@host")
        assert (await accepted())[1][f"{ACCEPTED_BY}raw.objects 3"] == "bob@host"


async def test_what_was_accepted_noted_and_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.accept("raw.objects", "3", "because")
        await ledger.accept("raw.objects", "4", "another figure")
        await ledger.accept("raw.objects", "4", "said better")
        await ledger.set_note("honours", {"copy_if_match": True, "list": [1, None, "ü"]})
        await ledger.keep("manifest", "s3://b/m.json", "old", b"\x00{}\xff")
    async with await LedgerReader.open_to_read(path) as reader:
        assert [(item.name, item.found, item.because) for item in await reader.acceptances()] == [
            ("raw.objects", "3", "because"),
            ("raw.objects", "4", "said better"),
        ]
        assert await reader.note("honours") == {"copy_if_match": True, "list": [1, None, "ü"]}
        assert await reader.note("nothing") is None
        (kept,) = await reader.kept("manifest")
        assert (kept.body, kept.etag) == (b"\x00{}\xff", "old")
        assert await reader.kept("reference") == []
        assert (await reader.binding()).routes == (RAW, MODEL)


async def test_what_is_rare_is_found_without_reading_what_is_not(tmp_path: Path) -> None:
    keys = [f"{number:04}" for number in range(3_000)]
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async with opened(tmp_path / "moving.ledger") as ledger:
        await ledger.decide("raw", [decision(key, COPIED) for key in keys])
        await ledger.decide("raw", [decision(key) for key in ("a", "b")])
        await ledger.conclude("raw", [outcome("a", State.FAILED), outcome("b", State.WITHDRAWN)])
        ledger._reading.set_progress_handler(step, 1)
        assert (await ledger.noted())["withdrawn"].objects == 1
        assert await ledger.has_undone(Piece("raw"))
        assert not await ledger.has_undone(Piece("raw", None, "2999"))
        assert steps < len(keys)
        await ledger.decide("raw", [decision("1000")])
        assert await ledger.has_undone(Piece("raw", None, "2999"))  # on its usual way, and not at its end
