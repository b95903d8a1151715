"""Stand-ins for what a connection touches: a transport that keeps what is written, an owner that keeps what it is told,
and a server on loopback that plays a script."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.s3.http import HttpConnection

ETAG = "9b2cf535f27731c974343645a3985328"
COPIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<CopyObjectResult><LastModified>2026-01-31T10:00:00.000Z</LastModified>'
    b"<ETag>&quot;" + ETAG.encode() + b"&quot;</ETag></CopyObjectResult>"
)
EMPTY_PAGE = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


def http(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """An answer with a length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def chunked(body: bytes, size: int = 7) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """Keeps what is written; closed by `abort`, which tells the protocol at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It is never full."""

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


@dataclass
class FakeOwner:
    free: list[HttpConnection] = field(default_factory=list)
    gone: list[HttpConnection] = field(default_factory=list)

    def released(self, connection: HttpConnection) -> None:
        self.free.append(connection)

    def lost(self, connection: HttpConnection) -> None:
        self.gone.append(connection)


def fake_connection() -> tuple[HttpConnection, FakeTransport, FakeOwner]:
    """An open connection to nowhere. Needs a running loop."""
    owner, transport = FakeOwner(), FakeTransport()
    connection = HttpConnection(asyncio.get_running_loop(), owner)
    connection.connection_made(transport)
    return connection, transport, owner


@dataclass
class Exchange:
    """One request that the scripted server was sent, and the way to answer it."""

    connection: int
    head: bytes
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def header(self, name: str) -> str:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(":")
            if found.lower() == name:
                return value.strip()
        return ""

    async def answer(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def hang_up(self) -> None:
        self.writer.transport.abort()

    async def close(self) -> None:
        """Say that nothing more comes, as a server that closes an idle connection does."""
        self.writer.close()
        await self.writer.wait_closed()


async def until(condition: Callable[[], bool]) -> None:
    """Let others run until it holds; a minute at most."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


Script = Callable[[Exchange], Awaitable[None]]


@dataclass
class Server:
    port: int
    scheme: str
    seen: list[Exchange]

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}"


@asynccontextmanager
async def serving(script: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that hands each request to `script`, which answers it."""
    seen: list[Exchange] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = connections
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(number, head, b"", writer)
                length = int(exchange.header("content-length") or 0)
                exchange.body = await reader.readexactly(length)
                seen.append(exchange)
                await script(exchange)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=1 << 20)
    try:
        yield Server(server.sockets[0].getsockname()[1], "https" if tls else "http", seen)
    finally:
        server.close()
