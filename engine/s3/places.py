"""Where the wire sends a bucket's requests, and how they are written: pool, signature, path. One `Place` a bucket."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.s3.connecting import Connector, Endpoint
from engine.s3.kept_credentials import KeptCredentials
from engine.s3.messages import Call
from engine.s3.pool import Pool
from engine.s3.proxy import proxy_for
from engine.s3.session import Address, Credentials, Session
from engine.s3.signing import Signer
from engine.s3.tls import TlsContext
from engine.s3.trust import make_context


class Place:
    """One bucket's place: everything that its requests need but what they say."""

    __slots__ = ("_before", "_path", "_tail", "endpoint", "invites", "pool", "region", "secure", "signer")

    def __init__(self, address: Address, pool: Pool, signer: Signer, *, before: str = "", tail: str = "") -> None:
        self.endpoint = address.origin
        self.region = address.region
        self.pool = pool
        self.signer = signer
        self.secure = address.origin.startswith("https:")
        self.invites = True  # until a server has answered Expect with silence
        self._path = address.path
        self._before = before  # "http://host" where a proxy has to be told
        self._tail = tail

    def head(self, call: Call) -> bytes:
        """The request up to its body, signed now. Raises ValueError for a header that cannot be sent."""
        method = call.operation.method
        path = self._path + call.path
        query = call.query
        lines = self.signer.sign(method, path, query, call.names, call.values)
        target = f"{path}?{query}" if query else path
        if call.body or method == "PUT" or method == "POST":
            lines = f"{lines}content-length:{len(call.body) or call.length}\r\n"
            if call.expects:
                lines = f"{lines}expect:100-continue\r\n"
        return f"{method} {self._before}{target} HTTP/1.1\r\n{lines}{self._tail}\r\n".encode("utf-8", "surrogateescape")


class Statistics(NamedTuple):
    """All pools together. `resumed`: how many TLS connections took up an earlier session; `in_line`: how many requests
    wait for a connection."""

    connections: int
    opened: int
    resumed: int
    in_line: int


class Places:
    """Every bucket's place, found at its first request; all sign with `credentials`. Belongs to one event loop."""

    def __init__(self, session: Session, *, bound: int) -> None:
        self._session = session
        self._bound = bound
        self._places: dict[str, Place] = {}
        self._pools: dict[str, tuple[Connector, Pool]] = {}
        self._finding = asyncio.Lock()
        self.credentials = KeptCredentials(session, self._adopt)
        self._context: TlsContext | None = None
        connection = session.connection
        self._fixed: dict[str, str] = {}
        if connection.request_payer:
            self._fixed["x-amz-request-payer"] = connection.request_payer
        if connection.expected_bucket_owner:
            self._fixed["x-amz-expected-bucket-owner"] = connection.expected_bucket_owner

    def known(self, bucket: str) -> Place | None:
        """A bucket's place, if it has one already."""
        self.credentials.look()
        return self._places.get(bucket)

    def region(self, bucket: str) -> str:
        """The region that a bucket's requests are signed for; empty before the first."""
        place = self._places.get(bucket)
        return place.region if place is not None else ""

    def forget(self, bucket: str) -> None:
        """Find a bucket's place anew for the next request."""
        self._places.pop(bucket, None)

    async def find(self, bucket: str) -> Place:
        """A bucket's place. Raises `BadCredentials`, `UsageError` (proxy, certificates) and what finding the bucket's
        region raises."""
        async with self._finding:
            place = self._places.get(bucket)
            if place is None:
                await self.credentials.get()
                address = await self._session.address(bucket)
                place = self._places[bucket] = self._make(address, await self.credentials.get())
        return place

    def statistics(self) -> Statistics:
        pools = [pool.statistics() for _, pool in self._pools.values()]
        return Statistics(
            sum(pool.connections for pool in pools),
            sum(pool.opened for pool in pools),
            sum(connector.resumed for connector, _ in self._pools.values()),
            sum(pool.waiting for pool in pools),
        )

    async def aclose(self) -> None:
        await self.credentials.aclose()
        for connector, pool in self._pools.values():
            await pool.aclose()
            await connector.aclose()

    def _make(self, address: Address, credentials: Credentials) -> Place:
        parts = urlsplit(address.origin)
        host = parts.hostname or ""
        endpoint = Endpoint(parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80))
        proxy = proxy_for(endpoint.scheme, host, endpoint.port)
        if address.origin not in self._pools:
            if endpoint.scheme == "https" and self._context is None:
                self._context = make_context(self._session.ca_bundle)
            context = self._context if endpoint.scheme == "https" else None
            connector = Connector(endpoint, context=context, proxy=proxy)
            self._pools[address.origin] = connector, Pool(connector, bound=self._bound)
        signer = Signer(endpoint.netloc, address.region, credentials, fixed=self._fixed)
        before = tail = ""
        if proxy is not None and endpoint.scheme == "http":  # RFC 9112, 3.2.2: a proxy is told the whole address
            before = str(endpoint)
            tail = f"proxy-authorization:{proxy.authorization}\r\n" if proxy.authorization else ""
        return Place(address, self._pools[address.origin][1], signer, before=before, tail=tail)

    def _adopt(self, credentials: Credentials) -> None:
        for place in self._places.values():
            place.signer.credentials = credentials
