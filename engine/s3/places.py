"""Where the wire sends a bucket's requests, and how they are written: pool, signature, path. One `Place` a bucket.

Credentials are asked for again once a minute while requests go on, so that those which expire are replaced before
they do; a request never waits for that, but for the first.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.s3.connecting import Connector, Endpoint
from engine.s3.messages import Call
from engine.s3.pool import Pool
from engine.s3.proxy import proxy_for
from engine.s3.session import Address, Credentials, Session
from engine.s3.signing import Signer
from engine.s3.tls import TlsContext
from engine.s3.trust import make_context

CREDENTIALS_AGE_S = 60.0
"""How old credentials may be before they are asked for again. Sessions refresh theirs ten minutes and more before
their end (botocore, RefreshableCredentials)."""


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
    """Every bucket's place, found at its first request. Belongs to one event loop."""

    def __init__(self, session: Session, *, bound: int) -> None:
        self._session = session
        self._bound = bound
        self._places: dict[str, Place] = {}
        self._pools: dict[str, tuple[Connector, Pool]] = {}
        self._finding = asyncio.Lock()
        self._credentials: Credentials | None = None
        self._credentials_at = asyncio.get_running_loop().time()
        self._renewing: asyncio.Task[None] | None = None
        self._context: TlsContext | None = None
        self._loop = asyncio.get_running_loop()
        connection = session.connection
        self._fixed: dict[str, str] = {}
        if connection.request_payer:
            self._fixed["x-amz-request-payer"] = connection.request_payer
        if connection.expected_bucket_owner:
            self._fixed["x-amz-expected-bucket-owner"] = connection.expected_bucket_owner

    def known(self, bucket: str) -> Place | None:
        """A bucket's place, if it has one already."""
        if self._loop.time() - self._credentials_at > CREDENTIALS_AGE_S and self._renewing is None:
            self._renewing = self._loop.create_task(self._renew())
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
                if self._credentials is None:
                    self._adopt(await self._session.credentials())
                place = self._places[bucket] = self._make(await self._session.address(bucket))
        return place

    async def refresh(self) -> None:
        """Fresh credentials, after S3 said that those used have expired. Raises `BadCredentials`."""
        await self._session.refresh()
        self._adopt(await self._session.credentials())

    def statistics(self) -> Statistics:
        pools = [pool.statistics() for _, pool in self._pools.values()]
        return Statistics(
            sum(pool.connections for pool in pools),
            sum(pool.opened for pool in pools),
            sum(connector.resumed for connector, _ in self._pools.values()),
            sum(pool.waiting for pool in pools),
        )

    async def aclose(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        for connector, pool in self._pools.values():
            await pool.aclose()
            await connector.aclose()

    def _make(self, address: Address) -> Place:
        assert self._credentials is not None
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
        signer = Signer(endpoint.netloc, address.region, self._credentials, fixed=self._fixed)
        before = tail = ""
        if proxy is not None and endpoint.scheme == "http":  # RFC 9112, 3.2.2: a proxy is told the whole address
            before = str(endpoint)
            tail = f"proxy-authorization:{proxy.authorization}\r\n" if proxy.authorization else ""
        return Place(address, self._pools[address.origin][1], signer, before=before, tail=tail)

    async def _renew(self) -> None:
        try:
            self._adopt(await self._session.credentials())
        except Exception:
            # Those in use may be good still. If they are not, S3 says so, and `refresh` says why there are no others.
            self._credentials_at = self._loop.time()
        finally:
            self._renewing = None

    def _adopt(self, credentials: Credentials) -> None:
        self._credentials_at = self._loop.time()
        if credentials != self._credentials:
            self._credentials = credentials
            for place in self._places.values():
                place.signer.credentials = credentials
