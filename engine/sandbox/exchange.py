"""What passes between the sandbox's HTTP front and its rules: one request in, one reply out.

The front (`server`) knows sockets, signatures, manners and faults and nothing of objects; the rules (`rules`) know
objects and nothing of sockets. `operation` is the S3 action's name, found before anything is done, so that manners and
faults can be aimed at it.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.sandbox.bodies import Content

Headers = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """`query` and `key` are decoded; `headers` have lower-case names. `body` is what was sent, framing removed.
    `number` is its place among all that came by a socket, 0 for what came by none."""

    operation: str
    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    number: int = 0


class Reply(NamedTuple):
    """`body` may be virtual: it is sent piece by piece. `moved_bytes` is what a copy moved inside S3, for the
    bandwidth that manners set. Content-Length is the front's to add (a HEAD's is in `headers`)."""

    status: int = 200
    headers: Headers = ()
    body: Content = b""
    moved_bytes: int = 0
