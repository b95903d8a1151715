"""The wire on uvloop, on which the command line runs: plain, over TLS, large bodies, closes and cancelling."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from engine.bodies import MemorySource
from engine.errors import Ambiguous, Unavailable, Unreachable
from engine.model import ObjectRef, UploadRef
from engine.plan.settings import Connection
from engine.s3.session import Session
from engine.s3.wire_store import WireStore
from engine.store import CopyObject, ListPage, PutObject, UploadPart
from tests.unit.s3.certificates import issue
from tests.unit.s3.fakes import COPIED, EMPTY_PAGE, ETAG, Exchange, Server, http, serving, until

LIST = ListPage("bucket")
COPY = CopyObject(ObjectRef("bucket", "a"), ObjectRef("bucket", "b"), ETAG)
Scene = Callable[[WireStore, Server], Coroutine[None, None, None]]


async def script(exchange: Exchange) -> None:
    if exchange.line.startswith("GET"):
        await exchange.answer(http(EMPTY_PAGE))
    elif exchange.body:
        await exchange.answer(http(b"", f'ETag: "{len(exchange.body)}"'))
    elif "/hang" in exchange.line:
        await asyncio.Event().wait()
    elif "/drop" in exchange.line:
        exchange.hang_up()
    else:
        await exchange.answer(http(COPIED))


async def requests_follow_each_other(store: WireStore, server: Server) -> None:
    for _ in range(3):
        assert (await store.copy_object(COPY)).etag == ETAG
    await asyncio.gather(*[store.list_page(LIST) for _ in range(20)])


async def a_large_body_arrives_whole(store: WireStore, server: Server) -> None:
    result = await store.put_object(PutObject(ObjectRef("bucket", "k"), b"x" * 5_000_000))
    assert result.etag == "5000000"


async def large_bodies_side_by_side_arrive_as_they_are(store: WireStore, server: Server) -> None:
    """More than the system takes at once of any: what it has not taken yet is not written over by another's."""
    bodies = [random.Random(number).randbytes(5_000_000) for number in range(6)]
    upload = UploadRef(ObjectRef("bucket", "k"), "id")
    parts = [UploadPart(upload, number) for number in range(1, len(bodies) + 1)]
    await asyncio.gather(*[store.send_from(*both) for both in zip(parts, map(MemorySource, bodies), strict=True)])
    assert {exchange.body for exchange in server.seen} == set(bodies)


async def a_dropped_copy_is_ambiguous(store: WireStore, server: Server) -> None:
    with pytest.raises(Ambiguous):
        await store.copy_object(COPY._replace(target=ObjectRef("bucket", "drop")))
    assert (await store.list_page(LIST)).objects == []


async def a_closed_connection_is_noticed(store: WireStore, server: Server) -> None:
    await store.list_page(LIST)
    server.seen[0].writer.transport.abort()
    await until(lambda: store.statistics().connections == 0)
    assert (await store.copy_object(COPY)).etag == ETAG


async def a_cancelled_request_closes_its_connection(store: WireStore, server: Server) -> None:
    hanging = asyncio.ensure_future(store.copy_object(COPY._replace(target=ObjectRef("bucket", "hang"))))
    await until(lambda: len(server.seen) == 1)
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
    assert store.statistics().connections == 0


SCENES = [
    requests_follow_each_other,
    a_large_body_arrives_whole,
    large_bodies_side_by_side_arrive_as_they_are,
    a_dropped_copy_is_ambiguous,
    a_closed_connection_is_noticed,
    a_cancelled_request_closes_its_connection,
]


def run(scene: Scene, context: ssl.SSLContext | None, host: str) -> None:
    async def play() -> None:
        async with (
            serving(script, context) as server,
            Session(Connection(endpoint_url=server.url(host))) as session,
            WireStore(session) as store,
        ):
            await scene(store, server)

    uvloop.run(play())


@pytest.mark.parametrize("scene", SCENES)
def test_the_wire_on_uvloop(scene: Scene) -> None:
    run(scene, None, "127.0.0.1")


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.usefixtures("tls_library")
def test_the_wire_over_tls_on_uvloop(scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = issue(tmp_path, "authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    run(scene, issue(tmp_path, "localhost", authority).context(), "localhost")


@pytest.mark.usefixtures("tls_library")
def test_a_wrong_name_is_refused_on_uvloop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = issue(tmp_path, "authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))

    async def refused(store: WireStore, server: Server) -> None:
        with pytest.raises(Unreachable, match="certificate"):
            await store.list_page(LIST)
        assert server.seen == []

    run(refused, issue(tmp_path, "other.example", authority).context(), "localhost")


def test_a_refused_connection_is_said_on_uvloop() -> None:
    async def play() -> None:
        async with Session(Connection(endpoint_url="http://127.0.0.1:1")) as session, WireStore(session) as store:
            with pytest.raises(Unavailable, match="no connection could be made"):
                await store.list_page(LIST)

    uvloop.run(play())


@pytest.mark.usefixtures("tls_library")
def test_a_server_that_speaks_first_is_no_tls_on_uvloop() -> None:
    """Its words may be there before the handshake has begun."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n")
        await reader.read()
        writer.close()

    async def play() -> None:
        server = await asyncio.start_server(greet, "127.0.0.1", 0)
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        async with server, Session(Connection(endpoint_url=url)) as session, WireStore(session) as store:
            for _ in range(5):
                with pytest.raises(Unreachable, match="TLS cannot be agreed on"):
                    await store.list_page(LIST)

    uvloop.run(play())
