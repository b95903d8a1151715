"""`manifest`: the project's manifest brought up to date; written and put back on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.api.assembly import Options, open_store
from engine.api.opening import ledger_path, one_error, open_ledger, refuse_unguarded
from engine.events import RunStarted
from engine.model import Location
from engine.plan.document import Plan
from engine.references import manifest as drafting
from engine.references.manifest import Draft
from engine.references.replacing import RestoredFile


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """`draft` is what was read and what it is to be, None for an undo; `written`: it is that now."""

    ledger: Path
    draft: Draft | None = None
    written: bool = False
    restored: list[RestoredFile] = field(default_factory=list)


async def update(
    plan: Plan, options: Options | None = None, *, apply: bool = False, create: bool = False
) -> ManifestResult:
    """Work out the plan's manifest; with `apply`, write it over the one that was read. `create` makes one that is not
    there.

    Raises `UsageError`, `ManifestRefused`, `ReplaceRefused` where someone changed it, `LedgerError`, `StoreError`."""
    options = options or Options()
    async with one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await open_ledger(plan, path, opened, create=False) as ledger:
            options.listener(RunStarted("manifest", plan.name, str(path), opened.endpoint, True))
            draft = await drafting.draft(opened.store, ledger, plan, create=create)
            if not apply:
                await drafting.note_shown(ledger, draft)
            elif draft.changes:
                await refuse_unguarded(opened, options, [Location(*draft.ref)])
                await drafting.write(opened.store, ledger, draft, conditional=options.conditional_writes)
            return ManifestResult(path, draft, apply and draft.changes)


async def put_back(plan: Plan, options: Options | None = None) -> ManifestResult:
    """Put back the manifest that was there before the first write."""
    options = options or Options()
    async with one_error(), open_store(plan.connection, options) as opened:
        path = ledger_path(plan, options)
        async with await open_ledger(plan, path, opened, create=False) as ledger:
            options.listener(RunStarted("manifest", plan.name, str(path), opened.endpoint, True))
            await refuse_unguarded(opened, options, [plan.manifest.object] if plan.manifest else ())
            restored = await drafting.undo(opened.store, ledger, conditional=options.conditional_writes)
            return ManifestResult(path, restored=restored)
