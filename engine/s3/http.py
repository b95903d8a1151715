"""One HTTP/1.1 connection: a request at a time, its answer whole, plain or over TLS.

`asyncio.Protocol` with httptools' parser (llhttp, strict). Nothing here waits: `exchange` writes and gives a future,
the loop calls `data_received`. There is no timer for a request either; the pool looks over its connections once a
second (`expired`).

Nothing tells whose an answer is but its turn. So a connection on which more came than was asked for, with an answer or
while it was idle, is closed and answers nothing else.

TLS is OpenSSL on two memory buffers rather than the loop's own: it is as fast, works alike on asyncio and uvloop and
inside a proxy's tunnel, keeps no 256 KiB buffer for each connection, and takes up earlier sessions (which the loops
do not offer), so that opening many connections costs one certificate's check and not hundreds.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from typing import Protocol, cast

import httptools

from engine.s3.parsing import Answer

HEADERS_LIMIT_BYTES = 64 << 10
_RECORD_BYTES = 16 << 10
"""What one TLS record carries at most (RFC 8446, 5.1)."""
_WRITE_AT_ONCE_BYTES = 256 << 10
SLOWEST_BYTES_PER_S = 16 << 10
"""What an answer's bytes may take beyond the time that its request has in all: so much comes in a second at least."""

LOOKED_AT_AFTER_S = 0.005
"""How long a connection has been idle that is looked at before it is used again."""


class ConnectionBroken(Exception):
    """The connection ended before the answer did. `stale`: it had been used before and not one byte of this answer
    came, as when a server closes an idle connection at the moment that it is used again. `code` is one word."""

    def __init__(self, why: str, *, code: str, stale: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.stale = stale


class Owner(Protocol):
    """Whoever keeps connections: told when one is free, and when one is gone."""

    def released(self, connection: HttpConnection) -> None: ...
    def lost(self, connection: HttpConnection) -> None: ...


class HttpConnection(asyncio.Protocol):
    """A plain connection. Made by a connector, then handed to its owner."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self._loop = loop
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        # Looked up once by the parser: headers and body go straight into these, without a call into Python.
        self.on_header = self._headers.__setitem__
        self.on_body = self._chunks.append
        self._parser = httptools.HttpResponseParser(self)
        self._future: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._keep = False
        self._bodiless = False
        self._headers_done = False
        self._raw = b""  # of an answer without a body
        self._interim = 0
        self._surplus = False
        self._received = 0
        self._sent = 0
        self._limit = 0
        self._timeout_s = self._total_s = 0.0
        self._began_at = 0.0
        self._poll: select.poll | None = None
        self._resume: asyncio.Future[None] | None = None
        self._paused = False
        self._sending = False
        self.requests = 0
        self.active_at = loop.time()

    # --- what the pool asks -------------------------------------------------------------------------------

    @property
    def open(self) -> bool:
        """Whether a request can be written to it now."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def busy(self) -> bool:
        return self._future is not None

    def expired(self, now: float) -> bool:
        """Whether it has been silent for longer than its request allows, or has taken longer in all."""
        return self._future is not None and (
            now - self.active_at > self._timeout_s
            or now - self._began_at > self._total_s + (self._received + self._sent) / SLOWEST_BYTES_PER_S
        )

    def write_through(self) -> None:
        """From now on whatever is written is handed to the system at once (uvloop would do so a little later, after
        whatever else is ready to run), and `send_body` waits for what the system does not take yet."""
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=0)

    @property
    def unread(self) -> bool:
        """Whether something came that the loop has not brought yet: before a request is written, no answer to it.

        Not asked for within the moment in which an answer has ended, for it costs a system call; but after one without
        a body: that a body follows all the same is the likeliest of what comes unasked."""
        if self._poll is None or (not self._bodiless and self._loop.time() - self.active_at < LOOKED_AT_AFTER_S):
            return False
        return bool(self._poll.poll(0))

    def exchange(
        self, head: bytes, *, bodiless: bool, limit: int, timeout_s: float, total_s: float
    ) -> asyncio.Future[Answer]:
        """Write a request and give the future of its answer, which may raise `ConnectionBroken`.

        `limit` bounds the answer's bytes, `timeout_s` how long the connection may be silent, `total_s` how long all of
        it may take, and a second more for each `SLOWEST_BYTES_PER_S` of a body."""
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._future = future
        self._bodiless = bodiless
        self._limit = limit
        self._timeout_s = timeout_s
        self._total_s = total_s
        self._received = self._sent = 0
        self.requests += 1
        self.active_at = self._began_at = self._loop.time()
        self._send(head)
        return future

    async def send_body(self, body: bytes | memoryview, *, last: bool = True) -> None:
        """Write the rest of a request, a piece at a time, as fast as the connection takes it. Not `last`: more is to
        follow, and what was written before has been taken when this ends."""
        view = memoryview(body)
        self._sending = True  # until all is sent: an answer before that leaves the connection of no more use
        for start in range(0, len(view), _WRITE_AT_ONCE_BYTES):
            await self._taken()
            if self._future is None or not self.open:
                return  # the answer, or the end, came first: the future says which
            self.active_at = self._loop.time()
            self._sent = start
            self._send(view[start : start + _WRITE_AT_ONCE_BYTES])
        if not last:
            await self._taken()
            return
        self._sending = False

    async def _taken(self) -> None:
        """Wait while the connection takes no more."""
        if self._paused:
            self._resume = self._loop.create_future()
            await self._resume

    def abort(self, why: str = "it was given up", code: str = "Aborted") -> None:
        """Close at once; a request under way fails with `ConnectionBroken`."""
        self._end(why, code)

    # --- writing ------------------------------------------------------------------------------------------

    def _send(self, data: bytes | memoryview) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._let_go()

    def _let_go(self) -> None:
        if self._resume is not None and not self._resume.done():
            self._resume.set_result(None)
        self._resume = None

    # --- reading ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        if sock is not None and hasattr(select, "poll"):  # Windows has none
            self._poll = select.poll()
            self._poll.register(sock.fileno(), select.POLLIN)

    def data_received(self, data: bytes | memoryview) -> None:
        if self._future is None:
            self._end("data came that no one asked for", "Unasked")
            return
        self.active_at = self._loop.time()
        self._received += len(data)
        if self._bodiless:
            self._raw += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._answer is None:
                self._end(f"what came is no HTTP answer ({error})", "NotHttp")
                return
            self._keep = False  # bytes after a whole answer: the answer stands, the connection does not
        if self._answer is not None:
            self._finish()
        elif self._received > self._limit + HEADERS_LIMIT_BYTES or (
            not self._headers_done and self._received > HEADERS_LIMIT_BYTES
        ):
            self._end("the answer is longer than it may be", "TooLong")

    def on_message_begin(self) -> None:
        if self._answer is not None:
            self._surplus = True

    def on_headers_complete(self) -> None:
        self._headers_done = True
        # The parser would wait for the body that a HEAD's Content-Length speaks of.
        if self._bodiless and self._parser.get_status_code() >= 200 and self._answer is None:
            close = any(name.lower() == b"connection" and b"close" in v.lower() for name, v in self._headers.items())
            self._complete(keep=not close and self._parser.get_http_version() == "1.1")

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers.clear()  # 1xx: the answer proper is still to come
            self._headers_done = False
            self._interim += self._answer is None
        elif self._answer is None:
            self._complete(keep=self._parser.should_keep_alive())

    def _complete(self, *, keep: bool, whole: bool = True) -> None:
        headers, chunks = self._headers, self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._answer = Answer(
            self._parser.get_status_code(), {name.lower(): value for name, value in headers.items()}, body, whole
        )
        self._keep = keep
        headers.clear()
        chunks.clear()

    def _finish(self) -> None:
        """Hand the answer over, and the connection back."""
        future, answer = self._future, self._answer
        assert future is not None and answer is not None
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

    # --- the end ------------------------------------------------------------------------------------------

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
        if future is not None and not future.done():
            stale = self._received == 0 and self.requests > 1 and code == "Closed"
            future.set_exception(ConnectionBroken(why, code=code, stale=stale))

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        self._let_go()
        if transport is not None:
            transport.abort()
            self._owner.lost(self)


class TlsConnection(HttpConnection):
    """A connection over TLS. `handshake` ends when the server has proven its name."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        context: ssl.SSLContext,
        host: str,
        session: ssl.SSLSession | None,
    ) -> None:
        super().__init__(loop, owner)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        self._shaken: asyncio.Future[None] = loop.create_future()

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection can take up; with TLS 1.3 there is one only after the first answer."""
        session = self._tls.session
        return session if session is not None and session.has_ticket else None

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    @property
    def unread(self) -> bool:
        return self.requests > 0 and super().unread  # before that it is the server's tickets

    async def handshake(self) -> None:
        """Raises ssl.SSLError, and OSError where the connection ends first."""
        self._shake()
        await self._shaken

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert tells the server why
            self._shaken.set_exception(error)
            self._close()
        else:
            self._flush()
            self._shaken.set_result(None)

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None:
            self._transport.write(self._outgoing.read())

    def _send(self, data: bytes | memoryview) -> None:
        assert self._transport is not None
        self._tls.write(data)
        self._transport.write(self._outgoing.read())

    def data_received(self, data: bytes | memoryview) -> None:
        self._incoming.write(data)
        if not self._shaken.done():
            self._shake()
            if not self._shaken.done() or not self._incoming.pending:
                return
        receive = super().data_received
        while self._transport is not None:
            try:
                clear = self._tls.read(_RECORD_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self._end("the connection was closed", "Closed")
                return
            except ssl.SSLError as error:
                self._end(f"what came cannot be decrypted ({error.reason})", "BadTls")
                return
            if clear:
                receive(clear)
            # A record is read whole, so that nothing is left when the buffer is empty: asking once more would only
            # cost an exception.
            if not self._incoming.pending:
                break
        if self._outgoing.pending:
            self._flush()  # the answer to a change of keys

    def connection_lost(self, error: Exception | None) -> None:
        if not self._shaken.done():
            self._shaken.set_exception(
                ConnectionResetError(f"the connection was closed in the TLS handshake{f' ({error})' if error else ''}")
            )
        super().connection_lost(error)
