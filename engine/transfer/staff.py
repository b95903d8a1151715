"""How many workers a queue has: as many as are of use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from anyio.abc import TaskGroup

FEW = 32
"""So many workers begin without a second thought. While nothing holds them back there are twice as many every LOOK_S:
1,024 after 50 ms. Where more than one in MANY waits until it may send half of those end, else one of them, and once
that was met they become more by one in SOME at a time. A worker that waits costs the object that it has a tenth more
processor time, and makes others lose what they had in the processor's cache; one that waits for its connection says
that another would wait for one too, and a handshake costs as much as ten objects."""

LOOK_S = 0.01
MANY = 4
SOME = 16


class Held(NamedTuple):
    """How many requests wait, until they may be sent and for a connection."""

    to_send: int = 0
    to_connect: int = 0


def hiring(group: TaskGroup, work: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """What begins a worker in a group. Not while the others are being ended: once the last of those has ended nobody
    tells a new one (anyio looks no more), and the group would wait for it for ever."""

    def hire() -> None:
        if not group.cancel_scope.cancel_called:
            group.start_soon(work)

    return hire


class Staff:
    """The workers of one queue, `most` at a time. `hire` begins one, `held` says what holds them back, `waiting` how
    many jobs do."""

    def __init__(
        self, hire: Callable[[], object], most: int, held: Callable[[], Held], waiting: Callable[[], int]
    ) -> None:
        self._hire = hire
        self._most = most
        self._held = held
        self._waiting = waiting
        self._hired = self._leaving = 0
        self._met = False  # what they may send
        self._timer: asyncio.TimerHandle | None = None
        self._is_enough = False

    def call(self, count: int) -> None:
        """So many jobs wait more than workers are idle."""
        self._grow(min(count, FEW - self._hired))
        self._look_soon()

    def enough(self) -> None:
        """Begin no more workers."""
        self._is_enough = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def one_leaves(self) -> bool:
        """Whether a worker that asks for its next job is one too many: then it is to end."""
        if not self._leaving:
            return False
        self._leaving -= 1
        self._hired -= 1
        return True

    def look(self) -> None:
        """Fit the number of workers to what still waits, and to what they may send."""
        self._timer, self._leaving = None, 0
        waiting = self._waiting()
        if not waiting:
            return
        to_send, to_connect = self._held()
        if to_send:
            is_many = to_send * MANY > self._hired
            self._met = self._met or is_many
            self._leaving = min(to_send // 2 if is_many else 1, max(0, self._hired - FEW))
        elif not to_connect:
            self._grow(min(waiting, self._hired // (SOME if self._met else 1)))
        self._look_soon()

    def _grow(self, count: int) -> None:
        if self._is_enough:
            return
        for _ in range(min(count, self._most - self._hired)):
            self._hired += 1
            self._hire()

    def _look_soon(self) -> None:
        if self._timer is None and not self._is_enough and self._most > FEW:
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self.look)
