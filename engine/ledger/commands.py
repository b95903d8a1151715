"""Everything that changes a ledger, as values: a name and plain arguments, which say all that the change depends on.

So a change can be kept outside the file, and made again in another one (`engine.journal`). Each is one transaction; its
moment (`at_ms`) is one of its arguments. A route is named by its number, which is its place in the binding.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.ledger import history, index, rebinding, rows
from engine.model import UploadedPart
from engine.plan.record import Outcome, UploadRecord

_OPEN = "SELECT id FROM uploads WHERE route = ? AND key = ? AND ended = ''"

ACCEPTED_BY = "accepted by "
"""Notes of who accepted what: this, the name, a space, the figure."""
SAME_ETAG = "="
"""In an outcome that was written for a journal: the target's ETag is the source's, as its row has it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One change: the name of one of `COMMANDS`, and what it is given beside the connection."""

    name: str
    arguments: tuple[Any, ...]

    def __call__(self, connection: sqlite3.Connection) -> Any:
        return COMMANDS[self.name](connection, *self.arguments)


# --- objects ------------------------------------------------------------------------------------------------


def conclude(connection: sqlite3.Connection, route: int, outcomes: list[Outcome], at_ms: int) -> None:
    rows.conclude(connection, route, _with_etags(connection, route, outcomes), at_ms)


def _with_etags(connection: sqlite3.Connection, route: int, outcomes: list[Outcome]) -> list[Outcome]:
    """Outcomes with the ETags that `SAME_ETAG` stands for."""
    thin = [item.key for item in outcomes if item.target_etag == SAME_ETAG]
    if not thin:
        return outcomes
    etags = rows.source_etags(connection, route, thin)
    return [item._replace(target_etag=etags[item.key]) if item.target_etag == SAME_ETAG else item for item in outcomes]


# --- routes -------------------------------------------------------------------------------------------------


def open_snapshot(connection: sqlite3.Connection, route: int, at_ms: int) -> None:
    connection.execute("UPDATE routes SET opened_ms = ?, closed_ms = 0 WHERE id = ?", (at_ms, route))


def close_snapshot(connection: sqlite3.Connection, route: int, objects: int, size_bytes: int, at_ms: int) -> None:
    connection.execute(
        "UPDATE routes SET closed_ms = ?, objects = ?, bytes = ? WHERE id = ?", (at_ms, objects, size_bytes, route)
    )


# --- uploads ------------------------------------------------------------------------------------------------


def intend_upload(connection: sqlite3.Connection, route: int, upload: UploadRecord) -> None:
    connection.execute(
        "UPDATE uploads SET ended = 'replaced', ended_ms = ? WHERE route = ? AND key = ? AND ended = ''",
        (upload.intent_ms, route, upload.key),
    )
    connection.execute(
        "INSERT INTO uploads (route, key, bucket, target_key, upload_id, source_etag, source_size, layout, "
        "checksum_algorithm, intent_ms, server_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (route, *upload[1:]),
    )
    rows.begin_copying(connection, route, upload.key)


def set_upload_id(connection: sqlite3.Connection, route: int, key: str, upload_id: str) -> None:
    connection.execute(
        "UPDATE uploads SET upload_id = ? WHERE route = ? AND key = ? AND ended = ''", (upload_id, route, key)
    )


def record_parts(connection: sqlite3.Connection, route: int, key: str, parts: list[UploadedPart]) -> None:
    row = connection.execute(_OPEN, (route, key)).fetchone()
    if row is not None:
        connection.executemany(
            "INSERT OR REPLACE INTO parts (upload, number, etag, size) VALUES (?, ?, ?, ?)",
            [(row[0], part.number, part.etag, part.size) for part in parts],
        )


def finish_upload(connection: sqlite3.Connection, route: int, key: str, how: str, at_ms: int) -> None:
    """Its parts are forgotten: there may be 10,000, and nobody asks for those of an upload that has ended."""
    row = connection.execute(_OPEN, (route, key)).fetchone()
    if row is not None:
        connection.execute("DELETE FROM parts WHERE upload = ?", row)
        connection.execute("UPDATE uploads SET ended = ?, ended_ms = ? WHERE id = ?", (how, at_ms, row[0]))


# --- the whole ----------------------------------------------------------------------------------------------


def accept(connection: sqlite3.Connection, name: str, found: str, because: str, at_ms: int) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO acceptances (name, found, because, accepted_ms) VALUES (?, ?, ?, ?)",
        (name, found, because, at_ms),
    )


def accept_by(connection: sqlite3.Connection, name: str, found: str, because: str, at_ms: int, by: str) -> None:
    """With who accepts it, at once: what an earlier acceptance of the same figure noted says nothing of this one."""
    accept(connection, name, found, because, at_ms)
    set_note(connection, f"{ACCEPTED_BY}{name} {found}", json.dumps(by), at_ms)


def take_back(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM acceptances WHERE name = ?", (name,))


def set_note(connection: sqlite3.Connection, key: str, text: str, at_ms: int) -> None:
    connection.execute("INSERT OR REPLACE INTO notes (key, value, noted_ms) VALUES (?, ?, ?)", (key, text, at_ms))


def keep(connection: sqlite3.Connection, kind: str, name: str, etag: str, body: bytes, at_ms: int) -> None:
    connection.execute(
        "INSERT INTO keeps (kind, name, etag, body, kept_ms) VALUES (?, ?, ?, ?, ?)", (kind, name, etag, body, at_ms)
    )


def forget_kept(connection: sqlite3.Connection, kind: str, name: str) -> None:
    """The last that was kept of it is back where it was."""
    connection.execute(
        "DELETE FROM keeps WHERE id = (SELECT max(id) FROM keeps WHERE kind = ? AND name = ?)", (kind, name)
    )


# --- history ------------------------------------------------------------------------------------------------


def add_moment(
    connection: sqlite3.Connection, run: int, moment: history.Moment, slow: list[history.SlowObject]
) -> bool:
    if slow:
        history.keep_slow(connection, slow)
    return history.add(connection, run, moment)


COMMANDS: dict[str, Callable[..., Any]] = {
    "decide": rows.decide, "conclude": conclude, "forget": rows.forget, "let_go": rows.let_go,
    "bind": rebinding.bind, "learn": rebinding.learn, "bind_list": rebinding.bind_list,
    "open_snapshot": open_snapshot, "close_snapshot": close_snapshot,
    "intend_upload": intend_upload, "set_upload_id": set_upload_id, "record_parts": record_parts,
    "finish_upload": finish_upload, "accept": accept, "accept_by": accept_by, "take_back": take_back,
    "set_note": set_note, "keep": keep, "forget_kept": forget_kept,
    "begin_run": history.begin, "add_moment": add_moment, "end_run": history.end,
    "add_shards": index.add, "hand_over": index.hand_over, "open_shard": index.set_open, "record_shard": index.record,
}  # fmt: skip
"""By the name that a journal has. What one of them takes (by its annotations a journal is read) may not change, and
what it does only in ways that do to an older journal what was done then."""
