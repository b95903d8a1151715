"""A terminal for each test, as the command line's tests have it."""

from __future__ import annotations

from tests.cli.conftest import terminal

__all__ = ["terminal"]
