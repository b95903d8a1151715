"""What a run, a verification and a status look like, as text for people and as values for `--json`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from engine.api.commands import accept_command, command, of_ledger
from engine.api.ledgers import Status
from engine.api.running import MigrationResult
from engine.plan.document import Plan
from engine.plan.lifecycle import ASIDE, IN_FLIGHT, LEAVING, SETTLED, State
from engine.plan.noted import LOST, NOTHING, PROPERTIES, WITHDRAWN, Noted
from engine.plan.record import ObjectRecord, Tally
from engine.report.text import count_text, plural, safe, size_text, table

SHOWN = 10


def result_text(plan: Plan, result: MigrationResult) -> str:
    """After a run: what this run did, then what the ledger holds."""
    counters = result.counters
    lines = [
        f"{plan.name}: copied {plural(counters.copied, 'object')} ({size_text(counters.copied_bytes)}), "
        f"found {count_text(counters.found)} in place, {count_text(counters.aside)} set aside; "
        f"{plural(result.requests, 'request')}, {count_text(result.throttled)} answered SlowDown",
        "",
        tallies_table(result.tallies),
    ]
    if told := noted_lines(result.noted, result.accepted, plan, result.ledger):
        lines += ["", *told]
    if result.aside:
        lines += ["", aside_sentence(result.aside, command(plan, result.ledger, "status", "--failed"))]
    elif not result.stopped and not result.empty:
        lines += ["", f"every object is in place; next: {command(plan, result.ledger, 'verify')}"]
    return "\n".join(lines)


def result_values(result: MigrationResult) -> dict[str, Any]:
    """The summary of a run."""
    counters = result.counters
    return {
        "ledger": str(result.ledger),
        "resumed": result.resumed,
        "complete": result.complete,
        "listed": counters.listed,
        "copied": counters.copied,
        "copied_bytes": counters.copied_bytes,
        "found": counters.found,
        "aside": {state.value: count for state, count in result.aside.items()},
        "requests": result.requests,
        "throttled": result.throttled,
        "empty": result.empty,
        "noted": noted_values(result.noted),
        "routes": route_values(result.tallies),
    }


def tallies_table(tallies: list[Tally]) -> str:
    """Objects by route and state, with the bytes of all."""
    states = [state for state in State if any(tally.state is state for tally in tallies)]
    routes: dict[str, dict[State, int]] = defaultdict(lambda: defaultdict(int))
    sizes: dict[str, int] = defaultdict(int)
    for tally in tallies:
        for name in (tally.route, "total"):
            routes[name][tally.state] += tally.objects
            sizes[name] += tally.bytes
    total = routes.pop("total", {})
    rows = [
        [name, *(count_text(counts[state]) for state in states), size_text(sizes[name])]
        for name, counts in [*routes.items(), ("total", total)]
        if counts
    ]
    return table(["route", *(state.value for state in states), "size"], rows)


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


def noted_lines(noted: Mapping[str, Noted], accepted: Collection[State], plan: Plan | None, ledger: Path) -> list[str]:
    """What no run mends, or has not mended yet, a line each: it is never passed over."""
    said = {
        LOST: "missing or changed at the target, and no source is left to mend it from",
        WITHDRAWN: "removed at the source by its owner before it was proven; what was copied stands",
        PROPERTIES: "known not to carry what the route gives it; a run mends what Cartage wrote or may overwrite",
    }
    lines = []
    for name, sentence in said.items():
        found = noted.get(name, NOTHING)
        if not found.objects:
            continue
        line = f"{count_text(found.objects)} {sentence}"
        if name in accepted:
            line += " (accepted)"
        elif plan is not None and plan.source and name != PROPERTIES:
            line += f"; {accept_command(plan, ledger, name, found.figure)}"
        lines.append(line)
    return lines


def noted_values(noted: Mapping[str, Noted]) -> dict[str, Any]:
    """What may be accepted of the objects: how many, and for which figure."""
    return {name: {"objects": item.objects, "found": item.figure} for name, item in noted.items() if item.objects}


_MENDED_BY = {
    State.FAILED: "run again to try again",
    State.DRIFTED: "run again to copy what is there now",
    State.DAMAGED: "run again to copy anew",
    State.ARCHIVED: "restore what is archived, then run again",
    State.CONFLICT: "what is in conflict stays until you move the target away, or allow it to be overwritten",
}


def aside_sentence(aside: dict[State, int], listing: str) -> str:
    """How many are not done, by state, what ends that, and the command that lists each with its reason."""
    counts = ", ".join(f"{count_text(count)} {state.value}" for state, count in aside.items())
    mended = "; ".join(sentence for state, sentence in _MENDED_BY.items() if state in aside)
    return "\n".join(filter(None, [f"not done: {counts}", mended, f"each with its reason: {listing}"]))


def aside_line(record: ObjectRecord) -> str:
    """One object that is not done."""
    key = safe(record.key) or "(the one key)"
    return f"{record.state.value}  {record.route}  {key}  {record.code}: {safe(record.message)}"


def status_text(status: Status) -> str:
    """What a ledger says."""
    lines = [f"{status.binding.plan_name}  {status.binding.endpoint}  ({status.ledger})", ""]
    lines.append(tallies_table(status.tallies) if status.tallies else "no object yet")
    open_routes = [item.route for item in status.snapshots if not item.closed_ms]
    lines.append("")
    if open_routes:
        lines.append(f"listing not at its end: {', '.join(open_routes)}; run the plan again to go on")
    if status.uploads:
        lines.append(f"{plural(len(status.uploads), 'upload')} unfinished, taken up by the next run")
    if in_flight := sum(_sum(status.tallies, IN_FLIGHT).values()):
        lines.append(f"{plural(in_flight, 'object')} planned, and not known to be done")
    aside = _sum(status.tallies, ASIDE - status.accepted)
    lines += noted_lines(status.noted, status.accepted, None, status.ledger)
    if aside:
        lines.append(aside_sentence(aside, of_ledger(status.ledger, "status", "--failed")))
    gone = _sum(status.tallies, LEAVING)
    if State.DELETING in gone:
        lines.append(f"{plural(gone[State.DELETING], 'delete')} not confirmed: run the cleanup again")
    if not open_routes and not aside and not in_flight:
        sources = f"; {plural(gone[State.DELETED], 'source')} deleted" if State.DELETED in gone else ""
        lines.append(f"every object is in place{sources}")
    return "\n".join(lines)


def status_values(status: Status) -> dict[str, Any]:
    """The summary of a status."""
    return {
        "ledger": str(status.ledger),
        "plan": status.binding.plan_name,
        "endpoint": status.binding.endpoint,
        "routes": route_values(status.tallies),
        "snapshots": {
            item.route: {"closed": bool(item.closed_ms), "objects": item.objects} for item in status.snapshots
        },
        "open_uploads": len(status.uploads),
        "settled": sum(_sum(status.tallies, SETTLED).values()),
        "in_flight": sum(_sum(status.tallies, IN_FLIGHT).values()),
        "aside": {state.value: count for state, count in _sum(status.tallies, ASIDE - status.accepted).items()},
        "noted": noted_values(status.noted),
    }


def _sum(tallies: Iterable[Tally], states: frozenset[State]) -> dict[State, int]:
    counts: dict[State, int] = {}
    for tally in tallies:
        if tally.state in states:
            counts[tally.state] = counts.get(tally.state, 0) + tally.objects
    return counts
