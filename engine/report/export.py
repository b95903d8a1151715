"""A ledger's objects as CSV, NDJSON or a checksum list (`arrow` has them as Parquet). Pure: a row in, its line out.

Keys are other people's data. A spreadsheet runs a cell that begins with "=", "+", "-" or "@" (also after a tab, a line
end, or in full width), so that such a text gets an apostrophe before it, and so does one that has an apostrophe
already: take one leading apostrophe away, and the text is what it was. The column `key_percent` is for programs: every
byte of the key but letters, digits and `-._~/` is %XX, and so is a "-" at the beginning. NDJSON needs neither.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, BinaryIO
from urllib.parse import quote

from engine.api.export import ExportRow
from engine.model import Proof
from engine.sites.clock import time_text

_DEFUSED = frozenset("=+-@\t\r\n＝＋－＠'")
"""What a spreadsheet runs begins with one of them; and what would be taken for defused."""

NAMES = (
    "route", "key", "source", "target", "size", "state", "proof", "compared", "source_etag", "target_etag", "checksum",
    "xxh3", "properties", "storage_class", "method", "found", "attempts", "source_modified", "copied", "size_proven",
    "digest_proven", "bytes_proven", "code", "message",
)  # fmt: skip
"""Of every format, in order."""

COLUMNS = (*NAMES[:2], "key_percent", *NAMES[2:])
"""Of CSV, in order."""
_PERCENT, _FOUND = map(COLUMNS.index, ("key_percent", "found"))

MOMENTS = ("copied", "size_proven", "digest_proven", "bytes_proven")
_DATED = slice(NAMES.index(MOMENTS[0]), NAMES.index(MOMENTS[-1]) + 1)
_time_text = lru_cache(time_text)
"""What is committed together bears one time."""


def values_of(row: ExportRow) -> tuple[Any, ...]:
    """Every value, in the order of `NAMES`; `MOMENTS` in epoch milliseconds, 0 where not reached."""
    record = row.record
    return (
        record.route, record.key, row.source, row.target, record.size, record.state.value, record.proof.name.lower(),
        record.compared, record.source_etag, record.target_etag, record.checksum, record.xxh3, record.properties,
        record.storage_class, record.method, record.found, record.attempts, record.source_modified, record.copied_ms,
        record.size_ms, record.digest_ms, record.bytes_ms, record.code, record.message,
    )  # fmt: skip


def texts_of(row: ExportRow) -> list[Any]:
    """The same, with times in ISO 8601 in UTC, empty where not reached."""
    values = list(values_of(row))
    values[_DATED] = map(_time_text, values[_DATED])
    return values


def csv_header() -> str:
    return ",".join(COLUMNS) + "\r\n"


class _Lines(list[str]):
    """What a writer of CSV writes, line by line."""

    write = list.append


def csv_lines(rows: Iterable[ExportRow]) -> list[str]:
    """As RFC 4180 has it."""
    lines = _Lines()
    csv.writer(lines, lineterminator="\r\n").writerows(map(_cells, rows))
    return lines


def ndjson_line(row: ExportRow) -> str:
    return json.dumps(dict(zip(NAMES, texts_of(row), strict=True)), ensure_ascii=True) + "\n"


def is_marker(row: ExportRow) -> bool:
    """Whether the target is a directory of a folder."""
    return not row.target_bucket and row.target_key.endswith("/")


def checksum_line(row: ExportRow) -> str:
    """A line for `xxh128sum -c`, run where the target's bucket lies as a folder; empty where no bytes were read, and
    of a directory.

    A name with a backslash or a line end is escaped as xxhsum 0.8.3 and GNU's own tools do, and the line then begins
    with a backslash."""
    record = row.record
    if record.proof is not Proof.BYTES or not record.xxh3 or is_marker(row):
        return ""
    name = row.target_key.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    escaped = "\\" if name != row.target_key else ""
    return f"{escaped}{record.xxh3}  {name}\n"


FORMATS: dict[str, tuple[str, Callable[[Iterable[ExportRow]], Iterable[str]]]] = {
    "csv": (csv_header(), csv_lines),
    "ndjson": ("", partial(map, ndjson_line)),
    "checksums": ("", lambda rows: filter(None, map(checksum_line, rows))),
}
"""Each format's first line, and those of some rows."""


@contextmanager
def writing_lines(form: str, file: BinaryIO) -> Iterator[Callable[[list[ExportRow]], int]]:
    """What takes batches of rows into a file of this format, and says how many it wrote: it may leave some out."""
    head, lines_of = FORMATS[form]
    file.write(head.encode())

    def write(rows: list[ExportRow]) -> int:
        lines = list(lines_of(rows))
        file.write("".join(lines).encode())
        return len(lines)

    yield write


def defused(text: str) -> str:
    """A text that a spreadsheet shows and does not run."""
    return f"'{text}" if text[:1] in _DEFUSED else text


def _cells(row: ExportRow) -> list[Any]:
    """Of a line of CSV; numbers as they are."""
    values = texts_of(row)
    values.insert(_PERCENT, _percent(row.record.key))
    values[_FOUND] = "yes" if row.record.found else "no"
    # As `defused` has it: a call a cell would take longer than all else.
    return [f"'{value}" if isinstance(value, str) and value[:1] in _DEFUSED else value for value in values]


def _percent(key: str) -> str:
    text = quote(key, safe="/")
    return "%2D" + text[1:] if text.startswith("-") else text
