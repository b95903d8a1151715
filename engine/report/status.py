"""What `cartage status` shows."""

from __future__ import annotations

from typing import Any

from engine.api.commands import of_ledger
from engine.api.status import Status
from engine.plan.lifecycle import ASIDE, IN_FLIGHT, IN_PLACE, LEAVING, State
from engine.plan.record import ObjectRecord, by_state
from engine.report.tallies import aside_sentence, noted_lines, noted_values, route_values, tallies_table
from engine.report.text import key_text, picked, plural, safe


def aside_line(record: ObjectRecord) -> str:
    """One object that is not done."""
    return f"{record.state.value}  {record.route}  {key_text(record.key)}  {record.code}: {safe(record.message)}"


def aside_values(record: ObjectRecord) -> dict[str, str]:
    return picked(record, "route key state code message")


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
    if in_flight := sum(by_state(status.tallies, IN_FLIGHT).values()):
        lines.append(f"{plural(in_flight, 'object')} planned, and not known to be done")
    aside = by_state(status.tallies, ASIDE - status.accepted)
    lines += noted_lines(status.noted, status.accepted, None, status.ledger)
    if aside:
        lines.append(aside_sentence(aside, of_ledger(status.ledger, "status", "--failed")))
    gone = by_state(status.tallies, LEAVING)
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
        "settled": sum(by_state(status.tallies, IN_PLACE).values()),
        "in_flight": sum(by_state(status.tallies, IN_FLIGHT).values()),
        "aside": {state.value: count for state, count in by_state(status.tallies, ASIDE - status.accepted).items()},
        "noted": noted_values(status.noted),
    }
