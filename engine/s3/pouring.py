"""What of an answer's body goes into a sink: what was asked for, and no byte of anything else."""

from __future__ import annotations

from engine.s3 import asked
from engine.s3.answers import bare
from engine.s3.parsing import Answer
from engine.store import GetRange
from engine.windows import Sink

_ENDLESS = 1 << 62
"""The length of a body of which nothing says before its end how long it is."""


class Pouring:
    """One answer's body on its way into a sink. `length` is what the head says of it; None where that says nothing.

    Raises as `asked.wanted_of`: made before the first byte is handed on, so that the head alone decides."""

    def __init__(self, request: GetRange, sink: Sink, answer: Answer, length: int | None) -> None:
        content_range = answer.header(b"content-range")
        self._head = (request, answer.status, content_range, bare(answer.header(b"etag")))
        self._sink = sink
        self._is_known = length is not None
        if length is None:
            if answer.status == 206:
                length = asked.range_length(content_range)
            else:
                length = _ENDLESS if request.size is None else request.size
        self._length = length
        self.wanted = asked.wanted_of(*self._head, length)
        self._skip = self.wanted.skip
        self._left = self.wanted.length
        self._came = 0

    def take_now(self, window: memoryview) -> bool:
        """Hand these bytes on where all of them were asked for and the sink waits for nothing. False: nothing was done,
        and `take` is due."""
        size = len(window)
        if not size or self._skip or size > self._left or (size == self._left and self._came + size < self._length):
            return False
        if not self._sink.write_now(window):
            return False
        self._came += size
        self._left -= size
        return True

    async def take(self, window: memoryview) -> bool:
        """Hand on what was asked for of these bytes. False: that was all of it, and more still comes, since the server
        left the range aside and gives the whole object."""
        self._came += len(window)
        piece = window
        if self._skip or len(window) > self._left:
            piece = window[self._skip : self._skip + self._left]
            self._skip = max(0, self._skip - len(window))
        if piece:
            await self._sink.write(piece)
            self._left -= len(piece)
        return self._left > 0 or not self._came < self._length < _ENDLESS

    def finished(self) -> asked.Wanted:
        """All of the body has come. Raises as `asked.wanted_of` where it is not what the head spoke of."""
        if not self._is_known:
            self.wanted = asked.wanted_of(*self._head, self._came)
        return self.wanted
