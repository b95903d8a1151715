"""Through a proxy: CONNECT for TLS, the whole address for plain HTTP, and NO_PROXY."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine.errors import Unavailable, Unreachable, UsageError
from engine.s3.proxy import Proxy, connect_request, connect_status, proxy_for
from engine.store import ListPage
from tests.unit.s3.certificates import issue
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import EMPTY_PAGE, Exchange, http, serving

LIST = ListPage("bucket")


async def serve_page(exchange: Exchange) -> None:
    await exchange.answer(http(EMPTY_PAGE))


@dataclass
class TinyProxy:
    """A proxy that opens tunnels, or answers with `refusal`."""

    refusal: bytes = b""
    url: str = ""
    heads: list[str] = field(default_factory=list)
    tunnels: set[asyncio.Task[None] | None] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tunnels.add(asyncio.current_task())
        back: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head.decode())
            if self.refusal:
                writer.write(self.refusal)
                return
            host, _, port = head.split()[1].decode().rpartition(":")
            there, back = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pump(reader, back), pump(there, writer))
        except asyncio.CancelledError:
            pass  # the test is over; asyncio's streams would call a cancelled handler a mistake
        finally:
            writer.close()
            if back is not None:
                back.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxying(refusal: bytes = b"") -> AsyncIterator[TinyProxy]:
    proxy = TinyProxy(refusal)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://user:p%40ss@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for tunnel in proxy.tunnels:
            if tunnel is not None:
                tunnel.cancel()
        await asyncio.gather(*filter(None, proxy.tunnels))


async def test_tls_goes_through_a_tunnel_that_is_asked_for(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = issue(tmp_path, "authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    async with serving(serve_page, issue(tmp_path, "localhost", authority).context()) as server, proxying() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        store = await open_store(server.url("localhost"))
        await store.list_page(LIST)
        (head,) = proxy.heads
        assert head.startswith(f"CONNECT localhost:{server.port} HTTP/1.1\r\n")
        assert "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in head
        assert "AWS4" not in head
        assert server.seen[0].header("proxy-authorization") == ""


async def test_the_name_is_checked_within_a_tunnel_too(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = issue(tmp_path, "authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    async with serving(serve_page, issue(tmp_path, "other.example", authority).context()) as server:
        async with proxying() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            store = await open_store(server.url("localhost"))
            with pytest.raises(Unreachable, match="certificate"):
                await store.list_page(LIST)
        assert server.seen == []


async def test_plain_http_tells_the_proxy_the_whole_address(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with proxying(http(EMPTY_PAGE)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        store = await open_store("http://s3.example.test:9000")
        assert (await store.list_page(LIST)).objects == []
        (head,) = proxy.heads
        assert head.startswith("GET http://s3.example.test:9000/bucket/?encoding-type=url&list-type=2")
        assert "host:s3.example.test:9000\r\n" in head
        assert "proxy-authorization:Basic dXNlcjpwQHNz\r\n" in head


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Unreachable),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Unreachable),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", Unavailable),
        (b"SSH-2.0-x\r\n\r\n", Unavailable),
        (b"HTTP/1.1 200", Unavailable),
        (b"x" * 20_000, Unavailable),
    ],
)
async def test_a_proxy_that_refuses_is_said(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, refusal: bytes, error: type[Exception]
) -> None:
    async with proxying(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        store = await open_store("https://s3.example.test")
        with pytest.raises(error, match=r"the proxy 127\.0\.0\.1"):
            await store.list_page(LIST)


@pytest.mark.parametrize(
    ("status", "named", "said"),
    [
        ("407 Proxy Authentication Required", True, "refuses that name and password"),
        ("407 Proxy Authentication Required", False, "asks for a name and a password"),
        ("403 Forbidden", True, r"refuses a tunnel \(status 403\)"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_what_is_to_be_looked_at(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, status: str, named: bool, said: str
) -> None:
    async with proxying(f"HTTP/1.1 {status}\r\n\r\n".encode()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url if named else proxy.url.replace("user:p%40ss@", ""))
        store = await open_store("https://s3.example.test")
        with pytest.raises(Unreachable, match=said) as raised:
            await store.list_page(LIST)
        assert "http://name:password@host:port" in raised.value.advice and "NO_PROXY" in raised.value.advice


async def test_no_proxy_leaves_the_proxy_out(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(serve_page) as server, proxying() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "other.example,127.0.0.1")
        store = await open_store(server.url())
        await store.list_page(LIST)
        assert (proxy.heads, len(server.seen)) == ([], 1)


def test_the_proxy_of_a_scheme_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https", "s3.amazonaws.com", 443) is None
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert proxy_for("https", "s3.amazonaws.com", 443) == Proxy("proxy.example", 3128)
    assert proxy_for("http", "s3.amazonaws.com", 80) is None
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert proxy_for("https", "s3.amazonaws.com", 443) is None
    monkeypatch.setenv("NO_PROXY", "*")
    assert proxy_for("https", "else.example", 443) is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "passes"),
    [
        ("*", "any.example", 443, True),
        ("example.com", "s3.example.com", 443, True),
        (".example.com", "example.com", 443, True),
        ("*.example.com", "s3.Example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        ("example.com:9000", "example.com", 9000, True),
        ("example.com:9000", "example.com", 443, False),
        ("10.0.0.0/8", "10.1.2.3", 80, True),
        ("10.0.0.0/8", "11.1.2.3", 80, False),
        ("10.0.0.0/8", "10.example.com", 80, False),
        (".0.0.1", "127.0.0.1", 80, False),
        ("127.0.0.1", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9000, True),
        ("127.0.0.1:9000", "127.0.0.1", 9001, False),
        ("::1", "::1", 9000, True),
        ("[::1]", "::1", 9000, True),
        ("[::1]:9000", "::1", 9000, True),
        ("[::1]:9000", "::1", 443, False),
        ("0:0:0:0:0:0:0:1", "::1", 80, True),
        ("fd00::/8", "fd12::1", 80, True),
        ("fd00::/8", "fe80::1", 80, False),
        ("a.example, b.example", "b.example", 80, True),
        ("10.0.0.0/99,,", "10.0.0.1", 80, False),
    ],
)
def test_who_passes_the_proxy_by(
    monkeypatch: pytest.MonkeyPatch, entry: str, host: str, port: int, passes: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv(name, entry)
        assert (proxy_for("https", host, port) is None) is passes


async def test_a_dead_proxy_is_named_as_the_proxy(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for url, says in {
        "http://127.0.0.1:1": r"to the proxy 127\.0\.0\.1:1 \(",
        "http://proxy.invalid:3128": r"the name of the proxy, 'proxy\.invalid', is not found",
    }.items():
        monkeypatch.setenv("HTTPS_PROXY", url)
        store = await open_store("https://s3.example.test")
        with pytest.raises((Unavailable, Unreachable), match=says):
            await store.list_page(LIST)


@pytest.mark.parametrize("url", ["socks5://proxy:1080", "https://proxy:443"])
def test_a_proxy_of_another_kind_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", url)
    with pytest.raises(UsageError, match="cannot be used"):
        proxy_for("https", "s3.amazonaws.com", 443)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:pa#ss@proxy:8080",
        "http://user:pa/ss@proxy:8080",
        "http://user:pa?ss@proxy:8080",
        "http://proxy:80a",
        "http://proxy:99999",
        "http://[::1:80",
    ],
)
def test_a_proxy_that_is_no_address_is_refused_without_its_text(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("https_proxy", url)
    with pytest.raises(UsageError, match=r"^the proxy that the environment names cannot be used\.$") as refused:
        proxy_for("https", "s3.us-east-2.amazonaws.com", 443)
    assert "%23, %2F, %3F" in refused.value.advice
    assert refused.value.__cause__ is None and refused.value.__suppress_context__


def test_a_proxys_password_does_not_show() -> None:
    assert repr(Proxy("h", 1, "Basic c2VjcmV0")) == "Proxy(h:1)"
    assert connect_request(Proxy("h", 1), "::1", 443).startswith(b"CONNECT [::1]:443 HTTP/1.1\r\n")
    assert connect_status(b"HTTP/1.1 200 Connection established\r\n\r\n") == 200
