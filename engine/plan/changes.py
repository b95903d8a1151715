"""What it costs to set what objects carry where they are, as far as a listing can tell. Pure.

AWS's list prices (`engine.plan.prices`).
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.model import GIB, ListedObject
from engine.plan.estimate import DAYS_A_MONTH
from engine.plan.prices import CLASSES, STANDARD, TAG_MONTH, dollars_a_month, read_dollars
from engine.plan.route import Route
from engine.plan.sizes import moment_ms

DAY_MS = 86_400_000


@dataclass(slots=True)
class Change:
    """The objects that a run may copy onto themselves, and what of it AWS bills, in US dollars.

    `before_dollars` and `after_dollars` are their storage in a month, `tag_dollars` what the tags that are set cost in
    one, at most. `early_objects` leave a class before the least time that it is billed for; what is left of it is
    `early_dollars`, due where the bucket keeps no versions. `small` are smaller than what their new class bills at
    least. `unpriced` have a class, old or new, that has no price here, and are in no sum. Without `is_certain` it is
    the most: what no listing tells, tags and metadata, may be set already."""

    storage_class: str = ""
    is_certain: bool = True
    objects: int = 0
    bytes: int = 0
    before_dollars: float = 0.0
    after_dollars: float = 0.0
    write_dollars: float = 0.0
    read_dollars: float = 0.0
    retrieval_dollars: float = 0.0
    early_objects: int = 0
    early_dollars: float = 0.0
    tag_dollars: float = 0.0
    small: int = 0
    unpriced: int = 0

    @property
    def dollars(self) -> float:
        """What it costs once, in a bucket that keeps no versions."""
        return self.write_dollars + self.read_dollars + self.retrieval_dollars + self.early_dollars

    @classmethod
    def of(cls, route: Route) -> Change:
        return cls(route.storage_class, not route.sets_unlisted)

    def add(self, source: ListedObject, route: Route, writes: int, reads: int, now_ms: int) -> None:
        """Count an object that takes so many requests."""
        self.read_dollars += read_dollars(source.storage_class, reads)
        self.tag_dollars += len(route.set_tags or ()) * TAG_MONTH
        if route.sets_tags_alone:
            self.write_dollars += writes / 1000 * STANDARD.writes_per_1000
            return
        self.objects += 1
        self.bytes += source.size
        old, new = source.storage_class or "STANDARD", route.storage_class_for(source)
        before, after = dollars_a_month(old, source.size), dollars_a_month(new, source.size)
        if before is None or after is None:
            self.unpriced += 1
            return
        self.before_dollars += before
        self.after_dollars += after
        left, wanted = CLASSES[old], CLASSES[new]
        self.write_dollars += writes / 1000 * wanted.writes_per_1000
        self.retrieval_dollars += source.size / GIB * left.retrieval_gb
        self.small += source.size < wanted.least_bytes
        early_days = left.least_days - _age_days(source, now_ms)
        if early_days > 0:
            self.early_objects += 1
            self.early_dollars += before * early_days / DAYS_A_MONTH


def _age_days(source: ListedObject, now_ms: int) -> float:
    """How long ago it was written: never longer than it can be known to be."""
    written_ms = moment_ms(source.modified)
    return 0.0 if written_ms is None else max(0.0, (now_ms - written_ms) / DAY_MS)
