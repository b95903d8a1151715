"""botocore's way to S3 with a line in the log for each request."""

from __future__ import annotations

import time
from typing import Any

from engine.errors import StoreError
from engine.logs import log_request
from engine.s3.boto_store import BotoStore, Pour


class LoggedBotoStore(BotoStore):
    """Opened in the place of `BotoStore` where requests are logged."""

    async def _call(
        self, operation: str, method: str, ref: str, pour: Pour | None = None, **arguments: Any
    ) -> dict[str, Any]:
        began_s = time.monotonic()
        said: dict[str, Any] = {}
        error = ""
        try:
            answer = await super()._call(operation, method, ref, pour, **arguments)
            said = answer.get("ResponseMetadata", {})
            return answer
        except BaseException as raised:
            said = getattr(raised.__cause__, "response", {}).get("ResponseMetadata", {})
            error = raised.code if isinstance(raised, StoreError) and raised.code else type(raised).__name__
            raise
        finally:
            log_request(
                began_s,
                time.monotonic(),
                operation=operation,
                bucket=arguments.get("Bucket"),
                key=arguments.get("Key") or arguments.get("Prefix"),
                status=said.get("HTTPStatusCode"),
                request_id=said.get("RequestId"),
                error=error,
            )
