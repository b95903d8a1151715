"""What having archived objects restored comes to: which ones need it, what it costs, how long it takes. Pure.

S3 User Guide, "Working with archived objects" and "Restoring an archived object": of GLACIER and DEEP_ARCHIVE a
temporary copy is made, billed as STANDARD for its days beside the archive; the archive tiers of INTELLIGENT_TIERING
have none, and what is restored there stays readable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from engine.model import GIB, RESTORING
from engine.plan.estimate import WRITES_PER_S
from engine.plan.prices import DAYS_A_MONTH, RETRIEVALS, STANDARD, Tier
from engine.plan.sizes import moment_ms

ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that must be restored before a copy. GLACIER_IR needs none; Intelligent-Tiering's archive tiers show only
in HEAD or in the error (API reference, RestoreObject)."""
TIERED = "INTELLIGENT_TIERING"
UNDER_WAY = "RestoreUnderWay"
"""The code of an object that is archived and on its way back."""


class Standing(Enum):
    """What is to be done about an object that is archived, or was."""

    READABLE = "readable"
    UNDER_WAY = "under way"
    ARCHIVED = "archived"


def standing_of(kind: str, restore: str) -> Standing:
    """How an object of `kind` (its archive class or tier; empty for none) stands, by `ListedObject.restore`."""
    if restore == RESTORING:
        return Standing.UNDER_WAY
    return Standing.ARCHIVED if kind and not restore else Standing.READABLE


@dataclass(slots=True)
class Amount:
    """Objects and their bytes."""

    objects: int = 0
    bytes: int = 0

    def add(self, size: int, objects: int = 1) -> None:
        self.objects += objects
        self.bytes += size


@dataclass(frozen=True, slots=True)
class ArchiveShare:
    """What one class, or archive tier of INTELLIGENT_TIERING, takes of a restore. `least_s` to `most_s` is how long AWS
    says that it typically takes; both are 0 where the copies are there already and are only to last longer."""

    kind: str
    objects: int
    bytes: int
    requests_dollars: float
    retrieval_dollars: float
    storage_dollars: float
    least_s: int
    most_s: int

    @property
    def dollars(self) -> float:
        return self.requests_dollars + self.retrieval_dollars + self.storage_dollars


@dataclass(slots=True)
class ArchiveOutlook:
    """What is archived of some objects, for copies that are to last `days` and are asked for by `tier`. `archived` are
    to be asked for, by kind; `under_way` are on their way back; `readable` are copies by kind and the time at which
    they expire (empty: never); `looked` counts the HEADs that it took to know this of INTELLIGENT_TIERING, `unseen`
    those that S3 refused, by its code.

    `objects` is how many were looked at. `began_ms` is the server's clock when that was begun; `copies`: they are to be
    copied, at 3,500 a second at best. A copy that expires before the last object can be there and copied is asked for
    again, to last longer."""

    tier: Tier
    days: int
    began_ms: int
    archived: dict[str, Amount] = field(default_factory=dict)
    under_way: Amount = field(default_factory=Amount)
    readable: dict[tuple[str, str], Amount] = field(default_factory=dict)
    looked: int = 0
    unseen: dict[str, int] = field(default_factory=dict)
    objects: int = 0
    copies: bool = False

    def add(self, kind: str, size: int, restore: str) -> None:
        """Count one object; `kind` as for `standing_of`."""
        match standing_of(kind, restore):
            case Standing.ARCHIVED:
                self.archived.setdefault(kind, Amount()).add(size)
            case Standing.UNDER_WAY:
                self.under_way.add(size)
            case Standing.READABLE:
                self.readable.setdefault((kind, restore), Amount()).add(size)

    @property
    def not_by_tier(self) -> dict[str, Amount]:
        """What is archived where this tier is not to be had, by kind."""
        return {kind: amount for kind, amount in self.archived.items() if self.tier not in RETRIEVALS[kind]}

    @property
    def to_ask(self) -> dict[str, Amount]:
        """What is archived and to be asked for, by kind."""
        return {kind: amount for kind, amount in sorted(self.archived.items()) if self.tier in RETRIEVALS[kind]}

    def tier_for(self, kind: str) -> Tier:
        """By which tier a request goes: this one, or one that the class has where only a copy is to last longer."""
        return self.tier if self.tier in RETRIEVALS[kind] else Tier.STANDARD

    @property
    def ends_ms(self) -> int:
        """When a run can have copied everything, by the server's clock: once the last object is there. What is under
        way may have been asked for by any tier, and is taken for one of this."""
        kinds = [*self.to_ask, *(RETRIEVALS if self.under_way.objects else ())]
        by_tier = [RETRIEVALS[kind][self.tier] for kind in kinds if self.tier in RETRIEVALS[kind]]
        waits_s = max((retrieval.most_s for retrieval in by_tier), default=0)
        copies_s = self.objects / WRITES_PER_S if self.copies else 0.0
        return self.began_ms + round((waits_s + copies_s) * 1000)

    def expires(self, restore: str) -> bool:
        """Whether a copy that can be read until then is gone before a run ends."""
        until = moment_ms(restore)
        return until is not None and until <= self.ends_ms

    @property
    def expiring(self) -> dict[str, Amount]:
        """Copies that are there and would be gone too early, by kind."""
        found: dict[str, Amount] = {}
        for (kind, restore), amount in sorted(self.readable.items()):
            if kind in ARCHIVE_CLASSES and self.expires(restore):
                found.setdefault(kind, Amount()).add(amount.bytes, amount.objects)
        return found

    @property
    def first_expiry(self) -> str:
        """When the first of those is gone."""
        return min((restore for _, restore in self.readable if self.expires(restore)), default="")

    @property
    def shares(self) -> list[ArchiveShare]:
        """What asking comes to, by kind: at most, since S3 lets a copy stay to the next midnight (UTC)."""
        asked = [self._share(kind, amount, again=False) for kind, amount in self.to_ask.items()]
        return asked + [self._share(kind, amount, again=True) for kind, amount in self.expiring.items()]

    def _share(self, kind: str, amount: Amount, *, again: bool) -> ArchiveShare:
        price = RETRIEVALS[kind][self.tier_for(kind)]
        size_gb = amount.bytes / GIB
        lasts = self.days + 1 if kind in ARCHIVE_CLASSES else 0
        return ArchiveShare(
            kind,
            amount.objects,
            amount.bytes,
            amount.objects / 1000 * price.requests_per_1000,
            0.0 if again else size_gb * price.gb,
            size_gb * STANDARD.gb_month / DAYS_A_MONTH * lasts,
            0 if again else price.least_s,
            0 if again else price.most_s,
        )
