"""Opens connections to one endpoint: name, address, proxy, TLS.

Connections are spread over all addresses that the name has, which is refreshed for new connections every minute: S3
answers with several at a time, and with others a moment later. An address that does not answer is not waited for: the
next is tried a quarter of a second later, beside it, and the first that answers is taken (RFC 8305, "Happy Eyeballs").
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import random
import socket
import ssl
from collections.abc import Iterable
from typing import Any, NamedTuple

from engine.s3.http import HttpConnection, Owner
from engine.s3.https import TlsConnection
from engine.s3.proxy import Proxy, connect_request, connect_status
from engine.s3.tls import TlsContext

CONNECT_TIMEOUT_S = 10.0
ADDRESSES_AGE_S = 60.0
RESOLVER_PATIENCE_S = 1.0
"""How long a resolver is waited for while addresses are known from before."""

_TUNNEL_LIMIT_BYTES = 16 << 10
_KEEPALIVE_S = 30
NEXT_ADDRESS_S = 0.25
"""How long one address may take before the next is tried too (RFC 8305, section 5: 250 ms)."""

_NO_TLS = frozenset({"wrong version number", "packet length too long"})
"""What OpenSSL makes of the first bytes of an answer in plain text."""

Address = tuple[int, Any]
"""A family and what `connect` takes for it."""


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

    def __init__(self, endpoint: Endpoint, *, context: TlsContext | None, proxy: Proxy | None = None) -> None:
        self.endpoint = endpoint
        self.proxy = proxy
        self._context = context
        self._addresses: list[Address] = []
        self._silent: set[Address] = set()
        self._resolved_at = -ADDRESSES_AGE_S
        self._resolving: asyncio.Task[list[Address]] | None = None
        self._asked_at = 0.0
        self._next = random.randrange(1 << 16)
        self._session: object | None = None
        self.opened = 0
        self.resumed = 0

    async def open(self, owner: Owner) -> HttpConnection:
        """A connection ready for its first request. Raises `ConnectFailed`."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await self._open(owner)
        except TimeoutError as error:
            raise ConnectFailed(
                f"no connection{self._to_proxy} within {CONNECT_TIMEOUT_S:.0f} s", code="ConnectTimeout"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise ConnectFailed(
                f"its TLS certificate is refused ({error.verify_message})", code="Certificate", final=True
            ) from error
        except ssl.SSLError as error:
            why = str(error.reason or error).replace("_", " ").lower()
            if why in _NO_TLS:
                why += ": most likely that port speaks plain HTTP, and the endpoint is http://"
            raise ConnectFailed(f"TLS cannot be agreed on ({why})", code="Tls", final=self.opened == 0) from error
        except OSError as error:
            raise ConnectFailed(
                f"no connection{self._to_proxy} ({error.strerror or error})", code=_code(error)
            ) from error
        self.opened += 1
        return connection

    async def aclose(self) -> None:
        """Give up a look-up that nobody waits for any more."""
        if self._resolving is not None:
            self._resolving.cancel()
            await asyncio.gather(self._resolving, return_exceptions=True)
            self._resolving = None

    def keep_session(self, connection: HttpConnection) -> None:
        """Remember a connection's TLS session for those to come. Called once a connection has answered. Not again while
        it is taken up: OpenSSL's copy of one costs half a millisecond, which is as much as taking it up."""
        if isinstance(connection, TlsConnection) and not (self._session is not None and connection.tls.resumed):
            self._session = connection.tls.session or self._session

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
            self.resumed += connection.tls.resumed
        return connection

    def _make(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> HttpConnection:
        if self._context is None:
            return HttpConnection(loop, owner)
        return TlsConnection(loop, owner, self._context, self.endpoint.host, self._session)

    async def _connect(self) -> socket.socket:
        """A connected socket to the first address that answers. Raises the `OSError` of the last one tried where each
        has refused."""
        order = self._in_turn(await self._current_addresses())
        attempts: dict[asyncio.Task[socket.socket], Address] = {}
        failure: OSError | None = None
        try:
            while order or attempts:
                if order:
                    address = order.pop(0)
                    attempts[asyncio.ensure_future(_connected(address))] = address
                done, _ = await asyncio.wait(
                    attempts, timeout=NEXT_ADDRESS_S if order else None, return_when=asyncio.FIRST_COMPLETED
                )
                for attempt in done:
                    address = attempts.pop(attempt)
                    try:
                        sock = attempt.result()
                    except OSError as error:
                        failure = error
                        self._silent.add(address)
                        continue
                    self._silent.discard(address)
                    return sock
                if not done:
                    self._silent.update(attempts.values())
        finally:
            await _give_up(attempts)
        assert failure is not None
        raise failure

    def _in_turn(self, addresses: list[Address]) -> list[Address]:
        """The addresses from the next on; those that gave no answer the last time come last."""
        self._next += 1
        at = self._next % len(addresses)
        turned = addresses[at:] + addresses[:at]
        return sorted(turned, key=self._silent.__contains__)

    async def _current_addresses(self) -> list[Address]:
        """All addresses of the name. One look-up serves all who wait for it; an old answer serves while none comes."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._resolved_at >= ADDRESSES_AGE_S:
            if self._resolving is None:
                self._resolving, self._asked_at = loop.create_task(self._resolve()), loop.time()
            resolving = self._resolving
            if self._addresses:
                left_s = self._asked_at + RESOLVER_PATIENCE_S - loop.time()
                if not (await asyncio.wait({resolving}, timeout=max(0.0, left_s)))[0]:
                    return self._addresses  # it goes on meanwhile
            try:
                self._addresses = await asyncio.shield(resolving)
                self._silent.clear()  # each is given another chance
                self._resolved_at = loop.time()
            except socket.gaierror as error:
                if not self._addresses:
                    raise ConnectFailed(
                        f"the name {self._name} is not found ({error.strerror})", code="NameNotFound", final=True
                    ) from error
            except UnicodeError as error:  # what no name can be: a label of 64 characters and more, or an empty one
                raise ConnectFailed(
                    f"the name {self._name} is not found ({error})", code="NameNotFound", final=True
                ) from error
            finally:
                if self._resolving is not None and self._resolving.done():
                    self._resolving = None
        return self._addresses

    @property
    def _to_proxy(self) -> str:
        return f" to the proxy {self.proxy.host}:{self.proxy.port}" if self.proxy else ""

    @property
    def _name(self) -> str:
        return f"of the proxy, {self.proxy.host!r}," if self.proxy else repr(self.endpoint.host)

    @property
    def _where(self) -> tuple[str, int]:
        return (self.proxy.host, self.proxy.port) if self.proxy else (self.endpoint.host, self.endpoint.port)

    async def _resolve(self) -> list[Address]:
        host, port = self._where
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return interleaved(dict.fromkeys((int(family), address) for family, _, _, _, address in found))

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
            does = f"refuses a tunnel (status {status})"
            if status == 407:
                does = "refuses that name and password" if proxy.authorization else "asks for a name and a password"
            said = f"the proxy {proxy.host}:{proxy.port} {does}"
            raise ConnectFailed(said, code="Proxy", final=status in (401, 403, 405, 407))


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """One of each family in turn, the first one's first (RFC 8305, section 4): where a whole family is out of reach,
    only every second attempt is lost."""
    families: dict[int, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


async def _connected(address: Address) -> socket.socket:
    """A socket that is connected. Raises `OSError`."""
    sock = socket.socket(address[0], socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        _tune(sock)
        await asyncio.get_running_loop().sock_connect(sock, address[1])
    except BaseException:
        sock.close()
        raise
    return sock


async def _give_up(attempts: Iterable[asyncio.Task[socket.socket]]) -> None:
    """End attempts that are not waited for any more; one that had just succeeded is closed."""
    for attempt in attempts:
        attempt.cancel()
    for ended in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(ended, socket.socket):
            ended.close()


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
