"""What was put back of files and objects that were written over, for people and for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.references.replacing import RestoredFile
from engine.report.page import Toned
from engine.report.text import safe


def restored_lines(restored: Sequence[RestoredFile]) -> list[str]:
    """A line each; none where there was nothing to put back."""
    return [Toned(f"{item.result.value}: {safe(item.name)}", whole=True) for item in restored]


def restored_values(restored: Sequence[RestoredFile]) -> list[dict[str, str]]:
    return [{"name": item.name, "result": item.result.value} for item in restored]
