"""What a caller says to a command that can write or delete."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Act(StrEnum):
    """What is to be done to texts that name moved objects: nothing is written to any of them by SHOW."""

    SHOW = "show"
    APPLY = "apply"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Consent:
    """What a user said beforehand. `allow_commands` lets the plan's own commands run as probes."""

    allow_commands: bool = False
    unconditional: bool = False
    delete_markers: bool = False
