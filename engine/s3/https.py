"""A connection over TLS.

TLS is OpenSSL on two memory buffers rather than the loop's own: it is as fast, works alike on asyncio and uvloop and
inside a proxy's tunnel, keeps no 256 KiB buffer for each connection, and takes up earlier sessions (which the loops
do not offer), so that opening many connections costs one certificate's check and not hundreds.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable
from typing import cast

from engine.s3.http import HttpConnection, Owner

_RECORD_BYTES = 16 << 10
"""What one TLS record carries at most (RFC 8446, 5.1)."""


_of_thread = threading.local()


def _buffers() -> tuple[ssl.MemoryBIO, ssl.MemoryBIO]:
    """What all connections of one loop hand to OpenSSL, and take from it: each leaves both empty. A pair for each
    connection would keep as much as has ever come at once, and be cold in the processor's cache at each turn."""
    found: tuple[ssl.MemoryBIO, ssl.MemoryBIO] | None = getattr(_of_thread, "buffers", None)
    if found is None:
        found = _of_thread.buffers = ssl.MemoryBIO(), ssl.MemoryBIO()
    return found


class TlsConnection(HttpConnection):
    """A connection over TLS. `handshake` ends when the server has proven its name."""

    _reads_exactly = False
    _is_greeted = True  # with the server's tickets

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        context: ssl.SSLContext,
        host: str,
        session: ssl.SSLSession | None,
    ) -> None:
        super().__init__(loop, owner)
        self._incoming, self._outgoing = _buffers()
        self._rest = b""  # of what came, for which there is no room yet
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        self._shaken: asyncio.Future[None] = loop.create_future()
        self._is_shaken = False

    @property
    def session(self) -> ssl.SSLSession | None:
        """What a later connection can take up; with TLS 1.3 there is one only after the first answer."""
        session = self._tls.session
        return session if session is not None and session.has_ticket else None

    @property
    def resumed(self) -> bool:
        return bool(self._tls.session_reused)

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
            self._is_shaken = True
            self._shaken.set_result(None)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and self._transport is not None:
            self._transport.write(data)

    def _send(self, *pieces: bytes | memoryview) -> None:
        try:
            for piece in pieces:
                self._tls.write(piece)
        finally:
            self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._take(self._scratch[:nbytes])

    def _go_on(self) -> None:
        super()._go_on()
        if self._rest or self._tls.pending():
            self._take(b"")

    def _take(self, more: bytes | memoryview) -> None:
        """Read what came, and this after it, as far as there is room for it."""
        incoming = self._incoming
        if self._rest:
            incoming.write(self._rest)
            self._rest = b""
        incoming.write(more)
        try:
            if not self._is_shaken:
                self._shake()
            if self._is_shaken:
                self._decrypt()
        finally:
            if incoming.pending:
                self._rest = incoming.read()
            if self._outgoing.pending:
                self._flush()

    def _decrypt(self) -> None:
        incoming, tls = self._incoming, self._tls
        while self._transport is not None and not self._held:
            try:
                if self._flows:
                    came = self._fill(self._into)
                    if self._outgoing.pending:
                        self._flush()  # the answer to a change of keys
                    if came:
                        self._flowed(came)
                    if incoming.pending or tls.pending():
                        continue
                    break
                clear = tls.read(_RECORD_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                self._end("the connection was closed", "Closed")
                return
            except ssl.SSLError as error:
                self._end(f"what came cannot be decrypted ({error.reason})", "BadTls")
                return
            if self._outgoing.pending:
                self._flush()
            if clear:
                self.data_received(clear)
            # A record is read whole, so that nothing is left when the buffer is empty: asking once more would only
            # cost an exception.
            if not incoming.pending:
                break

    def _fill(self, window: memoryview) -> int:
        """Read record after record, as far as they have come and the window reaches: what is done with a window is done
        once, and not for each 16 KiB. Gives how many bytes came."""
        # Given a buffer it says how many bytes it read, and not which.
        read, incoming = cast("Callable[[int, memoryview], int]", self._tls.read), self._incoming
        size, filled = len(window), 0
        try:
            while came := read(size - filled, window[filled:]):
                filled += came
                if filled == size or not incoming.pending:
                    break
        except ssl.SSLWantReadError:
            if not filled:
                raise
        return filled

    def connection_lost(self, error: Exception | None) -> None:
        if not self._shaken.done():
            self._shaken.set_exception(
                ConnectionResetError(f"the connection was closed in the TLS handshake{f' ({error})' if error else ''}")
            )
        super().connection_lost(error)
