"""A report as a page: one file, whole in itself, to be looked at in a browser, sent on, or printed."""

from __future__ import annotations

from importlib.resources import files
from xml.etree.ElementTree import Element

from engine.api.report import Report
from engine.report import sections, verdicts
from engine.report.elements import moment, typed
from engine.report.markup import document, tag
from engine.report.pictures import what_they_need
from engine.report.standing import standing_of
from engine.report.status import worker_text
from engine.version import __version__

PARTS = (
    ("Progress", sections.stages),
    ("Throughput", sections.over_time),
    ("Routes", sections.routes),
    ("Objects", sections.made_of),
    ("Before deletion", verdicts.gate),
    ("To look at", verdicts.singled_out),
    ("Accepted", verdicts.accepted),
    ("Cost", verdicts.cost),
)
"""The sections, each with what leads to it."""


def without_pictures() -> list[str]:
    """What is said where pictures are left out; nothing where they are not."""
    needed = what_they_need()
    return [f"Pictures are left out: they need {needed}."] if needed else []


def page(report: Report) -> str:
    """The whole page."""
    name = report.status.binding.plan_name
    present = [(title, part) for title, build in PARTS if (part := build(report)) is not None]
    links = [tag("li", tag("a", title, href=f"#{part.get('id')}")) for title, part in present]
    standing = standing_of(report)
    again = [tag("meta", http_equiv="refresh", content=report.refresh_s)] if report.refresh_s else []
    body = [
        tag("a", "Skip to the report", href="#report", class_="skip"),
        tag(
            "header",
            tag("p", "Cartage report", class_="eyebrow"),
            tag(
                "div",
                tag("h1", name),
                tag("span", standing.word, class_=f"badge {standing.tone.value}"),
                class_="title",
            ),
            tag("ul", _facts(report), class_="facts"),
            tag("nav", tag("ul", links), aria_label="Sections"),
        ),
        tag(
            "main",
            tag(
                "div",
                tag("p", standing.sentence),
                tag("p", "Next: ", typed(standing.command)) if standing.command else None,
                class_=f"next {standing.tone.value}",
                role="status",
            ),
            sections.cards(report),
            [part for _, part in present],
            id="report",
            tabindex=-1,
        ),
        _foot(),
    ]
    style = files("engine.report").joinpath("report.css").read_text(encoding="utf-8")
    return document(f"{name}: {standing.word}", style, again, body)


def _facts(report: Report) -> list[Element]:
    status = report.status
    facts = [tag("li", "As of ", moment(report.at_ms))]
    if status.binding.endpoint:
        facts.append(tag("li", status.binding.endpoint))
    facts.append(tag("li", f"Ledger {report.ledger}"))
    if status.worker is not None:
        facts.append(tag("li", f"At work: {worker_text(status.worker)}"))
    if report.refresh_s:
        facts.append(tag("li", f"Read anew every {report.refresh_s} s"))
    return facts


def _foot() -> Element:
    without = [tag("p", line) for line in without_pictures()]
    text = (
        f"Made by Cartage {__version__} from the ledger alone: S3 was not asked. This page loads and runs nothing; "
        "figures are exact where you point at them, times are UTC."
    )
    return tag("footer", without, tag("p", text))
