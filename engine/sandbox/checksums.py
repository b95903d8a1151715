"""The checksums that S3 keeps with objects: which, of what type, checked when sent, computed when asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from engine import crc
from engine.model import Checksum
from engine.sandbox import bodies
from engine.sandbox.bodies import Content
from engine.sandbox.records import Bucket, StoredObject
from engine.sandbox.refusals import S3Error

FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"
DEFAULT = "CRC64NVME"
"""What S3 computes since December 2024 where a request does not say."""

_SHA: dict[str, Any] = {"SHA1": hashlib.sha1, "SHA256": hashlib.sha256}
ALGORITHMS = (*crc.PARAMETERS, *_SHA)
_HEADERS = tuple((f"x-amz-checksum-{name.lower()}", name) for name in ALGORITHMS)

# What objects share that carry a checksum nobody has asked for yet.
_PENDING = {name: Checksum(name, FULL_OBJECT, "") for name in ALGORITHMS}


def pending(algorithm: str) -> Checksum | None:
    """A full-object checksum to be computed when it is first asked for; None for no algorithm."""
    return _PENDING[algorithm] if algorithm else None


def default_algorithm(bucket: Bucket) -> str:
    return "" if bucket.legacy_checksums else DEFAULT


def value_of(algorithm: str, content: Content) -> str:
    """The checksum of content in base64."""
    if algorithm in crc.PARAMETERS:
        return crc.to_base64(algorithm, bodies.crc_of(algorithm, content))
    digest = _SHA[algorithm]()
    for piece in bodies.read(content):
        digest.update(piece)
    return base64.b64encode(digest.digest()).decode()


def composite(algorithm: str, values: list[str]) -> str:
    """The checksum of the parts' checksums, a dash, and their number."""
    return f"{value_of(algorithm, b''.join(map(base64.b64decode, values)))}-{len(values)}"


def checksum_of(stored: StoredObject) -> Checksum | None:
    """The object's checksum, computed now where it was not yet."""
    found = stored.checksum
    if found is not None and not found.value and stored.content is not None:
        found = stored.checksum = found._replace(value=value_of(found.algorithm, stored.content))
    return found


def asked_for(headers: dict[str, str]) -> str:
    """The algorithm that x-amz-checksum-algorithm names; empty where there is none. Raises InvalidRequest."""
    name = headers.get("x-amz-checksum-algorithm", "")
    if not name:
        return ""
    if name.upper() not in ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the "
                      f"valid types: [{', '.join(sorted(ALGORITHMS))}]")  # fmt: skip
    return name.upper()


def type_asked_for(headers: dict[str, str], algorithm: str) -> str:
    """FULL_OBJECT or COMPOSITE of a multipart upload, by what is asked for and what the algorithm can be."""
    wanted = headers.get("x-amz-checksum-type", "").upper()
    if not algorithm:
        if wanted:
            raise S3Error("InvalidRequest", "The x-amz-checksum-type header can only be used with the "
                          "x-amz-checksum-algorithm header.")  # fmt: skip
        return ""
    if wanted not in ("", FULL_OBJECT, COMPOSITE):
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
    impossible = COMPOSITE if algorithm == DEFAULT else FULL_OBJECT if algorithm in _SHA else ""
    if wanted and wanted == impossible:
        raise S3Error(
            "InvalidRequest",
            f"The {wanted} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.",
        )
    return wanted or (FULL_OBJECT if algorithm == DEFAULT else COMPOSITE)


def sent(headers: dict[str, str]) -> tuple[str, str]:
    """The algorithm and value of a checksum header; empty where there is none."""
    found = [(name, headers[header]) for header, name in _HEADERS if header in headers]
    if len(found) > 1:
        raise S3Error("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not "
                      "allowed.")  # fmt: skip
    return found[0] if found else ("", "")


def check_body(headers: dict[str, str], body: bytes) -> tuple[str, str]:
    """Hold a body against its Content-MD5 and its checksum header, and return the latter."""
    md5 = headers.get("content-md5")
    if md5 is not None:
        if len(_decoded(md5, "InvalidDigest")) != 16:
            raise S3Error("InvalidDigest")
        if base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode() != md5:
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match what we received.")
    algorithm, value = sent(headers)
    if algorithm and value_of(algorithm, body) != value:
        _decoded(value, "InvalidRequest")
        raise S3Error("BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")
    return algorithm, value


def require_digest(headers: dict[str, str], body: bytes) -> None:
    """For the requests that must carry a digest of their body (DeleteObjects)."""
    if "content-md5" not in headers and not sent(headers)[0]:
        raise S3Error("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
    check_body(headers, body)


def require_locked_digest(headers: dict[str, str], request: str) -> None:
    """The same of what is locked: an object at one go, or a part of one ("Put Object" or "Put Part")."""
    if "content-md5" not in headers and not sent(headers)[0]:
        raise S3Error("InvalidRequest", f"Content-MD5 OR x-amz-checksum- HTTP header is required for {request} "
                      "requests with Object Lock parameters")  # fmt: skip


def header_lines(checksum: Checksum | None) -> list[tuple[str, str]]:
    """As headers, where the request asked for them (x-amz-checksum-mode)."""
    if checksum is None:
        return []
    return [(f"x-amz-checksum-{checksum.algorithm.lower()}", checksum.value), ("x-amz-checksum-type", checksum.type)]


def elements(checksum: Checksum | None) -> str:
    """As elements of a copy's or an upload's answer."""
    if checksum is None:
        return ""
    name = f"Checksum{checksum.algorithm}"
    return f"<{name}>{checksum.value}</{name}><ChecksumType>{checksum.type}</ChecksumType>"


def _decoded(text: str, code: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise S3Error(code) from error
