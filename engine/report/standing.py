"""Where a move stands, in a word and a sentence, with what to type next: the top of its report. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from engine.api.commands import command, what_is_not_done
from engine.api.report import Report
from engine.api.status import under_way
from engine.finish.gate import not_kept_text
from engine.ledger import open_routes
from engine.plan.lifecycle import ASIDE, ENDED, IN_FLIGHT, State
from engine.plan.record import by_state
from engine.report.page import Tone
from engine.report.status import next_command, watching
from engine.report.text import counted, plural

NOT_BEGUN = "Not begun"


class Standing(NamedTuple):
    """`word` is a badge, `command` what to type next, empty where nothing is known of it."""

    word: str
    tone: Tone
    sentence: str
    command: str


def _otherwise(otherwise: Sequence[str]) -> str:
    return f"The plan says otherwise now: {'; '.join(otherwise)}. What this ledger tells is of the plan as it was."


def standing_of(report: Report) -> Standing:
    """The one thing that a reader wants to know first."""
    status, plan = report.status, report.plan
    again = command(plan, report.ledger, "run") if plan is not None and plan.source else ""
    count = by_state(status.tallies, set(State))
    aside = by_state(status.tallies, ASIDE - status.accepted)
    left = sum(count.get(state, 0) for state in IN_FLIGHT)
    opened = open_routes(status.snapshots)
    last = report.history.runs[-1] if report.history.runs else None
    if status.worker is not None:
        now = under_way(last, status.worker)
        said = f"A {now.command if now else 'command'} is under way."
        return Standing("At work", Tone.STRONG, said, watching(plan, report.ledger))
    if report.otherwise:
        return Standing("Another plan", Tone.WARNING, _otherwise(report.otherwise), "")
    if status.taken_back:
        return Standing("Taken back", Tone.FAINT, "The copies that it made were removed again.", "")
    if not status.tallies and not any(item.opened_ms for item in status.snapshots):
        return Standing(NOT_BEGUN, Tone.FAINT, "Nothing was copied yet.", again)
    if opened or left:
        what = f"{plural(left, 'object')} left to copy" if left else "the listing never reached its end"
        return Standing(
            "Interrupted", Tone.WARNING, f"It was stopped or killed: {what}. A run goes on from here.", again
        )
    if status.failed_sync:
        said = not_kept_text(status.failed_sync)
        said = f"{said[0].upper()}{said[1:]}."
        return Standing("Needs you", Tone.BAD, said, again)
    if aside or status.unlisted:
        found = {state.value: number for state, number in aside.items()}
        found |= {"left, which cannot be objects, be looked at or be found": status.unlisted} if status.unlisted else {}
        said = f"Not done: {counted(found)}."
        return Standing("Needs you", Tone.BAD, said, what_is_not_done(report.plan, report.ledger, status.state))
    after = next_command(status, plan, "")
    ends = counted({state.value: count[state] for state in sorted(ENDED & count.keys())})
    apart = f", but for what was accepted: {ends}" if ends else ""
    if count.get(State.COPIED):
        said = f"Every object is in place{apart}, and {plural(count[State.COPIED], 'object')} not verified yet."
        return Standing("Copied", Tone.STRONG, said, after)
    if count.get(State.DELETING):
        said = f"{plural(count[State.DELETING], 'delete')} not confirmed: the cleanup goes on from here."
        return Standing("Interrupted", Tone.WARNING, said, after)
    if count.get(State.VERIFIED):
        gone = f"; {plural(count[State.DELETED], 'source')} deleted" if count.get(State.DELETED) else ""
        return Standing("Verified", Tone.GOOD, f"Every object is in place and proven{apart}{gone}.", after)
    if count.get(State.DELETED):
        said = f"Every object is in place, was proven, and its source is deleted{apart}."
        return Standing("Finished", Tone.GOOD, said, after)
    if ends:
        return Standing("Accepted", Tone.GOOD, f"All that there is was accepted: {ends}.", after)
    return Standing("Nothing there", Tone.WARNING, "The sources held nothing that the plan selects.", again)
