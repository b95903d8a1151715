"""Bodies in aws-chunked framing, as SDKs send them: the framing taken off, trailers read, chunk signatures checked."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, NamedTuple

from engine.sandbox.refusals import S3Error

if TYPE_CHECKING:  # botocore, which it needs, is slow to import
    from engine.sandbox.auth import Chain

SIGNED = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")


class Unframed(NamedTuple):
    body: bytes
    trailers: dict[str, str]


def is_framed(headers: dict[str, str]) -> bool:
    """Whether the body is in aws-chunked framing."""
    return headers.get("x-amz-content-sha256", "").startswith("STREAMING-") or "aws-chunked" in headers.get(
        "content-encoding", ""
    )


def take_off_framing(headers: dict[str, str], body: bytes, signer: Chain | None) -> tuple[dict[str, str], bytes]:
    """Headers and body as if the body had been sent plainly: the trailers among the headers, Content-Encoding and
    Content-Length those of what was meant. `signer` checks the chunks where they are signed."""
    signed = headers.get("x-amz-content-sha256", "") in SIGNED
    found = unframe(body, signer if signed else None)
    said = headers.get("x-amz-decoded-content-length")
    if said is not None and said != str(len(found.body)):
        raise S3Error("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length.")
    encodings = [name.strip() for name in headers.get("content-encoding", "").split(",")]
    left = ",".join(name for name in encodings if name and name != "aws-chunked")
    plain = {name: value for name, value in headers.items() if name != "content-encoding"}
    if left:
        plain["content-encoding"] = left
    plain["content-length"] = str(len(found.body))
    for name, value in found.trailers.items():
        plain.setdefault(name, value)
    return plain, found.body


def unframe(raw: bytes, signer: Chain | None) -> Unframed:
    """`size[;chunk-signature=…]CRLF data CRLF` … `0…CRLF [trailer CRLF …] CRLF`."""
    pieces: list[bytes] = []
    position = 0
    previous = signer.seed_signature if signer is not None else ""
    while True:
        end = raw.find(b"\r\n", position)
        if end < 0:
            raise S3Error("IncompleteBody")
        size_text, _, extension = raw[position:end].partition(b";")
        try:
            size = int(size_text, 16)
        except ValueError:
            raise S3Error("InvalidRequest", "The chunk size is not a number.") from None
        data = raw[end + 2 : end + 2 + size]
        if len(data) != size:
            raise S3Error("IncompleteBody")
        if signer is not None:
            previous = _check_chunk(signer, previous, data, extension)
        position = end + 2 + size
        if size == 0:
            return Unframed(b"".join(pieces), _trailers(raw[position:]))
        if raw[position : position + 2] != b"\r\n":
            raise S3Error("IncompleteBody")
        position += 2
        pieces.append(data)


def _check_chunk(signer: Chain, previous: str, data: bytes, extension: bytes) -> str:
    name, _, value = extension.decode("latin-1").partition("=")
    expected = signer.next_signature(previous, data)
    if name.strip() != "chunk-signature" or not hmac.compare_digest(expected, value.strip()):
        raise S3Error("SignatureDoesNotMatch")
    return expected


def _trailers(raw: bytes) -> dict[str, str]:
    found = {}
    for line in raw.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and not name.lower().startswith("x-amz-trailer-signature"):
            found[name.strip().lower()] = value.strip()
    return found
