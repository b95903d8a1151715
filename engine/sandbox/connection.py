"""One connection: bytes into requests, answers into bytes, one after the other. Knows HTTP and nothing of S3.

Written for speed: callbacks of httptools' parser, one write for a small answer, no task and no future.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import traceback
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import httptools

HEAD_LIMIT_BYTES = 64 * 1024
WAITING_LIMIT = 64
"""Requests that a client may send ahead on one connection; more is refused by closing it."""

_NAMES: dict[bytes, str] = {}
_NAMES_LIMIT = 512


class Received(NamedTuple):
    """A request as it came: `target` undecoded, header names in lower case, `keep_alive` what the client wishes."""

    method: str
    target: bytes
    headers: dict[str, str]
    body: bytes
    keep_alive: bool


class Handler(Protocol):
    """Who takes requests. Each `take` leads to one `finish`, `write_slowly` or `abort` on the connection, in time."""

    body_limit: int
    wants_heads: bool
    connections: set[Connection]

    def take(self, connection: Connection, received: Received) -> None: ...

    def take_head(self, connection: Connection, received: Received) -> bool:
        """Asked before the body comes, where `wants_heads`; False: the connection was ended."""


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[Received] = deque()
        self._busy = False
        self._keep_alive = True
        self._outgoing: Iterator[bytes] | None = None
        self._paused = False
        self._target = b""
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    @property
    def keeps_alive(self) -> bool:
        """Whether the client wishes to send more after the request at hand."""
        return self._keep_alive

    # --- from the transport ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self._handler.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._waiting.clear()
        self._outgoing = None
        self._handler.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(405)
        except httptools.HttpParserCallbackError:  # a mistake of ours: whoever runs the sandbox reads the traceback
            traceback.print_exc()
            self.abort()
        except httptools.HttpParserError:
            self._refuse(400)

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._pump()

    # --- from the parser ---

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = {}
        self._head_bytes = 0
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        known = _NAMES.get(name) or _spell(name)
        try:
            text = value.decode()
        except UnicodeDecodeError:
            text = value.decode("latin-1")
        headers = self._headers
        if known in headers:
            text = f"{headers[known]},{text}"
        headers[known] = text
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        headers = self._headers
        if self._handler.wants_heads and self._transport is not None and not self._busy:
            head = Received(self._parser.get_method().decode(), self._target, headers, b"", True)
            if not self._handler.take_head(self, head):
                return
        if "expect" in headers and headers["expect"].lower() == "100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._handler.body_limit:
            self._refuse(413)
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        parser = self._parser
        if self._transport is None or self._transport.is_closing():
            return
        body = b"".join(self._body) if self._body else b""
        self._body = []
        received = Received(parser.get_method().decode(), self._target, self._headers, body, parser.should_keep_alive())
        if self._busy:
            self._waiting.append(received)
            if len(self._waiting) > WAITING_LIMIT:
                self._refuse(400)
            return
        self._busy = True
        self._keep_alive = received.keep_alive
        self._handler.take(self, received)

    # --- from the handler ---

    def finish(self, data: bytes) -> None:
        """Send an answer's last bytes, and turn to the next request."""
        transport = self._transport
        if transport is None:
            return
        transport.write(data)
        if not self._keep_alive:
            transport.close()
            self._transport = None
            return
        self._busy = False
        if self._waiting:
            received = self._waiting.popleft()
            self._busy = True
            self._keep_alive = received.keep_alive
            self._handler.take(self, received)

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        if self._transport is not None:
            self._transport.write(data)

    def finish_with(self, pieces: Iterator[bytes], *, close: bool = False) -> None:
        """Send an answer's body piece by piece, as fast as the client reads."""
        self._outgoing = pieces
        self._keep_alive = self._keep_alive and not close
        self._pump()

    def end(self) -> None:
        """Close after what was written was sent."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def abort(self) -> None:
        """Reset."""
        if self._transport is not None:
            _linger_none(self._transport)
            self._transport.abort()
            self._transport = None

    # --- within ---

    def _pump(self) -> None:
        pieces = self._outgoing
        if pieces is None:
            return
        while not self._paused and self._transport is not None:
            piece = next(pieces, None)
            if piece is None:
                self._outgoing = None
                self.finish(b"")
                return
            self._transport.write(piece)

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > HEAD_LIMIT_BYTES:
            self._refuse(431)

    def _refuse(self, status: int) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(f"HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.end()


def _spell(name: bytes) -> str:
    found = name.decode("latin-1").lower()
    if len(_NAMES) < _NAMES_LIMIT:
        _NAMES[name] = found
    return found


def _linger_none(transport: asyncio.Transport) -> None:
    """Make the close a reset (RST) that the client sees as one, also where everything was read."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
