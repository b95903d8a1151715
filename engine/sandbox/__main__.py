"""The sandbox's process: reads what it is to be as one line of JSON, says where it listens as another, and serves
until its stdin ends."""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from engine.sandbox.connection import Connection
from engine.sandbox.control import Control
from engine.sandbox.server import LOOPBACK, Front, listen, port_of
from engine.sandbox.settings import settings_from_json


def main() -> None:
    start = json.loads(sys.stdin.buffer.readline())
    gc.set_threshold(100_000, 50, 100)  # many small objects that live long
    try:
        _runner()(_serve(start))
    except OSError as error:
        print(f"cartage sandbox: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _runner() -> Callable[[Coroutine[Any, Any, None]], None]:
    try:
        import uvloop
    except ImportError:
        return asyncio.run
    run: Callable[[Coroutine[Any, Any, None]], None] = uvloop.run
    return run


async def _serve(start: dict[str, Any]) -> None:
    settings = settings_from_json(start["settings"])
    tls = None
    if settings.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(start["certificate"])
    front = Front(settings)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    listening = await listen(front, settings.port, tls)
    port = port_of(listening)
    servers = [listening]
    tasks: set[asyncio.Task[None]] = set()

    async def listen_again(seconds: float) -> None:
        await asyncio.sleep(seconds)
        servers[0] = await listen(front, port, tls)

    def refuse(seconds: float) -> None:
        servers[0].close()
        for connection in list(front.connections):
            connection.abort()
        task = loop.create_task(listen_again(seconds))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    control = Control(front, start["secret"], refuse, ended.set)
    control_server = await loop.create_server(lambda: Connection(control), LOOPBACK, 0)
    await loop.connect_read_pipe(lambda: _UntilEnd(ended), sys.stdin)
    scheme = "https" if settings.tls else "http"
    said = {
        "url": f"{scheme}://{LOOPBACK}:{port}",
        "access_key": front.access_key,
        "secret_key": front.secret_key,
        "control_port": port_of(control_server),
    }
    print(json.dumps(said), flush=True)
    await ended.wait()
    for server in (*servers, control_server):
        server.close()
    for connection in [*front.connections, *control.connections]:
        connection.end()


class _UntilEnd(asyncio.Protocol):
    """The parent's end of our stdin: when it closes, we are done."""

    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def eof_received(self) -> None:
        self._ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()


if __name__ == "__main__":
    main()
