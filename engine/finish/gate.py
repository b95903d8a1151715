"""The gate before a source is deleted. Pure: frozen facts in, one reason a line out, each open or closed.

A reason that a user may accept names what to accept and the figure that it is accepted for; another figure closes the
gate again. Missing or changed targets, changed sources and unproven objects can not be accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from engine.bucket_facts import BucketFacts
from engine.finish.holding import Hold, ahead_text
from engine.finish.probing.answers import ProbeResult
from engine.finish.sending import NO_CONDITION, Condition, condition_for
from engine.model import LifecycleRule, Location, Proof
from engine.plan.barred import no_run_mends
from engine.plan.decide import OUT_OF_CONFLICT
from engine.plan.document import Plan
from engine.plan.estimate import Difference
from engine.plan.lifecycle import ENDED, State
from engine.plan.locations import may_meet
from engine.plan.noted import KEPT_OUT, LOST, NOTHING, PROPERTIES, WITHDRAWN, Noted, key_said
from engine.plan.record import Tally
from engine.plan.sizes import duration_text, plural, size_text
from engine.proof.audit import WRONG, RouteAudit
from engine.proof.judge import Kind
from engine.sites.traits import Traits

REFERENCES = "references"
LIFECYCLE = "lifecycle"
DELETE_MARKERS = "delete-markers"
NAMES = "names"
ALIKE_NAMES = "alike"
REPLICATION = "replication"
REWRITTEN = "rewritten"
"""Of a revert: files name the copies that are to go, since rewrite or manifest brought them up to date."""
UNKNOWN = "unknown"

Accepted = Collection[tuple[str, str]]
"""(name, figure) of what was accepted."""


class Reason(NamedTuple):
    """One line of the gate. `accept` and `found` say what `cartage accept` would open it with, where that may be."""

    name: str
    open: bool
    sentence: str
    accept: str = ""
    found: str = ""


class ReferencesLeft(NamedTuple):
    """How many places still name an old path; `figure` is the same only for the very same ones, `error` says why it
    could not be found out."""

    remaining: int
    where: str = ""
    error: str = ""
    figure: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the gate judges. `open_snapshots` are the routes whose listing never reached its end;
    `references` None: the plan names nowhere to look; `sources` and `targets` are the buckets on either side, `under`
    the routes' targets. `properties` is what differs of what both sides carry, as recorded or (`compared`) as it was
    looked at just now; `failed_sync` is what the system said of a disk, while no row says so yet; `keeps` is whether
    any route has it compared, `into_folders` whether one makes files of objects; `misnamed` counts what failed since
    its key can be no file's name, `barred` what is refused for what it is or carries."""

    routes: tuple[str, ...]
    open_snapshots: tuple[str, ...]
    tallies: tuple[Tally, ...]
    minimum: Proof
    hold: Hold
    expectations: tuple[Difference, ...]
    audits: tuple[RouteAudit, ...] = ()
    probes: tuple[ProbeResult, ...] = ()
    references: ReferencesLeft | None = None
    sources: tuple[BucketFacts, ...] = ()
    targets: tuple[BucketFacts, ...] = ()
    under: tuple[Location, ...] = ()
    withdrawn: Noted = NOTHING
    lost: Noted = NOTHING
    properties: Noted = NOTHING
    compared: bool = False
    keeps: bool = True
    into_folders: bool = False
    failed_sync: str = ""
    misnamed: int = 0
    barred: int = 0
    accepted: frozenset[tuple[str, str]] = frozenset()

    def with_delete_markers(self) -> Facts:
        """As if it had been accepted that deletes of the sources only add markers."""
        markers = {
            (f"{DELETE_MARKERS}.{item.name}", UNKNOWN if item.versioning is None else item.versioning)
            for item in self.sources
        }
        return replace(self, accepted=self.accepted | markers)


def judge(facts: Facts) -> list[Reason]:
    """Every reason, in the order in which they are shown."""
    reasons = [_snapshots(facts), _proven(facts), _hold(facts.hold)]
    reasons.append(_audit(facts.audits))
    reasons += _linked(facts.audits)
    reasons += _ended(facts)
    reasons.append(_properties(facts))
    reasons += map(_expectation, facts.expectations)
    reasons += [Reason("probe", item.ok, item.sentence) for item in facts.probes]
    reasons.append(_references(facts.references))
    reasons += [_lifecycle(item, facts.under) for item in facts.targets]
    reasons += map(_versioning, facts.sources)
    return accepting(reasons, facts.accepted)


def accepting(reasons: Iterable[Reason], accepted: Accepted) -> list[Reason]:
    """The reasons; those are open that were accepted for this very figure."""
    return [
        item._replace(open=True, sentence=f"{item.sentence} (accepted)")
        if not item.open and (item.accept, item.found) in accepted
        else item
        for item in reasons
    ]


def acceptable(plan: Plan) -> tuple[str, ...]:
    """The names of everything in a plan that can be accepted."""
    names = []
    for item in plan.expectations:
        names += [f"{item.name}.objects"] if item.objects is not None else []
        names += [f"{item.name}.size"] if item.size_bytes is not None else []
    names += [REFERENCES, REWRITTEN, PROPERTIES, WITHDRAWN, LOST]
    names += dict.fromkeys(f"{LIFECYCLE}.{route.target.bucket_name}" for route in plan.routes)
    names += dict.fromkeys(f"{DELETE_MARKERS}.{route.source.bucket_name}" for route in plan.routes)
    names += dict.fromkeys(f"{REPLICATION}.{place.bucket_name}" for place in plan.places)
    pairs = {(route.source.bucket_name, route.target.bucket_name): route for route in plan.routes}
    names += [names_of(*pair) for pair in pairs]
    names += [
        names_of(*pair, kind=ALIKE_NAMES) for pair, route in pairs.items() if route.source.site != route.target.site
    ]
    return tuple(names)


def names_of(source: str, target: str, *, kind: str = NAMES) -> str:
    """The name under which it is accepted that two buckets may be one: which could not be tried, or which no trial
    tells (`ALIKE_NAMES`). No bucket has two dots in a row: so no two pairs share a name."""
    return f"{kind}.{source}{'..' if '.' in source + target else '.'}{target}"


def closed(reasons: Iterable[Reason]) -> list[Reason]:
    """Those that keep the gate closed."""
    return [reason for reason in reasons if not reason.open]


def _snapshots(facts: Facts) -> Reason:
    if facts.open_snapshots:
        names = ", ".join(facts.open_snapshots)
        return Reason("snapshot", False, f"the listing of {names} never reached its end: run the plan again")
    return Reason("snapshot", True, f"{plural(len(facts.routes), 'listing')} reached the end")


def not_kept_text(failed_sync: str) -> str:
    """What is said while the rows that rest on a disk do not say yet that it was not synced."""
    return f"a disk could not be synced ({failed_sync}), and what is in folders is not known to be on it"


def _proven(facts: Facts) -> Reason:
    """Every object verified at the minimum, copied and found ones alike; what is gone already was proven then."""
    if facts.failed_sync:
        return Reason("proof", False, f"{not_kept_text(facts.failed_sync)}: run and verify the plan again")
    proven = gone = size_bytes = low = 0
    states: dict[State, int] = {}
    for tally in facts.tallies:
        if tally.state is State.DELETED:
            gone += tally.objects
        elif tally.state in ENDED:
            continue  # each has a reason of its own
        elif tally.state not in (State.VERIFIED, State.DELETING):
            states[tally.state] = states.get(tally.state, 0) + tally.objects
        elif tally.proof < facts.minimum:
            low += tally.objects
        else:
            proven += tally.objects
            size_bytes += tally.bytes
    level = facts.minimum.name.lower()
    already = f"; {plural(gone, 'source')} deleted before" if gone else ""
    if not states and not low:
        amount = f" ({size_text(size_bytes)})" if size_bytes else ""
        said = f"{plural(proven, 'object')}{amount} verified by {level} or better{already}"
        return Reason("proof", True, said)
    wrong = [f"{count:,} {state.value}" for state, count in sorted(states.items())]
    if low:
        wrong.append(f"{low:,} verified by less than {level}")
    deep = "" if facts.minimum is Proof.BYTES else " where S3 has nothing to compare"
    advice = "run and verify the plan again" if states else f"verify again, with --deep{deep}"
    if State.CONFLICT in states:
        advice = f"{OUT_OF_CONFLICT}, then {advice}"
    if ways := no_run_mends(facts.misnamed, facts.barred):
        others = low or sum(states.values()) > facts.misnamed + facts.barred
        advice = "; ".join([*ways, advice] if others else ways)
    return Reason("proof", False, f"{', '.join(wrong)}; {proven:,} verified by {level} or better{already}: {advice}")


def _hold(hold: Hold) -> Reason:
    asked = duration_text(hold.hold_s)
    if hold.undated:
        said = f"{plural(hold.undated, 'object')} bear no date of their proof: verify the plan again"
        return Reason("hold", False, said)
    if not hold.objects:
        return Reason("hold", True, "no proven object is left to wait for")
    if hold.passed:
        return Reason("hold", True, f"{asked} have passed for each of {plural(hold.objects, 'object')}")
    if hold.now_ms is None:
        return Reason("hold", False, f"the server sends no date, so that nobody can say whether {asked} have passed")
    if hold.ahead_ms:
        return Reason("hold", False, ahead_text(hold.ahead_ms))
    return Reason(
        "hold",
        False,
        f"{hold.waiting:,} of {plural(hold.objects, 'object')} were proven less than {asked} ago; the last is free in "
        f"{duration_text(hold.remaining_s)}, by the server's clock",
    )


def _audit(audits: Sequence[RouteAudit]) -> Reason:
    errors = [f"{item.route}: {item.error}" for item in audits if item.error]
    if errors:
        return Reason("audit", False, f"not all was seen, so that nothing is known of the rest: {'; '.join(errors)}")
    total = sum((item.counts for item in audits), Counter[Kind]())
    wrong = [
        f"{plural(count, noun)} {said}" for kinds, noun, said in WRONG if (count := sum(total[kind] for kind in kinds))
    ]
    agreeing, gone = total[Kind.OK], total[Kind.SOURCE_GONE]
    if not wrong:
        already = f"; {plural(gone, 'source')} gone already, the target in place" if gone else ""
        return Reason("audit", True, f"{plural(agreeing, 'object')} unchanged on both sides just now{already}")
    first = next((f"{item.route}: {key_said(item.first)}" for item in audits if item.first is not None), "")
    return Reason("audit", False, f"{', '.join(wrong)}; first {first}: run and verify the plan again")


def _linked(audits: Sequence[RouteAudit]) -> list[Reason]:
    """What is proven and never goes, one line where there is any: it lies in another folder."""
    count = sum(item.linked for item in audits)
    if not count:
        return []
    first = next(f"{item.route}: {key_said(item.first_linked)}" for item in audits if item.linked)
    said = f"{plural(count, 'source')} below a symbolic link, which is followed to read and never to delete"
    return [Reason("links", True, f"{said}, {'stays' if count == 1 else 'stay'}; first {first}")]


def _ended(facts: Facts) -> list[Reason]:
    """What no run and no verification can mend, one line where there is any."""
    withdrawn = "removed by its owner before it was proven"
    lost = "missing or changed, and no source left to mend them from"
    kinds = (WITHDRAWN, facts.withdrawn, "source", withdrawn), (LOST, facts.lost, "target", lost)
    return [
        Reason(name, False, f"{plural(found.objects, noun)} {said}, first {found.first}", name, found.figure)
        for name, found, noun, said in kinds
        if found.objects
    ]


def _properties(facts: Facts) -> Reason:
    found = facts.properties
    if found.objects:
        said = f"{plural(found.objects, 'target')} known not to carry what the route gives it, or not to be asked"
        said += f", first {found.first}"
        is_accepted = (PROPERTIES, found.figure) in facts.accepted
        if not is_accepted and not (facts.under and all(place.is_local for place in facts.under)):
            if found.not_kept < found.objects:
                said += "; a run mends those that Cartage wrote, or may overwrite"
            if found.not_kept:
                said += f"; of {found.not_kept:,} of them {KEPT_OUT}"
        if not is_accepted and facts.into_folders:
            said += "; no run mends what a file cannot carry: accept that it goes with its source"
        return Reason("properties", False, said, PROPERTIES, found.figure)
    if not facts.keeps:
        return Reason("properties", True, "the routes keep nothing but bytes: nothing else is compared")
    said = "no difference is recorded; headers, metadata, tags and the like are compared once all else is open"
    if facts.compared:
        said = "headers, metadata, tags and the like compared just now: as the routes say"
    if facts.into_folders:
        said += "; a file has no storage class, and no type but by its name"
    return Reason("properties", True, said)


def _expectation(item: Difference) -> Reason:
    show = size_text if item.what.endswith(".size") else "{:,}".format
    wanted = show(item.expected)
    if item.found is None:
        return Reason("expected", False, f"{item.what}: {wanted} expected, and not listed to its end")
    if item.agrees:
        return Reason("expected", True, f"{item.what}: {show(item.found)}, as expected")
    said = f"{item.what}: {show(item.found)} found, {wanted} expected"
    return Reason("expected", False, said, item.what, str(item.found))


def _references(left: ReferencesLeft | None) -> Reason:
    if left is None:
        return Reason("references", True, "the plan names nowhere to look for old paths")
    if left.error:
        return Reason("references", False, f"it is not known what still names the old paths: {left.error}")
    if not left.remaining:
        return Reason("references", True, "nothing that was looked through names the old paths")
    where = f", first {left.where}" if left.where else ""
    still = "still names the old paths, or" if left.remaining == 1 else "still name the old paths, or"
    said = f"{plural(left.remaining, 'place')} {still} could not be looked into{where}"
    return Reason("references", False, said, REFERENCES, left.figure)


def expiring(rules: Iterable[LifecycleRule], under: Iterable[Location]) -> list[LifecycleRule]:
    """The rules that would expire something under one of the locations, as far as prefixes tell."""
    places = list(under)
    return [rule for rule in rules if any(may_meet(rule.prefix, place) for place in places)]


def _lifecycle(bucket: BucketFacts, under: Sequence[Location]) -> Reason:
    name = f"{LIFECYCLE}.{bucket.name}"
    cause = bucket.cause("lifecycle")
    if bucket.lifecycle is None:
        why = cause or "s3:GetLifecycleConfiguration may be lacking"
        said = f"whether lifecycle rules of {bucket.name} expire targets is not known: {why}"
        return Reason("lifecycle", False, said, name, UNKNOWN)
    if not bucket.lifecycle and cause:
        return Reason("lifecycle", True, f"{bucket.name} has no lifecycle rules: {cause}")
    here = [place for place in under if place.bucket_name == bucket.name]
    rules = expiring(bucket.lifecycle, here)
    if not rules:
        return Reason("lifecycle", True, f"no lifecycle rule of {bucket.name} expires a target")
    said = f"lifecycle rules of {bucket.name} expire targets: {'; '.join(map(_rule_text, rules))}"
    figure = ",".join(sorted(_rule_figure(rule) for rule in rules))
    return Reason("lifecycle", False, said, name, figure)


def _rule_text(rule: LifecycleRule) -> str:
    when = f"after {rule.days} days" if rule.days is not None else f"on {rule.date[:10] or 'a date'}"
    what = f"what is {' and '.join(rule.only)}" if rule.only else "everything"
    return f'"{rule.rule_id or "unnamed"}" ({what} under "{rule.prefix}" {when})'


def _rule_figure(rule: LifecycleRule) -> str:
    when = rule.days if rule.days is not None else rule.date[:10]
    return ":".join([rule.rule_id or "unnamed", f"{when}:{rule.prefix}", *rule.only])


def _versioning(bucket: BucketFacts) -> Reason:
    name = f"{DELETE_MARKERS}.{bucket.name}"
    cause = bucket.cause("versioning")
    if bucket.versioning == "":
        because = f" ({cause})" if cause else ""
        said = f"{bucket.name} keeps no versions{because}: what is deleted is gone for good"
        return Reason("versioning", True, said)
    if bucket.versioning is None:
        why = cause or "s3:GetBucketVersioning may be lacking"
        said = (
            f"whether {bucket.name} keeps versions is not known ({why}); "
            "if it does, a delete only adds a delete marker: the data and its cost stay"
        )
        return Reason("versioning", False, said, name, UNKNOWN)
    said = f"{bucket.name} {versions_text(bucket.versioning)}"
    return Reason("versioning", False, said, name, bucket.versioning)


def versions_text(versioning: str | None) -> str:
    """What a delete does in a bucket that keeps versions, or did, or may (None: it may not be asked)."""
    if versioning is None:
        return "may keep versions (it may not be asked): then a delete only adds a delete marker, and the data stays"
    if versioning == "Suspended":
        return (
            "has its versioning suspended: what was written since then, or before it was turned on, is gone for good "
            "once it is deleted; anything else only gets a delete marker, and its data and cost stay"
        )
    return (
        f"keeps versions ({versioning}): a delete only adds a delete marker; the objects disappear from listings, and "
        "the data and its cost stay until the old versions are removed"
    )


def conditional(known: Mapping[str, Traits], *, unconditional: bool, tried: bool = False) -> Reason:
    """Whether the server can delete only what was proven, in each bucket of a source, as far as it is known. `tried`:
    it was tried out just now, so that what is not known by now is a no."""
    found = {
        bucket: condition_for(traits, unconditional=unconditional)
        for bucket, traits in known.items()
        if tried or traits.knows(("delete_if_match", "batch_if_match"))
    }
    refused = [bucket for bucket, condition in found.items() if condition is None]
    if refused:
        return Reason("condition", False, f"{NO_CONDITION} ({', '.join(refused)})")
    if len(found) < len(known):
        return Reason("condition", True, "whether the server deletes by ETag is tried out before anything is deleted")
    if Condition.NONE in found.values():
        return Reason("condition", True, "this server cannot delete by ETag: each source is looked at just before")
    said = "the server deletes an object only while it bears the ETag that was proven"
    if Condition.BATCH_ALONE in found.values():
        said += ", in batches: a key that does not go in one (with a control character) stays"
    return Reason("condition", True, said)
