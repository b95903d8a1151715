"""Faults carried out: what a struck request does to the objects, what it is answered, and how the bytes are spoiled."""

from __future__ import annotations

import asyncio
import html
import random
import re
from collections.abc import Callable, Iterator
from itertools import chain
from xml.sax.saxutils import escape

from engine.sandbox import bodies, wording
from engine.sandbox.addressing import copy_source_of
from engine.sandbox.connection import Connection
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.faults import FaultRule, Kind, Subject
from engine.sandbox.markup import XML_HEADERS
from engine.sandbox.records import Account
from engine.sandbox.refusals import S3Error, precondition_failed
from engine.sandbox.rules import handle

Obey = Callable[[Request], Reply]

OTHER_REGION = "eu-central-1"
_ENTRY = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY = re.compile(rb"<Key>.*?</Key>", re.DOTALL)
_DELETED = re.compile(rb"<Deleted>.*?</Deleted>", re.DOTALL)
_NEXT_TOKEN = re.compile(rb"<NextContinuationToken>.*?</NextContinuationToken>", re.DOTALL)
_DETAILS = ("partNumber", "continuation-token", "start-after", "part-number-marker", "key-marker", "prefix")

_WIRE = frozenset(
    {
        Kind.RESET_SERVED,
        Kind.HANG,
        Kind.CUT_STATUS,
        Kind.CUT_HEADERS,
        Kind.CUT_CHUNK,
        Kind.CUT_BODY,
        Kind.SLOW_BYTES,
        Kind.WRONG_LENGTH,
        Kind.CLOSE,
        Kind.CLOSE_IDLE,
    }
)
_CODES = {
    Kind.STATUS_500: "InternalError",
    Kind.STATUS_503: "SlowDown",
    Kind.STATUS_409: "ConditionalRequestConflict",
    Kind.STATUS_412: "PreconditionFailed",
    Kind.STATUS_404: "NoSuchKey",
    Kind.STATUS_403: "AccessDenied",
    Kind.EXPIRED_TOKEN: "ExpiredToken",
    Kind.REDIRECT_301: "PermanentRedirect",
    Kind.REDIRECT_307: "TemporaryRedirect",
}


def subject_of(request: Request) -> Subject:
    """What a request is about, for the schedule."""
    operation, _, bucket, key, query, *_ = request
    return Subject(operation, bucket, key, "&".join(query[name] for name in _DETAILS if name in query) if query else "")


def spoils_the_wire(rule: FaultRule) -> bool:
    """Whether the fault is in how the answer is sent, not in what it says."""
    return rule.kind in _WIRE


def carry_out(rule: FaultRule, request: Request, account: Account, obey: Obey) -> Reply:
    """Carry a struck request out, or not, and give the answer that the fault wants. `obey` is the honest way."""
    kind = Kind(rule.kind)
    if kind in _WIRE:
        return obey(request)
    if kind in _CODES or kind in (Kind.EMPTY_503, Kind.ERROR_IN_200, Kind.EMPTY_200, Kind.HTML_200):
        if rule.served:
            obey(request)
        return _answer(rule, kind, request)
    if kind in (Kind.DELETE_ERROR, Kind.DELETE_KEYLESS):
        return _spare_one(kind, rule.code or "InternalError", request, account, obey)
    if kind == Kind.UPLOAD_VANISHED:
        _vanish(account, request)
    elif kind == Kind.SOURCE_CHANGED:
        _overwrite(account, *copy_source_of(request.headers))
    elif kind == Kind.TARGET_APPEARS:
        _overwrite(account, request.bucket, request.key)
    reply = obey(request)
    if kind == Kind.TARGET_REPLACED:
        if reply.status == 200:
            _overwrite(account, request.bucket, request.key)
    elif kind.startswith("page-") and isinstance(reply.body, bytes):
        token = request.query.get("continuation-token", "")
        return reply._replace(body=spoil_page(kind, reply.body, token))
    return reply


def _answer(rule: FaultRule, kind: Kind, request: Request) -> Reply:
    request_id = wording.request_id_of(request.number)
    if kind == Kind.EMPTY_503:
        return Reply(503)
    if kind == Kind.EMPTY_200:
        return Reply(200, XML_HEADERS)
    if kind == Kind.HTML_200:
        return Reply(200, (("Content-Type", "text/html"),), b"<html><body><h1>It works!</h1></body></html>")
    if kind == Kind.ERROR_IN_200:
        return Reply(200, XML_HEADERS, wording.error_body(S3Error(rule.code or "InternalError"), request_id))
    code = _CODES[kind]
    if kind == Kind.STATUS_412:
        error = precondition_failed(rule.code) if rule.code else S3Error(code)
    elif kind in (Kind.REDIRECT_301, Kind.REDIRECT_307):
        host = f"{request.bucket}.s3.{OTHER_REGION}.amazonaws.com"
        error = S3Error(
            code,
            Endpoint=host,
            Bucket=request.bucket,
            headers=(("x-amz-bucket-region", OTHER_REGION), ("Location", f"https://{host}/")),
        )
    elif kind == Kind.STATUS_404:
        error = S3Error(code, Key=request.key)
    else:
        error = S3Error(rule.code or code) if kind in (Kind.STATUS_503, Kind.STATUS_500) else S3Error(code)
    return wording.error_reply(error, request_id)


# --- what happens to the objects ---


def _overwrite(account: Account, bucket: str, key: str) -> None:
    """Somebody else writes to the key: other bytes, of the same length where that is small."""
    held = account.buckets.get(bucket)
    if held is None or not key:
        return
    before = held.objects.get(key)
    number = account.next_number()
    size = before.size if before is not None and 0 < before.size <= bodies.CELL_BYTES else 48
    body = bodies.read_all(bodies.Stream(-number, size))
    handle(account, Request("PutObject", "PUT", bucket, key, {}, {"content-length": str(len(body))}, body))


def _vanish(account: Account, request: Request) -> None:
    held = account.buckets.get(request.bucket)
    if held is not None:
        held.uploads.pop(request.query.get("uploadId", ""), None)


def _spare_one(kind: Kind, code: str, request: Request, account: Account, obey: Obey) -> Reply:
    """Carry out a DeleteObjects but for one of its keys. In a bucket with versions it is carried out whole."""
    held = account.buckets.get(request.bucket)
    keys = _KEY.findall(request.body)
    if request.operation != "DeleteObjects" or held is None or held.versioning or not keys:
        return obey(request)
    spared = keys[len(keys) // 2]
    key = html.unescape(spared[len(b"<Key>") : -len(b"</Key>")].decode("utf-8", "replace"))
    kept = held.objects.get(key)
    reply = obey(request)
    if reply.status != 200 or not isinstance(reply.body, bytes):
        return reply
    if kept is not None:
        held.objects.put(key, kept)
    said = f"<Code>{code}</Code><Message>{escape(S3Error(code).message)}</Message>".encode()
    entry = b"<Error>" + (spared if kind == Kind.DELETE_ERROR else b"") + said + b"</Error>"
    left = [found for found in _DELETED.findall(reply.body) if html.unescape(found.decode()).find(f"<Key>{key}<") < 0]
    rest = _DELETED.sub(b"", reply.body)
    return reply._replace(body=rest.replace(b"</DeleteResult>", b"".join(left) + entry + b"</DeleteResult>"))


# --- what a page says ---


def spoil_page(kind: Kind, body: bytes, token: str) -> bytes:
    """A page of a listing, spoiled. A page with too few entries for it stays as it is."""
    if kind == Kind.PAGE_REPEATS:
        said = f"<NextContinuationToken>{escape(token)}</NextContinuationToken>".encode()
        return _NEXT_TOKEN.sub(lambda _: said, body) if token else body
    entries = list(_ENTRY.finditer(body))
    if not entries:
        return body
    middle = entries[len(entries) // 2]
    before, entry, after = body[: middle.start()], middle.group(), body[middle.end() :]
    if kind == Kind.PAGE_DUPLICATE:
        return before + entry + entry + after
    if kind == Kind.PAGE_MISSING:
        return before + after
    if kind == Kind.PAGE_KEYLESS:
        return before + _KEY.sub(b"", entry) + after
    first = entries[0]  # out of order: the middle one leads
    if len(entries) < 2:
        return body
    return body[: first.start()] + entry + body[first.start() : middle.start()] + after


# --- how it is sent ---


def spoil(connection: Connection, rule: FaultRule, request: Request, reply: Reply, second: int, seed: int) -> None:
    """Send an answer as the fault wants. The place of a cut depends on the seed and the request's id."""
    kind = Kind(rule.kind)
    if kind == Kind.RESET_SERVED:
        connection.abort()
        return
    status, headers, content, _ = reply
    request_id = wording.request_id_of(request.number)
    bodiless = request.method == "HEAD" or status in wording.BODILESS
    if bodiless:
        content = bodies.EMPTY
    size = bodies.size_of(content)
    length = None if bodiless else size
    place = random.Random(f"{seed}/{request_id}")

    def head(length: int | None, tail: str = "") -> bytes:
        return wording.head_of(status, headers, request_id, second, length, tail)

    whole = chain((head(length),), bodies.read(content))
    if kind == Kind.HANG:
        if rule.delay_ms:
            asyncio.get_running_loop().call_later(rule.delay_ms / 1000, connection.finish_with, whole)
        return
    if kind == Kind.SLOW_BYTES:
        _drip(connection, _eighths(b"".join(whole)) if size <= bodies.CELL_BYTES else whole, rule.delay_ms / 1000)
        return
    if kind == Kind.CLOSE:
        connection.finish_with(chain((head(length, "Connection: close\r\n"),), bodies.read(content)), close=True)
        return
    if kind == Kind.CLOSE_IDLE:
        connection.finish_with(whole, close=True)
        return
    first = bodies.read_all(bodies.cut(content, 0, min(size, bodies.CELL_BYTES)))
    if kind == Kind.WRONG_LENGTH:
        connection.write(head(None if bodiless else len(first) + place.randint(1, 64)) + first)
    elif kind == Kind.CUT_CHUNK:
        framed = wording.chunk(first) if first else b""
        connection.write(head(None, "Transfer-Encoding: chunked\r\n") + framed[: place.randint(0, len(framed))])
    else:
        connection.write(_cut(kind, head(length), first, place))
    connection.end()


def _cut(kind: Kind, head: bytes, body: bytes, place: random.Random) -> bytes:
    line = head.index(b"\r\n")
    if kind == Kind.CUT_STATUS:
        return head[: place.randint(1, line)]
    if kind == Kind.CUT_HEADERS:
        return head[: place.randint(line, len(head) - 1)]
    return head + body[: place.randint(0, len(body) - 1)] if body else head[:-1]


def _eighths(data: bytes) -> Iterator[bytes]:
    size = max(1, -(-len(data) // 8))
    return (data[position : position + size] for position in range(0, len(data), size))


def _drip(connection: Connection, pieces: Iterator[bytes], delay_s: float) -> None:
    """Send piece by piece, with a delay before each but the first."""
    loop = asyncio.get_running_loop()

    def go_on() -> None:
        piece = next(pieces, None)
        if piece is None:
            connection.finish(b"")
        elif connection.is_open:
            connection.write(piece)
            loop.call_later(delay_s, go_on)

    go_on()
