"""S3 Inventory files in Parquet and ORC give the rows that one in CSV gives."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc, parquet

from engine.errors import PlanError
from engine.listing.inventory_tables import table_rows
from engine.listing.key_rows import KeyRow

WHEN = datetime(2026, 1, 31, 10, 0, 0, 250_000, UTC)


def table(**columns: Any) -> pa.Table:
    """As S3 writes it ("Amazon S3 Inventory list"): every optional column may be missing."""
    return pa.table(
        {
            "bucket": ["from"] * 4,
            "key": ["p/a b+c%20.jpg", "p/old", "p/gone", "other/x"],
            "is_latest": [True, False, True, True],
            "is_delete_marker": [False, False, True, False],
            "size": pa.array([7, 1, None, 3], pa.int64()),
            "last_modified_date": pa.array([WHEN] * 4, pa.timestamp("ms", "UTC")),
            "e_tag": ["e1", "e2", None, "e4"],
            "storage_class": ["GLACIER_IR", "STANDARD", None, "STANDARD"],
        }
        | columns
    )


def written(folder: Path, form: str, found: pa.Table) -> Path:
    path = folder / f"1.{form.lower()}"
    if form == "ORC":
        orc.write_table(found, path)
    else:
        parquet.write_table(found, path, row_group_size=2)
    return path


@pytest.mark.parametrize("form", ["Parquet", "ORC"])
def test_current_versions_under_the_prefix_come_with_their_keys_as_they_are(tmp_path: Path, form: str) -> None:
    rows = [row for batch in table_rows("m", written(tmp_path, form, table()), form, "p/") for row in batch]
    assert rows == [KeyRow("p/a b+c%20.jpg", 7, "e1", "2026-01-31T10:00:00.250Z", "GLACIER_IR")]


@pytest.mark.parametrize("form", ["Parquet", "ORC"])
def test_what_has_only_keys_leaves_the_rest_to_be_asked_for(tmp_path: Path, form: str) -> None:
    path = written(tmp_path, form, pa.table({"bucket": ["from"], "key": ["p/a"]}))
    assert [row for batch in table_rows("m", path, form, "p/") for row in batch] == [KeyRow("p/a")]


@pytest.mark.parametrize("form", ["Parquet", "ORC"])
@pytest.mark.parametrize("body", [b"", b"no table", b"PAR1PAR1", b"ORC"])
def test_what_is_no_table_is_refused(tmp_path: Path, form: str, body: bytes) -> None:
    (tmp_path / "x").write_bytes(body)
    with pytest.raises(PlanError, match=f"cannot be read as {form}"):
        list(table_rows("m", tmp_path / "x", form, "p/"))


@pytest.mark.parametrize("form", ["Parquet", "ORC"])
@pytest.mark.parametrize("column", ["key", "size"])
def test_a_table_that_has_a_column_twice_is_refused(tmp_path: Path, form: str, column: str) -> None:
    found = table()
    path = written(tmp_path, form, found.append_column(column, found.column(column)))
    with pytest.raises(PlanError, match=f"it has the column {column} 2 times"):
        list(table_rows("cards", path, form, ""))


def test_a_table_without_keys_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "Parquet", pa.table({"size": [1]}))
    with pytest.raises(PlanError, match="no column key"):
        list(table_rows("m", path, "Parquet", "p/"))
