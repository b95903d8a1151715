"""What a ledger's objects add up to, as text for people and as values for `--json`, and what that asks for next: what
several commands share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from engine.api.commands import accept_command, command, typed
from engine.events import ObjectAside
from engine.model import Proof
from engine.plan.barred import no_run_mends
from engine.plan.document import Plan
from engine.plan.lifecycle import ASIDE, ENDED, IN_FLIGHT, State
from engine.plan.noted import KEPT_OUT, LOST, NOTHING, PROPERTIES, WITHDRAWN, Noted
from engine.plan.record import Tally, by_state
from engine.report.ndjson import picked
from engine.report.page import Table, Tone, Toned, next_step, to_type
from engine.report.text import count_text, counted, safe, size_text, unlisted_sentence
from engine.transfer.counting import REPLACED_NAMED, Replacing


def tallies_table(tallies: list[Tally], *, in_place: bool = False) -> Table:
    """Objects by route and state, with the bytes of all. What was done in place was set, and not copied."""
    states = [state for state in State if any(tally.state is state for tally in tallies)]
    routes: dict[str, list[Tally]] = defaultdict(list)
    for tally in tallies:
        routes[tally.route].append(tally)

    def row(name: str, some: list[Tally]) -> list[str]:
        counts = (sum(tally.objects for tally in some if tally.state is state) for state in states)
        return [safe(name), *map(count_text, counts), size_text(sum(tally.bytes for tally in some))]

    rows = [row(name, some) for name, some in routes.items()]
    if tallies:
        rows.append(row("total", tallies))
    heads = ["set" if in_place and state is State.COPIED else state.value for state in states]
    return Table(["route", *heads, "size"], rows, total=True)


def nothing_taken(plan: Plan | None) -> Toned:
    """What to say where listings came to their end, and no object is known: not that all of them are in place."""
    said = "nothing lies there: the source is empty"
    if plan is None or not all(route.selection.is_everything for route in plan.routes):
        patterns = plan is not None and any(route.selection.include or route.selection.exclude for route in plan.routes)
        said = f"the {'patterns' if patterns else 'rules'} take none of what lies there"
    return Toned(said, Tone.WARNING)


def route_values(tallies: list[Tally]) -> dict[str, Any]:
    """Per route: objects and bytes by state, and objects by proof."""
    routes: dict[str, Any] = {}
    for tally in tallies:
        route = routes.setdefault(tally.route, {"objects": 0, "bytes": 0, "states": {}, "proof": {}, "found": 0})
        route["objects"] += tally.objects
        route["bytes"] += tally.bytes
        route["found"] += tally.objects if tally.found else 0
        for group, name in (("states", tally.state.value), ("proof", tally.proof.name.lower())):
            route[group][name] = route[group].get(name, 0) + tally.objects
    return routes


TAKEN_BACK = "taken back: the copies that it made were removed again"


def run_again(plan: Plan | None) -> str:
    """What has a run go on: what has no plan file is typed again by whoever typed it."""
    if plan is None or plan.source:
        return "run the plan again"
    return "the same set again" if plan.in_place else "the same copy again"


def in_place_line(noted: Mapping[str, Noted], said: str = "") -> str:
    """What is said where every object is in place; what `noted_lines` say is not what they are to carry is no part of
    it."""
    if noted.get(PROPERTIES, NOTHING).objects:
        return f"every object is in place, but for what is said above{said}"
    return Toned(f"every object is in place{said}", Tone.GOOD)


NO_RUN_MENDS = "no run mends what a file cannot carry"


def noted_lines(noted: Mapping[str, Noted], accepted: Collection[State], plan: Plan | None, ledger: Path) -> list[str]:
    """What no run mends, or has not mended yet, a line each: it is never passed over."""
    mends = "a run mends what Cartage wrote or may overwrite"
    kept_out = noted.get(PROPERTIES, NOTHING).not_kept
    if kept_out:
        of_all = kept_out == noted[PROPERTIES].objects
        mends = KEPT_OUT if of_all else f"{mends}, but for {count_text(kept_out)}: {KEPT_OUT}"
    if plan is not None and all(route.target.is_local for route in plan.routes):
        mends = NO_RUN_MENDS
    removed = "removed at the source by its owner before it was proven; what was copied stands"
    if plan is not None and plan.in_place:
        mends = f"{run_again(plan)} mends it"
        removed = "removed by its owner since it was set"
    said = {
        LOST: "missing or changed at the target, and no source is left to mend it from",
        WITHDRAWN: removed,
        PROPERTIES: f"known not to carry what the route gives it; {mends}",
    }
    lines = []
    for name, sentence in said.items():
        found = noted.get(name, NOTHING)
        if not found.objects:
            continue
        line = f"{count_text(found.objects)} {sentence}"
        if name in accepted:
            line += " (accepted)"
        lines.append(line)
        if name not in accepted and plan is not None and (name != PROPERTIES or kept_out == found.objects):
            lines.append(to_type(accept_command(plan, ledger, name, found.figure)))
    return lines


def noted_values(noted: Mapping[str, Noted]) -> dict[str, Any]:
    """What may be accepted of the objects: how many, and for which figure."""
    return {name: picked(item, "objects found=figure") for name, item in noted.items() if item.objects}


MENDED_BY_RUN = {State.FAILED, State.DRIFTED, State.DAMAGED}


def mended_by_run(undone: Mapping[State, int], never: int) -> set[State]:
    """The states in which there is anything that a run goes on with or mends: `never` so many of the failed."""
    there = undone.keys() & (IN_FLIGHT | MENDED_BY_RUN)
    return there - {State.FAILED} if never >= undone.get(State.FAILED, 0) else there


def deep_for(minimum: Proof) -> str:
    """How a verification brings to this proof what no comparison brought there."""
    return "--deep" if minimum is Proof.BYTES else "--deep=below-digest"


_OPENED_BY = {"snapshot": ["run"], "audit": ["run"], "references": ["rewrite"]}
"""What opens a reason of the gate, by its name there, where a command does; of `proof` see `_proven_by`. The others
open by themselves, by accepting them, or elsewhere."""


class _Held(Protocol):
    """What a ledger holds, and how many failed that no run mends (`no_run_mends`)."""

    @property
    def tallies(self) -> list[Tally]: ...
    @property
    def misnamed(self) -> int: ...
    @property
    def barred(self) -> int: ...


def opened_by(plan: Plan, held: _Held, name: str) -> list[str]:
    """The words of the command that opens the reason of this name, or leads on to that; none where no command does."""
    return _proven_by(plan, held) if name == "proof" else _OPENED_BY.get(name, [])


def _proven_by(plan: Plan, held: _Held) -> list[str]:
    """What leads to the proof that is lacking: what is not copied has to be copied first, where a run does that."""
    tallies = held.tallies
    states = {tally.state for tally in tallies}
    if mended_by_run(by_state(tallies, IN_FLIGHT | ASIDE), held.misnamed + held.barred):
        return ["run"]
    if states & (ASIDE - ENDED) and State.COPIED not in states:
        return ["status", "--failed"]
    minimum = plan.cleanup.proof
    low = any(tally.state is State.VERIFIED and tally.proof < minimum for tally in tallies)
    return ["verify", deep_for(minimum)] if low or minimum is Proof.BYTES else ["verify"]


def _archived_text(archived: int, restoring: int) -> str:
    if restoring >= archived:
        return "what is archived is on its way back"
    if restoring:
        return f"of what is archived {count_text(restoring)} are on their way back, the others are not asked for"
    return "what is archived has to be restored first"


_MENDED_BY = {
    State.FAILED: "run again to try again",
    State.DRIFTED: "run again to copy what is there now",
    State.DAMAGED: "run again to copy anew",
    State.CONFLICT: "what is in conflict stays until you move the target away, or have it overwritten: "
    'overwrite = "if-different" in [[routes]], --overwrite if-different with cp',
}


class Ways(NamedTuple):
    """Commands that mend what is not done; empty where nobody knows how to type one. `reason_tells`: the reason alone
    says whether another run helps."""

    again: str = ""
    restore: str = ""
    wait: str = ""
    reason_tells: bool = False


def ways_of(plan: Plan | None, ledger: Path) -> Ways:
    """Those of a plan; a copy that has no plan file is typed again by whoever typed it, and restored by its source."""
    if plan is None:
        return Ways()
    if plan.source:
        run = command(plan, ledger, "run")
        return Ways(run, command(plan, ledger, "restore"), command(plan, ledger, "run", "--wait-restore"))
    sources = [route.source for route in plan.routes if not route.source.is_local and not route.source.site]
    restore = typed("cartage", "restore", str(sources[0]), *plan.flags) if sources else ""
    return Ways(restore=restore, reason_tells=not plan.routes[0].source.is_prefix)


def aside_lines(
    aside: dict[State, int], listing: str, ways: Ways, restoring: int = 0, misnamed: int = 0, barred: int = 0
) -> list[str]:
    """How many are not done, by state, what ends that, the command that lists each with its reason, and what to type
    next. `restoring` of the archived are on their way back; `misnamed` and `barred` as in `no_run_mends`."""
    counts = counted({state.value: count for state, count in aside.items()})
    by_run = mended_by_run(aside, misnamed + barred)
    told = {state: said for state, said in _MENDED_BY.items() if not (ways.reason_tells and state is State.FAILED)}
    mended = [sentence for state, sentence in told.items() if state in by_run or state in aside.keys() - MENDED_BY_RUN]
    if not ways.reason_tells:
        mended += no_run_mends(misnamed, barred)
    archived = aside.get(State.ARCHIVED, 0)
    if archived:
        mended.append(_archived_text(archived, restoring))
    said = [f"not done: {counts}", *filter(None, ["; ".join(mended)])]
    lines: list[str] = [Toned(line, Tone.WARNING) for line in said]
    following = ways.again if by_run else ""
    if archived:
        following = ways.wait if restoring >= archived else ways.restore
    lines.append(Toned(f"each with its reason: {listing}", Tone.WARNING if following else Tone.NEXT, whole=True))
    return [*lines, next_step(following)] if following else lines


def over_text(said: str, counts: Replacing) -> str:
    """`said`, which has their number, of what is written over at the target, or was: what of it was newer, and the
    first. Of processes that died the first are not known."""
    newer = f", {count_text(counts.replaced_newer)} of them newer than the source" if counts.replaced_newer else ""
    first = ", ".join(map(safe, counts.first_replaced[:REPLACED_NAMED]))
    return f"{said}{newer}{first and f'; the first: {first}'}"


def left_lines(count: int, named: Sequence[ObjectAside], listing: str) -> list[str]:
    """What the listings left where all else is done, and the command that lists it: what lies there is its owner's, so
    that no command of ours mends it."""
    listed = ", or take them out of the list" if any(item.code == ObjectAside.MISSING for item in named) else ""
    said = f"{unlisted_sentence(count, named)}; mend or move these{listed}, then run again"
    return [Toned(said, Tone.WARNING), Toned(f"each with its reason: {listing}", Tone.NEXT, whole=True)]
