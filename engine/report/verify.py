"""What a verification looks like, as text for people and as values for `--json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.api.commands import command
from engine.plan.decide import OUT_OF_CONFLICT
from engine.plan.document import Plan
from engine.plan.noted import KEPT_OUT
from engine.proof.judge import Kind
from engine.proof.verification import AGREEING, RouteVerification, Verification
from engine.report.ndjson import picked
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.tallies import NO_RUN_MENDS, TAKEN_BACK, deep_for, nothing_taken, run_again
from engine.report.text import count_text, counted, key_text, pace_text, plural, safe, size_text

SHOWN = 10

UNREAD = "allow what is refused above, or mend what is said there, then the same again"
"""No run reads it."""


def verification_page(plan: Plan, ledger: Path, report: Verification, took_s: float) -> Page:
    """After a verification: per route what agrees, at which proof, and what does not, and how fast that was seen."""
    rows = []
    for route in report.routes:
        proofs = {proof.name.lower(): count for proof, count in sorted(route.by_proof.items(), reverse=True)}
        rows.append(
            [
                safe(route.route),
                count_text(route.objects),
                size_text(route.bytes),
                count_text(route.verified),
                counted(proofs) or "-",
                count_text(route.differing),
                count_text(route.by_kind.get(Kind.EXTRA, 0)),
            ]
        )
    header = ["route", "objects", "size", "verified", "at proof", "different", "extra"]
    lines: list[str | Table] = [Table(header, rows)]
    for route in report.routes:
        if not route.snapshot_closed and not report.taken_back:
            lines.append(f"{route.route}: its listing never reached its end; {run_again(plan)} before trusting this")
    for route in report.routes:
        lines += _trees(route)
    if report.standing:
        deleted = sum(route.by_kind.get(Kind.SOURCE_DELETED, 0) for route in report.routes)
        if deleted:
            lines.append(f"{plural(deleted, 'target')} compared, sources deleted")
        if report.standing > deleted:
            lines.append(f"{plural(report.standing - deleted, 'target')} compared, sources gone since their proof")
    accepted = sorted({kind.value for route in report.routes for kind in route.accepted & route.by_kind.keys()})
    if accepted:
        lines.append(f"accepted: {', '.join(accepted)}")
    if report.properties_differ.objects:
        what = plural(report.properties_differ.objects, "target")
        kept_out = report.properties_differ.not_kept == report.properties_differ.objects
        ways = [] if kept_out or all(route.target.is_local for route in plan.routes) else [run_again(plan)]
        ways += ["see its gate"] if plan.source else []  # without a plan's file it has none
        how = ", or ".join(ways) or (KEPT_OUT if kept_out else NO_RUN_MENDS)
        lines.append(f"{what} known not to carry what the route gives it: {how}")
    if report.objects_read:
        lines.append(f"read {plural(report.objects_read, 'object')}, {size_text(report.bytes_read)} of both sides")
    if report.objects_bereft:
        lines.append(f"{plural(report.objects_bereft, 'object')} not read: no source is left, nor a digest")
    for item in report.differences[:SHOWN]:
        lines.append(f"{item.kind.value}: {item.route}: {key_text(item.key)}: {safe(item.message)}")
    if report.differing > SHOWN:
        lines.append(f"and {count_text(report.differing - SHOWN)} more; --json tells each")
    looked, looked_bytes = sum(route.objects for route in report.routes), report.bytes_read
    lines += [f"took {pace_text(looked, took_s, looked_bytes)}", ""]
    said = _differences(report)
    if report.empty and not report.differing:
        said = "no difference, and nothing to compare where a source holds nothing"
    tone = Tone.GOOD if report.agrees else Tone.BAD
    lines.append(Toned(f"{plan.name}: {'everything agrees' if report.agrees else said}", tone))
    if report.empty:
        return lines
    if report.agrees and not looked and not report.standing:
        return [*lines, nothing_taken(plan)]
    if report.taken_back:
        return [*lines, f"{TAKEN_BACK}; a run makes them anew"]
    if kept := sum(route.in_conflict for route in report.routes):
        way_out = OUT_OF_CONFLICT if plan.source else "move the target away, or give --overwrite if-different"
        lines.append(f"{plural(kept, 'target')} no run writes over: {way_out}")
    verb, *flags = _next(plan, report)
    if report.agrees and not plan.source and verb != "verify":
        return [*lines, "nothing is left to do: every object is proven at its target"]
    if 0 < report.unread == report.differing and all(route.snapshot_closed for route in report.routes):
        return [*lines, Toned(f"next: {UNREAD}", Tone.NEXT)]
    if verb == "run" and not plan.source:
        return [*lines, Toned(f"next: {run_again(plan)}, then this", Tone.NEXT)]
    return [*lines, next_step(command(plan, ledger, verb, *flags))] if verb else lines


def _differences(report: Verification) -> str:
    """What was found to differ, and what could not be read, each by itself."""
    differing = report.differing - report.unread
    said = [plural(differing, "difference")] if differing or not report.unread else []
    if report.unread:
        said.append(f"{count_text(report.unread)} could not be read")
    return " and ".join(said)


def _next(plan: Plan, report: Verification) -> list[str]:
    """The command to go on with; an empty one where none mends what was found."""
    if report.agrees:
        if any(proof < plan.cleanup.proof for route in report.routes for proof in route.by_proof):
            return ["verify", deep_for(plan.cleanup.proof)]
        if not any(route.objects for route in report.routes):
            return ["receipt"]
        return [next(iter(report.untold), "cleanup")]
    kinds = {kind for route in report.routes for kind in route.by_kind if route.differs(kind)}
    kinds = kinds.difference(*(route.accepted for route in report.routes), {Kind.EXTRA})
    if not kinds:
        return ["" if all(route.snapshot_closed for route in report.routes) else "run"]
    kinds -= {Kind.WITHDRAWN, Kind.LOST}  # which are accepted, and no run mends
    if not kinds:
        return ["accept", "--list"]
    folders = {route.name for route in plan.routes if route.target.is_local}
    into = {route.route for route in report.routes if route.by_kind[Kind.PROPERTIES]}
    differ = report.properties_differ
    if kinds == {Kind.PROPERTIES} and (folders.issuperset(into) or differ.not_kept == differ.objects):
        return ["cleanup" if plan.source else ""]  # its gate says how what a target cannot carry is left behind
    if sum(route.by_kind[kind] for route in report.routes for kind in kinds) == sum(
        route.in_conflict for route in report.routes
    ):
        return ["status", "--failed"]
    is_for_a_run = kinds != {Kind.PENDING} or any(route.out_of_conflict for route in report.routes)
    return ["run" if is_for_a_run else "status"]


def _trees(route: RouteVerification) -> list[str]:
    """Both sides' fingerprints: one line where they are equal."""
    source, target = route.source_tree.line, route.target_tree.line
    if source == target:
        sides = [f"{safe(route.route)}: both sides {source}"]
    else:
        sides = [f"{safe(route.route)}: source {source}", f"{' ' * len(safe(route.route))}  target {target}"]
    return [Toned(line, Tone.FAINT, hang=len(safe(route.route)) + 2) for line in sides]


def verification_values(report: Verification) -> dict[str, Any]:
    """The summary of a verification."""
    return {
        **picked(report, "agrees differing objects_read bytes_read objects_bereft properties_compared empty"),
        **picked(report, "properties_differ=properties_differ.objects standing"),
        "routes": {
            route.route: {
                **picked(route, "objects bytes verified proof=by_proof"),
                "kinds": {kind: count for kind, count in route.by_kind.items() if kind not in AGREEING},
                "snapshot_closed": route.snapshot_closed,
                "fingerprints": picked(route, "source=source_tree.line target=target_tree.line"),
            }
            for route in report.routes
        },
    }
