"""What a bucket is set to, read from its documents: replication, encryption, where it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from engine.model import ReplicationRule
from engine.s3 import xml

REPLICATES_DELETES = ("DeleteMarkerReplication", "DeleteReplication")
"""The parts of a replication rule that pass on deletes; the second one is MinIO's, for versions."""


def replication_rules(document: xml.Document) -> tuple[ReplicationRule, ...]:
    """The enabled rules that replicate deletes."""
    found = []
    for rule in document.all("Rule"):
        chosen = next(rule.all("Filter"), None)
        both = next(chosen.all("And"), None) if chosen is not None else None
        parts = [part for part in (chosen, both) if part is not None]
        said = {name: rule.text_in(name, "Status") for name in REPLICATES_DELETES}
        if rule.text("Status") != "Enabled" or not replicates_deletes(said, filtered=chosen is not None):
            continue
        prefix = next((text for part in (*parts, rule) if (text := part.text("Prefix"))), "")
        only = [f"{tag.text('Key')}={tag.text('Value')}" for part in parts for tag in part.all("Tag")]
        target = bucket_of_arn(rule.text_in("Destination", "Bucket"))
        found.append(ReplicationRule(rule.text("ID"), prefix, target, tuple(sorted(only))))
    return tuple(found)


def default_encryption(document: xml.Document) -> str:
    """What objects are encrypted with by default, in words."""
    for rule in document.all("Rule"):
        for default in rule.all("ApplyServerSideEncryptionByDefault"):
            bucket_key = "bucket key" if rule.text("BucketKeyEnabled") == "true" else ""
            return " ".join(filter(None, [default.text("SSEAlgorithm"), default.text("KMSMasterKeyID"), bucket_key]))
    return ""


def replicates_deletes(said: Mapping[str, str], *, filtered: bool) -> bool:
    """Whether a replication rule passes on what is deleted: where it says so, and always in the older form, which has
    no filter and says nothing of it (S3 User Guide, "Backward compatibility considerations")."""
    return "Enabled" in said.values() or (not filtered and not any(said.values()))


def bucket_of_arn(arn: str) -> str:
    """The bucket that a replication rule writes to."""
    return arn.rpartition(":::")[2]


def region_of(location: str) -> str:
    """The region that GetBucketLocation means: it has two names for older ones (API reference)."""
    return {"": "us-east-1", "EU": "eu-west-1"}.get(location, location)
