"""ETags that cannot be digests: a table of what cannot be, and how a store shows them."""

from __future__ import annotations

import pytest

from engine.events import Notice
from engine.model import ListedObject, ObjectRef, OpaqueEtag
from engine.plan.integrity import NOTHING, Agreement, compare_etags, is_impossible, multipart_etag
from engine.sites import doubting
from engine.sites.doubting import DoubtingStore
from engine.store import HeadObject, ListPage
from tests.fake_store import FakeStore

MD5 = "0123456789abcdef0123456789abcdef"
ETAGS = [
    # ETag, size, and whether an object of that size certainly cannot have it
    (NOTHING, 0, False),
    (NOTHING, 1, True),
    (f"{NOTHING}-1", 0, True),
    (f"{NOTHING}-2", 6 << 20, True),
    (MD5, 1, False),
    (MD5, 0, False),  # encrypted with KMS: no MD5, and no lie
    (multipart_etag([NOTHING]), 0, False),
    (multipart_etag([NOTHING] * 2), 6 << 20, True),
    (f"{MD5}-2", 6 << 20, False),
    (f"{MD5}-3", 2, True),
    (f"{MD5}-1", 0, False),
    ("", 5, False),
    ("anything else", 5, False),
]


@pytest.mark.parametrize(("etag", "size", "impossible"), ETAGS)
def test_what_an_object_of_that_size_cannot_have(etag: str, size: int, impossible: bool) -> None:
    assert is_impossible(etag, size) is impossible


def test_an_opaque_etag_is_equal_to_itself_and_proves_nothing() -> None:
    opaque = OpaqueEtag(MD5)
    assert opaque == MD5 and hash(opaque) == hash(MD5)
    assert compare_etags(MD5, MD5) is Agreement.EQUAL
    for pair in ((opaque, opaque), (opaque, MD5), (MD5, opaque), (OpaqueEtag(f"{MD5}-2"), f"{MD5}-2")):
        assert compare_etags(*pair) is Agreement.UNKNOWN


async def listed(store: DoubtingStore, page: ListPage) -> list[ListedObject]:
    return (await store.list_page(page)).objects


async def test_one_etag_for_objects_of_different_sizes_is_doubted_wherever_it_is_shown_from_then_on() -> None:
    fake, told = FakeStore(), list[Notice]()
    store = DoubtingStore(fake, told.append)  # type: ignore[arg-type]
    fake.put("s3://bucket/a", 10, etag=MD5)
    fake.put("s3://bucket/b", 10, etag=MD5)  # equal objects are no reason to doubt
    assert not any(type(item.etag) is OpaqueEtag for item in await listed(store, ListPage("bucket")))
    fake.put("s3://bucket/c", 11, etag=MD5)
    fake.put("s3://bucket/d", 12)
    kinds = [type(item.etag) for item in await listed(store, ListPage("bucket"))]
    assert kinds == [OpaqueEtag, OpaqueEtag, OpaqueEtag, str]
    assert type((await store.head_object(HeadObject(ObjectRef("bucket", "a")))).etag) is OpaqueEtag
    assert type((await store.head_object(HeadObject(ObjectRef("bucket", "d")))).etag) is str
    assert [event.code for event in told] == ["DoubtfulEtags"]


async def test_heads_are_held_against_each_other_where_nothing_is_listed() -> None:
    """As of a list of keys."""
    fake = FakeStore()
    for name, size in (("a", 10), ("b", 10), ("c", 11)):
        fake.put(f"s3://bucket/{name}", size, etag=MD5)
    store = DoubtingStore(fake)
    heads = [await store.head_object(HeadObject(ObjectRef("bucket", name))) for name in "abca"]
    assert [type(head.etag) for head in heads] == [str, str, OpaqueEtag, OpaqueEtag]


async def test_what_is_remembered_of_heads_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubting, "REMEMBERED", 3)
    fake = FakeStore()
    store = DoubtingStore(fake)
    for number in range(9):
        for name, size in ((f"{number}a", 10), (f"{number}b", 11)):
            fake.put(f"s3://bucket/{name}", size, etag=f"{number}{MD5[1:]}")
            await store.head_object(HeadObject(ObjectRef("bucket", name)))
    assert len(store._doubtful) == 3 and len(store._sizes) <= 4


async def test_pages_of_one_object_are_held_against_each_other() -> None:
    fake = FakeStore(page_keys=1)
    for name, size in (("a", 10), ("b", 11)):
        fake.put(f"s3://bucket/{name}", size, etag=MD5)
    store = DoubtingStore(fake)
    first = await store.list_page(ListPage("bucket"))
    second = await store.list_page(ListPage("bucket", token=first.next_token))
    assert type(second.objects[0].etag) is OpaqueEtag
