"""How far a run in shards is: what the shards that have ended came to, and what the processes of the others told last.

A process that died is gone on from: the next one lists its shard anew, and finds done what was committed, which it
counts as neither copied nor found. Both are this run's all the same, and no figure of a run falls.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from operator import attrgetter

from engine.events import OutOfReach, Progress
from engine.shards.board import Told
from engine.shards.order import ShardEnded

FIGURES = tuple(name for name in asdict(Progress()) if name != "listing_done")
MOMENTARY = ("rate_rps", "in_flight")


class Figures:
    """One run's. `ended` are the shards that have, without what was heard of them: there may be many. `told` is what
    the processes at work told last, by shard."""

    def __init__(self) -> None:
        self.ended: list[ShardEnded] = []
        self.told: dict[int, Told] = {}
        self._at_work: dict[int, Told] = {}
        self._dead: dict[int, Told] = {}

    @property
    def at_work(self) -> list[int]:
        """The shards that processes are at."""
        return [*self._at_work]

    def begin(self, number: int) -> None:
        """A process is at a shard."""
        self._at_work[number] = Told(0, Progress())

    def hear(self, number: int, told: Told) -> None:
        """It told how far it is."""
        self.told[number] = self._at_work[number] = told

    def died(self, number: int, told: Told | None) -> None:
        """It died, after it had `told` that last, and another goes on."""
        before = self.told.pop(number, None)
        if (last := told or before) is not None:
            self._dead[number] = _going_on(self._dead.get(number), last)
        self.begin(number)

    def end(self, number: int, ended: ShardEnded | None) -> None:
        """Nothing is at a shard any more; None where it was left undone."""
        for kept in (self._at_work, self.told):
            kept.pop(number, None)
        dead = self._dead.pop(number, None)
        if ended is not None:
            told = _going_on(dead, Told(ended.pid, ended.progress, copied_bytes=ended.copied_bytes))
            whole = ended._replace(progress=told.progress, copied_bytes=told.copied_bytes)
            self.ended.append(whole._replace(events=(), lost={}))

    def is_listed(self, number: int) -> bool:
        """Whether the process at a shard has come to the end of its listing."""
        return self._at_work[number].progress.listing_done

    def progress(self, shards: int) -> Progress:
        """All together, of so many `shards` that were to be carried so far."""
        over = [item.progress for item in self.ended]
        at_work = [_going_on(self._dead.get(number), told).progress for number, told in self._at_work.items()]
        sums = {name: sum(getattr(item, name) for item in [*over, *at_work]) for name in FIGURES}
        sums |= {name: sum(getattr(item, name) for item in at_work) for name in MOMENTARY}
        begun = len(over) + len(at_work)
        return Progress(**sums, listing_done=begun == shards and all(item.listing_done for item in [*over, *at_work]))

    def outage(self) -> OutOfReach | None:
        """That processes cannot reach S3, in the words of the one for which that has lasted longest."""
        return max((told.outage for told in self.told.values() if told.outage), key=attrgetter("since_s"), default=None)


def _going_on(dead: Told | None, now: Told) -> Told:
    """All that processes did of a shard: `dead` is what the last one told that died, `now` how far the next one is. An
    object that the one copied and could not commit is found by the other, and counts once."""
    if dead is None:
        return now
    one, other = dead.progress, now.progress
    done = max(one.done, other.done)
    copied = min(one.copied + other.copied, done)
    progress = replace(
        other,
        listed=max(one.listed, other.listed),
        listed_bytes=max(one.listed_bytes, other.listed_bytes),
        done=done,
        done_bytes=max(one.done_bytes, other.done_bytes),
        copied=copied,
        replaced=min(one.replaced + other.replaced, done),
        replaced_newer=min(one.replaced_newer + other.replaced_newer, done),
        found=max(0, min(one.found + other.found, done - copied - other.aside)),
        requests=one.requests + other.requests,
        throttled=one.throttled + other.throttled,
    )
    return replace(now, progress=progress, copied_bytes=dead.copied_bytes + now.copied_bytes)
