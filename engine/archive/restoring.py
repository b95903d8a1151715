"""Asking S3 for archived objects: each once, as much as was agreed to, and what became of it.

Nothing has to be remembered to go on later: S3 says itself what is under way and what is there. A request whose outcome
is not known is asked again; one that is under way is not begun a second time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import anyio

from engine.archive.finding import Batch, Found
from engine.at_once import each
from engine.errors import AttemptError, ObjectError, StoreError, one_error
from engine.events import Listener, ObjectAside, Progress
from engine.model import ObjectRef
from engine.plan.decide import archived_words
from engine.plan.lifecycle import State
from engine.plan.prices import RETRIEVALS, Tier
from engine.plan.record import Decision
from engine.plan.retrieval import ARCHIVE_CLASSES, Amount, ArchiveOutlook, Standing, standing_of
from engine.store import ObjectStore, RestoreObject

REQUESTS_AT_ONCE = 64
REFUSED_SHOWN = 10
NO_EXPEDITED = "GlacierExpeditedRetrievalNotAvailable"
_UNDER_WAY = "RestoreAlreadyInProgress"
_READABLE = ("InvalidObjectState", "ObjectAlreadyInActiveTierError")
"""What S3 says of a restore of what is not archived, or not any more."""

Remember = Callable[[str, list[Decision]], Awaitable[None]]
"""`(route, decisions)`: what a ledger is to know."""


@dataclass(slots=True)
class Asked:
    """What became of asking. `begun` are on their way by this call, `prolonged` are copies that were there and last
    longer now; `under_way` were asked for before, `readable` can be read. `refused` counts by S3's code what it did not
    take, or did not let us look at, with the first of them; of `unknown` nobody knows whether S3 took the request.
    `beyond` is more than was agreed to, and was not asked for, and `not_by_tier` what is archived where the agreed tier
    is not to be had; `stopped`: it was asked to stop before its end."""

    begun: Amount = field(default_factory=Amount)
    prolonged: Amount = field(default_factory=Amount)
    under_way: Amount = field(default_factory=Amount)
    readable: Amount = field(default_factory=Amount)
    beyond: Amount = field(default_factory=Amount)
    not_by_tier: Amount = field(default_factory=Amount)
    refused: dict[str, int] = field(default_factory=dict)
    first_refused: list[ObjectAside] = field(default_factory=list)
    unknown: int = 0
    stopped: bool = False

    @property
    def left(self) -> int:
        """How many are archived, as far as is known, and not known to be on their way."""
        return sum(self.refused.values()) + self.unknown + self.beyond.objects + self.not_by_tier.objects


class Asking:
    """Asks for what is handed to it, batch by batch, as far as `agreed` goes: no more of each kind, in objects and
    bytes, and no other. `shared`: one object may come several times, once a route. `stop()` ends it gently."""

    def __init__(self, agreed: ArchiveOutlook, listener: Listener, remember: Remember | None, *, shared: bool) -> None:
        self.asked = Asked()
        self._agreed = agreed
        self._listener = listener
        self._remember = remember
        self._shared = shared
        self._on_its_way: dict[ObjectRef, bool] = {}
        self._left = {(kind, False): replace(amount) for kind, amount in agreed.to_ask.items()}
        self._left |= {(kind, True): replace(amount) for kind, amount in agreed.expiring.items()}
        self._total = sum(amount.objects for amount in (*self._left.values(), *agreed.not_by_tier.values()))

    def stop(self) -> None:
        """Ask for nothing more; what is on its way to S3 is waited for."""
        self.asked.stopped = True

    async def take(self, store: ObjectStore, batch: Batch) -> None:
        """Ask for what of a batch is archived, or would not last. Raises errors of scope `run`."""
        limit = anyio.CapacityLimiter(REQUESTS_AT_ONCE)
        known: list[Found] = []

        async def ask(found: Found) -> None:
            if not self.asked.stopped and await self._ask(store, found):
                known.append(found)

        wanted = []
        for found in batch.found:
            if (on_its_way := self._on_its_way.get(found.ref)) is not None:  # by another route
                known += [found] if on_its_way else []
                continue
            standing = standing_of(found.kind, found.restore)
            if standing is Standing.UNDER_WAY:
                self.asked.under_way.add(found.size)
                known.append(found)
            elif standing is Standing.ARCHIVED:
                if self._agreed.tier not in RETRIEVALS[found.kind]:
                    self.asked.not_by_tier.add(found.size)
                elif self._take(found, again=False):
                    wanted.append(found)
            elif found.kind not in ARCHIVE_CLASSES or not self._agreed.expires(found.restore):
                self.asked.readable.add(found.size)
            elif self._take(found, again=True):
                wanted.append(found)
        for found, error in batch.unseen:
            self._refused(found, error)
        if batch.unnamed:
            code = ObjectAside.UNSEEN
            self.asked.refused[code] = self.asked.refused.get(code, 0) + batch.unnamed
        async with one_error():
            await each(wanted, ask, limit)
        if self._shared:
            ways = {found.ref for found in known}
            self._on_its_way.update((found.ref, found.ref in ways) for found in batch.found)
        await self._note(known)
        done = self.asked.begun.objects + self.asked.prolonged.objects
        self._listener(Progress(self._total, listing_done=True, done=done + self.asked.left, aside=self.asked.left))

    def _take(self, found: Found, *, again: bool) -> bool:
        """Whether one more was agreed to."""
        left = self._left.get((found.kind, again))
        if left is None or not left.objects or left.bytes < found.size:
            self.asked.beyond.add(found.size)
            return False
        left.objects -= 1
        left.bytes -= found.size
        return True

    async def _ask(self, store: ObjectStore, found: Found) -> bool:
        """Whether it is on its way now, by this request or an earlier one."""
        days = self._agreed.days if found.kind in ARCHIVE_CLASSES else None
        tier = self._agreed.tier_for(found.kind).value.capitalize()
        try:
            begun = await store.restore_object(RestoreObject(found.ref, days, tier))
        except AttemptError as error:
            self.asked.unknown += 1
            self._tell(found, error)
            return False
        except ObjectError as error:
            if error.code == _UNDER_WAY:
                self.asked.under_way.add(found.size)
                return True
            if error.code in _READABLE:
                self.asked.readable.add(found.size)
                return False
            self._refused(found, error)
            return False
        (self.asked.begun if begun else self.asked.prolonged).add(found.size)
        return begun

    def _refused(self, found: Found, error: StoreError) -> None:
        self.asked.refused[error.code] = self.asked.refused.get(error.code, 0) + 1
        self._tell(found, error)

    def _tell(self, found: Found, error: StoreError) -> None:
        event = ObjectAside(found.route, found.ref.key, State.ARCHIVED.value, error.code, error.message)
        if len(self.asked.first_refused) < REFUSED_SHOWN:
            self.asked.first_refused.append(event)
        self._listener(event)

    async def _note(self, known: Sequence[Found]) -> None:
        if self._remember is None:
            return
        by_route: dict[str, list[Decision]] = {}
        for found in known:
            if found.decision is not None:
                code, message = archived_words(found.kind, under_way=True)
                decision = found.decision._replace(state=State.ARCHIVED, code=code, message=message)
                by_route.setdefault(found.route, []).append(decision)
        for route, decisions in by_route.items():
            await self._remember(route, decisions)


def refused_tier(outlook: ArchiveOutlook) -> str:
    """A sentence where some of what is archived cannot be had by the tier that was asked for; else empty."""
    missing = outlook.not_by_tier
    if not missing:
        return ""
    count = sum(amount.objects for amount in missing.values())
    kinds = " and ".join(sorted(missing))
    slower = Tier.STANDARD.value
    return f"{count:,} in {kinds}, which has no {outlook.tier.value} tier: ask for them by --tier {slower} or bulk"
