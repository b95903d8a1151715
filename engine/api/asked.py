"""The plan of a copy that has no plan file: its ledger remembers what was asked for."""

from __future__ import annotations

from pathlib import Path

from engine.ledger import LedgerReader, open_to_read
from engine.plan.document import Plan

ASKED = "asked"
"""The ledger's note of what a plan without a file was made of (`Plan.asked`)."""


async def asked_plan(path: Path) -> Plan | None:
    """The plan of a copy without a plan file, as its ledger knows it; None where there was a file. Raises
    `LedgerMissing`, `LedgerCorrupt`."""
    async with await open_to_read(path) as reader:
        return await asked_of(reader)


async def asked_of(reader: LedgerReader) -> Plan | None:
    """`asked_plan`, of a ledger that is open."""
    asked = await reader.note(ASKED)
    return Plan.again(asked) if asked is not None else None
