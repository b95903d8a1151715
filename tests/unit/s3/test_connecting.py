"""Opening connections: all addresses of a name are used, and one that cannot be reached costs nothing but the next."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from engine.s3 import connecting
from engine.s3.connecting import ConnectFailed, Connector, Endpoint, interleaved
from tests.skipping import let_others_run, skipping
from tests.unit.s3.fakes import Exchange, FakeOwner, http, serving, until

HERE = Endpoint("http", "s3.example.test", 80)


async def script(exchange: Exchange) -> None:
    await exchange.answer(http(b"x"))


def resolving(monkeypatch: pytest.MonkeyPatch, answers: list[list[int] | Exception]) -> list[str]:
    """The name has these ports of loopback, one list a look-up; gives the names that are looked up."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in answer]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


@pytest.fixture
def closed() -> Iterator[list[int]]:
    """Two ports at which nobody listens, nor can: they are taken."""
    with socket.socket() as one, socket.socket() as other:
        for taken in (one, other):
            taken.bind(("127.0.0.1", 0))
        yield [int(taken.getsockname()[1]) for taken in (one, other)]


async def ports_of(connector: Connector, count: int) -> list[int]:
    ports = []
    for _ in range(count):
        connection = await connector.open(FakeOwner())
        assert connection._transport is not None
        ports.append(connection._transport.get_extra_info("peername")[1])
        connection.abort()
    return ports


async def test_connections_are_spread_over_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(script) as one, serving(script) as two, serving(script) as three:
        ports = [one.port, two.port, three.port]
        asked = resolving(monkeypatch, [ports])
        used = await ports_of(Connector(HERE, context=None), 9)
        assert [used.count(port) for port in ports] == [3, 3, 3]
        assert asked == ["s3.example.test"]


async def test_an_address_that_refuses_is_passed_over(monkeypatch: pytest.MonkeyPatch, closed: list[int]) -> None:
    async with serving(script) as good:
        resolving(monkeypatch, [[closed[0], good.port, closed[1]]])
        assert await ports_of(Connector(HERE, context=None), 4) == [good.port] * 4


class Silent:
    """Addresses at which nobody answers: whoever connects to one of these ports waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ports: set[int]) -> None:
        self.tried: list[int] = []
        loop = asyncio.get_running_loop()
        connect = loop.sock_connect

        async def sock_connect(sock: socket.socket, address: Any) -> None:
            self.tried.append(address[1])
            if address[1] in ports:
                await asyncio.Event().wait()
            await connect(sock, address)

        monkeypatch.setattr(loop, "sock_connect", sock_connect)


async def test_an_address_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "NEXT_ADDRESS_S", 0.02)
    async with serving(script) as good:
        dead = [2, 3, 4]
        resolving(monkeypatch, [[*dead, good.port]])
        silent = Silent(monkeypatch, set(dead))
        connector = Connector(HERE, context=None)
        assert await ports_of(connector, 6) == [good.port] * 6
        # Those that gave no answer once are tried last: each cost its quarter of a second at most once.
        assert len(silent.tried) <= 6 + len(dead)


async def test_a_connection_is_given_up_only_when_every_address_was_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "NEXT_ADDRESS_S", 0.0)
    resolving(monkeypatch, [[2, 3, 4]])
    silent, skip = Silent(monkeypatch, {2, 3, 4}), skipping(monkeypatch)
    connecting_to_all = asyncio.ensure_future(Connector(HERE, context=None).open(FakeOwner()))
    await until(lambda: len(silent.tried) == 3)
    assert not connecting_to_all.done()
    skip(connecting.CONNECT_TIMEOUT_S)
    with pytest.raises(ConnectFailed) as failed:
        await connecting_to_all
    assert failed.value.code == "ConnectTimeout"
    assert sorted(silent.tried) == [2, 3, 4]


def test_families_take_turns() -> None:
    six, four = socket.AF_INET6, socket.AF_INET
    assert interleaved([(six, 1), (six, 2), (six, 3), (four, 4)]) == [(six, 1), (four, 4), (six, 2), (six, 3)]


async def test_where_all_refuse_nothing_was_sent(monkeypatch: pytest.MonkeyPatch, closed: list[int]) -> None:
    resolving(monkeypatch, [closed])
    with pytest.raises(ConnectFailed) as failed:
        await Connector(HERE, context=None).open(FakeOwner())
    assert (failed.value.code, failed.value.final) == ("ECONNREFUSED", False)


async def test_addresses_are_looked_up_again_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(script) as old, serving(script) as new:
        asked = resolving(monkeypatch, [[old.port], [new.port], socket.gaierror(-3, "try again")])
        connector = Connector(HERE, context=None)
        assert await ports_of(connector, 2) == [old.port] * 2
        monkeypatch.setattr(connecting, "ADDRESSES_AGE_S", -1.0)
        assert await ports_of(connector, 1) == [new.port]
        assert await ports_of(connector, 1) == [new.port]  # the resolver fails: what it said last still serves
        assert len(asked) == 3


async def test_while_the_resolver_is_silent_the_addresses_that_are_known_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(script) as old, serving(script) as new:
        resolving(monkeypatch, [[old.port]])
        connector = Connector(HERE, context=None)
        assert await ports_of(connector, 1) == [old.port]
        monkeypatch.setattr(connecting, "ADDRESSES_AGE_S", -1.0)
        monkeypatch.setattr(connecting, "RESOLVER_PATIENCE_S", 0.0)
        speaks, asked = asyncio.Event(), []

        async def silent(host: str, port: int, **_: Any) -> list[Any]:
            asked.append(host)
            await speaks.wait()
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", new.port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", silent)
        assert await ports_of(connector, 2) == [old.port] * 2
        assert len(asked) == 1, "it is asked once, and waited for beside all else"
        speaks.set()
        await let_others_run()
        assert await ports_of(connector, 1) == [new.port]
        await connector.aclose()


async def test_one_look_up_serves_all_who_wait_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(script) as server:
        asked = resolving(monkeypatch, [[server.port]])
        connector = Connector(HERE, context=None)
        for connection in await asyncio.gather(*[connector.open(FakeOwner()) for _ in range(20)]):
            connection.abort()
        assert (len(asked), connector.opened) == (1, 20)


async def test_a_connection_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_TIMEOUT_S", 0.01)

    async def never(*_: Any, **__: Any) -> list[Any]:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    with pytest.raises(ConnectFailed) as failed:
        await Connector(HERE, context=None).open(FakeOwner())
    assert (failed.value.code, failed.value.final) == ("ConnectTimeout", False)


@pytest.mark.parametrize(
    ("endpoint", "text", "netloc"),
    [
        (Endpoint("https", "h", 443), "https://h", "h"),
        (Endpoint("http", "h", 80), "http://h", "h"),
        (Endpoint("https", "h", 8443), "https://h:8443", "h:8443"),
        (Endpoint("http", "::1", 9000), "http://[::1]:9000", "[::1]:9000"),
    ],
)
def test_an_endpoint_is_written_as_in_the_host_header(endpoint: Endpoint, text: str, netloc: str) -> None:
    assert (str(endpoint), endpoint.netloc) == (text, netloc)
