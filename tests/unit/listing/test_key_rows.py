"""Lists of keys and inventory files: every key whole, whatever the bytes are cut into, and every mistake named."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import PlanError
from engine.listing.key_rows import InventoryFile, InventoryLines, KeyLines, KeyRow, read_manifest

KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n\r\ufeff"), min_size=1))
COLUMNS = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
MODIFIED = "2026-01-31T10:00:00.000Z"


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for first in range(0, len(data), size):
        yield data[first : first + size]


def keys_of(text: bytes, size: int, prefix: str = "") -> list[str]:
    lines = KeyLines("keys.txt", prefix)
    found = [row.key for data in cut(text, size) for row in lines.feed(data)]
    return found + [row.key for row in lines.close()]


@given(KEYS, st.integers(3, 9), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_every_line_is_a_key_however_the_file_is_cut(keys: list[str], size: int, end: str, ends: bool) -> None:
    text = end.join(keys) + (end if ends else "")
    assert keys_of(text.encode(), size) == keys


def test_keys_with_line_ends_are_told_by_nul_bytes() -> None:
    keys = ["a\nb", "c\r\n", "", "d"]
    assert keys_of("\0".join(keys).encode(), 100) == ["a\nb", "c\r\n", "d"]


def test_a_byte_order_mark_and_empty_lines_are_no_keys() -> None:
    assert keys_of(b"\xef\xbb\xbfa\n\n\nb", 100) == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [(b"p/a\nq/b\n", 'line 2: "q/b" does not begin with "p/"'), (b"p/a\n\np/\xff\n", "line 3: it is not UTF-8")],
)
def test_a_line_that_is_no_key_of_the_source_is_refused_by_its_number(text: bytes, why: str) -> None:
    with pytest.raises(PlanError, match=why):
        keys_of(text, 100, "p/")


def manifest(**changes: object) -> bytes:
    values = {
        "sourceBucket": "from",
        "destinationBucket": "arn:aws:s3:::lists",
        "fileFormat": "CSV",
        "fileSchema": COLUMNS,
        "files": [{"key": "inv/data/1.csv.gz", "size": 10, "MD5checksum": "x"}],
    }
    return json.dumps(values | changes).encode()


def test_a_manifest_says_where_its_files_are_and_what_is_in_them() -> None:
    found = read_manifest("m", manifest(), "from")
    assert (found.bucket, found.files) == ("lists", (InventoryFile("inv/data/1.csv.gz", "x"),))
    assert found.columns[:2] == ("Bucket", "Key")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[]", "is not the manifest.json"),
        (b"{", "is not the manifest.json"),
        (manifest(fileSchema=None), "is not the manifest.json"),
        (manifest(files={"key": 1}), "is not the manifest.json"),
        (manifest(files=[{"key": None}]), "is not the manifest.json"),
        (manifest(files=[{"key": "x", "MD5checksum": 5}]), "is not the manifest.json"),
        (manifest(fileFormat="Avro"), "are Avro"),
        (manifest(sourceBucket="other"), "lists the bucket other"),
        (manifest(fileSchema="Bucket, Size"), "no column Key"),
    ],
)
def test_a_manifest_of_something_else_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(PlanError, match=why):
        read_manifest("m", body, "from")


def rows_of(
    text: str, *, size: int = 7, md5: str | None = None, columns: str = COLUMNS, damage: int = 0
) -> list[KeyRow]:
    half = len(text) // 2
    data = gzip.compress(text[:half].encode()) + gzip.compress(text[half:].encode())
    known = hashlib.md5(data).hexdigest() if md5 is None else md5
    inventory = read_manifest("m", manifest(fileSchema=columns), "from")
    lines = InventoryLines(inventory, InventoryFile("f", known), "p/")
    found = [row for piece in cut(data[: len(data) - damage], size) for batch in lines.feed(piece) for row in batch]
    return found + lines.close()


def line(key: str, latest: str = "true", marker: str = "false", size: str = "5", etag: str = "e" * 32) -> str:
    values = ("from", key, "", latest, marker, size, MODIFIED, etag, "STANDARD_IA")
    return ",".join(f'"{value}"' for value in values) + "\n"


def test_inventory_rows_are_current_versions_under_the_prefix_with_their_keys_decoded() -> None:
    text = (
        line("p/a+b%2Bc%252F%E3%83%94")
        + line("q/elsewhere")
        + line("p/old", latest="false")
        + line("p/gone", marker="true")
        + line("p/last").rstrip("\n")
    )
    assert rows_of(text) == [KeyRow(key, 5, "e" * 32, MODIFIED, "STANDARD_IA") for key in ("p/a b+c%2Fピ", "p/last")]


def test_what_an_inventory_does_not_hold_is_left_to_a_head() -> None:
    assert rows_of('"from","p/a"\n', columns="Bucket, Key") == [KeyRow("p/a")]
    assert rows_of(line("p/a", etag="")) == [KeyRow("p/a")]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [({"md5": "0" * 32}, "not those that the manifest names"), ({"damage": 3}, "not those that the manifest names")],
)
def test_a_damaged_or_short_file_is_refused(arguments: dict[str, object], why: str) -> None:
    with pytest.raises(PlanError, match=why):
        rows_of(line("p/a") * 3, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ['"from"\n', line("p/a", size="many"), '"from","p/\n'])
def test_a_line_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        rows_of(text)


def test_what_is_not_gzip_is_refused() -> None:
    inventory = read_manifest("m", manifest(), "from")
    with pytest.raises(PlanError, match="not gzip"):
        list(InventoryLines(inventory, InventoryFile("f", ""), "p/").feed(b"plain,csv\n"))
