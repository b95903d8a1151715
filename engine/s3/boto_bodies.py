"""Bodies of aiobotocore's that go into a sink or come from a source."""

from __future__ import annotations

from typing import Any

from engine.s3.parsing import Answer
from engine.s3.pouring import Pouring
from engine.store import GetRange
from engine.windows import WINDOW_BYTES, Sink


class Stopped(Exception):
    """A sink raised `cause`: that is not what became of the request."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class Pourer:
    """Takes the body of one GetObject off its stream. `size` is the whole object's, once it is done."""

    def __init__(self, request: GetRange, sink: Sink) -> None:
        self._request = request
        self._sink = sink
        self.size = 0

    async def __call__(self, answer: Answer, stream: Any) -> None:
        """Raises `Stopped` for what the sink raises, and as `Pouring`."""
        length = answer.header(b"content-length")
        pouring = Pouring(self._request, self._sink, answer, int(length) if length else None)
        more = True
        while more and (window := await stream.read(WINDOW_BYTES)):
            try:
                more = await pouring.take(memoryview(window))
            except Exception as error:
                raise Stopped(error) from error
        self.size = (pouring.finished() if more else pouring.wanted).size
