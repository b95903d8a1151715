"""What `cartage status` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.api.commands import command, kept_at, of_ledger, what_is_not_done
from engine.api.status import Pulse, Status
from engine.events import COPYING, SETTING, Doing, ObjectAside, Progress
from engine.finish.gate import not_kept_text
from engine.ledger import Moment, Worker, open_routes
from engine.plan.document import Plan
from engine.plan.lifecycle import ASIDE, IN_FLIGHT, IN_PLACE, LEAVING, PROVEN, State
from engine.plan.noted import NOTHING, PROPERTIES
from engine.plan.record import ObjectRecord, by_state
from engine.report.meter import Meter, Reading
from engine.report.ndjson import picked
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.tallies import (
    TAKEN_BACK,
    Ways,
    aside_lines,
    in_place_line,
    left_lines,
    noted_lines,
    noted_values,
    nothing_taken,
    route_values,
    run_again,
    tallies_table,
    ways_of,
)
from engine.report.text import duration_text, key_text, plural, safe

if TYPE_CHECKING:
    from engine.api.plan import SurveyResult
    from engine.api.run import MigrationResult  # what copies takes long to import, and status copies nothing

LIST_GONE = Toned(
    "next: the same copy by a list in a file: one that came through a pipe cannot be read again to verify", Tone.NEXT
)
SHORTEST_MS = 2_000
"""Of less a run's own moments tell no rate."""


def aside_line(record: ObjectRecord | ObjectAside) -> str:
    """One object that is not done, or what a listing left."""
    state = record.state.value if isinstance(record.state, State) else record.state
    return f"{state}  {record.route}  {key_text(record.key)}  {record.code}: {safe(record.message)}"


def aside_values(record: ObjectRecord | ObjectAside) -> dict[str, str]:
    return picked(record, "route key state code message")


def how_far(pulse: Pulse) -> tuple[Doing, Progress] | None:
    """What whoever is at work on a ledger is about, and how far that is, as the states of its objects tell; a
    verification, of what may be verified already, by what it says itself. None where neither tells."""
    count, sizes = dict.fromkeys(State, 0), dict.fromkeys(State, 0)
    for tally in pulse.tallies:
        count[tally.state] += tally.objects
        sizes[tally.state] += tally.bytes
    listed = not open_routes(pulse.snapshots)
    moment = pulse.run.last if pulse.run is not None else Moment(0)
    what, under_way, whole = "verifying", frozenset[State](), set(IN_PLACE)
    if pulse.command in ("", "run", "set") and (not listed or any(count[state] for state in IN_FLIGHT)):
        what, under_way, whole = SETTING if pulse.sets else COPYING, IN_FLIGHT, set(State)
    elif pulse.command in ("", "cleanup") and count[State.VERIFIED] and any(count[state] for state in LEAVING):
        what, under_way, whole = "deleting", frozenset({State.VERIFIED, State.DELETING}), set(PROVEN)
    elif pulse.command != "verify":
        return None
    progress = Progress(
        listed=sum(count[state] for state in whole),
        listed_bytes=sum(sizes[state] for state in whole),
        listing_done=listed,
        done=sum(count[state] for state in whole - under_way),
        done_bytes=sum(sizes[state] for state in whole - under_way),
        aside=sum(count[state] for state in ASIDE),
        throttled=moment.throttled,
        in_flight=moment.in_flight,
    )
    if what == "verifying":
        done, done_bytes = min(moment.done, progress.listed), min(moment.done_bytes, progress.listed_bytes)
        progress = replace(progress, done=done, done_bytes=done_bytes)
    objects, size_bytes = pulse.expected if what in (COPYING, SETTING) else (0, 0)
    return Doing(what, objects=objects, size_bytes=size_bytes), replace(progress, copied=progress.done)


def lately(pulse: Pulse) -> Reading | None:
    """How fast that goes, by the run's last seconds; None where they do not tell: too few, or what is listed counts
    among it."""
    far, moments = how_far(pulse), pulse.run.moments if pulse.run is not None else ()
    if far is None or not far[1].listing_done or not moments or moments[-1].at_ms - moments[0].at_ms < SHORTEST_MS:
        return None
    meter, now, last = Meter(copies=False), far[1], moments[-1]
    for item in moments:
        done, done_bytes = now.done - last.done + item.done, now.done_bytes - last.done_bytes + item.done_bytes
        meter.add(replace(now, done=done, done_bytes=done_bytes), item.at_ms / 1000)
    return meter.read(last.at_ms / 1000)


def work_lines(worker: Worker | None, command: str, now_s: float, told: str = "") -> list[str]:
    """Who is at work on a ledger, with which command, since when, and `told`: how far that is. `now_s` is in seconds
    since the epoch."""
    if worker is None:
        return []
    with_what = f", {safe(command)}" if command else ""
    since = f" for {duration_text(max(0.0, now_s - worker.since_s))}" if worker.since_s else ""
    return [Toned(f"at work: {worker_text(worker)}{with_what}{since}", Tone.STRONG), *filter(None, [told])]


def worker_text(worker: Worker) -> str:
    """Who that is."""
    return f"pid {worker.pid} on {safe(worker.host)}" if worker.pid else "another process"


def status_page(status: Status, plan: Plan | None, at_work: Sequence[str] = ()) -> Page:
    """What a ledger says. `plan` is the one that it belongs to, None where that is not known; `at_work` says who is at
    work on it, and how far that is (`work_lines`). A plan that the ledger is not bound to is not gone on with."""
    head = f"{safe(status.binding.plan_name)}  {safe(status.binding.endpoint)}  ({safe(str(status.ledger))})"
    page: list[str | Table] = [head, *at_work, ""]
    if plan is not None and (otherwise := status.said_otherwise(plan)):
        page, plan = [*(Toned(line, Tone.WARNING) for line in otherwise_lines(otherwise)), "", *page], None
    plan = plan and kept_at(plan, status.state)
    sets = plan is not None and plan.in_place
    page.append(tallies_table(status.tallies, in_place=sets) if status.tallies else "no object yet")
    opened = open_routes(status.snapshots)
    by_hand = plan is not None and not plan.source  # a copy that has no plan file is typed again by whoever typed it
    page.append("")
    aside = by_state(status.tallies, ASIDE - status.accepted)
    listing = what_is_not_done(plan, status.ledger, status.state)

    def undone_lines(ways: Ways) -> list[str]:
        return aside_lines(aside, listing, ways, status.restoring, status.misnamed, status.barred) if aside else []

    if status.worker is not None:  # what stands unfinished is under way, and to be waited for
        return [*page, *undone_lines(Ways()), next_step(watching(plan, status.ledger))]
    if status.failed_sync:
        page.append(Toned(f"{safe(not_kept_text(status.failed_sync))}: {run_again(plan)}", Tone.BAD))
    if status.taken_back:
        return [*page, f"{TAKEN_BACK}; a run makes them anew", *undone_lines(Ways())]
    if opened:
        page.append(f"listing not at its end: {safe(', '.join(opened))}; {run_again(plan)} to go on")
    if status.uploads:
        page.append(f"{plural(len(status.uploads), 'upload')} unfinished, taken up by the next run")
    if in_flight := sum(by_state(status.tallies, IN_FLIGHT).values()):
        page.append(f"{plural(in_flight, 'object')} planned, and not known to be done")
    page += noted_lines(status.noted, status.accepted, plan if sets else None, status.ledger)
    gone = by_state(status.tallies, LEAVING)
    if State.DELETING in gone:
        page.append(f"{plural(gone[State.DELETING], 'delete')} not confirmed: run the cleanup again")
    named = [item for left in status.left for item in left.first]
    left = left_lines(status.unlisted, named, listing) if status.left else []
    if not (opened or aside or in_flight or left or status.failed_sync):
        if not status.tallies:
            return [*page, nothing_taken(plan)]
        sources = f"; {plural(gone[State.DELETED], 'source')} deleted" if State.DELETED in gone else ""
        apart = ", but for what was accepted" if by_state(status.tallies, status.accepted) else ""
        page.append(in_place_line(status.noted, f"{apart}{sources}"))
    again = run_again(plan) if by_hand else command(plan, status.ledger, "run") if plan is not None else ""
    if aside:
        return [*page, *left[:1], *undone_lines(ways_of(plan, status.ledger))]
    if left and not (opened or in_flight):
        return [*page, *left]
    page += left[:1]
    undone = opened or in_flight or status.failed_sync or (sets and status.noted.get(PROPERTIES, NOTHING).objects)
    return [*page, *next_lines(status, plan, again if undone else "")]


def otherwise_lines(otherwise: Sequence[str]) -> list[str]:
    """What is said where the plan is not what the ledger is bound to (`Status.said_otherwise`)."""
    first, *more = [safe(line) for line in otherwise]
    ends = ["go back to what it was, or start a new ledger with --ledger: what is copied is found"]
    return [f"the plan says otherwise now: {first}", *(f"  and {line}" for line in more), *ends]


def watching(plan: Plan | None, ledger: Path) -> str:
    """What shows a ledger at work until that has ended."""
    words = "status", "--watch"
    return command(plan, ledger, *words) if plan is not None else of_ledger(ledger, *words)


def next_lines(status: Status | MigrationResult | SurveyResult, plan: Plan | None, again: str) -> list[str]:
    """What to type next, as a line; none where there is nothing."""
    if plan is not None and plan.list_is_gone and not again:
        return [LIST_GONE]
    what = next_command(status, plan, again)
    return [next_step(what)] if what else []


def next_command(status: Status | MigrationResult | SurveyResult, plan: Plan | None, again: str) -> str:
    """What follows on where the ledger is: `again` where a run has something left to do; empty where the plan's file is
    not known."""
    if plan is None or again:
        return again
    states = {tally.state for tally in status.tallies}
    if State.COPIED in states:
        return "" if plan.list_is_gone else command(plan, status.ledger, "verify")
    if not plan.source:
        return ""
    verb = "cleanup" if states & {State.VERIFIED, State.DELETING} else "receipt"
    return command(plan, status.ledger, verb)


def status_values(status: Status) -> dict[str, Any]:
    """The summary of a status."""
    return {
        **picked(status, "ledger plan=binding.plan_name endpoint=binding.endpoint"),
        "routes": route_values(status.tallies),
        "snapshots": {
            item.route: {"closed": bool(item.closed_ms), "objects": item.objects} for item in status.snapshots
        },
        "open_uploads": len(status.uploads),
        "settled": sum(by_state(status.tallies, IN_PLACE).values()),
        "in_flight": sum(by_state(status.tallies, IN_FLIGHT).values()),
        "aside": by_state(status.tallies, ASIDE - status.accepted),
        **picked(status, "restoring misnamed barred"),
        "noted": noted_values(status.noted),
        "unlisted": status.unlisted,
        "failed_sync": status.failed_sync,
    }
