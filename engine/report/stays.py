"""What stayed of a deletion, for programs. Pure."""

from __future__ import annotations

from typing import Any

from engine.finish.stays import Stays


def stays_values(done: Stays) -> dict[str, Any]:
    """The part that the summaries of all commands that delete share."""
    return {"kept": done.kept, "delete_markers": done.markers, "not_accepted": list(done.unaccepted)}
