"""`WireStore`: every S3 action on the engine's own HTTP. A request costs a fiftieth of what botocore's costs.

What became of a request decides the error: one that was never sent is `Unavailable`; one that was, and whose answer
did not come whole, is `Ambiguous`. The one exception costs nothing: a request that does no harm twice, on a connection
that the server closed while it was idle, goes out again on another.
"""

from __future__ import annotations

from typing import Self, overload

import anyio

from engine import freshness, store
from engine.errors import Ambiguous, Rejected, StoreError, TooLate, Unavailable
from engine.model import CopyResult, UploadedPart
from engine.s3 import messages, parsing
from engine.s3.boto_errors import TLS_REFUSED, unreachable
from engine.s3.connecting import ConnectFailed
from engine.s3.http import ConnectionBroken
from engine.s3.intake import Windows
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.places import Place, Places, Statistics
from engine.s3.receiving import UNASKED
from engine.s3.s3_store import S3Store
from engine.s3.session import Session
from engine.s3.signing import UNSIGNED_PAYLOAD
from engine.s3.streams import HELD_BACK_BYTES, Incoming, Outgoing, Stream, sha256_of
from engine.windows import Sink, Source

BODY_AT_ONCE_BYTES = 256 << 10
"""A body up to this goes out together with its head."""

MOST_CONNECTIONS_TRIED = 100
"""Connections that a request may find closed, one after the other, before it counts as not sent: a server that closes
all of its idle ones at a time, and not one that closes each as soon as it is open."""


class WireStore(S3Store):
    """`engine.store.ObjectStore` on connections of our own, at most `max_connections` to each host. Opened with
    `async with`, and used on that event loop alone."""

    def __init__(self, session: Session, *, max_connections: int = 128) -> None:
        super().__init__(session)
        self._max_connections = max_connections
        self._places: Places

    async def __aenter__(self) -> Self:
        self._places = Places(self._session, bound=self._max_connections)
        self._windows = Windows()
        self._region, self._credentials = self._places.region, self._places.credentials
        return self

    async def __aexit__(self, *raised: object) -> None:
        with anyio.CancelScope(shield=True):  # what is given up ends at once, and must not be left behind
            await self._places.aclose()

    def move(self, bucket: str, region: str) -> None:
        if self._places.region(bucket) != region and self._session.move(bucket, region):
            self._places.forget(bucket)

    @property
    def in_line(self) -> int:
        return self.statistics().in_line

    def statistics(self) -> Statistics:
        return self._places.statistics()

    # --- one request --------------------------------------------------------------------------------------

    async def _exchange(self, call: Call, stream: Stream | None = None) -> Answer:
        """As `S3Store`; the sink or the source of `stream` may raise too."""
        place = self._places.known(call.bucket) or await self._places.find(call.bucket)
        operation, pool, body = call.operation, place.pool, call.body
        for _ in range(MOST_CONNECTIONS_TRIED):
            connection = pool.take()
            try:
                if connection is None:
                    connection = await pool.wait()
                    if not connection.open:
                        continue
                if connection.unread:  # nobody asked for it, or it is the server's close
                    connection.abort(*UNASKED)
                    continue
                head = place.head(call)
            except ConnectFailed as failure:
                raise _not_sent(call, place, failure) from failure
            except ValueError as error:
                assert connection is not None
                pool.released(connection)
                raise call.error(Rejected, f"not sent: {error}", "BadHeader") from error
            try:
                timely = freshness.sending(operation.name, call.ref)
            except TooLate:
                pool.released(connection)
                raise
            if timely:
                connection.write_through()
            apart = HELD_BACK_BYTES if timely and body else 0
            together = not apart and len(body) <= BODY_AT_ONCE_BYTES
            future = connection.exchange(
                head + body if body and together else head,
                bodiless=operation.bodiless,
                limit=call.limit_bytes or operation.limit_bytes,
                timeout_s=operation.timeout_s,
                total_s=operation.total_s,
                intake=None if stream is None else stream.begin(),
                with_body=call.length > 0 and not call.expects,
            )
            try:
                if stream is not None:
                    return await stream.run(connection, future)
                if not together:
                    await connection.send_body(memoryview(body)[: len(body) - apart], last=not apart)
                if apart:
                    freshness.sending(operation.name, call.ref, ending=True)
                    await connection.send_body(memoryview(body)[len(body) - apart :])
                return await future
            except ConnectionBroken as broken:
                if broken.stale and operation.harmless_twice:
                    continue
                raise call.error(Ambiguous, f"the connection broke: {broken.why}", broken.code) from broken
            except BaseException:  # cancelled, too late, or what a sink or a source raised
                if not future.cancel() and not future.cancelled():
                    future.exception()  # seen: nobody else asks for it
                connection.abort()
                raise
        closed = f"{MOST_CONNECTIONS_TRIED} connections were closed before a request could use them"
        raise call.error(Unavailable, closed, "Closed")

    # --- bodies that do not lie in memory -----------------------------------------------------------------

    async def fetch_into(self, request: store.GetRange, sink: Sink) -> store.Fetched:
        call = messages.get_range(request)
        stream = Incoming(call, request, sink, self._windows)
        answer = await self._ask(call, stream)
        of = stream.poured or parsing.body_of(call, answer, request)  # which has no bytes then
        return parsing.fetched(answer, of.size)

    @overload
    async def send_from(self, request: store.PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: store.UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: store.PutObject | store.UploadPart, source: Source) -> CopyResult | UploadedPart:
        place = self._places.known(request.bucket) or await self._places.find(request.bucket)
        # TLS guards the body on its way, and its checksum at its end. Without TLS the signature has to.
        body_hash = UNSIGNED_PAYLOAD if place.secure else await sha256_of(source)
        call = messages.from_source(request, source.length, body_hash)
        if not place.invites:
            call = call._replace(expects=False)
        outgoing = Outgoing(call, source, place)
        try:
            answer = await self._ask(call, outgoing)
        except StoreError:
            if not outgoing.uninvited:
                raise
            call = call._replace(expects=False)
            answer = await self._ask(call, Outgoing(call, source, place))
        if isinstance(request, store.PutObject):
            return parsing.put_result(call, answer)
        return parsing.uploaded_part(call, answer, request.number)


def _not_sent(call: Call, place: Place, failure: ConnectFailed) -> StoreError:
    """A request that certainly was not carried out."""
    if failure.final:
        code = TLS_REFUSED if failure.code in ("Certificate", "Tls") else failure.code
        return unreachable(place.endpoint, failure.why, call.operation.name, code)
    return call.error(Unavailable, f"no connection could be made ({failure.why})", failure.code)
