"""A journal: numbered objects under one prefix, each of which can be written once. Whoever has the next number has it.

An append is a PutObject with If-None-Match on the next slot. To claim a journal is to read it to its end and to append
the next epoch; an older writer that goes on meets the claim in its own next slot, and ends. So two may believe that a
journal is theirs, and only one can add to it (SlateDB and Litestream fence in the same way). Slots are never deleted.

Needed of the server: that of two writes with If-None-Match on one key one succeeds, and that what was written is read
by everyone at once. Amazon S3 promises both ("Conditional writes", "Amazon S3 data consistency model").
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import anyio

from engine.errors import Ambiguous, Conflict, LedgerCorrupt, LedgerError, NotFound, PreconditionFailed
from engine.journal.segments import Segment, decoded, encoded
from engine.model import ABSENT, Location, ObjectRef
from engine.store import GetRange, ListPage, ObjectStore, PutObject

SLOT_DIGITS = 12
PATIENCE = 8
"""How often an append is sent whose outcome stays open."""

PAUSE_S = 0.2

FOUND_AGAIN = "what is copied is found, as far as its source is there"
"""What a new ledger knows of the work of one that is lost."""


class Fenced(LedgerError):
    """Another process has taken this journal over: what was done since its last append is not committed."""


class Journal:
    """The journal at a prefix. `epoch` is 0 until `claim`, which says `by` whom it is; `look` is the command that shows
    what became of it."""

    def __init__(self, store: ObjectStore, place: Location, by: str = "", look: str = "cartage status") -> None:
        self._store = store
        self.place = place
        self._by = by
        self._look = look
        self.epoch = 0
        self.next_slot = 0
        self._newest_epoch = 0

    async def read(self, slot: int) -> AsyncIterator[tuple[int, Segment]]:
        """Every segment from a slot on, with its number, to the end. Raises `LedgerCorrupt` where one is missing or
        cannot be read."""
        self.next_slot = slot
        async for number in self._slots(slot):
            if number != self.next_slot:
                raise self.damaged(f"slot {self.next_slot:,} is missing")
            segment = await self.at(number)
            if segment is None:
                raise self.damaged(f"slot {number:,} is gone")
            self._newest_epoch = max(self._newest_epoch, segment.epoch)
            self.next_slot = number + 1
            yield number, segment

    async def at(self, slot: int) -> Segment | None:
        """What is in a slot; None: nothing. Raises `LedgerCorrupt` for what cannot be read."""
        ref = self._ref(slot)
        try:
            body = await self._store.get_range(GetRange(ref))
        except NotFound:
            return None
        try:
            return decoded(body.data)
        except ValueError as error:
            raise self.damaged(f"slot {slot:,}: {error}") from error

    async def first(self) -> int | None:
        """The first slot that there is, which is 0 where none was removed; None: nothing was appended yet."""
        async with aclosing(self._slots(0)) as slots:
            return await anext(slots, None)

    async def is_empty(self) -> bool:
        """Whether nothing at all lies under its prefix."""
        async with aclosing(self._keys(self.place.key)) as keys:
            return await anext(keys, None) is None

    async def claim(self) -> Segment | None:
        """Append the next epoch, after `read` has come to the end. Gives what somebody else appended there first, which
        is to be read like the rest before the next try; None: it is claimed."""
        claim = Segment(self._newest_epoch + 1, secrets.token_hex(8), by=self._by)
        other = await self._put(claim)
        if other is None:
            self.epoch = claim.epoch
            self._newest_epoch = claim.epoch
            return None
        self._newest_epoch = max(self._newest_epoch, other.epoch)
        self.next_slot += 1
        return other

    async def append(self, segment: Segment) -> int:
        """Append what this epoch did; gives the slot. Raises `Fenced` where another epoch has begun, and what the store
        raises where it cannot be found out whether it was appended: then nothing may go on from here."""
        other = await self._put(segment)
        if other is not None:
            raise Fenced(
                f"{other.by or 'another process'} took {self.place} over (epoch {other.epoch}, after {self.epoch}).",
                advice=f"Nothing is lost: it goes on there. Look at it with: {self._look}",
            )
        return self.next_slot - 1

    async def _put(self, segment: Segment) -> Segment | None:
        """Write the next slot; gives what is there where it was written by somebody else."""
        ref, body = self._ref(self.next_slot), encoded(segment)
        for attempt in range(PATIENCE):
            try:
                await self._store.put_object(
                    PutObject(ref, body, target_condition=ABSENT, checksum_algorithm="CRC64NVME")
                )
                break
            except (PreconditionFailed, Ambiguous, Conflict):
                there = await self.at(self.next_slot)
                if there is not None and there.name != segment.name:
                    return there
                if there is not None:
                    break
                if attempt + 1 == PATIENCE:
                    raise
                await anyio.sleep(PAUSE_S)
        self.next_slot += 1
        return None

    async def _slots(self, first: int) -> AsyncGenerator[int, None]:
        async with aclosing(self._keys(self._ref(first - 1).key if first else self.place.key)) as keys:
            async for key in keys:
                name = key.removeprefix(self.place.key)
                if not name.isdecimal() or len(name) != SLOT_DIGITS:
                    raise self.damaged(f"{key} is none of its slots")
                yield int(name)

    async def _keys(self, after: str) -> AsyncGenerator[str, None]:
        token: str | None = None
        while True:
            page = await self._store.list_page(ListPage(self.place.bucket, self.place.key, after, token))
            for item in page.objects:
                yield item.key
            token = page.next_token
            if token is None:
                return

    def _ref(self, number: int) -> ObjectRef:
        return ObjectRef(self.place.bucket, f"{self.place.key}{number:0{SLOT_DIGITS}}")

    def damaged(self, why: str) -> LedgerCorrupt:
        """The error of a journal that is not what it was."""
        return LedgerCorrupt(
            f"the journal {self.place} is damaged ({why}); nothing after that is trusted.",
            advice="Its slots are never to be deleted or changed. Bring them back, if the bucket has versions; or "
            f"begin with another --state and --ledger: {FOUND_AGAIN}.",
        )
