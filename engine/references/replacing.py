"""One small object rewritten in place, and put back: the manifest and the references both write this way.

What was there is kept before anything is written, with a mark of what is written over it. Putting it back asks for
that mark: a file that someone changed since is theirs, and stays.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from pathlib import Path

import anyio
import anyio.to_thread

from engine.checksums import checksum_of
from engine.errors import (
    AccessDenied,
    Ambiguous,
    Conflict,
    EngineError,
    NotFound,
    ObjectError,
    PreconditionFailed,
    StoreError,
    Throttled,
    TooLate,
    Unavailable,
    Unsupported,
)
from engine.freshness import LOOK_LASTS_S, Dated, dated, only_until
from engine.ledger import Ledger
from engine.model import Acl, ListedObject, ObjectRef, Properties
from engine.store import Body, GetAcl, GetRange, HeadObject, ObjectStore, PutObject
from engine.transfer.properties import source_properties, tags_of, with_lock

LOOKS = 8
"""How often an object is looked at to be written over before S3 counts as too slow for it."""
BASE_S = 0.1
"""What is waited before the next look, twice as long each time: on average a quarter of a minute in all."""


class Restored(StrEnum):
    """What putting one file back came to."""

    BACK = "put back"
    REMOVED = "removed, as it was not there before"
    PARTLY = "put back as far as nobody else changed it: not to what it was at first"
    ALREADY = "already as it was"
    CHANGED = "changed since, left alone"
    GONE = "no longer there, left alone"
    REFUSED = "cannot be read or written, left alone"


class ReplaceRefused(EngineError):
    """A file was not written: it changed since it was read, or something that it carries would be lost."""


def mark_of(body: bytes) -> str:
    """What is kept to know our own writing again: independent of S3's encryption, unlike an ETag."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def ref_of(name: str) -> ObjectRef | None:
    """The object that "s3://bucket/key" names; None for a local path."""
    if not name.startswith("s3://"):
        return None
    bucket, _, key = name[5:].partition("/")
    return ObjectRef(bucket, key)


async def read_listed(store: ObjectStore, ref: ObjectRef, item: ListedObject | None, limit_bytes: int) -> Body | None:
    """An object pinned to what a listing said of it; to a look, where none did or it was written since. For a success
    may hold an error, or a gateway's page. None where it is larger than `limit_bytes` now."""
    if item is not None:
        try:
            return await store.get_range(GetRange(ref, if_match=item.etag or None, size=item.size))
        except PreconditionFailed:
            pass
    head = await store.head_object(HeadObject(ref))
    if head.size > limit_bytes:
        return None
    return await store.get_range(GetRange(ref, if_match=head.etag, size=head.size))


async def replace_object(
    store: ObjectStore,
    ledger: Ledger,
    kind: str,
    ref: ObjectRef,
    *,
    etag: str,
    before: bytes,
    after: bytes,
    conditional: bool = True,
) -> str:
    """Write `after` over the object if it still bears `etag`, with everything else that it carries; returns the new
    ETag. `before` is kept first. Not `conditional`: its ETag is only looked at right before.

    Raises ReplaceRefused where it changed since, where its tags, its lock or its ACL cannot be read, or its ACL not
    written again, and would be lost, or where the server cannot write conditionally."""
    carried = await dated(_carried(store, ref, etag))  # first: what cannot be written is not kept either
    async with keeping(ledger, kind, str(ref), before, after):
        return await _write(store, ref, etag, after, carried, conditional)


@asynccontextmanager
async def keeping(
    ledger: Ledger, kind: str, name: str, before: bytes, after: bytes, path: Path | None = None
) -> AsyncIterator[None]:
    """Keep `before` while `after` is written over it, and from then on. Where that is refused for certain it is kept no
    longer: going back would end at it, though nothing was written there. At a `path` the file itself tells."""
    await ledger.keep(kind, name, mark_of(after), before)
    try:
        yield
    except (ReplaceRefused, AccessDenied):
        if path is None or not await anyio.to_thread.run_sync(_may_hold, path, after):
            await ledger.forget_kept(kind, name)
        raise


def _may_hold(path: Path, body: bytes) -> bool:
    try:
        return path.read_bytes() == body
    except FileNotFoundError:
        return False
    except OSError:
        return True


async def restore_object(
    store: ObjectStore, ref: ObjectRef, *, mark: str, before: bytes, conditional: bool = True
) -> Restored:
    """Put `before` back if the object is still what bears `mark`."""
    try:
        body = await store.get_range(GetRange(ref))
    except NotFound:
        return Restored.GONE
    if body.data == before:
        return Restored.ALREADY
    if mark_of(body.data) != mark:
        return Restored.CHANGED
    try:
        carried = await dated(_carried(store, ref, body.etag))
        await _write(store, ref, body.etag, before, carried, conditional)
    except ChangedSince:
        return Restored.CHANGED
    return Restored.BACK


class ChangedSince(ReplaceRefused):
    """Someone else wrote it meanwhile."""


def _changed(ref: ObjectRef) -> ChangedSince:
    return ChangedSince(
        f"{ref} changed since it was read; nothing was written to it", advice="Run the command again to see it anew."
    )


async def _carried(store: ObjectStore, ref: ObjectRef, etag: str) -> Properties:
    """What a PutObject has to send again, since it inherits nothing from what it replaces."""
    try:
        head = await store.head_object(HeadObject(ref))
    except NotFound:
        raise _changed(ref) from None
    if head.etag != etag:
        raise _changed(ref)
    try:
        properties = source_properties(await with_lock(store, ref, head))
    except NotFound:
        raise _changed(ref) from None
    except AccessDenied:
        raise ReplaceRefused(
            f"{ref} was not written: whether it is locked cannot be read, and writing it would lose its lock",
            advice="Allow s3:GetObjectRetention and s3:GetObjectLegalHold on it, or change the file by hand.",
        ) from None
    if properties.tags is None and head.tag_count != 0:
        # No count means none, or no permission to see them: only asking tells (API reference, HeadObject).
        try:
            tags = await tags_of(store, ref, head.tag_count)
        except Unsupported:
            tags = ()
        except AccessDenied:
            raise ReplaceRefused(
                f"{ref} was not written: its tags cannot be read, and writing it would lose them",
                advice="Allow s3:GetObjectTagging on it, or change the file by hand.",
            ) from None
        properties = properties._replace(tags=tags)
    return properties._replace(acl=await _acl(store, ref))


async def _acl(store: ObjectStore, ref: ObjectRef) -> Acl | None:
    """The ACL that it has, which a PutObject sets anew; None for its owner alone."""
    try:
        acl = await store.get_acl(GetAcl(ref))
    except NotFound:
        raise _changed(ref) from None
    except AccessDenied:
        raise ReplaceRefused(
            f"{ref} was not written: its ACL cannot be read, and writing it would make it private",
            advice="Allow s3:GetObjectAcl on it, or change the file by hand.",
        ) from None
    except Unsupported:
        return None  # a server without ACLs has none to lose
    return None if acl.is_private else acl


async def _write(
    store: ObjectStore, ref: ObjectRef, etag: str, body: bytes, carried: Dated[Properties], conditional: bool
) -> str:
    """Write while what the object carries, and without a condition its ETag too, was looked at a moment ago; where S3
    is too slow for that, look again."""
    for attempt in range(1, LOOKS + 1):
        try:
            return await _write_now(store, ref, etag, body, carried, conditional)
        except (TooLate, Throttled, Unavailable) as error:  # certainly not written
            if attempt == LOOKS:
                raise _too_slow(ref, error) from error
        await anyio.sleep(random.uniform(0, BASE_S * 2**attempt))
        carried = await dated(_carried(store, ref, etag))
    raise AssertionError("unreachable")


async def _write_now(
    store: ObjectStore, ref: ObjectRef, etag: str, body: bytes, carried: Dated[Properties], conditional: bool
) -> str:
    properties = carried.answer
    try:
        condition = etag if conditional else None
        # S3 takes an object with a lock, or in a bucket that locks by default, with a checksum only.
        md5 = checksum_of("MD5", body)
        putting = store.put_object(PutObject(ref, body, properties, target_condition=condition, content_md5=md5))
        # With a condition S3 judges once it has all of the body; a long one on a slow line may take its time.
        result = await only_until(carried.sent_at + LOOK_LASTS_S, putting, whole=not conditional)
        if result.etag:
            return result.etag
        failure: StoreError = Ambiguous("the answer had no ETag", operation="PutObject", ref=str(ref))
    except (Ambiguous, PreconditionFailed, Conflict) as error:
        failure = error
    except Unsupported:
        raise _unconditional(ref) from None
    except AccessDenied as error:
        if properties.acl is None:
            raise
        raise ReplaceRefused(
            f"{ref} was not written: it has an ACL of its own ({properties.acl}), which may not be written again "
            f"({error.message})",
            advice="Allow s3:PutObject and s3:PutObjectAcl on it, or change the file by hand.",
        ) from None
    # The outcome is not known, or the refusal may be of our own lost success: the object itself tells.
    try:
        now = await store.get_range(GetRange(ref))
    except ObjectError:
        raise failure from None
    if now.data == body:
        return now.etag
    if isinstance(failure, Ambiguous):
        raise failure
    if now.etag == etag and isinstance(failure, PreconditionFailed):
        raise _unconditional(ref)  # refused although it is what it was: Ceph's gateway compares with the quotes
    raise _changed(ref)


def _too_slow(ref: ObjectRef, error: StoreError) -> ReplaceRefused:
    return ReplaceRefused(
        f"{ref} was not written: S3 could not be got to take it within {LOOK_LASTS_S:g} s of a look at it, {LOOKS} "
        f"times ({error.message})",
        advice="Run the command again when S3 answers sooner.",
    )


def _unconditional(ref: ObjectRef) -> ReplaceRefused:
    return ReplaceRefused(
        f"{ref} was not written: this server cannot write only if nothing changed (If-Match on PutObject)",
        advice="Make sure that nobody else writes to it, and add --no-conditional-writes.",
    )
