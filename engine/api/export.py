"""`export`: every object of a ledger with its proof, in order of route and key, without asking S3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from engine.ledger import open_to_read
from engine.plan.record import ObjectRecord


class ExportRow(NamedTuple):
    """One object: what the ledger knows of it, and where it is on both sides. `source` and `target` are its whole
    places ("s3://bucket/key", "site:s3://bucket/key", or a local path); of a local file the bucket is empty, and the
    key its path."""

    record: ObjectRecord
    source_bucket: str
    source_key: str
    target_bucket: str
    target_key: str
    source: str
    target: str


async def export(path: str | Path) -> AsyncIterator[list[ExportRow]]:
    """Every object of the ledger at `path`, with its proof, in order of route and key; in batches, so that memory does
    not grow with the ledger. S3 is not asked, and a run may be going on.

    Raises `LedgerMissing`, `LedgerCorrupt`.

        async for rows in engine.export(engine.ledger_path(plan)):
            for row in rows:
                print(row.target_key, row.record.state, row.record.proof.name)
    """
    async with await open_to_read(Path(path)) as reader:
        places = {item.name: (_split(item.source), _split(item.target)) for item in (await reader.binding()).routes}
        async for records in reader.records():
            batch = []
            for record in records:
                key = record.key
                (source_bucket, source_key, source), (target_bucket, target_key, target) = places[record.route]
                here, there = (source_bucket, source_key + key), (target_bucket, target_key + key)
                batch.append(ExportRow(record, *here, *there, source + key, target + key))
            yield batch


def _split(location: str) -> tuple[str, str, str]:
    """Bucket and key of a location as a ledger keeps it, and all of it."""
    if location.startswith("/"):
        return "", location, location
    bucket, _, key = location.partition("s3://")[2].partition("/")
    return bucket, key, location
