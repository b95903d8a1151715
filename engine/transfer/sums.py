"""What a body is sent with for the target's server to compare: a checksum, or Content-MD5 where it does not know those.

AWS knows CRC64NVME. Another server counts as knowing it once it was seen to refuse a wrong one (`sites.trial`): some
take any, and hand it back. Else a body's MD5 is counted here, and held against the ETag that comes back.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from engine.checksums import Hasher, is_known
from engine.model import Checksum
from engine.sites.known import KnownTraits

MD5 = "MD5"


class Counted(NamedTuple):
    """The checksums of bytes that passed, base64 by algorithm."""

    values: Mapping[str, str]

    def as_checksum(self, algorithm: str, kind: str = "FULL_OBJECT") -> Checksum | None:
        value = self.values.get(algorithm, "")
        return Checksum(algorithm, kind, value) if value else None

    @property
    def content_md5(self) -> str:
        return self.values.get(MD5, "")

    @property
    def md5(self) -> str:
        """Their MD5 in hex, as an ETag has it; empty where it was not counted."""
        return base64.b64decode(self.content_md5).hex()


def counted(hashers: Sequence[Hasher]) -> Counted:
    """What hashers have counted."""
    return Counted({it.algorithm: it.value() for it in hashers})


def countable(checksums: Iterable[Checksum]) -> Checksum | None:
    """The first of a whole object that can be counted here; None where there is none."""
    return next((it for it in checksums if it.type == "FULL_OBJECT" and is_known(it.algorithm)), None)


class Sums:
    """Which checksums go with what is sent to the buckets of one site."""

    def __init__(self, known: KnownTraits) -> None:
        self._known = known

    def takes(self, bucket: str) -> bool:
        """Whether the server is known to compare them: one that hands back what it was sent proves nothing by it."""
        return self._known.known(bucket).body_checksums.holds

    def algorithms(self, bucket: str, algorithm: str) -> tuple[str, ...]:
        """What has to be counted of a body for this bucket, where `algorithm` is the checksum that would be sent."""
        return (algorithm,) if self.takes(bucket) else (MD5,)
