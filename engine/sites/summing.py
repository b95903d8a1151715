"""Trying out whether a server holds what it is sent against its checksum, or takes any, and says it again.

What is right goes first: what a server does not know at all is found out by it, and left off.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from engine.checksums import checksum_of
from engine.crc import CRC64NVME
from engine.errors import AttemptError, ObjectError, Rejected, TooLate, Unsupported
from engine.freshness import now_s, only_until
from engine.model import Checksum, CopyResult, ObjectRef, Properties, UploadedPart, UploadRef
from engine.sites.attempts import Met, attempted
from engine.sites.own import ATTEMPTS
from engine.sites.traits import Answer
from engine.store import CompleteUpload, CreateUpload, ObjectStore, PutObject, UploadPart

MISMATCHES = ("BadDigest", "XAmzContentChecksumMismatch")
"""The codes by which a body is refused that is not what its checksum says."""

PROMPT_S = 0.2
"""For so long may such a body be sent, since it is taken to have been hurt on its way and sent again; the same request
went out a moment before, so that its connection is open."""

Making = Callable[[], Awaitable[CopyResult]]


class Make(Protocol):
    """Makes the object, and sees to it that it is removed again."""

    async def __call__(self, attempt: Making, times: int = ATTEMPTS) -> Met: ...


class Begin(Protocol):
    """Begins an upload, and sees to it that it is aborted."""

    async def __call__(self, request: CreateUpload) -> tuple[Met, UploadRef | None]: ...


async def try_sums(store: ObjectStore, ref: ObjectRef, body: bytes, make: Make, begin: Begin) -> dict[str, Answer]:
    """What the server does of checksums with `body`, at a name of our own, by the names of traits. Raises errors of
    scope `run`."""

    def put(checksum: Checksum | None, md5: str = "") -> Making:
        return lambda: store.put_object(PutObject(ref, body, checksum=checksum, content_md5=md5))

    other = body[::-1]
    right, wrong = (checksum_of("MD5", data) for data in (body, other))
    return {
        "put_sums": await _compares(make, put(_sum(body)), put(_sum(other))),
        "content_md5": await _compares(make, put(None, right), put(None, wrong)),
        "upload_sums": await _Uploads(store, ref, body, make, begin).compare(),
    }


class _Uploads:
    """Uploads with checksums, of one part, each begun as one in earnest is."""

    def __init__(self, store: ObjectStore, ref: ObjectRef, body: bytes, make: Make, begin: Begin) -> None:
        self._store = store
        self._body = body
        self._make = make
        self._begin = begin
        self._request = CreateUpload(ref, Properties(), CRC64NVME, "FULL_OBJECT")

    async def compare(self) -> Answer:
        """Whether both a part's checksum is compared and that of the whole."""
        begun, other = await self._begun(), self._body[::-1]
        if isinstance(begun, Answer):
            return begun
        met = await self._make(self._whole(*begun, self._body), 1)
        if met is not Met.DONE:
            return _unlike(met)
        begun = await self._begun()
        if isinstance(begun, Answer):
            return begun
        answer = await _refuses(lambda: self._store.upload_part(self._part(begun[0], other)))
        return await _refuses(self._whole(*begun, other)) if answer.holds else answer

    async def _begun(self) -> tuple[UploadRef, UploadedPart] | Answer:
        """An upload and its part; or what is known where they cannot be had."""
        met, upload = await self._begin(self._request)
        if upload is None:
            return _unlike(met)
        met, part = await attempted(lambda: self._store.upload_part(self._part(upload, self._body)))
        return (upload, part) if part is not None else _unlike(met)

    def _part(self, upload: UploadRef, data: bytes) -> UploadPart:
        """The body, with the checksum of `data`."""
        return UploadPart(upload, 1, self._body, checksum=_sum(data, ""))

    def _whole(self, upload: UploadRef, part: UploadedPart, data: bytes) -> Making:
        named = (part._replace(checksums=(_sum(self._body, ""),)),)
        return lambda: self._store.complete_upload(CompleteUpload(upload, named, checksum=_sum(data)))


async def _compares(make: Make, right: Making, wrong: Making) -> Answer:
    met = await make(right)
    return await _refuses(wrong) if met is Met.DONE else _unlike(met)


async def _refuses(wrong: Callable[[], Awaitable[object]]) -> Answer:
    """Whether a request is refused for its checksum, since the same one was taken with the right."""
    for _ in range(ATTEMPTS):
        try:
            await only_until(now_s() + PROMPT_S, wrong())
        except TooLate:
            continue
        except (AttemptError, ObjectError) as error:
            is_told = isinstance(error, (Rejected, Unsupported)) or error.code in MISMATCHES
            return Answer.YES if is_told else Answer.UNKNOWN
        return Answer.NO
    return Answer.UNKNOWN


def _unlike(right: Met) -> Answer:
    """What is known where what is right was not let through."""
    return Answer.REFUSED if right is Met.REFUSED else Answer.UNKNOWN


def _sum(data: bytes, kind: str = "FULL_OBJECT") -> Checksum:
    return Checksum(CRC64NVME, kind, checksum_of(CRC64NVME, data))
