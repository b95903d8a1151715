"""One HTTP/1.1 connection: a request at a time, its answer whole or in windows, plain or over TLS.

`asyncio.BufferedProtocol` with httptools' parser (llhttp, strict). Nothing here waits: `exchange` writes and gives a
future, the loop reads into what `get_buffer` gives and calls `buffer_updated`. There is no timer for a request either;
the pool looks over its connections once a second (`expired`).

Nothing tells whose an answer is but its turn. So a connection on which more came than was asked for, with an answer or
while it was idle, is closed and answers nothing else.
"""

from __future__ import annotations

import asyncio
import select
from typing import Protocol, cast

import httptools

from engine.s3.intake import Intake
from engine.s3.parsing import Answer
from engine.s3.receiving import Receiver, let_be
from engine.windows import WINDOW_BYTES

_WRITE_AT_ONCE_BYTES = 128 << 10
"""Of a body: what TLS makes of it still lies in the processor's cache when the system takes it. Half as much at a time
costs 6 to 12 % more, in system calls and in waking the other end."""
SLOWEST_BYTES_PER_S = 16 << 10
"""What an answer's bytes may take beyond the time that its request has in all: so much comes in a second at least."""

LOOKED_AT_AFTER_S = 0.005
"""How long a connection has been idle that is looked at before it is used again."""


class ConnectionBroken(Exception):
    """The connection ended before the answer did. `stale`: it had been used before and not one byte of this answer
    came, as when a server closes an idle connection at the moment that it is used again. `code` is one word."""

    def __init__(self, why: str, *, code: str, stale: bool) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.stale = stale


class Owner(Protocol):
    """Whoever keeps connections: told when one is free, and when one is gone."""

    def released(self, connection: HttpConnection) -> None: ...
    def lost(self, connection: HttpConnection) -> None: ...


class HttpConnection(Receiver):
    """A plain connection. Made by a connector, then handed to its owner."""

    _reads_exactly = True
    _is_greeted = False
    """Whether something of the server's own may come before the first answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        super().__init__(loop)
        self._owner = owner
        self._exact = False  # what follows the last answer has not been read with it
        self._sent = 0
        self._ahead: tuple[bytes, ...] = ()  # of a request that has not begun to go out
        self._timeout_s = self._total_s = 0.0
        self._began_at = 0.0
        self._poll: select.poll | None = None
        self._resume: asyncio.Future[None] | None = None
        self._paused = False
        self._at_once = False  # what is written is handed to the system
        self._sending = False
        self.requests = 0

    # --- what the pool asks -------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether a request can be written to it now."""
        return self._transport is not None and not self._transport.is_closing()

    def expired(self, now: float) -> bool:
        """Whether it has been silent for longer than its request allows, or has taken longer in all."""
        return (
            self._future is not None
            and not self._held
            and (
                now - self.active_at > self._timeout_s
                or now - self._began_at > self._total_s + (self._received + self._sent) / SLOWEST_BYTES_PER_S
            )
        )

    def write_through(self) -> None:
        """From now on whatever is written is handed to the system at once (uvloop would do so a little later, after
        whatever else is ready to run), and `send_body` waits for what the system does not take yet."""
        assert self._transport is not None
        self._at_once = True
        self._transport.set_write_buffer_limits(high=0)

    @property
    def unread(self) -> bool:
        """Whether something came that the loop has not brought yet: before a request is written, no answer to it.

        Not asked for within the moment in which an answer has ended, for it costs a system call; but after one without
        a body: that a body follows all the same is the likeliest of what comes unasked. And after one into windows, of
        which not a byte more was read than it had."""
        if (
            self._poll is None
            or (self._is_greeted and not self.requests)
            or not (self._bodiless or self._exact or self._loop.time() - self.active_at >= LOOKED_AT_AFTER_S)
        ):
            return False
        return bool(self._poll.poll(0))

    def exchange(
        self,
        head: bytes,
        *,
        bodiless: bool,
        limit: int,
        timeout_s: float,
        total_s: float,
        intake: Intake | None = None,
        with_body: bool = False,
    ) -> asyncio.Future[Answer]:
        """Write a request and give the future of its answer, which may raise `ConnectionBroken`.

        `limit` bounds the answer's bytes, `timeout_s` how long the connection may be silent, `total_s` how long all of
        it may take, and a second more for each `SLOWEST_BYTES_PER_S` of a body. The body of a 200 or 206 goes into
        `intake`, where there is one; its answer has none then. `with_body`: it goes out with the first piece that
        `send_body` is given, which is sure to come."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._future = future
        self._bodiless = bodiless
        self._limit = limit
        self._timeout_s = timeout_s
        self._total_s = total_s
        self._received = self._sent = 0
        if intake is not None:
            self._expect_windows(intake)
        self.requests += 1
        self.active_at = self._began_at = self._loop.time()
        self._ahead = (head,) if with_body else ()
        self._sending = with_body  # until all is sent: an answer before that leaves the connection of no more use
        if not with_body:
            self._send(head)
        return future

    async def send_body(self, body: bytes | memoryview, *, last: bool = True) -> None:
        """Write the rest of a request, a piece at a time, as fast as the connection takes it. Not `last`: more is to
        follow, and what was written before has been taken when this ends."""
        view = memoryview(body)
        self._sending = True
        for start in range(0, len(view), _WRITE_AT_ONCE_BYTES):
            await self._taken()
            if self._future is None or not self.open:
                return  # the answer, or the end, came first: the future says which
            self.active_at = self._loop.time()
            self._sent += len(view) - start if len(view) - start < _WRITE_AT_ONCE_BYTES else _WRITE_AT_ONCE_BYTES
            self._send(*self._ahead, view[start : start + _WRITE_AT_ONCE_BYTES])
            self._ahead = ()
        if not last:
            await self._taken()
            return
        self._sending = False

    async def invited(self, wait_s: float) -> bool:
        """Wait for "100 Continue", as a request with Expect asks for it (RFC 9110, 10.1.1), for `wait_s` seconds at
        most, or until the answer has come. Whether it came."""
        self._sending = True  # its body is still to be sent: an answer now leaves the connection of no more use
        invited = self._invited = self._loop.create_future()
        timer = self._loop.call_later(wait_s, let_be, invited, False)
        try:
            return bool(await invited)
        finally:
            timer.cancel()
            self._invited = None

    async def _taken(self) -> None:
        """Wait while the connection takes no more."""
        if self._paused:
            self._resume = self._loop.create_future()
            await self._resume

    def abort(self, why: str = "it was given up", code: str = "Aborted") -> None:
        """Close at once; a request under way fails with `ConnectionBroken`."""
        self._end(why, code)

    # --- writing ------------------------------------------------------------------------------------------

    def _send(self, *pieces: bytes | memoryview) -> None:
        assert self._transport is not None
        if len(pieces) == 1:
            self._transport.write(pieces[0])
        else:
            self._transport.writelines(pieces)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._let_go()

    def _let_go(self) -> None:
        if self._resume is not None:
            let_be(self._resume, None)
            self._resume = None

    # --- its life ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2 * WINDOW_BYTES)  # a small body goes out without a pause
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(select, "poll"):  # Windows has none
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def _finish(self) -> None:
        """Hand the answer over, and the connection back."""
        future, answer = self._future, self._answer
        assert future is not None and answer is not None
        self._exact = self._flows and self._reads_exactly
        if self._intake is not None:
            self._intake_over()
        self._future = self._answer = None
        self._headers_done = False
        surplus = self._surplus
        if self._bodiless:
            # The parser takes what follows for a body: only the bytes tell that nothing does.
            *heads, rest = self._raw.split(b"\r\n\r\n")
            surplus = bool(rest) or len(heads) != self._interim + 1
            self._raw = b""
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for a body
        self._interim = 0
        if self._keep and not surplus and not self._sending and not self._paused and self.open:
            self._owner.released(self)
        else:
            self._close()
        if not future.done():
            future.set_result(answer)

    def eof_received(self) -> bool:
        return False  # the transport closes itself, and connection_lost says the rest

    def connection_lost(self, error: Exception | None) -> None:
        ended_body = (
            self._future is not None
            and error is None
            and self._headers_done
            and not self._bodiless
            and not any(name.lower() in (b"content-length", b"transfer-encoding") for name in self._headers)
        )
        if ended_body:
            self._complete(keep=False, whole=False)
            self._finish()
        self._end(f"the connection was closed ({error})" if error else "the connection was closed", "Closed")

    def _end(self, why: str, code: str) -> None:
        future, self._future = self._future, None
        self._chunks.clear()  # the error that is raised now may be kept, and with it this connection
        self._raw = b""
        self._close()
        if self._intake is not None:
            self._intake_over()
        if future is not None and not future.done():
            stale = self._received == 0 and self.requests > 1 and code == "Closed"
            future.set_exception(ConnectionBroken(why, code=code, stale=stale))

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        self._let_go()
        if self._invited is not None:
            let_be(self._invited, False)
        if transport is not None:
            transport.abort()
            self._owner.lost(self)
