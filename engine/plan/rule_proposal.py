"""One lifecycle rule of our own for a prefix: what a user asks for, as the rule that S3 is given. Pure.

What S3 refuses is refused here in words; whatever else it refuses is its own to say (API reference,
PutBucketLifecycleConfiguration; S3 User Guide, "Transitioning objects").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from engine.errors import UsageError
from engine.model import LifecycleConfiguration, Location, Node
from engine.plan.bucket_rules import MOST_RULES, with_rule
from engine.plan.prices import STORAGE_CLASSES

OWN = "cartage:"
"""What the ID of a rule of ours begins with; its prefix follows, or what stands for one that an ID cannot hold."""
LONGEST_ID = 255
LEAST_DAYS = {"STANDARD_IA": 30, "ONEZONE_IA": 30}
INTO = STORAGE_CLASSES[2:]


@dataclass(frozen=True, slots=True)
class RuleProposal:
    """What is to become of everything under a prefix; None: nothing. `move_into` a storage class goes with
    `move_after_days` since an object was written; after `expire_days` it is deleted; older versions are once they have
    been older for `expire_noncurrent_days`; uploads that are not finished `abort_uploads_days` after they began are
    given up."""

    move_into: str = ""
    move_after_days: int | None = None
    expire_days: int | None = None
    expire_noncurrent_days: int | None = None
    abort_uploads_days: int | None = None

    @property
    def is_nothing(self) -> bool:
        return self == RuleProposal()


def rule_id_of(prefix: str) -> str:
    """The ID of our rule for a prefix, always the same."""
    plain = prefix.isascii() and prefix.isprintable() and len(OWN + prefix) <= LONGEST_ID
    return OWN + (prefix if plain else f"sha256={hashlib.sha256(prefix.encode()).hexdigest()}")


def check(proposal: RuleProposal, place: Location) -> None:
    """Raise `UsageError` for a rule that makes no sense, or that S3 takes from nobody."""
    if proposal.is_nothing:
        return
    if not place.is_prefix:
        raise UsageError(
            f"a rule takes every key that begins with {place.key!r}, and {place} is one key.",
            advice="Name a prefix that ends in a slash: s3://bucket/prefix/",
        )
    if bool(proposal.move_into) != (proposal.move_after_days is not None):
        raise UsageError("a move needs a class and a time.", advice="As in: --transition GLACIER_IR --after 90d")
    if proposal.move_into and proposal.move_into not in INTO:
        raise UsageError(f"no rule moves objects into {proposal.move_into}.", advice=f"Into: {', '.join(INTO)}.")
    least = LEAST_DAYS.get(proposal.move_into, 0)
    if proposal.move_after_days is not None and proposal.move_after_days < least:
        raise UsageError(f"S3 moves nothing into {proposal.move_into} before it is {least} days old.")
    for days in (proposal.expire_days, proposal.expire_noncurrent_days, proposal.abort_uploads_days):
        if days is not None and days < 1:
            raise UsageError("S3 deletes nothing before it is a day old.")
    if (
        proposal.expire_days is not None
        and proposal.move_after_days is not None
        and proposal.expire_days <= proposal.move_after_days
    ):
        raise UsageError("what expires before it is moved is never moved: S3 refuses such a rule.")


def proposed(configuration: LifecycleConfiguration, proposal: RuleProposal, place: Location) -> LifecycleConfiguration:
    """The configuration with the rule in it (`check`), in place of an earlier one of ours for that prefix. Raises
    `UsageError` for a bucket that has as many rules as it can."""
    if proposal.is_nothing:
        return configuration
    prefix = Node("Prefix", place.key)
    older = any(rule.all("Prefix") for rule in configuration.rules)  # S3 takes one form alone in a configuration
    parts = [
        Node("ID", rule_id_of(place.key)),
        prefix if older else Node("Filter", "", (prefix,)),
        Node("Status", "Enabled"),
    ]
    if proposal.move_after_days is not None:
        into = Node("StorageClass", proposal.move_into)
        parts.append(Node("Transition", "", (Node("Days", str(proposal.move_after_days)), into)))
    for name, figure, days in (
        ("Expiration", "Days", proposal.expire_days),
        ("NoncurrentVersionExpiration", "NoncurrentDays", proposal.expire_noncurrent_days),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation", proposal.abort_uploads_days),
    ):
        if days is not None:
            parts.append(Node(name, "", (Node(figure, str(days)),)))
    changed = with_rule(configuration, Node("Rule", "", tuple(parts)))
    if len(changed.rules) > MOST_RULES:
        raise UsageError(f"the bucket has {MOST_RULES:,} lifecycle rules, and S3 takes no more.")
    return changed
