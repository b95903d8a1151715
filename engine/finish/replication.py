"""Whether what is deleted in a bucket is deleted by its replication where the other copy stands. Pure.

A rule that replicates delete markers puts one at the same key of another bucket. Where that key is under a place that
the deletion rests on, the other copy goes with the one that was to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.bucket_facts import BucketFacts
from engine.finish.gate import REPLICATION, UNKNOWN, Reason
from engine.model import Location, ReplicationRule
from engine.plan.locations import covers, may_be_same_bucket, may_meet


def replication_reason(bucket: BucketFacts, deleted: Sequence[Location], resting: Sequence[Location]) -> Reason:
    """What is to be said of a bucket that is deleted in: `deleted` are the places whose objects go, `resting` those
    where their copies stand."""
    name = f"{REPLICATION}.{bucket.name}"
    if bucket.replication is None:
        why = bucket.cause("replication") or "s3:GetReplicationConfiguration may be lacking"
        said = f"whether what is deleted in {bucket.name} is deleted elsewhere by its replication is not known: {why}"
        return Reason(REPLICATION, False, said, name, UNKNOWN)
    here = [place for place in deleted if place.bucket_name == bucket.name]
    rules = spreading(bucket.replication, here, resting)
    if not rules:
        return Reason(REPLICATION, True, f"no replication of {bucket.name} deletes the other copies")
    said = f"{bucket.name} replicates what is deleted to where the other copies are: {'; '.join(map(_text, rules))}"
    figure = ",".join(sorted(map(_figure, rules)))
    return Reason(REPLICATION, False, said, name, figure)


def spreading(
    rules: Iterable[ReplicationRule], deleted: Sequence[Location], resting: Sequence[Location]
) -> list[ReplicationRule]:
    """The rules that would pass on a delete under one of the places to another copy, as far as prefixes tell."""
    return [rule for rule in rules if any(_spreads(rule, place, other) for place in deleted for other in resting)]


def _spreads(rule: ReplicationRule, place: Location, other: Location) -> bool:
    """Whether some key is at both places and begins as the rule says. Of prefixes and single keys two are one inside
    the other or apart, so that three have a key in common where each two of them have."""
    there = place.at(other.key)  # its keys, as if they were in this bucket
    meets = (covers(place, there) or covers(there, place)) and may_meet(rule.prefix, place)
    return meets and may_meet(rule.prefix, other) and may_be_same_bucket(rule.target, other.bucket)


def _text(rule: ReplicationRule) -> str:
    what = f", what is {' and '.join(rule.only)}" if rule.only else ""
    return f'"{rule.rule_id or "unnamed"}" (under "{rule.prefix}"{what}, to {rule.target})'


def _figure(rule: ReplicationRule) -> str:
    return ":".join([rule.rule_id or "unnamed", rule.prefix, rule.target, *rule.only])
