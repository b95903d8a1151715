"""Checksums counted as the bytes pass by: one hasher for each algorithm that S3 keeps, window after window.

CRCs come from `engine.crc` (and so from a quick library, where there is one), digests from hashlib, which lets other
threads run meanwhile. CRC64NVME costs next to nothing (18 us for 256 KiB); MD5 costs more than all else that is done
with a byte.
"""

from __future__ import annotations

import base64
import hashlib

from engine import crc

DIGESTS = {"MD5": "md5", "SHA1": "sha1", "SHA256": "sha256", "SHA512": "sha512"}
"""S3's names for the algorithms that hashlib counts."""


class CrcHasher:
    """One of the three CRCs. `crc` is its number so far, for `crc.combine`."""

    __slots__ = ("_count", "algorithm", "crc", "length")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.length = 0
        self.crc = 0
        self._count = crc.engine_of(algorithm)

    def update(self, window: crc.Buffer) -> None:
        size = len(window)
        if size:
            self.crc = self._count(window, self.crc)
            self.length += size

    def value(self) -> str:
        return crc.to_base64(self.algorithm, self.crc)


class DigestHasher:
    """One of hashlib's."""

    __slots__ = ("_state", "algorithm", "length")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.length = 0
        # They find out damage here, and keep no secret.
        self._state = hashlib.new(DIGESTS[algorithm], usedforsecurity=False)

    def update(self, window: crc.Buffer) -> None:
        self._state.update(window)
        self.length += len(window)

    def value(self) -> str:
        return base64.b64encode(self._state.digest()).decode("ascii")


def is_known(algorithm: str) -> bool:
    """Whether this checksum can be counted here."""
    return algorithm in crc.PARAMETERS or algorithm in DIGESTS


Hasher = CrcHasher | DigestHasher
"""Counts one checksum; `length` is how many bytes it has had."""


def hasher(algorithm: str) -> Hasher:
    """A new hasher. Raises KeyError for an algorithm that is not known here."""
    return CrcHasher(algorithm) if algorithm in crc.PARAMETERS else DigestHasher(algorithm)


def checksum_of(algorithm: str, data: crc.Buffer) -> str:
    """The checksum of bytes that are all there, base64. Raises KeyError for an algorithm that is not known here."""
    counted = hasher(algorithm)
    counted.update(data)
    return counted.value()
