"""Signature Version 4 for S3, made for hundreds of thousands of requests of few shapes. Pure but for the clock.

Source: "Signature calculations for the Authorization header" in S3's API reference; a property test holds every
signature against botocore's own signer. What makes it cheap: the key of the day is kept as two half-done hashes (of
HMAC's inner and outer pad); and for each *shape* (a tuple of header names) the canonical headers are a template with
host, date, token and scope already in it, rebuilt once a second. A signature then costs one interpolation and three
hashes.

Header names are lower-case and sorted. Paths are used as they are: S3 is the one service whose paths are neither
normalised nor encoded twice.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from engine.s3.session import Credentials

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
BODY_HASH = "x-amz-content-sha256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
"""As `BODY_HASH`: the body is not part of the signature. For TLS only."""

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.~/-]*").fullmatch
_SPACES = re.compile(r"[ \t]+")
_BLOCK_BYTES = 64
_INNER_PAD, _OUTER_PAD = 0x36, 0x5C


def encode_key(key: str) -> str:
    """A key as it stands in a path: every byte of its UTF-8 but unreserved ones and "/" as %XX, nothing normalised.

    Raises UnicodeEncodeError for a text that has no UTF-8 (a lone surrogate)."""
    # The common case costs a third of what quote() does.
    return key if _PLAIN_KEY(key) else quote(key, safe="/~")


def encode_value(text: str) -> str:
    """A value of a query: as a key, with "/" encoded too."""
    return quote(text, safe="-_.~")


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """A query in canonical form: encoded, and sorted by encoded name and value."""
    return "&".join(sorted(f"{encode_value(name)}={encode_value(value)}" for name, value in pairs))


class _Shape(NamedTuple):
    """What all requests with the same header names have in common during one second."""

    template: str  # "host:…\nx-amz-copy-source:%s\n…"
    tail: str  # "\nhost;x-amz-…\n" and, unless the request has its own, the body's hash
    authorization: str  # up to "Signature="
    lines: int
    body_hash_at: int  # where the body's hash is among the request's own values; -1: it is empty


class Signer:
    """Signs requests to one host. `fixed` are headers that every request carries (requester pays, expected owner).

    `credentials` may be replaced at any time; the next signature uses them. Those of nobody sign nothing."""

    def __init__(
        self,
        host: str,
        region: str,
        credentials: Credentials,
        *,
        fixed: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host = host
        self._region = region
        self._fixed = dict(fixed or {})
        self._clock = clock
        self._second = -1
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self.credentials = credentials

    @property
    def credentials(self) -> Credentials:
        return self._credentials

    @credentials.setter
    def credentials(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._day = ""
        self._second = -1

    def sign(self, method: str, path: str, query: str, names: tuple[str, ...], values: tuple[str, ...]) -> str:
        """The request's header lines, each ended by CR LF: the given ones, host, date, body hash, token, signature.

        `path` and `query` are encoded, `query` sorted; `names` are lower-case, sorted and distinct. The hash of a
        body is given as x-amz-content-sha256; without one the body is empty. Raises ValueError for a value that
        would break out of its line."""
        now = int(self._clock())
        if now != self._second:
            self._turn(now)
        shape = self._shapes.get(names) or self._shape(names)
        block = shape.template % values
        if block.count("\n") != shape.lines or "\r" in block or "\0" in block:
            raise ValueError("a header's value has a line break or a NUL in it")
        if " " in block or "\t" in block:
            canonical, lines = _spaced(block)
        else:
            canonical, lines = block, block.replace("\n", "\r\n")
        if not self._credentials.access_key:
            return lines
        if query and "=" not in query:
            query += "="  # "?uploads" is signed as a name with an empty value
        body_hash = values[shape.body_hash_at] if shape.body_hash_at >= 0 else ""
        signature = self._signature(f"{method}\n{path}\n{query}\n{canonical}{shape.tail}{body_hash}")
        return f"{lines}{shape.authorization}{signature}\r\n"

    def link(self, path: str, expires_s: int) -> str:
        """The query with which whoever has it may GET `path` (encoded) for so many seconds from now on, and nothing
        else: it needs no header but the host. The requester's payment is part of it, as it is of every request; the
        expected owner is not, which only a header can say."""
        now = int(self._clock())
        if now != self._second:
            self._turn(now)
        said = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self._credentials.access_key}/{self._scope}",
            "X-Amz-Date": self._date,
            "X-Amz-Expires": str(expires_s),
            "X-Amz-SignedHeaders": "host",
            "X-Amz-Security-Token": self._credentials.token,
            "x-amz-request-payer": self._fixed.get("x-amz-request-payer", ""),
        }
        query = encode_query((name, value) for name, value in said.items() if value)
        signature = self._signature(f"GET\n{path}\n{query}\nhost:{self._host}\n\nhost\n{UNSIGNED_PAYLOAD}")
        return f"{query}&X-Amz-Signature={signature}"

    def _signature(self, request: str) -> str:
        """Of a canonical request, at the second that `_turn` set."""
        digest = hashlib.sha256(request.encode("utf-8", "surrogateescape")).hexdigest()
        inner = self._inner.copy()
        inner.update(f"{self._to_sign}{digest}".encode())
        outer = self._outer.copy()
        outer.update(inner.digest())
        return str(outer.hexdigest())

    def _turn(self, now: int) -> None:
        """A new second, and now and then a new day."""
        moment = time.gmtime(now)
        self._date = time.strftime("%Y%m%dT%H%M%SZ", moment)
        day = self._date[:8]
        if day != self._day:
            self._scope = f"{day}/{self._region}/s3/aws4_request"
            key = f"AWS4{self._credentials.secret_key}".encode()
            for part in (day, self._region, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._inner, self._outer = _pads(key)
            self._day = day
        self._to_sign = f"AWS4-HMAC-SHA256\n{self._date}\n{self._scope}\n"
        self._shapes.clear()
        self._second = now

    def _shape(self, names: tuple[str, ...]) -> _Shape:
        own = set(names)
        known = {"host": self._host, BODY_HASH: EMPTY_SHA256, "x-amz-date": self._date} | self._fixed
        if self._credentials.token:
            known["x-amz-security-token"] = self._credentials.token
        lines = {name: value.replace("%", "%%") for name, value in known.items()} | dict.fromkeys(own, "%s")
        ordered = sorted(lines)
        signed = ";".join(ordered)
        at = names.index(BODY_HASH) if BODY_HASH in own else -1
        shape = _Shape(
            "".join(f"{name.replace('%', '%%')}:{lines[name]}\n" for name in ordered),
            f"\n{signed}\n{'' if at >= 0 else EMPTY_SHA256}",
            f"authorization:AWS4-HMAC-SHA256 Credential={self._credentials.access_key}/{self._scope},"
            f"SignedHeaders={signed},Signature=",
            len(ordered),
            at,
        )
        self._shapes[names] = shape
        return shape


def _spaced(block: str) -> tuple[str, str]:
    """Canonical and sent lines where a value has spaces: signed trimmed and with runs of them as one, sent as given."""
    canonical = []
    for line in block.split("\n")[:-1]:
        name, _, value = line.partition(":")
        trimmed = _SPACES.sub(" ", value.strip(" \t"))
        canonical.append(f"{name}:{trimmed}\n")
    return "".join(canonical), block.replace("\n", "\r\n")


def _pads(key: bytes) -> tuple[Any, Any]:
    """HMAC-SHA256 (RFC 2104) with this key, as the states of its two hashes: copying them costs half of hmac.digest."""
    padded = key.ljust(_BLOCK_BYTES, b"\0")
    return (
        hashlib.sha256(bytes(byte ^ _INNER_PAD for byte in padded)),
        hashlib.sha256(bytes(byte ^ _OUTER_PAD for byte in padded)),
    )
