"""The three-way join: a source listing, a target listing and the ledger, brought together by key. No I/O.

Pages go in, joined rows and a watermark come out. Plan, run, verify and audit all read their world through it and
differ only in what they do with its rows. Keys are the part after each side's prefix, so that one text names an
object on both sides. All three streams must rise by key (`engine.plan.order`).

One join covers one range of keys, `after` (exclusive) to `upto` (inclusive), so that ranges can be joined side by
side. That order holds from one range to the next is seen where they meet: what one saw first beyond its end
(`beyond`) is what the next began with (`first`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from enum import StrEnum
from operator import itemgetter
from typing import Any, NamedTuple

from engine.errors import ListingBroken
from engine.model import ListedObject
from engine.plan.order import fault_of
from engine.plan.record import Entry


class Side(StrEnum):
    """The three streams."""

    SOURCE = "source"
    TARGET = "target"
    LEDGER = "ledger"


class Joined(NamedTuple):
    """Everything known of one relative key. At least one of the three is there."""

    key: str
    source: ListedObject | None
    target: ListedObject | None
    entry: Entry | None


class Stream:
    """One side: what was fed and not yet taken. `frontier` is the last key fed, None before the first, and `first` the
    first that it gave, which may lie past the end; every key lies beyond `after`. `beyond` is the first key known of
    past the end, None before one is."""

    __slots__ = ("after", "beyond", "closed", "first", "frontier", "items", "keys", "prefix", "side", "taken")

    def __init__(self, side: Side, prefix: str, after: str | None) -> None:
        self.side = side
        self.prefix = prefix
        self.after = after
        self.keys: list[str] = []
        self.items: list[Any] = []
        self.frontier: str | None = None
        self.first: str | None = None
        self.beyond: str | None = None
        self.taken: str | None = None
        self.closed = False

    def feed(self, items: Sequence[Any], last: bool, upto: str | None) -> None:
        """Nothing is taken of a page before all of it was found in order."""
        keys = [item.key for item in items]
        if fault := fault_of(keys, self.prefix):
            raise _broken(self.side, fault)
        if cut := len(self.prefix):
            keys = [key[cut:] for key in keys]
        if keys:
            if self.frontier is not None and keys[0] <= self.frontier:
                raise _broken(self.side, "its keys do not rise")
            if self.after is not None and keys[0] <= self.after:
                raise _broken(self.side, "it does not begin after the key that it was asked to begin after")
            if self.first is None:
                self.first = keys[0]
            if upto is not None and keys[-1] > upto:
                keep = bisect_right(keys, upto)
                self.beyond, last = keys[keep], True
                keys, items = keys[:keep], items[:keep]
        if keys:
            self.frontier = keys[-1]
            self.keys += keys
            self.items += items
        self.closed = self.closed or last

    def take(self, bound: str | None) -> tuple[list[str], list[Any]]:
        """Remove and return everything up to `bound` (inclusive; None: everything)."""
        at = len(self.keys) if bound is None else bisect_right(self.keys, bound)
        keys, items = self.keys[:at], self.items[:at]
        del self.keys[:at], self.items[:at]
        if keys:
            self.taken = keys[-1]
        return keys, items

    def leave_out(self, keys: Collection[str]) -> None:
        kept = [at for at, item in enumerate(self.items) if item.key not in keys]
        self.keys = [self.keys[at] for at in kept]
        self.items = [self.items[at] for at in kept]

    def end_at(self, bound: str) -> None:
        """Give up what lies after `bound`, of which nothing was taken."""
        at = bisect_right(self.keys, bound)
        if at < len(self.keys):
            self.beyond = self.keys[at]
            del self.keys[at:], self.items[at:]
        if self.frontier is not None and self.frontier > bound:
            self.closed = True

    @property
    def newest(self) -> str | None:
        """The last key of this range that this side gave; where it gave none, where it began."""
        return self.keys[-1] if self.keys else self.taken if self.taken is not None else self.after


class Join:
    """Feed the side that `wants` names, then `take` what can be decided; until `done`. `sides` tell how far each is."""

    def __init__(
        self, source_prefix: str, target_prefix: str, *, after: str | None = None, upto: str | None = None
    ) -> None:
        self.sides = {
            Side.SOURCE: Stream(Side.SOURCE, source_prefix, after),
            Side.TARGET: Stream(Side.TARGET, target_prefix, after),
            Side.LEDGER: Stream(Side.LEDGER, "", after),
        }
        self.after = after
        self.upto = upto
        self.watermark: str | None = after

    @property
    def wants(self) -> Side | None:
        """The open side that holds the others back; None when all three have ended."""
        still_open = (stream for stream in self.sides.values() if not stream.closed)
        behind = min(still_open, key=lambda item: (item.frontier is not None, item.frontier or ""), default=None)
        return behind.side if behind is not None else None

    @property
    def done(self) -> bool:
        """All three sides have ended and everything was taken."""
        return all(stream.closed and not stream.keys for stream in self.sides.values())

    def feed(self, side: Side, items: Sequence[ListedObject] | Sequence[Entry], *, last: bool) -> None:
        """Hand in the next items of one side, in key order; `last` ends it.

        Items beyond `upto` are left out and end the side. Raises `ListingBroken` where keys do not rise, do not lie
        beyond `after`, or are not under the side's prefix: a server that ignores where to begin would have each key
        counted and copied once for every range."""
        stream = self.sides[side]
        if stream.closed:
            raise ValueError(f"the {side} side has ended")
        stream.feed(items, last, self.upto)

    def leave_out(self, side: Side, keys: Collection[str]) -> None:
        """Forget items of these full keys among what was fed and not yet taken, as if they had no part in the join."""
        self.sides[side].leave_out(keys)

    def shrink(self, upto: str) -> None:
        """Give up everything after `upto`, which another join takes over.

        Raises ValueError below the watermark: what was decided stays decided."""
        if self.watermark is not None and upto < self.watermark:
            raise ValueError("a range cannot shrink below what it has decided")
        self.upto = upto
        for stream in self.sides.values():
            stream.end_at(upto)

    def take(self) -> list[Joined]:
        """Everything that can be decided now: all keys up to the lowest frontier of the open sides."""
        bound: str | None = None
        for stream in self.sides.values():
            if not stream.closed:
                if stream.frontier is None:
                    return []
                bound = stream.frontier if bound is None else min(bound, stream.frontier)
        source_keys, sources = self.sides[Side.SOURCE].take(bound)
        target_keys, targets = self.sides[Side.TARGET].take(bound)
        entry_keys, entries = self.sides[Side.LEDGER].take(bound)
        self.watermark = bound if bound is not None else self.upto
        if not target_keys and not entry_keys:
            return [Joined(key, item, None, None) for key, item in zip(source_keys, sources, strict=True)]
        target_of: dict[str, ListedObject] = dict(zip(target_keys, targets, strict=True))
        entry_of: dict[str, Entry] = dict(zip(entry_keys, entries, strict=True))
        joined = [
            Joined(key, item, target_of.pop(key, None), entry_of.pop(key, None))
            for key, item in zip(source_keys, sources, strict=True)
        ]
        if target_of or entry_of:
            rest = target_of.keys() | entry_of.keys()
            joined += [Joined(key, None, target_of.get(key), entry_of.get(key)) for key in rest]
            joined.sort(key=itemgetter(0))
        return joined


def _broken(side: Side, why: str) -> ListingBroken:
    return ListingBroken(
        f"the {side} listing cannot be joined: {why}",
        operation="ListObjectsV2",
        code="ListingBroken",
        advice="This server does not list as S3's general-purpose buckets do, in the order of UTF-8 bytes and from the "
        "key on that it is asked for; nothing can be compared safely on it.",
    )
