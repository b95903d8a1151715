"""What stayed of a deletion, for people and for programs. Pure."""

from __future__ import annotations

from engine.report.text import count_text, plural

MARKERS_ADDED = "delete markers were added: data and cost stay, save of what had no version (suspended)"
STAYS = "kept delete_markers=markers not_accepted=unaccepted"
"""What the summaries of all commands that delete have of their `DeletionReport`."""
NOT_ACCEPTED = "stopped, since that was not accepted: --accept-delete-markers goes on"


def stays_text(count: int, noun: str = "") -> str:
    """ "1 source stays", "2 sources stay"; "1 stays" without a noun."""
    return f"{plural(count, noun) if noun else count_text(count)} {'stays' if count == 1 else 'stay'}"
