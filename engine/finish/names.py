"""Whether source and target are the same objects by two names, found out by trying: before anything is deleted on the
strength of another copy.

An access point's alias, a server's own second name of a bucket, a link between two folders, a mirror that hands on what
it does not hold: each shows every source as its own target, with equal bytes, and to delete the one is to delete both.
So an object of our own is put beside a target and looked for at its mapped place under the source, and the reverse:
what shows there is not another copy. Between two servers it is looked for once more a while later: zones of one bucket
hand on what is done in one of them.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple

import anyio

from engine.at_once import each
from engine.errors import AttemptError, ObjectError
from engine.finish import lag
from engine.finish.gate import ALIKE_NAMES, NAMES, UNKNOWN, Reason, names_of
from engine.freshness import now_s
from engine.ledger import Ledger
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.own import PROBE
from engine.plan.record import Tally
from engine.plan.route import Route
from engine.plan.sizes import plural
from engine.sites.known import STILL_COMING_MS
from engine.sites.own import ATTEMPTS, is_seen, remove_own
from engine.sites.sites import Sites
from engine.store import ObjectStore, PutObject, StoreOf

AT_ONCE = 16

SPARED_S = STILL_COMING_MS / 1000 - 60
"""A `check --write` takes older objects of these names for what a killed trial left, and removes them
(`sites.older_probes`): what does not show then may be gone. A minute less, as servers count whole seconds, each by its
own clock."""

Note = Callable[[Sequence[Location]], Awaitable[None]]
"""Remembers, before they are made, which probes a crash would leave."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A folder that sources are in, and the one that their copies are in."""

    source: Location
    target: Location


class Seen(StrEnum):
    """What a trial showed, the worst last."""

    APART = "apart"  # what was put on one side is not on the other
    UNKNOWN = "unknown"  # it could not be put, or not looked for: which is not a no
    SAME = "same"  # it is there as well


class Finding(NamedTuple):
    """What was found of one pair; `why` says what could not be done, and where something was seen."""

    seen: Seen
    why: str = ""


def pairs_of(routes: Iterable[Route]) -> list[Pair]:
    """Every pair of folders once. A folder and itself is none: an object there is moved to another key."""
    found = (Pair(route.source.folder, route.target.folder) for route in routes)
    return [pair for pair in dict.fromkeys(found) if pair.source != pair.target]


class _Trial(NamedTuple):
    """Where an object of our own is put, and where it shows if both places are one."""

    put: Location
    shows: Location


def _both_ways(pair: Pair) -> list[_Trial]:
    def one(put: Location, look: Location) -> _Trial:
        name = PROBE + secrets.token_hex(8)
        return _Trial(put.at(put.key + name), look.at(look.key + name))

    return [one(pair.target, pair.source), one(pair.source, pair.target)]


async def try_pairs(
    store_of: StoreOf, pairs: Sequence[Pair], note: Note, lagging: Collection[Pair] = ()
) -> list[Finding]:
    """Try each pair in both directions, and remove what was put; those that are `lagging` are looked at once more a
    while later. Gives what was found of each. Raises errors of scope `run`."""
    trials = [_both_ways(pair) for pair in pairs]
    probes = [trial.put for both in trials for trial in both]
    begun_s = now_s()
    await note(probes)

    async def attempt(both: Sequence[_Trial]) -> Finding:
        return _worst([await _try_one(store_of, trial) for trial in both])

    async def look_again(both: Sequence[_Trial]) -> list[Finding]:
        return [await _look(store_of, trial) for trial in both]

    limit = anyio.CapacityLimiter(AT_ONCE)
    try:
        found = await each(trials, attempt, limit)
        tried = zip(pairs, trials, found, strict=True)
        late = [both if pair in lagging and item.seen is not Seen.SAME else [] for pair, both, item in tried]
        if any(late):
            await lag.wait_out()
            shown = await each(late, look_again, limit)
            found = [_worst([item, *later]) for item, later in zip(found, shown, strict=True)]
        if now_s() - begun_s > SPARED_S:  # it slept, or was held up
            why = (
                "the trial was held up for so long that what it had put may have been removed before it was looked for"
            )
            found = [_worst([item, Finding(Seen.UNKNOWN, why)]) for item in found]
        return found
    finally:
        with anyio.CancelScope(shield=True):
            left = await remove(store_of, probes)
            await note(left)


async def remove(store_of: StoreOf, probes: Iterable[Location]) -> list[Location]:
    """Remove probes; gives those of which S3 has not confirmed it. No one else's object bears these names."""
    put = list(probes)

    async def remove(probe: Location) -> bool:
        return await remove_own(store_of(probe), ObjectRef(probe.bucket, probe.key))

    gone = await each(put, remove, anyio.CapacityLimiter(AT_ONCE))
    return [probe for probe, is_gone in zip(put, gone, strict=True) if not is_gone]


def _worst(findings: Sequence[Finding]) -> Finding:
    return max(findings, key=lambda finding: [*Seen].index(finding.seen))


async def _try_one(store_of: StoreOf, trial: _Trial) -> Finding:
    """Put an object at the one place and look for it at the other."""
    try:
        await _put(store_of(trial.put), ObjectRef(trial.put.bucket, trial.put.key))
    except (ObjectError, AttemptError) as error:
        return Finding(Seen.UNKNOWN, f"nothing could be put to {trial.put.folder} to try it ({error.message})")
    return await _look(store_of, trial)


async def _look(store_of: StoreOf, trial: _Trial) -> Finding:
    """Look at the one place for what was put to the other."""
    look = trial.shows
    try:
        shows = await is_seen(store_of(look), ObjectRef(look.bucket, look.key))
    except (ObjectError, AttemptError) as error:
        return Finding(Seen.UNKNOWN, f"{look.folder} could not be looked at ({error.message})")
    if shows:
        return Finding(Seen.SAME, f"an object put to {trial.put.folder} is seen in {look.folder}")
    return Finding(Seen.APART)


async def _put(store: ObjectStore, ref: ObjectRef) -> None:
    """Made again where it is not known whether it was: nobody else knows its name."""
    for attempt in range(ATTEMPTS):
        try:
            await store.put_object(PutObject(ref, b"cartage"))
            return
        except AttemptError:
            if attempt == ATTEMPTS - 1:
                raise


PROBES = "name probes"
"""The ledger's note of what a crash would leave."""

SAME = "{why}: source and target are the same objects by two names, so that to delete the one is to delete both"

ALIKE = (
    "{} and {} have one name at two servers, and {:,} of {} there were in place before the run: where the servers keep "
    "them alike, to delete the one is to delete both, and that may show too late to be seen"
)
FOUND = "found"
"""The figure of that."""


def pairs_to_try(plan: Plan, opened: Sites) -> list[Pair]:
    """The pairs of which their names alone do not tell."""
    pairs = pairs_of(plan.routes)
    return [pair for pair in pairs if opened.hides_names(pair.source) or opened.hides_names(pair.target)]


def names_outlook(plan: Plan, opened: Sites, tallies: Sequence[Tally]) -> list[Reason]:
    """The gate's line before it is tried; then what no trial tells for sure, a line for each two buckets."""
    if not pairs_to_try(plan, opened):
        return [Reason(NAMES, True, "sources and targets are different objects, as their names tell")]
    said = "whether sources and targets are the same objects is tried before anything is deleted"
    alike = {
        (route.source.bucket_name, route.target.bucket_name): why
        for route in plan.routes
        if opened.may_lag(route.source, route.target) and (why := _alike(route, tallies))
    }
    found = [Reason(NAMES, False, why, names_of(*names, kind=ALIKE_NAMES), FOUND) for names, why in alike.items()]
    return [Reason(NAMES, True, said), *found]


def _alike(route: Route, tallies: Sequence[Tally]) -> str:
    """What speaks for it that two servers keep the route's sides alike; empty where nothing does. Both bear one name,
    and a target stood there that no run wrote: one is enough, since what was written to the one side just before the
    run is not handed on to the other yet."""
    if (route.source.bucket, route.source.key) != (route.target.bucket, route.target.key):
        return ""
    known = [tally for tally in tallies if tally.route == route.name]
    found = sum(tally.objects for tally in known if tally.found)
    objects = plural(sum(tally.objects for tally in known), "object")
    return ALIKE.format(route.source, route.target, found, objects) if found else ""


async def names_reasons(plan: Plan, opened: Sites, ledger: Ledger) -> list[Reason]:
    """Try it: what keeps the gate closed, a line for each two buckets, or one that says that nothing does.

    Raises errors of scope `run`."""

    pairs = pairs_to_try(plan, opened)
    lagging = [pair for pair in pairs if opened.may_lag(pair.source, pair.target)]
    findings = await try_pairs(opened.store, pairs, partial(_note, ledger), lagging)
    worst: dict[tuple[str, str], Finding] = {}
    for pair, finding in zip(pairs, findings, strict=True):
        names = pair.source.bucket_name, pair.target.bucket_name
        worst[names] = _worst([worst.get(names, finding), finding])
    reasons = [_reason(*names, finding) for names, finding in worst.items() if finding.seen is not Seen.APART]
    return reasons or [Reason(NAMES, True, "sources and targets are different objects, as a trial showed just now")]


def _reason(one: str, other: str, finding: Finding) -> Reason:
    if finding.seen is Seen.SAME:
        return Reason(NAMES, False, SAME.format(why=finding.why))
    said = f"whether {one} and {other} hold the same objects is not known: {finding.why}"
    return Reason(NAMES, False, said, names_of(one, other), UNKNOWN)


async def remove_left_probes(opened: Sites, ledger: Ledger) -> None:
    """Remove what a crash left of an earlier trial."""
    noted = await ledger.note(PROBES)
    if noted:
        await _note(ledger, await remove(opened.store, [Location(*probe) for probe in noted]))


async def _note(ledger: Ledger, probes: Sequence[Location]) -> None:
    sites = [[where.site] if where.site else [] for where in probes]
    noted = [[where.bucket, where.key, *site] for where, site in zip(probes, sites, strict=True)]
    await ledger.set_note(PROBES, noted or None)
