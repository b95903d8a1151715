"""What a server does of S3's conditions, in one bucket: values and sentences. Pure.

Each trait is judged by itself, and has three values: yes, no and not known. A no is of two kinds: a condition that is
ignored harms nobody who sends it, one that is refused must be left out. What is not known is treated as a no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, NamedTuple


class Answer(StrEnum):
    """One trait. Only YES lets anything be claimed."""

    YES = "yes"
    NO = "no"  # ignored: the server answers as if nothing had been asked
    REFUSED = "refused"  # 501, 400 and the like, or 412 to what holds: nothing can be done with the condition
    UNKNOWN = "not known"

    @property
    def holds(self) -> bool:
        return self is Answer.YES


@dataclass(frozen=True, slots=True)
class Traits:
    """What the server does in one bucket.

    `copy_pins`, `copy_pins_parts`: CopyObject with x-amz-copy-source-if-match of a plain object's ETag, of a multipart
    one's; `part_pins`, `part_pins_parts`: the same of UploadPartCopy. `copy_if_absent`, `copy_if_match`: CopyObject
    with If-None-Match and If-Match; `complete_guarded`: CompleteMultipartUpload with If-None-Match. `put_if_absent`,
    `put_if_match`: PutObject. `delete_if_match`, `batch_if_match`: DeleteObject with If-Match, DeleteObjects with
    ETags. `checksums`: a copy that is asked for a checksum gives one. `put_sums`, `upload_sums`: PutObject, and
    UploadPart and CompleteMultipartUpload, refuse a CRC64NVME that is not the bytes'; `content_md5`: PutObject refuses
    such a Content-MD5. `listing`: pages asked for with encoding-type=url show the very keys, and go on where they left
    off; `listing_plain`: without it they do. `listing_ordered`: keys come in the order of their UTF-8 bytes."""

    copy_pins: Answer = Answer.UNKNOWN
    copy_pins_parts: Answer = Answer.UNKNOWN
    part_pins: Answer = Answer.UNKNOWN
    part_pins_parts: Answer = Answer.UNKNOWN
    copy_if_absent: Answer = Answer.UNKNOWN
    copy_if_match: Answer = Answer.UNKNOWN
    complete_guarded: Answer = Answer.UNKNOWN
    put_if_absent: Answer = Answer.UNKNOWN
    put_if_match: Answer = Answer.UNKNOWN
    delete_if_match: Answer = Answer.UNKNOWN
    batch_if_match: Answer = Answer.UNKNOWN
    checksums: Answer = Answer.UNKNOWN
    put_sums: Answer = Answer.UNKNOWN
    upload_sums: Answer = Answer.UNKNOWN
    content_md5: Answer = Answer.UNKNOWN
    listing: Answer = Answer.UNKNOWN
    listing_plain: Answer = Answer.UNKNOWN
    listing_ordered: Answer = Answer.UNKNOWN

    def knows(self, names: Iterable[str]) -> bool:
        """Whether all of these are known, be it as a no."""
        return all(getattr(self, name) is not Answer.UNKNOWN for name in names)

    @property
    def compares_sums(self) -> bool:
        """Whether what the server says of a CRC64NVME that it was sent is its own word: some repeat what they get."""
        return self.put_sums.holds and self.upload_sums.holds

    @property
    def loses_keys(self) -> bool:
        """Whether nothing that is listed, in whatever way, is known to be all."""
        return self.listing_ordered is Answer.NO or (self.listing is Answer.NO and self.listing_plain is Answer.NO)

    def as_note(self) -> dict[str, str]:
        return {name: str(answer) for name, answer in asdict(self).items()}


ALL = tuple(item.name for item in fields(Traits))
AWS = Traits(**dict.fromkeys(ALL, Answer.YES))
"""What AWS's general-purpose buckets do (API reference, "Conditional requests"; ListObjectsV2)."""

NOTHING_KNOWN = Traits()


def from_note(note: Any) -> Traits:
    """Read back what `as_note` gave; what it does not say, or says in words of another version, is not known."""
    known = {str(answer): answer for answer in Answer}
    said: Mapping[str, Any] = note if isinstance(note, dict) else {}
    return Traits(**{name: known.get(str(said.get(name)), Answer.UNKNOWN) for name in ALL})


_OLDER = {
    "source_pinned": "copy_pins",
    "target_guarded": "copy_if_absent",
    "delete_conditional": "delete_if_match",
    "delete_batch_conditional": "batch_if_match",
    "checksums": "checksums",
    "put_conditional": "put_if_match",
}


def from_older_note(note: Any) -> Traits:
    """Read a note of the time when a trait was true, false or null, and all of them were one bucket's. Its listing is
    tried anew: more is asked of one now."""
    said: Mapping[str, Any] = note if isinstance(note, dict) else {}
    meant: dict[Any, Answer] = {True: Answer.YES, False: Answer.NO}
    found = {name: meant.get(said.get(older), Answer.UNKNOWN) for older, name in _OLDER.items()}
    if said.get("target_unsupported"):
        found["copy_if_absent"] = Answer.REFUSED
    return Traits(**found)


class _Promise(NamedTuple):
    """What rests on some traits, each with the words for it, and what becomes of it without them."""

    words: dict[str, str]
    otherwise: str


_PROMISES = (
    _Promise(
        {
            "copy_pins": "copy-source-if-match on a copy",
            "copy_pins_parts": "copy-source-if-match on a copy of a multipart object",
            "part_pins": "copy-source-if-match on a copied part",
            "part_pins_parts": "copy-source-if-match on a copied part of a multipart object",
        },
        "the sources of what is copied without it are listed again after the copies, which finds what has changed",
    ),
    _Promise(
        {
            "copy_if_absent": "If-None-Match on a copy",
            "copy_if_match": "If-Match on a copy",
            "complete_guarded": "conditions on the end of an upload",
        },
        "a target that someone else writes between look and copy is overwritten",
    ),
    _Promise(
        {"put_if_match": "If-Match on a write"},
        "rewrite and manifest refuse to write to it unless they are told --no-conditional-writes",
    ),
    _Promise(
        {"put_if_absent": "If-None-Match on a write"}, "nobody can be kept from writing an object at the same moment"
    ),
    _Promise({"checksums": "checksums of a copy"}, "proof rests on ETags, or on reading the bytes"),
    _Promise(
        {"put_sums": "a wrong checksum of a body", "upload_sums": "wrong checksums of an upload"},
        "what is sent there is proven by its MD5, where that is the ETag, and else by size alone",
    ),
    _Promise({"content_md5": "a wrong Content-MD5"}, "what is hurt on its way there is found out once it is written"),
)

WORDS = {name: words for promise in _PROMISES for name, words in promise.words.items()}
"""A trait that something is asked by, in words."""

VERBS = {Answer.NO: "ignores", Answer.REFUSED: "refuses", Answer.UNKNOWN: "could not be tried for"}
"""What a server that does not hold a trait does with what it is asked by."""


PINS = tuple(_PROMISES[0].words)
"""What a bucket has to do for those who only read it."""


def pin_sentences(traits: Traits) -> list[str]:
    """`sentences`, of a bucket that is only read."""
    return [line] if (line := _broken(traits, _PROMISES[0])) else []


def sentences(traits: Traits) -> list[str]:
    """What the engine promises less of on this server, a sentence each; empty where it keeps all."""
    lines = [line for promise in _PROMISES if (line := _broken(traits, promise))]
    if not (traits.batch_if_match.holds or traits.delete_if_match.holds):
        known = Answer.UNKNOWN not in (traits.batch_if_match, traits.delete_if_match)
        said = "the server cannot delete by ETag" if known else "whether the server deletes by ETag is not known"
        lines.append(f"{said}: sources and copies are deleted only with --unconditional")
    elif not traits.batch_if_match.holds:
        lines.append("the server deletes by ETag one object at a time: deleting takes a request an object")
    if traits.listing_ordered is Answer.NO:
        lines.append("the server lists keys in another order than that of their UTF-8 bytes: it cannot be used")
    elif traits.listing is Answer.NO:
        lines.append(
            "the server shows some special keys wrongly, or leaves them out of the second page of a listing: it is "
            "listed without encoding, and a key that XML cannot carry stops the run"
        )
    elif Answer.UNKNOWN in (traits.listing, traits.listing_ordered):
        lines.append("whether the server lists every key is not known: pages are asked for in two ways, and compared")
    return lines


def _broken(traits: Traits, promise: _Promise) -> str:
    """The sentence of a promise that is not kept in full, or nothing."""
    by_answer: dict[Answer, list[str]] = {}
    for name, words in promise.words.items():
        answer = getattr(traits, name)
        if not answer.holds:
            by_answer.setdefault(answer, []).append(words)
    if not by_answer:
        return ""
    said = ", ".join(f"{VERBS[answer]} {' and '.join(words)}" for answer, words in sorted(by_answer.items()))
    return f"the server {said}: {promise.otherwise}"
