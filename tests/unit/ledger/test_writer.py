"""One writer: commits before it answers, durable where asked, and honest about a disk that is full or fails."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LedgerCorrupt, LedgerError
from engine.ledger import Ledger, writer
from engine.ledger import ledger as ledger_module
from engine.ledger.opening import connect
from engine.ledger.writer import COMMANDS_WAITING, Writer, translated
from engine.model import UploadedPart
from engine.plan.lifecycle import State
from tests.unit.ledger.scene import (
    BINDING,
    TALLIES,
    Clock,
    assert_tallies_agree,
    change,
    decision,
    opened,
    outcome,
    query,
    upload,
)


async def test_what_was_awaited_is_in_the_file_for_everyone(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        assert query(path, "SELECT key, state FROM objects") == [("a", "planned")]
        await ledger.conclude("raw", [outcome("a")])
        assert query(path, "SELECT key, state FROM objects") == [("a", "copied")]


async def test_a_command_that_fails_leaves_nothing_and_the_next_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
        before = query(path, "SELECT * FROM objects"), query(path, TALLIES)
        with pytest.raises(LedgerError, match="'b' came before any decision"):
            await ledger.conclude("raw", [outcome("a"), outcome("b")])
        with pytest.raises(LedgerError, match="'a' comes twice in one batch"):
            await ledger.conclude("raw", [outcome("a"), outcome("a")])
        with pytest.raises(LedgerError, match="'a' comes twice in one batch"):
            await ledger.conclude("raw", [outcome("a"), outcome("a", State.FAILED)])
        with pytest.raises(LedgerError, match="'c' comes twice in one batch"):
            await ledger.decide("raw", [decision("c"), decision("c")])
        assert (query(path, "SELECT * FROM objects"), query(path, TALLIES)) == before
        await ledger.conclude("raw", [outcome("a")])
    assert_tallies_agree(path)


async def test_as_many_that_leave_a_state_as_enter_it_take_their_sizes_along(tmp_path: Path) -> None:
    path, verified, damaged = tmp_path / "moving.ledger", State.VERIFIED, State.DAMAGED
    async with opened(path) as ledger:
        sizes = {"old": 5, "new": 700, "other": 3_000}
        await ledger.decide("raw", [decision(key, size=size) for key, size in sizes.items()])
        await ledger.conclude("raw", [outcome(key) for key in sizes])
        await ledger.conclude("raw", [outcome("old", verified), outcome("other", damaged)])
        await ledger.conclude("raw", [outcome("new", verified), outcome("old", damaged)])
        assert_tallies_agree(path)
        await ledger.conclude("raw", [outcome("other", State.COPIED), outcome("new", damaged)])
        assert_tallies_agree(path)
    async with opened(path):  # which compares rows and tallies
        pass


async def test_commands_are_carried_out_in_the_order_they_came_by_one_thread(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        seen: list[tuple[int, int]] = []

        def command(number: int) -> Callable[[sqlite3.Connection], None]:
            return lambda connection: seen.append((number, threading.get_ident()))

        count = COMMANDS_WAITING * 3
        await asyncio.gather(*(ledger._writer.do(command(number)) for number in range(count)))
    assert [number for number, _ in seen] == list(range(count))
    assert len({thread for _, thread in seen}) == 1
    assert seen[0][1] != threading.get_ident()


async def test_no_more_commands_wait_than_the_queue_may_hold(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        hold, running = threading.Event(), threading.Event()

        def stuck(connection: sqlite3.Connection) -> None:
            running.set()
            assert hold.wait(30)

        tasks = [asyncio.ensure_future(ledger._writer.do(stuck))]
        await asyncio.to_thread(running.wait, 30)
        tasks += [asyncio.ensure_future(ledger._writer.do(lambda connection: None)) for _ in range(500)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert ledger._writer._queue.qsize() < COMMANDS_WAITING
        hold.set()
        await asyncio.gather(*tasks)


async def test_a_command_whose_caller_was_cancelled_is_done_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        hold, running = threading.Event(), threading.Event()

        def stuck(connection: sqlite3.Connection) -> None:
            running.set()
            assert hold.wait(30)
            connection.execute("INSERT INTO notes VALUES ('stuck', '1', 0)")

        first = asyncio.ensure_future(ledger._writer.do(stuck))
        await asyncio.to_thread(running.wait, 30)
        second = asyncio.ensure_future(ledger.set_note("second", 1))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        assert not first.done(), "what is under way is waited for"
        hold.set()
        await asyncio.gather(first, return_exceptions=True)
        await ledger.set_note("third", 1)
    assert query(path, "SELECT key FROM notes ORDER BY key") == [("stuck",), ("third",)]


async def test_closing_commits_what_was_queued(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    ledger = await Ledger.open(path, BINDING, now_ms=Clock())
    tasks = [asyncio.ensure_future(ledger.set_note(f"note-{number}", number)) for number in range(20)]
    await asyncio.sleep(0)
    await ledger.close()
    await asyncio.gather(*tasks)
    assert query(path, "SELECT count(*) FROM notes") == [(20,)]
    with pytest.raises(LedgerError, match="is closed"):
        await ledger.set_note("late", 1)


# --- durability ---------------------------------------------------------------------------------------------

FULL, NORMAL = 2, 1


async def test_what_could_cost_data_or_money_is_on_the_disk_before_it_is_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: list[int] = []
    do = Writer.do

    async def noting(self: Writer, command: Callable[[sqlite3.Connection], Any], *, durable: bool = False) -> Any:
        def noted(connection: sqlite3.Connection) -> Any:
            levels.append(connection.execute("PRAGMA synchronous").fetchone()[0])
            return command(connection)

        return await do(self, noted, durable=durable)

    monkeypatch.setattr(Writer, "do", noting)
    async with opened(tmp_path / "moving.ledger") as ledger:
        steps = {
            "open_snapshot": (ledger.open_snapshot("raw"), FULL),
            "decide": (ledger.decide("raw", [decision("a"), decision("b")]), NORMAL),
            "intend_upload": (ledger.intend_upload(upload("b")), FULL),
            "set_upload_id": (ledger.set_upload_id("raw", "b", "id"), FULL),
            "record_parts": (ledger.record_parts("raw", "b", [UploadedPart(1, "e", 5)]), NORMAL),
            "finish_upload": (ledger.finish_upload("raw", "b", "completed"), FULL),
            "conclude": (ledger.conclude("raw", [outcome("a"), outcome("b")]), NORMAL),
            "verified": (ledger.conclude("raw", [outcome("a", State.VERIFIED)]), NORMAL),
            "deleting": (ledger.conclude_durably("raw", [outcome("a", State.DELETING)]), FULL),
            "accept": (ledger.accept("raw.objects", "2", "because"), FULL),
            "keep": (ledger.keep("manifest", "m.json", "e", b"{}"), FULL),
            "set_note": (ledger.set_note("x", 1), FULL),
            "close_snapshot": (ledger.close_snapshot("raw", 2, 20), FULL),
        }
        for step, _ in steps.values():
            await step
    assert dict(zip(steps, levels, strict=True)) == {name: level for name, (_, level) in steps.items()}


async def test_the_file_is_kept_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path):
        assert query(path, "PRAGMA journal_mode") == [("wal",)]


# --- disks that are full or fail ----------------------------------------------------------------------------


async def test_a_full_disk_stops_the_run_with_everything_committed_before_safe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moving.ledger"

    def small(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA max_page_count = 60")  # SQLITE_FULL, as ENOSPC gives it
        return connection

    monkeypatch.setattr(ledger_module, "connect", small)
    done = 0
    async with opened(path) as ledger:
        with pytest.raises(LedgerError, match=r"is full\. What was committed is safe") as refused:
            for page in range(100):
                await ledger.decide("raw", [decision(f"{page:03}-{number:04}") for number in range(100)])
                done += 100
        assert "Make room and run the same command again" in refused.value.advice
        assert 0 < done < 10_000
        with pytest.raises(LedgerError, match="is full"):
            await ledger.decide("raw", [decision(f"again-{number:04}") for number in range(1_000)])
        await ledger.conclude("raw", [outcome("000-0000")])  # what needs no room still goes on
    monkeypatch.undo()
    assert query(path, "SELECT count(*) FROM objects") == [(done,)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert_tallies_agree(path)
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("room again")])


def test_a_file_that_may_not_grow_is_said_and_nothing_committed_is_lost(tmp_path: Path) -> None:
    """The operating system itself refuses to write, as a full disk or quota does."""
    path = tmp_path / "moving.ledger"
    script = textwrap.dedent(
        """
        import anyio, pathlib, resource, sys
        from engine.errors import LedgerError
        from tests.unit.ledger.scene import decision, opened

        async def main() -> None:
            async with opened(pathlib.Path(sys.argv[1])) as ledger:
                done = 0
                resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
                try:
                    for page in range(100):
                        await ledger.decide("raw", [decision(f"{page:03}-{number:04}") for number in range(200)])
                        done += 200
                except LedgerError as error:
                    print(done, error.message, error.advice, sep="|")
                resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

        anyio.run(main)
        """
    )
    root = Path(__file__).resolve().parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", script, str(path)], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    done, message, advice = ended.stdout.strip().split("|")
    assert 0 < int(done) < 20_000
    assert "the disk under the ledger" in message
    assert "run the same command again" in advice
    assert query(path, "SELECT count(*) FROM objects") == [(int(done),)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert_tallies_agree(path)


async def test_a_ledger_that_another_program_holds_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "moving.ledger"

    def impatient(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute("PRAGMA busy_timeout = 1")
        return connection

    monkeypatch.setattr(ledger_module, "connect", impatient)
    async with opened(path) as ledger:
        shell = sqlite3.connect(path, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another program holds the ledger"):
            await ledger.set_note("x", 1)
        shell.execute("ROLLBACK")
        shell.close()
        await ledger.set_note("x", 1)


async def test_damage_that_shows_while_a_run_goes_on_stops_it(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        for page in range(20):
            await ledger.decide("raw", [decision(f"{page:03}-{number:04}") for number in range(100)])
    async with opened(path) as ledger:
        with path.open("r+b") as file:
            for page in range(4, path.stat().st_size // 4096):
                file.seek(page * 4096)
                file.write(b"\xa5" * 4096)
        with pytest.raises(LedgerCorrupt, match="nothing in it is trusted"):
            await ledger.entries("raw", None, None, 10_000)


def test_each_of_sqlites_codes_has_its_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def error(code: int, text: str = "text") -> sqlite3.Error:
        made = sqlite3.OperationalError(text)
        made.sqlite_errorcode = code
        return made

    said = {
        sqlite3.SQLITE_FULL: "is full",
        sqlite3.SQLITE_READONLY: "cannot be opened or written",
        sqlite3.SQLITE_READONLY | 8 << 8: "cannot be opened or written",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened or written",
        sqlite3.SQLITE_IOERR | 3 << 8: "fails",
        sqlite3.SQLITE_CORRUPT: "is damaged",
        sqlite3.SQLITE_NOTADB: "is damaged",
        sqlite3.SQLITE_BUSY: "another program holds",
        sqlite3.SQLITE_CONSTRAINT: "refused a command",
    }
    path = Path("x.ledger")
    assert {code: text in translated(path, error(code)).message for code, text in said.items()} == dict.fromkeys(
        said, True
    )
    older = translated(path, error(sqlite3.SQLITE_ERROR, "no such column: o.later"))
    assert "older Cartage" in older.message
    monkeypatch.setattr(writer, "lacks_files", lambda count: True)
    assert "too many files are open" in translated(path, error(sqlite3.SQLITE_CANTOPEN)).message


async def test_a_foreign_statement_is_not_carried_out_by_a_key(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    keys = ["'; DROP TABLE objects; --", '" OR 1=1', "a\0b", "\x1b[31m", "%s?1:2", "ü\u0301\U0001f600", " ", "../../x"]
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision(key) for key in keys])
        await ledger.conclude("raw", [outcome(key, message=key) for key in keys])
        entries = await ledger.entries("raw", None, None, 100)
        assert [entry.key for entry in entries] == sorted(keys, key=str.encode)
    assert_tallies_agree(path)
    change(path, "VACUUM")
