"""What the ledger keeps of its runs: when each began, how it ended, how far it was every few seconds, and the objects
that took longest. Bounded, however long a run takes and however many there are.

The figures of a moment are those of the whole run so far, so that a row that is taken out loses nothing but detail.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

MOMENTS_A_RUN = 1_200
"""So many rows a run has at most: then every second of them goes, and the next come half as often."""
RUNS_IN_DETAIL = 20
"""Of older runs the last row alone is kept."""
RUNS = 500
SLOWEST = 20


class Moment(NamedTuple):
    """How far a run was at `at_ms` (epoch milliseconds). All but `in_flight` count from its beginning; `throttled`
    are answers that asked for fewer requests."""

    at_ms: int
    listed: int = 0
    done: int = 0
    done_bytes: int = 0
    aside: int = 0
    requests: int = 0
    throttled: int = 0
    in_flight: int = 0


class SlowObject(NamedTuple):
    """An object that took long, from when its turn came to its outcome. `size` is bytes."""

    route: str
    key: str
    size: int
    took_ms: int


class RunRecord(NamedTuple):
    """One command that worked on the ledger. `ended` is "done", "stopped" (it was asked to stop) or "failed", empty
    while it is at work and for one that was killed; `ended_ms` is 0 then."""

    number: int
    command: str
    began_ms: int
    ended_ms: int
    ended: str
    moments: tuple[Moment, ...] = ()

    @property
    def last(self) -> Moment:
        """How far it came."""
        return self.moments[-1] if self.moments else Moment(self.began_ms)

    @property
    def took_ms(self) -> int:
        """How long it worked; of one that was killed, as far as is known."""
        return max(self.ended_ms, self.last.at_ms) - self.began_ms


class History(NamedTuple):
    """The runs of a ledger, oldest first, and the objects that took longest, the longest first."""

    runs: tuple[RunRecord, ...] = ()
    slowest: tuple[SlowObject, ...] = ()


_RUNS = "SELECT id, command, began_ms, ended_ms, ended FROM runs ORDER BY id"


def begin(connection: sqlite3.Connection, command: str, at_ms: int) -> int:
    """Note that a command began; gives the run's number. Older runs lose their detail, the oldest go."""
    cursor = connection.execute("INSERT INTO runs (command, began_ms) VALUES (?, ?)", (command, at_ms))
    number = int(cursor.lastrowid or 0)
    connection.execute(
        "DELETE FROM moments WHERE run <= ? AND at_ms < (SELECT max(at_ms) FROM moments m WHERE m.run = moments.run)",
        (number - RUNS_IN_DETAIL,),
    )
    connection.execute("DELETE FROM moments WHERE run <= ?", (number - RUNS,))
    connection.execute("DELETE FROM runs WHERE id <= ?", (number - RUNS,))
    add(connection, number, Moment(at_ms))
    return number


def add(connection: sqlite3.Connection, run: int, moment: Moment) -> bool:
    """Keep how far a run is. Gives True where there were so many rows that every second of them was taken out."""
    connection.execute(f"INSERT OR REPLACE INTO moments VALUES ({', '.join('?' * 9)})", (run, *moment))
    (count,) = connection.execute("SELECT count(*) FROM moments WHERE run = ?", (run,)).fetchone()
    if count < MOMENTS_A_RUN:
        return False
    connection.execute(
        "DELETE FROM moments WHERE run = :run AND at_ms IN (SELECT at_ms FROM (SELECT at_ms, row_number() OVER "
        "(ORDER BY at_ms) AS place FROM moments WHERE run = :run) WHERE place % 2 = 0)",
        {"run": run},
    )
    return True


def end(connection: sqlite3.Connection, run: int, ended: str, at_ms: int) -> None:
    """Note how a run ended."""
    connection.execute("UPDATE runs SET ended = ?, ended_ms = ? WHERE id = ?", (ended, at_ms, run))


def keep_slow(connection: sqlite3.Connection, objects: Sequence[SlowObject]) -> None:
    """Keep objects that took long, as long as there are not enough that took longer."""
    connection.executemany(
        "INSERT OR REPLACE INTO slowest (route, key, size, took_ms) SELECT id, :key, :size, :took_ms FROM routes "
        "WHERE name = :route",
        [item._asdict() for item in objects],
    )
    connection.execute(
        "DELETE FROM slowest WHERE (route, key) NOT IN "
        "(SELECT route, key FROM slowest ORDER BY took_ms DESC, route, key LIMIT ?)",
        (SLOWEST,),
    )


def latest(connection: sqlite3.Connection, within_ms: int) -> RunRecord | None:
    """The run that began last, with its moments of the last so many milliseconds."""
    found = connection.execute(f"{_RUNS} DESC LIMIT 1").fetchone()
    if found is None:
        return None
    moments = connection.execute(
        "SELECT at_ms, listed, done, done_bytes, aside, requests, throttled, in_flight FROM moments WHERE run = :run "
        "AND at_ms >= (SELECT max(at_ms) FROM moments WHERE run = :run) - :within_ms ORDER BY at_ms",
        {"run": found[0], "within_ms": within_ms},
    )
    return RunRecord(*found)._replace(moments=tuple(Moment(*row) for row in moments))


def read(connection: sqlite3.Connection) -> History:
    """All of it."""
    moments: dict[int, list[Moment]] = {}
    for run, *figures in connection.execute("SELECT * FROM moments ORDER BY run, at_ms"):
        moments.setdefault(run, []).append(Moment(*figures))
    runs = connection.execute(_RUNS)
    slow = connection.execute(
        "SELECT r.name, s.key, s.size, s.took_ms FROM slowest s JOIN routes r ON r.id = s.route "
        "ORDER BY s.took_ms DESC, s.route, s.key"
    )
    return History(
        tuple(RunRecord(*row)._replace(moments=tuple(moments.get(row[0], ()))) for row in runs),
        tuple(SlowObject(*row) for row in slow),
    )
