"""What is known of a bucket: what it is set to, whose it is, and what its server's clock says."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model import LifecycleRule, ReplicationRule, bucket_name


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What is known of a bucket. `versioning` is "", "Enabled" or "Suspended"; None where it is not known, like
    `lifecycle`, `replication` and `encryption`. `replication` are the rules that pass on deletes. `owner_id` is the
    bucket owner's canonical id, empty where it cannot be known. `encryption` is what objects get by default, in words
    ("aws:kms", key, "bucket key"). `causes` says of a setting why it is not known, or how the server said that it has
    no such thing. `date` is the server's clock; when it came, this machine's calendar said `date_s` (seconds since the
    epoch), and its running clock `came_s`. `site` is that of the plan that it was asked on."""

    bucket: str
    region: str
    owner_id: str = ""
    versioning: str | None = ""
    lifecycle: tuple[LifecycleRule, ...] | None = ()
    date: str = ""
    server: str = ""
    encryption: str | None = ""
    causes: tuple[tuple[str, str], ...] = ()
    date_s: float = 0.0
    came_s: float = 0.0
    replication: tuple[ReplicationRule, ...] | None = ()
    site: str = ""

    @property
    def name(self) -> str:
        """As `Location.bucket_name`."""
        return bucket_name(self.bucket, self.site)

    def cause(self, setting: str) -> str:
        """Why a setting ("lifecycle", "replication", "versioning", "encryption") is not known; empty where nothing is
        to be said."""
        return dict(self.causes).get(setting, "")
