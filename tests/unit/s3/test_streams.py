"""Bodies that go into a sink or come from a source, against a server that plays a script: no wrong byte is handed on,
and what became of a request decides what is raised."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import itertools
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine import freshness
from engine.bodies import MemorySink, MemorySource
from engine.checksums import checksum_of
from engine.errors import AccessDenied, Ambiguous, PreconditionFailed, Rejected, StoreError, TooLate
from engine.model import ObjectRef, UploadRef
from engine.s3 import streams
from engine.s3.intake import WINDOWS_AT_ONCE
from engine.sites.patience import RetryPolicy
from engine.sites.retrying import RetryingStore
from engine.store import GetRange, HeadObject, ObjectStore, PutObject, UploadPart
from engine.windows import WINDOW_BYTES
from tests.sinks import BrokenSource, KeepingSink
from tests.unit.s3.certificates import issue
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import ETAG, Exchange, Server, chunked, http, serving, until

REF = ObjectRef("bucket", "key")
DATA = bytes(range(256)) * 4096  # four windows
PART = UploadPart(UploadRef(REF, "id"), 1)
QUOTED = f'ETag: "{ETAG}"'


def ranged(data: bytes, said: str, *more: str) -> bytes:
    return http(data, f"Content-Range: {said}", QUOTED, *more, status="206 Partial Content")


def answers(data: bytes, *, close: bool = False) -> Any:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(data)
        if close:
            await exchange.close()

    return script


# --- into a sink ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize(
    ("data", "request_"),
    [
        (http(DATA, QUOTED), GetRange(REF, size=len(DATA))),
        (http(DATA, QUOTED), GetRange(REF)),
        (chunked(DATA, 300_000).replace(b"\r\n\r\n", f"\r\n{QUOTED}\r\n\r\n".encode(), 1), GetRange(REF)),
        (ranged(DATA[10:300_000], f"bytes 10-299999/{len(DATA)}"), GetRange(REF, 10, 299_999, ETAG, len(DATA))),
        (http(DATA, QUOTED), GetRange(REF, 10, 299_999, ETAG, len(DATA))),  # the range is left aside
        (http(DATA, QUOTED), GetRange(REF, len(DATA) - 3)),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http(DATA, QUOTED), GetRange(REF)),
    ],
    ids=["whole", "size not known", "chunked", "range", "whole for a range", "whole for its end", "hints first"],
)
@pytest.mark.parametrize("now", [[False], [True], [True, False]], ids=["waits", "at once", "now and then"])
async def test_a_body_comes_as_it_was_asked_for(
    open_store: OpenStore, plane: str, data: bytes, request_: GetRange, now: list[bool]
) -> None:
    async with serving(answers(data)) as server:
        store, sink = await open_store(server.url(), plane), KeepingSink(now=itertools.cycle(now))
        for _ in range(2):
            fetched = await store.fetch_into(request_, sink)
            assert sink.data == DATA[request_.first or 0 : None if request_.last is None else request_.last + 1]
            assert (fetched.etag, fetched.size) == (ETAG, len(DATA))
        assert sink.restarts == 2


@pytest.mark.parametrize("length", [1, WINDOW_BYTES, WINDOW_BYTES + 1, len(DATA)])
async def test_a_body_comes_straight_to_where_it_is_kept_and_one_of_another_length_does_not(
    open_store: OpenStore, length: int
) -> None:
    """A fetch that failed leaves in the memory what it will: the next begins anew, and writes nothing else."""
    rest = iter([http(DATA[:length], QUOTED)[:-1], http(DATA[:length], QUOTED), http(DATA, QUOTED)])

    async def script(exchange: Exchange) -> None:
        said = next(rest)
        await exchange.answer(said)
        if len(said) < len(http(DATA[:length], QUOTED)):
            await exchange.close()

    async with serving(script) as server:
        store, kept = await open_store(server.url()), bytearray(length + 10)
        sink = MemorySink(lambda: memoryview(kept)[:length], ["CRC64NVME"])
        with pytest.raises(StoreError):
            await store.fetch_into(GetRange(REF, size=length), sink)
        await store.fetch_into(GetRange(REF, size=length), sink)
        assert (bytes(kept), sink.written) == (DATA[:length] + bytes(10), length)
        assert sink.hashers[0].value() == checksum_of("CRC64NVME", DATA[:length])
        part = GetRange(REF, 1, length, ETAG, len(DATA)) if length < len(DATA) else GetRange(REF)
        await store.fetch_into(part, sink)  # the range is left aside: what comes is longer than the memory
        begun = part.first or 0
        assert bytes(kept) == DATA[begun : begun + length] + bytes(10)


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (ranged(DATA[:10], f"bytes 0-9/{len(DATA)}"), Ambiguous),
        (ranged(DATA[10:19], f"bytes 10-19/{len(DATA)}"), Ambiguous),
        (ranged(DATA[10:20], "bytes 10-19/99"), Ambiguous),
        (ranged(DATA[10:20], "bytes */99"), Ambiguous),
        (http(DATA[10:20], QUOTED, status="206 Partial Content"), Ambiguous),
        (http(DATA[:5], QUOTED), Ambiguous),
        (ranged(DATA[10:20], f"bytes 10-19/{len(DATA)}").replace(ETAG.encode(), b"0" * 32), PreconditionFailed),
        (http(b"<Error><Code>PreconditionFailed</Code></Error>", status="412 -"), PreconditionFailed),
        (http(b"<Error><Code>AccessDenied</Code></Error>", status="403 -"), AccessDenied),
    ],
)
async def test_nothing_of_another_answer_reaches_the_sink(
    open_store: OpenStore, plane: str, data: bytes, expected: type[StoreError]
) -> None:
    async with serving(answers(data)) as server:
        store, sink = await open_store(server.url(), plane), KeepingSink()
        with pytest.raises(expected):
            await store.fetch_into(GetRange(REF, 10, 19, ETAG, len(DATA)), sink)
        assert sink.windows == []


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize(
    "data",
    [
        http(DATA, QUOTED)[:-1],
        http(DATA, QUOTED)[: WINDOW_BYTES // 2],
        chunked(DATA, 100_000)[:-400_000],
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + DATA,
    ],
    ids=["a byte less", "in the first window", "in a chunk", "without a length"],
)
async def test_a_body_that_is_cut_short_is_no_answer(open_store: OpenStore, plane: str, data: bytes) -> None:
    if plane == "boto" and b"Connection: close" in data:
        pytest.skip("aiohttp takes the connection's end for the body's: its size tells")
    async with serving(answers(data, close=True)) as server:
        store, sink = await open_store(server.url(), plane), KeepingSink()
        with pytest.raises(Ambiguous):
            await store.fetch_into(GetRange(REF), sink)
        assert DATA.startswith(sink.data)


async def test_a_retry_begins_the_sink_anew(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        if len(server.seen) == 1:
            await exchange.answer(http(DATA, QUOTED)[: 3 * WINDOW_BYTES])
            await exchange.close()
        else:
            await exchange.answer(http(DATA, QUOTED))

    async def at_once(seconds: float) -> None: ...

    async with serving(script) as server:
        store, sink = RetryingStore(await open_store(server.url()), RetryPolicy(), sleep=at_once), KeepingSink()
        await store.fetch_into(GetRange(REF, if_match=ETAG, size=len(DATA)), sink)
        assert (sink.data, sink.restarts) == (DATA, 2)


@pytest.mark.parametrize("piece", [1 << 20, 5_000], ids=["long writes", "short records"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
async def test_a_sink_that_is_slow_has_the_server_wait_and_gets_full_windows(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secure: bool, piece: int
) -> None:
    authority = issue(tmp_path, "an authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    context = issue(tmp_path, "localhost", authority).context() if secure else None
    body = DATA * 32 + b"and a window that is not full"  # 32 MiB: more than sockets hold
    gate, written = asyncio.Event(), 0

    async def script(exchange: Exchange) -> None:
        nonlocal written
        exchange.writer.write(http(b"", QUOTED).replace(b"Length: 0", b"Length: %d" % len(body)))
        for start in range(0, len(body), piece):
            exchange.writer.write(body[start : start + piece])
            await exchange.writer.drain()
            written = start

    async with serving(script, context) as server:
        store, sink = await open_store(server.url("localhost")), KeepingSink(gate=gate)
        fetching = asyncio.create_task(store.fetch_into(GetRange(REF), sink))
        await until(lambda: written > 0)
        for _ in range(2000):
            await asyncio.sleep(0)
        assert written < len(body) // 2
        gate.set()
        await fetching
        assert hashlib.sha256(sink.data).digest() == hashlib.sha256(body).digest()
        full, last = divmod(len(body), WINDOW_BYTES)
        assert [*map(len, sink.windows)] == [*(WINDOW_BYTES for _ in range(full)), last]
    assert WINDOWS_AT_ONCE == 2


async def test_a_connection_serves_on_after_a_body_and_not_after_more_than_that(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(DATA, QUOTED) + (b"more" if len(server.seen) == 3 else b""))

    async with serving(script) as server:
        store = await open_store(server.url())
        for _ in range(4):
            sink = KeepingSink()
            await store.fetch_into(GetRange(REF), sink)
            assert sink.data == DATA
        assert [exchange.connection for exchange in server.seen] == [1, 1, 1, 2]


async def test_what_is_written_at_once_keeps_its_place_behind_what_waits(open_store: OpenStore) -> None:
    async with serving(answers(http(DATA, QUOTED))) as server:
        store, gate = await open_store(server.url()), asyncio.Event()
        sink = KeepingSink(gate=gate, now=[False, True, True, True])
        fetching = asyncio.create_task(store.fetch_into(GetRange(REF), sink))
        await until(lambda: bool(server.seen))
        for _ in range(200):
            await asyncio.sleep(0)
        assert not sink.windows
        gate.set()
        await fetching
        assert sink.data == DATA


@pytest.mark.parametrize("now", [False, True], ids=["later", "at once"])
async def test_what_a_sink_raises_ends_the_request_alone(open_store: OpenStore, now: bool) -> None:
    async with serving(answers(http(DATA, QUOTED))) as server:
        store = await open_store(server.url())
        with pytest.raises(OSError, match="No space left"):
            await store.fetch_into(GetRange(REF), KeepingSink(fails_at=WINDOW_BYTES, now=itertools.repeat(now)))
        sink = KeepingSink()
        await store.fetch_into(GetRange(REF), sink)
        assert sink.data == DATA
        assert server.seen[1].connection == 2  # the rest of the first is nobody's


async def test_what_a_fetch_went_through_is_gone_with_it(open_store: OpenStore) -> None:
    async with serving(answers(http(DATA, QUOTED))) as server:
        store, sink = await open_store(server.url()), KeepingSink(now=itertools.repeat(True))
        gc.disable()  # nothing of it is to wait for the collector
        try:
            await store.fetch_into(GetRange(REF), sink)
            gone = weakref.ref(sink)
            del sink
            assert gone() is None
        finally:
            gc.enable()


async def test_a_fetch_that_is_cancelled_leaves_no_connection_half_read(open_store: OpenStore) -> None:
    async with serving(answers(http(DATA, QUOTED))) as server:
        store, gate = await open_store(server.url()), asyncio.Event()
        fetching = asyncio.create_task(store.fetch_into(GetRange(REF), KeepingSink(gate=gate)))
        await until(lambda: bool(server.seen))
        fetching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fetching
        sink = KeepingSink()
        await store.fetch_into(GetRange(REF), sink)
        assert sink.data == DATA


# --- from a source ----------------------------------------------------------------------------------------


@asynccontextmanager
async def receiving(
    answer: bytes, *, invites: bool = True, early: bytes = b"", unexpecting: bool = False
) -> AsyncIterator[tuple[Server, list[bytes]]]:
    """A server that takes bodies as they come: `early` is its answer to a head, before any of the body; where it is
    `unexpecting`, to one with Expect alone."""
    heads: list[bytes] = []
    seen: list[Exchange] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                exchange = Exchange(0, head, b"", writer)
                heads.append(head)
                if early and (exchange.header("expect") or not unexpecting):
                    writer.write(early)
                    await writer.drain()
                    break
                if exchange.header("expect") and invites:
                    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                exchange.body = await reader.readexactly(int(exchange.header("content-length")))
                seen.append(exchange)
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield Server(server.sockets[0].getsockname()[1], "http", seen), heads
    finally:
        server.close()


@pytest.mark.parametrize("length", [0, 1, 1000, WINDOW_BYTES, WINDOW_BYTES + 1, (1 << 20) - 1, 1 << 20])
async def test_a_body_goes_out_as_it_is_with_its_length_and_its_hash(open_store: OpenStore, length: int) -> None:
    body = DATA[:length]
    async with receiving(http(b"", QUOTED)) as (server, _):
        store = await open_store(server.url())
        for _ in range(2):
            part = await store.send_from(PART, MemorySource(body))
            assert (part.etag, part.size) == (ETAG, length)
        for exchange in server.seen:
            assert exchange.body == body
            assert exchange.header("x-amz-content-sha256") == hashlib.sha256(body).hexdigest()
            assert (exchange.header("expect") == "100-continue") == (length >= 1 << 20)
            assert not exchange.header("transfer-encoding") and not exchange.header("content-encoding")
            assert b"expect" not in exchange.header("authorization").encode()


async def test_over_tls_the_body_is_no_part_of_the_signature(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = issue(tmp_path, "an authority", authority=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.pem))
    context = issue(tmp_path, "localhost", authority).context()
    data = http(b"", QUOTED)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(DATA * 3, QUOTED) if exchange.line.startswith("GET") else data)

    async with serving(script, context) as server:
        store: ObjectStore = await open_store(server.url("localhost"))
        await store.send_from(PART, MemorySource(DATA[:700_000]))
        assert server.seen[0].header("x-amz-content-sha256") == "UNSIGNED-PAYLOAD"
        assert server.seen[0].body == DATA[:700_000]
        sink = KeepingSink()
        for _ in range(3):
            await store.fetch_into(GetRange(REF), sink)
            assert sink.data == DATA * 3
        assert {exchange.connection for exchange in server.seen} == {1}


async def test_a_refusal_before_the_body_is_what_is_raised(open_store: OpenStore) -> None:
    refused = http(b"<Error><Code>AccessDenied</Code></Error>", "Connection: close", status="403 -")
    async with receiving(b"", early=refused) as (server, heads):
        store = await open_store(server.url())
        with pytest.raises(AccessDenied):
            await store.send_from(PART, MemorySource(DATA * 8))
        assert len(heads) == 1 and server.seen == []


async def test_a_success_before_the_body_is_none(open_store: OpenStore) -> None:
    async with receiving(b"", early=http(b"", QUOTED)) as (server, _):
        store = await open_store(server.url())
        with pytest.raises(Ambiguous) as raised:
            await store.send_from(PART, MemorySource(DATA * 8))
        assert raised.value.code == "EarlyAnswer"


async def test_a_server_that_does_not_invite_is_waited_for_once(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "INVITED_WITHIN_S", 0.0)
    async with receiving(http(b"", QUOTED), invites=False) as (server, _):
        store = await open_store(server.url())
        for _ in range(2):
            await store.send_from(PART, MemorySource(DATA * 2))
        assert [exchange.header("expect") for exchange in server.seen] == ["100-continue", ""]
        assert all(exchange.body == DATA * 2 for exchange in server.seen)


async def test_a_server_that_refuses_to_invite_is_sent_the_body_without(open_store: OpenStore) -> None:
    refused = http(b"", "Connection: close", status="417 Expectation Failed")
    async with receiving(http(b"", QUOTED), early=refused, unexpecting=True) as (server, heads):
        store = await open_store(server.url())
        for _ in range(2):
            assert (await store.send_from(PART, MemorySource(DATA * 2))).etag == ETAG
        assert [b"100-continue" in head for head in heads] == [True, False, False]
        assert all(exchange.body == DATA * 2 for exchange in server.seen)


async def test_what_a_source_raises_ends_the_request_alone(open_store: OpenStore) -> None:
    async with receiving(http(b"", QUOTED)) as (server, heads):
        store = await open_store(server.url())
        with pytest.raises(OSError, match="Input/output error"):
            await store.send_from(PART, BrokenSource(length=2 * WINDOW_BYTES, given=2 * WINDOW_BYTES))
        assert heads == []  # signed with the body's hash, which was not to be had
        await store.send_from(PART, MemorySource(b"x"))
        assert server.seen[0].body == b"x"


async def test_a_body_that_would_end_too_late_is_not_ended(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(freshness, "now_s", lambda: now)

    class Slow(MemorySource):
        async def read(self) -> memoryview:
            nonlocal now
            window = await super().read()
            now += 1 if self._given > WINDOW_BYTES else 0
            return window

    async with receiving(http(b"", QUOTED)) as (server, _):
        store = await open_store(server.url())
        put = store.send_from(PutObject(REF), Slow(DATA[: 2 * WINDOW_BYTES]))
        with pytest.raises(TooLate):
            await freshness.only_until(101.5, put)
        assert server.seen == []
        await freshness.only_until(now + 100, store.send_from(PutObject(REF), MemorySource(DATA[:100_000])))
        assert server.seen[0].body == DATA[:100_000]


async def test_a_part_is_sent_again_from_its_beginning(open_store: OpenStore) -> None:
    tries = 0

    async def script(exchange: Exchange) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            exchange.hang_up()
        else:
            await exchange.answer(http(b"", QUOTED))

    async def at_once(seconds: float) -> None: ...

    async with serving(script) as server:
        store = RetryingStore(await open_store(server.url()), RetryPolicy(), sleep=at_once)
        await store.send_from(PART, MemorySource(DATA[:900_000]))
        assert [exchange.body for exchange in server.seen] == [DATA[:900_000]] * 2


async def test_small_requests_go_on_beside_and_after_bodies(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("HEAD"):
            await exchange.answer(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\nETag: "e"\r\n\r\n')
        else:
            await exchange.answer(http(DATA, QUOTED))

    async with serving(script) as server:
        store = await open_store(server.url())
        for _ in range(3):
            await store.fetch_into(GetRange(REF), KeepingSink())
            assert (await store.head_object(HeadObject(REF))).size == 7
            assert (await store.get_range(GetRange(REF))).data == DATA
        assert {exchange.connection for exchange in server.seen} == {1}


async def test_a_source_of_another_length_is_rejected_before_it_counts(open_store: OpenStore) -> None:
    class Growing(MemorySource):
        async def read(self) -> memoryview:
            return memoryview(bytes(WINDOW_BYTES))

    source = Growing(b"")
    source.length = WINDOW_BYTES + 1
    async with receiving(http(b"", QUOTED)) as (server, _):
        store = await open_store(server.url())
        with pytest.raises(Rejected) as raised:
            await store.send_from(PART, source)
        assert (raised.value.code, server.seen) == ("ShortSource", [])
