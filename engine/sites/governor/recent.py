"""What was sent lately, counted by the time of sending, and how it fared. Pure: ticks are passed in.

Ticks are 4 ms, and the last two seconds of them are remembered, in rings.
"""

from __future__ import annotations

TICKS_PER_S = 250.0
RING = 512
MASK = RING - 1
DENSE = 4
"""Requests a tick: where there are so many on average, a tick without any is one in which the sender stalled."""


class Recent:
    """Requests by tick of sending: `sent`, and of these `ok` and `refused`. A tick's place is `tick & MASK`."""

    __slots__ = ("ok", "refused", "sent")

    def __init__(self) -> None:
        self.sent = [0] * RING
        self.ok = [0] * RING
        self.refused = [0] * RING

    def forget(self, last: int, now: int) -> None:
        """Time went on from tick `last` to `now`: the places between are new."""
        for tick in range(last + 1, min(now, last + RING) + 1):
            place = tick & MASK
            self.sent[place] = self.ok[place] = self.refused[place] = 0

    def counted(self, first: int, last: int, now: int) -> tuple[int, int, int]:
        """Sent, accepted and refused of what was sent from tick `first` to `last`, as far back as is remembered."""
        first = max(first, now - MASK)
        sent, ok, refused = (sum(_span(counts, first, last)) for counts in (self.sent, self.ok, self.refused))
        return sent, ok, refused

    def lasting(self, first: int, last: int, now: int) -> float:
        """How many ticks sending took from `first` to `last`. One in which the sender stalled counts a quarter: the
        server was asked for nothing, and could accept a little more of what came after."""
        sent = _span(self.sent, max(first, now - MASK), last)
        if sum(sent) < DENSE * len(sent):
            return len(sent)
        return len(sent) - 0.75 * sent.count(0)


def _span(counts: list[int], first: int, last: int) -> list[int]:
    """The places of a ring from tick `first` to `last`, at most all of it."""
    if last < first:
        return []
    begin, end = first & MASK, (last & MASK) + 1
    return counts[begin:end] if begin < end else counts[begin:] + counts[:end]
