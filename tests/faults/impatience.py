"""Requests are sent again fifty times as soon: what is tried, and how often, stays as it is.

`hurry` for this process; `python -m tests.faults.impatience VERB …` is cartage that way.
"""

from __future__ import annotations

import random
import sys

import pytest

from engine.errors import StoreError
from engine.sites import own, patience
from engine.sites.patience import Kind, RetryPolicy

SOONER = 50


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Shorten every wait before a request is sent again."""
    delay_s = patience._delay_s

    def sooner(policy: RetryPolicy, request: Kind, attempt: int, error: StoreError, jitter: random.Random) -> float:
        return delay_s(policy, request, attempt, error, jitter) / SOONER

    patch.setattr(patience, "_delay_s", sooner)
    patch.setattr(own, "BASE_S", own.BASE_S / SOONER)


def main() -> None:
    from engine.cli.main import main as cartage

    hurry(pytest.MonkeyPatch())
    sys.argv[0] = "cartage"
    cartage()


if __name__ == "__main__":
    main()
