"""`manifest`: the project's manifest brought up to date; written and put back on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.api.consent import Act
from engine.api.opening import at_work, refuse_unguarded
from engine.api.options import Options
from engine.api.watching import watched
from engine.plan.document import Plan
from engine.references.manifest import Draft, drafts, note_shown, undo, write
from engine.references.undo_order import MANIFEST, explained, untold, written
from engine.references.undoing import RestoredFile
from engine.shown import LedgerResult


@dataclass(frozen=True, slots=True)
class ManifestResult(LedgerResult):
    """`drafts` are what was read and what it is to be, the manifest first, then the texts with a table; none for an
    undo. `written`: they are that now. `restored` is what an undo came to, `first` the command whose undo has to come
    before it (empty: none). `untold` are the commands that are to change a file, and did not yet."""

    ledger: Path
    drafts: list[Draft] = field(default_factory=list)
    written: bool = False
    restored: list[RestoredFile] = field(default_factory=list)
    first: str = ""
    untold: tuple[str, ...] = ()


@watched
async def manifest(
    plan: Plan, options: Options | None = None, *, act: Act = Act.SHOW, create: bool = False
) -> ManifestResult:
    """Work out the plan's manifest and the tables of its data (`[manifest]`) from what the ledger holds; APPLY writes
    them over what was read, UNDO puts back what was there before the first write. `create` makes a manifest that is
    not there.

    Raises `UsageError` for a plan without one, and where the server is not known to honour If-Match (unless
    `Options.conditional_writes` is False); `ManifestRefused` where a place in it cannot be filled, `ReplaceRefused`
    where someone changed it, `ExtraMissing`, `LedgerError`, `StoreError`."""
    options = options or Options()
    conditional = options.conditional_writes
    async with at_work("manifest", plan, options) as (opened, ledger):
        places = plan.manifest.places if plan.manifest else ()
        where = [place for place in places if not place.is_local]
        store = opened.store_of_all(where)
        if act is Act.UNDO:
            await refuse_unguarded(opened, options, where)
            undone = await explained(ledger, plan, MANIFEST, await undo(store, ledger, conditional=conditional))
            return ManifestResult(ledger.path, restored=undone.files, first=undone.first)
        found = await drafts(store, ledger, plan, create=create)
        changes = any(draft.changes for draft in found)
        if act is Act.SHOW:
            await note_shown(ledger, found)
        elif changes:
            await refuse_unguarded(opened, options, where)
            await write(store, ledger, found, conditional=conditional)
        left = tuple(untold(plan, await written(ledger, plan)))
        return ManifestResult(ledger.path, found, written=act is Act.APPLY and changes, untold=left)
