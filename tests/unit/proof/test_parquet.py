"""`export --format parquet`: typed, streamed in row groups, there as a whole or not at all."""

from __future__ import annotations

import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from engine.report import arrow
from engine.report.export import NAMES, ndjson_line
from tests import forking
from tests.unit.proof.scene import Scene
from tests.unit.proof.test_export import KEYS, row


def test_every_key_comes_back_as_it_is() -> None:
    """Keys in a ledger are UTF-8: S3 has no others, and a local name that is none cannot be an object."""
    rows = [row(key) for key in KEYS]
    file = io.BytesIO()
    with arrow.writing_parquet(file) as write:
        assert write(rows) == len(KEYS)
    table = parquet.read_table(io.BytesIO(file.getvalue()))
    assert table.column_names == list(NAMES)
    assert table["key"].type == pa.string() and table["key"].to_pylist() == KEYS
    texts = [name for name in NAMES if table[name].type == pa.string()]
    said = [json.loads(ndjson_line(item)) for item in rows]
    assert table.select(texts).to_pylist() == [{name: line[name] for name in texts} for line in said]


def test_an_empty_ledger_is_a_file_of_no_rows() -> None:
    file = io.BytesIO()
    with arrow.writing_parquet(file):
        pass
    table = parquet.read_table(io.BytesIO(file.getvalue()))
    assert table.num_rows == 0 and table.schema.equals(arrow.schema())


def test_what_a_listing_says_of_a_time_is_a_time_in_utc_or_none() -> None:
    texts = ["2026-01-01T00:00:00.123Z", "2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00", "", "yesterday"]
    rows = [item._replace(record=item.record._replace(source_modified=text)) for text in texts for item in [row("k")]]
    found = arrow.batch_of(rows, arrow.schema())["source_modified"].cast(pa.int64()).to_pylist()
    start = 1_767_225_600_000_000
    assert found == [start + 123_000, start, start, None, None]


def test_rows_are_written_in_groups_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrow, "ROW_GROUP", 100)
    file = io.BytesIO()
    sizes = []
    with arrow.writing_parquet(file) as write:
        for number in range(7):
            write([row(f"{number}-{index}") for index in range(40)])
            sizes.append(file.tell())
    assert sizes[0] == sizes[1] < sizes[2] == sizes[4] < sizes[5], "nothing is kept that makes a group"
    metadata = parquet.read_metadata(io.BytesIO(file.getvalue()))
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [120, 120, 40]


async def test_the_command_writes_a_private_file_or_to_a_pipe(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(3):
        scene.copied(f"k{number}", b"x" * number)
    await scene.verify()
    output = tmp_path / "out.parquet"

    def export(*flags: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return forking.run(
            [sys.executable, "-m", "engine.cli.main", "export", "--ledger", str(tmp_path / "r.ledger"), *flags],
            capture_output=True,
            timeout=60,
            check=False,
            env={**os.environ, **environment},
        )

    assert export("--format", "parquet", "--output", str(output)).returncode == 0
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert parquet.read_table(output)["key"].to_pylist() == ["k0", "k1", "k2"]
    assert parquet.read_table(output)["size"].to_pylist() == [0, 1, 2]
    piped = export("--format", "parquet").stdout
    assert parquet.read_table(io.BytesIO(piped)).equals(parquet.read_table(output))

    (tmp_path / "without" / "pyarrow").mkdir(parents=True)
    (tmp_path / "without" / "pyarrow" / "__init__.py").write_text("raise ModuleNotFoundError(name='pyarrow')")
    before = output.read_bytes()
    refused = export("--format", "parquet", "--output", str(output), PYTHONPATH=str(tmp_path / "without"))
    assert refused.returncode == 2 and b"pip install 'cartage-s3[parquet]'" in refused.stderr
    assert output.read_bytes() == before
    assert list(tmp_path.glob(".*")) == []
