"""Probes of tables: CSV read once in flat memory, Parquet by its footer."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PreconditionFailed
from engine.finish.probes import run_probe
from engine.finish.probing import footing, ranges, tables
from engine.finish.probing.answers import ProbeResult
from engine.model import Location
from engine.plan.settings import CsvProbe, ParquetProbe
from engine.store import GetRange
from tests.fake_store import FakeStore

AT = Location("b", "cards.csv")
CARDS = b'id,name\r\n1,"Pikachu, ""the mouse"""\r\n2,"Mr.\nMime"\r\n3,Nidoran\xe2\x99\x80\r\n'


@pytest.fixture
def python_s_limit() -> Iterator[int]:
    """Characters of a field that `csv` takes in a process that has read no table yet."""
    found, limit = csv.field_size_limit(), 131_072
    csv.field_size_limit(limit)
    yield limit
    csv.field_size_limit(found)


async def ask(body: bytes, store: FakeStore | None = None, **asked: Any) -> ProbeResult:
    store = store or FakeStore()
    store.put(str(AT), body)
    return await run_probe(store, CsvProbe("cards", AT, **asked))


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 7, 1000])
async def test_pieces_may_end_anywhere_in_a_character_a_quote_or_a_line_end(
    piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PIECE_BYTES", piece_bytes)
    result = await ask(CARDS, rows=3, columns=2, header=("id", "name"))
    assert result.ok and result.rows == 3
    assert result.sentence == "s3://b/cards.csv is CSV with 3 rows and 2 columns"


@pytest.mark.parametrize(
    ("body", "asked", "rows"),
    [
        (b"a,b\n1,2", {}, 1),
        (b"a,b\n1,2", {"headless": True}, 2),
        (b"\xef\xbb\xbfa,b\n1,2\n\n3,4\n", {"header": ("a", "b")}, 2),
        (b"a\tb\r1\t2\r", {"delimiter": "\t", "columns": 2}, 1),
        ("a,b\n1,x\u2028y\n".encode(), {}, 1),
        (b"a,b\n", {}, 0),
    ],
)
async def test_how_tables_are_written(body: bytes, asked: dict[str, Any], rows: int) -> None:
    result = await ask(body, **asked)
    assert result.ok and result.rows == rows


@pytest.mark.parametrize(
    ("body", "asked", "why"),
    [
        (b"", {}, "is empty"),
        (CARDS, {"rows": 4}, "it has 3 rows, not 4"),
        (CARDS, {"columns": 3}, "it has 2 columns, not 3"),
        (CARDS, {"header": ("name", "id")}, 'its columns are "id", "name", not "name", "id"'),
        (b"a,b\n1,2\n3\n", {}, "the row that ends in line 3 has 1 fields, not 2"),
        (b'a,b\n1,"2\n', {}, "unexpected end of data"),
        (b'a,b\n1,"2"x\n', {}, "line 2: "),
        (b"a,b\n1,\xff\n", {}, "it is not UTF-8"),
        (b"a,b\n1,\xe2", {}, "it is not UTF-8"),
        (b"a,b\n1,2\n3," + b"\0" * 4096 + b"\n", {}, "it holds NUL bytes"),
        (b"\0" * 4096, {}, "it holds NUL bytes"),
        ("a,b\n1,2\n".encode("utf-16-le"), {}, "it holds NUL bytes"),
        (b"\n\r\n\n", {}, "it has no row"),
        (b"\xef\xbb\xbf", {"headless": True}, "it has no row"),
    ],
)
async def test_what_is_no_such_table(body: bytes, asked: dict[str, Any], why: str) -> None:
    result = await ask(body, **asked)
    assert not result.ok and why in result.sentence


@pytest.mark.parametrize("body", [b"x" * 10_000, b'"a\n",' * 1_000], ids=["one line", "many short lines"])
async def test_a_row_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    monkeypatch.setattr(tables, "LONGEST_ROW", 100)
    monkeypatch.setattr(tables, "PIECE_BYTES", 10)
    store = FakeStore()
    result = await ask(body, store)
    assert not result.ok and "a row is longer than 100 characters" in result.sentence
    assert store.counts["GetObject"] < 20
    assert (await ask(b'"a\n",b\n' * 1_000)).ok, "rows of two lines each"


async def test_a_field_may_be_as_long_as_a_line(monkeypatch: pytest.MonkeyPatch, python_s_limit: int) -> None:
    vector = b"0.25," * 40_000
    result = await ask(b'id,vector\n1,"' + vector + b'"\n')
    assert len(vector) > python_s_limit
    assert result.ok and result.rows == 1, result.sentence
    monkeypatch.setattr(tables, "LONGEST_ROW", python_s_limit + 1)
    csv.field_size_limit(python_s_limit)
    result = await ask(b'id,vector\n1,"' + vector.replace(b",", b"\n") + b'"\n')
    assert not result.ok and "field larger than field limit" in result.sentence, "of many lines, and not held"


async def test_a_limit_that_somebody_else_has_raised_stays(python_s_limit: int) -> None:
    csv.field_size_limit(2 * tables.LONGEST_ROW)
    assert (await ask(CARDS)).ok
    assert csv.field_size_limit() == 2 * tables.LONGEST_ROW


async def test_a_table_that_changes_while_it_is_read_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PIECE_BYTES", 8)
    store = FakeStore()

    def change(_: str, request: object) -> None:
        if isinstance(request, GetRange) and request.first == 8:
            raise PreconditionFailed("it changed", operation="GetObject")

    store.before = change
    result = await ask(CARDS, store)
    assert not result.ok and "could not be found out" in result.sentence


async def test_nothing_longer_than_a_piece_is_asked_for() -> None:
    store = FakeStore()
    store.put(str(AT), b"a\n" * (ranges.PIECE_BYTES // 2 + 5))
    result = await run_probe(store, CsvProbe("cards", AT))
    assert result.rows == ranges.PIECE_BYTES // 2 + 4
    asked = [request for name, request in store.requests if name == "GetObject"]
    assert [item.last - item.first + 1 for item in asked] == [ranges.PIECE_BYTES, 10]


# --- Parquet --------------------------------------------------------------------------------------------------------

TABLE = Location("b", "cards.parquet")
INSTALLED = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")


def parquet(rows: int, columns: int = 2) -> bytes:
    import pyarrow
    import pyarrow.parquet

    made = pyarrow.table({f"column {number}": list(range(rows)) for number in range(columns)})
    body = io.BytesIO()
    pyarrow.parquet.write_table(made, body, row_group_size=1000)
    return body.getvalue()


async def ask_parquet(body: bytes, store: FakeStore | None = None, **asked: Any) -> ProbeResult:
    store = store or FakeStore()
    store.put(str(TABLE), body)
    return await run_probe(store, ParquetProbe("cards", TABLE, **asked))


@INSTALLED
async def test_rows_and_columns_are_read_from_the_footer_alone() -> None:
    body, store = parquet(100_000), FakeStore()
    names = ("column 0", "column 1")
    result = await ask_parquet(body, store, rows=100_000, columns=2, header=names)
    assert result.ok and result.rows == 100_000
    asked = [request for name, request in store.requests if name == "GetObject"]
    assert [item.last - item.first + 1 for item in asked] == [64 * 1024, 4]
    assert len(body) > 64 * 1024
    assert all(item.if_match for item in asked)


@INSTALLED
async def test_a_small_file_costs_one_request_and_a_long_footer_one_more() -> None:
    store = FakeStore()
    assert (await ask_parquet(parquet(1), store)).ok and store.counts["GetObject"] == 1
    store = FakeStore()
    result = await ask_parquet(parquet(1, 2_000), store, columns=2_000)
    assert result.ok and store.counts["GetObject"] == 3


@INSTALLED
async def test_a_footer_that_ends_the_program_that_reads_it_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one flipped bit in a hundred does: the library aborts."""
    (tmp_path / "aborts.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(footing, "__file__", str(tmp_path / "aborts.py"))
    result = await ask_parquet(parquet(10))
    assert not result.ok and "the program that read its footer ended with" in result.sentence


@INSTALLED
async def test_a_parquet_file_that_is_not_what_was_asked_for() -> None:
    body = parquet(10)
    assert "it has 10 rows, not 11" in (await ask_parquet(body, rows=11)).sentence
    assert "it has 2 columns, not 3" in (await ask_parquet(body, columns=3)).sentence
    result = await ask_parquet(body, header=("a",))
    assert not result.ok and 'its columns are "column 0", "column 1", not "a"' in result.sentence


@INSTALLED
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda body: b"", "it has only 0 bytes"),
        (lambda body: body[:-1], "does not end as a Parquet file does"),
        (lambda body: body[:-4] + b"PARE", "its footer is encrypted"),
        (lambda body: body[:-8] + b"\xff\xff\xff\xff" + body[-4:], "its footer would have 4,294,967,295 bytes"),
        (lambda body: body[:-300] + b"\0" * 292 + body[-8:], "cannot be read as Parquet"),
        (lambda body: b"x" * 100 + body, "it does not begin as a Parquet file does"),
        (lambda body: bytes(100_000) + body, "it does not begin as a Parquet file does"),
        (lambda body: b"PAR1" + body[4000:], "its footer tells of more data than there is"),
    ],
    ids=lambda value: value if isinstance(value, str) else "damage",
)
async def test_what_is_no_parquet_file_or_not_a_whole_one(damage: Any, why: str) -> None:
    result = await ask_parquet(damage(parquet(10_000)))
    assert not result.ok and why in result.sentence


async def test_without_its_extra_a_probe_is_not_ok_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    store = FakeStore()
    result = await ask_parquet(b"", store)
    assert not result.ok and "pip install 'cartage-s3[parquet]'" in result.sentence
    assert not store.requests
