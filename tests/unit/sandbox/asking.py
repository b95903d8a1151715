"""Asking the sandbox's rules directly, without a socket: one method call, one request."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from engine.sandbox.bodies import Content
from engine.sandbox.clock import Clock
from engine.sandbox.exchange import Reply, Request
from engine.sandbox.records import Account, StoredObject
from engine.sandbox.refusals import S3Error
from engine.sandbox.rules import handle, operation_of

NOW = 1_780_000_000


class FixedClock(Clock):
    """A clock that stands still until it is moved."""

    __slots__ = ("second",)

    def __init__(self) -> None:
        super().__init__()
        self.second = NOW

    def now(self) -> int:
        return self.second


class Sandbox:
    """An account with two empty buckets, "bbb" and "other"."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.account = Account(clock=self.clock)
        self("PUT", "bbb")
        self("PUT", "other")

    def __call__(
        self,
        method: str,
        bucket: str = "",
        key: str = "",
        body: bytes = b"",
        query: dict[str, str] | None = None,
        **headers: Any,
    ) -> Reply:
        """Header names are written with underscores."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        asked = query or {}
        operation = operation_of(method, bucket, key, asked, lines)
        return handle(self.account, Request(operation, method, bucket, key, asked, lines, body))

    def refused(self, code: str, *args: object, **more: object) -> S3Error:
        """The refusal of a request that must be refused with this code."""
        with pytest.raises(S3Error) as caught:
            self(*args, **more)  # type: ignore[arg-type]
        assert caught.value.code == code, str(caught.value)
        return caught.value

    def put(self, key: str, body: bytes = b"hello", bucket: str = "bbb", **headers: Any) -> str:
        """Put an object; its ETag with quotes."""
        return header(self("PUT", bucket, key, body, **headers), "ETag")

    def keep(self, key: str, content: Content, bucket: str = "bbb", **about: object) -> StoredObject:
        """Put an object there that no request could make: virtual bytes."""
        from engine.sandbox import bodies

        stored = StoredObject(content, bodies.size_of(content), bodies.md5_of(content), NOW, **about)  # type: ignore[arg-type]
        self.account.buckets[bucket].objects.put(key, stored)
        return stored

    def stored(self, key: str, bucket: str = "bbb") -> StoredObject | None:
        return self.account.buckets[bucket].objects.get(key)

    def copy(self, source: str, target: str, bucket: str = "bbb", **headers: Any) -> Reply:
        return self("PUT", bucket, target, x_amz_copy_source=f"bbb/{quote(source)}", **headers)

    def head(self, key: str, query: dict[str, str] | None = None, **headers: Any) -> dict[str, str]:
        """The answer's headers, by lower-case name."""
        return {name.lower(): value for name, value in self("HEAD", "bbb", key, query=query, **headers).headers}

    def create(self, key: str, **headers: Any) -> str:
        """Begin an upload; its id."""
        return text_of(self("POST", "bbb", key, query={"uploads": ""}, **headers), "UploadId")

    def complete(self, key: str, upload: str, parts: list[tuple[int, str]], more: str = "", **headers: Any) -> Reply:
        """`parts` are numbers and ETags; `more` is further XML in each."""
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag>{more}</Part>" for n, etag in parts)
        body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
        return self("POST", "bbb", key, body, {"uploadId": upload}, **headers)


def header(reply: Reply, name: str) -> str:
    return dict(reply.headers)[name]


def text_of(reply: Reply, element: str) -> str:
    found = texts_of(reply, element)
    assert len(found) == 1, reply.body
    return found[0]


def texts_of(reply: Reply, element: str) -> list[str]:
    assert isinstance(reply.body, bytes)
    return re.findall(f"<{element}>([^<]*)</{element}>", reply.body.decode())


def condition_of(error: S3Error) -> str:
    return dict(error.details)["Condition"]
