"""A connection over TLS."""

from __future__ import annotations

import asyncio
import ssl

from engine.s3.http import HttpConnection, Owner
from engine.s3.tls import TlsContext


class TlsConnection(HttpConnection):
    """A connection over TLS. `handshake` ends when the server has proven its name."""

    _reads_exactly = False
    _is_greeted = True  # with the server's tickets

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        owner: Owner,
        context: TlsContext,
        host: str,
        session: object | None,
    ) -> None:
        super().__init__(loop, owner)
        self.tls = context.connect(host, session)
        self._shaken: asyncio.Future[None] = loop.create_future()
        self._is_shaken = False

    async def handshake(self) -> None:
        """Raises ssl.SSLError, and OSError where the connection ends first."""
        self._shake()
        await self._shaken

    def _shake(self) -> None:
        if self._shaken.done():
            return  # it has failed, or is not waited for any more
        try:
            self._is_shaken = self.tls.shake()
        except ssl.SSLError as error:
            self._flush()  # the alert tells the server why
            self._shaken.set_exception(error)
            self._close()
            return
        self._flush()
        if self._is_shaken:
            self._shaken.set_result(None)

    def _flush(self) -> None:
        data, transport = self.tls.to_send(), self._transport
        if not data or transport is None:
            return
        if not self._at_once:
            transport.write(bytes(data))
            return
        transport.write(data)
        if transport.get_write_buffer_size():  # the system did not take all of it yet
            self.tls.keep_sent()

    def _send(self, *pieces: bytes | memoryview) -> None:
        try:
            for piece in pieces:
                self.tls.write(piece)
        finally:
            self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        self._take(nbytes)

    def _go_on(self) -> None:
        super()._go_on()
        if self.tls.unread or self.tls.closed:
            self._take(0)

    def _take(self, nbytes: int) -> None:
        """Read what came, and the so many bytes that came now, as far as there is room for it."""
        self.tls.came(self._scratch, nbytes)
        try:
            if not self._is_shaken:
                self._shake()
            if self._is_shaken:
                self._decrypt()
        finally:
            self.tls.put_by()
            self._flush()  # the answer to a change of keys
        if self.tls.closed and self._transport is not None and not self._held:
            self._transport.abort()  # as where the connection itself ends

    def _decrypt(self) -> None:
        tls, more = self.tls, True
        try:
            while more and self._transport is not None and not self._held:
                if self._flows:
                    size = len(self._into)
                    came = tls.read(self._into)
                    if came:
                        self._flowed(came)
                    more = came == size
                else:
                    clear = tls.read_record()
                    if clear:
                        self.data_received(clear)
                    more = bool(clear)
        except ssl.SSLError as error:
            self._end(f"what came cannot be decrypted ({error.reason})", "BadTls")

    def connection_lost(self, error: Exception | None) -> None:
        if not self._shaken.done():
            self._shaken.set_exception(
                ConnectionResetError(f"the connection was closed in the TLS handshake{f' ({error})' if error else ''}")
            )
        super().connection_lost(error)
