"""The sections of a report's page that judge: the gate, what to look at, what was accepted, what it costs. Pure."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from engine.api.commands import accept_command, command
from engine.api.report import ASIDE_SHOWN, Report
from engine.finish.gate import Reason
from engine.plan.estimate import RouteCounts, estimate
from engine.plan.lifecycle import ASIDE
from engine.plan.sizes import duration_text as written_duration
from engine.report.elements import Rows, key, moment, number, section, share_bar, size, table, total, typed
from engine.report.markup import Child, tag
from engine.report.tallies import opened_by
from engine.report.text import cost_text, count_text, duration_text, plural


def gate(report: Report) -> Element:
    """What keeps the sources from being deleted, as a list to tick off, with what opens each; the hold's clock."""
    plan, scan = report.plan, report.scan
    look = command(plan, report.ledger, "cleanup") if plan is not None and plan.source else ""
    parts: list[Child] = []
    if plan is not None and scan.hold is not None:
        parts.append(_hold(report))
    shut = sum(not item.reason.open for item in scan.gate)
    if scan.gate:
        said = f"closed by {plural(shut, 'reason')}" if shut else "open, as far as it was looked at"
        parts.append(tag("p", "The gate is ", tag("span", said, class_=f"badge {'bad' if shut else 'good'}"), "."))
    items = [_check(report, *item) for item in scan.gate]
    if items:
        parts.append(tag("ul", items, class_="checks"))
    looked_ms = max((item.at_ms for item in scan.gate), default=0)
    told: list[Child] = ["What needs a look at S3 was looked at ", moment(looked_ms), ". "]
    if not looked_ms:
        what = "Whether both sides are as they were proven, what the buckets do, probes and references"
        told = [f"{what}: not looked at yet. "]
    parts.append(tag("p", told, typed(look) if look else None))
    return section("gate", "Before the sources are deleted", parts)


JUST_NOW = "just now"


def _when_read(sentence: str, at_ms: int) -> list[Child]:
    """A sentence that may say "just now" for whoever reads it later: with the time that it was said."""
    before, now, after = sentence.partition(JUST_NOW)
    return [before, "at ", moment(at_ms), after] if now and at_ms else [sentence]


def _check(report: Report, reason: Reason, at_ms: int) -> Element:
    said = "open" if reason.open else "closed"
    row: list[Element] = [
        tag(
            "span",
            tag("span", "✓" if reason.open else "✗", aria_hidden="true"),
            tag("span", said, class_="hidden"),
            class_="mark",
        ),
        tag("span", reason.name, class_="name"),
        tag("span", _when_read(reason.sentence, at_ms)),
    ]
    opens = "" if reason.open else _opens(report, reason)
    if opens:
        row.append(tag("span", typed(opens), class_="opens"))
    return tag("li", row, class_=said)


def _opens(report: Report, reason: Reason) -> str:
    """The command that opens a reason; empty where the time does, or something that no command of ours can do, as for
    a copy that has no plan file."""
    plan = report.plan
    if plan is None or not plan.source:
        return ""
    if reason.accept:
        return accept_command(plan, report.ledger, reason.accept, reason.found)
    words = opened_by(plan, report.status, reason.name)
    return command(plan, report.ledger, *words) if words else ""


def _hold(report: Report) -> Element:
    hold = report.scan.hold
    assert hold is not None
    asked = written_duration(hold.hold_s)
    if not hold.objects:
        return tag("p", f"Hold: each object stands proven for {asked} before its source may go. None waits now.")
    if hold.passed:
        return tag("p", f"Hold: {asked} have passed for each of {plural(hold.objects, 'object')}.")
    bar = share_bar(max(0, hold.hold_s - hold.remaining_s), hold.hold_s, "Hold passed for the last object")
    figures = tag("span", f"{duration_text(hold.remaining_s)} left", class_="figures")
    row = tag("div", tag("div", tag("span", f"Hold of {asked}"), bar, figures, class_="stage"), class_="stages")
    free = tag(
        "p",
        f"{count_text(hold.waiting)} of {plural(hold.objects, 'object')} wait; the last is free at ",
        moment(hold.free_ms),
        ", if this machine's clock is the server's.",
    )
    return tag("div", row, free)


def singled_out(report: Report) -> Element:
    """The largest, the slowest, and those that are not done."""
    aside: Rows = [
        [item.state.value, item.route, key(item.key), f"{item.code}: {item.message}" if item.code else item.message]
        for item in report.aside
    ]
    left = [item for found in report.status.left for item in found.first][:ASIDE_SHOWN]
    unlisted: Rows = [[item.route, key(item.key), f"{item.code}: {item.message}"] for item in left]
    largest: Rows = [
        [item.route, key(item.key), item.state, size(item.size)] for item in report.scan.composition.largest
    ]
    slowest: Rows = [
        [
            item.route,
            key(item.key),
            size(item.size),
            tag("data", duration_text(item.took_ms / 1000), value=item.took_ms),
        ]
        for item in report.history.slowest[:10]
    ]
    parts: list[Child] = []
    if aside:
        count = total(report.status.tallies, ASIDE - report.status.accepted).objects
        caption = f"The first {len(aside)} of {plural(count, 'object')} that are not done"
        parts += [table(caption, ["state", "route", "key", "why"], aside, words=4)]
    if unlisted:
        caption = f"The first {len(left)} of {count_text(report.status.unlisted)} that were left"
        parts += [table(caption, ["route", "key", "why"], unlisted, words=3)]
    if largest:
        head = ["route", "key", "state", "size"]
        parts += [table("The largest objects", head, largest, words=3)]
    if slowest:
        head = ["route", "key", "size", "took"]
        parts += [table("What took longest to copy", head, slowest, words=2)]
    if not parts:
        parts.append(tag("p", "Nothing to single out yet.", class_="muted"))
    return section("singled", "Objects to look at", parts)


def accepted(report: Report) -> Element:
    """Who accepted what."""
    rows: Rows = [
        [item.name, item.found, item.because, item.by or "not known", moment(item.accepted_ms)]
        for item in report.accepted
    ]
    head = ["difference", "figure", "because", "by", "when"]
    told = tag("p", "None was accepted.", class_="muted")
    if rows:
        told = table("What was accepted, and by whom", head, rows, words=5, titled=False)
    return section("accepted", "Accepted differences", told)


def cost(report: Report) -> Element:
    """What it costs by S3's list prices."""
    counts = []
    for route in report.status.binding.routes:
        some = [item for item in report.status.tallies if item.route == route.name]
        copied = total([item for item in some if not item.found]).objects
        there, into_folder = total(some).objects, "s3://" not in route.target
        counts.append(RouteCounts(route.name, *total(some), there=there, copy_requests=copied, into_folder=into_folder))
    hold_s = report.plan.cleanup.hold_s if report.plan is not None else 0
    found = estimate(counts, hold_s=hold_s)
    sent = sum(run.last.requests for run in report.history.runs)
    rows: Rows = [
        [
            "requests, by the objects met: copies, listings, looks",
            number(found.requests),
            cost_text(found.requests_dollars),
        ],
        [
            "storage on both sides, a day",
            size(total(report.status.tallies).bytes),
            cost_text(found.storage_dollars_a_day),
        ],
    ]
    if hold_s:
        rows.append(
            [
                f"storage on both sides for the hold of {written_duration(hold_s)}",
                "",
                cost_text(found.storage_dollars_of_hold),
            ]
        )
    rows.append(["requests that were sent", number(sent), ""])
    note = (
        "An estimate by the list prices of us-east-1, Standard: a large object takes a request a part, and transfer "
        "between regions or out of AWS comes on top."
    )
    found_costs = table("What it costs", ["what", "amount", "dollars"], rows, titled=False)
    return section("cost", "Cost", found_costs, tag("p", note, class_="muted"))
