"""Neither plane speaks to a server that has not proven its name."""

from __future__ import annotations

import asyncio
import fcntl
import os
import random
import shutil
import termios
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest

from engine.errors import Ambiguous, Unreachable, UsageError
from engine.model import ObjectRef
from engine.s3.trust import make_context
from engine.store import GetRange, ListPage
from tests.sinks import KeepingSink
from tests.unit.s3.certificates import Issued, issue
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import EMPTY_PAGE, Exchange, http, serving, until

pytestmark = pytest.mark.usefixtures("tls_library")


async def serve_page(exchange: Exchange) -> None:
    await exchange.answer(http(EMPTY_PAGE))


@pytest.mark.parametrize("plane", ["wire", "boto"])
async def test_a_right_certificate_is_accepted_through_the_bundle(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued, plane: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    async with serving(serve_page, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"), plane)
        assert (await store.list_page(ListPage("bucket"))).objects == []


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize("wrong", ["another name", "expired", "not yet", "self-signed", "unknown authority"])
async def test_a_wrong_certificate_is_refused(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued, plane: str, wrong: str
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    issued = {
        "another name": lambda: issue(folder, "s3.example.com", authority),
        "expired": lambda: issue(folder, "localhost", authority, days=(-30, -1)),
        "not yet": lambda: issue(folder, "localhost", authority, days=(1, 30)),
        "self-signed": lambda: issue(folder, "localhost"),
        "unknown authority": lambda: issue(folder, "localhost", issue(folder, "Another authority", authority=True)),
    }[wrong]()
    async with serving(serve_page, issued.context()) as server:
        store = await open_store(server.url("localhost"), plane)
        with pytest.raises(Unreachable) as raised:
            await store.list_page(ListPage("bucket"))
        assert (raised.value.code, "certificate" in str(raised.value)) == ("TLSRefused", True)
        assert "AWS_CA_BUNDLE" in raised.value.advice
        assert server.seen == []  # not a byte of a request, and so no signature either


@pytest.mark.parametrize("plane", ["wire", "boto"])
async def test_without_the_bundle_the_tests_authority_is_unknown(
    open_store: OpenStore, folder: Path, authority: Issued, plane: str
) -> None:
    async with serving(serve_page, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"), plane)
        with pytest.raises(Unreachable):
            await store.list_page(ListPage("bucket"))
        assert server.seen == []


async def test_plain_http_where_tls_is_due_is_refused(open_store: OpenStore) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    store = await open_store(f"https://localhost:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(Unreachable, match=r"TLS cannot be agreed on .* the endpoint is http://"):
        await store.list_page(ListPage("bucket"))
    server.close()


async def test_a_later_connection_takes_up_the_session_of_an_earlier_one(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(EMPTY_PAGE, "Connection: close"))

    async with serving(script, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"))
        for _ in range(3):
            await store.list_page(ListPage("bucket"))
        statistics = store.statistics()
    assert (statistics.opened, statistics.resumed) == (3, 2)


async def test_an_answer_may_end_with_its_connection(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued
) -> None:
    """The server says by TLS that it closes, and waits for the same."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))

    async def script(exchange: Exchange) -> None:
        exchange.writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + EMPTY_PAGE)
        exchange.writer.close()

    async with serving(script, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"))
        async with asyncio.timeout(10):  # it would wait for 30 s
            assert (await store.list_page(ListPage("bucket"))).objects == []
    assert len(server.seen) == 1


async def test_a_body_that_is_cut_by_a_close_is_known_at_once(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))

    async def script(exchange: Exchange) -> None:
        exchange.writer.write(http(bytes(100_000), 'ETag: "a"')[:-10])
        exchange.writer.close()

    async with serving(script, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"))
        async with asyncio.timeout(10):
            with pytest.raises(Ambiguous, match="closed"):
                await store.fetch_into(GetRange(ObjectRef("bucket", "key")), KeepingSink())


async def test_what_came_for_one_connection_is_no_other_ones(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued
) -> None:
    """All of a loop hand their bytes to OpenSSL by the same way. One is held up by its sink, with more come than there
    is room for; one is sent what is no TLS, and would say so."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    long, gate = random.Random(1).randbytes(4 << 20), asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("GET /bucket/long"):
            exchange.writer.write(http(long, 'ETag: "a"'))
        elif exchange.line.startswith("GET /bucket/spoilt"):
            below: Any = exchange.writer.transport
            below._ssl_protocol._transport.write(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record nobody can decrypt
        else:
            await exchange.answer(http(b"short", 'ETag: "a"'))

    async with serving(script, issue(folder, "localhost", authority).context()) as server:
        store = await open_store(server.url("localhost"))
        held = KeepingSink(gate=gate)
        fetching = asyncio.create_task(store.fetch_into(GetRange(ObjectRef("bucket", "long")), held))
        await until(lambda: len(server.seen) == 1)
        for turn in range(20):
            sink = KeepingSink()
            await store.fetch_into(GetRange(ObjectRef("bucket", "short")), sink)
            assert sink.data == b"short"
            if turn % 5 == 4:
                with pytest.raises(Ambiguous, match="cannot be decrypted"):
                    await store.fetch_into(GetRange(ObjectRef("bucket", "spoilt")), KeepingSink())
        gate.set()
        await fetching
        assert held.data == long


@pytest.mark.skipif(shutil.which("openssl") is None, reason="its server changes keys when it is told to")
async def test_a_server_may_change_its_keys_and_ask_for_ours(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, folder: Path, authority: Issued
) -> None:
    """As servers do after some hundred GB on a connection (RFC 8446, 4.6.3 and 5.5)."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    chain = str(issue(folder, "localhost", authority).chain)
    typed, keyboard = os.pipe()
    command = ("openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", chain, "-naccept", "1", "-msg")
    server = await asyncio.create_subprocess_exec(*command, stdin=typed, stdout=PIPE, stderr=STDOUT)
    shown = server.stdout
    assert shown is not None
    try:
        async with asyncio.timeout(30):
            await shown.readuntil(b"ACCEPT 127.0.0.1:")
            store = await open_store(f"https://localhost:{int(await shown.readline())}")
            text = b""
            for body in (b"first", b"." * 50_000, b"third"):
                sink = KeepingSink()
                fetching = asyncio.create_task(store.fetch_into(GetRange(ObjectRef("bucket", "key")), sink))
                text += await shown.readuntil(b"\r\n\r\n")  # the request, by the keys that were asked for last
                os.write(keyboard, b"K\n")
                await until(lambda: fcntl.ioctl(typed, termios.FIONREAD, bytes(4)) == bytes(4))
                os.write(keyboard, http(body, 'ETag: "a"'))
                await fetching
                assert sink.data == body
            assert store.statistics().opened == 1
            assert text.count(b"KeyUpdate") == 4  # of both ends, before the third request
    finally:
        server.kill()
        await server.wait()
        os.close(typed)
        os.close(keyboard)


def test_a_bundle_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for bundle in (str(tmp_path / "missing.pem"), str(tmp_path / "empty.pem"), "a\0b"):
        with pytest.raises(UsageError, match="bundle of certificates"):
            make_context(bundle)
