"""A crash at every write of a ledger: before the commit nothing of it is there, after it all of it is."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from engine.ledger import Ledger
from engine.ledger import ledger as ledger_module
from engine.ledger.opening import connect
from engine.model import UploadedPart
from engine.plan.lifecycle import State
from tests.unit.ledger.scene import assert_tallies_agree, decision, opened, outcome, query, upload

TABLES = ("meta", "routes", "objects", "tallies", "uploads", "parts", "acceptances", "notes", "keeps")

Step = Callable[[Ledger], Awaitable[Any]]

LIFE: list[Step] = [
    lambda ledger: ledger.open_snapshot("raw"),
    lambda ledger: ledger.decide("raw", [decision(key) for key in "abcdef"]),
    lambda ledger: ledger.decide("raw", [decision("g", State.COPIED, found=True), decision("h", State.CONFLICT)]),
    lambda ledger: ledger.close_snapshot("raw", 8, 80),
    lambda ledger: ledger.conclude("raw", [outcome("a"), outcome("b", State.FAILED, code="AccessDenied")]),
    lambda ledger: ledger.intend_upload(upload("c")),
    lambda ledger: ledger.set_upload_id("raw", "c", "upload-1"),
    lambda ledger: ledger.record_parts("raw", "c", [UploadedPart(1, "e1", 5), UploadedPart(2, "e2", 5)]),
    lambda ledger: ledger.intend_upload(upload("c", intent_ms=2_000)),
    lambda ledger: ledger.finish_upload("raw", "c", "completed"),
    lambda ledger: ledger.conclude("raw", [outcome(key) for key in "cdef"]),
    lambda ledger: ledger.decide("raw", [decision("b"), decision("i")]),
    lambda ledger: ledger.conclude("raw", [outcome(key, State.VERIFIED) for key in "acdefg"]),
    lambda ledger: ledger.forget("raw", ["h"]),
    lambda ledger: ledger.accept("raw.objects", "8", "because"),
    lambda ledger: ledger.set_note("honours", {"if_match": True}),
    lambda ledger: ledger.keep("manifest", "m.json", "e", b"{}"),
    lambda ledger: ledger.conclude_durably("raw", [outcome("a", State.DELETING), outcome("c", State.DELETING)]),
    lambda ledger: ledger.conclude_durably("raw", [outcome("a", State.DELETED), outcome("c", State.VERIFIED)]),
]
"""One of every write that a ledger knows."""


class Watched:
    """A connection that tells just before and just after each commit."""

    def __init__(self, connection: sqlite3.Connection, tell: Callable[[str], None]) -> None:
        self._connection = connection
        self._tell = tell

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return self._connection.execute(sql, parameters)
        self._tell("before")
        done = self._connection.execute(sql)
        self._tell("after")
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def dump(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return {table: query(path, f"SELECT * FROM {table}") for table in TABLES}


async def test_a_crash_at_any_write_leaves_the_state_before_it_or_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moving.ledger"
    moments: list[tuple[str, Path]] = []

    def crash(moment: str) -> None:
        """What a kill would leave at this moment: the file and its -wal. The -shm is only shared memory."""
        folder = tmp_path / f"{len(moments):03}-{moment}"
        folder.mkdir()
        for name in ("moving.ledger", "moving.ledger-wal"):
            shutil.copy(tmp_path / name, folder / name)
        moments.append((moment, folder / "moving.ledger"))

    monkeypatch.setattr(ledger_module, "connect", lambda path: Watched(connect(path), crash))
    states = []
    async with opened(path) as ledger:
        states.append(dump(path))
        for step in LIFE:
            await step(ledger)
            states.append(dump(path))
    monkeypatch.undo()
    assert [moment for moment, _ in moments] == ["before", "after"] * len(LIFE)
    assert all(one != other for one, other in pairwise(states)), "each step of LIFE changes something"
    for number, (moment, left) in enumerate(moments):
        expected = states[number // 2 + (moment == "after")]
        async with opened(left):
            assert query(left, "PRAGMA integrity_check") == [("ok",)]
        assert dump(left) == expected, f"step {number // 2}, {moment} its commit"
        assert_tallies_agree(left)


class Died(BaseException):
    """Stands for the end of the process inside a write."""


@pytest.mark.parametrize("number", range(len(LIFE)))
async def test_a_write_that_dies_within_is_rolled_back_and_can_be_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "moving.ledger"
    dying = False

    def tell(moment: str) -> None:
        if dying and moment == "before":
            raise Died

    monkeypatch.setattr(ledger_module, "connect", lambda path: Watched(connect(path), tell))
    async with opened(path) as ledger:
        for step in LIFE[:number]:
            await step(ledger)
        before = dump(path)
        dying = True
        with pytest.raises(Died):
            await LIFE[number](ledger)
        assert dump(path) == before
        dying = False
        for step in LIFE[number:]:
            await step(ledger)
    assert_tallies_agree(path)


@pytest.mark.parametrize("batches", [1, 7, 23])
def test_a_process_that_is_killed_loses_nothing_that_it_was_told_is_committed(tmp_path: Path, batches: int) -> None:
    path = tmp_path / "moving.ledger"
    script = textwrap.dedent(
        """
        import anyio, itertools, pathlib, sys
        from tests.unit.ledger.scene import decision, opened, outcome

        async def main() -> None:
            async with opened(pathlib.Path(sys.argv[1])) as ledger:
                for batch in itertools.count():
                    keys = [f"{batch:05}-{number:03}" for number in range(50)]
                    await ledger.decide("raw", [decision(key) for key in keys])
                    await ledger.conclude("raw", [outcome(key) for key in keys])
                    print(batch + 1, flush=True)

        anyio.run(main)
        """
    )
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = 0
    for line in process.stdout:
        told = int(line)
        if told >= batches:
            break
    process.kill()
    told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
    process.stdout.close()
    process.wait()
    (copied,) = query(path, "SELECT count(*) FROM objects WHERE state = 'copied'")[0]
    (planned,) = query(path, "SELECT count(*) FROM objects WHERE state = 'planned'")[0]
    assert copied in (told * 50, told * 50 + 50)
    assert planned in (0, 50)
    assert query(path, "PRAGMA integrity_check") == [("ok",)]
    assert_tallies_agree(path)
