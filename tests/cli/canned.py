"""A server that gives one answer to everything, in the words of S3: for refusals that no test server gives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as S3 gives it; HEAD gets the same without its body."""

    status: int
    code: str
    message: str = "said by the test"
    headers: dict[str, str] = field(default_factory=dict)
    more: str = ""

    @property
    def body(self) -> bytes:
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{self.code}</Code><Message>{self.message}</Message>{self.more}"
            "<RequestId>TESTREQUEST0001</RequestId></Error>"
        ).encode()


EMPTY = '"d41d8cd98f00b204e9800998ecf8427e"'
"""The ETag of an empty object, which all here are."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of ListObjectsV2."""

    keys: tuple[str, ...] = ()
    token: str = ""
    prefixes: tuple[str, ...] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        contents = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-01-31T10:00:00.000Z</LastModified>"
            "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>0</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key in self.keys
        )
        contents += "".join(f"<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>" for prefix in self.prefixes)
        count = len(self.keys) + len(self.prefixes)
        more = f"<NextContinuationToken>{self.token}</NextContinuationToken>" if self.token else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
            f"<EncodingType>url</EncodingType><KeyCount>{count}</KeyCount><MaxKeys>1000</MaxKeys>"
            f"<IsTruncated>{'true' if self.token else 'false'}</IsTruncated>{more}{contents}</ListBucketResult>"
        ).encode()


@dataclass(frozen=True, slots=True)
class Copied:
    """CopyObject's success, of an empty object."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return (
            b'<?xml version="1.0" encoding="UTF-8"?>\n'
            b'<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            b"<LastModified>2026-01-31T10:00:00.000Z</LastModified>"
            b"<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag></CopyObjectResult>"
        )


@dataclass(frozen=True, slots=True)
class Owned:
    """GetBucketAcl's answer."""

    owner: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return (
            '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Owner><ID>{self.owner}</ID></Owner><AccessControlList/></AccessControlPolicy>"
        ).encode()


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as an answer depends on it."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The object that it is about; empty for the bucket itself."""
        return self.path.strip("/").partition("/")[2]

    @property
    def prefix(self) -> str:
        return self.query.get("prefix", "")


Answer = Refusal | Listing | Copied | Owned


def holding(*keys: str) -> Callable[[Asked], Listing | Copied]:
    """What a server answers that has these keys under old/, and takes every copy."""
    return lambda asked: Copied() if asked.method == "PUT" else Listing(keys if asked.prefix == "old/" else ())


class Canned:
    """The server's address, and what it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Asked] = []

    @property
    def copies(self) -> list[Asked]:
        return [item for item in self.asked if item.method == "PUT"]

    @property
    def writes(self) -> list[Asked]:
        """What would change a bucket; a POST to "/" only asks STS who one is."""
        return [item for item in self.asked if item.method in ("PUT", "POST", "DELETE") and item.path != "/"]


@contextmanager
def answering(answer: Answer | Callable[[Asked], Answer]) -> Iterator[Canned]:
    """Answer everything with `answer`, on loopback, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: two writes wait for the client's acknowledgement, 40 ms

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            url = urlsplit(self.path)
            asked = Asked(
                self.command,
                url.path,
                {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()},
                {name.lower(): value for name, value in self.headers.items()},
            )
            canned.asked.append(asked)
            given = answer(asked) if callable(answer) else answer
            body = b"" if self.command == "HEAD" and given.status >= 400 else given.body
            named = {"ETag": EMPTY} if asked.key and self.command in ("GET", "HEAD") and given.status == 200 else {}
            self.send_response(given.status)
            for name, value in (named | given.headers).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *values: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that left before its answer
    canned = Canned(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield canned
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
