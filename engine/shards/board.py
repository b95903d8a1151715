"""What the processes of one run tell each other: how far each is, how fast each may send, and that all are to stop.

Nothing of it is needed: whoever misses it misses a figure on a screen, is refused more, or ends a little later. On one
machine it is files beside the shards (`FolderBoard`), elsewhere small objects beside the journals (`StateBoard`).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from anyio.to_thread import run_sync

from engine.errors import EngineError, NotFound
from engine.events import Event, Notice, ObjectAside, ObjectTook, OutOfReach, Progress
from engine.model import Location, ObjectRef
from engine.store import DeleteObject, GetRange, ObjectStore, PutObject

Said = TypeVar("Said")

STOP, SHARES = "stop", "shares"
ASKED = b""  # which a full disk has room for


class Pace(NamedTuple):
    """What came of a process's requests to a bucket in one direction, so far; as `Tally` has it."""

    site: str
    bucket: str
    reads: bool
    accepted: int
    refused: int
    rate_rps: float


@dataclass(frozen=True, slots=True)
class Told:
    """What a process told last: which one it is, how far, what its requests came to where that is counted, and what
    came of them by bucket and direction, at `at_s` of its own clock; whether it could not reach S3 when it last tried;
    and how many bytes it copied."""

    pid: int
    progress: Progress
    measured: dict[str, Any] | None = None
    at_s: float = 0.0
    paces: tuple[Pace, ...] = ()
    outage: OutOfReach | None = None
    copied_bytes: int = 0


class Held(NamedTuple):
    """What a shard's process may send to a bucket in one direction; as `Share` has it."""

    number: int
    site: str
    bucket: str
    reads: bool
    most_rps: float
    least_rps: float


@dataclass(frozen=True, slots=True)
class Shares:
    """Who may send no faster than what, since the coordinator's `turn`; who is not named, as fast as the server
    lets."""

    turn: int
    held: tuple[Held, ...] = ()


class Board(ABC):
    """One run's. Each shard's process tells under its number."""

    every_s: float
    """How often it is worth a look."""

    @abstractmethod
    async def clear(self) -> None:
        """Forget what an earlier run told of all its shards; what it told of each is forgotten with `forget`."""

    async def ask_to_stop(self) -> None:
        """Have every process finish what is in flight and end."""
        await self._put(STOP, ASKED)

    async def is_stop_asked(self) -> bool:
        return await self._get(STOP) is not None

    async def ask_for_rest(self, number: int) -> None:
        """Have the process of a shard hand over what it has not begun: others have nothing to do."""
        await self._put(_rest(number), ASKED)

    async def is_rest_asked(self, number: int) -> bool:
        return await self._get(_rest(number)) is not None

    async def forget(self, number: int) -> None:
        """Forget what a shard's process told, and ask for its rest no longer: it is begun anew."""
        await self._remove(_rest(number))
        await self._remove(str(number))

    async def tell(self, number: int, told: Told) -> None:
        """Say how far the process of a shard is."""
        await self._put(str(number), msgspec.json.encode(told))

    async def told(self, number: int) -> Told | None:
        """What the process of a shard told last; None where it told nothing yet."""
        return _read(await self._get(str(number)), Told)

    async def share(self, shares: Shares) -> None:
        """Say how fast each may send."""
        await self._put(SHARES, msgspec.json.encode(shares))

    async def shares(self) -> Shares | None:
        """How fast each may send; None where that was never said."""
        return _read(await self._get(SHARES), Shares)

    @abstractmethod
    async def _put(self, name: str, text: bytes) -> None: ...

    @abstractmethod
    async def _get(self, name: str) -> bytes | None:
        """None where there is none, or it cannot be read."""

    @abstractmethod
    async def _remove(self, name: str) -> None:
        """Where there is one."""


class FolderBoard(Board):
    """Files in a folder that every process sees."""

    every_s = 0.1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def clear(self) -> None:
        await run_sync(self._clear)

    def _clear(self) -> None:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for item in self.folder.iterdir():
            item.unlink(missing_ok=True)

    def told_now(self, number: int) -> Told | None:
        """As `told`."""
        return _read(self._text(str(number)), Told)

    async def _put(self, name: str, text: bytes) -> None:
        await run_sync(self._write, name, text)

    def _write(self, name: str, text: bytes) -> None:
        new = self.folder / f"{name}.new"
        with open(new, "wb", opener=_private) as file:
            file.write(text)
        new.replace(self.folder / name)

    async def _get(self, name: str) -> bytes | None:
        return await run_sync(self._text, name)

    def _text(self, name: str) -> bytes | None:
        with suppress(OSError):
            return (self.folder / name).read_bytes()
        return None

    async def _remove(self, name: str) -> None:
        await run_sync(partial(Path.unlink, self.folder / name, missing_ok=True))


class StateBoard(Board):
    """Objects at a place in S3. What cannot be asked or told at the moment is not. Each bears the name of its `run`: a
    run that another one took over may not know of it yet, and is not to stop that one."""

    every_s = 2.0

    def __init__(self, store: ObjectStore, place: Location, run: str) -> None:
        self._store = store
        self._place = place
        self._run = f"{run}\n".encode()

    async def clear(self) -> None:
        for name in (STOP, SHARES):
            with suppress(NotFound):
                await self._store.delete_object(DeleteObject(self._ref(name)))

    async def ask_to_stop(self) -> None:
        """As any board; raises where it could not be asked."""
        await self._store.put_object(PutObject(self._ref(STOP), self._run + ASKED))

    async def _put(self, name: str, text: bytes) -> None:
        with suppress(EngineError):
            await self._store.put_object(PutObject(self._ref(name), self._run + text))

    async def _get(self, name: str) -> bytes | None:
        with suppress(EngineError):
            data = (await self._store.get_range(GetRange(self._ref(name)))).data
            return data.removeprefix(self._run) if data.startswith(self._run) else None
        return None

    async def _remove(self, name: str) -> None:
        with suppress(EngineError):
            await self._store.delete_object(DeleteObject(self._ref(name)))

    def _ref(self, name: str) -> ObjectRef:
        return ObjectRef(self._place.bucket, f"{self._place.key}at-work/{name}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _rest(number: int) -> str:
    return f"rest-{number}"


def _read(text: bytes | None, kind: type[Said]) -> Said | None:
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(text or b"", type=kind)
    return None


# --- what happens to objects --------------------------------------------------------------------------------

EVENTS_KEPT = 10_000
"""Events that a process hands over with its answer; of what happens to more objects its ledger knows."""


class Heard:
    """A run's listener: keeps its last figures, whether S3 is out of reach, and what is to be passed on."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.outage: OutOfReach | None = None
        self._kept: list[Event] = []
        self._more = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
        elif isinstance(event, OutOfReach):
            self.outage = event if event.why else None
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
