"""Everything that the gate judges, looked at now: both sides, the probes, the buckets, the clock and the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from engine.events import Doing, Listener
from engine.finish.carried import keeps_properties
from engine.finish.gate import Facts, Reason, ReferencesLeft, conditional
from engine.finish.judged import facts_of
from engine.finish.probes import Commands, probed, run_probe
from engine.finish.probing.answers import agreements
from engine.finish.sending import Condition, condition_for
from engine.ledger import Ledger
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.own import own_place
from engine.plan.sizes import server_ms
from engine.proof.audit import audit
from engine.sites.sites import Sites, buckets_of


async def gather(
    plan: Plan, opened: Sites, ledger: Ledger, listener: Listener, commands: Commands, references: ReferencesLeft | None
) -> Facts:
    """Look at the world and the ledger; `references` is what their scan found. The server's clock is read last, so
    that what takes long does not date it too late.

    Raises `StoreError` of scope `run`."""
    rows = sum(tally.objects for tally in await ledger.tallies())
    listener(Doing("listing both sides", objects=rows))
    audits = await audit(
        opened.store,
        opened.sources,
        plan.routes,
        ledger,
        listener,
        plan.cleanup.proof,
        opened.keeps_digests,
        opened.compares,
    )
    if plan.probes:
        listener(Doing("asking the probes"))
    probes = [await run_probe(opened.store(probed(probe)), probe, commands) for probe in plan.probes]
    facts = await opened.facts(plan.places, anew=True)
    sources = tuple(facts[where] for where in buckets_of(route.source for route in plan.routes) if where in facts)
    targets = tuple(facts[where] for where in buckets_of(route.target for route in plan.routes))
    clock = facts.get(plan.dated_by.whole_bucket)
    return replace(
        await facts_of(plan, ledger, server_ms(clock.date) if clock is not None else None),
        audits=tuple(audits),
        probes=(*probes, *agreements(plan.probes, probes)),
        references=references,
        sources=sources,
        targets=targets,
        under=tuple(route.target for route in plan.routes),
        keeps=any(map(keeps_properties, plan.routes)),
        into_folders=any(route.target.is_local and not route.source.is_local for route in plan.routes),
    )


def commands_of(plan: Plan, opened: Sites, *, allowed: bool) -> Commands:
    """How the plan's own programs are run: in its folder, and told where the objects are."""
    environment = (("CARTAGE_ENDPOINT_URL", opened.home.endpoint), ("CARTAGE_REGION", opened.home.region))
    return Commands(allowed, Path(plan.folder), environment)


async def conditions_of(
    plan: Plan, opened: Sites, places: Iterable[Location], *, unconditional: bool
) -> tuple[dict[Location, Condition], Reason]:
    """How to delete in each of the buckets, and what the gate says of it: tried out anew in each, since a server may
    serve two of them by different means, or be another one by now."""
    found = {where: await opened.site(where).known.tried_now(own_place(plan.routes, where)) for where in places}
    conditions = {where: condition_for(traits, unconditional=unconditional) for where, traits in found.items()}
    able = {where: condition for where, condition in conditions.items() if condition is not None}
    named = {where.bucket_name: traits for where, traits in found.items()}
    return able, conditional(named, unconditional=unconditional, tried=True)
