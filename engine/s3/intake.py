"""The body of one answer on its way from a connection to a sink. A sink that keeps all of it in memory has its windows
in its own room, where they need not be copied.

A connection asks where the next bytes are to come (`room`) and says how many have come (`landed`). A full window is
handed to the taker at once, while it lies in the processor's cache, and is filled again. Where the taker has to wait
(`next`) a second one is filled meanwhile; with both in use nothing is taken off the network until one is given back,
and the server has to wait. All of it on one event loop; only `next` waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from engine.s3.parsing import Answer
from engine.windows import WINDOW_BYTES, memory

WINDOWS_AT_ONCE = 2
"""For each answer. A third would only hold more memory: the network is as far ahead as its own buffers allow."""
KEPT = 64
"""How many windows that are free a store keeps."""


class Windows:
    """The pool of windows of one store. What is not given back (a thread may still write from it after its transfer was
    given up) is left to the garbage collector."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        return self._free.pop() if self._free else memory(WINDOW_BYTES)

    def give_back(self, window: memoryview) -> None:
        if len(self._free) < KEPT:
            self._free.append(window)


class Intake:
    """One body. `begin` is called once its head has come, `left` is what is still to come of a known length."""

    def __init__(self, loop: asyncio.AbstractEventLoop, windows: Windows, own: Callable[[], memoryview | None]) -> None:
        self._loop = loop
        self._windows = windows
        self._ask_own = own
        self._own: memoryview | None = None
        self._taken = 0
        self._ready: deque[memoryview] = deque()
        self._sizes: deque[int] = deque()
        self._window: memoryview | None = None
        self._filled = 0
        self._in_use = 0
        self._written: memoryview | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._on_room: Callable[[], None] | None = None
        self._ended = False
        self._take_now: Callable[[memoryview], bool] | None = None
        self._failure: BaseException | None = None
        self.answer: Answer | None = None
        self.length: int | None = None
        self.left = 0

    # --- the connection's side ----------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        return self.answer is not None

    @property
    def is_crowded(self) -> bool:
        """Whether more was put than the windows hold, of a body without a length."""
        return sum(self._sizes) > WINDOWS_AT_ONCE * WINDOW_BYTES

    def begin(self, answer: Answer, length: int | None, on_room: Callable[[], None]) -> None:
        """The head has come, and `length` bytes follow it (None: as many as there are). `on_room` is called whenever
        something has been written."""
        self.answer = answer
        self.length = length
        self.left = length or 0
        own = self._ask_own()
        if own is not None and len(own) == length:
            self._own = own
        self._on_room = on_room

    def room(self) -> memoryview | None:
        """Where the next bytes are to come; None while all windows are in use."""
        window = self._window
        if window is None:
            if self._in_use == WINDOWS_AT_ONCE:
                return None
            window = self._window = self._next_window()
            self._in_use += 1
            self._filled = 0
        return window[self._filled : self._filled + self.left]

    def _next_window(self) -> memoryview:
        if self._own is None:
            return self._windows.take()
        begun = self._taken
        self._taken = begun + WINDOW_BYTES
        return self._own[begun : self._taken]

    def _give_back(self, window: memoryview) -> None:
        if self._own is None:
            self._windows.give_back(window)

    def landed(self, nbytes: int) -> bool:
        """So many bytes have come to where `room` said. Whether they were the last."""
        self._filled += nbytes
        self.left -= nbytes
        if self._filled == WINDOW_BYTES or not self.left:
            window = self._window
            assert window is not None
            self._window = None
            if self._took(window[: self._filled]):
                self._give_back(window)
                self._in_use -= 1
            else:
                self._ready.append(window)
                self._sizes.append(self._filled)
                self._wake()
        return not self.left

    def _took(self, window: memoryview) -> bool:
        """Whether the taker had it at once: it is none that waits for what came before, and wants this one now."""
        if self._take_now is None or self._ready or self._written is not None:
            return False
        try:
            return self._take_now(window)
        except BaseException as error:  # the taker's own, whatever it is: in a callback nobody would have it
            self._failure, self._take_now = error, None
            return False

    def put(self, chunk: bytes) -> None:
        """A piece of a body whose length is not known."""
        self._ready.append(memoryview(chunk))
        self._sizes.append(len(chunk))
        self._wake()

    def end(self) -> None:
        """No more comes: all of it has, or the connection ended."""
        self._ended = True
        self._on_room = None  # the connection may serve another by now
        self._take_now = None  # the taker has us: neither is to wait for the garbage collector
        if self._window is not None:
            self._give_back(self._window)
            self._window = None
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # --- the taker's side ---------------------------------------------------------------------------------

    def take_by(self, take_now: Callable[[memoryview], bool]) -> None:
        """Hand windows to `take_now` as they are filled. False: nothing was done, and it is for `next`, which also
        raises what `take_now` raised."""
        self._take_now = take_now

    async def next(self) -> memoryview | None:
        """The next window that was not taken at once; None where no more comes. Each is `done` before the next is asked
        for."""
        while not self._ready:
            if self._ended:
                return None
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._failure is not None:
            raise self._failure
        window = self._ready.popleft()
        size = self._sizes.popleft()
        self._written = None if window.readonly else window
        return window[:size]

    def done(self) -> None:
        """The window is of no more use to its taker."""
        if self._written is not None:
            self._give_back(self._written)
            self._written = None
            self._in_use -= 1
        if self._on_room is not None and not self.is_crowded:
            self._on_room()
