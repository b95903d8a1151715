"""How botocore is told a call: what goes into the URL as arguments, the rest as the call says it."""

from __future__ import annotations

from contextvars import ContextVar
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from engine.s3.messages import Call
from engine.s3.signing import BODY_HASH

SENT: ContextVar[Call] = ContextVar("SENT")
"""What the client is asked to send."""


def arguments_of(call: Call, model: Any) -> dict[str, Any]:
    """The arguments of botocore's method; `model` is the service model's of the operation."""
    members = model.input_shape.members
    arguments = {"Bucket": call.bucket, "Key": call.ref.key} if "Key" in members else {"Bucket": call.bucket}
    if "EncodingType" in members:  # always said, so that botocore leaves decoding to us: it decodes what it encoded
        arguments["EncodingType"] = ""
    in_query = {
        member.serialization["name"]: name
        for name, member in members.items()
        if member.serialization.get("location") == "querystring"
    }
    return arguments | {in_query[name]: value for name, value in parse_qsl(call.query) if name in in_query}


def as_said(params: dict[str, Any], model: Any, **_: Any) -> None:
    """For botocore's event `before-call`: headers and body word by word, where botocore would leave out what it does
    not know, and add checksums of its own. It signs them."""
    call = SENT.get()
    if model.name != call.operation.name:
        return  # it asks for something on its own
    params["body"] = BytesIO(call.body) if model.has_streaming_input else call.body
    said = zip(call.names, call.values, strict=True)
    params["headers"].update({name: value for name, value in said if name != BODY_HASH})
    params["context"].pop("checksum", None)
