"""What this server honours: tried once a ledger and endpoint, on a small object of the engine's own.

S3-compatible servers differ, and some answer 200 while they ignore a condition. A condition that must fail is tried
here, so that nothing is promised that the server does not keep. AWS honours all of it (`Honours.aws`).
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import anyio

from engine.errors import (
    AttemptError,
    EngineError,
    ListingBroken,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Unsupported,
)
from engine.model import ABSENT, CopyResult, Location, ObjectRef, Page
from engine.store import (
    CopyObject,
    DeleteObject,
    DeleteObjects,
    HeadObject,
    ListPage,
    ObjectStore,
    PutObject,
    StoreDecorator,
)

Request = TypeVar("Request")
Answer = TypeVar("Answer")

WRONG_ETAG = "0" * 32
NAME = ".cartage-probe-"

TRIALS = 3
"""How often a listing has to lose one of our own objects before it is called one that does."""

ATTEMPTS = 5
"""How often an object of our own is made, or removed, while its outcome is not known."""


@dataclass(frozen=True, slots=True)
class Honours:
    """True: tried, and the server does what S3 does. False: tried, and it does not. None: could not be tried.

    `target_unsupported`: the condition on a copy's target is not ignored but answered by 501. `listing_continues`: a
    listing goes on where it left off, also among special keys; `listing_plain`: where it does not, it does without
    encoding-type=url. `put_conditional`: a PutObject with the wrong If-Match is refused."""

    source_pinned: bool | None = None
    target_guarded: bool | None = None
    delete_conditional: bool | None = None
    delete_batch_conditional: bool | None = None
    checksums: bool | None = None
    target_unsupported: bool | None = None
    listing_continues: bool | None = None
    listing_plain: bool | None = None
    put_conditional: bool | None = None

    @classmethod
    def aws(cls) -> Honours:
        """What AWS's general-purpose buckets do (API reference, conditional requests)."""
        return cls(True, True, True, True, True, False, True, None, True)

    @classmethod
    def from_note(cls, note: Any) -> Honours | None:
        """Read back what `as_note` gave; None where there is nothing."""
        return cls(**note) if isinstance(note, dict) else None

    def as_note(self) -> dict[str, bool | None]:
        return asdict(self)

    def sentences(self) -> list[str]:
        """What the engine promises less of on this server, a sentence each; empty where it keeps all."""
        lines = []
        if self.source_pinned is False:
            lines.append(
                "the server ignores copy-source-if-match: a source that changes before its copy is found by listing "
                "the sources again after the copies"
            )
        if self.target_guarded is False:
            does = "refuses (501)" if self.target_unsupported else "ignores"
            lines.append(
                f"the server {does} If-None-Match on a copy: a target that appears between look and copy is overwritten"
            )
        if self.delete_conditional is False or self.delete_batch_conditional is False:
            lines.append("the server cannot delete by ETag: cleanup refuses unless it is told --unconditional")
        if self.listing_continues is False and self.listing_plain:
            lines.append(
                "the server leaves special keys out of the second page of a listing (it compares them encoded): it is "
                "listed without encoding, and a key that XML cannot carry stops the run"
            )
        if self.put_conditional is False:
            lines.append(
                "the server ignores If-Match on a write: rewrite and manifest refuse to write to it unless they are "
                "told --no-conditional-writes"
            )
        if self.checksums is False:
            lines.append("the server gives no checksum for a copy: proof rests on ETags, or on reading the bytes")
        return lines


def probe_at(where: Location) -> ObjectRef:
    """A new name for an object of our own under `where`."""
    folder = where.key if where.is_prefix else where.key.rpartition("/")[0] + "/"
    return ObjectRef(where.bucket, folder.lstrip("/") + NAME + secrets.token_hex(8))


async def try_out(store: ObjectStore, where: Location, probe: ObjectRef | None = None) -> Honours:
    """Try each condition on an object of our own under `where`, and remove it. Writes up to three small objects;
    whoever wants to find them after a crash chooses the name of the first (`probe_at`, `remove_probe`).

    Raises errors of scope `run`; what may not be tried (AccessDenied) is None."""
    one = probe or probe_at(where)
    two, three = _beside(one)
    try:
        etag = (await _made(lambda: store.put_object(PutObject(one, b"cartage")))).etag
    except (ObjectError, AttemptError):
        return Honours()
    try:
        pinned = await _refused(lambda: store.copy_object(CopyObject(one, two, WRONG_ETAG)))
        copied = await _made(lambda: store.copy_object(CopyObject(one, two, etag, checksum_algorithm="CRC64NVME")))
        guarded, unsupported = await _guarded(store, CopyObject(one, two, etag, ABSENT))
        await _made(lambda: store.put_object(PutObject(three, b"cartage")))
        keys = [ref.key for ref in (one, two, three)]
        continues = await _listing_continues(store, one.bucket, keys)
        plain = await _listing_continues(PlainListings(store), one.bucket, keys) if continues is False else None
        written = await _refused(lambda: store.put_object(PutObject(three, b"", target_condition=WRONG_ETAG)))
        single = await _refused(lambda: store.delete_object(DeleteObject(two, WRONG_ETAG)))
        batch = await _batch_refused(store, one)
        return Honours(pinned, guarded, single, batch, bool(copied.checksums), unsupported, continues, plain, written)
    except (ObjectError, AttemptError):
        return Honours()
    finally:
        await remove_probe(store, one)


async def _made(attempt: Callable[[], Awaitable[CopyResult]]) -> CopyResult:
    """An object of our own, made again where it is not known whether it was: nobody else knows its name."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except AttemptError:
            continue
    return await attempt()


async def _refused(attempt: Callable[[], Awaitable[object]]) -> bool | None:
    """Whether a request that must fail its condition did fail it. 501 is an honest no."""
    try:
        await attempt()
    except PreconditionFailed:
        return True
    except (Unsupported, NotFound):
        return False
    except (ObjectError, AttemptError):
        return None
    return False


async def _guarded(store: ObjectStore, copy: CopyObject) -> tuple[bool | None, bool | None]:
    """Whether a copy over a target that must be absent was refused, and whether by 501, which is no condition."""
    try:
        await store.copy_object(copy)
    except PreconditionFailed:
        return True, False
    except Unsupported:
        return False, True
    except (ObjectError, AttemptError):
        return None, None
    return False, False


async def _batch_refused(store: ObjectStore, ref: ObjectRef) -> bool | None:
    """Whether DeleteObjects with a wrong ETag leaves the object; its answer is not believed."""
    try:
        await store.delete_objects(DeleteObjects(ref.bucket, ((ref.key, WRONG_ETAG),)))
    except Unsupported:
        return False
    except (ObjectError, AttemptError):
        return None
    try:
        await store.head_object(HeadObject(ref))
    except NotFound:
        return False
    return True


async def _listing_continues(store: ObjectStore, bucket: str, keys: list[str]) -> bool | None:
    """Whether our own objects, which one page shows in order, are all met again page by page, and after one of them. A
    no is asked for anew: one page that came wrong is no server's habit.

    LocalStack 4.9 compares encoded keys with what to go on after: special keys are lost without a word."""
    for _ in range(TRIALS):
        answer = await _goes_on(store, ListPage(bucket, keys[0]), keys)
        if answer is not False:
            return answer
    return False


async def _goes_on(store: ObjectStore, page: ListPage, keys: list[str]) -> bool | None:
    try:
        if [item.key for item in (await store.list_page(page)).objects] != keys:
            return None
        met: list[str] = []
        token: str | None = None
        for _ in keys:
            answer = await store.list_page(page._replace(token=token, max_keys=1))
            met += [item.key for item in answer.objects]
            if answer.next_token is not None and answer.next_token == token:
                return None  # a listing that is broken, and no habit of losing keys
            token = answer.next_token
            if token is None:
                break
        after = await store.list_page(page._replace(start_after=keys[1]))
    except (ObjectError, AttemptError, ListingBroken):
        return None
    return met == keys and [item.key for item in after.objects] == keys[2:]


class PlainListings(StoreDecorator):
    """A store that lists without encoding-type=url."""

    async def _call(self, operation: str, method: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        return await method(request)

    async def list_page(self, request: ListPage) -> Page:
        return await super().list_page(request._replace(plain=True))


def as_listed(store: ObjectStore, honours: Honours | None) -> ObjectStore:
    """`store`, listing in the way in which this server loses nothing, as far as there is one."""
    plain = honours is not None and honours.listing_continues is False and honours.listing_plain
    return PlainListings(store) if plain else store


def refuse_losing(honours: Honours) -> None:
    """Raise `ListingBroken` for a server that loses keys however it is listed."""
    if honours.listing_continues is False and not honours.listing_plain:
        raise ListingBroken(
            "this server leaves keys out of the second page of a listing, as a trial with three objects shows: nothing "
            "that it lists is known to be all.",
            operation="ListObjectsV2",
            code="ListingBroken",
            advice="Use another server, or a newer version of it.",
        )


def _beside(probe: ObjectRef) -> tuple[ObjectRef, ObjectRef]:
    return ObjectRef(probe.bucket, probe.key + "-copy"), ObjectRef(probe.bucket, probe.key + "-ü")


async def remove_probe(store: ObjectStore, probe: ObjectRef) -> bool:
    """Remove what `try_out` made; whether S3 has confirmed it. No one else's object bears these names."""
    return all([await _remove(store, ref) for ref in (probe, *_beside(probe))])


async def _remove(store: ObjectStore, ref: ObjectRef) -> bool:
    for attempt in range(ATTEMPTS):
        try:
            await store.delete_object(DeleteObject(ref))
            return True
        except NotFound:
            return True
        except AttemptError:
            await anyio.sleep(0.1 * 2**attempt)  # the retry layer sends no delete again that carries no ETag
        except ObjectError:
            continue
        except EngineError:
            return False
    return False  # seven bytes under a name that says whose they are
