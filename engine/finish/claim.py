"""One deletion at a time in a bucket: whatever deletes first puts an object of its own there, and looks at it again
before each batch.

Two ledgers of one plan, on two machines, know nothing of each other: while one deletes a source because its target
stands, the other may delete that target because the source stands, each looking just before. So `cleanup`, `revert`
and `delete` all take the same claim, `.cartage-claim` at the root of every bucket that they delete in or rest on, with
If-None-Match (`finish.claim_taking`). It is renewed; one that was not is taken over by If-Match. A holder that was
stopped meanwhile finds out before it sends anything: nothing is deleted upon a claim that was not seen just now, or
not renewed in time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import NamedTuple

import anyio

from engine import freshness
from engine.decorator import Method, StoreDecorator
from engine.errors import AttemptError, ClaimLost, Conflict, NotFound, ObjectError, PreconditionFailed, Unsupported
from engine.freshness import LOOK_LASTS_S, only_until
from engine.model import ObjectRef
from engine.plan.sizes import age_s, server_ms
from engine.store import (
    AbortUpload,
    Answered,
    Asked,
    DeleteObject,
    GetRange,
    HeadObject,
    ObjectStore,
    PutObject,
    head_or_none,
)

STALE_S = 120
"""A claim that was not renewed for so long, by the server's clock, is one whose holder is gone."""

MOST_BYTES = 4_096
"""A claim is far smaller; what is not is something else under its name."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim. `token` is made anew by each deletion; `ledger` is the file that it keeps locked, as its
    machine knows it, and empty where that cannot be said; `renewed` counts, so that each renewal has an ETag."""

    token: str
    who: str
    command: str
    plan: str
    since: str
    ledger: str = ""
    renewed: int = 0

    def renewal(self) -> Holder:
        return replace(self, renewed=self.renewed + 1)

    def as_body(self) -> bytes:
        return (json.dumps({"cartage": "claim"} | asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_body(cls, body: bytes) -> Holder | None:
        """What `as_body` gave; None for anything else."""
        try:
            values = json.loads(body)
            if values.pop("cartage", "") != "claim":
                return None
            found = cls(**values)
        except (ValueError, AttributeError, TypeError):
            return None
        texts = (found.token, found.who, found.command, found.plan, found.since, found.ledger)
        if not all(isinstance(text, str) for text in texts) or not isinstance(found.renewed, int):
            return None
        return found if found.token else None

    def __str__(self) -> str:
        return f'cartage {self.command} of "{self.plan}" by {self.who or "someone"}, since {self.since or "a while"}'


class Standing(NamedTuple):
    """A claim as it stands in a bucket, and when it was written: `holder` None for an object that is no claim; `date`
    is the server's."""

    holder: Holder | None
    etag: str
    modified: str
    date: str

    @property
    def age_s(self) -> int | None:
        """By the server's clock; None where it sends no date that can be read."""
        return age_s(self.modified, server_ms(self.date))

    @property
    def stale(self) -> bool:
        return self.age_s is not None and self.age_s >= STALE_S

    def left_by(self, ledger: str) -> bool:
        """Whether whoever held it had this very ledger locked, which we have now: it has ended."""
        return self.holder is not None and bool(ledger) and self.holder.ledger == ledger


RENEW_S = 30
"""How often a claim is renewed: three tries before anyone may take it over."""

SAFE_S = STALE_S - 2 * RENEW_S
"""A claim that we have not renewed for so long is renewed before anything is deleted upon it."""

LOOK_SERVES_S = 0.5
"""For so long one look at the claims serves every batch."""

ATTEMPTS = 4
_OF_ONE = "."
"""Parts a token that all claims of one deletion share from what each has for itself."""


class Claim:
    """One bucket's claim, held by us. `exclusive` False: the server does not keep two holders apart."""

    def __init__(self, store: ObjectStore, ref: ObjectRef, holder: Holder) -> None:
        self._store = store
        self.ref = ref
        self.holder = replace(holder, token=f"{holder.token}{_OF_ONE}{secrets.token_hex(4)}")
        self.exclusive = True
        self.etag = ""
        self.lost = ""
        self._renewed_at = freshness.now_s()
        self._looked_at = float("-inf")
        self._lock = anyio.Lock()

    async def put(self, condition: str | None, holder: Holder | None = None) -> str:
        """Write the claim; gives its ETag. Raises what the store raises."""
        holder = holder or self.holder
        sent_at = freshness.now_s()
        etag = (await self._store.put_object(PutObject(self.ref, holder.as_body(), target_condition=condition))).etag
        self.holder, self.etag, self._renewed_at = holder, etag, sent_at
        return etag

    async def standing(self) -> Standing | None:
        """What stands in its place; None for nothing. What is ours is taken up: its ETag, and how often it was renewed.

        Raises what the store raises."""
        there = await read(self._store, self.ref)
        if there is not None and there.holder is not None and self.owns(there):
            self.holder, self.etag = there.holder, there.etag
        return there

    def owns(self, there: Standing) -> bool:
        """Whether that is this very claim."""
        return there.holder is not None and there.holder.token == self.holder.token

    def is_kin(self, there: Standing) -> bool:
        """Whether that is a claim of the same deletion: of another bucket that is replicated into this one."""
        family = self.holder.token.partition(_OF_ONE)[0]
        return there.holder is not None and there.holder.token.partition(_OF_ONE)[0] == family

    async def renew(self) -> None:
        """Renew it; whether that worked, the next look tells."""
        async with self._lock:
            if not self.lost:
                with suppress(AttemptError):
                    await self._renew()

    async def _renew(self) -> None:
        try:
            await self.put(self.etag if self.exclusive else None, self.holder.renewal())
        except (PreconditionFailed, NotFound, Conflict):
            await self._find()  # an earlier renewal whose answer was lost, or another's
        except ObjectError as error:
            self.lost = f"it cannot be renewed ({error.message})"

    async def _find(self) -> None:
        """Look whether what stands there is ours."""
        there = await self.standing()
        if there is not None and self.is_kin(there):
            self.etag = there.etag  # the next renewal makes it our own again
        else:
            now = "nothing" if there is None else there.holder or "something else"
            self.lost = f"in its place stands {now}"

    async def look(self) -> float:
        """The moment at which it was last seen to be ours, just now. Raises `ClaimLost`, and what a look raises of
        scope `attempt` or `run`."""
        async with self._lock:
            now = freshness.now_s()
            if not self.lost and now - self._renewed_at > SAFE_S:
                await self._renew()  # we were stopped, or nothing got through: others may be about to take it over
            if not self.lost and now - self._looked_at > LOOK_SERVES_S:
                try:
                    await self._look()
                except ObjectError as error:
                    self.lost = f"it cannot be looked at ({error.message})"
            if self.lost:
                raise ClaimLost([f"the claim {self.ref} is ours no more, so that nothing more is deleted: {self.lost}"])
            return self._looked_at

    async def _look(self) -> None:
        looked_at = freshness.now_s()
        head = await head_or_none(self._store, HeadObject(self.ref))
        if head is None or head.etag != self.etag:
            await self._find()
        self._looked_at = looked_at

    async def release(self) -> None:
        """Remove it while it is ours. Raises what the store raises."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._look()  # a server may ignore the condition on the delete
                if not self.lost:
                    await self._remove(by_etag=self.exclusive and attempt < ATTEMPTS)
                return
            except NotFound:
                return
            except (ObjectError, AttemptError):
                if not self.etag:
                    return  # it was never known to be there
                if attempt == ATTEMPTS:
                    raise

    async def _remove(self, *, by_etag: bool) -> None:
        try:
            await self._store.delete_object(DeleteObject(self.ref, self.etag if by_etag else None))
        except Unsupported:  # LocalStack has no such condition
            await self._store.delete_object(DeleteObject(self.ref))


class ClaimedStore(StoreDecorator):
    """A store that deletes only under every claim of a deletion, looked at just before. Raises as `Claim.look`."""

    def __init__(self, inner: ObjectStore, claims: Sequence[Claim]) -> None:
        super().__init__(inner)
        self._claims = claims

    async def _call(self, method: Method[Asked, Answered], request: Asked) -> Answered:
        if not (request.deletes or isinstance(request, AbortUpload)):
            return await method(request)
        looks = [await claim.look() for claim in self._claims]
        return await only_until(min(looks, default=inf) + LOOK_LASTS_S, method(request))


async def read(store: ObjectStore, ref: ObjectRef) -> Standing | None:
    """A claim as it stands; None where there is none. Raises what the store raises."""
    for _ in range(ATTEMPTS):
        try:
            head = await store.head_object(HeadObject(ref))
            if not 0 < head.size <= MOST_BYTES:
                return Standing(None, head.etag, head.modified, head.date)
            body = await store.get_range(GetRange(ref, if_match=head.etag))
        except NotFound:
            return None
        except PreconditionFailed:
            continue  # renewed in between
        return Standing(Holder.from_body(body.data), head.etag, head.modified, head.date)
    return None
