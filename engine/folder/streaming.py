"""Windows between a file and a sink or source: read and written in threads, one at a time, never whole in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from engine import checksums
from engine.bodies import short_source
from engine.errors import Rejected
from engine.folder.reading import OpenedFile
from engine.folder.unfinished import Unfinished
from engine.store import PutObject
from engine.windows import WINDOW_BYTES, Sink, Source, memory

InThread = Callable[..., Awaitable[Any]]
"""Runs a function that blocks, with these arguments."""


async def pour(file: OpenedFile, first: int, length: int, sink: Sink, in_thread: InThread) -> None:
    """Bytes of a file into a sink. Raises `PreconditionFailed` where it changed meanwhile, and what the sink raises."""
    window = memory(min(length, WINDOW_BYTES))
    end = first + length
    while first < end:
        part = window[: end - first]
        await in_thread(file.read_into, part, first)
        await sink.write(part)
        first += len(part)
    await in_thread(file.check_unchanged)


async def fill(file: Unfinished, source: Source, request: PutObject, in_thread: InThread) -> None:
    """A source's bytes into a file. Raises `Rejected` where they are not those that the request says, and what the
    source raises."""
    expected = expected_of(request)
    hashers = [checksums.hasher(algorithm) for algorithm in expected]
    written = 0
    source.restart()
    while written < source.length and (window := await source.read()):
        for hasher in hashers:
            hasher.update(window)
        await in_thread(file.write, window, written)
        written += len(window)
    if written != source.length:
        raise short_source(request.operation, request.ref, source.length)
    for hasher in hashers:
        if hasher.value() != expected[hasher.algorithm]:
            raise _damaged(request, hasher.algorithm)


def check_body(request: PutObject) -> None:
    """Raise `Rejected` where a body is not the one that its request says."""
    for algorithm, value in expected_of(request).items():
        if checksums.checksum_of(algorithm, request.body) != value:
            raise _damaged(request, algorithm)


def expected_of(request: PutObject) -> dict[str, str]:
    """The checksums that the bytes of a request must have, by algorithm. Of one that is not known here none is asked:
    S3 alone could tell."""
    said = {"MD5": request.content_md5} if request.content_md5 else {}
    if request.checksum is not None and request.checksum.value and checksums.is_known(request.checksum.algorithm):
        said[request.checksum.algorithm] = request.checksum.value
    return said


def _damaged(request: PutObject, algorithm: str) -> Rejected:
    said = f"not written: its bytes have another {algorithm} than was said"
    return Rejected(said, operation=request.operation, ref=str(request.ref), code="BadDigest")
