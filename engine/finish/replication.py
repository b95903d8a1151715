"""Whether what is deleted in a bucket is deleted by its replication where the other copy stands. Pure.

A rule that replicates delete markers puts one at the same key of another bucket. Where that key is under a place that
the deletion rests on, the other copy goes with the one that was to go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from engine.bucket_facts import BucketFacts
from engine.finish.gate import REPLICATION, UNKNOWN, Reason
from engine.model import Location, ReplicationRule
from engine.plan.locations import may_be_same_bucket


def replication_reasons(
    buckets: Iterable[BucketFacts],
    deleted: Sequence[Location],
    resting: Sequence[Location],
    accepted: Collection[tuple[str, str]],
) -> list[Reason]:
    """A reason for each of the buckets that is deleted in: `deleted` are the places whose objects go, `resting` those
    where their copies stand."""
    return [_reason(item, deleted, resting, accepted) for item in buckets]


def _reason(
    bucket: BucketFacts, deleted: Sequence[Location], resting: Sequence[Location], accepted: Collection[tuple[str, str]]
) -> Reason:
    name = f"{REPLICATION}.{bucket.name}"
    if bucket.replication is None:
        why = bucket.cause("replication") or "s3:GetReplicationConfiguration may be lacking"
        said = f"whether what is deleted in {bucket.name} is deleted elsewhere by its replication is not known: {why}"
        return Reason.unless_accepted(REPLICATION, said, name, UNKNOWN, accepted)
    here = [place for place in deleted if place.bucket_name == bucket.name]
    rules = spreading(bucket.replication, here, resting)
    if not rules:
        return Reason(REPLICATION, True, f"no replication of {bucket.name} deletes the other copies")
    said = f"{bucket.name} replicates what is deleted to where the other copies are: {'; '.join(map(_text, rules))}"
    figure = ",".join(sorted(map(_figure, rules)))
    return Reason.unless_accepted(REPLICATION, said, name, figure, accepted)


def spreading(
    rules: Iterable[ReplicationRule], deleted: Sequence[Location], resting: Sequence[Location]
) -> list[ReplicationRule]:
    """The rules that would pass on a delete under one of the places to another copy, as far as prefixes tell."""
    return [rule for rule in rules if any(_spreads(rule, place, other) for place in deleted for other in resting)]


def _spreads(rule: ReplicationRule, place: Location, other: Location) -> bool:
    if not may_be_same_bucket(rule.target, other.bucket):
        return False
    passed_on = _Keys(rule.prefix, True).shared(_Keys.of(place))
    return passed_on is not None and passed_on.shared(_Keys.of(other)) is not None


class _Keys(NamedTuple):
    """The keys that begin with `key`; the one key where they are not `many`."""

    key: str
    many: bool

    @classmethod
    def of(cls, place: Location) -> _Keys:
        return cls(place.key, place.is_prefix)

    def shared(self, other: _Keys) -> _Keys | None:
        """The keys that are in both; None for none."""
        narrow, wide = (self, other) if len(self.key) >= len(other.key) else (other, self)
        if narrow.key == wide.key:
            return _Keys(narrow.key, narrow.many and wide.many)
        return narrow if wide.many and narrow.key.startswith(wide.key) else None


def _text(rule: ReplicationRule) -> str:
    what = f", what is {' and '.join(rule.only)}" if rule.only else ""
    return f'"{rule.rule_id or "unnamed"}" (under "{rule.prefix}"{what}, to {rule.target})'


def _figure(rule: ReplicationRule) -> str:
    return ":".join([rule.rule_id or "unnamed", rule.prefix, rule.target, *rule.only])
