"""A ledger's objects as Arrow has them, and as a Parquet file: typed columns, in batches (docs/export.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from engine.api.blocking import blocking
from engine.api.export import ExportRow, export
from engine.extras import needs
from engine.plan.sizes import moment_of
from engine.report.export import MOMENTS, NAMES, values_of

if TYPE_CHECKING:
    import pandas
    import pyarrow

ROW_GROUP = 1 << 16
"""Rows of a Parquet file that are gathered, compressed and written together: about 50 MB in memory."""


def schema() -> pyarrow.Schema:
    """Text is UTF-8; sizes are bytes; a moment is null where it was not reached. Raises `ExtraMissing`."""
    with needs("parquet"):
        import pyarrow as pa
    moment = pa.timestamp("us", tz="UTC")
    types = {"size": pa.int64(), "found": pa.bool_(), "attempts": pa.int32(), "source_modified": moment}
    types |= dict.fromkeys(MOMENTS, moment)
    nullable = {"source_modified", *MOMENTS}
    return pa.schema([pa.field(name, types.get(name, pa.string()), nullable=name in nullable) for name in NAMES])


def batch_of(rows: list[ExportRow], columns: pyarrow.Schema) -> pyarrow.RecordBatch:
    """These objects, a column an array."""
    import pyarrow as pa

    across: Iterable[tuple[Any, ...]] = zip(*map(values_of, rows), strict=True) if rows else [()] * len(NAMES)
    values = dict(zip(NAMES, across, strict=True))
    for name in MOMENTS:
        values[name] = tuple([at_ms * 1000 if at_ms else None for at_ms in values[name]])
    values["source_modified"] = tuple(map(moment_of, values["source_modified"]))
    return pa.RecordBatch.from_arrays(
        [pa.array(values[field.name], type=field.type) for field in columns], schema=columns
    )


def reader_of(ledger: Path) -> pyarrow.RecordBatchReader:
    """A stream of a ledger's objects. Raises `ExtraMissing`, `LedgerMissing`, `LedgerCorrupt`."""
    columns = schema()
    import pyarrow as pa

    batches = blocking(export)(ledger)
    first = next(batches, [])  # what is wrong with the ledger is raised here, and not where it is read
    return pa.RecordBatchReader.from_batches(columns, (batch_of(rows, columns) for rows in chain([first], batches)))


def frame_of(ledger: Path) -> pandas.DataFrame:
    """A ledger's objects in memory. Raises as `reader_of`, and `ExtraMissing` without pandas."""
    with needs("notebook"):
        import pandas  # noqa: F401  # what pyarrow asks for
    return reader_of(ledger).read_pandas()


@contextmanager
def writing_parquet(file: BinaryIO) -> Iterator[Callable[[list[ExportRow]], int]]:
    """What takes batches of rows into a Parquet file, and says how many it wrote. Memory does not grow with their
    number. Raises `ExtraMissing`."""
    columns = schema()
    import pyarrow as pa
    from pyarrow import parquet

    gathered: list[pyarrow.RecordBatch] = []
    count = 0
    with parquet.ParquetWriter(file, columns, compression="zstd") as writer:

        def write_group() -> None:
            nonlocal count
            writer.write_table(pa.Table.from_batches(gathered, columns), row_group_size=count)
            gathered.clear()
            count = 0

        def write(rows: list[ExportRow]) -> int:
            nonlocal count
            gathered.append(batch_of(rows, columns))
            count += len(rows)
            if count >= ROW_GROUP:
                write_group()
            return len(rows)

        yield write
        if count:
            write_group()
