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
from engine.sandbox.control import Commands, Control
from engine.sandbox.server import LOOPBACK, Door, Front
from engine.sandbox.settings import SandboxSettings


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
    settings = SandboxSettings().changed(start["settings"])
    tls = None
    if settings.tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(start["certificate"])
    front = Front(settings)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    door = Door(front, settings.port, tls)
    await door.open()
    control = Control(Commands(front, door.close_for, ended.set), start["secret"])
    control_server = await loop.create_server(lambda: Connection(control), LOOPBACK, 0)
    await loop.connect_read_pipe(lambda: _UntilEnd(ended), sys.stdin)
    said = {
        "url": f"{'https' if settings.tls else 'http'}://{LOOPBACK}:{door.port}",
        "access_key": front.access_key,
        "secret_key": front.secret_key,
        "control_port": control_server.sockets[0].getsockname()[1],
    }
    print(json.dumps(said), flush=True)
    await ended.wait()
    door.close()
    control_server.close()
    for connection in list(control.connections):
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
