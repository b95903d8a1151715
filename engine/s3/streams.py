"""Bodies that do not lie in memory: one that comes goes into a sink, one that goes out comes from a source.

What is written to a sink is what was asked for: the head is held against the request before the first byte is handed
on. A body goes out as it is, with its length ahead, never as aws-chunked, which servers other than S3 misread.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Protocol

from engine import freshness
from engine.bodies import short_source
from engine.errors import Ambiguous
from engine.s3 import parsing
from engine.s3.asked import Wanted
from engine.s3.http import HttpConnection
from engine.s3.intake import Intake, Windows
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.places import Place
from engine.s3.pouring import Pouring
from engine.store import GetRange
from engine.windows import WINDOW_BYTES, Sink, Source

HELD_BACK_BYTES = 8
"""Of the body of a request that may not be sent late: they go once all before them have left this process. Without
them S3 does nothing, so that what was held up on its way is not carried out either."""

EXPECTATION_FAILED = 417
"""Whoever is on the way to the server does not know "100 Continue": the request may come again without (RFC 9110,
10.1.1)."""

INVITED_WITHIN_S = 1.0
"""How long "100 Continue" is waited for (curl waits as long); a server that does not know it is not asked again."""


async def sha256_of(source: Source) -> str:
    """The hash of all that a source gives, in hexadecimal."""
    state = hashlib.sha256()
    source.restart()
    left = source.length
    while left > 0:
        window = await source.read()
        if not window:
            break  # sending it says so
        state.update(window)
        left -= len(window)
    return state.hexdigest()


class Stream(Protocol):
    """One request's body that does not lie in memory, whichever way it goes."""

    def begin(self) -> Intake | None:
        """Called for each attempt, before its first byte goes out."""

    async def run(self, connection: HttpConnection, future: asyncio.Future[Answer]) -> Answer:
        """Move the body, and give the answer. Raises what sink or source raise, and what `future` does."""


class Incoming:
    """The body of a GetObject, into a sink. `poured` says what of it went there; None where it has none."""

    def __init__(self, call: Call, request: GetRange, sink: Sink, windows: Windows) -> None:
        self._call = call
        self._request = request
        self._sink = sink
        self._windows = windows
        self._intake: Intake
        self._pouring: Pouring | None
        self.poured: Wanted | None = None

    def begin(self) -> Intake:
        self._sink.restart()
        self.poured = None
        self._pouring = None
        self._intake = Intake(asyncio.get_running_loop(), self._windows, self._sink.room)
        self._intake.take_by(self._take_now)
        return self._intake

    def _take_now(self, window: memoryview) -> bool:
        """The first window: those after it are handed on without a look at the head."""
        take_now = self._begun().take_now
        self._intake.take_by(take_now)
        return take_now(window)

    def _begun(self) -> Pouring:
        """Where the body goes, once its head has come. Raises as `Pouring`."""
        if self._pouring is None:
            answer = self._intake.answer
            assert answer is not None
            self._pouring = Pouring(self._request, self._sink, answer, self._intake.length)
        return self._pouring

    async def run(self, connection: HttpConnection, future: asyncio.Future[Answer]) -> Answer:
        intake = self._intake
        while (window := await intake.next()) is not None:
            pouring = self._begun()
            more = await pouring.take(window)
            intake.done()
            if not more:
                future.cancel()
                connection.abort()
                self.poured = pouring.wanted
                assert intake.answer is not None
                return intake.answer
        ended = await future
        if self._pouring is None:
            return ended  # without a body, or no success: the answer says which
        if not ended.whole:
            raise parsing.cut_short(self._call)
        self.poured = self._pouring.finished()
        return ended


class Outgoing:
    """The body of a PutObject or UploadPart, from a source. `uninvited`: it was refused for its Expect alone."""

    def __init__(self, call: Call, source: Source, place: Place) -> None:
        self._call = call
        self._source = source
        self._place = place
        self.uninvited = False

    def begin(self) -> None:
        self._source.restart()

    async def run(self, connection: HttpConnection, future: asyncio.Future[Answer]) -> Answer:
        length, sent = self._call.length, 0
        if length > WINDOW_BYTES:
            connection.write_through()  # a window is the source's again once the system has all of it
        if self._call.expects and not await connection.invited(INVITED_WITHIN_S) and not future.done():
            self._place.invites = False
        while sent < length and not future.done():
            window = await self._source.read()
            sent += len(window)
            if not window or sent > length:
                raise short_source(self._call.operation.name, self._call.ref, length)
            await self._send(connection, window, last=sent == length)
        answer = await future
        if answer.status == EXPECTATION_FAILED and self._call.expects:
            self._place.invites, self.uninvited = False, True
        if sent < length and 200 <= answer.status < 300:
            early = "the answer came before the body was sent: whether it happened is not known"
            raise self._call.error(Ambiguous, early, "EarlyAnswer")
        return answer

    async def _send(self, connection: HttpConnection, window: memoryview, *, last: bool) -> None:
        if last and freshness.ends_apart():
            kept = max(0, len(window) - HELD_BACK_BYTES)
            await connection.send_body(window[:kept], last=False)
            freshness.sending(self._call.operation.name, self._call.ref, ending=True)
            window = window[kept:]
        await connection.send_body(window, last=last)
