"""What a body is sent with for the target's server to compare: a checksum, or Content-MD5 where it does not know those.

AWS knows CRC64NVME. What another server knows shows in its first answer: it names the checksum that it compared, or
refuses the header, or says nothing, which is taken for not having looked. Until then a body is sent with both; and so
it is for as long as the server was not seen to refuse a wrong one, since what it names may be what it was sent.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from engine.checksums import Hasher, is_known
from engine.errors import Rejected, Unsupported
from engine.events import Listener, Notice
from engine.model import Checksum
from engine.plan.integrity import Compares, joined_checksum
from engine.plan.parts import PartRange
from engine.sites.known import KnownTraits
from engine.sites.tolerating import REFUSALS
from engine.sites.traits import Answer

MD5 = "MD5"

WITHOUT = "the server of {} takes no {} with a body: what is sent there is held against its MD5 instead"


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


def joined(algorithm: str, pieces: Iterable[tuple[PartRange, Counted]]) -> Checksum | None:
    """The checksum of a whole by those of its pieces in order; None where they do not make it up."""
    values = [(part.size, sums.values.get(algorithm, "")) for part, sums in pieces]
    if len(values) == 1:
        return Checksum(algorithm, "FULL_OBJECT", values[0][1]) if values[0][1] else None
    return joined_checksum(algorithm, values)


class Sums:
    """What the buckets of the target's site are known to compare, for one run."""

    def __init__(self, known: KnownTraits, listener: Listener) -> None:
        self._known = known
        self._listener = listener
        self._takes: dict[str, bool] = {}

    def takes(self, bucket: str) -> bool | None:
        """Whether the server compares checksums; None where that is not known yet."""
        if self._known.trusted:
            return True
        if bucket not in self._takes and self._known.known(bucket).checksums is Answer.REFUSED:
            self._takes[bucket] = False
        return self._takes.get(bucket)

    def algorithms(self, bucket: str, algorithm: str) -> tuple[str, ...]:
        """What has to be counted of a body for this bucket, where `algorithm` is the checksum that would be sent."""
        takes = self.takes(bucket)
        if takes is False:
            return (MD5,)
        return (algorithm,) if takes and self.compares(bucket)(algorithm) else (algorithm, MD5)

    def compares(self, bucket: str) -> Compares:
        """Whether what the server says of a checksum by an algorithm is its own word."""
        return partial(self._known.compares, bucket)

    def answered(self, bucket: str, algorithm: str, given: Sequence[Checksum]) -> None:
        """A body that was sent with a checksum was taken, with these in the answer."""
        if self.takes(bucket) is None:
            self._learn(bucket, algorithm, any(item.algorithm == algorithm for item in given))

    def refused(self, bucket: str, algorithm: str) -> None:
        """A body was taken without its checksum, and not with it."""
        self._learn(bucket, algorithm, False)

    def may_be_why(self, bucket: str, error: Rejected | Unsupported) -> bool:
        """Whether a refusal may be for the checksum."""
        return self.takes(bucket) is None and (isinstance(error, Unsupported) or error.code in REFUSALS)

    def _learn(self, bucket: str, algorithm: str, takes: bool) -> None:
        self._takes[bucket] = takes
        if not takes:
            self._listener(Notice("ChecksumsUnknown", WITHOUT.format(bucket, algorithm)))
