"""Buckets filled at once: the reference migration's, at full count, and any number of like objects for a benchmark.

52,994 objects of 26.8 GB, a model of 5.6 GB and the project they belong to take a second or two and little memory:
bytes are virtual, attributes shared, checksums computed when somebody asks.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from functools import cache, lru_cache

from engine.model import Checksum
from engine.sandbox import bodies
from engine.sandbox.bodies import Content, Segment, Stream
from engine.sandbox.cards import CARDS, DIMENSIONS, card_ids, index_json, metadata_json, npy_header, sizes
from engine.sandbox.checksums import DEFAULT, pending
from engine.sandbox.project import PREFIX, TEACHER_KEY, holdings
from engine.sandbox.records import Account, Attributes, Bucket, PartRecord, StoredObject
from engine.sandbox.vectors import usearch_index

BUCKET = "pokemon-card-training-us-east-2"
CALIBRATION = (1_024, 734_000_000)
RAW = (CARDS, 13_000_000_000)
PROCESSED = (34_374, 13_000_000_000)
PROCESSED_DIRECTORIES = 17_187
PLACEHOLDERS = ("val/", "test/")
TEACHER_BYTES = 5_600_000_000

PART_BYTES = 8 << 20
"""How the AWS command line cuts what is larger than this."""

_UPLOADED = 1_749_000_000  # 4 June 2025
_UPLOADED_LEGACY = 1_710_000_000  # 9 March 2024, before S3 kept a checksum with everything
_PER_SECOND = 40
_TEMPLATES = 256


def fill_reference(
    account: Account, *, scale: float = 1.0, legacy_checksums: bool = False, seed: int = 1, bucket: str = BUCKET
) -> dict[str, int | str]:
    """Make the bucket anew. `scale` takes that part of each set of images, of the same size each; the reference
    database, the model and the project are whole at any scale. `legacy_checksums` makes the objects older than
    December 2024: they have none, while what is written now has, as on S3.

    "objects" and "bytes" count what the five routes move.
    """
    held = Bucket(bucket, account.region, _UPLOADED_LEGACY)
    account.buckets[bucket] = held
    begun = _UPLOADED_LEGACY if legacy_checksums else _UPLOADED
    checksum = None if legacy_checksums else pending(DEFAULT)
    with _no_collection():
        entries = dict(_images(scale, seed, begun, checksum))
        entries.update((key, copy(stored)) for key, stored in _documents_of(seed, begun, checksum))
        objects, size_bytes = len(entries), sum(stored.size for stored in entries.values())
        in_place = holdings(bucket, account.region)
        for holding in in_place:
            entries[PREFIX + holding.key] = _stored(holding.content, holding.content_type, begun, checksum)
        held.objects.put_many(entries)
    return {"bucket": bucket, "objects": objects, "bytes": size_bytes, "in_place": len(in_place)}


def fill(
    account: Account,
    bucket: str,
    prefix: str,
    count: int,
    size: int,
    *,
    multipart: bool = False,
    key_format: str = "%08d.bin",
    seed: int = 1,
) -> dict[str, int | str]:
    """Put `count` objects of `size` bytes under `prefix`; the bucket is made where it is not there. They share the
    contents of 256, so that millions cost their keys and little more."""
    held = account.buckets.get(bucket)
    if held is None:
        held = account.buckets[bucket] = Bucket(bucket, account.region, account.clock.now())
    now = account.clock.now()
    with _no_collection():
        templates = [
            _stored(Stream(seed * _TEMPLATES + index, size), "binary/octet-stream", now, pending(DEFAULT), multipart)
            for index in range(min(_TEMPLATES, count))
        ]
        pattern = prefix.replace("%", "%%") + key_format
        held.objects.put_many({pattern % index: templates[index % _TEMPLATES] for index in range(count)})
    return {"bucket": bucket, "objects": count, "bytes": count * size}


def _images(scale: float, seed: int, begun: int, checksum: Checksum | None) -> Iterator[tuple[str, StoredObject]]:
    """Calibration, raw and processed, and the placeholders that stand for two empty folders."""
    attributes = _typed("image/png")
    number = seed << 32
    for (whole, total), keys in (
        (CALIBRATION, _calibration_keys()),
        (RAW, (f"data/raw/card_images/{card}.png" for card in card_ids())),
        ((PROCESSED[0] - len(PLACEHOLDERS), PROCESSED[1]), _processed_keys()),
    ):
        count = max(1, round(whole * scale))
        some = total if count == whole else total * count // whole
        for index, (key, size) in enumerate(zip(keys, sizes(some, count, seed), strict=False)):
            number += 1
            content = Stream(number, size)
            modified = begun + index // _PER_SECOND
            yield key, StoredObject(content, size, bodies.md5_of(content), modified, attributes, checksum)
    for name in PLACEHOLDERS:
        yield f"data/processed/classification/{name}", _stored(b"", "application/x-directory", begun, checksum)


def _calibration_keys() -> Iterator[str]:
    return (f"data/calibration/calib_{index:04d}.png" for index in range(CALIBRATION[0]))


def _processed_keys() -> Iterator[str]:
    """Two images a card directory; one each in the last two, whose place the placeholders take."""
    for index, card in enumerate(card_ids()[:PROCESSED_DIRECTORIES]):
        folder = f"data/processed/classification/train/{card}/"
        yield f"{folder}{card}.png"
        if index < PROCESSED_DIRECTORIES - len(PLACEHOLDERS):
            yield f"{folder}{card}_augmented.png"


def _documents(seed: int) -> Iterator[tuple[str, Content, str]]:
    """The reference database, and the teacher model."""
    header = npy_header()
    items = Stream(seed << 16 | 1, CARDS * DIMENSIONS * 4)
    array = (Segment(header, 0, len(header)), Segment(items, 0, items.size))
    yield "data/reference/embeddings.npy", array, "binary/octet-stream"
    yield "data/reference/usearch.index", usearch_index(), "binary/octet-stream"
    yield "data/reference/index.json", index_json(), "application/json"
    yield "data/reference/metadata.json", metadata_json(), "application/json"
    yield TEACHER_KEY, Stream(seed << 16 | 3, TEACHER_BYTES), "application/x-tar"


@lru_cache(maxsize=4)
def _documents_of(seed: int, begun: int, checksum: Checksum | None) -> tuple[tuple[str, StoredObject], ...]:
    """The same in every bucket that is made so; each has its own copy."""
    return tuple((key, _stored(content, kind, begun, checksum)) for key, content, kind in _documents(seed))


def _stored(
    content: Content, content_type: str, modified: int, checksum: Checksum | None, multipart: bool = True
) -> StoredObject:
    """As the AWS command line uploads it: in parts of 8 MiB where it is larger (or all of it where `multipart` is
    false: in one)."""
    size = bodies.size_of(content)
    attributes = _typed(content_type)
    if size <= PART_BYTES or not multipart:
        return StoredObject(content, size, bodies.md5_of(content), modified, attributes, checksum)
    parts = []
    for number, first in enumerate(range(0, size, PART_BYTES), 1):
        last = min(first + PART_BYTES, size)
        parts.append(PartRecord(number, last - first, bodies.md5_of(bodies.cut(content, first, last))))
    etag = bodies.multipart_etag([part.etag for part in parts])
    return StoredObject(content, size, etag, modified, attributes, checksum, parts=tuple(parts))


@cache
def _typed(content_type: str) -> Attributes:
    return Attributes(headers=(("Content-Type", content_type),))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which would walk millions of objects again and again and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
