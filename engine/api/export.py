"""`export`: every object of a ledger with its proof, in order of route and key, without asking S3."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from engine.ledger import open_to_read
from engine.plan.record import ObjectRecord


class ExportRow(NamedTuple):
    """One object: what the ledger knows of it, and where it is on both sides."""

    record: ObjectRecord
    source_bucket: str
    source_key: str
    target_bucket: str
    target_key: str


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
                (source_bucket, source), (target_bucket, target) = places[record.route]
                batch.append(ExportRow(record, source_bucket, source + record.key, target_bucket, target + record.key))
            yield batch


def _split(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key
