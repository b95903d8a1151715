"""How a claim of a bucket is taken, taken over and released (`finish.claim`), and who asks for it with what."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio

from engine.at_once import each
from engine.errors import (
    AccessDenied,
    AttemptError,
    Conflict,
    EngineError,
    GateClosed,
    NotFound,
    ObjectError,
    PreconditionFailed,
    Unsupported,
)
from engine.events import Listener, Notice
from engine.finish.acceptances import user_here
from engine.finish.claim import ATTEMPTS, RENEW_S, STALE_S, Claim, ClaimedStore, Holder, Standing, read
from engine.finish.gate import Reason
from engine.ledger.identity import identity_of
from engine.model import ABSENT, Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.own import CLAIM
from engine.plan.sizes import server_ms
from engine.sites.sites import Sites
from engine.store import ObjectStore, StoreOf

RELEASE_WITHIN_S = 5
WRONG_ETAG = "0" * 32

NO_CLAIM = (
    "whether anyone else deletes in {bucket} cannot be made sure: {why}. --unconditional deletes all the same; make "
    "sure that no other cleanup, revert or delete runs there"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a claim is asked for with. `trusted`: the server is known to keep conditions, and is not tried;
    `unconditional`: the user answers for it that nobody else deletes."""

    holder: Holder
    trusted: bool
    unconditional: bool
    listener: Listener


@asynccontextmanager
async def claimed(
    store: ObjectStore, buckets: Iterable[str], asked: Asked, *, sleep: Callable[[float], Awaitable[None]] = anyio.sleep
) -> AsyncIterator[ObjectStore]:
    """`store`, deleting under a claim of each bucket until the block ends; they are released then, whatever ends it.

    Raises `GateClosed` where another deletion holds one, where two of the names are one bucket, and where nothing keeps
    two deletions apart and that was not accepted."""
    held: list[Claim] = []
    try:
        for bucket in sorted(set(buckets)):
            await _take(Claim(store, ObjectRef(bucket, CLAIM), asked.holder), asked, held)
        async with anyio.create_task_group() as group:
            group.start_soon(_keep_renewed, held, sleep)
            yield ClaimedStore(store, held)
            group.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await each(held, partial(_release, asked.listener))


async def _keep_renewed(held: Sequence[Claim], sleep: Callable[[float], Awaitable[None]]) -> None:
    while True:
        await sleep(RENEW_S)
        for claim in held:
            await claim.renew()


async def _release(listener: Listener, claim: Claim) -> None:
    with anyio.move_on_after(RELEASE_WITHIN_S) as scope:
        try:
            await claim.release()
        except EngineError as error:
            listener(Notice("ClaimLeft", f"the claim {claim.ref} could not be removed, and ends by itself: {error}"))
    if scope.cancelled_caught:
        listener(Notice("ClaimLeft", f"the claim {claim.ref} could not be removed in time, and ends by itself"))


async def _take(claim: Claim, asked: Asked, held: list[Claim]) -> None:
    """Take it and add it to `held`, or refuse. It is left out where it may not be written, and the user answers for
    that."""
    bucket = claim.ref.bucket
    others = tuple(held)
    held.append(claim)  # from now on it is removed, whatever comes
    try:
        why = await _acquire(claim, asked, others)
    except ObjectError as error:
        if not asked.unconditional:
            why = f"its claim {claim.ref} cannot be taken ({error.message})"
            raise GateClosed([NO_CLAIM.format(bucket=bucket, why=why)]) from error
        asked.listener(Notice("Unclaimed", f"it deletes without a claim of {bucket}: {error.message}"))
        held.remove(claim)
        return
    if why:
        claim.exclusive = False
        if not asked.unconditional:
            raise GateClosed([NO_CLAIM.format(bucket=bucket, why=why)])
        asked.listener(Notice("ClaimNotKept", f"{why}: two deletions that begin in one moment may both go on"))


async def _acquire(claim: Claim, asked: Asked, held: Sequence[Claim]) -> str:
    """Put it there. Gives why the server does not keep two holders apart, empty where it does.

    Raises `GateClosed` where it is another's, and errors of scope `object` where it cannot be put or read."""
    left = replicated = False
    for _ in range(ATTEMPTS):
        with suppress(AccessDenied):  # where nothing stands, one who may not list is not told so
            there = await claim.standing()
            if there is not None and claim.owns(there):
                return "" if asked.trusted else await _try_if_match(claim)
            if there is not None:
                other = next((one for one in held if one.owns(there)), None)
                if other is not None and not replicated:
                    if await _is_one(claim, other):
                        raise GateClosed([SAME_BUCKET.format(other.ref.bucket, claim.ref.bucket)])
                    replicated = True
                left = True
                await _take_over(claim, there, asked, ours=other is not None)
                continue
        if await _put_first(claim, trusted=asked.trusted) > 1:
            return "the server lets two writers make one object, each with If-None-Match"
    if left and asked.unconditional:
        await claim.put(None)
        return "the server does not write by ETag"
    raise GateClosed(
        [NO_CLAIM.format(bucket=claim.ref.bucket, why=f"its claim {claim.ref} changes all the time, or cannot be kept")]
    )


SAME_BUCKET = (
    "{} and {} are two names of one bucket: what is deleted by one is gone by the other. Give the plan one name alone"
)

UNTOLD = (
    "whether {} and {} are two names of one bucket is not known: {} in the first cannot be looked at ({}). "
    "--unconditional deletes all the same; make sure that they are two"
)


async def _is_one(claim: Claim, other: Claim) -> bool:
    """Whether what we wrote by another name is seen by this one at once, and not only a copy of it: a bucket may be
    replicated into the other with all that it holds."""
    await other.renew()
    there = await claim.standing()
    return there is not None and there.holder == other.holder


async def _take_over(claim: Claim, there: Standing, asked: Asked, *, ours: bool) -> None:
    """Take over a claim that was left. Raises `GateClosed` for one that is held."""
    if not ours and (sentence := held_text(claim.ref, there, claim.holder.ledger)) is not None:
        raise GateClosed([sentence])
    with suppress(PreconditionFailed, NotFound, Conflict, AttemptError):
        await claim.put(there.etag)
        if not ours:
            asked.listener(Notice("ClaimTakenOver", f"{claim.ref} was left by {there.holder}, and is taken over"))


async def _put_first(claim: Claim, *, trusted: bool) -> int:
    """Put it where nothing stands; gives how many writes were let through. On a server that is not known to keep the
    condition two are sent at once: it may ignore it, or keep it only for those that come one after the other."""
    written = 0
    errors: list[ObjectError] = []

    async def put(holder: Holder) -> None:
        nonlocal written
        try:
            await claim.put(ABSENT, holder)
            written += 1
        except (PreconditionFailed, Conflict, AttemptError):
            pass  # the next look tells
        except ObjectError as error:
            errors.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(put, claim.holder)
        if not trusted:
            group.start_soon(put, claim.holder.renewal())
    if errors and not written:
        raise errors[0]
    return written


async def _try_if_match(claim: Claim) -> str:
    """Whether a write by ETag is let through only with the right one: by that it is renewed and taken over."""
    wrong = await _writes(claim, lambda: WRONG_ETAG)
    if wrong is not False:
        return "the server ignores If-Match on a write" if wrong else "a write by ETag could not be tried"
    if not await _writes(claim, lambda: claim.etag):
        return "the server does not write by ETag"
    return ""


async def _writes(claim: Claim, condition: Callable[[], str]) -> bool | None:
    """Whether the claim is renewed under a condition; None where that could not be found out."""
    for _ in range(ATTEMPTS):
        etag = claim.etag
        try:
            await claim.put(condition(), claim.holder.renewal())
            return True
        except (PreconditionFailed, NotFound, Conflict, Unsupported):
            there = await claim.standing()
            if there is None or not claim.is_kin(there):
                return False
            if claim.owns(there):
                return claim.etag != etag  # an earlier attempt may have been carried out, and its answer lost
            with suppress(PreconditionFailed, NotFound, Conflict, AttemptError):
                await claim.put(there.etag)  # replicated over it in this moment
        except AttemptError:
            continue
    return None


def held_text(ref: ObjectRef, there: Standing, ledger: str) -> str | None:
    """Why a claim that stands there keeps us from deleting; None where it may be taken over."""
    if there.holder is None:
        return f"{ref} is no claim of Cartage, and stands where one belongs: look at it, and move it away"
    if there.left_by(ledger) or there.stale:
        return None
    if there.age_s is None:
        free = f"the server sends no date, so that nobody can say whether it ended: if it did, remove {ref}"
    else:
        free = (
            f"it was last renewed {max(0, there.age_s)} s ago, by the server's clock, and one that is not renewed for "
            f"{STALE_S} s is taken over"
        )
    return f"another deletion holds {ref.bucket}: {there.holder}; {free}"


async def held_by_another(store: ObjectStore, buckets: Iterable[str], ledger: str) -> str:
    """Why no claim could be taken now, as far as a look tells; empty where nothing is known against it."""
    for bucket in sorted(set(buckets)):
        ref = ObjectRef(bucket, CLAIM)
        with suppress(ObjectError):
            there = await read(store, ref)
            if there is not None and (sentence := held_text(ref, there, ledger)) is not None:
                return sentence
    return ""


@asynccontextmanager
async def claim_for(
    command: str,
    name: str,
    ledger: Path,
    opened: Sites,
    listener: Listener,
    places: Sequence[Location],
    *,
    unconditional: bool,
    apart: Location | None = None,
) -> AsyncIterator[StoreOf]:
    """The stores to delete by: under a claim of every one of the buckets. `ledger` is the file that is locked now;
    `apart` is where nothing is to be deleted, and where nothing may be written.

    Raises `GateClosed` as `claimed`, and where `apart` is one of the buckets by another name."""
    known = await opened.facts(places, lacking=True)
    dates = (server_ms(known[where].date) for where in places if where in known)
    now_ms = next((found for found in dates if found is not None), None)
    since = "" if now_ms is None else f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    holder = Holder(secrets.token_hex(16), user_here(), command, name, since, identity_of(ledger))
    async with AsyncExitStack() as claims:
        stores = {}
        for site, buckets in opened.by_site(places):
            asked = Asked(holder, site.known.trusted, unconditional, listener)
            stores[site.name] = await claims.enter_async_context(claimed(site.store, buckets, asked))
        if apart is not None:
            await _refuse_second_name(opened, apart, places, holder, unconditional=unconditional)
        yield lambda where: stores[opened.site(where).name]


async def _refuse_second_name(
    opened: Sites, apart: Location, places: Sequence[Location], holder: Holder, *, unconditional: bool
) -> None:
    """Raise `GateClosed` where a claim that was taken just now shows in a bucket of another name as well."""
    sides = apart, *places
    if any(at.is_local for at in sides) or apart.whole_bucket in places or not any(map(opened.hides_names, sides)):
        return
    names = apart.bucket_name, " or ".join(where.bucket_name for where in places)
    try:
        there = await read(opened.store(apart), ObjectRef(apart.bucket, CLAIM))
    except (ObjectError, AttemptError) as error:
        if unconditional:
            return
        raise GateClosed([UNTOLD.format(*names, CLAIM, error.message)]) from error
    if there is not None and there.holder is not None and there.holder.token.startswith(holder.token):
        raise GateClosed([SAME_BUCKET.format(*names)])


async def claim_reason(plan: Plan, opened: Sites, ledger: Path) -> Reason:
    """The gate's line about it, by a look alone."""
    held = ""
    for site, buckets in opened.by_site(plan.places):
        held = held or await held_by_another(site.store, buckets, identity_of(ledger))
    said = f"nobody else is known to delete in {' or '.join(plan.buckets)}"
    return Reason("claim", not held, held or said)
