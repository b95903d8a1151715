"""The connections to one endpoint: which request gets which is decided at once, without waiting and without a search.

A request takes the connection that was free last (`take`), or waits (`wait`) for the first that becomes free or is
opened for it. Every step costs the same however many connections there are. Once a second, and only then, all are
looked over: silent ones are given up, idle ones closed before the server does it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple, Protocol

from engine.s3.connecting import ConnectFailed
from engine.s3.http import HttpConnection, Owner

OPENING_AT_ONCE = 32
"""More at a time would fill the server's backlog (128 on many) and hold up answers with handshakes."""
IDLE_S = 4.0
"""How long an idle connection is kept. Servers close theirs after five seconds at the earliest (hypercorn, Node; S3
and Ceph later), and a request that meets that moment has an open outcome."""
SWEEP_S = 1.0


class Opener(Protocol):
    """What opens connections: `engine.s3.connecting.Connector`."""

    async def open(self, owner: Owner) -> HttpConnection: ...
    def keep_session(self, connection: HttpConnection) -> None: ...


class Statistics(NamedTuple):
    """A pool at this moment; `opened` counts since it was made."""

    connections: int
    idle: int
    opening: int
    waiting: int
    opened: int


class Pool:
    """At most `bound` connections, opened when a request finds none free. Belongs to one event loop."""

    def __init__(self, opener: Opener, *, bound: int, idle_s: float = IDLE_S) -> None:
        self._opener = opener
        self._bound = bound
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._connections: set[HttpConnection] = set()
        self._idle: dict[HttpConnection, None] = {}  # in the order in which they became free
        self._waiting: deque[asyncio.Future[HttpConnection]] = deque()
        self._openings: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._failed = False  # an opening, since the last sweep
        self._closed = False
        self.opened = 0

    def statistics(self) -> Statistics:
        waiting = sum(not future.done() for future in self._waiting)
        return Statistics(len(self._connections), len(self._idle), len(self._openings), waiting, self.opened)

    # --- for requests -------------------------------------------------------------------------------------

    def take(self) -> HttpConnection | None:
        """The connection that became free last, or None: then `wait` for one. Whoever has one writes a request to it
        at once; it comes back by itself."""
        while self._idle:
            connection = self._idle.popitem()[0]
            if connection.open:
                return connection
            self._connections.discard(connection)
        return None

    async def wait(self) -> HttpConnection:
        """The first connection that is free, in turn; by then it may have been closed. Raises `ConnectFailed` where
        there is none and none can be had."""
        future: asyncio.Future[HttpConnection] = self._loop.create_future()
        self._waiting.append(future)
        if not self._failed or not self._connections:
            self._grow()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.released(future.result())
            raise

    # --- for connections ----------------------------------------------------------------------------------

    def released(self, connection: HttpConnection) -> None:
        """Free: the next in line gets it."""
        if connection.requests == 1:  # its first answer, with which TLS 1.3 has sent its tickets
            self._opener.keep_session(connection)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(connection)
                return
        self._idle[connection] = None

    def lost(self, connection: HttpConnection) -> None:
        if connection.requests == 1:
            self._opener.keep_session(connection)  # of a server that closes after each answer
        self._connections.discard(connection)
        self._idle.pop(connection, None)
        if self._waiting:
            self._grow()

    # --- opening ------------------------------------------------------------------------------------------

    def _grow(self) -> None:
        """Open as many as there are requests in line, within the bounds: whoever sends decides how many are worth it
        (`engine.transfer.work`, the governor's window)."""
        if self._closed:
            return
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        room = min(self._bound - len(self._connections), len(self._waiting), OPENING_AT_ONCE)
        while len(self._openings) < room:
            self._openings.add(self._loop.create_task(self._open()))
        if self._timer is None:
            self._timer = self._loop.call_later(SWEEP_S, self.sweep)

    async def _open(self) -> None:
        connection: HttpConnection | None = None
        failure: ConnectFailed | None = None
        try:
            connection = await self._opener.open(self)
            self.opened += 1
            if not connection.open:  # else whoever waits would wait for the next, which ends like this one
                connection, failure = None, ConnectFailed("it was closed as soon as it was open", code="Closed")
        except ConnectFailed as error:
            failure = error
        except Exception as error:  # a mistake of ours must not leave those in line waiting for ever
            failure = ConnectFailed(f"{type(error).__name__}: {error}", code="Internal", final=True)
        finally:
            task = asyncio.current_task()
            assert task is not None
            self._openings.discard(task)
        if connection is not None:
            self._connections.add(connection)
            self.released(connection)
            if not self._failed:
                self._grow()
        elif failure is not None and (failure.final or not self._connections):
            self._fail(failure)
        else:
            self._failed = True  # others answer, and those in line are served by them; the next sweep tries again

    def _fail(self, failure: ConnectFailed) -> None:
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                # One each: an error that is raised collects the traceback of whoever gets it.
                future.set_exception(ConnectFailed(failure.why, code=failure.code, final=failure.final))

    # --- once a second ------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Give up silent connections and close idle ones. Calls itself again in a second while there are any."""
        now = self._loop.time()
        for connection in [item for item in self._connections if item.expired(now)]:
            connection.abort("no answer came for too long", "Timeout")
        stale = []
        for connection in self._idle:
            if now - connection.active_at < self._idle_s:
                break
            stale.append(connection)
        for connection in stale:
            connection.abort()
        self._timer = None
        self._failed = False
        if self._connections or self._openings or self._waiting:
            self._timer = self._loop.call_later(SWEEP_S, self.sweep)
            self._grow()

    async def aclose(self) -> None:
        """Give up whatever is under way."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        openings = list(self._openings)
        for task in openings:
            task.cancel()
        await asyncio.gather(*openings, return_exceptions=True)
        self._fail(ConnectFailed("the store was closed", code="Aborted"))
        for connection in list(self._connections):
            connection.abort("the store was closed")
