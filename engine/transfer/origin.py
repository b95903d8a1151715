"""Where the bytes of what passes come from: a folder's files (`upload`), or another endpoint's objects (`relay`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from engine.checksums import Hasher, hasher
from engine.model import Checksum, ObjectHead, UploadedPart
from engine.plan.integrity import Agreement, Compares, Evidence
from engine.plan.parts import Layout, OwnParts, PartRange
from engine.store import ObjectStore
from engine.transfer.carrier import Task
from engine.transfer.sums import Counted, counted
from engine.windows import WINDOW_BYTES


class Way(NamedTuple):
    """How a large object goes: in parts of `layout`, or, where there is none, by one PutObject. `checksum` is what its
    target is to be summed by, with the value that it must come to where the source says one. `own` are the source's
    parts, where the layout is theirs."""

    layout: Layout | None
    checksum: Checksum
    own: OwnParts | None = None


class Origin(Protocol):
    """Where the bytes come from: where the carriers differ. All raise `Drifted` for a source that is not, or no longer,
    the one that was listed, and what reading raises."""

    @property
    def method(self) -> str:
        """What the ledger records."""

    @property
    def requests(self) -> int:
        """What it costs to read something once."""

    async def head(self, task: Task) -> ObjectHead:
        """The source as it is, with its checksums."""

    async def whole(
        self, task: Task, buffer: Callable[[], memoryview], algorithms: Sequence[str]
    ) -> tuple[ObjectHead, Counted]:
        """All bytes of a small object, into what `buffer` gives once they come, and what there is to know of it."""

    async def fetch(self, task: Task, first: int, buffer: memoryview, algorithms: Sequence[str]) -> Counted:
        """Fill `buffer` with the bytes from `first` on."""

    async def ahead(self, task: Task, part: PartRange, algorithms: Sequence[str]) -> Counted | None:
        """The checksums of a part before it is sent; None where it would have to come twice for that."""

    async def way(self, task: Task, head: ObjectHead, summed: bool) -> tuple[Way, int]:
        """How an object goes that is not small, and how many requests it took to know. `summed`: the target's server
        gives checksums, as far as is known."""

    def claims(self, head: ObjectHead, passed: ObjectHead) -> ObjectHead:
        """What is known of the source's bytes, for the proof: by what its own server says, or by what was counted as
        they passed."""

    async def evidence(
        self, task: Task, source: ObjectHead, target: ObjectHead, store: ObjectStore, compares: Compares
    ) -> tuple[Agreement, Evidence]:
        """What both sides prove of each other's bytes; `store` is the target's, and its server `compares`."""

    async def kept(
        self, task: Task, layout: Layout, parts: dict[int, UploadedPart], algorithm: str, compares: Compares
    ) -> dict[int, tuple[UploadedPart, Counted]]:
        """Those parts of an earlier run that hold the source's bytes, each with its checksums, by `algorithm` where
        there is one, and by what proves the whole on a server that `compares`."""


class Streamed:
    """Bytes of a source that are too many for a buffer: fetched piece by piece while they are sent. `counted` is what
    has been read since it was begun anew."""

    def __init__(
        self, origin: Origin, task: Task, part: PartRange, buffer: memoryview, algorithms: Sequence[str]
    ) -> None:
        self._origin = origin
        self._task = task
        self._part = part
        self._buffer = buffer
        self._algorithms = algorithms
        self.length = part.size
        self.restart()

    def restart(self) -> None:
        self._given = 0
        self._hashers: list[Hasher] = [hasher(name) for name in self._algorithms]

    async def read(self) -> memoryview:
        at = self._given % len(self._buffer)
        size = min(len(self._buffer) - at, self.length - self._given)
        if at == 0 and size:
            await self._origin.fetch(self._task, self._part.first + self._given, self._buffer[:size], ())
        window = self._buffer[at : at + min(size, WINDOW_BYTES)]
        for item in self._hashers:
            item.update(window)
        self._given += len(window)
        return window

    async def count(self) -> Counted:
        """Read all of it for its checksums alone."""
        self.restart()
        while not self.is_whole:
            await self.read()
        return self.counted

    @property
    def is_whole(self) -> bool:
        return self._given == self.length

    @property
    def counted(self) -> Counted:
        return counted(self._hashers)
