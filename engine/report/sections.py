"""The sections of a report's page that count: how far, how fast, what from where, and what it is made of. Pure, but for
the pictures that they have drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree.ElementTree import Element

from engine.api.report import Report
from engine.api.status import under_way
from engine.ledger import open_routes
from engine.ledger.composition import Share
from engine.model import Proof
from engine.plan.lifecycle import ASIDE, DONE, IN_FLIGHT, PROVEN, State
from engine.plan.record import Tally, by_state
from engine.report import pictures
from engine.report.elements import (
    Rows,
    moment,
    number,
    percent_text,
    picture,
    section,
    share_bar,
    size,
    table,
    total,
)
from engine.report.markup import Child, tag
from engine.report.series import DOING, Bin, Series, bins_of, series_of
from engine.report.text import amount_text, count_text, counted, duration_text, plural, rate_text, size_text

STRETCHES_DRAWN = 240
ROWS_OF_A_SERIES = 40
ROUTES_DRAWN = 14
RUNS_SHOWN = 50

COLOURS = {
    State.PLANNED: pictures.GREY, State.COPYING: pictures.GREY, State.COPIED: pictures.BLUE,
    State.VERIFIED: pictures.GREEN, State.DELETING: pictures.VIOLET, State.DELETED: pictures.VIOLET,
    State.ARCHIVED: pictures.AMBER, State.CONFLICT: pictures.AMBER, State.DRIFTED: pictures.AMBER,
    State.WITHDRAWN: pictures.AMBER,
}  # fmt: skip
"""Of the states; what is not among them is red."""


def cards(report: Report) -> Element:
    """The few figures that are looked for first."""
    tallies = report.status.tallies
    whole, there = total(tallies), total(tallies, DONE)
    proven = total(tallies, PROVEN)
    copies = [run for run in report.history.runs if run.command == "run"]
    took_s = sum(run.took_ms for run in copies) / 1000
    done = sum(run.last.done for run in copies)
    throttled = sum(run.last.throttled for run in report.history.runs)
    so_far = " met so far" if open_routes(report.status.snapshots) else ""
    made = [
        _card("Objects", count_text(there.objects), f"in place, of {count_text(whole.objects)}{so_far}"),
        _card("Data", size_text(there.bytes), f"in place, of {size_text(whole.bytes)}"),
        _card("Proven", percent_text(proven.objects, whole.objects), _lowest_proof(tallies)),
        _card("Copying took", duration_text(took_s) if copies else "–", f"{plural(len(copies), 'run')}"),
        _card("On average", rate_text(done / took_s) if took_s and done else "–", "objects a second while copying"),
        _card("SlowDown", count_text(throttled), "answers that asked for fewer requests"),
    ]
    return tag("div", made, class_="cards")


def _card(name: str, figure: str, more: str) -> Element:
    return tag("dl", tag("dt", name), tag("dd", figure, class_="figure"), tag("dd", more, class_="more"), class_="card")


def _lowest_proof(tallies: Sequence[Tally]) -> str:
    levels = [item.proof for item in tallies if item.objects and item.state in PROVEN]
    return f"verified, by {min(levels).name.lower()} or better" if levels else "verified on both sides"


def stages(report: Report) -> Element:
    """How much of what was met went how far."""
    tallies = report.status.tallies
    whole = total(tallies)
    open_listings = open_routes(report.status.snapshots)
    rows = []
    for label, states in (
        ("Copied", DONE),
        ("Verified", PROVEN),
        ("Source deleted", {State.DELETED}),
    ):
        part = total(tallies, states)
        figures = tag(
            "span",
            number(part.objects),
            f" of {count_text(whole.objects)} · {percent_text(part.objects, whole.objects)}",
            class_="figures",
        )
        bar = share_bar(part.objects, whole.objects, label, done=True)
        rows.append(tag("div", tag("span", label), bar, figures, class_="stage"))
    left, found = total(tallies, IN_FLIGHT), by_state(tallies, ASIDE - report.status.accepted)
    said = []
    if open_listings:
        said.append(f"Not listed to the end yet: {', '.join(open_listings)}. What is met there counts once it is met.")
    if left.objects:
        said.append(f"{amount_text(left.objects, left.bytes)} left to copy.")
    if found:
        said.append(f"Not done: {counted({state.value: count for state, count in found.items()})}.")
    if report.status.uploads:
        said.append(f"{plural(len(report.status.uploads), 'upload')} unfinished, taken up by the next run.")
    return section("progress", "Progress", tag("div", rows, class_="stages"), [tag("p", text) for text in said])


def over_time(report: Report) -> Element | None:
    """How fast it went, by command."""
    made = []
    for name, title in DOING.items():
        series = series_of(report.history.runs, name, STRETCHES_DRAWN)
        if series.stretches and series.took_s >= 1 and any(item.done for item in series.stretches):
            coarse = series_of(report.history.runs, name, ROWS_OF_A_SERIES)
            made.append(_throughput(title, series, coarse))
    if not made and not report.history.runs:
        return None
    return section("speed", "Throughput", made, _runs(report))


def _throughput(title: str, series: Series, coarse: Series) -> Element | None:
    objects, slowed = sum(item.done for item in series.stretches), sum(item.throttled for item in series.stretches)
    sizes = sum(item.done_bytes for item in series.stretches)
    best = max(item.objects_s for item in series.stretches)
    label = (
        f"{title} over time: {plural(objects, 'object')} in {duration_text(series.took_s)} of work, "
        f"at most {rate_text(best)} a second; {plural(slowed, 'SlowDown')}."
    )
    legend = [(pictures.BLUE, "objects a second")]
    legend += [(pictures.VIOLET, "bytes a second")] if sizes else []
    legend += [(pictures.RED, f"S3 asked to slow down ({plural(slowed, 'answer')})")] if slowed else []
    legend += [(pictures.GREY, "dashed: where a run went on")] if len(series.begins_s) > 1 else []
    rows: Rows = [
        [
            f"{duration_text(item.from_s)} – {duration_text(item.to_s)}",
            number(item.done),
            rate_text(item.objects_s),
            f"{size_text(item.bytes_s)}/s",
            number(item.throttled),
        ]
        for item in coarse.stretches
    ]
    behind = table(f"{title}, by time of work", ["time", "objects", "a second", "bytes a second", "SlowDown"], rows)
    more = f"{rate_text(objects / series.took_s)} objects a second on average, {rate_text(best)} at best"
    return picture(title, more, lambda: pictures.throughput(series, label), legend, behind)


def _runs(report: Report) -> Element | None:
    runs = report.history.runs
    if not runs:
        return None
    now = under_way(runs[-1], report.status.worker)
    said = {"done": "came to its end", "stopped": "stopped when asked to", "failed": "ended with an error"}
    rows: Rows = [
        [
            run.command,
            moment(run.began_ms),
            said.get(run.ended, "at work" if run is now else "killed"),
            tag("data", duration_text(run.took_ms / 1000), value=run.took_ms),
            number(run.last.done),
            size(run.last.done_bytes),
            number(run.last.aside),
            number(run.last.requests),
            number(run.last.throttled),
        ]
        for run in reversed(runs[-RUNS_SHOWN:])
    ]
    head = ["command", "began", "ended", "took", "objects", "bytes", "aside", "requests", "SlowDown"]
    caption = f"The {plural(len(runs), 'run')} of this ledger, the last one first"
    return table(caption, head, rows, words=3)


def routes(report: Report) -> Element:
    """What was to go where, and how far it is; what is expected of it."""
    places = {route.name: (route.source, route.target) for route in report.status.binding.routes}
    tallies = {name: [item for item in report.status.tallies if item.route == name] for name in places}
    count = by_state(report.status.tallies, set(State))
    states = [state for state in State if count.get(state)]
    rows: Rows = []
    for name, (source, target) in places.items():
        rows.append(
            [
                name,
                [tag("span", source, class_="key"), tag("br"), tag("span", "→ ", target, class_="key")],
                *_sums(tallies[name], states),
            ]
        )
    if len(rows) > 1:
        rows.append(["total", "", *_sums(report.status.tallies, states)])
    head = ["route", "from → to", *(state.value for state in states), "objects", "bytes"]
    behind = table("Every route", head, rows, words=2, has_total=len(rows) > 1)
    drawn = None
    if states:
        largest = sorted(tallies.items(), key=lambda item: -total(item[1]).objects)[:ROUTES_DRAWN]
        parts = [
            pictures.Row(name, [(_colour(state), total(some, {state}).objects) for state in states])
            for name, some in largest
        ]
        named = f"the {ROUTES_DRAWN} largest of {len(places)}" if len(places) > ROUTES_DRAWN else ""
        label = f"Objects by route and state: {counted({state.value: count[state] for state in states})}."
        legend = [(_colour(state), state.value) for state in states]
        drawn = picture("Objects by route and state", named, lambda: pictures.bars(parts, label), legend)
    return section("routes", "Routes", drawn, behind, _expected(report))


def _colour(state: State) -> str:
    return COLOURS.get(state, pictures.RED)


def _sums(tallies: Sequence[Tally], states: Sequence[State]) -> list[Child]:
    whole = total(tallies)
    return [*(number(total(tallies, {state}).objects) for state in states), number(whole.objects), size(whole.bytes)]


def _expected(report: Report) -> Element | None:
    if not report.scan.expectations:
        return None
    rows: Rows = []
    for item in report.scan.expectations:
        shown: Callable[[int], Element] = size if item.what.endswith(".size") else number
        found = "not listed yet" if item.found is None else shown(item.found)
        said = "as expected" if item.agrees else "not known yet" if item.found is None else "differs"
        badge = tag("span", said, class_=f"badge {'good' if item.agrees else '' if item.found is None else 'bad'}")
        rows.append([item.what, shown(item.expected), found, badge])
    return table("What the plan expects, and what was found", ["figure", "expected", "found", ""], rows)


def made_of(report: Report) -> Element:
    """By state, proof, storage class and method; sizes."""
    tallies, composition = report.status.tallies, report.scan.composition
    whole = total(tallies)
    states = {state.value: total(tallies, {state}) for state in State}
    proofs = {
        proof.name.lower(): total(item for item in tallies if item.proof is proof)
        for proof in sorted(Proof, reverse=True)
    }
    classes = {name or "STANDARD": share for name, share in sorted(composition.classes.items())}
    methods = {name or "not copied yet": share for name, share in sorted(composition.methods.items())}
    asked = report.scan.at_ms and report.scan.at_ms != report.at_ms
    as_of = tag("p", "Storage classes, methods and sizes as of ", moment(report.scan.at_ms), ".", class_="muted")
    over, sets = composition.over, any(item.source == item.target for item in report.status.binding.routes)
    said = f"{amount_text(over.objects, over.bytes)} took the place of what stood at the target before."
    shares = [
        _shares("By state", "state", states, whole),
        _shares("By proof", "proof", proofs, whole),
        _shares("By storage class", "class", classes, whole),
        _shares("By the way it was copied", "way", methods, whole),
    ]
    return section(
        "objects",
        "Objects",
        as_of if asked else None,
        tag("p", said) if over.objects and not sets else None,
        tag("div", shares, class_="grid"),
        _sizes(bins_of(composition.sizes)),
    )


def _shares(title: str, name: str, shares: dict[str, Share], whole: Share) -> Element:
    rows: Rows = [
        [text, number(share.objects), size(share.bytes), share_bar(share.objects, whole.objects, f"{title}, {text}")]
        for text, share in shares.items()
        if share.objects
    ]
    if not rows:
        return tag("div", tag("h3", title), tag("p", "Nothing yet.", class_="muted"))
    return tag("div", table(title, [name, "objects", "bytes", "share"], rows))


def _sizes(bins: Sequence[Bin]) -> Element | None:
    if not bins:
        return None
    rows: Rows = [
        [_range(item), number(item.share.objects), size(item.share.bytes)] for item in bins if item.share.objects
    ]
    objects = sum(item.share.objects for item in bins)
    label = f"Sizes of {plural(objects, 'object')}, from {_range(bins[0])} to {_range(bins[-1])}."
    behind = table("Objects by size", ["size", "objects", "bytes"], rows)
    return picture("Sizes", "logarithmic bins", lambda: pictures.sizes(bins, label), [], behind)


def _range(item: Bin) -> str:
    return f"{size_text(item.from_bytes)} – {size_text(item.to_bytes)}" if item.from_bytes else "empty"
