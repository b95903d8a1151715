"""What a run looks like, as text for people and as values for `--json`."""

from __future__ import annotations

from typing import Any

from engine.api.commands import command, typed
from engine.api.run import MigrationResult
from engine.plan.document import Plan
from engine.plan.lifecycle import DONE, State
from engine.plan.route import Route
from engine.plan.settings import Connection
from engine.report.ndjson import picked
from engine.report.page import Page, Table, Tone, Toned
from engine.report.set import what_is_set
from engine.report.status import next_lines
from engine.report.tallies import (
    aside_lines,
    in_place_line,
    left_lines,
    noted_lines,
    noted_values,
    nothing_taken,
    over_text,
    route_values,
    tallies_table,
    ways_of,
)
from engine.report.text import amount_text, count_text, pace_text, plural, safe
from engine.transfer.carrier import DENIED, SOURCE_DENIED


def result_page(plan: Plan, result: MigrationResult, took_s: float) -> Page:
    """After a run: what this run did and how fast, then what the ledger holds. Empty where there was nothing to do."""
    if result.empty and not result.tallies:
        return []  # nothing was done: what there is to say is said of the sources that hold nothing
    counters = result.counters
    asked = f"; {plural(result.requests, 'request')}, {count_text(result.throttled)} answered SlowDown"
    lines: list[str | Table] = [
        f"{plan.name}: {_came_to(plan, result)}{asked if result.requests else ''}",  # between folders nobody is asked
        f"took {pace_text(counters.copied, took_s, counters.copied_bytes)}",
    ]
    if counters.replaced:
        said = over_text(f"wrote over {count_text(counters.replaced)} that stood at the target", counters)
        lines.append(Toned(said, Tone.WARNING) if counters.replaced_newer else said)
    if result.tallies:
        lines += ["", tallies_table(result.tallies, in_place=plan.in_place)]
    if told := noted_lines(result.noted, result.accepted, plan, result.ledger):
        lines += ["", *told]
    listing = command(plan, result.ledger, "status", "--failed")
    left = left_lines(result.unlisted_count, result.unlisted, listing) if result.unlisted_count else []
    if result.complete and not result.tallies:
        return [*lines, "", nothing_taken(plan)]
    if result.complete:
        lines += ["", in_place_line(result.noted)]
    if result.aside:
        ways = ways_of(plan, result.ledger)
        # What this run could not mend, the same again does not; what drifted is another object now.
        if result.resumed and not counters.copied and State.DRIFTED not in result.aside:
            ways = ways._replace(again="")
        if (why := _one_reason(result)) in (DENIED, SOURCE_DENIED):
            looking = _looking(plan, plan.route(counters.first_asides[0].route), why)
            ways = ways._replace(again=looking or ways.again)
        first, *others = aside_lines(result.aside, listing, ways, result.restoring, result.misnamed, result.barred)
        if why and result.aside[State.FAILED] > 1:
            first = Toned(f"{first}, all with {safe(why)}", Tone.WARNING)
        lines += ["", *left[:1], first, *others]
    elif left:
        lines += ["", *(left[:1] if result.stopped or result.empty else left)]
    elif not (result.stopped or result.empty or not result.tallies):
        lines += next_lines(result, plan, "")
    return lines


def _came_to(plan: Plan, result: MigrationResult) -> str:
    """What this run did, apart from what earlier ones had done."""
    counters, aside = result.counters, sum(result.aside.values())
    done, do, there = "copied", "copy", "in place"
    if plan.in_place:
        done, do, there = f"set {what_is_set(plan.routes[0])} on", "set", "as they are wanted"
    rows = [item for item in result.tallies if item.state in DONE] if result.resumed else []
    earlier = sum(item.objects for item in rows) - counters.copied - counters.found
    if result.complete and earlier > 0 and not (counters.copied or counters.found):
        amount = amount_text(earlier, sum(item.bytes for item in rows))
        return f"nothing was left to {do}; {amount} {'was' if earlier == 1 else 'were'} {there} from earlier runs"
    said = f"{done} {amount_text(counters.copied, counters.copied_bytes)}"
    if earlier <= 0:
        return f"{said}, found {count_text(counters.found)} {there}, {count_text(aside)} set aside"
    said += f", found {count_text(counters.found)} {there}" if counters.found else ""
    said += f", {count_text(aside)} set aside" if aside else ""
    return f"{said}; {count_text(earlier)} {'was' if earlier == 1 else 'were'} {there} before"


def _one_reason(result: MigrationResult) -> str:
    """The code that all have which are set aside, where they failed; empty where that is not so, or not known: of what
    earlier runs or other processes set aside."""
    reasons = result.counters.reasons
    ((code, count),) = reasons.most_common(1) or [("", 0)]
    return code if result.aside == {State.FAILED: count} else ""


def _looking(plan: Plan, route: Route, why: str) -> str:
    """What tells which action is denied, at the side that was denied; of a copy that S3 makes by itself nobody may know
    which, and both are asked. Empty where that is a folder, or at a site or by a connection that the plan's file names:
    `check` knows of neither, and would ask elsewhere."""
    source, target = route.source, route.target
    looks = [(source, "")] if why == SOURCE_DENIED or (source.site == target.site and not route.in_place) else []
    looks += [(target, "--write")] if why == DENIED else []
    if (plan.source and plan.connection != Connection()) or any(where.is_local or where.site for where, _ in looks):
        return ""
    flags = plan.flags
    return " && ".join(typed("cartage", "check", str(at), *filter(None, [how]), *flags) for at, how in looks)


def result_values(result: MigrationResult) -> dict[str, Any]:
    """The summary of a run."""
    return {
        **picked(result, "ledger resumed complete"),
        **picked(result.counters, "listed copied copied_bytes replaced replaced_newer first_replaced found"),
        **picked(result, "aside requests throttled empty unlisted=unlisted_count restoring misnamed barred"),
        "noted": noted_values(result.noted),
        "routes": route_values(result.tallies),
    }
