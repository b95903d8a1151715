"""What a verification found, summed up by route."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.model import Proof
from engine.plan.join import Joined
from engine.plan.lifecycle import State
from engine.plan.noted import NOTHING, Noted
from engine.proof.fingerprint import Fingerprint, digest_of_etag
from engine.proof.judge import Finding, Kind
from engine.shown import Result

AGREEING = frozenset({Kind.OK, Kind.SOURCE_GONE, Kind.SOURCE_DELETED})


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not what it should be."""

    route: str
    key: str
    kind: Kind
    message: str


@dataclass(slots=True)
class RouteVerification:
    """What was found on one route. `extra` counts as a difference only where the route is marked exact; `accepted` are
    kinds that someone accepted for the very objects that they are found of. `in_conflict` counts the differences that
    no run mends, since it may not write over what stands there, and `out_of_conflict` those that were such ones."""

    route: str
    exact: bool = False
    objects: int = 0
    bytes: int = 0
    verified: int = 0
    in_conflict: int = 0
    out_of_conflict: int = 0
    by_proof: Counter[Proof] = field(default_factory=Counter)
    by_kind: Counter[Kind] = field(default_factory=Counter)
    snapshot_closed: bool = True
    source_tree: Fingerprint = field(default_factory=Fingerprint)
    target_tree: Fingerprint = field(default_factory=Fingerprint)
    accepted: frozenset[Kind] = frozenset()

    @property
    def standing(self) -> int:
        """Targets that were compared and stand, while their sources are deleted or gone."""
        return self.by_kind[Kind.SOURCE_DELETED] + self.by_kind[Kind.SOURCE_GONE]

    @property
    def differing(self) -> int:
        return sum(count for kind, count in self.by_kind.items() if self.differs(kind) and kind not in self.accepted)

    def differs(self, kind: Kind) -> bool:
        """Whether this is a difference on this route, accepted or not."""
        return kind not in AGREEING and (kind is not Kind.EXTRA or self.exact)

    def add(self, row: Joined, finding: Finding) -> None:
        """Count what stands of one key."""
        self._add_to_trees(row, finding)
        kind = finding.kind
        self.by_kind[kind] += 1
        if row.source is not None:
            self.objects += 1
            self.bytes += row.source.size
        self.in_conflict += finding.in_conflict
        left_as = finding.outcome or row.entry
        self.out_of_conflict += left_as is not None and left_as.state is State.CONFLICT and not finding.in_conflict
        if kind in (Kind.OK, Kind.PROPERTIES) and finding.outcome is not None:
            self.verified += 1
            self.by_proof[finding.outcome.proof] += 1

    def _add_to_trees(self, row: Joined, finding: Finding) -> None:
        """Add a key to each side's fingerprint. A digest counts only where both sides have one of like form: two ETags
        that cannot be compared would make two figures differ that are of one content."""
        source, target = row.source, row.target
        one = digest_of_etag(source.etag) if source is not None else ""
        other = digest_of_etag(target.etag) if target is not None else ""
        # Two that agree by other proof, and differ here, are encrypted by KMS: no MD5s, for all their form.
        agreed = finding.kind in (Kind.OK, Kind.PROPERTIES, Kind.UNREAD)
        if source is not None and target is not None and one != other and (agreed or not one or not other):
            one = other = ""
        if source is not None:
            self.source_tree.add(row.key, source.size, one)
        if target is not None and (finding.kind is not Kind.EXTRA or self.exact):
            self.target_tree.add(row.key, target.size, other)


@dataclass(slots=True)
class Verification(Result):
    """What a verification found, by route, and the first differences in the order in which they were found. `empty` has
    a sentence for each source that holds nothing, and never did; `objects_bereft` were to be read and have neither a
    source left nor a digest that the ledger keeps of their bytes; `properties_differ` is what the ledger has recorded
    of properties, now or before; `taken_back` says that a revert removed the copies again; `untold` are the commands
    (`manifest`, `rewrite`) that the plan has something for, and that changed no file yet."""

    routes: list[RouteVerification] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    stopped: bool = False
    objects_read: int = 0
    bytes_read: int = 0
    objects_bereft: int = 0
    properties_compared: int = 0
    empty: list[str] = field(default_factory=list)
    properties_differ: Noted = NOTHING
    taken_back: bool = False
    untold: tuple[str, ...] = ()

    @property
    def standing(self) -> int:
        """Targets that were compared and stand, while their sources are deleted or gone."""
        return sum(route.standing for route in self.routes)

    @property
    def differing(self) -> int:
        """How many differences there are in all."""
        return sum(route.differing for route in self.routes)

    @property
    def unread(self) -> int:
        """How many of these could not be read, so that nothing is known to differ there."""
        return sum(route.by_kind[Kind.UNREAD] for route in self.routes if Kind.UNREAD not in route.accepted)

    @property
    def agrees(self) -> bool:
        """Whether everything was looked at to its end, and nothing differs."""
        whole = not self.stopped and not self.empty and all(route.snapshot_closed for route in self.routes)
        return whole and self.differing == 0
