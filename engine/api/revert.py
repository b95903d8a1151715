"""`revert`: take a migration back. Before cleanup its copies are removed; after it, a plan leads the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.api.commands import accept_command, command
from engine.api.consent import Consent
from engine.api.history import remembered
from engine.api.opening import at_work
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.errors import GateClosed, UsageError, refused_as
from engine.finish.acceptances import note_found
from engine.finish.claim_taking import claim_for
from engine.finish.cleanup import settle
from engine.finish.deleting import deleters
from engine.finish.gate import REWRITTEN, Accepted, Reason, accepting, closed, versions_text
from engine.finish.gathering import conditions_of
from engine.finish.names import names_outlook, names_reasons, remove_left_probes
from engine.finish.project_deletion import ACCEPT_MARKERS
from engine.finish.replication import replication_reason
from engine.finish.revert import Outlook, Revert, Reverted, outlook
from engine.finish.way_back import way_back
from engine.ledger import Ledger
from engine.plan.document import Plan
from engine.plan.sizes import plural
from engine.references.local_files import write_new
from engine.references.undo_order import Written, figure_of, undo_order, written
from engine.shown import LedgerResult
from engine.sites.sites import buckets_of


@dataclass(frozen=True, slots=True)
class RevertResult(LedgerResult):
    """What a revert would do, by the ledger (`outlook`), and what it did (None: nothing). `way_back` is the plan
    that leads back, where sources are gone already, `left_out` the routes whose objects it does not all bring back,
    and `links` what its commands are to be given as `--links` (empty: nothing); `versioned` are the buckets that
    keep versions, or may, and `markers` says of each what a delete does there; `taken_back`: an earlier revert
    removed the copies. `rewritten` is the reason why not to, where files may name the copies since `rewrite` or
    `manifest` changed them (None: none do), and `undo` the commands whose --undo puts those back, in order."""

    ledger: Path
    outlook: Outlook
    reverted: Reverted | None = None
    way_back: Path | None = None
    left_out: tuple[str, ...] = ()
    links: str = ""
    versioned: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()
    taken_back: bool = False
    rewritten: Reason | None = None
    undo: tuple[str, ...] = ()

    @property
    def is_shut(self) -> bool:
        """Whether files are to be put back first, and nobody accepted that they are not."""
        return self.rewritten is not None and not self.rewritten.open

    @property
    def has_work(self) -> bool:
        """Whether there is anything to remove, or to be looked at for that."""
        found = self.outlook
        return bool(found.removable or found.uploads or (found.unsettled and not self.taken_back))


@watched
async def revert(
    plan: Plan,
    options: Options | None = None,
    *,
    consent: Consent | None = None,
    delete: bool = False,
    stop: StopSignal | None = None,
) -> RevertResult:
    """Say which copies the plan's runs made; with `delete`, remove them, each only while its source is there as it was
    copied and the copy is as it was written, and abort unfinished uploads. What was found in place or overwritten
    stays. Once a source is deleted, nothing is removed, and a plan for the way back is written beside the ledger
    instead. `stop` ends a deletion gently. Safe to repeat, and to kill at any moment.

    Raises `GateClosed` where a deletion was asked for and the server cannot delete by ETag, its bucket keeps versions
    and that was not accepted, it replicates deletes, the two sides may be the same objects, or files that `rewrite` or
    `manifest` changed were not put back; `ClaimLost` where
    another deletion took over; `UsageError` where the way back cannot be written; `LedgerError`, and `StoreError` of
    scope `run`."""
    options, consent, stop = options or Options(), consent or Consent(), stop or StopSignal()
    async with at_work("revert", plan, options) as (opened, ledger):
        await settle(opened.store, ledger, plan.routes)
        await remove_left_probes(opened, ledger)
        found = await outlook(ledger, options.listener)
        changes = await written(ledger, plan)
        undo, rewritten = tuple(undo_order(changes)), _rewritten(changes, await ledger.accepted())
        if found.cleaned_up:
            kept = opened.folders.manner.links if opened.folders is not None else "skip"
            links = "" if kept == "skip" else kept
            path, left_out = _write_way_back(plan, ledger.path, links)
            return RevertResult(ledger.path, found, None, path, left_out, links, rewritten=rewritten, undo=undo)
        await note_found(ledger, [(REWRITTEN, rewritten.found)] if rewritten is not None else [], [REWRITTEN])
        targets = buckets_of(route.target for route in plan.routes)
        facts = list((await opened.facts(targets, anew=True)).values())
        versioned = [item for item in facts if item.versioning != ""]
        markers = tuple(f"{item.name} {versions_text(item.versioning)}; {ACCEPT_MARKERS}" for item in versioned)
        buckets, taken = tuple(item.name for item in versioned), await ledger.taken_back()
        result = RevertResult(ledger.path, found, None, None, (), "", buckets, markers, taken, rewritten, undo)
        if not delete:
            return result
        if markers and not consent.delete_markers:
            raise GateClosed(list(markers))
        removed, resting = [route.target for route in plan.routes], [route.source for route in plan.routes]
        reasons = [replication_reason(bucket, removed, resting) for bucket in facts]
        if rewritten is not None and result.has_work:
            back = "; then ".join(command(plan, ledger.path, verb, "--undo") for verb in undo)
            reasons.append(rewritten._replace(sentence=f"{rewritten.sentence}: put them back first, {back}"))
        await _refuse(ledger, plan, reasons + names_outlook(plan, opened, await ledger.tallies()))
        force = consent.unconditional or plan.cleanup.unconditional
        claim = claim_for("revert", plan.name, ledger.path, opened, options.listener, plan.places, unconditional=force)
        async with claim as store_of:
            await _refuse(ledger, plan, await names_reasons(plan, opened, ledger))
            conditions, reason = await conditions_of(plan, opened, targets, unconditional=force)
            if not reason.open:
                raise GateClosed([reason.sentence])
            accepted = {item.name for item in versioned if consent.delete_markers}
            async with remembered(opened, ledger, "revert", options, stop) as heard:
                work = Revert(
                    store_of,
                    ledger,
                    deleters(store_of, conditions),
                    heard.listener,
                    found.removable + found.unsettled,
                    markers_accepted=accepted,
                    may_lag=opened.may_lag,
                )
                stop.listen(work.stop)
                reverted = await work.go(plan.routes)
                return replace(result, reverted=reverted)


def _rewritten(changes: Sequence[Written], accepted: Accepted) -> Reason | None:
    """The reason why no copy should go: files that were brought up to date name them."""
    if not changes:
        return None
    figure, files = figure_of(changes), dict.fromkeys(item.name for item in changes)
    verbs = " and ".join(sorted({item.verb for item in changes}))
    said = f"{plural(len(files), 'file')} that {verbs} changed, and that may name the copies, first {next(iter(files))}"
    return accepting([Reason(REWRITTEN, False, said, REWRITTEN, figure)], accepted)[0]


async def _refuse(ledger: Ledger, plan: Plan, reasons: list[Reason]) -> None:
    """Raise `GateClosed` where any is closed and was not accepted, with how to accept those that can be."""
    if shut := closed(accepting(reasons, await ledger.accepted())):
        await note_found(ledger, ((item.accept, item.found) for item in shut), ())
        opens = [
            f"; to accept it: {accept_command(plan, ledger.path, item.accept, item.found)}" if item.accept else ""
            for item in shut
        ]
        raise GateClosed([item.sentence + accept for item, accept in zip(shut, opens, strict=True)])


def _write_way_back(plan: Plan, ledger: Path, links: str) -> tuple[Path, tuple[str, ...]]:
    """Write the plan that leads back, beside the ledger. One that says the same already is left. Gives where it is, and
    which routes it leaves out.

    Raises `UsageError` where another file is in its place."""
    apart = ledger.parent.resolve() != Path(plan.folder).resolve()
    text, left_out = way_back(plan, links, Path.cwd() if apart else None)
    path = ledger.with_name(f"{plan.name}-back.toml")
    with refused_as(f"{path} cannot be written"):
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            raise UsageError(f"{path} is there already and says something else.", advice="Move it away.")
        write_new(path, text.encode())
    return path, left_out
