"""Tables: rows and columns of a CSV file, read once in flat memory, and of a Parquet file, by its footer alone."""

from __future__ import annotations

import codecs
import csv
import io
import struct
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import NamedTuple

import anyio
import anyio.from_thread
import anyio.to_thread

from engine.extras import needs
from engine.finish.commands import read_apart
from engine.finish.probing import footing
from engine.finish.probing.answers import ProbeResult, judged
from engine.finish.probing.laying import laid_down
from engine.finish.probing.ranges import PIECE_BYTES, Pinned, pinned
from engine.model import MIB
from engine.plan.settings import CsvProbe, ParquetProbe
from engine.store import ObjectStore

LONGEST_ROW = 8 * MIB
"""Characters of one row of a CSV file, whatever lines it has: what is longer is no table that people keep, and all of
it would be held."""
MAX_FOOTER_BYTES = 64 * MIB
FOOTER_S = 60.0
_TAIL_BYTES = 64 * 1024
_MAGIC = b"PAR1"
_ENCRYPTED = b"PARE"
_END = struct.Struct("<I4s")
_MANY = 5


class NoTable(ValueError):
    """The bytes are no table; the message says why."""


class Table(NamedTuple):
    rows: int
    columns: int
    names: tuple[str, ...] | None


async def ask_csv(store: ObjectStore, probe: CsvProbe) -> ProbeResult:
    """Read all of it, a piece at a time, and count."""
    found = await pinned(store, probe.at)
    if found.size == 0:
        return ProbeResult(probe.name, False, "empty", f"{probe.at} is empty, which is no table")

    def read(first: int) -> bytes:
        anyio.from_thread.check_cancelled()
        return anyio.from_thread.run(found.read, first, PIECE_BYTES)

    pieces = (read(first) for first in range(0, found.size, PIECE_BYTES))
    try:
        table = await anyio.to_thread.run_sync(lambda: count_csv(pieces, probe.delimiter, headless=probe.headless))
    except NoTable as error:
        return ProbeResult(probe.name, False, "no table", f"{probe.at} cannot be read as CSV: {error}")
    return judge_table(probe, table, "CSV")


def count_csv(pieces: Iterator[bytes], delimiter: str, *, headless: bool) -> Table:
    """Rows and columns of UTF-8 text in pieces. A line end inside quotes is part of its field; an empty line is no row.
    Raises NoTable where a row has more or fewer fields than the first."""
    # Python's own limit of a field is 131,072, and that of the whole process. It is raised and not put back, since that
    # would lower it for another thread that is reading a table.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_ROW))
    lines = _Lines()
    reader = csv.reader(lines.of(pieces), delimiter=delimiter, strict=True)
    rows, width, names = 0, 0, None
    try:
        for fields in reader:
            lines.row_chars = 0
            if not fields:
                continue
            if not width:
                width, names = len(fields), None if headless else tuple(fields)
            elif len(fields) != width:
                raise NoTable(f"the row that ends in line {reader.line_num:,} has {len(fields)} fields, not {width}")
            rows += 1
    except csv.Error as error:
        raise NoTable(f"line {reader.line_num:,}: {error}") from None
    except UnicodeDecodeError as error:
        raise NoTable(f"after line {reader.line_num:,} it is not UTF-8: {error.reason}") from None
    if not width:
        raise NoTable("it has no row, nor a header")
    return Table(rows - (names is not None), width, names)


class _Lines:
    """What `csv.reader` is fed with. Whoever takes the rows sets `row_chars` back to nothing with each."""

    def __init__(self) -> None:
        self.row_chars = 0
        """Characters of the row that is not at its end yet: the reader holds all of them."""

    def of(self, pieces: Iterator[bytes]) -> Iterator[str]:
        """Each line with its end (\\n, \\r\\n or \\r). Raises NoTable."""
        decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8-sig")(), translate=False)
        rest = ""
        for piece in pieces:
            decoded = decoder.decode(piece)
            if "\0" in decoded:  # as where blocks of a file were lost, or in UTF-16; to the reader it is a character
                raise NoTable("it holds NUL bytes, and is no text in UTF-8")
            text, rest = rest + decoded, ""
            for line in io.StringIO(text, newline=""):
                if line.endswith(("\n", "\r")):
                    self.row_chars += len(line)
                    yield line
                else:
                    rest = line
            if self.row_chars + len(rest) > LONGEST_ROW:
                raise NoTable(f"a row is longer than {LONGEST_ROW:,} characters")
        yield from io.StringIO(rest + decoder.decode(b"", final=True), newline="")


async def ask_parquet(store: ObjectStore, probe: ParquetProbe) -> ProbeResult:
    """Read the footer, and the mark before all: a request or two, and one more where the footer is long. Raises
    `ExtraMissing`."""
    with needs("parquet"):
        if find_spec("pyarrow") is None:
            raise ModuleNotFoundError(name="pyarrow")
    found = await pinned(store, probe.at)
    try:
        footer = await _footer(found)
        table = await _told(footer, found.size - len(footer))
    except NoTable as error:
        return ProbeResult(probe.name, False, "no table", f"{probe.at} cannot be read as Parquet: {error}")
    return judge_table(probe, table, "Parquet")


async def _told(footer: bytes, data_bytes: int) -> Table:
    """What a footer tells. Raises NoTable."""
    with laid_down() as folder:
        path = folder / "footer"
        await anyio.Path(path).write_bytes(footer)
        end, said = await read_apart(footing.__file__, path, str(data_bytes), limit_s=FOOTER_S)
    if end.code is None:
        raise NoTable(end.failure or f"its footer was not read within {FOOTER_S:.0f} s")
    if end.code != 0:
        raise NoTable(f"the program that read its footer ended with {end.code}, as it does where that is damaged")
    if "error" in said:
        raise NoTable(str(said["error"]))
    return Table(said["rows"], len(said["names"]), tuple(said["names"]))


async def _footer(found: Pinned) -> bytes:
    """The footer with its length and the marks around it, which is a file that has no data. Raises NoTable."""
    least = len(_MAGIC) + _END.size
    if found.size < least:
        raise NoTable(f"it has only {found.size} bytes")
    tail = await found.read(max(0, found.size - _TAIL_BYTES), _TAIL_BYTES)
    length, magic = _END.unpack(tail[-_END.size :])
    if magic == _ENCRYPTED:
        raise NoTable("its footer is encrypted")
    if magic != _MAGIC:
        raise NoTable("it does not end as a Parquet file does")
    start = tail if found.size <= len(tail) else await found.read(0, len(_MAGIC))
    if start[: len(_MAGIC)] != _MAGIC:
        raise NoTable("it does not begin as a Parquet file does")
    whole = length + _END.size
    if whole > min(MAX_FOOTER_BYTES, found.size - len(_MAGIC)):
        raise NoTable(f"its footer would have {length:,} bytes")
    if whole > len(tail):
        tail = await found.read(found.size - whole, whole)
    return _MAGIC + tail[-whole:]


def judge_table(probe: CsvProbe | ParquetProbe, table: Table, form: str) -> ProbeResult:
    """Whether a table is as the probe asks for."""
    found = f"{table.rows} rows, {table.columns} columns"
    wrong = []
    if probe.rows is not None and table.rows != probe.rows:
        wrong.append(f"it has {table.rows:,} rows, not {probe.rows:,}")
    if probe.columns is not None and table.columns != probe.columns:
        wrong.append(f"it has {table.columns:,} columns, not {probe.columns:,}")
    if probe.header is not None and table.names != probe.header:
        wrong.append(f"its columns are {_shown(table.names or ())}, not {_shown(probe.header)}")
    holds = f"is {form} with {table.rows:,} rows and {table.columns:,} columns"
    return judged(probe.name, probe.at, found, wrong, holds, table.rows)


def _shown(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name[:64]}"' for name in names[:_MANY]) or "without names"
    return shown if len(names) <= _MANY else f"{shown} and {len(names) - _MANY} more"
