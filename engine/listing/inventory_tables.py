"""S3 Inventory files in Parquet and ORC: rows out of a file on disk, a few at a time.

Their columns have names of their own (`last_modified_date` where CSV has LastModifiedDate), and keys are not encoded
("Locating your inventory list", "Amazon S3 Inventory list", S3 user guide). Read by pyarrow (the extra `parquet`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engine.errors import PlanError
from engine.extras import needs
from engine.listing.key_rows import KeyRow

ROWS_A_BATCH = 16_384
COLUMNS = ("key", "size", "last_modified_date", "e_tag", "storage_class", "is_latest", "is_delete_marker")


def table_rows(name: str, path: Path, form: str, prefix: str) -> Iterator[list[KeyRow]]:
    """The rows of one data file in batches: current versions under `prefix`, and no delete markers.

    Raises `ExtraMissing`, and `PlanError` for a file that is no table of this form, or has no keys."""
    with needs("parquet"):
        import pyarrow
    try:
        for batch in _batches(path, form):
            names = batch.schema.names
            if "key" not in names:
                raise PlanError([f"{name}: it has no column key"])
            values = [batch.column(column).to_pylist() for column in names]
            rows = (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))
            yield [row for found in rows if (row := _row(found, prefix)) is not None]
    except (pyarrow.ArrowException, OSError, ValueError, TypeError) as error:
        raise PlanError([f"{name}: it cannot be read as {form} ({error})"]) from None


def _batches(path: Path, form: str) -> Iterator[Any]:
    if form == "ORC":
        from pyarrow import orc

        file = orc.ORCFile(path)
        wanted = _wanted(file.schema.names)
        for number in range(file.nstripes):
            yield file.read_stripe(number, columns=wanted)
        return
    from pyarrow import parquet

    with parquet.ParquetFile(path) as table:
        yield from table.iter_batches(ROWS_A_BATCH, columns=_wanted(table.schema_arrow.names))


def _wanted(names: Sequence[str]) -> list[str]:
    """Those of the columns that are of use. Raises ValueError for one that is there twice."""
    for column in COLUMNS:
        if names.count(column) > 1:
            raise ValueError(f"it has the column {column} {names.count(column)} times")
    return [column for column in COLUMNS if column in names]


def _row(values: Mapping[str, Any], prefix: str) -> KeyRow | None:
    if values.get("is_latest") is False or values.get("is_delete_marker") is True:
        return None
    key = values["key"]
    if not isinstance(key, str):
        raise ValueError("a key is no text")
    if not key.startswith(prefix):
        return None
    size, etag, modified = values.get("size"), values.get("e_tag"), values.get("last_modified_date")
    if size is None or not etag or modified is None:
        return KeyRow(key)
    return KeyRow(key, int(size), str(etag).strip('"'), _time(modified), str(values.get("storage_class") or "STANDARD"))


def _time(value: Any) -> str:
    """As a listing says it; the tables hold a timestamp, or milliseconds of the epoch."""
    if isinstance(value, int):
        value = datetime.fromtimestamp(value / 1000, UTC)
    if not isinstance(value, datetime):
        raise ValueError("a date is none")
    stamp = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03}Z"
