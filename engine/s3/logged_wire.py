"""The wire with a line in the log for each exchange."""

from __future__ import annotations

import time

from engine.errors import StoreError
from engine.logs import log_request
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.streams import Stream
from engine.s3.wire_store import WireStore


class LoggedWireStore(WireStore):
    """Opened in the place of `WireStore` where requests are logged, so that the other knows nothing of it."""

    async def _exchange(self, call: Call, stream: Stream | None = None) -> Answer:
        began_s = time.monotonic()
        status: int | None = None
        error = request_id = ""
        try:
            answer = await super()._exchange(call, stream)
            status, request_id = answer.status, answer.header(b"x-amz-request-id")
            return answer
        except BaseException as raised:
            error = raised.code if isinstance(raised, StoreError) and raised.code else type(raised).__name__
            raise
        finally:
            log_request(
                began_s,
                time.monotonic(),
                operation=call.operation.name,
                bucket=call.bucket,
                key=call.ref.key,
                status=status,
                request_id=request_id,
                error=error,
            )
