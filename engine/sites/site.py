"""One side of a route: where its objects live, and all that is known of that place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from engine.bucket_facts import BucketFacts
from engine.model import FILE_SITE
from engine.plan.aws import partition_of
from engine.plan.integrity import MD5_ENCRYPTIONS
from engine.s3.session import Session
from engine.sites.clock import dating_clock
from engine.sites.known import KnownTraits
from engine.sites.pacing import PacedStore
from engine.store import AskBucket, ObjectStore

if TYPE_CHECKING:
    from engine.folder.store import FolderStore


class Gauges(NamedTuple):
    """What is known of the requests to a site: how many were sent, answers that said SlowDown, the rate, how many are
    in flight, how many wait until they may be sent, and how many of those in flight for a connection."""

    requests: int = 0
    throttled: int = 0
    rate_rps: float = 0.0
    in_flight: int = 0
    waiting: int = 0
    in_line: int = 0


@dataclass(frozen=True, slots=True)
class Site:
    """A place that a command has opened (`engine.sites.opening`). `store` has every decorator on, `known` is what the
    server does, bucket by bucket. `name` is empty for the plan's own connection; of local folders `folder` is
    the store, and there is neither `session` nor `pace`."""

    name: str
    endpoint: str
    store: ObjectStore
    known: KnownTraits
    gauges: Callable[[], Gauges] = Gauges
    session: Session | None = None
    folder: FolderStore | None = None
    pace: PacedStore | None = None
    _facts: dict[str, BucketFacts] = field(default_factory=dict, repr=False)

    async def facts(self, bucket: str, *, anew: bool = False) -> BucketFacts:
        """What is known of a bucket, asked once; `anew` for what a delete rests on. Raises what the store raises."""
        if anew or bucket not in self._facts:
            found = await self.store.bucket_facts(AskBucket(bucket))
            self._facts[bucket] = replace(found, site=self.name)
        return self._facts[bucket]

    def keeps_digests(self, bucket: str) -> bool:
        """Whether plain ETags are known to be MD5s there, as far as the bucket's default tells: it encrypts nothing, or
        by S3's own key. Of one that was not asked, or may not be, that is not known."""
        facts = self._facts.get(bucket)
        return facts is not None and facts.encryption is not None and facts.encryption.split(" ")[0] in MD5_ENCRYPTIONS

    async def clock(self, bucket: str) -> Callable[[], int] | None:
        """The server's clock, for what happens from now on; None where it sends no date. Raises as `facts`."""
        facts = await self.facts(bucket)
        return dating_clock(facts.date, facts.came_s)

    def server_ms(self, bucket: str) -> int:
        """What time it is by the server's clock, as far as its buckets were asked before, this one first; 0 where none
        of them told."""
        asked = [self._facts[bucket]] if bucket in self._facts else []
        for facts in (*asked, *self._facts.values()):
            if (clock := dating_clock(facts.date, facts.came_s)) is not None:
                return clock()
        return 0

    def reaches(self, other: Site) -> bool:
        """Whether the server could copy from there by itself: within one endpoint, or one partition of AWS, as far as
        its credentials may read there (`Sites.copies`)."""
        if FILE_SITE in (self.name, other.name):
            return False
        one_partition = self.is_aws and other.is_aws and partition_of(self.region) == partition_of(other.region)
        return self.endpoint == other.endpoint or one_partition

    @property
    def is_aws(self) -> bool:
        return self.session is not None and self.session.is_aws

    @property
    def region(self) -> str:
        return self.session.region if self.session is not None else ""
