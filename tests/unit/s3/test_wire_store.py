"""The wire against a server that plays a script: what became of a request decides what is raised."""

from __future__ import annotations

import asyncio
import socket
from contextlib import nullcontext
from dataclasses import replace

import pytest

from engine import freshness
from engine.errors import (
    AccessDenied,
    Ambiguous,
    NotFound,
    PreconditionFailed,
    Rejected,
    StoreError,
    Throttled,
    TooLate,
    Unavailable,
    Unreachable,
    WrongRegion,
)
from engine.model import ObjectRef, Properties, UploadRef
from engine.plan.settings import Connection
from engine.s3 import kept_credentials, operations, places
from engine.s3.http import HttpConnection
from engine.s3.messages import Call
from engine.s3.session import Credentials, Session
from engine.sites.patience import RetryPolicy
from engine.sites.retrying import RetryingStore
from engine.store import (
    CopyObject,
    CopyPart,
    DeleteObject,
    DeleteObjects,
    GetRange,
    GetTags,
    HeadObject,
    ListPage,
    ListUploads,
    ListVersions,
    PutObject,
    PutTags,
    RestoreObject,
)
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import COPIED, EMPTY_PAGE, ETAG, Exchange, chunked, http, serving, until

LIST = ListPage("bucket")
COPY = CopyObject(ObjectRef("bucket", "a b"), ObjectRef("bucket", "c+d"), ETAG)
PART = CopyPart(UploadRef(ObjectRef("bucket", "k"), "id"), 1, ObjectRef("bucket", "s"), ETAG, None, None)


def error_xml(code: str, message: str = "said so") -> bytes:
    return f"<Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId></Error>".encode()


async def serve_page(exchange: Exchange) -> None:
    await exchange.answer(http(EMPTY_PAGE))


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [http(COPIED), chunked(COPIED), chunked(b"\n   \n\n" + COPIED, 3), http(COPIED, "Connection: close")],
    ids=["length", "chunked", "white space first", "close"],
)
async def test_a_copy_is_told_by_its_etag(open_store: OpenStore, data: bytes) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(data)

    async with serving(script) as server:
        store = await open_store(server.url())
        for _ in range(2):
            assert (await store.copy_object(COPY)).etag == ETAG
        assert server.seen[0].line == "PUT /bucket/c%2Bd HTTP/1.1"
        assert server.seen[0].header("x-amz-copy-source") == "bucket/a%20b"
        assert server.seen[0].header("content-length") == "0"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (http(error_xml("SlowDown")), Throttled),
        (chunked(b"\n \n" + error_xml("InternalError")), Ambiguous),
        (http(error_xml("AccessDenied")), AccessDenied),
        (http(error_xml("SlowDown"), status="503 Slow Down"), Throttled),
        (http(error_xml("NoSuchKey"), status="404 Not Found"), NotFound),
        (http(b"", status="503 Service Unavailable"), Ambiguous),
        (http(b"<html>busy</html>", status="502 Bad Gateway"), Ambiguous),
        (http(b"<html>all is well</html>"), Ambiguous),
        (http(b""), Ambiguous),
        (http(COPIED.replace(ETAG.encode(), b"")), Ambiguous),
        (http(COPIED[:-20]), Ambiguous),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + COPIED, Ambiguous),
        (chunked(COPIED)[:-5], Ambiguous),
        (b"not HTTP at all\r\n\r\n", Ambiguous),
    ],
)
async def test_what_is_no_success_is_raised(open_store: OpenStore, data: bytes, expected: type[StoreError]) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(data)
        await exchange.close()

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(expected):
            await store.copy_object(COPY)
        assert len(server.seen) == 1  # a copy is never sent again by the wire


@pytest.mark.parametrize(
    ("body", "expected"), [(error_xml("AccessDenied"), AccessDenied), (b"<html>hello</html>", Ambiguous), (b"", None)]
)
async def test_a_write_that_a_status_alone_answers_is_not_confirmed_by_an_error(
    open_store: OpenStore, body: bytes, expected: type[StoreError] | None
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(body))

    ref = ObjectRef("bucket", "k")
    async with serving(script) as server:
        store = await open_store(server.url())
        writes = (store.put_tags, PutTags(ref, (("a", "b"),))), (store.restore_object, RestoreObject(ref, 1, "Bulk"))
        for send, request in writes:
            with pytest.raises(expected) if expected else nullcontext():
                await send(request)


async def test_a_result_of_the_operation_that_says_nothing_is_no_error(open_store: OpenStore) -> None:
    """LocalStack's answer to a restore."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b'<?xml version="1.0"?><RestoreObjectOutput/>', status="202 Accepted"))

    async with serving(script) as server:
        store = await open_store(server.url())
        assert await store.restore_object(RestoreObject(ObjectRef("bucket", "k"), 1, "Bulk"))


async def test_a_412_carries_the_condition_that_failed(open_store: OpenStore) -> None:
    body = b"<Error><Code>PreconditionFailed</Code><Condition>x-amz-copy-source-If-Match</Condition></Error>"

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(body, "x-amz-request-id: R7", status="412 Precondition Failed"))

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(PreconditionFailed) as raised:
            await store.copy_object(COPY)
    assert (raised.value.condition, raised.value.request_id) == ("x-amz-copy-source-If-Match", "R7")


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent"])
async def test_no_redirect_is_followed(open_store: OpenStore, status: str) -> None:
    async with serving(serve_page) as other:

        async def script(exchange: Exchange) -> None:
            where = f"Location: {other.url()}/bucket/"
            await exchange.answer(http(b"", where, "x-amz-bucket-region: eu-west-1", status=status))

        async with serving(script) as server:
            store = await open_store(server.url())
            for call in (store.list_page(LIST), store.copy_object(COPY), store.head_object(HeadObject(COPY.source))):
                with pytest.raises(WrongRegion) as raised:
                    await call
                assert raised.value.region == "eu-west-1"
        assert other.seen == []


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "308 Permanent Redirect"])
async def test_where_a_redirect_leads_that_is_none_of_regions_is_said(
    open_store: OpenStore, status: str, plane: str
) -> None:
    """As a gateway's that sends plain HTTP on to HTTPS."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"<html></html>", "Location: https://s3.example:9000/bucket/?x", status=status))

    async with serving(script) as server:
        store = await open_store(server.url(), plane)
        with pytest.raises(Unreachable, match=r"on to https://s3\.example:9000,") as raised:
            await store.list_page(LIST)
        assert "--endpoint-url https://s3.example:9000." in raised.value.advice


async def test_a_proxy_that_asks_who_is_there_stops_the_run(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"<html></html>", status="407 Proxy Authentication Required"))

    async with serving(script) as server:
        store = await open_store(server.url())
        for call in (store.list_page(LIST), store.copy_object(COPY), store.head_object(HeadObject(COPY.source))):
            with pytest.raises(Unreachable, match="the proxy asks for a name and a password"):
                await call


async def test_a_head_without_a_reason_asks_for_one(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("HEAD"):
            await exchange.answer(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 243\r\n\r\n")
        else:
            await exchange.answer(http(error_xml("RequestTimeTooSkewed"), status="403 Forbidden"))

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(StoreError, match="clock"):
            await store.head_object(HeadObject(ObjectRef("bucket", "k")))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [("400 Bad Request", "InvalidRequest", Rejected), ("403 Forbidden", "AccessDenied", AccessDenied)],
)
async def test_a_head_that_is_refused_says_why_in_the_words_of_a_get(
    open_store: OpenStore, status: str, code: str, kind: type[StoreError]
) -> None:
    async def script(exchange: Exchange) -> None:
        head = exchange.line.startswith("HEAD")
        await exchange.answer(http(b"" if head else error_xml(code), status=status))

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(kind) as raised:
            await store.head_object(HeadObject(ObjectRef("bucket", "k")))
    assert (type(raised.value), raised.value.code) == (kind, code)


async def test_a_get_that_is_refused_for_another_reason_says_nothing_of_a_head(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        head = exchange.line.startswith("HEAD")
        denied, missing = http(b"", status="403 Forbidden"), http(error_xml("NoSuchKey"), status="404 Not Found")
        await exchange.answer(denied if head else missing)

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(AccessDenied) as raised:
            await store.head_object(HeadObject(ObjectRef("bucket", "k")))
    assert raised.value.code == "403"


@pytest.mark.parametrize("request_", [HeadObject(ObjectRef("bucket", "k")), GetRange(ObjectRef("bucket", "k"))])
async def test_what_bears_no_etag_is_no_object(open_store: OpenStore, request_: HeadObject | GetRange) -> None:
    """Whoever has to sign in to a network first is given its page in place of anything."""

    async def script(exchange: Exchange) -> None:
        page = b"" if exchange.line.startswith("HEAD") else b"<html>Welcome!</html>"
        await exchange.answer(http(page, "Content-Type: text/html"))

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(Ambiguous, match="no ETag, which every object has"):
            await (store.head_object(request_) if isinstance(request_, HeadObject) else store.get_range(request_))


async def test_a_range_that_the_server_leaves_aside_is_cut_here(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"0123456789", 'ETag: "e"'))

    async with serving(script) as server:
        store = await open_store(server.url())
        assert await store.get_range(GetRange(ObjectRef("bucket", "k"), 2, 4)) == (b"234", "e", 10)


async def test_a_body_that_only_the_end_ends_is_cut_short(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(b"HTTP/1.1 200 OK\r\nETag: x\r\n\r\nhalf")
        await exchange.close()

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(Ambiguous, match="cut short"):
            await store.get_range(GetRange(ObjectRef("bucket", "k")))


async def test_no_tags_are_told_by_an_answer_that_has_an_end(open_store: OpenStore) -> None:
    """Ceph's gateway answers with nothing where there are none, as a broken connection does."""
    answers = [http(), b"HTTP/1.1 200 OK\r\n\r\n"]

    async def script(exchange: Exchange) -> None:
        await exchange.answer(answers.pop(0))
        await exchange.close()

    async with serving(script) as server:
        store = await open_store(server.url())
        assert await store.get_tags(GetTags(ObjectRef("bucket", "k"))) == ()
        with pytest.raises(Ambiguous, match="cut short"):
            await store.get_tags(GetTags(ObjectRef("bucket", "k")))


async def test_uploads_are_listed_page_after_page(open_store: OpenStore) -> None:
    def page(key: str, following: str) -> bytes:
        more = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{following}</NextKeyMarker>" if following else ""
        more = more or "<IsTruncated>false</IsTruncated>"
        return (
            f"<ListMultipartUploadsResult><EncodingType>url</EncodingType>{more}<Upload><Key>{key}</Key>"
            "<UploadId>u</UploadId><Initiated>2026-01-31T10:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>"
        ).encode()

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(page("b", "") if "key-marker=a%20b" in exchange.line else page("a+b", "a+b")))

    async with serving(script) as server:
        store = await open_store(server.url())
        assert [item.key for item in await store.list_uploads(ListUploads("bucket"))] == ["a b", "b"]


@pytest.mark.parametrize(
    ("key", "version", "goes_on"), [("b", "1", False), ("b", "2", True), ("a", "1", False), ("c", "", True)]
)
async def test_versions_go_on_behind_what_was_asked_for_or_not_at_all(
    open_store: OpenStore, key: str, version: str, goes_on: bool
) -> None:
    """A server that does not know its markers shows its first page for ever."""

    async def script(exchange: Exchange) -> None:
        marker = f"<NextKeyMarker>{key}</NextKeyMarker><NextVersionIdMarker>{version}</NextVersionIdMarker>"
        body = f"<ListVersionsResult><IsTruncated>true</IsTruncated>{marker}</ListVersionsResult>"
        await exchange.answer(http(body.encode()))

    async with serving(script) as server:
        store = await open_store(server.url())
        with nullcontext() if goes_on else pytest.raises(Ambiguous, match="not how to go on"):
            assert (await store.list_versions(ListVersions("bucket", after=("b", "1")))).next == (key, version)


# --- connections ------------------------------------------------------------------------------------------


async def test_one_connection_serves_request_after_request(open_store: OpenStore) -> None:
    async with serving(serve_page) as server:
        store = await open_store(server.url())
        for _ in range(5):
            await store.list_page(LIST)
        assert {exchange.connection for exchange in server.seen} == {1}
        assert store.statistics() == (1, 1, 0, 0)


async def test_a_connection_that_was_closed_while_idle_is_no_ones_error(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(COPIED))
        await exchange.close()

    async with serving(script) as server:
        store = await open_store(server.url())
        for number in (1, 2, 3):
            assert (await store.copy_object(COPY)).etag == ETAG
            await until(lambda: store.statistics().connections == 0)
            assert server.seen[-1].connection == number


async def test_what_came_while_a_connection_was_idle_answers_no_request(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where it is still unread when the next request takes the connection."""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(EMPTY_PAGE))

    async with serving(script) as server:
        store = await open_store(server.url())
        await store.list_page(LIST)
        poison = EMPTY_PAGE.replace(b"false", b"true").replace(
            b"</List", b"<NextContinuationToken>t</NextContinuationToken></List"
        )
        server.seen[0].writer.write(http(poison))
        monkeypatch.setattr("engine.s3.http.LOOKED_AT_AFTER_S", 0.0)  # it has been idle for long
        assert (await store.list_page(LIST)).next_token is None
        assert [exchange.connection for exchange in server.seen] == [1, 2]


async def test_a_body_that_comes_after_a_head_answers_no_request(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"", "ETag: x") if exchange.line.startswith("HEAD") else http(EMPTY_PAGE))

    async with serving(script) as server:
        store = await open_store(server.url())
        await store.head_object(HeadObject(ObjectRef("bkt", "a")))
        server.seen[0].writer.write(http(b"<Error><Code>NoSuchBucket</Code></Error>", status="404 Not Found"))
        await store.list_page(LIST)
        assert [exchange.connection for exchange in server.seen] == [1, 2]


async def test_a_server_that_closes_every_connection_at_once_is_given_up(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HttpConnection, "unread", True)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(COPIED))

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(Unavailable, match="100 connections were closed"):
            await store.copy_object(COPY)
        assert server.seen == []


@pytest.mark.parametrize("is_read", [True, False])
async def test_a_request_that_meets_the_servers_close_goes_again_where_that_does_no_harm(
    open_store: OpenStore, is_read: bool
) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.connection == 1 and len(server.seen) > 1:
            exchange.hang_up()  # not a byte of an answer
        else:
            await exchange.answer(http(EMPTY_PAGE if exchange.line.startswith("GET") else COPIED))

    async with serving(script) as server:
        store = await open_store(server.url())
        await store.list_page(LIST)
        if is_read:
            await store.list_page(LIST)
            assert [exchange.connection for exchange in server.seen] == [1, 1, 2]
        else:
            with pytest.raises(Ambiguous):
                await store.copy_object(COPY)
            assert [exchange.connection for exchange in server.seen] == [1, 1]


async def test_a_new_connection_that_closes_at_once_is_no_stale_one(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        exchange.hang_up()

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(Ambiguous):
            await store.list_page(LIST)
        assert len(server.seen) == 1


async def test_a_refused_connection_means_that_nothing_was_sent(open_store: OpenStore) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        store = await open_store(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(Unavailable, match="no connection could be made"):
            await store.copy_object(COPY)


async def test_a_name_that_is_not_found_is_said(open_store: OpenStore) -> None:
    for host in ("s3.nowhere.invalid", "a" * 70 + ".example", "exa..mple"):
        store = await open_store(f"http://{host}")
        with pytest.raises(Unreachable) as raised:
            await store.list_page(LIST)
        assert (raised.value.code, host in str(raised.value)) == ("NameNotFound", True)


async def test_a_silent_server_is_given_up(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.s3.pool.SWEEP_S", 0.001)
    monkeypatch.setattr(operations, "COPY", replace(operations.COPY, timeout_s=0))
    silent = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        await silent.wait()

    async with serving(script) as server:
        store = await open_store(server.url())
        with pytest.raises(Ambiguous, match="too long") as raised:
            await store.copy_object(COPY._replace(checksum_algorithm="CRC32"))
        assert raised.value.code == "Timeout"
        silent.set()


async def test_cancelling_closes_the_connection_and_nothing_else(open_store: OpenStore) -> None:
    gate = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("PUT"):
            await gate.wait()
        else:
            await exchange.answer(http(EMPTY_PAGE))

    async with serving(script) as server:
        store = await open_store(server.url())
        copying = asyncio.ensure_future(store.copy_object(COPY))
        await until(lambda: len(server.seen) == 1)
        await store.list_page(LIST)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        assert store.statistics().connections == 1
        await store.list_page(LIST)
        gate.set()
    assert [exchange.connection for exchange in server.seen] == [1, 2, 2]


async def test_many_requests_share_few_connections(open_store: OpenStore) -> None:
    async with serving(serve_page) as server:
        store = await open_store(server.url(), max_connections=3)
        await asyncio.gather(*[store.list_page(LIST) for _ in range(50)])
        assert len({exchange.connection for exchange in server.seen}) == 3


async def test_a_large_body_arrives_whole(open_store: OpenStore) -> None:
    body = bytes(range(256)) * 20_000

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"", f'ETag: "{len(exchange.body)}"'))

    async with serving(script) as server:
        store = await open_store(server.url())
        result = await store.put_object(PutObject(ObjectRef("bucket", "k"), body))
        assert (result.etag, server.seen[0].body == body) == (str(len(body)), True)


@pytest.mark.parametrize("late", [False, True])
async def test_the_last_bytes_of_a_delete_go_out_only_while_it_is_in_time(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """The process is stopped once all but the last few are on their way: a server has nothing to carry out then."""
    begun_s, stopped_s = freshness.now_s(), [0.0]
    monkeypatch.setattr(freshness, "now_s", lambda: begun_s + stopped_s[0])
    send_body = HttpConnection.send_body

    async def stopped_between(connection: HttpConnection, body: memoryview, *, last: bool = True) -> None:
        await send_body(connection, body, last=last)
        if late and not last:
            stopped_s[0] += 40

    monkeypatch.setattr(HttpConnection, "send_body", stopped_between)

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"))

    async with serving(script) as server:
        store = await open_store(server.url())
        deleting = store.delete_objects(DeleteObjects("bucket", (("a", ETAG),)))
        if late:
            with pytest.raises(TooLate):
                await freshness.only_until(begun_s + 2, deleting)
            assert (await store.delete_objects(DeleteObjects("bucket", (("a", ETAG),)))).deleted == ("a",)
        else:
            assert (await freshness.only_until(begun_s + 2, deleting)).deleted == ("a",)
        assert len(server.seen) == 1


async def test_a_request_that_would_be_late_sends_not_a_byte_and_keeps_its_connection(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(serve_page) as server:
        store = await open_store(server.url())
        await store.list_page(LIST)
        with pytest.raises(TooLate):
            await freshness.only_until(
                freshness.now_s() - 1, store.delete_object(DeleteObject(ObjectRef("bucket", "a")))
            )
        await store.list_page(LIST)
        assert [(item.connection, item.line[:3]) for item in server.seen] == [(1, "GET"), (1, "GET")]


async def test_a_look_is_dated_once_it_has_a_connection(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(freshness, "now_s", lambda: clock[0])
    head = places.Place.head

    def slow(place: places.Place, call: Call) -> bytes:
        clock[0] += 30  # whatever is waited for before the bytes are there to be sent
        return head(place, call)

    monkeypatch.setattr(places.Place, "head", slow)
    async with serving(serve_page) as server:
        looked = await freshness.dated((await open_store(server.url())).list_page(LIST))
        assert looked.sent_at == clock[0] == 130


async def test_a_header_that_cannot_be_sent_is_refused_and_costs_no_connection(open_store: OpenStore) -> None:
    async with serving(serve_page) as server:
        store = await open_store(server.url())
        bad = CopyObject(COPY.source, COPY.target, ETAG, storage_class="A\r\nx-amz-acl: public-read")
        with pytest.raises(Rejected, match="not sent"):
            await store.copy_object(bad)
        with pytest.raises(Rejected):
            await store.put_object(PutObject(ObjectRef("bucket", "k"), b"", Properties(metadata=(("a b", "c"),))))
        await store.list_page(LIST)
        assert [exchange.connection for exchange in server.seen] == [1]


# --- credentials and settings -----------------------------------------------------------------------------


class Changing(Session):
    """A session whose credentials are those that the test says."""

    def __init__(self, url: str) -> None:
        super().__init__(Connection(endpoint_url=url, request_payer="requester", expected_bucket_owner="123456789012"))
        self.current = Credentials("FIRST", "s")
        self.asked = 0
        self.refreshed = 0

    async def credentials(self) -> Credentials:
        self.asked += 1
        return self.current

    async def refresh(self) -> None:
        self.refreshed += 1
        self.current = Credentials("REFRESHED", "s", "token")


def access_key(exchange: Exchange) -> str:
    return exchange.header("authorization").partition("Credential=")[2].partition("/")[0]


async def test_credentials_are_renewed_while_a_request_is_in_flight(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()

    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("PUT"):
            await gate.wait()
            await exchange.answer(http(COPIED))
        else:
            await exchange.answer(http(EMPTY_PAGE))

    async with serving(script) as server:
        session = Changing(server.url())
        store = await open_store(server.url(), session=session)
        copying = asyncio.ensure_future(store.copy_object(COPY))
        await until(lambda: len(server.seen) == 1)
        session.current = Credentials("SECOND", "s", "token")
        monkeypatch.setattr(kept_credentials, "CREDENTIALS_AGE_S", -1.0)
        await store.list_page(LIST)  # nothing waits for the renewal
        await until(lambda: session.asked == 2)
        monkeypatch.setattr(kept_credentials, "CREDENTIALS_AGE_S", 60.0)
        await store.list_page(LIST)
        gate.set()
        assert (await copying).etag == ETAG
        assert (access_key(server.seen[0]), access_key(server.seen[-1])) == ("FIRST", "SECOND")
        assert server.seen[-1].header("x-amz-security-token") == "token"


async def test_refreshed_credentials_are_used_from_then_on(open_store: OpenStore) -> None:
    async with serving(serve_page) as server:
        session = Changing(server.url())
        store = await open_store(server.url(), session=session)
        await store.list_page(LIST)
        await store.refresh()
        await store.list_page(LIST)
        assert (session.refreshed, [access_key(exchange) for exchange in server.seen]) == (1, ["FIRST", "REFRESHED"])


async def test_an_expired_token_is_replaced_once_for_all_who_used_it(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        if access_key(exchange) == "FIRST":
            await exchange.answer(http(error_xml("ExpiredToken"), status="400 Bad Request"))
        else:
            await exchange.answer(http(COPIED))

    async with serving(script) as server:
        session = Changing(server.url())
        wire = await open_store(server.url(), session=session)
        store = RetryingStore(wire, RetryPolicy(), refresh=wire.refresh)
        results = await asyncio.gather(*[store.copy_object(COPY) for _ in range(10)])
        assert {result.etag for result in results} == {ETAG}
        assert session.refreshed == 1


async def test_settings_go_with_every_request_and_are_signed(open_store: OpenStore) -> None:
    async def script(exchange: Exchange) -> None:
        if exchange.line.startswith("GET"):
            await exchange.answer(http(EMPTY_PAGE))
        elif exchange.line.startswith("POST"):
            await exchange.answer(http(b"<DeleteResult/>"))
        else:
            await exchange.answer(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with serving(script) as server:
        store = await open_store(server.url(), session=Changing(server.url()))
        await store.list_page(LIST)
        await store.delete_object(DeleteObject(ObjectRef("bucket", "k")))
        await store.delete_objects(DeleteObjects("bucket", (("k", None),)))
        for exchange in server.seen:
            assert exchange.header("x-amz-request-payer") == "requester"
            assert exchange.header("x-amz-expected-bucket-owner") == "123456789012"
            signed = exchange.header("authorization").partition("SignedHeaders=")[2].partition(",")[0].split(";")
            assert {"x-amz-request-payer", "x-amz-expected-bucket-owner"} < set(signed)
