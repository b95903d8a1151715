"""What a command ends with (docs/exit-codes.md)."""

from __future__ import annotations

DONE, FATAL, USAGE, ASIDE, DIFFERENT, GATE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130
