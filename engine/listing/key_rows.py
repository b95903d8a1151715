"""Lists of keys and S3 Inventory files, bytes in and rows out. No I/O.

A list of keys is text, one full key a line (or, for keys that hold line ends, each ended by a NUL byte). Inventory data
is CSV, gzipped, its columns as the manifest's fileSchema names them, keys in form encoding (a space is "+").
"""

from __future__ import annotations

import csv
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from engine.errors import PlanError
from engine.model import UNKNOWN_SIZE

LONGEST_LINE = 1 << 20


class KeyRow(NamedTuple):
    """One listed key, with what `ListedObject` has. `size` is `UNKNOWN_SIZE` where only a HEAD can tell, and the rest
    is then empty."""

    key: str
    size: int = UNKNOWN_SIZE
    etag: str = ""
    modified: str = ""
    storage_class: str = ""
    checksum: str = ""
    restore: str = ""


class KeyLines:
    """The lines of a list of keys. `prefix` is what every key must begin with."""

    def __init__(self, name: str, prefix: str) -> None:
        self._name = name
        self._prefix = prefix
        self._rest = b""
        self._end = b""
        self._line = 0

    def feed(self, data: bytes) -> list[KeyRow]:
        """The keys that are whole now. Raises `PlanError` for a line that is no key of the source."""
        if not self._end:
            data = data.removeprefix(b"\xef\xbb\xbf")
            self._end = b"\0" if b"\0" in data else b"\n"
        lines = (self._rest + data).split(self._end)
        self._rest = lines.pop()
        if len(self._rest) > LONGEST_LINE:
            raise PlanError([f"{self._name}: it has no lines"])
        return [row for line in lines for row in self._read(line)]

    def close(self) -> list[KeyRow]:
        """The last key, where no line end follows it."""
        return list(self._read(self._rest))

    def _read(self, line: bytes) -> Iterator[KeyRow]:
        self._line += 1
        if self._end == b"\n":
            line = line.removesuffix(b"\r")
        if not line:
            return
        try:
            key = line.decode("utf-8")
        except UnicodeDecodeError:
            raise PlanError([f"{self._name}, line {self._line}: it is not UTF-8"]) from None
        if not key.startswith(self._prefix):
            raise PlanError([f'{self._name}, line {self._line}: "{key}" does not begin with "{self._prefix}"'])
        yield KeyRow(key)


@dataclass(frozen=True, slots=True)
class InventoryFile:
    """One data file; `md5` is of its bytes as they are stored, empty where the manifest does not say."""

    key: str
    md5: str


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a manifest.json says: whose keys, where the data files are, of which form ("CSV", "Parquet", "ORC"), and of
    CSV their columns."""

    name: str
    bucket: str
    columns: tuple[str, ...]
    files: tuple[InventoryFile, ...]
    form: str = "CSV"


def read_manifest(name: str, body: bytes, source_bucket: str) -> Inventory:
    """Read a manifest. Raises `PlanError` where it is none, of another bucket, or of files of another form."""
    try:
        data: Any = json.loads(body)
        schema, form = data["fileSchema"], data["fileFormat"]
        files = tuple(InventoryFile(item["key"], item.get("MD5checksum") or "") for item in data["files"])
        bucket, of = data["destinationBucket"].rpartition(":")[2], data["sourceBucket"]
        texts = [text for file in files for text in (file.key, file.md5)] + ([schema] if form == "CSV" else [])
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("what has to be text is none")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PlanError([f"{name} is not the manifest.json of an S3 Inventory"]) from None
    if form not in ("CSV", "Parquet", "ORC"):
        raise PlanError([f"{name}: its files are {form}; an inventory in CSV, Parquet or ORC can be read"])
    if of != source_bucket:
        raise PlanError([f"{name}: it lists the bucket {of}, and the route copies from {source_bucket}"])
    if form != "CSV":
        return Inventory(name, bucket, (), files, form)
    columns = tuple(column.strip() for column in schema.split(","))
    if "Key" not in columns:
        raise PlanError([f"{name}: it has no column Key"])
    return Inventory(name, bucket, columns, files)


class InventoryLines:
    """The rows of one data file: current versions under `prefix`, and no delete markers."""

    def __init__(self, inventory: Inventory, file: InventoryFile, prefix: str) -> None:
        self._name = f"{inventory.name}, {file.key}"
        self._file = file
        self._prefix = prefix
        self._at = {column: number for number, column in enumerate(inventory.columns)}
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[list[KeyRow]]:
        """The rows that are whole now, in batches: a compressed file may hold a thousand times its size."""
        self._md5.update(data)
        while data:
            if self._unzip.eof:  # several gzip members, one after the other
                self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
            try:
                text = self._unzip.decompress(data, LONGEST_LINE)
            except zlib.error as error:
                raise PlanError([f"{self._name}: it is not gzip ({error})"]) from None
            data = self._unzip.unused_data if self._unzip.eof else self._unzip.unconsumed_tail
            yield self._rows(text)

    def close(self) -> list[KeyRow]:
        """The last rows. Raises `PlanError` for a file that was cut short or is not what the manifest says."""
        if not self._unzip.eof or (self._file.md5 and self._md5.hexdigest() != self._file.md5.lower()):
            raise PlanError([f"{self._name}: its bytes are not those that the manifest names"])
        return self._rows(b"\n") if self._rest else []

    def _rows(self, text: bytes) -> list[KeyRow]:
        lines = (self._rest + text).split(b"\n")
        self._rest = lines.pop()
        try:
            read = csv.reader([line.decode("utf-8") for line in lines if line.strip()], strict=True)
            return [row for values in read if (row := self._row(values)) is not None]
        except (UnicodeDecodeError, csv.Error, ValueError, IndexError) as error:
            raise PlanError([f"{self._name}: it has a line that cannot be read ({error})"]) from None

    def _row(self, values: list[str]) -> KeyRow | None:
        if self._value(values, "IsLatest") == "false" or self._value(values, "IsDeleteMarker") == "true":
            return None
        key = unquote_plus(values[self._at["Key"]], errors="strict")
        if not key.startswith(self._prefix):
            return None
        size, etag, modified = (self._value(values, name) for name in ("Size", "ETag", "LastModifiedDate"))
        if not (size and etag and modified):
            return KeyRow(key)
        return KeyRow(key, int(size), etag.strip('"'), modified, self._value(values, "StorageClass") or "STANDARD")

    def _value(self, values: list[str], column: str) -> str:
        at = self._at.get(column)
        return values[at] if at is not None else ""
