"""What came is what was asked for, and all of it, on both planes: ranges of bytes and the ends of lists."""

from __future__ import annotations

import pytest

from engine.errors import Ambiguous, ListingBroken, PreconditionFailed, StoreError
from engine.model import ObjectRef, UploadRef
from engine.s3.asked import body_of
from engine.store import GetRange, ListPage, ListParts, ListUploads
from tests.unit.s3.conftest import OpenStore
from tests.unit.s3.fakes import Exchange, http, serving

REF = ObjectRef("bucket", "k")
DATA = b"0123456789"
planes = pytest.mark.parametrize("plane", ["wire", "boto"])


def test_what_was_asked_for_comes_through() -> None:
    assert body_of(GetRange(REF, 2, 4), 206, "bytes 2-4/10", "e", b"234") == (b"234", "e", 10)
    assert body_of(GetRange(REF, 2), 206, "bytes 2-9/10", "e", DATA[2:]) == (DATA[2:], "e", 10)
    assert body_of(GetRange(REF, 8, 99), 206, "bytes 8-9/10", "e", b"89") == (b"89", "e", 10)
    assert body_of(GetRange(REF, 2, 4, "e", 10), 200, "", "e", DATA) == (b"234", "e", 10)
    assert body_of(GetRange(REF, size=10), 200, "", "e", DATA) == (DATA, "e", 10)


@pytest.mark.parametrize(
    ("request_", "status", "content_range", "data"),
    [
        (GetRange(REF, 2, 4), 206, "bytes 0-2/10", b"012"),
        (GetRange(REF, 2, 4), 206, "bytes 2-3/10", b"23"),
        (GetRange(REF, 2, 4), 206, "bytes 2-5/10", b"2345"),
        (GetRange(REF, 2, 4), 206, "bytes 2-4/10", b"23"),
        (GetRange(REF, 2, 4), 206, "bytes 2-4/*", b"234"),
        (GetRange(REF, 2, 4), 206, "", b"234"),
        (GetRange(REF, 2), 206, "bytes 2-4/10", b"234"),
        (GetRange(REF, 2, 4, None, 11), 206, "bytes 2-4/10", b"234"),
        (GetRange(REF, 2, 4, None, 11), 200, "", DATA),
        (GetRange(REF, 10, 12), 200, "", DATA),
        (GetRange(REF), 206, "bytes 0-9/10", DATA),
        (GetRange(REF, size=9), 200, "", DATA),
        (GetRange(REF), 204, "", b""),
    ],
)
def test_other_bytes_are_none(request_: GetRange, status: int, content_range: str, data: bytes) -> None:
    with pytest.raises(Ambiguous, match="not what was asked for"):
        body_of(request_, status, content_range, "e", data)


def test_a_whole_body_without_an_etag_is_no_objects() -> None:
    with pytest.raises(Ambiguous, match="bears no ETag"):
        body_of(GetRange(REF, size=10), 200, "", "", DATA)


def test_another_object_than_the_one_pinned_is_a_condition_that_failed() -> None:
    with pytest.raises(PreconditionFailed):
        body_of(GetRange(REF, 2, 4, "e"), 206, "bytes 2-4/10", "f", b"234")


@planes
async def test_a_server_that_answers_another_range_proves_nothing(open_store: OpenStore, plane: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(b"012", "Content-Range: bytes 0-2/10", 'ETag: "e"', status="206 Partial Content"))

    async with serving(script) as server:
        store = await open_store(server.url(), plane=plane)
        with pytest.raises(Ambiguous, match="not what was asked for"):
            await store.get_range(GetRange(REF, 2, 4))
        assert await store.get_range(GetRange(REF, 0, 2, "e", 10)) == (b"012", "e", 10)


TOKEN = "<NextContinuationToken>t</NextContinuationToken>"
GOES_ON = ["true", "True", "TRUE", " true ", "1", "False", "false ", "", None]
"""What IsTruncated may hold where a list is not whole; None: it is not there."""


def truncated(said: str | None) -> str:
    return "" if said is None else f"<IsTruncated>{said}</IsTruncated>"


@planes
@pytest.mark.parametrize("said", GOES_ON)
async def test_only_false_ends_a_listing(open_store: OpenStore, plane: str, said: str | None) -> None:
    """With a token it goes on, and without one it is refused."""
    more = ""

    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(f"<ListBucketResult>{truncated(said)}{more}</ListBucketResult>".encode()))

    async with serving(script) as server:
        store = await open_store(server.url(), plane=plane)
        with pytest.raises(ListingBroken, match="not how to go on"):
            await store.list_page(ListPage("bucket"))
        more = TOKEN
        assert (await store.list_page(ListPage("bucket"))).next_token == "t"


@planes
async def test_false_ends_a_listing(open_store: OpenStore, plane: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(http(f"<ListBucketResult>{truncated('false')}</ListBucketResult>".encode()))

    async with serving(script) as server:
        store = await open_store(server.url(), plane=plane)
        assert (await store.list_page(ListPage("bucket"))).next_token is None


@planes
@pytest.mark.parametrize("said", GOES_ON)
async def test_only_false_ends_a_list_of_parts_or_uploads(open_store: OpenStore, plane: str, said: str | None) -> None:
    """With a marker it goes on, and a list that neither ends nor goes on is none."""
    last = truncated("false")

    async def script(exchange: Exchange) -> None:
        first = "marker=0" in exchange.line or "marker" not in exchange.line
        number, way_on = (1, truncated(said)) if first else (2, last)
        if "uploadId" in exchange.line:
            body = (
                f"<ListPartsResult>{way_on}<NextPartNumberMarker>{number}</NextPartNumberMarker><Part><PartNumber>"
                f"{number}</PartNumber><ETag>e</ETag><Size>1</Size></Part></ListPartsResult>"
            )
        else:
            body = (
                f"<ListMultipartUploadsResult>{way_on}<NextKeyMarker>k{number}</NextKeyMarker><Upload><Key>k{number}"
                "</Key><UploadId>u</UploadId></Upload></ListMultipartUploadsResult>"
            )
        await exchange.answer(http(body.encode()))

    async with serving(script) as server:
        store = await open_store(server.url(), plane=plane)
        upload = UploadRef(REF, "u")
        assert [part.number for part in await store.list_parts(ListParts(upload))] == [1, 2]
        assert [item.key for item in await store.list_uploads(ListUploads("bucket"))] == ["k1", "k2"]
        last = truncated(said)
        for attempt in (store.list_parts(ListParts(upload)), store.list_uploads(ListUploads("bucket"))):
            with pytest.raises(StoreError, match="not how to go on"):
                await attempt
