"""What a deletion of any kind left in place, counted and shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from engine.events import ObjectAside
from engine.model import bucket_name

STAYS_SHOWN = 10


@dataclass(slots=True)
class DeletionReport:
    """What a deletion of any kind left in place. `kept` counts it by why, `first_kept` holds the first of it.
    `markers`: delete markers were added; `unaccepted` are the buckets in which nobody had said yes to that; `stopped`:
    it ended before its end."""

    kept: dict[str, int] = field(default_factory=dict)
    first_kept: list[ObjectAside] = field(default_factory=list)
    markers: bool = False
    unaccepted: tuple[str, ...] = ()
    stopped: bool = False

    @property
    def stayed(self) -> int:
        return sum(self.kept.values())

    @property
    def interrupted(self) -> bool:
        """It was asked to stop, and nothing else stopped it."""
        return self.stopped and not self.unaccepted

    @property
    def is_whole(self) -> bool:
        """Everything that was to go is gone."""
        return not self.kept and not self.stopped

    def note_markers(self, added_in: Collection[str], site: str, accepted_in: Collection[str]) -> None:
        """Delete markers were added in the one buckets of a site: a reason to stop unless that was accepted for each of
        them, by `Location.bucket_name`."""
        self.markers = self.markers or bool(added_in)
        added = {bucket_name(bucket, site) for bucket in added_in}
        self.unaccepted = tuple(sorted({*self.unaccepted, *(added - set(accepted_in))}))
        self.stopped = self.stopped or bool(self.unaccepted)

    def keep(self, event: ObjectAside) -> None:
        """Count one more that stays; the event's `state` says why."""
        self.kept[event.state] = self.kept.get(event.state, 0) + 1
        if len(self.first_kept) < STAYS_SHOWN:
            self.first_kept.append(event)
