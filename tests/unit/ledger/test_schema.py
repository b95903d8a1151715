"""Migrations commit together with their record, an older ledger is brought up to date, a newer one refused, and the
page that describes the tables tells the truth."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.errors import LedgerCorrupt
from engine.ledger import Ledger, LedgerReader
from engine.ledger import schema as ledger_schema
from engine.ledger.schema import APPLICATION_ID, MIGRATIONS, OLDER_VIEWS, migrate
from engine.plan.lifecycle import State
from tests.unit.ledger.scene import BINDING, Clock, decision, opened, query

PAGE = Path(__file__).resolve().parents[3] / "docs" / "ledger.md"


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(path: Path) -> tuple[object, object]:
    return query(path, "PRAGMA application_id")[0][0], query(path, "PRAGMA user_version")[0][0]


def test_a_migration_and_its_record_are_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.ledger"
    broken = (*MIGRATIONS, ("CREATE TABLE half (x INTEGER)", "CREATE TABLE objects (again TEXT)"))
    monkeypatch.setattr(ledger_schema, "MIGRATIONS", broken)
    with closing(connect(path)) as connection, pytest.raises(sqlite3.OperationalError):
        migrate(connection)
    assert version(path) == (APPLICATION_ID, len(MIGRATIONS))
    assert query(path, "SELECT name FROM sqlite_master WHERE name = 'half'") == []
    monkeypatch.setattr(ledger_schema, "MIGRATIONS", MIGRATIONS)
    with closing(connect(path)) as connection:
        migrate(connection)
        migrate(connection)  # nothing is left to do
    assert version(path) == (APPLICATION_ID, len(MIGRATIONS))


@pytest.mark.parametrize("old", range(1, len(MIGRATIONS) + 1))
async def test_a_ledger_of_every_older_format_is_read_and_brought_up_to_date(
    tmp_path: Path, old: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "moving.ledger"
    with closing(connect(path)) as connection:
        with monkeypatch.context() as patch:
            patch.setattr(ledger_schema, "MIGRATIONS", MIGRATIONS[:old])
            migrate(connection)
        connection.execute("INSERT INTO meta VALUES ('binding', ?)", (BINDING.text,))
        for item in BINDING.routes:
            connection.execute(
                "INSERT INTO routes (name, source, target, digest) VALUES (?, ?, ?, ?)",
                (item.name, item.source, item.target, item.digest),
            )
        columns = [row[1] for row in connection.execute("PRAGMA table_info(objects)")]
        values = {"route": 1, "key": "a", "size": 3, "state": "planned", "attempts": 1}
        numbers = {row[1] for row in connection.execute("PRAGMA table_info(objects)") if row[2] == "INTEGER"}
        connection.execute(
            f"INSERT INTO objects ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            [values.get(name, 0 if name in numbers else "") for name in columns],
        )
        connection.execute("INSERT INTO tallies VALUES (1, 'planned', 0, 0, 1, 3)")
    async with await LedgerReader.open_to_read(path) as reader:
        assert [record.key for batch in [b async for b in reader.records()] for record in batch] == ["a"]
        assert [(tally.state, tally.objects) for tally in await reader.tallies()] == [(State.PLANNED, 1)]
    assert version(path)[1] == old
    async with opened(path) as ledger:
        assert [entry.key for entry in await ledger.entries("raw", None, None, 10)] == ["a"]
    assert version(path)[1] == len(MIGRATIONS)


async def test_what_an_older_ledger_knows_of_damage_and_of_what_was_there_before_is_taken_over(
    tmp_path: Path,
) -> None:
    """By its state alone, or by a copy that was decided over the source's own ETag and did not end."""
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision(key, held="was" if key == "over" else "") for key in ROWS])
    with closing(connect(path)) as connection:
        for column in ("damaged", "overwritten"):
            connection.execute(f"ALTER TABLE objects DROP COLUMN {column}")
        for key, (values, _) in ROWS.items():
            connection.execute(f"UPDATE objects SET {values} WHERE key = ?", (key,))
        connection.execute("DELETE FROM tallies")
        connection.execute(
            "INSERT INTO tallies SELECT route, state, proof, found, count(*), sum(size) FROM objects "
            "GROUP BY route, state, proof, found"
        )
        connection.execute("DROP TABLE former")
        connection.execute("PRAGMA user_version = 8")
    async with await LedgerReader.open_to_read(path) as reader:
        assert (await entries_of(reader))["damaged"] == "e"
        aside = [item.key async for batch in reader.records(states={State.DAMAGED}) for item in batch]
        assert aside == ["damaged", "missing"]
        assert await reader.former() == (0, 0)
    async with opened(path) as ledger:
        assert await entries_of(ledger) == {key: damaged for key, (_, damaged) in ROWS.items()}
        records = [item async for batch in ledger.records() for item in batch]
        assert {item.key: item.overwritten for item in records if item.overwritten} == {
            "over": "was",
            "undone": "etag-undone",
        }


ROWS = {
    "copied": ("state = 'copied', target_etag = 'e'", ""),
    "damaged": ("state = 'damaged', target_etag = 'e', code = 'BytesDiffer'", "e"),
    "lost": ("state = 'lost', target_etag = 'e'", "e"),
    "missing": ("state = 'damaged', target_etag = 'e', code = 'TargetMissing'", ""),
    "over": ("state = 'copied', target_etag = 'e'", ""),
    "proven": ("state = 'lost', target_etag = 'e', proof = 2", ""),
    "undone": ("state = 'failed', held = source_etag", "etag-undone"),
}
"""What an older row holds, and what is damaged by it."""


async def entries_of(reader: LedgerReader) -> dict[str, str]:
    return {entry.key: entry.damaged for entry in await reader.entries("raw", None, None, 10)}


def test_every_older_format_has_its_view() -> None:
    assert sorted(OLDER_VIEWS) == list(range(1, len(MIGRATIONS)))


async def test_a_ledger_of_a_newer_cartage_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
    newer = len(MIGRATIONS) + 1
    with closing(connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    said = rf"written by a newer Cartage \(format {newer}, this one knows {newer - 1}\)"
    with pytest.raises(LedgerCorrupt, match=said) as to_write:
        await Ledger.open(path, BINDING, now_ms=Clock())
    with pytest.raises(LedgerCorrupt, match=said) as to_read:
        await LedgerReader.open_to_read(path)
    assert to_write.value.advised == to_read.value.advised
    assert "Read it with the Cartage that wrote it" in to_read.value.advice
    assert version(path) == (APPLICATION_ID, newer)


def test_a_database_that_is_none_of_ours_is_not_migrated(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE visits (url TEXT)")
        with pytest.raises(ValueError, match="not a ledger of Cartage"):
            migrate(connection)
    assert query(path, "SELECT name FROM sqlite_master") == [("visits",)]


# --- docs/ledger.md -----------------------------------------------------------------------------------------


def documented() -> dict[str, list[str]]:
    """Table → columns, from the page's headings (### `table`) and the first cells of the tables under them."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^### ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, rest = section.partition("\n")
        name = re.match(r"`(\w+)`", heading)
        if name:
            body = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
            cells = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", body, flags=re.MULTILINE)
            found[name[1]] = [column for cell in cells for column in re.findall(r"`(\w+)`", cell)]
    return found


def test_the_page_names_every_table_and_column_and_no_other(tmp_path: Path) -> None:
    with closing(connect(tmp_path / "x.ledger")) as connection:
        migrate(connection)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        actual = {
            name: sorted(row[1] for row in connection.execute(f"PRAGMA table_info({name})"))
            for name in tables
            if not name.startswith("sqlite_")
        }
    assert {name: sorted(columns) for name, columns in documented().items()} == actual


def test_the_page_says_the_format_and_every_state() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert f"`PRAGMA user_version` is {len(MIGRATIONS)}" in text
    assert [state.value for state in State if f"`{state.value}`" not in text] == []


def test_the_pages_queries_run(tmp_path: Path) -> None:
    queries = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert queries
    with closing(connect(tmp_path / "x.ledger")) as connection:
        migrate(connection)
        for statement in ";".join(queries).split(";"):
            if statement.strip():
                connection.execute(statement)
