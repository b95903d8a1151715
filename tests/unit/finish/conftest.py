"""A clock that a test sets."""

from __future__ import annotations

import pytest

from engine import freshness


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock by which looks are dated, set by hand: the only item."""
    hands = [100.0]
    monkeypatch.setattr(freshness, "now_s", lambda: hands[0])
    return hands
