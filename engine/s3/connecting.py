"""Opens connections to one endpoint: name, address, proxy, TLS.

Connections are spread over all addresses that the name has, which is refreshed for new connections every minute: S3
answers with several at a time, and with others a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
import socket
import ssl
from typing import Any, NamedTuple

from engine.s3.http import HttpConnection, Owner, TlsConnection
from engine.s3.proxy import Proxy, connect_request, connect_status

CONNECT_TIMEOUT_S = 10.0
ADDRESSES_AGE_S = 60.0
_TUNNEL_LIMIT_BYTES = 16 << 10
_KEEPALIVE_S = 30
_NEXT_ADDRESS = frozenset({errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})


class Endpoint(NamedTuple):
    """Where requests go: `scheme` "http" or "https"."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{name}" + ("" if self.port == default else f":{self.port}")

    @property
    def netloc(self) -> str:
        """As in the Host header: without a default port."""
        return str(self).partition("://")[2]


class ConnectFailed(Exception):
    """No connection could be opened. `final`: nor will the next (wrong name, refused certificate)."""

    def __init__(self, why: str, *, code: str, final: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.code = code
        self.final = final


class Connector:
    """Opens connections one at a time or many at once; keeps the addresses and the TLS session between them."""

    def __init__(self, endpoint: Endpoint, *, context: ssl.SSLContext | None, proxy: Proxy | None = None) -> None:
        self.endpoint = endpoint
        self.proxy = proxy
        self._context = context
        self._addresses: list[tuple[int, Any]] = []
        self._resolved_at = -ADDRESSES_AGE_S
        self._resolving: asyncio.Task[list[tuple[int, Any]]] | None = None
        self._next = random.randrange(1 << 16)
        self._session: ssl.SSLSession | None = None
        self.opened = 0
        self.resumed = 0

    async def open(self, owner: Owner) -> HttpConnection:
        """A connection ready for its first request. Raises `ConnectFailed`."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await self._open(owner)
        except TimeoutError as error:
            raise ConnectFailed(f"no connection within {CONNECT_TIMEOUT_S:.0f} s", code="ConnectTimeout") from error
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed(
                f"its TLS certificate is refused ({error.verify_message})", code="Certificate", final=True
            ) from error
        except ssl.SSLError as error:
            raise ConnectFailed(
                f"TLS cannot be agreed on ({error.reason or error})", code="Tls", final=self.opened == 0
            ) from error
        except OSError as error:
            raise ConnectFailed(f"no connection ({error.strerror or error})", code=_code(error)) from error
        self.opened += 1
        return connection

    async def aclose(self) -> None:
        """Give up a look-up that nobody waits for any more."""
        if self._resolving is not None:
            self._resolving.cancel()
            await asyncio.gather(self._resolving, return_exceptions=True)
            self._resolving = None

    def keep_session(self, connection: HttpConnection) -> None:
        """Remember a connection's TLS session for those to come. Called once a connection has answered."""
        if isinstance(connection, TlsConnection):
            self._session = connection.session or self._session

    async def _open(self, owner: Owner) -> HttpConnection:
        loop = asyncio.get_running_loop()
        sock = await self._connect()
        try:
            if self.proxy is not None and self._context is not None:
                await self._tunnel(sock, self.proxy)
            connection = self._make(loop, owner)
            await loop.create_connection(lambda: connection, sock=sock)
        except BaseException:
            sock.close()
            raise
        if isinstance(connection, TlsConnection):
            try:
                await connection.handshake()
            except BaseException:
                connection.abort()
                raise
            self.resumed += connection.resumed
        return connection

    def _make(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> HttpConnection:
        if self._context is None:
            return HttpConnection(loop, owner)
        return TlsConnection(loop, owner, self._context, self.endpoint.host, self._session)

    async def _connect(self) -> socket.socket:
        """A connected socket to the next address; to the one after it where that one cannot be reached at all."""
        addresses = await self._current_addresses()
        failure: OSError | None = None
        for _ in range(len(addresses)):
            self._next += 1
            family, address = addresses[self._next % len(addresses)]
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setblocking(False)
                _tune(sock)
                await asyncio.get_running_loop().sock_connect(sock, address)
            except OSError as error:
                sock.close()
                failure = error
                if error.errno not in _NEXT_ADDRESS:
                    break
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        assert failure is not None
        raise failure

    async def _current_addresses(self) -> list[tuple[int, Any]]:
        """All addresses of the name. One look-up serves all who wait for it; an old answer serves while none comes."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._resolved_at >= ADDRESSES_AGE_S:
            if self._resolving is None:
                self._resolving = loop.create_task(self._resolve())
            try:
                self._addresses = await asyncio.shield(self._resolving)
                self._resolved_at = loop.time()
            except socket.gaierror as error:
                if not self._addresses:
                    raise ConnectFailed(
                        f"the name {self._where[0]!r} is not found ({error.strerror})", code="NameNotFound", final=True
                    ) from error
            except UnicodeError as error:  # what no name can be: a label of 64 characters and more, or an empty one
                raise ConnectFailed(
                    f"the name {self._where[0]!r} is not found ({error})", code="NameNotFound", final=True
                ) from error
            finally:
                if self._resolving is not None and self._resolving.done():
                    self._resolving = None
        return self._addresses

    @property
    def _where(self) -> tuple[str, int]:
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.endpoint.host, self.endpoint.port)

    async def _resolve(self) -> list[tuple[int, Any]]:
        host, port = self._where
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys((int(family), address) for family, _, _, _, address in found))

    async def _tunnel(self, sock: socket.socket, proxy: Proxy) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, connect_request(proxy, self.endpoint.host, self.endpoint.port))
        head = b""
        while b"\r\n\r\n" not in head:
            data = await loop.sock_recv(sock, 4096)
            head += data
            if not data or len(head) > _TUNNEL_LIMIT_BYTES:
                raise ConnectFailed(f"the proxy {proxy.host}:{proxy.port} gave no answer", code="Proxy")
        status = connect_status(head)
        if not 200 <= status < 300:
            raise ConnectFailed(
                f"the proxy {proxy.host}:{proxy.port} refuses a tunnel (status {status})",
                code="Proxy",
                final=status in (401, 403, 405, 407),
            )


def _tune(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # While a large copy is under way nothing may come for minutes: a dead peer should still be noticed.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), _KEEPALIVE_S)


def _code(error: OSError) -> str:
    return errno.errorcode.get(error.errno, type(error).__name__) if error.errno else type(error).__name__
