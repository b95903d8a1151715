"""What a caller says to a command that can write or delete."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What is to be done to texts that name moved objects, or to a bucket's rules."""

    SHOW = "show"  # nothing is written to any of them
    APPLY = "apply"  # each is written over, only while it is what was looked at
    UNDO = (
        "undo"  # each is put back as it was before the first APPLY, rules before the last, while it is what that wrote
    )


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user said beforehand to a deletion. `allow_commands` lets the plan's own commands run as probes;
    `unconditional` deletes also on a server that cannot delete by ETag; `delete_markers` in a bucket that keeps
    versions, where a delete only adds a marker."""

    allow_commands: bool = False
    unconditional: bool = False
    delete_markers: bool = False
