"""What a client of botocore's does otherwise than it would by itself."""

from __future__ import annotations

import functools
from typing import Any

from engine import freshness
from engine.s3 import xml
from engine.s3.boto_bucket import keep_document, refuse_other_roots, send_configuration

TRUNCATED = "IsTruncatedText"
"""What a page of a list says of its end, word by word, in an answer of the client's."""


def put_on(events: Any, payer: str) -> None:
    """Register all of it on a client's `events`. `payer` is what x-amz-request-payer says, empty for nothing."""
    # botocore would ask for the region and sign anew after a 301 or a bare 400, at every object.
    events.register_last("before-parameter-build.s3", _no_redirect)
    for operation in ("ListObjectsV2", "ListParts", "ListMultipartUploads"):
        events.register(f"before-parse.s3.{operation}", _truncated_as_said)
    for operation in ("GetBucketLifecycleConfiguration", "ListObjectVersions"):
        events.register(f"before-parse.s3.{operation}", keep_document)
    events.register("before-call.s3.PutBucketLifecycleConfiguration", send_configuration)
    if payer:
        # On every request, as the wire does: botocore has the parameter for those on objects alone.
        events.register("before-call.s3", functools.partial(_paying, payer))
    events.register("before-parse.s3", refuse_other_roots)
    events.register_last("before-send.s3", _sending)


def _sending(request: Any, event_name: str, **_: Any) -> None:
    """Raises `TooLate`. A connection may still have to be made after this."""
    freshness.sending(event_name.rpartition(".")[2], request.url.partition("?")[0])


def _no_redirect(context: dict[str, Any], **_: Any) -> None:
    context.setdefault("s3_redirect", {})["redirected"] = True


def _truncated_as_said(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Add IsTruncated as it was written: botocore reads all but "true" as false, and so takes a list that goes on for
    whole."""
    try:
        customized_response_dict[TRUNCATED] = xml.read(xml.decode(response_dict["body"])).text("IsTruncated")
    except xml.NotXml:
        return  # botocore says so


def _paying(payer: str, params: dict[str, Any], **_: Any) -> None:
    params["headers"]["x-amz-request-payer"] = payer
