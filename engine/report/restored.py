"""What was put back of files and objects that were written over, as text for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.references.replacing import RestoredFile
from engine.report.page import Toned
from engine.report.text import safe


def restored_lines(restored: Sequence[RestoredFile]) -> list[str]:
    """A line each; none where there was nothing to put back."""
    return [Toned(f"{item.result.value}: {safe(item.name)}", whole=True) for item in restored]
