"""What the processes of one run tell each other: how far each is, and that all are to stop.

Nothing of it is needed: whoever misses it misses a figure on a screen, or ends a little later. On one machine it is
files beside the shards (`FolderBoard`), elsewhere small objects beside the journals (`StateBoard`).
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from anyio.to_thread import run_sync

from engine.errors import EngineError, NotFound
from engine.events import Event, Notice, ObjectAside, ObjectTook, Progress
from engine.model import Location, ObjectRef
from engine.store import DeleteObject, GetRange, ObjectStore, PutObject

STOP = "stop"


@dataclass(frozen=True, slots=True)
class Told:
    """What a process told last: which one it is, how far, and what its requests came to where that is counted."""

    pid: int
    progress: Progress
    measured: dict[str, Any] | None = None


class Board(Protocol):
    """One run's. Each shard's process tells under its number."""

    every_s: float
    """How often it is worth a look."""

    async def clear(self) -> None:
        """Forget what earlier runs told."""
        ...

    async def ask_to_stop(self) -> None:
        """Have every process finish what is in flight and end."""
        ...

    async def is_stop_asked(self) -> bool: ...

    async def tell(self, number: int, told: Told) -> None:
        """Say how far the process of a shard is."""
        ...

    async def told(self, number: int) -> Told | None:
        """What the process of a shard told last; None where it told nothing yet."""
        ...


class FolderBoard:
    """Files in a folder that every process sees."""

    every_s = 0.25

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def clear(self) -> None:
        await run_sync(self._clear)

    def _clear(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for item in self.folder.iterdir():
            item.unlink(missing_ok=True)

    async def ask_to_stop(self) -> None:
        await run_sync((self.folder / STOP).touch, 0o600)

    async def is_stop_asked(self) -> bool:
        return await run_sync((self.folder / STOP).exists)

    async def tell(self, number: int, told: Told) -> None:
        await run_sync(self._tell, number, _written(told))

    def _tell(self, number: int, text: bytes) -> None:
        new = self.folder / f"{number}.new"
        new.write_bytes(text)
        new.replace(self.folder / f"{number}.json")

    async def told(self, number: int) -> Told | None:
        return await run_sync(self.told_now, number)

    def told_now(self, number: int) -> Told | None:
        """As `told`."""
        with suppress(OSError):
            return _read((self.folder / f"{number}.json").read_bytes())
        return None


class StateBoard:
    """Objects at a place in S3. What cannot be asked or told at the moment is not."""

    every_s = 2.0

    def __init__(self, store: ObjectStore, place: Location) -> None:
        self._store = store
        self._place = place

    async def clear(self) -> None:
        with suppress(NotFound):
            await self._store.delete_object(DeleteObject(self._ref(STOP)))

    async def ask_to_stop(self) -> None:
        await self._store.put_object(PutObject(self._ref(STOP), b"{}"))

    async def is_stop_asked(self) -> bool:
        return await self._get(STOP) is not None

    async def tell(self, number: int, told: Told) -> None:
        with suppress(EngineError):
            await self._store.put_object(PutObject(self._ref(str(number)), _written(told)))

    async def told(self, number: int) -> Told | None:
        body = await self._get(str(number))
        return _read(body) if body is not None else None

    async def _get(self, name: str) -> bytes | None:
        with suppress(EngineError):
            return (await self._store.get_range(GetRange(self._ref(name)))).data
        return None

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self._place.bucket, f"{self._place.key}at-work/{name}")


def _written(told: Told) -> bytes:
    return json.dumps(asdict(told)).encode()


def _read(text: bytes) -> Told | None:
    with suppress(ValueError, KeyError, TypeError):
        values = json.loads(text)
        return Told(values["pid"], Progress(**values["progress"]), values["measured"])
    return None


# --- what happens to objects --------------------------------------------------------------------------------

EVENTS_KEPT = 10_000
"""Events that a process hands over with its answer; of what happens to more objects its ledger knows."""


class Heard:
    """A run's listener: keeps its last figures, and what is to be passed on."""

    def __init__(self) -> None:
        self.progress = Progress()
        self._kept: list[Event] = []
        self._more = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
        elif isinstance(event, ObjectAside | ObjectTook | Notice):
            if len(self._kept) < EVENTS_KEPT:
                self._kept.append(event)
            else:
                self._more += 1

    @property
    def passed_on(self) -> tuple[Event, ...]:
        """What happened, with a notice of how much more there was."""
        if not self._more:
            return tuple(self._kept)
        said = f"{self._more:,} more objects were set aside than are named here: cartage status --failed shows them"
        return (*self._kept, Notice("MoreSetAside", said))
