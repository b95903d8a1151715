"""The page of links that `cartage share` writes, and what it says of it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from engine.api.share import Shared, SharedObject
from engine.report.elements import moment, size, table
from engine.report.markup import Child, document, tag
from engine.report.ndjson import picked
from engine.report.page import Page, Tone, Toned
from engine.report.text import first_of, plural, safe, size_text
from engine.version import __version__

UNLINKED = 'no link can lead there: a browser takes "." and ".." out of a path'
ARCHIVED = "archived: it has to be restored first"
NAMED = 3


def shared_page(shared: Shared) -> str:
    """The whole page. It is the one who holds it that S3 lets in."""
    rows: list[list[Child]] = [
        [_link(item), size(item.size), tag("time", item.modified[:10])] for item in shared.objects
    ]
    total_bytes = sum(item.size for item in shared.objects)
    session = [tag("li", "Signed by a session, with which the links end at the latest")] if shared.temporary else []
    body = [
        tag(
            "header",
            tag("p", "Shared by a link for each object", class_="eyebrow"),
            tag("div", tag("h1", shared.location), class_="title"),
            tag(
                "ul",
                tag("li", f"{plural(len(shared.objects), 'object')}, ", size(total_bytes)),
                tag("li", "Links end ", moment(shared.ends_s * 1000)),
                session,
                class_="facts",
            ),
        ),
        tag(
            "main",
            tag("div", tag("p", "Whoever holds this page may read these objects until the links end."), class_="next"),
            tag("section", table("Objects", ["key", "size", "modified"], rows, titled=False)),
        ),
        tag("footer", tag("p", f"Made by Cartage {__version__}. This page loads and runs nothing; times are UTC.")),
    ]
    style = files("engine.report").joinpath("report.css").read_text(encoding="utf-8")
    head = [tag("meta", name="robots", content="noindex")]
    return document(shared.location, style, head, body)


def _link(item: SharedObject) -> Element:
    if not item.url:
        return tag("span", item.key, tag("br"), tag("small", UNLINKED), class_="key")
    note = [tag("br"), tag("small", ARCHIVED)] if item.archived else []
    return tag("span", tag("a", item.key, href=item.url, rel="noreferrer"), note, class_="key")


def share_lines(shared: Shared, page: Path | None, links: Path | None) -> Page:
    """What was written, until when it is good, and for whom."""
    linked = shared.linked
    sizes = size_text(sum(item.size for item in linked))
    lines = [f"{plural(len(linked), 'link')} to {sizes} under {safe(shared.location)}"]
    lines += [f"written: {safe(str(path))}" for path in (page, links) if path is not None]
    ends = moment(shared.ends_s * 1000).text
    lines.append(f"they end {ends}; whoever holds them may read until then, and nobody else")
    if shared.temporary:
        lines.append(Toned("signed with a session's credentials: when that session ends, so do they", Tone.WARNING))
    if archived := [item.key for item in shared.objects if item.archived]:
        lines.append(Toned(f"{first_of(archived, NAMED)}: {ARCHIVED}", Tone.WARNING))
    if unlinked := [item.key for item in shared.objects if not item.url]:
        lines.append(Toned(f"{first_of(unlinked, NAMED)}: {UNLINKED}", Tone.BAD))
    return lines


def share_values(shared: Shared) -> dict[str, Any]:
    """The summary of a page of links: none of the links, since whoever has one may read."""
    return {
        **picked(shared, "location made_s ends_s temporary"),
        "objects": len(shared.linked),
        "bytes": sum(item.size for item in shared.linked),
        "archived": sum(item.archived for item in shared.objects),
        "unlinked": [item.key for item in shared.objects if not item.url],
    }
