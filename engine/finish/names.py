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

import anyio

from engine.at_once import each
from engine.errors import AttemptError, ObjectError
from engine.finish import lag
from engine.finish.gate import ALIKE_NAMES, NAMES, UNKNOWN, Reason, names_of
from engine.ledger import Ledger
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.own import PROBE
from engine.plan.record import Tally
from engine.plan.route import Route
from engine.plan.sizes import plural
from engine.sites.own import ATTEMPTS, is_seen, remove_own
from engine.sites.sites import Sites
from engine.store import ObjectStore, PutObject, StoreOf

AT_ONCE = 16

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


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one pair; `why` says what could not be done, and where something was seen."""

    pair: Pair
    seen: Seen
    why: str = ""


def pairs_of(routes: Iterable[Route]) -> list[Pair]:
    """Every pair of folders once. A folder and itself is none: an object there is moved to another key."""
    found = (Pair(route.source.folder, route.target.folder) for route in routes)
    return [pair for pair in dict.fromkeys(found) if pair.source != pair.target]


_Trial = tuple[Pair, Location, Location, str]
"""Where an object of that name is put, and where it is looked for."""


async def try_pairs(
    store_of: StoreOf, pairs: Sequence[Pair], note: Note, lagging: Collection[Pair] = ()
) -> list[Finding]:
    """Try each pair in both directions, and remove what was put; those that are `lagging` are looked at once more a
    while later. Raises errors of scope `run`."""
    trials: list[list[_Trial]] = [
        [
            (pair, put, look, PROBE + secrets.token_hex(8))
            for put, look in ((pair.target, pair.source), (pair.source, pair.target))
        ]
        for pair in pairs
    ]
    probes = [put.at(put.key + name) for both in trials for _, put, _, name in both]
    await note(probes)

    async def attempt(both: Sequence[_Trial]) -> Finding:
        return _worst([await _try_one(store_of, *trial) for trial in both])

    async def look_again(found: tuple[Finding, Sequence[_Trial]]) -> Finding:
        finding, both = found
        if finding.seen is Seen.SAME or finding.pair not in lagging:
            return finding
        return _worst([finding, *[await _look(store_of, *trial) for trial in both]])

    limit = anyio.CapacityLimiter(AT_ONCE)
    try:
        found = await each(trials, attempt, limit)
        if any(item.pair in lagging and item.seen is not Seen.SAME for item in found):
            await lag.wait_out()
            found = await each(zip(found, trials, strict=True), look_again, limit)
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


async def _try_one(store_of: StoreOf, pair: Pair, put: Location, look: Location, name: str) -> Finding:
    """Put an object at the one place and look for it at the other."""
    try:
        await _put(store_of(put), _inside(put, name))
    except (ObjectError, AttemptError) as error:
        return Finding(pair, Seen.UNKNOWN, f"nothing could be put to {put} to try it ({error.message})")
    return await _look(store_of, pair, put, look, name)


async def _look(store_of: StoreOf, pair: Pair, put: Location, look: Location, name: str) -> Finding:
    """Look at the one place for what was put to the other."""
    try:
        shows = await is_seen(store_of(look), _inside(look, name))
    except (ObjectError, AttemptError) as error:
        return Finding(pair, Seen.UNKNOWN, f"{look} could not be looked at ({error.message})")
    if shows:
        return Finding(pair, Seen.SAME, f"an object put to {put} is seen in {look}")
    return Finding(pair, Seen.APART)


async def _put(store: ObjectStore, ref: ObjectRef) -> None:
    """Made again where it is not known whether it was: nobody else knows its name."""
    for attempt in range(ATTEMPTS):
        try:
            await store.put_object(PutObject(ref, b"cartage"))
            return
        except AttemptError:
            if attempt == ATTEMPTS - 1:
                raise


def _inside(folder: Location, name: str) -> ObjectRef:
    return ObjectRef(folder.bucket, folder.key + name)


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
    for finding in findings:
        key = (finding.pair.source.bucket_name, finding.pair.target.bucket_name)
        if finding.seen is Seen.SAME or (finding.seen is Seen.UNKNOWN and key not in worst):
            worst[key] = finding
    reasons = [_reason(finding) for finding in worst.values()]
    return reasons or [Reason(NAMES, True, "sources and targets are different objects, as a trial showed just now")]


def _reason(finding: Finding) -> Reason:
    if finding.seen is Seen.SAME:
        return Reason(NAMES, False, SAME.format(why=finding.why))
    pair = finding.pair
    one, other = pair.source.bucket_name, pair.target.bucket_name
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
