"""What comes on a connection, as answers: gathered whole, or with the body in windows.

A body of known length is read straight into the windows of the `Intake` that its request brought: from the socket, or
out of TLS record by record (`engine.s3.https`). The parser has the head alone then. What has no length comes through
the parser all the same, and what is no success is gathered as any other answer.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TypeVar

import httptools

from engine.s3.intake import Intake
from engine.s3.of_thread import OfThread
from engine.s3.parsing import Answer
from engine.windows import memory

Outcome = TypeVar("Outcome")

HEADERS_LIMIT_BYTES = 64 << 10
_READ_AT_ONCE_BYTES = 512 << 10
"""What is taken off the network at a time: with half as much a large object over TLS costs 8 to 19 % more, as there are
twice the rounds; with twice as much, 1 to 3 % less, and each connection that has to wait keeps it."""
_HEAD_AT_ONCE_BYTES = 4 << 10
"""What is read of an answer before it is known whose window its body goes into: the rest needs no copying then."""

_scratch = OfThread(lambda: memory(_READ_AT_ONCE_BYTES))
"""What all connections of one loop read into: nothing else happens between a loop's asking for it and its telling that
it has been filled."""


UNASKED = "data came that no one asked for", "Unasked"
"""In words, and as a code: an answer without a question, after which nothing that comes can be told apart."""


class Receiver(asyncio.BufferedProtocol):
    """The receiving half of a connection: one answer at a time, to `_future`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        # Looked up once by the parser: headers and body go straight into these, without a call into Python.
        self.on_header = self._headers.__setitem__
        self.on_body = self._chunks.append
        self._parser = httptools.HttpResponseParser(self)
        self._future: asyncio.Future[Answer] | None = None
        self._answer: Answer | None = None
        self._keep = False
        self._bodiless = False
        self._headers_done = False
        self._raw = b""  # of an answer without a body, or of a head that has not come whole
        self._scratch = self._into = _scratch.shared
        self._intake: Intake | None = None
        self._flows = False  # the body, into windows
        self._held = False
        self._invited: asyncio.Future[bool] | None = None
        self._interim = 0
        self._surplus = False
        self._received = 0
        self._limit = 0
        self.active_at = loop.time()

    @abstractmethod
    def _finish(self) -> None:
        """Hand `_answer` over: it is whole."""

    @abstractmethod
    def _end(self, why: str, code: str) -> None:
        """Close: what came, or how it came, leaves the connection of no use."""

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._into

    def buffer_updated(self, nbytes: int) -> None:
        if self._flows:
            self._flowed(nbytes)
        else:
            self.data_received(self._into[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        if self._future is None:
            self._end(*UNASKED)
            return
        self.active_at = self._loop.time()
        self._received += len(data)
        if self._intake is not None:
            self._receive_for(self._intake, data)
            return
        self._receive(data)

    def _receive(self, data: bytes | memoryview) -> None:
        if self._bodiless:
            self._raw += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._answer is None:
                self._end(f"what came is no HTTP answer ({error})", "NotHttp")
                return
            self._keep = False  # bytes after a whole answer: the answer stands, the connection does not
        if self._answer is not None:
            self._finish()
        elif (self._received > self._limit + HEADERS_LIMIT_BYTES and self._intake is None) or (
            not self._headers_done and self._received > HEADERS_LIMIT_BYTES
        ):
            self._end("the answer is longer than it may be", "TooLong")

    def on_message_begin(self) -> None:
        if self._answer is not None:
            self._surplus = True

    def on_headers_complete(self) -> None:
        self._headers_done = True
        # The parser would wait for the body that a HEAD's Content-Length speaks of.
        if self._bodiless and self._parser.get_status_code() >= 200 and self._answer is None:
            close = any(name.lower() == b"connection" and b"close" in v.lower() for name, v in self._headers.items())
            self._complete(keep=not close and self._parser.get_http_version() == "1.1")

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < 200:
            self._headers.clear()  # 1xx: the answer proper is still to come
            self._headers_done = False
            self._interim += self._answer is None
            if self._invited is not None and self._parser.get_status_code() == 100:
                let_be(self._invited, True)
        elif self._answer is None:
            self._complete(keep=self._parser.should_keep_alive())

    def _complete(self, *, keep: bool, whole: bool = True) -> None:
        headers, chunks = self._headers, self._chunks
        if self._intake is not None and self._intake.begun:
            self._move_chunks(self._intake)
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._answer = Answer(
            self._parser.get_status_code(), {name.lower(): value for name, value in headers.items()}, body, whole
        )
        self._keep = keep
        headers.clear()
        chunks.clear()

    # --- a body in windows --------------------------------------------------------------------------------

    def _expect_windows(self, intake: Intake) -> None:
        self._intake = intake
        self._into = self._scratch[:_HEAD_AT_ONCE_BYTES]

    def _receive_for(self, intake: Intake, data: bytes | memoryview) -> None:
        """A head, byte for byte to its end and no further; or what follows one that says no length."""
        view = memoryview(data)
        while not self._headers_done:
            head = data if isinstance(data, bytes) and not self._raw else self._raw + bytes(view)
            end = head.find(b"\r\n\r\n") + 4
            if end < 4:
                self._raw = head
                if len(head) > HEADERS_LIMIT_BYTES:
                    self._end("the answer is longer than it may be", "TooLong")
                return
            data = view = memoryview(head)[end:]
            self._raw = b""
            self._receive(head[:end])
            if self._future is None:  # it had no body, or was no HTTP
                if view:
                    self._end(*UNASKED)
                return
            if not view and not self._headers_done:
                return  # 1xx: the answer proper is still to come
        if not intake.begun:
            status = self._parser.get_status_code()
            if status not in (200, 206):
                self._gather(intake, view)
                return
            headers = {name.lower(): value for name, value in self._headers.items()}
            length = headers.get(b"content-length", b"")
            whole = length.isdigit() and b"transfer-encoding" not in headers
            intake.begin(Answer(status, headers, b""), int(length) if whole else None, self._go_on)
            if whole:
                self._flow(intake, view)
                return
            self._into = self._scratch
        if view:
            self._receive(view)
        self._move_chunks(intake)
        if intake.is_crowded and self._future is not None:
            self._hold()

    def _move_chunks(self, intake: Intake) -> None:
        for chunk in self._chunks:
            intake.put(chunk)
        self._chunks.clear()

    def _gather(self, intake: Intake, view: memoryview) -> None:
        """An answer that is no success is gathered as any other."""
        self._intake, self._into = None, self._scratch
        intake.end()
        if view:
            self._receive(view)

    def _flow(self, intake: Intake, view: memoryview) -> None:
        """From here on bytes go where they are to stay; `view` are those that came with the head."""
        self._flows = True
        self._keep = self._parser.should_keep_alive()
        size = min(len(view), intake.left)
        self._surplus = len(view) > size
        room = intake.room()
        assert room is not None
        self._into = room
        if size or not intake.left:  # else the head came by itself
            room[:size] = view[:size]
            self._flowed(size)

    def _flowed(self, nbytes: int) -> None:
        """So many bytes have come to where the next were to come."""
        intake = self._intake
        assert intake is not None
        self.active_at = self._loop.time()
        self._received += nbytes
        if intake.landed(nbytes):
            self._answer = intake.answer
            self._finish()
            return
        room = intake.room()
        if room is None:
            self._hold()
        else:
            self._into = room

    def _hold(self) -> None:
        """Nothing more is taken off the network until there is room for it."""
        if not self._held and self._transport is not None:
            self._held = True
            self._transport.pause_reading()

    def _go_on(self) -> None:
        """The intake has room again."""
        if not self._held or self._intake is None or self._transport is None:
            return
        if self._flows:
            room = self._intake.room()
            assert room is not None
            self._into = room
        self._held = False
        self.active_at = self._loop.time()
        self._transport.resume_reading()

    def _intake_over(self) -> None:
        """No more of a body comes."""
        intake, self._intake = self._intake, None
        self._into = self._scratch
        self._headers_done = False
        if self._flows:
            self._flows = False
            self._headers.clear()
            self._parser = httptools.HttpResponseParser(self)  # the old one waits for the body
        self._held = False
        if intake is not None:
            intake.end()


def let_be(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    """Whoever waits for it waits no longer."""
    if not future.done():
        future.set_result(outcome)
