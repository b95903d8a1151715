"""A ledger's objects as CSV, NDJSON or a checksum list. Pure: a row in, its line out.

Keys are other people's data. A spreadsheet runs a cell that begins with "=", "+", "-" or "@" (also after a tab, a line
end, or in full width), so that such a text gets an apostrophe before it, and so does one that has an apostrophe
already: take one leading apostrophe away, and the text is what it was. The column `key_percent` is for programs: every
byte of the key but letters, digits and `-._~/` is %XX, and so is a "-" at the beginning. NDJSON needs neither.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from engine.api.export import ExportRow
from engine.model import Proof

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

COLUMNS = (
    "route", "key", "key_percent", "source", "target", "size", "state", "proof", "compared", "source_etag",
    "target_etag", "checksum", "xxh3", "properties", "storage_class", "method", "found", "attempts",
    "source_modified", "copied", "size_proven", "digest_proven", "bytes_proven", "code", "message",
)  # fmt: skip
"""Of CSV, in order. NDJSON has the same names, without `key_percent`."""


def values_of(row: ExportRow) -> dict[str, Any]:
    """Every value by its column's name. Times are ISO 8601 in UTC, empty where not reached."""
    record = row.record
    return {
        "route": record.route,
        "key": record.key,
        "key_percent": _percent(record.key),
        "source": f"s3://{row.source_bucket}/{row.source_key}",
        "target": f"s3://{row.target_bucket}/{row.target_key}",
        "size": record.size,
        "state": record.state.value,
        "proof": record.proof.name.lower(),
        "compared": record.compared,
        "source_etag": record.source_etag,
        "target_etag": record.target_etag,
        "checksum": record.checksum,
        "xxh3": record.xxh3,
        "properties": record.properties,
        "storage_class": record.storage_class,
        "method": record.method,
        "found": record.found,
        "attempts": record.attempts,
        "source_modified": record.source_modified,
        "copied": _moment(record.copied_ms),
        "size_proven": _moment(record.size_ms),
        "digest_proven": _moment(record.digest_ms),
        "bytes_proven": _moment(record.bytes_ms),
        "code": record.code,
        "message": record.message,
    }


def csv_header() -> str:
    return ",".join(COLUMNS) + "\r\n"


def csv_line(row: ExportRow) -> str:
    """As RFC 4180 has it."""
    text = io.StringIO()
    values = values_of(row)
    csv.writer(text, lineterminator="\r\n").writerow([_cell(values[name]) for name in COLUMNS])
    return text.getvalue()


def ndjson_line(row: ExportRow) -> str:
    values = values_of(row)
    del values["key_percent"]
    return json.dumps(values, ensure_ascii=True) + "\n"


def checksum_line(row: ExportRow) -> str:
    """A line for `xxh128sum -c`, run where the target's bucket lies as a folder; empty where no bytes were read.

    A name with a backslash or a line end is escaped as xxhsum 0.8.3 and GNU's own tools do, and the line then begins
    with a backslash."""
    record = row.record
    if record.proof is not Proof.BYTES or not record.xxh3:
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


def _moment(at_ms: int) -> str:
    if not at_ms:
        return ""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
