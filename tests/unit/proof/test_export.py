"""Export: nothing a spreadsheet runs, every key exactly recoverable, checksum lines that xxh128sum reads."""

from __future__ import annotations

import csv
import io
import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from engine.api.export import ExportRow, export
from engine.ledger import Binding, Ledger
from engine.model import Proof
from engine.plan.binding import RouteBinding
from engine.plan.lifecycle import State
from engine.plan.record import Decision, ObjectRecord
from engine.proof.depth import Depth
from engine.report.export import COLUMNS, checksum_line, csv_header, csv_lines, defused, ndjson_line
from tests import forking
from tests.unit.proof.scene import Scene

KEYS = ["plain", "=1+1", "+x", "-x", "@x", "\tx", "\rx", "\nx", "'x", "''", 'a,b"c', "a\nb\\c", "＝x", "e\u0301 🃏", ""]


def row(key: str, *, xxh3: str = "", proof: Proof = Proof.DIGEST, message: str = "") -> ExportRow:
    record = ObjectRecord(
        "r", key, 3, "e" * 32, "2026-01-01T00:00:00.000Z", "STANDARD", "", State.VERIFIED, "", "f" * 32, "", proof,
        "etag", False, "copy", 1, "", message, 1, 1_767_225_600_000, 0, 0, 0, xxh3,
    )  # fmt: skip
    return ExportRow(record, "src", f"a/{key}", "dst", f"b/{key}", f"s3://src/a/{key}", f"s3://dst/b/{key}")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(KEYS))
def test_a_key_comes_back_from_csv_by_either_of_its_columns(key: str) -> None:
    text = csv_header() + "".join(csv_lines([row(key)]))
    (found,) = csv.DictReader(io.StringIO(text, newline=""))
    assert unquote(found["key_percent"]) == key
    assert found["key"].removeprefix("'") == key if found["key"].startswith("'") else found["key"] == key
    assert not found["key"].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert found["copied"] == "2026-01-01T00:00:00.000Z" and found["size_proven"] == ""


@given(st.text(max_size=6), st.text(max_size=6))
def test_defusing_tells_any_two_texts_apart(one: str, other: str) -> None:
    assert (defused(one) == defused(other)) == (one == other)


def test_a_message_is_defused_too_and_every_column_is_there() -> None:
    (found,) = csv.DictReader(
        io.StringIO(csv_header() + "".join(csv_lines([row("k", message='=HYPERLINK("x")')])), newline="")
    )
    assert found["message"] == '\'=HYPERLINK("x")' and tuple(found) == COLUMNS


@pytest.mark.parametrize("key", KEYS)
def test_ndjson_has_the_key_as_it_is(key: str) -> None:
    line = ndjson_line(row(key))
    assert line.isascii() and line.count("\n") == 1
    assert json.loads(line)["key"] == key and json.loads(line)["target"] == f"s3://dst/b/{key}"


def test_checksum_lines_are_those_of_xxh128sum() -> None:
    figure = "06b05ab6733a618578af5f94892f3950"
    assert checksum_line(row("k", xxh3=figure, proof=Proof.BYTES)) == f"{figure}  b/k\n"
    assert checksum_line(row("a\nb\\c\rd", xxh3=figure, proof=Proof.BYTES)) == f"\\{figure}  b/a\\nb\\\\c\\rd\n"
    assert checksum_line(row("k", proof=Proof.DIGEST)) == ""


async def test_a_place_is_said_as_everywhere_else(tmp_path: Path) -> None:
    routes = (
        RouteBinding("r", "minio:s3://src/a/", "/data/copy/", ""),
        RouteBinding("s", "s3://src/one.bin", "s3://dst/two.bin", ""),
    )
    path = tmp_path / "r.ledger"
    async with await Ledger.open(path, Binding("r", "http://memory", routes), now_ms=lambda: 1_000) as ledger:
        for route, key in (("r", "x/k"), ("s", "")):
            decision = Decision(key, 1, "e", "", "STANDARD", "", State.PLANNED)
            await ledger.decide(route, [decision])
    rows = [item async for batch in export(path) for item in batch]
    assert [item[1:] for item in rows] == [
        ("src", "a/x/k", "", "/data/copy/x/k", "minio:s3://src/a/x/k", "/data/copy/x/k"),
        ("src", "one.bin", "dst", "two.bin", "s3://src/one.bin", "s3://dst/two.bin"),
    ]


async def test_the_command_writes_a_private_file_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(3):
        scene.copied(f"={number}", b"x" * number)
    await scene.verify(Depth())
    scene.copied("later", b"later")
    await scene.records()
    output = tmp_path / "out.txt"

    def call(*flags: str) -> subprocess.CompletedProcess[str]:
        return forking.run(
            [sys.executable, "-m", "engine.cli.main", "export", "--ledger", str(tmp_path / "r.ledger"), *flags],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = call("--format", "checksums", "--output", str(output))
    assert done.returncode == 0 and "left out: 1 object whose bytes were not read" in done.stderr
    assert output.read_text() == "".join(
        f"{xxhash.xxh3_128_hexdigest(b'x' * number)}  dst/={number}\n" for number in range(3)
    )
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    lines = [json.loads(line) for line in call("--format", "ndjson").stdout.splitlines()]
    assert [line["key"] for line in lines] == ["=0", "=1", "=2", "later"]
    assert {line["proof"] for line in lines[:3]} == {"bytes"}
    refused = call("--output", str(tmp_path / "no" / "folder"))
    assert refused.returncode == 2 and "cannot be written" in refused.stderr
    assert call("--json").returncode == 2
    assert list(tmp_path.glob(".*")) == []
