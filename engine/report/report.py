"""What `cartage report` says of the page that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.api.report import Report
from engine.report.page import Page, Toned
from engine.report.standing import standing_of
from engine.report.status import status_values
from engine.report.text import safe
from engine.report.webpage import without_pictures


def report_lines(report: Report, page: Path) -> Page:
    """Where the page is, and where the move stands."""
    standing = standing_of(report)
    lines = [Toned(f"{standing.word}: {standing.sentence}", standing.tone), f"written: {safe(str(page))}"]
    return [*lines, *without_pictures()]


def report_values(report: Report) -> dict[str, Any]:
    """The summary of a report: that of the status that it shows, and where that stands."""
    standing = standing_of(report)
    values = status_values(report.status) | {"otherwise": report.otherwise}
    return values | {"standing": standing.word, "sentence": standing.sentence}
