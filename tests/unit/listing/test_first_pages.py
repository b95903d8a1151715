"""The first pages of a run's listings are on their way before anyone lists."""

from __future__ import annotations

from dataclasses import replace

import anyio
import anyio.lowlevel
import pytest

from engine.errors import AccessDenied, Unreachable
from engine.listing.first_pages import MOST_ROUTES, first_pages
from engine.model import Location
from engine.plan.route import KeyList, Route
from engine.store import CopyObject, HeadObject, ListPage
from tests.fake_store import FakeStore, everywhere
from tests.fake_store.held import ref_of
from tests.unit.transfer.scene import ROUTE

OLD, NEW = ListPage("bkt", "old/"), ListPage("bkt", "new/", restore_status=False)


def store_of(count: int = 3) -> FakeStore:
    store = FakeStore()
    for number in range(count):
        store.put(f"s3://bkt/old/{number}")
    return store


def listed(store: FakeStore) -> list[ListPage]:
    return [request for name, request in store.requests if name == "ListObjectsV2"]


async def settled() -> None:
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def test_they_are_asked_for_at_once_and_each_is_given_once() -> None:
    store = store_of()
    async with first_pages(everywhere(store), [ROUTE]) as listed_by:
        pages = listed_by(ROUTE.source)
        await settled()
        assert listed(store) == [OLD, NEW]
        assert [item.key for item in (await pages.list_page(OLD)).objects] == ["old/0", "old/1", "old/2"]
        assert listed(store) == [OLD, NEW]
        store.put("s3://bkt/old/3")
        assert len((await pages.list_page(OLD)).objects) == 4  # a later listing is a new one
        assert listed(store) == [OLD, NEW, OLD]


async def test_who_asks_for_a_page_on_its_way_waits_for_it() -> None:
    store, arrived = store_of(), anyio.Event()
    store.before = lambda name, request: arrived.wait()
    found: list[int] = []

    async def ask() -> None:
        found.append(len((await pages.list_page(OLD)).objects))

    async with first_pages(everywhere(store), [ROUTE]) as listed_by, anyio.create_task_group() as group:
        pages = listed_by(ROUTE.source)
        group.start_soon(ask)
        await settled()
        assert not found
        arrived.set()
    assert found == [3]
    assert listed(store) == [OLD, NEW]


async def test_an_error_reaches_whoever_asks_for_that_page_and_nobody_else() -> None:
    store = store_of()
    store.plan("ListObjectsV2", ("before", AccessDenied("no", operation="ListObjectsV2")), key="old/")
    store.plan("ListObjectsV2", ("before", Unreachable("gone", operation="ListObjectsV2")), key="new/")
    async with first_pages(everywhere(store), [ROUTE]) as listed_by:
        pages = listed_by(ROUTE.source)
        await settled()
        with pytest.raises(AccessDenied):
            await pages.list_page(OLD)
        assert len((await pages.list_page(OLD)).objects) == 3


async def test_other_pages_and_other_requests_go_to_the_store() -> None:
    store = store_of()
    async with first_pages(everywhere(store), [ROUTE]) as listed_by:
        pages = listed_by(ROUTE.source)
        assert len((await pages.list_page(OLD._replace(start_after="old/1"))).objects) == 1
        assert (await pages.head_object(HeadObject(ref_of("s3://bkt/old/0")))).size == 10
        await pages.copy_object(CopyObject(ref_of("s3://bkt/old/0"), ref_of("s3://bkt/new/0")))
    assert store.keys("s3://bkt/new/") == ["0"]


async def test_only_prefixes_that_s3_lists_are_asked_for_and_each_once_and_not_too_many() -> None:
    one_key = Route("k", Location("bkt", "one"), Location("bkt", "two"))
    from_file = replace(ROUTE, key_list=KeyList("keys", path="keys.txt"))
    same_target = Route("s", Location("bkt", "other/"), ROUTE.target)
    many = [Route(f"m{n}", Location("bkt", f"m{n}/"), Location("bkt", f"t{n}/")) for n in range(3 * MOST_ROUTES)]
    store = store_of()
    async with first_pages(everywhere(store), [one_key, from_file, ROUTE, same_target]):
        await settled()
    assert [item.prefix for item in listed(store)] == ["old/", "new/", "other/"]
    store.requests.clear()
    async with first_pages(everywhere(store), many):
        await settled()
    assert len(listed(store)) == 2 * MOST_ROUTES


async def test_leaving_ends_what_nobody_asked_for() -> None:
    store, ended = store_of(), []

    async def hang(name: str, request: object) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(request)

    store.before = hang
    async with first_pages(everywhere(store), [ROUTE]):
        await settled()
        assert ended == []
    assert ended == [OLD, NEW]


async def test_an_error_of_whoever_lists_comes_out_as_itself() -> None:
    with pytest.raises(OSError, match="disk"):
        async with first_pages(everywhere(store_of()), [ROUTE]):
            raise OSError("disk full")
