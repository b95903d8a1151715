"""What a client of botocore's does otherwise than it would by itself."""

from __future__ import annotations

import functools
from typing import Any

from engine import freshness


def put_on(events: Any, payer: str) -> None:
    """Register all of it on a client's `events`. `payer` is what x-amz-request-payer says, empty for nothing."""
    # botocore would ask for the region and sign anew after a 301 or a bare 400, at every object.
    events.register_last("before-parameter-build.s3", _no_redirect)
    if payer:
        # On every request, as the wire does: botocore has the parameter for those on objects alone.
        events.register("before-call.s3", functools.partial(_paying, payer))
    events.register_last("before-send.s3", _sending)


def _sending(request: Any, event_name: str, **_: Any) -> None:
    """Raises `TooLate`. A connection may still have to be made after this."""
    freshness.sending(event_name.rpartition(".")[2], request.url.partition("?")[0])


def _no_redirect(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True


def _paying(payer: str, params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-amz-request-payer"] = payer
