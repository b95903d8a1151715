"""Servers that know a restore and tell it in HEAD alone: what is listed in an archive class is asked for."""

from __future__ import annotations

from engine.model import RESTORING, Page, Properties
from engine.sites.restores import RestoresTold
from engine.store import ListPage
from tests.fake_store import FakeStore

UNTIL = "2026-02-01T00:00:00.000Z"


class Silent(FakeStore):
    """Whose listings do not tell it."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request)
        return page._replace(objects=[item._replace(restore="") for item in page.objects])


def filled(store: FakeStore) -> FakeStore:
    for key, storage_class, restore in (
        ("a", "STANDARD", ""),
        ("b", "GLACIER", UNTIL),
        ("c", "DEEP_ARCHIVE", RESTORING),
        ("d", "GLACIER", ""),
    ):
        store.put(f"s3://bkt/{key}", properties=Properties(storage_class=storage_class)).restore = restore
    return store


async def test_what_is_archived_is_asked_for_and_nothing_else() -> None:
    store = filled(Silent())
    page = await RestoresTold(store).list_page(ListPage("bkt"))
    assert {item.key: item.restore for item in page.objects} == {"a": "", "b": UNTIL, "c": RESTORING, "d": ""}
    assert store.counts["HeadObject"] == 3


async def test_a_listing_that_told_it_once_is_believed_from_then_on() -> None:
    store = filled(FakeStore())
    telling = RestoresTold(store)
    await telling.list_page(ListPage("bkt"))
    await telling.list_page(ListPage("bkt", prefix="d"))  # of which it tells nothing, rightly
    assert store.counts["HeadObject"] == 0


async def test_where_it_does_not_matter_nothing_is_asked() -> None:
    store = filled(Silent())
    await RestoresTold(store).list_page(ListPage("bkt", restore_status=False))
    assert store.counts["HeadObject"] == 0


async def test_what_is_no_longer_what_was_listed_counts_as_not_restored() -> None:
    store = filled(Silent())
    page = await store.list_page(ListPage("bkt"))
    held = store.get("s3://bkt/b")
    assert held is not None
    held.etag = "another"

    class Late(Silent):
        async def list_page(self, request: ListPage) -> Page:
            return page

    late = Late()
    late.objects = store.objects
    found = await RestoresTold(late).list_page(ListPage("bkt"))
    assert {item.key: item.restore for item in found.objects}["b"] == ""
