"""How much is tried: CARTAGE_TRUST is nothing (a sample, for every day), "ci" (all of it once) or "full".

CARTAGE_FAULT_SEED names one seed, to replay what a failure printed; then everything can be named, sampled or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

LEVEL = os.environ.get("CARTAGE_TRUST", "")
SEED = os.environ.get("CARTAGE_FAULT_SEED", "")


def amount(every_day: int, ci: int, full: int) -> int:
    """The figure of this level."""
    return {"": every_day, "ci": ci, "full": full}[LEVEL]


def examples(all_of_them: int) -> int:
    """How many examples Hypothesis tries of a property: a third on an ordinary day, `all_of_them` else."""
    return amount(max(5, all_of_them // 3), all_of_them, all_of_them)


def sample(items: Iterable[str], every: int) -> Sequence[str]:
    """Every so-maniest item on an ordinary day, all of them else."""
    found = list(items)
    return found if LEVEL or SEED else found[::every]


def seeds(count: int) -> list[int]:
    """So many seeds, or the one that CARTAGE_FAULT_SEED names."""
    return [int(SEED)] if SEED else list(range(1, count + 1))
