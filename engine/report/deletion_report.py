"""What stayed of a deletion, for people and for programs. Pure."""

from __future__ import annotations

from typing import Any

from engine.finish.batches import DeletionReport
from engine.report.text import count_text, plural

MARKERS_ADDED = "delete markers were added: data and cost stay, save of what had no version (suspended)"
NOT_ACCEPTED = "stopped, since that was not accepted: --accept-delete-markers goes on"


def stays_text(count: int, noun: str = "") -> str:
    """ "1 source stays", "2 sources stay"; "1 stays" without a noun."""
    return f"{plural(count, noun) if noun else count_text(count)} {'stays' if count == 1 else 'stay'}"


def stays_values(done: DeletionReport) -> dict[str, Any]:
    """The part that the summaries of all commands that delete share."""
    return {"kept": done.kept, "delete_markers": done.markers, "not_accepted": list(done.unaccepted)}
