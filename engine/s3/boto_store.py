"""`BotoStore`: every S3 action through aiobotocore, for `--store boto`.

botocore signs what is asked and carries it. It is said, and what came back is read, as on the wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self, overload

from botocore import xform_name

from engine import store
from engine.bodies import with_body
from engine.model import CopyResult, UploadedPart
from engine.s3 import messages, parsing
from engine.s3.boto_clients import ANSWER, SENT, BotoClients, arguments_of
from engine.s3.boto_errors import translated
from engine.s3.messages import Call
from engine.s3.operations import COPY_TOTAL_S
from engine.s3.parsing import Answer
from engine.s3.pouring import Pouring
from engine.s3.s3_store import S3Store
from engine.s3.session import Session
from engine.windows import WINDOW_BYTES, Sink, Source

Pour = Callable[[Answer, Any], Awaitable[None]]
"""What takes a body off its stream, `(answer, stream)`, instead of having it in memory."""


class BotoStore(S3Store):
    """`engine.store.ObjectStore` on aiobotocore's clients, their own retries off. Opened with `async with`, which
    raises `ExtraMissing` where aiobotocore is not installed."""

    def __init__(self, session: Session, *, max_connections: int = 128) -> None:
        super().__init__(session)
        self._clients = BotoClients(session, max_connections)
        self._regions: dict[str, str] = {}
        self._region = lambda bucket: self._regions.get(bucket, session.region)
        owner = session.connection.expected_bucket_owner
        self._common: dict[str, Any] = {"ExpectedBucketOwner": owner} if owner else {}

    async def __aenter__(self) -> Self:
        await self._clients.__aenter__()
        self._credentials = self._clients.credentials
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._clients.__aexit__(*raised)

    async def _exchange(self, call: Call, stream: Pour | None = None) -> Answer:
        operation, session = call.operation.name, self._session
        SENT.set(call)
        try:
            async with asyncio.timeout(COPY_TOTAL_S):  # aiohttp bounds silence alone
                region = self._regions[call.bucket] = await session.bucket_region(call.bucket)
                client = await self._clients.of(region)
                arguments = arguments_of(call, client.meta.service_model.operation_model(operation)) | self._common
                said = await getattr(client, xform_name(operation))(**arguments)
                answer: Answer = said[ANSWER]
                if "Body" not in said:
                    return answer
                async with (body := said["Body"]):
                    if stream is not None:
                        await stream(answer, body)
                        return answer
                    data = await body.read()
                    length = answer.header(b"content-length") or str(len(data))
                    return answer._replace(body=data, whole=str(len(data)) == length)
        except Exception as error:
            if getattr(error, "operation_name", "") == operation and ANSWER in getattr(error, "response", {}):
                refused: Answer = error.response[ANSWER]  # type: ignore[attr-defined]
                return refused
            with translated(operation, str(call.ref), session.endpoint):
                raise

    # --- bodies -------------------------------------------------------------------------------------------

    async def fetch_into(self, request: store.GetRange, sink: Sink) -> store.Fetched:
        sink.restart()
        pourer = _Pourer(request, sink)
        try:
            answer = await self._ask(messages.get_range(request), pourer)
        except _Stopped as stopped:
            raise stopped.cause from stopped
        return parsing.fetched(answer, pourer.size)

    @overload
    async def send_from(self, request: store.PutObject, source: Source) -> CopyResult: ...
    @overload
    async def send_from(self, request: store.UploadPart, source: Source) -> UploadedPart: ...
    async def send_from(self, request: store.PutObject | store.UploadPart, source: Source) -> CopyResult | UploadedPart:
        if isinstance(request, store.PutObject):
            return await self.put_object(await with_body(request, source))
        return await self.upload_part(await with_body(request, source))


class _Stopped(Exception):
    """A sink raised `cause`: that is not what became of the request."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _Pourer:
    """Takes the body of one GetObject off its stream. `size` is the whole object's, once it is done."""

    def __init__(self, request: store.GetRange, sink: Sink) -> None:
        self._request = request
        self._sink = sink
        self.size = 0

    async def __call__(self, answer: Answer, stream: Any) -> None:
        """Raises `_Stopped` for what the sink raises, and as `Pouring`."""
        length = answer.header(b"content-length")
        pouring = Pouring(self._request, self._sink, answer, int(length) if length else None)
        more = True
        while more and (window := await stream.read(WINDOW_BYTES)):
            try:
                more = await pouring.take(memoryview(window))
            except Exception as error:
                raise _Stopped(error) from error
        self.size = (pouring.finished() if more else pouring.wanted).size
