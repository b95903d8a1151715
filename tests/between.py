"""A go-between on loopback: a real server's S3 with single requests refused, or single answers changed.

Requests go on byte for byte, so that their signatures stay right. For the ways of servers that no test server has.
"""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

Headers = dict[str, str]


class Asked(NamedTuple):
    """One request; header names are lower-case."""

    method: str
    path: str
    query: str
    headers: Headers

    @property
    def setting(self) -> str:
        """The subresource that is asked for ("tagging", "lifecycle", …), if the query is one."""
        return self.query.removesuffix("=").partition("&")[0] if self.query else ""


class Answered(NamedTuple):
    """`length` False: a HEAD is answered without Content-Length."""

    status: int
    headers: Headers
    body: bytes = b""
    length: bool = True


Refuse = Callable[[Asked], "Answered | None"]
Change = Callable[[Asked, Answered], "Answered | None"]


def refusal(status: int, code: str, message: str = "said by the test") -> Answered:
    """An error as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answered(status, {"content-type": "application/xml"}, body)


@dataclass
class Between:
    url: str
    requests: list[Asked] = field(default_factory=list)


@contextmanager
def between(upstream: str, *, refuse: Refuse | None = None, change: Change | None = None) -> Iterator[Between]:
    """A server in front of `upstream`. `refuse` answers a request by itself, or lets it through (None); `change` makes
    another answer of the server's, or leaves it (None)."""
    host = urlsplit(upstream).netloc
    seen = Between("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(headers.get("content-length", 0)))
            asked = Asked(self.command, path, query, headers)
            seen.requests.append(asked)
            answer = refuse(asked) if refuse is not None else None
            if answer is None:
                answer = self._forward(body)
                if change is not None:
                    answer = change(asked, answer) or answer
            self._answer(answer)

        def _forward(self, body: bytes) -> Answered:
            connection = http.client.HTTPConnection(host, timeout=30)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    connection.putheader(name, value)
                connection.endheaders(body or None)
                answer = connection.getresponse()
                headers = {name.lower(): value for name, value in answer.getheaders()}
                return Answered(answer.status, headers, answer.read())
            finally:
                connection.close()

        def _answer(self, answer: Answered) -> None:
            length = answer.headers.get("content-length", "0") if self.command == "HEAD" else str(len(answer.body))
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                if name not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            if answer.length and answer.status not in (204, 304):
                self.send_header("content-length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
