"""Which objects `verify --deep` reads: all, a sample, or only what is proven no better than by size. Pure.

A sample is chosen by a hash of route and key, so that the same ledger gives the same sample again: a deep
verification that was interrupted goes on where it was, and a larger sample holds the smaller one.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import xxhash

from engine.errors import UsageError
from engine.model import Proof

PLACES = 1 << 64
"""A key's place is below this."""

_COUNT = re.compile(r"[1-9][0-9]*\Z")
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%\Z")


@dataclass(frozen=True, slots=True)
class Depth:
    """Which objects a deep verification reads: by default all. Objects whose proof is below `below`, at places under
    `places` of 2**64 (a hash of route and key spreads them evenly: the same sample every time). `count`: the so many at
    the lowest places."""

    below: Proof = Proof.BYTES
    places: int = PLACES
    count: int = 0

    def takes(self, route: str, key: str, proof: Proof) -> bool:
        """Whether this object's bytes are to be read, `proof` being what it reached without."""
        return proof < self.below and (self.places == PLACES or place_of(route, key) < self.places)


def parse_depth(text: str) -> Depth:
    """A depth as the command line has it: "all", "below-digest", "sample:500", "sample:5%" or "5%".

    Raises `UsageError` for anything else.

        report = await engine.verify(plan, depth=engine.parse_depth("sample:5%"))
    """
    if text == "all":
        return Depth()
    if text == "below-digest":
        return Depth(below=Proof.DIGEST)
    sample = text.removeprefix("sample:")
    share = _SHARE.match(sample)
    if share is not None and 0 < Decimal(share.group(1)) <= 100:
        return Depth(places=int(PLACES * Decimal(share.group(1)) / 100))
    if sample != text and _COUNT.match(sample):
        return Depth(count=int(sample))
    raise UsageError(
        f'--deep does not know "{text}"', advice="Say all, below-digest, sample:500 or sample:5% (--deep alone is all)."
    )


def place_of(route: str, key: str) -> int:
    """Where a key stands among all: evenly spread, and the same every time."""
    return xxhash.xxh3_64_intdigest(f"{len(route)}:{route}{key}".encode())


class Sampling:
    """Finds the place below which exactly `count` keys stand. Memory grows with the sample, not with the ledger."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lowest: list[int] = []  # a heap of negated places, so that the highest of them comes off first

    def add(self, route: str, keys: Iterable[str]) -> None:
        lowest = self._lowest
        for key in keys:
            place = -place_of(route, key)
            if len(lowest) < self._count:
                heapq.heappush(lowest, place)
            elif place > lowest[0]:
                heapq.heapreplace(lowest, place)

    @property
    def places(self) -> int:
        """The bound for `Depth.places`."""
        return -self._lowest[0] + 1 if len(self._lowest) == self._count else PLACES
