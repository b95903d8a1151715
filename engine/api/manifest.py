"""`manifest`: the project's manifest brought up to date; written and put back on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.api.consent import Act
from engine.api.opening import at_work, refuse_unguarded
from engine.api.options import Options
from engine.api.watching import watched
from engine.plan.document import Plan
from engine.references.manifest import Draft, draft, note_shown, undo, write
from engine.references.replacing import RestoredFile
from engine.shown import LedgerResult


@dataclass(frozen=True, slots=True)
class ManifestResult(LedgerResult):
    """`draft` is what was read and what it is to be, None for an undo; `written`: it is that now. `restored` is what
    an undo came to."""

    ledger: Path
    draft: Draft | None = None
    written: bool = False
    restored: list[RestoredFile] = field(default_factory=list)


@watched
async def manifest(
    plan: Plan, options: Options | None = None, *, act: Act = Act.SHOW, create: bool = False
) -> ManifestResult:
    """Work out the plan's manifest (`[manifest]`) from what the ledger holds; APPLY writes it over the one that was
    read, UNDO puts back what was there before the first write. `create` makes one that is not there.

    Raises `UsageError` for a plan without one, and where the server is not known to honour If-Match (unless
    `Options.conditional_writes` is False); `ManifestRefused` where a place in it cannot be filled, `ReplaceRefused`
    where someone changed it, `LedgerError`, `StoreError`."""
    options = options or Options()
    conditional = options.conditional_writes
    async with at_work("manifest", plan, options) as (opened, ledger):
        where = [plan.manifest.object] if plan.manifest else []
        store = opened.store_of_all(where)
        if act is Act.UNDO:
            await refuse_unguarded(opened, options, where)
            return ManifestResult(ledger.path, restored=await undo(store, ledger, conditional=conditional))
        found = await draft(store, ledger, plan, create=create)
        if act is Act.SHOW:
            await note_shown(ledger, found)
        elif found.changes:
            await refuse_unguarded(opened, options, where)
            await write(store, ledger, found, conditional=conditional)
        return ManifestResult(ledger.path, found, written=act is Act.APPLY and found.changes)
