"""`rewrite`: what still names an old path; written and put back on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from engine.api.consent import Act
from engine.api.opening import at_work, refuse_unguarded
from engine.api.options import Options
from engine.api.watching import watched
from engine.errors import UsageError
from engine.events import Doing, ReferenceFound
from engine.finish.acceptances import note_found
from engine.finish.gate import REFERENCES
from engine.plan.document import Plan
from engine.references import rewriting
from engine.references.rewriting import Rewriting
from engine.references.scanning import Scan, Scanner
from engine.references.undo_order import REWRITE, explained
from engine.references.undoing import RestoredFile
from engine.shown import LedgerResult


@dataclass(frozen=True, slots=True)
class RewriteResult(LedgerResult):
    """`scan` is what was found before anything was written, None for an undo; `done` what an apply came to, `restored`
    what an undo did, `first` the command whose undo has to come before it (empty: none)."""

    ledger: Path
    scan: Scan | None = None
    done: Rewriting | None = None
    restored: list[RestoredFile] = field(default_factory=list)
    first: str = ""

    @property
    def left(self) -> Scan:
        """What names an old path after this."""
        return (self.scan or Scan()).left_after(self.done.written if self.done is not None else ())


@watched
async def rewrite(
    plan: Plan, options: Options | None = None, *, act: Act = Act.SHOW, include_moved: bool = False
) -> RewriteResult:
    """Look through the files that the plan's `[references]` name, in S3 and on disk, for what names a path that was
    moved; with APPLY write what changes, with UNDO put all of it back. Each place is told as `ReferenceFound`.
    `include_moved` rewrites also in files that are moved themselves, which are then copied again.

    Raises `UsageError` where the plan names nowhere to look, and where the server is not known to honour If-Match
    (unless `Options.conditional_writes` is False); `LedgerError`, and `StoreError` of scope `run`."""
    options = options or Options()
    conditional = options.conditional_writes
    if not plan.references.locations and not plan.references.folders and act is not Act.UNDO:
        raise UsageError(
            "the plan names nowhere to look for old paths.",
            advice='Add [references] with scan = ["pipelines/", "./notebooks/"] to the plan.',
        )
    async with at_work("rewrite", plan, options) as (opened, ledger):
        store = opened.store_of_all(plan.references.locations)
        if act is not Act.SHOW:
            await refuse_unguarded(opened, options, plan.references.locations)
        if act is Act.UNDO:
            restored = await rewriting.undo(opened, ledger, plan, conditional=conditional)
            undone = await explained(ledger, plan, REWRITE, restored)
            return RewriteResult(ledger.path, restored=undone.files, first=undone.first)
        scan = await Scanner(opened, ledger, plan, include_moved=include_moved, listener=options.listener).run()
        for file in scan.files:
            for item in file.findings:
                why = item.why or file.held_back
                options.listener(ReferenceFound(file.name, item.line, item.written, item.becomes, why))
        if act is Act.SHOW:
            done = None
            await rewriting.note_shown(ledger, scan)
        else:
            options.listener(Doing("writing"))
            done = await rewriting.apply(store, ledger, plan, scan, conditional=conditional)
        result = RewriteResult(ledger.path, scan, done)
        await note_found(ledger, [(REFERENCES, result.left.figure)] if result.left.places else [], [REFERENCES])
        return result
