"""TLS by Python's `ssl`, on two memory buffers."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import cast

from engine.s3.of_thread import OfThread
from engine.s3.tls import RECORD_BYTES

_buffers = OfThread(lambda: (ssl.MemoryBIO(), ssl.MemoryBIO()))
"""What all connections of one loop hand to OpenSSL, and take from it: each leaves both empty."""


class PythonContext:
    """`engine.s3.tls.TlsContext` on one of `ssl`."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.context = context

    def connect(self, host: str, session: object | None) -> PythonTls:
        return PythonTls(self.context, host, cast("ssl.SSLSession | None", session))


class PythonTls:
    """`engine.s3.tls.Tls` on an SSLObject."""

    def __init__(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None) -> None:
        self._incoming, self._outgoing = _buffers.shared
        self._rest = b""  # of what came
        self.closed = False
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        # Given a buffer it says how many bytes it read, and not which.
        self._read_into = cast("Callable[[int, memoryview], int]", self._tls.read)

    @property
    def session(self) -> ssl.SSLSession | None:
        session = self._tls.session
        return session if session is not None and session.has_ticket else None

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

    @property
    def unread(self) -> bool:
        return bool(self._rest or self._tls.pending())

    def came(self, data: memoryview, size: int) -> None:
        if self._rest:
            self._incoming.write(self._rest)
            self._rest = b""
        self._incoming.write(data[:size])

    def put_by(self) -> None:
        if self._incoming.pending:
            self._rest = self._incoming.read()

    def shake(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def read(self, into: memoryview) -> int:
        size, filled = len(into), 0
        try:
            while filled < size and self._has_more():
                came = self._read_into(size - filled, into[filled:])
                if not came:
                    self.closed = True
                    break
                filled += came
        except ssl.SSLWantReadError:
            pass
        return filled

    def read_record(self) -> bytes:
        if not self._has_more():
            return b""
        try:
            record = self._tls.read(RECORD_BYTES)
        except ssl.SSLWantReadError:
            return b""
        self.closed = self.closed or not record
        return record

    def _has_more(self) -> bool:
        """A record is read whole, so that nothing is left once the buffer is empty: asking all the same would only cost
        an exception."""
        return bool(self._incoming.pending or self._tls.pending())

    def write(self, piece: bytes | memoryview) -> None:
        self._tls.write(piece)

    def to_send(self) -> bytes:
        return self._outgoing.read() if self._outgoing.pending else b""

    def keep_sent(self) -> None:
        return  # it is nobody else's
