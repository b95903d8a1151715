"""Answers as bytes: status line and headers in S3's manner, and refusals as its XML."""

from __future__ import annotations

import re
from http import HTTPStatus
from xml.sax.saxutils import escape

from engine.sandbox.clock import http_text
from engine.sandbox.exchange import Headers, Reply
from engine.sandbox.markup import DECLARATION, XML_HEADERS
from engine.sandbox.refusals import S3Error

HOST_ID = "c2FuZGJveA0KY2FydGFnZQ0KYW4gUzMgb24gbG9vcGJhY2s="
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
BODILESS = frozenset({204, 304})


def request_id_of(number: int) -> str:
    """Sixteen characters, as S3's own; the request's number, so that a test can tell which one it was."""
    return f"{number:016X}"


def error_reply(error: S3Error, request_id: str) -> Reply:
    """A refusal as S3 sends it."""
    return Reply(error.status, XML_HEADERS + error.headers, error_body(error, request_id))


def error_body(error: S3Error, request_id: str) -> bytes:
    pairs = [
        ("Code", error.code),
        ("Message", error.message),
        *error.details.items(),
        ("RequestId", request_id),
        ("HostId", HOST_ID),
    ]
    inner = "".join(f"<{name}>{escape(_NOT_XML.sub('�', value))}</{name}>" for name, value in pairs)
    return f"{DECLARATION}<Error>{inner}</Error>".encode()


def head_of(status: int, headers: Headers, request_id: str, second: int, length: int | None, tail: str = "") -> bytes:
    """Everything before the body. `length` None: no Content-Length is added; `tail` is further whole lines."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers):  # a value with a line break in it would be a header of its own
        lines = "".join([f"{name}: {' '.join(value.splitlines())}\r\n" for name, value in headers])
    if length is not None:
        tail = f"Content-Length: {length}\r\n{tail}"
    status_line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} -\r\n"
    return (
        f"{status_line}x-amz-id-2: {HOST_ID}\r\nx-amz-request-id: {request_id}\r\nDate: {http_text(second)}\r\n"
        f"{lines}Server: AmazonS3\r\n{tail}\r\n"
    ).encode()


LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
