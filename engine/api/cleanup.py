"""`cleanup`: what keeps the sources from being deleted; deletes them only when told to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.api.consent import Consent
from engine.api.history import remembered
from engine.api.opening import at_work
from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.api.watching import watched
from engine.errors import AttemptError, GateClosed, ObjectError
from engine.events import Doing, Listener
from engine.finish.acceptances import keep_acceptance, known_of, note_found
from engine.finish.carried import compare_carried
from engine.finish.claim_taking import claim_for, claim_reason
from engine.finish.cleanup import Cleaned, Cleanup, settle
from engine.finish.deleting import deleters
from engine.finish.gate import (
    NAMES,
    REWRITTEN,
    Facts,
    Reason,
    ReferencesLeft,
    acceptable,
    accepting,
    closed,
    conditional,
    judge,
)
from engine.finish.gathering import commands_of, conditions_of, gather
from engine.finish.judged import note_gate
from engine.finish.names import names_outlook, names_reasons, remove_left_probes
from engine.finish.replication import replication_reason
from engine.finish.sending import Fate
from engine.ledger import Ledger
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.noted import PROPERTIES
from engine.plan.record import Tally
from engine.references.scanning import Scanner
from engine.shown import LedgerResult
from engine.sites.clock import now_ms
from engine.sites.sites import Sites, buckets_of


@dataclass(frozen=True, slots=True)
class CleanupResult(LedgerResult):
    """The gate, a reason a line; how many `objects` and `bytes` stand to be deleted, `gone` ones apart, which somebody
    else deleted; and what a deletion came to (None: none was asked for). `settled` counts what became of deletes that
    an earlier run left open; `tallies` are the ledger's before the deletion, `misnamed` and `barred` are as in
    `Status`."""

    ledger: Path
    reasons: list[Reason]
    objects: int
    bytes: int
    gone: int = 0
    settled: dict[Fate, int] = field(default_factory=dict)
    cleaned: Cleaned | None = None
    tallies: list[Tally] = field(default_factory=list)
    misnamed: int = 0
    barred: int = 0

    @property
    def open(self) -> bool:
        """Whether no reason keeps the sources from being deleted."""
        return not closed(self.reasons)

    @property
    def unsettled(self) -> int:
        """Deletes that an earlier run left open, and of which nobody could say yet what became of them."""
        return self.settled.get(Fate.DENIED, 0) + self.settled.get(Fate.OPEN, 0)


class CleanupRefused(GateClosed):
    """The gate is closed; `result` holds every reason, the open ones too."""

    def __init__(self, result: CleanupResult) -> None:
        super().__init__([reason.sentence for reason in closed(result.reasons)])
        self.result = result


@watched
async def cleanup(
    plan: Plan,
    options: Options | None = None,
    *,
    consent: Consent | None = None,
    delete: bool = False,
    stop: StopSignal | None = None,
) -> CleanupResult:
    """Judge the gate: look at both sides, the buckets, the plan's probes and what names the old paths, and say of each
    reason whether it is open. With `delete`, and where all of it is open, delete exactly the sources that are proven,
    each only while it is what was proven. `consent` is what a user said to that beforehand. `stop` ends a deletion
    gently. Safe to repeat, and to kill at any moment.

    Raises `CleanupRefused` where a deletion was asked for and the gate is closed, `ClaimLost` where another deletion
    took over, `GoneTogether` where source and target prove to be the same objects, `LedgerError`, and `StoreError` of
    scope `run`."""
    options, consent, stop = options or Options(), consent or Consent(), stop or StopSignal()
    consent = replace(consent, unconditional=consent.unconditional or plan.cleanup.unconditional)
    async with at_work("cleanup", plan, options, lists=True, dated=True) as (opened, ledger):
        settled = await settle(opened.store, ledger, plan.routes)
        await remove_left_probes(opened, ledger)
        commands = commands_of(plan, opened, allowed=consent.allow_commands)
        left = await _references(plan, opened, ledger, options.listener)
        facts = await gather(plan, opened, ledger, options.listener, commands, left)
        await opened.tell_leftovers(plan.routes, options.listener, remove=False)
        if consent.delete_markers:
            facts = facts.with_delete_markers()
        # What costs requests an object is asked once all else is open.
        if all(reason.name == PROPERTIES for reason in closed(judge(facts))):
            unread = await compare_carried(opened.store, ledger, plan.routes, plan.cleanup.proof, options.listener)
            recorded = (await ledger.noted())[PROPERTIES]
            facts = replace(facts, properties=recorded.plus(unread), compared=True)
        sources = buckets_of(route.source for route in plan.routes)
        known = {where.bucket_name: opened.site(where).known.known(where.bucket) for where in sources}
        proven = [tally for tally in facts.tallies if tally.state is State.VERIFIED]
        going = [tally for tally in proven if tally.proof >= plan.cleanup.proof]
        deleted = [route.source for route in plan.routes]
        besides = [replication_reason(bucket, deleted, facts.under) for bucket in facts.sources]
        besides += names_outlook(plan, opened, facts.tallies)
        result = CleanupResult(
            ledger=ledger.path,
            reasons=[
                *judge(facts),
                *accepting(besides, facts.accepted),
                await claim_reason(plan, opened, ledger.path),
                conditional(known, unconditional=consent.unconditional),
            ],
            objects=sum(tally.objects for tally in going) - sum(item.gone + item.linked for item in facts.audits),
            bytes=sum(tally.bytes for tally in going)
            - sum(item.gone_bytes + item.linked_bytes for item in facts.audits),
            gone=sum(item.gone for item in facts.audits),
            settled=settled,
            tallies=list(facts.tallies),
            misnamed=facts.misnamed,
            barred=facts.barred,
        )
        unknown = {item.what for item in facts.expectations}.difference(known_of(facts.expectations))
        unseen = unknown | {REWRITTEN}  # which `revert` alone looks at
        looked_at = [name for name in acceptable(plan) if not name.startswith(NAMES) and name not in unseen]
        await note_found(ledger, _figures(result.reasons), looked_at)
        await note_gate(ledger, result.reasons, now_ms())
        if not delete:
            return result
        if closed(result.reasons[:-1]):
            raise CleanupRefused(result)
        cleaned = await _delete(plan, opened, ledger, options, consent=consent, facts=facts, result=result, stop=stop)
        return replace(result, cleaned=cleaned)


async def _delete(
    plan: Plan,
    opened: Sites,
    ledger: Ledger,
    options: Options,
    *,
    consent: Consent,
    facts: Facts,
    result: CleanupResult,
    stop: StopSignal,
) -> Cleaned:
    """Try what is relied on, and delete under a claim; `result.reasons` are brought up to what was tried.

    Raises `CleanupRefused` where that closes the gate."""
    force = consent.unconditional
    sources = buckets_of(route.source for route in plan.routes)
    # Tried anew, whatever was found before: a server may only have been out of order then.
    conditions, result.reasons[-1] = await conditions_of(plan, opened, sources, unconditional=force)
    if not result.open:
        raise CleanupRefused(result)
    options.listener(Doing("trying what the server honours"))
    claim = claim_for("cleanup", plan.name, ledger.path, opened, options.listener, plan.places, unconditional=force)
    async with claim as store_of:
        at = next(number for number, reason in enumerate(result.reasons) if reason.name == NAMES)
        result.reasons[at : at + 1] = accepting(await names_reasons(plan, opened, ledger), facts.accepted)
        await note_found(ledger, _figures(result.reasons), acceptable(plan))
        if not result.open:
            raise CleanupRefused(result)
        for reason in result.reasons:
            if consent.delete_markers and reason.name == "versioning" and reason.accept:
                await keep_acceptance(ledger, reason.accept, reason.found, "--accept-delete-markers")
        async with remembered(opened, ledger, "cleanup", options, stop) as heard:
            deletion = Cleanup(
                store_of,
                ledger,
                deleters(store_of, conditions),
                heard.listener,
                minimum=plan.cleanup.proof,
                markers_accepted={item.name for item in facts.sources if item.versioning != ""},
                gone_in={item.route for item in facts.audits if item.gone},
                folders=opened.folders,
                may_lag=opened.may_lag,
            )
            stop.listen(deletion.stop)
            return await deletion.go(plan.routes)


def _figures(reasons: Iterable[Reason]) -> list[tuple[str, str]]:
    """What can be accepted, and the figures of it."""
    return [(item.accept, item.found) for item in reasons if item.accept]


async def _references(plan: Plan, opened: Sites, ledger: Ledger, listener: Listener) -> ReferencesLeft | None:
    """What the references scan still finds; None where the plan names nowhere to look."""
    if not plan.references.locations and not plan.references.folders:
        return None
    try:
        scan = await Scanner(opened, ledger, plan, only_counted=True, listener=listener).run()
    except (ObjectError, AttemptError) as error:
        return ReferencesLeft(0, error=str(error))
    return ReferencesLeft(scan.places, scan.first, figure=scan.figure)
