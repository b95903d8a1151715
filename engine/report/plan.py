"""What `cartage plan` shows: what a run would do, expected against found, requests, cost, floor and permissions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.commands import accept_command, command
from engine.api.plan import SurveyResult
from engine.plan.document import Plan
from engine.plan.estimate import WRITES_PER_S, Difference, Estimate, estimate, expectation_report
from engine.plan.locations import is_access_point
from engine.plan.misnamed import WAY_OUT
from engine.proof.survey import RouteSurvey
from engine.report.ndjson import picked, rounded
from engine.report.page import Page, Table, Tone, Toned, to_type
from engine.report.set import change_page, change_values, least_time_text, needs_text
from engine.report.status import next_lines
from engine.report.tallies import over_text, ways_of
from engine.report.text import cost_text, count_text, pace_text, plural, safe, size_text, writes_text
from engine.sites.traits import NOTHING_KNOWN


def _estimate(result: SurveyResult, writes_per_s: float) -> Estimate:
    """The plan's price and floor, from what was counted; what goes from folder to folder has none."""
    here = {route.name for route in result.plan.routes if route.stays_here}
    routes = [item for item in result.routes if item.route not in here]
    return estimate(routes, hold_s=result.plan.cleanup.hold_s, writes_per_s=writes_per_s)


def _expected(result: SurveyResult) -> tuple[Difference, ...]:
    """Expected against found, for every figure that the plan names."""
    return expectation_report(result.plan, {item.route: item.taken for item in result.routes})


HIDES = (
    "is the name of an access point, which does not tell its bucket: before anything is deleted, it is tried whether "
    "sources and targets are the same objects"
)


def plan_page(result: SurveyResult, writes_per_s: float, took_s: float) -> list[str | Table]:
    """Everything that a plan says, for people; nothing where its sources hold nothing: what is said of them is all."""
    plan = result.plan
    if result.empty and not any(item.objects for item in result.routes):
        return []
    total = RouteSurvey("total")
    for item in result.routes:
        total.add(item)
    there, to_do = ("set already", "to set") if plan.in_place else ("there", "to copy")
    header = ["route", "objects", "size", there, to_do, f"size {to_do}", "over 5 GiB", "archived", "conflicts"]
    rows = [
        [
            safe(item.route),
            count_text(item.objects),
            size_text(item.bytes),
            count_text(item.there),
            count_text(item.to_copy + item.to_inspect),
            size_text(item.to_copy_bytes),
            count_text(item.over_5gib),
            count_text(item.archived),
            count_text(item.conflicting),
        ]
        for item in [*result.routes, total]
    ]
    page: list[str | Table] = [Table(header, rows, total=True)]
    page += [f"\n{safe(problem)}" for problem in total.problems[:10]]
    if expected := _expected(result):
        page += ["", *_expectations(expected, result)]
    page += ["", *(change_page(result, writes_per_s) if plan.in_place else _cost(result, writes_per_s))]
    if not _stays_here(plan):
        page += ["", _facts(_server_text(result))]
    if total.archived:
        restore = ways_of(plan, result.ledger).restore
        shown = f"; what that costs and takes: {restore}" if restore else ""
        page.append(_facts(f"\narchived   {count_text(total.archived)} to be restored first{shown}"))
    if total.replaced:
        most = "up to " if total.perhaps_replaced else ""
        page.append(_facts(over_text(f"\nreplaced   {most}{count_text(total.replaced)} to be written over", total)))
    if result.misnamed:
        can_not = f"{count_text(result.misnamed)} can be no file's name at the target, and no run copies them"
        page.append(_facts(f"\nset aside  {can_not}: {WAY_OUT}"))
    page += [_facts(f"\nnames      {safe(bucket)} {HIDES}") for bucket in plan.buckets if is_access_point(bucket)]
    page += ["", f"listed {plural(total.objects, 'object')} in {pace_text(total.objects, took_s)}"]
    return page


def _stays_here(plan: Plan) -> bool:
    return all(route.stays_here for route in plan.routes)


def _cost(result: SurveyResult, writes_per_s: float) -> Page:
    if _stays_here(result.plan):
        return [_facts("requests   none: all of it is read and written on this machine")]
    figures = _estimate(result, writes_per_s)
    kept = f", {cost_text(figures.storage_dollars_a_day)} a day while both sides are kept"
    if all(route.target.is_local for route in result.plan.routes):
        kept = ""
    return [
        _facts(
            f"requests   {writes_text(figures.copy_requests)}, "
            f"{count_text(figures.head_requests)} HEAD{' and GET' if figures.in_bytes else ''}, "
            f"{count_text(figures.list_requests)} list pages\n"
            f"{_passing(figures)}"
            f"cost       {cost_text(figures.requests_dollars)} for requests{kept}{_egress(figures)}\n"
            f"{least_time_text(figures.copy_requests, writes_per_s)}"
            f"{needs_text(result.actions)}"
        )
    ]


def _passing(figures: Estimate) -> str:
    if not figures.in_bytes and not figures.out_bytes:
        return ""
    return f"passing    {size_text(figures.in_bytes)} to this machine, {size_text(figures.out_bytes)} from it\n"


def _egress(figures: Estimate) -> str:
    dollars = cost_text(figures.egress_dollars)
    return f", at most {dollars} for what leaves AWS (nothing within its region)" if figures.egress_dollars else ""


def plan_next(result: SurveyResult) -> list[str]:
    """What to type after a plan that can be carried out."""
    plan = result.plan
    if result.empty or result.no_room:
        return []
    if result.refused:
        said = f"left: {plural(result.refused, 'key')} of a list that could not be looked at, and not counted above"
        others = "; a run copies the others" if any(item.objects for item in result.routes) else ""
        allow = f"next: have what is refused allowed, then the same again{others}"
        return [Toned(said, Tone.WARNING), Toned(allow, Tone.NEXT)]
    if result.misnamed and (result.is_done or result.misnamed == sum(item.objects for item in result.routes)):
        return [Toned(f"next: {WAY_OUT}", Tone.NEXT)]
    if not plan.source:
        return [Toned("next: the same command without --dry-run", Tone.NEXT)]
    return next_lines(result, plan, "" if result.is_done else command(plan, result.ledger, "run"))


def _facts(text: str) -> Toned:
    """Lines that each begin with what they are about."""
    return Toned(text, hang=11)


def _server_text(result: SurveyResult) -> str:
    if all(traits == NOTHING_KNOWN for traits in result.traits.values()):
        return "server     what it honours of S3's conditions is tried by the run, or now with --probe"
    return "\n".join(f"server     {line}" for line in result.lacking or ["honours every condition that is relied on"])


def _expectations(expected: Sequence[Difference], result: SurveyResult) -> Page:
    accepted = {(item.name, item.found) for item in result.acceptances}
    left = [item for item in expected if not item.agrees and (item.what, str(item.found)) not in accepted]
    rows = []
    for item in expected:
        show = size_text if item.what.endswith(".size") else count_text
        found = "not listed" if item.found is None else show(item.found)
        verdict = Toned("agrees", Tone.GOOD)
        if not item.agrees:
            verdict = Toned("DIFFERS", Tone.BAD) if item in left else Toned("accepted", Tone.WARNING)
        rows.append([safe(item.what), show(item.expected), found, verdict])
    page: list[str | Table] = [Table(["expected", "", "found", ""], rows)]
    if left:
        page += [
            "\nA difference does not stop a run, but no source is deleted until it is accepted by name, as in:",
            to_type(accept_command(result.plan, result.ledger, left[0].what, str(left[0].found))),
        ]
    return page


def plan_values(result: SurveyResult, writes_per_s: float = WRITES_PER_S) -> dict[str, Any]:
    """The summary of a plan."""
    figures = _estimate(result, writes_per_s)
    return {
        "ledger": result.ledger,
        "routes": {
            item.route: picked(
                item,
                "objects bytes there to_copy to_copy_bytes to_inspect over_5gib archived conflicting misnamed replaced "
                "replaced_newer perhaps_replaced first_replaced "
                "surplus surplus_bytes unlisted problems",
            )
            for item in result.routes
        },
        "expectations": _expected(result),
        "requests": picked(figures, "copies=copy_requests heads=head_requests lists=list_requests"),
        **rounded(figures, "cost_dollars=requests_dollars egress_dollars"),
        **picked(figures, "in_bytes out_bytes"),
        **rounded(figures, "storage_dollars_a_day"),
        "floor_s": round(figures.floor_s, 3),
        **picked(result, "actions empty no_room"),
        **({"set": change_values(result)} if result.plan.in_place else {}),
        "honours": result.traits,
    }
