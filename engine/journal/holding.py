"""Who is at work on a plan's journals, as everyone may see it: an object beside them, written again and again.

Nothing is safe by it: of two that believe to be at work one can append (`journal.journal`). It is there so that a look
from elsewhere ends nobody's run.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import anyio

from engine.errors import EngineError, LedgerLocked, NotFound
from engine.model import Location, ObjectRef
from engine.plan.sizes import age_s, server_ms
from engine.store import DeleteObject, GetRange, HeadObject, ObjectStore, PutObject

RENEWED_EVERY_S = 20.0
STALE_S = 90
"""Who was not seen for so long, by the server's clock, is gone: four times it could have been."""

REMOVED_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class AtWork:
    """A command that is at work, where, and since when. `ledger` is its view of the index, as its machine tells it from
    any other file (`ledger.identity`); `takes_over`: it ends whoever is at work, and does not wait for it; `look` is
    the command that shows how far that is."""

    command: str
    host: str
    since: str
    look: str
    takes_over: bool = False
    ledger: str = ""

    def __str__(self) -> str:
        return f'"cartage {self.command}" at {self.host}, since {self.since},'


async def seen_at_work(store: ObjectStore, place: Location) -> tuple[AtWork, int | None] | None:
    """Who was seen at work at a place just now, and how many seconds ago: None where that cannot be told. What a later
    version says besides is passed over: it is somebody all the same."""
    ref = _sign_at(place)
    try:
        head = await store.head_object(HeadObject(ref))
        said = json.loads((await store.get_range(GetRange(ref))).data)
        found = AtWork(**{name: value for name, value in dict(said).items() if name in AtWork.__dataclass_fields__})
    except (NotFound, ValueError, TypeError):
        return None
    seen_s = age_s(head.modified, _now_ms(head.date))
    return None if seen_s is not None and seen_s >= STALE_S else (found, seen_s)


def _sign_at(place: Location) -> ObjectRef:
    return ObjectRef(place.bucket, f"{place.key}at-work/index")


class Sign:
    """A holder's sign of life beside the journals at a place."""

    def __init__(self, store: ObjectStore, place: Location, holder: AtWork, ledger: str) -> None:
        self._store = store
        self._place = place
        self._ref = _sign_at(place)
        self.holder = replace(holder, ledger=ledger)
        self._task: asyncio.Task[None] | None = None

    async def refuse_others(self) -> None:
        """Raise `LedgerLocked` where somebody else was seen at work just now, or at a time that cannot be told. Whoever
        had this very ledger, which is ours and locked, has ended."""
        seen = await self._other()
        if seen is None or (seen[0].ledger and seen[0].ledger == self.holder.ledger):
            return
        if seen[1] is None:
            when, forgotten = "when it was seen last cannot be told", f"If it has ended, remove {self._ref}"
        else:
            when = f"it was seen {max(seen[1], 0)} s ago"
            forgotten = f"One that was killed is forgotten {STALE_S} s after it was seen last"
        raise LedgerLocked(
            f"{seen[0]} is at work on {self._place}; {when}.",
            advice=f"{forgotten}. Wait for it, or look at it with: {self.holder.look}",
        )

    async def begin(self) -> None:
        """Give it now, and from now on."""
        await self._give()
        self._task = asyncio.create_task(self._keep())

    async def end(self) -> None:
        """Give it no more; it is removed where it is ours still. No cancelled scope cuts that short."""
        with anyio.CancelScope(shield=True):
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
            with anyio.move_on_after(REMOVED_WITHIN_S), suppress(EngineError):
                if await self._other() is None:
                    await self._store.delete_object(DeleteObject(self._ref))

    async def _keep(self) -> None:
        """Another's stays as long as that is at work: whoever took over is to be seen, and not whom it ended."""
        while True:
            await anyio.sleep(RENEWED_EVERY_S)
            with suppress(EngineError):
                if await self._other() is None:
                    await self._give()

    async def _other(self) -> tuple[AtWork, int | None] | None:
        """Who else was seen at work just now, and how many seconds ago: None where that cannot be told."""
        seen = await seen_at_work(self._store, self._place)
        return None if seen is None or seen[0] == self.holder else seen

    async def _give(self) -> None:
        with suppress(EngineError):
            await self._store.put_object(PutObject(self._ref, json.dumps(asdict(self.holder)).encode()))


def _now_ms(date: str) -> int:
    """By the server's clock; by this machine's where it sends none."""
    return server_ms(date) or round(datetime.now(UTC).timestamp() * 1000)
