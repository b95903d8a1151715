"""A store with a line in the log for each exchange."""

from __future__ import annotations

import time
from typing import Any

from engine.errors import StoreError
from engine.logs import log_request
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.s3_store import S3Store


class LoggedStore(S3Store):
    """Mixed into a store where requests are logged (`sites.opening`), so that the store knows nothing of it."""

    async def _exchange(self, call: Call, stream: Any = None) -> Answer:
        began_s = time.monotonic()
        status: int | None = None
        error = request_id = ""
        try:
            answer = await super()._exchange(call, stream)  # type: ignore[safe-super]
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
