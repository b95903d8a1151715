"""A receipt as Markdown, other people's keys and reasons made harmless in it. Pure."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from engine.plan.lifecycle import ENDED
from engine.report.page import Table, markdown
from engine.report.text import count_text, counted, safe, size_text

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~$])")
_LINK = re.compile(r"(?i)(https?|ftp)://|(www)\.")


def escaped(text: object) -> str:
    """Text that Markdown and HTML show as it is: no markup, no tag, no link, no control character, on one line."""
    shown = _MARKUP.sub(r"\\\1", html.escape(safe(str(text)), quote=False))
    return _LINK.sub(lambda found: f"{found[1]}&#58;//" if found[1] else f"{found[2]}&#46;", shown)


def receipt_markdown(receipt: Mapping[str, Any], report: str) -> str:
    """The whole document; `report` is the name of the page that lies beside it."""
    plan, ledger, total, made = receipt["plan"], receipt["ledger"], receipt["total"], receipt["made"]
    ended: Counter[str] = Counter()
    for route in receipt["routes"]:
        ended.update({state: count for state, count in route["states"].items() if state in ENDED})
    over = sum(receipt["written_over"].values())
    before = f", {count_text(over)} of them over what stood at the target before" if over else ""
    apart = f", of which not proven but accepted: {counted(ended)}" if ended else ""
    lines = [
        f"# Receipt: {escaped(plan['name'])}",
        "",
        f"**{escaped(receipt['stage'])}**: {count_text(total['objects'])} objects, {count_text(total['bytes'])} bytes "
        f"({size_text(total['bytes'])}){before}{apart}; {count_text(total['sources_deleted'])} sources deleted.",
        "",
        f"Made {escaped(made['at'])} by the clock of {escaped(made['clock'])}, "
        f"by Cartage {escaped(receipt['cartage'])}, on {escaped(receipt['endpoint'])}.",
        "",
        f"How it went, as a page to look at: [{escaped(report)}](<{quote(report)}>).",
        "",
        "## Routes",
        "",
    ]
    rows = [
        [
            escaped(route["name"]),
            escaped(route["source"]),
            escaped(route["target"]),
            count_text(route["objects"]),
            count_text(route["bytes"]),
            escaped(counted(route["proof"])),
            escaped(counted(route["states"])),
        ]
        for route in receipt["routes"]
    ]
    lines += markdown(Table(["route", "source", "target", "objects", "bytes", "proof", "state"], rows))
    lines += ["", "## Fingerprints", ""]
    for route in receipt["routes"]:
        source, target = route["fingerprints"]["source"], route["fingerprints"]["target"]
        lines.append(f"- {escaped(route['name'])}")
        if source == target:
            lines.append(f"    - both sides: {escaped(source)}")
        else:
            lines += [f"    - source: {escaped(source)}", f"    - target: {escaped(target)}"]
    lines += ["", "## Times", ""]
    names = ["listed", "first_copied", "last_copied", "first_proven", "last_proven"]
    times = [
        [escaped(route["name"]), *(escaped(route["times"][name]) or "–" for name in names)]
        for route in receipt["routes"]
    ]
    lines += markdown(Table(["route", *(name.replace("_", " ") for name in names)], times))
    lines += ["", "## Accepted differences", ""]
    if receipt["accepted"]:
        accepted = [
            [escaped(item[name]) for name in ("what", "found", "because", "by", "at")] for item in receipt["accepted"]
        ]
        lines += markdown(Table(["what", "found", "because", "by", "at"], accepted))
    else:
        lines.append("None.")
    lines += [
        "",
        "## Digests",
        "",
        f"- plan: {escaped(plan['digest'])}",
        f"- the plan's file (SHA-256): {escaped(plan['sha256'])}",
        f"- ledger (SHA-256, {count_text(ledger['rows'])} rows): {escaped(ledger['sha256'])}",
        f"- this receipt's JSON: {escaped(receipt['seal'])}",
        "",
        "The same in full, with the plan's text, is in the JSON file beside this one; "
        "`receipt --check` tells whether it still holds.",
        "",
    ]
    return "\n".join(lines)
