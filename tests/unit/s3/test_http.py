"""One connection: whatever the bytes and however they are cut, an answer is whole or it is none."""

from __future__ import annotations

import asyncio
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.s3.http import SLOWEST_BYTES_PER_S, ConnectionBroken, HttpConnection
from engine.s3.parsing import Answer
from engine.s3.receiving import HEADERS_LIMIT_BYTES
from tests.faults.amount import examples
from tests.unit.s3.fakes import COPIED, FakeTransport, chunked, fake_connection, http

REQUEST = b"GET / HTTP/1.1\r\nhost:h\r\n\r\n"
WHOLE = {
    "length": http(COPIED, "ETag: x", "Server: S3"),
    "chunked": chunked(COPIED),
    "continue first": b"HTTP/1.1 100 Continue\r\n\r\n" + http(COPIED),
    "hints first": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http(COPIED),
    "white space first": chunked(b"\n  \n" + COPIED, 2),
    "chunk extensions and trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x;name=value\r\n%s\r\n0\r\nx-amz-trailer: y\r\n\r\n" % (len(COPIED), COPIED)
    ),
}


def ask(connection: HttpConnection, *, bodiless: bool = False, limit: int = 1 << 20) -> asyncio.Future[Answer]:
    return connection.exchange(REQUEST, bodiless=bodiless, limit=limit, timeout_s=5, total_s=60)


def broken(future: asyncio.Future[Answer]) -> ConnectionBroken:
    error = future.exception()
    assert isinstance(error, ConnectionBroken)
    return error


def end(connection: HttpConnection, transport: FakeTransport) -> None:
    transport.closed = True
    connection.connection_lost(None)


@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_is_the_same_wherever_it_is_cut_in_two(name: str) -> None:
    data = WHOLE[name]
    for cut in range(1, len(data)):
        connection, transport, owner = fake_connection()
        future = ask(connection)
        connection.data_received(data[:cut])
        assert not future.done()
        connection.data_received(data[cut:])
        assert (future.result().status, future.result().body.strip(), future.result().whole) == (200, COPIED, True)
        assert (owner.free, owner.gone, transport.written) == ([connection], [], REQUEST)


@settings(max_examples=examples(60))
@given(st.sampled_from(sorted(WHOLE)), st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_an_answer_is_the_same_however_it_is_cut(name: str, sizes: list[int]) -> None:
    async def receive() -> Answer:
        connection, _, _ = fake_connection()
        future = ask(connection)
        rest = WHOLE[name]
        while rest:
            for size in sizes:
                if rest:
                    connection.data_received(rest[:size])
                    rest = rest[size:]
        return future.result()

    answer = asyncio.run(receive())
    assert (answer.status, answer.body.strip()) == (200, COPIED)


@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_that_is_cut_short_is_no_answer(name: str) -> None:
    data = WHOLE[name]
    for cut in range(len(data)):
        connection, transport, owner = fake_connection()
        future = ask(connection)
        if cut:
            connection.data_received(data[:cut])
        end(connection, transport)
        assert (broken(future).code, broken(future).stale) == ("Closed", False)
        assert (owner.free, owner.gone) == ([], [connection])


async def test_a_used_connection_that_closes_without_a_byte_was_stale() -> None:
    connection, transport, _ = fake_connection()
    first = ask(connection)
    connection.data_received(http(b"x"))
    assert first.result().body == b"x"
    second = ask(connection)
    end(connection, transport)
    assert broken(second).stale


async def test_a_used_connection_that_closes_within_an_answer_was_not_stale() -> None:
    connection, transport, _ = fake_connection()
    ask(connection)
    connection.data_received(http(b"x"))
    second = ask(connection)
    connection.data_received(b"H")
    end(connection, transport)
    assert not broken(second).stale


async def test_a_connection_serves_one_request_after_another() -> None:
    connection, _, owner = fake_connection()
    for number in range(5):
        future = ask(connection, bodiless=number % 2 == 1)
        data = http(b"x" * number, f"x-number: {number}")
        connection.data_received(data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if number % 2 else data)
        assert future.result().header(b"x-number") == str(number)
        assert len(owner.free) == number + 1
    assert connection.requests == 5


@pytest.mark.parametrize(
    "data",
    [
        http(b"x", "Connection: close"),
        http(b"x", "CONNECTION: Close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    ],
)
async def test_a_connection_that_the_server_closes_is_not_used_again(data: bytes) -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection)
    connection.data_received(data)
    assert future.result().body == b"x"
    assert (owner.free, owner.gone, transport.closed, connection.open) == ([], [connection], True, False)


async def test_a_body_that_only_the_end_ends_is_marked_so() -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\nhalf or whole")
    assert not future.done()
    end(connection, transport)
    assert (future.result().body, future.result().whole) == (b"half or whole", False)
    assert owner.free == []


async def test_a_heads_length_is_of_a_body_that_does_not_come() -> None:
    connection, _, owner = fake_connection()
    for _ in range(2):
        future = ask(connection, bodiless=True)
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5368709120\r\nETag: x\r\n\r\n")
        assert (future.result().header(b"content-length"), future.result().body) == ("5368709120", b"")
    assert owner.free == [connection, connection]


async def test_a_body_after_a_head_ends_the_connection() -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection, bodiless=True)
    connection.data_received(http(b"a body that must not be", status="404 Not Found"))
    assert future.result().status == 404
    assert (owner.free, transport.closed) == ([], True)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_a_status_without_a_body_ends_with_its_headers(status: str) -> None:
    connection, _, owner = fake_connection()
    future = ask(connection)
    connection.data_received(f"HTTP/1.1 {status}\r\nx: y\r\n\r\n".encode())
    assert future.result().header(b"x") == "y"
    assert owner.free == [connection]


@pytest.mark.parametrize("more", [b"x", http(b"an answer to nothing"), b"HTTP/1.1 200"])
async def test_bytes_after_an_answer_end_the_connection_and_not_the_answer(more: bytes) -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection)
    connection.data_received(http(b"x") + more)
    assert future.result().body == b"x"
    assert (owner.free, transport.closed) == ([], True)


UNASKED = b"HTTP/1.1 200 OK\r\nETag: poison\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("bodiless", [False, True])
@pytest.mark.parametrize(
    "more", [UNASKED, UNASKED[:-2], UNASKED[:9], b"HTTP/1.1 103 Early Hints\r\nETag: poison\r\n\r\n"]
)
async def test_an_answer_that_nobody_asked_for_is_in_no_other(more: bytes, bodiless: bool) -> None:
    """In the segment of the answer before: neither its body nor its headers go into the next."""
    connection, transport, owner = fake_connection()
    future = ask(connection, bodiless=bodiless)
    connection.data_received(http(b"") + more)
    assert (future.result().status, future.result().header(b"etag")) == (200, "")
    assert (owner.free, transport.closed) == ([], True)


@pytest.mark.parametrize("coding", ["Content-Length: 5", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("more", [b"5", b"5\r\n", b"5\r\n\r\n", b"hello", b"\r\n"])
async def test_the_beginning_of_a_body_after_a_head_ends_the_connection(coding: str, more: bytes) -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection, bodiless=True)
    connection.data_received(f"HTTP/1.1 200 OK\r\n{coding}\r\n\r\n".encode() + more)
    assert future.result().status == 200
    assert (owner.free, transport.closed) == ([], True)


async def test_a_head_after_hints_keeps_its_connection() -> None:
    connection, _, owner = fake_connection()
    for _ in range(2):
        future = ask(connection, bodiless=True)
        connection.data_received(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-")
        connection.data_received(b"Length: 5\r\n\r")
        connection.data_received(b"\n")
        assert future.result().header(b"content-length") == "5"
    assert owner.free == [connection, connection]


async def test_bytes_that_no_one_asked_for_end_the_connection() -> None:
    connection, transport, owner = fake_connection()
    connection.data_received(http(b"x"))
    assert (owner.gone, transport.closed) == ([connection], True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
    ],
)
async def test_what_is_no_http_breaks_the_connection(data: bytes) -> None:
    connection, transport, _ = fake_connection()
    future = ask(connection)
    connection.data_received(data)
    assert broken(future).code == "NotHttp"
    assert transport.closed


async def test_headers_without_end_are_given_up() -> None:
    connection, transport, _ = fake_connection()
    future = ask(connection)
    connection.data_received(b"HTTP/1.1 200 OK\r\n")
    sent = 0
    while not future.done():
        connection.data_received(b"x-filler: " + b"a" * 1000 + b"\r\n")
        sent += 1000
        assert sent < 2 * HEADERS_LIMIT_BYTES
    assert broken(future).code in ("TooLong", "NotHttp")
    assert transport.closed


async def test_interim_answers_without_end_are_given_up() -> None:
    connection, _, _ = fake_connection()
    future = ask(connection, limit=1000)
    for _ in range(HEADERS_LIMIT_BYTES):
        if future.done():
            break
        connection.data_received(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert broken(future).code == "TooLong"


@pytest.mark.parametrize("head", [b"Transfer-Encoding: chunked", b"Content-Length: 99999999999", b"ETag: x"])
async def test_a_body_without_end_is_given_up(head: bytes) -> None:
    connection, transport, _ = fake_connection()
    future = ask(connection, limit=10_000)
    connection.data_received(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n")
    piece = b"3e8\r\n" + b"a" * 1000 + b"\r\n"
    for _ in range(200):
        if future.done():
            break
        connection.data_received(piece)
    assert broken(future).code == "TooLong"
    assert transport.closed


async def test_what_a_broken_connection_received_is_not_kept_with_its_error() -> None:
    connection, _, _ = fake_connection()
    future = ask(connection)
    piece = bytes(1000)
    held = sys.getrefcount(piece)
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    connection.on_body(piece)
    connection.abort()
    assert (broken(future).code, sys.getrefcount(piece)) == ("Aborted", held)


async def test_a_silent_connection_expires_and_one_that_speaks_does_not() -> None:
    connection, _, _ = fake_connection()
    started = connection.active_at
    assert not connection.expired(started + 100)  # idle
    future = ask(connection)
    assert not connection.expired(connection.active_at + 5)
    assert connection.expired(connection.active_at + 5.1)
    connection.abort("no answer came for too long", "Timeout")
    assert (broken(future).code, broken(future).stale) == ("Timeout", False)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nx: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
async def test_an_answer_that_drips_expires_by_its_total(start: bytes) -> None:
    connection, _, _ = fake_connection()
    ask(connection)
    began = connection.active_at
    connection.data_received(start)
    for seconds in range(2, 60, 2):
        connection.data_received(b"a")
        connection.active_at = began + seconds  # as if time had passed
        assert not connection.expired(began + seconds)
    connection.data_received(b"a")
    connection.active_at = began + 61
    assert connection.expired(began + 61)


async def test_a_long_body_has_time_by_its_bytes() -> None:
    connection, _, _ = fake_connection()
    ask(connection)
    began = connection.active_at
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"a" * 10 * SLOWEST_BYTES_PER_S)
    connection.active_at = began + 71
    assert not connection.expired(began + 69)
    assert connection.expired(began + 71)


async def test_a_body_waits_for_a_connection_that_is_full() -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection)
    connection.pause_writing()
    sending = asyncio.ensure_future(connection.send_body(b"b" * 600_000))
    await asyncio.sleep(0)
    assert transport.written == REQUEST
    connection.resume_writing()
    await sending
    assert transport.written == REQUEST + b"b" * 600_000
    connection.data_received(http(b"x"))
    assert future.result().body == b"x"
    assert owner.free == [connection]


async def test_what_is_not_the_last_has_been_taken_when_its_sending_ends() -> None:
    """Whoever holds the last bytes back knows that nothing is queued before them."""
    connection, transport, _ = fake_connection()
    ask(connection)
    write = transport.write

    def too_much(data: object) -> None:
        write(data)
        connection.pause_writing()

    transport.write = too_much  # type: ignore[method-assign]
    sending = asyncio.ensure_future(connection.send_body(b"body", last=False))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (transport.written, sending.done()) == (REQUEST + b"body", False)
    connection.resume_writing()
    await sending


@pytest.mark.parametrize("resumed", [False, True])
async def test_an_answer_before_the_body_was_sent_ends_its_sending(resumed: bool) -> None:
    connection, transport, owner = fake_connection()
    future = ask(connection)
    connection.pause_writing()
    sending = asyncio.ensure_future(connection.send_body(b"b" * 600_000))
    await asyncio.sleep(0)
    if resumed:
        connection.resume_writing()  # and the sender has not run yet
    connection.data_received(http(b"denied", status="403 Forbidden"))
    await sending
    assert future.result().status == 403
    assert (owner.free, transport.closed) == ([], True)  # half a request is on it
