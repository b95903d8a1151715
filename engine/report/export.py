"""A ledger's objects as CSV, NDJSON or a checksum list (`arrow` has them as Parquet). Pure: a row in, its line out.

Keys are other people's data. A spreadsheet runs a cell that begins with "=", "+", "-" or "@" (also after a tab, a line
end, or in full width), so that such a text gets an apostrophe before it, and so does one that has an apostrophe
already: take one leading apostrophe away, and the text is what it was. The column `key_percent` is for programs: every
byte of the key but letters, digits and `-._~/` is %XX, and so is a "-" at the beginning. NDJSON needs neither.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import quote

from engine.api.export import ExportRow
from engine.model import Proof
from engine.sites.clock import time_text

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

NAMES = (
    "route", "key", "source", "target", "size", "state", "proof", "compared", "source_etag", "target_etag", "checksum",
    "xxh3", "properties", "storage_class", "method", "found", "attempts", "source_modified", "copied", "size_proven",
    "digest_proven", "bytes_proven", "code", "message",
)  # fmt: skip
"""Of every format, in order."""

COLUMNS = (*NAMES[:2], "key_percent", *NAMES[2:])
"""Of CSV, in order."""

MOMENTS = ("copied", "size_proven", "digest_proven", "bytes_proven")


def values_of(row: ExportRow) -> tuple[Any, ...]:
    """Every value, in the order of `NAMES`; `MOMENTS` in epoch milliseconds, 0 where not reached."""
    record = row.record
    return (
        record.route, record.key, row.source, row.target, record.size, record.state.value, record.proof.name.lower(),
        record.compared, record.source_etag, record.target_etag, record.checksum, record.xxh3, record.properties,
        record.storage_class, record.method, record.found, record.attempts, record.source_modified, record.copied_ms,
        record.size_ms, record.digest_ms, record.bytes_ms, record.code, record.message,
    )  # fmt: skip


def texts_of(row: ExportRow) -> dict[str, Any]:
    """The same by name, with times in ISO 8601 in UTC, empty where not reached."""
    values = dict(zip(NAMES, values_of(row), strict=True))
    return values | {name: time_text(values[name]) for name in MOMENTS}


def csv_header() -> str:
    return ",".join(COLUMNS) + "\r\n"


def csv_line(row: ExportRow) -> str:
    """As RFC 4180 has it."""
    text = io.StringIO()
    values = texts_of(row) | {"key_percent": _percent(row.record.key)}
    csv.writer(text, lineterminator="\r\n").writerow([_cell(values[name]) for name in COLUMNS])
    return text.getvalue()


def ndjson_line(row: ExportRow) -> str:
    return json.dumps(texts_of(row), ensure_ascii=True) + "\n"


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


FORMATS: dict[str, tuple[str, Callable[[ExportRow], str]]] = {
    "csv": (csv_header(), csv_line),
    "ndjson": ("", ndjson_line),
    "checksums": ("", checksum_line),
}
"""Each format's first line, and how a row is written."""


@contextmanager
def writing_lines(form: str, file: BinaryIO) -> Iterator[Callable[[list[ExportRow]], int]]:
    """What takes batches of rows into a file of this format, and says how many it wrote: it may leave some out."""
    head, line_of = FORMATS[form]
    file.write(head.encode())

    def write(rows: list[ExportRow]) -> int:
        lines = [line for row in rows if (line := line_of(row))]
        file.write("".join(lines).encode())
        return len(lines)

    yield write


def defused(text: str) -> str:
    """A text that a spreadsheet shows and does not run."""
    return f"'{text}" if text.startswith((*_RUN_BY_SPREADSHEETS, "'")) else text


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return defused(value) if isinstance(value, str) else str(value)


def _percent(key: str) -> str:
    text = quote(key, safe="/")
    return "%2D" + text[1:] if text.startswith("-") else text
