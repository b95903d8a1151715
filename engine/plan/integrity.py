"""What an ETag or a checksum can prove: forms, comparison and prediction. Pure.

An ETag is the MD5 of the bytes only for objects written in one piece with SSE-S3 or no encryption; `…-N` is the MD5
of the N parts' MD5s; with SSE-KMS or SSE-C it is neither (AWS, "Checking object integrity"; API reference, Object).
Two values are compared only where their forms are alike; anything else says nothing, and is never a mismatch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from engine.crc import CRC64NVME, PARAMETERS, combine, from_base64, to_base64
from engine.model import Checksum, Encryption, ObjectHead, OpaqueEtag, Proof, UploadedPart
from engine.plan.parts import MAX_PARTS

_PLAIN = re.compile(r"[0-9a-fA-F]{32}\Z")
_MULTIPART = re.compile(r"[0-9a-fA-F]{32}-([1-9][0-9]{0,4})\Z")

MD5_ENCRYPTIONS = frozenset({"", "AES256"})
"""Encryptions under which a plain ETag is an MD5. Empty: the server does not encrypt, or does not say."""


class Agreement(StrEnum):
    """What comparing two values said. UNKNOWN: their forms are not comparable, so it says nothing."""

    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class Evidence(NamedTuple):
    """A proof level and, in a few words, what it rests on."""

    proof: Proof
    compared: str


NOTHING = "d41d8cd98f00b204e9800998ecf8427e"
"""The MD5 of no bytes: the ETag of an empty object, and of none else. With "-N" it is the ETag of nothing at all, since
an upload's is the MD5 of N times sixteen bytes."""


OTHER_PARTS = Evidence(Proof.NONE, "etag of parts")
"""What says that two objects differ which are cut into the same parts."""


def is_plain(etag: str) -> bool:
    """Whether the ETag has the form of an MD5, and can be one."""
    return len(etag) == 32 and _PLAIN.match(etag) is not None and type(etag) is not OpaqueEtag


def parts_of(etag: str) -> int:
    """The N of a multipart ETag `…-N`; 0 for any other form, and for one that cannot be what it says."""
    if "-" not in etag or type(etag) is OpaqueEtag:
        return 0
    match = _MULTIPART.match(etag)
    return int(match.group(1)) if match else 0


def is_impossible(etag: str, size: int) -> bool:
    """Whether an object of `size` bytes certainly cannot have this ETag by S3's rules: that of nothing, in one piece or
    in parts (some gateways give each part the same one), or one of more parts than it has bytes."""
    if etag.startswith(NOTHING):
        return size > 0 or len(etag) > 32
    parts = parts_of(etag)
    if 0 < parts <= min(size, MAX_PARTS):
        return etag.lower() == _of_nothing(parts)
    return size >= 0 and parts > max(size, 1)


@lru_cache(maxsize=256)
def _of_nothing(parts: int) -> str:
    """The ETag of an upload of so many parts of no bytes."""
    return multipart_etag([NOTHING] * parts)


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags are one value: some servers, Alibaba's OSS for one, write MD5s in capitals. For what two
    servers say, or was counted here; in a condition an ETag is what its server said, to the letter."""
    return one == other or (one.lower() == other.lower() and (is_plain(one) or parts_of(one) > 0))


def compare_etags(source: str, target: str) -> Agreement:
    """Compare two ETags by form alone. A plain pair that differs is `DIFFERENT` here, but a mismatch of content only
    once both sides' encryption is known; `-N` pairs that differ may be one content in two layouts: `UNKNOWN`, and
    `differ_in_parts` is for who knows these."""
    if not source or not target:
        return Agreement.UNKNOWN
    if same_etag(source, target):
        opaque = type(target) is OpaqueEtag
        return Agreement.EQUAL if not opaque and (is_plain(source) or parts_of(source)) else Agreement.UNKNOWN
    if is_plain(source) and is_plain(target):
        return Agreement.DIFFERENT
    return Agreement.UNKNOWN


def compare_checksums(source: Iterable[Checksum], target: Iterable[Checksum]) -> tuple[Agreement, str]:
    """Compare checksums of the same algorithm and the same type; the second value names the one that decided.

    Composite checksums depend on the layout, so that only equal ones say something."""
    theirs = {(item.algorithm, item.type): item.value for item in target if item.value}
    for item in source:
        other = theirs.get((item.algorithm, item.type))
        if other is None or not item.value:
            continue
        if other == item.value:
            return Agreement.EQUAL, f"{item.algorithm} {item.type.lower().replace('_', ' ')}".strip()
        if item.type == "FULL_OBJECT":
            return Agreement.DIFFERENT, item.algorithm
    return Agreement.UNKNOWN, ""


Compares = Callable[[str], bool]
"""Whether a server is known to compare checksums of an algorithm with the bytes."""


def without_echoes(said: Iterable[Checksum], sent: Sequence[Checksum], compares: Compares) -> tuple[Checksum, ...]:
    """What a server says of an object, without what may be no more than what was said to it: checksums that are as they
    should be, where it is not known to compare them. One that is another says so all the same."""
    return tuple(item for item in said if item not in sent or compares(item.algorithm))


def full_object(checksums: Iterable[Checksum]) -> str:
    """The checksum of a whole object among these, as the ledger keeps it; empty where there is none."""
    return next((str(item) for item in checksums if item.type == "FULL_OBJECT"), "")


def multipart_etag(part_etags: Sequence[str]) -> str:
    """The ETag that S3 gives an upload of these parts: MD5 over the parts' MD5s, "-", their number.

    Empty where a part's ETag is no MD5 (encrypted), so that nothing can be predicted."""
    if not part_etags or not all(is_plain(etag) for etag in part_etags):
        return ""
    joined = b"".join(bytes.fromhex(etag) for etag in part_etags)
    return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(part_etags)}"


def predicted_etag(parts: Sequence[UploadedPart]) -> str:
    """`multipart_etag` of uploaded parts in order of their numbers."""
    return multipart_etag([part.etag for part in sorted(parts)])


def evidence_of_copy(
    *,
    source_etag: str,
    target_etag: str,
    target_encryption: str,
    source_checksums: Sequence[Checksum] = (),
    target_checksums: Sequence[Checksum] = (),
    source_is_md5: bool = True,
) -> tuple[Agreement, Evidence]:
    """What a copy's own answer proves, by the cheapest conclusive evidence.

    EQUAL carries `Proof.DIGEST`. DIFFERENT means that values of like form differ; for plain ETags the caller has
    still to make sure that the source's is an MD5. UNKNOWN carries `Proof.NONE` and why. `source_is_md5`: the source's
    ETag may be one, so that a checksum which agrees while both ETags differ proves nothing.
    """
    if (found := _by_checksums(source_checksums, target_checksums)) is not None:
        agreement, evidence = found
        are_md5s = source_is_md5 and target_encryption in MD5_ENCRYPTIONS
        differ = are_md5s and compare_etags(source_etag, target_etag) is Agreement.DIFFERENT
        if agreement is Agreement.EQUAL and differ:
            return Agreement.UNKNOWN, Evidence(Proof.NONE, _contradicted(evidence))
        return found
    if parts_of(source_etag):
        why = "etags of different layouts, no common checksum"
    elif target_encryption not in MD5_ENCRYPTIONS:
        return Agreement.UNKNOWN, Evidence(Proof.NONE, f"etag is no MD5 under {target_encryption}, no common checksum")
    else:
        why = OTHER_FORMS
    return _by_etags(source_etag, target_etag) or (Agreement.UNKNOWN, Evidence(Proof.NONE, why))


def _contradicted(evidence: Evidence) -> str:
    """Some servers hand back whatever checksum they were sent, and compute none; an MD5 that they computed shows it."""
    return f"etag, for all that {evidence.compared} agrees"


OTHER_FORMS = "etags of different forms, no common checksum"
ECHOED = "a checksum of it agrees, which its server was not seen to compare"


def evidence_of_heads(source: ObjectHead, target: ObjectHead, before: str = OTHER_FORMS) -> tuple[Agreement, Evidence]:
    """What a HEAD of each side proves, checksums included; `before` says why the copy's own answer did not.

    UNKNOWN carries `Proof.SIZE`: nothing of the two is comparable, and their lengths are equal."""
    if source.size != target.size:
        return Agreement.DIFFERENT, Evidence(Proof.NONE, "size")
    if not source.size:
        return Agreement.EQUAL, Evidence(Proof.DIGEST, "no bytes")
    found = _by_checksums(source.checksums, target.checksums)
    if is_md5(source.properties.encryption) and is_md5(target.properties.encryption):
        by_etags = _by_etags(source.etag, target.etag)
        if found is None:
            found = by_etags
        elif found[0] is Agreement.EQUAL and by_etags is not None and by_etags[0] is Agreement.DIFFERENT:
            return Agreement.DIFFERENT, Evidence(Proof.NONE, _contradicted(found[1]))
    return found or (Agreement.UNKNOWN, Evidence(Proof.SIZE, f"size: {before}"))


def evidence_told(
    source: ObjectHead, target: ObjectHead, compares: Compares, before: str = OTHER_FORMS
) -> tuple[Agreement, Evidence]:
    """The same of a target whose bytes others sent: its server may only repeat what was said of them."""
    told = without_echoes(target.checksums, source.checksums, compares)
    if len(told) < len(target.checksums):
        target, before = target._replace(checksums=told), ECHOED
    return evidence_of_heads(source, target, before)


def _by_checksums(source: Iterable[Checksum], target: Iterable[Checksum]) -> tuple[Agreement, Evidence] | None:
    """What two sides' checksums decide; None for nothing."""
    agreement, which = compare_checksums(source, target)
    if agreement is Agreement.UNKNOWN:
        return None
    return agreement, Evidence(Proof.DIGEST if agreement is Agreement.EQUAL else Proof.NONE, which)


def _by_etags(source: str, target: str) -> tuple[Agreement, Evidence] | None:
    """The same of ETags that are what their form says."""
    agreement = compare_etags(source, target)
    if agreement is Agreement.EQUAL:
        return agreement, Evidence(Proof.DIGEST, "etag of parts" if parts_of(source) else "etag")
    return (agreement, Evidence(Proof.NONE, "etag")) if agreement is Agreement.DIFFERENT else None


def differ_in_parts(source: ObjectHead, target: ObjectHead) -> bool:
    """Whether both ETags are of as many parts, and differ: a mismatch, where these are cut alike."""
    if not (is_md5(source.properties.encryption) and is_md5(target.properties.encryption)):
        return False
    return 0 < parts_of(source.etag) == parts_of(target.etag) and not same_etag(source.etag, target.etag)


def why_not_comparable(source: ObjectHead, target: ObjectHead) -> str:
    """Why the two sides' ETags say nothing of each other, where no checksum does either."""
    for head in (source, target):
        if not is_md5(head.properties.encryption) and head.properties.encryption is not None:
            return f"etags are no MD5s under {head.properties.encryption.algorithm}, no common checksum"
    both_parts = parts_of(source.etag) and parts_of(target.etag)
    return f"etags of different {'layouts' if both_parts else 'forms'}, no common checksum"


def is_md5(encryption: Encryption | None) -> bool:
    """Whether an object with this encryption has a plain ETag that is its MD5."""
    return (encryption.algorithm if encryption else "") in MD5_ENCRYPTIONS


def combined_checksum(wanted: Checksum, parts: Sequence[UploadedPart]) -> Checksum | None:
    """The full-object checksum by `wanted`'s algorithm, from those that S3 gave each part; None where one is missing.

    Parts in any order, each with its size."""
    pieces = [
        (part.size, next((item.value for item in part.checksums if item.algorithm == wanted.algorithm), ""))
        for part in sorted(parts)
    ]
    return joined_checksum(wanted.algorithm, pieces)


def joined_checksum(algorithm: str, pieces: Sequence[tuple[int, str]]) -> Checksum | None:
    """The checksum of a whole by those of its pieces in order, each with its length in bytes; None where one is
    missing."""
    if algorithm not in PARAMETERS or not pieces:
        return None
    whole: int | None = None
    for size, value in pieces:
        if not value or size < 0:
            return None
        try:
            number = from_base64(algorithm, value)
        except ValueError:
            return None
        whole = number if whole is None else combine(algorithm, whole, number, size)
    assert whole is not None
    return Checksum(algorithm, "FULL_OBJECT", to_base64(algorithm, whole))


def checksum_to_ask(checksums: Sequence[Checksum]) -> Checksum | None:
    """What an upload is to be created with, so that its target has a checksum like the source's: one of the whole
    object where the source has one that S3 can give an upload, else one of the parts, with no value to send ahead."""
    whole = [item for item in checksums if item.type == "FULL_OBJECT" and item.algorithm in PARAMETERS]
    if whole:
        return min(whole, key=lambda item: item.algorithm != CRC64NVME)
    return next((item._replace(value="") for item in checksums if item.type == "COMPOSITE"), None)
