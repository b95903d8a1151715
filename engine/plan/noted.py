"""What is the matter with some objects, summed up so that it can be accepted for exactly what it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import NamedTuple

from engine.plan.lifecycle import ENDED, State
from engine.plan.record import NOT_KEPT

WITHDRAWN = State.WITHDRAWN.value
LOST = State.LOST.value
PROPERTIES = "properties"


ITSELF = "(the location itself)"
"""What the empty key below a route's location is called: the one key of a route, or a folder's placeholder."""


def key_said(key: str) -> str:
    """A key below its route's location, in a sentence. A backslash stands for itself, as wherever a key is shown: a
    name that is no UTF-8 comes with its escapes."""
    return repr(key).replace("\\\\", "\\") if key else ITSELF


class Noted(NamedTuple):
    """How many objects it concerns; the figure it may be accepted for, which is the same only for the very same
    objects; the first of them; and of how many the target's server does not keep it, whatever is copied."""

    objects: int = 0
    figure: str = ""
    first: str = ""
    not_kept: int = 0

    def plus(self, other: Noted) -> Noted:
        """Both together. No object may be in the two."""
        if not self.objects or not other.objects:
            return self if self.objects else other
        total = _total(self) + _total(other)
        return Noted(*_figured(self.objects + other.objects, total), self.first, self.not_kept + other.not_kept)


NOTHING = Noted()
"""Nothing is the matter."""


def noted(items: Iterable[tuple[str, str, str]]) -> Noted:
    """Sum up (route, key, what is the matter) in any order: memory does not grow with their number."""
    count = total = not_kept = 0
    first = ""
    for route, key, said in items:
        item = route, key, said.removeprefix(NOT_KEPT)  # it is the same difference
        count += 1
        not_kept += said.startswith(NOT_KEPT)
        total += int.from_bytes(blake2b("\0".join(item).encode("utf-8", "surrogatepass"), digest_size=6).digest())
        first = first or f"{route}: {key_said(key)}"
    return Noted(*_figured(count, total), first, not_kept) if count else Noted()


KEPT_OUT = (
    "the target's server does not keep it, not of a new copy either: accept it, or leave it out with properties on the "
    "route and another --ledger"
)
"""Of what a run was to mend, and cannot."""


def accepted_states(found: Mapping[str, Noted], acceptances: Iterable[tuple[str, str]]) -> frozenset[State]:
    """The states that no run can end, and that someone accepted for the very objects that are in them. `acceptances`
    are (name, figure)."""
    known = set(acceptances)
    return frozenset(
        state for state in ENDED if state.value in found and (state.value, found[state.value].figure) in known
    )


def _figured(count: int, total: int) -> tuple[int, str]:
    return count, f"{count}:{total % (1 << 48):012x}"


def _total(one: Noted) -> int:
    return int(one.figure.partition(":")[2], 16)
