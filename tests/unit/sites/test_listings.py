"""A server that leaves special keys out of the second page of a listing loses nothing to who compares its pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from engine.errors import Ambiguous, ListingBroken
from engine.events import Event, Notice
from engine.finish.project import Summary, list_level, list_objects, summarize
from engine.model import Location, Page
from engine.sites.known import KnownTraits
from engine.sites.listings import listing_all
from engine.sites.traits import AWS, NOTHING_KNOWN, Answer, Traits
from engine.store import ListPage, ObjectStore
from tests.fake_store import FakeStore

HERE = Location("b", "p/")
KEYS = [f"{number:03}.png" for number in range(60)] + [f"~ é{number:02}+%.png" for number in range(30)] + ["ü/x", "ü/y"]


class Losing(FakeStore):
    """Compares encoded keys with what to go on after, as LocalStack 4.9 does; `plain_too`: without encoding as well;
    `unreadable`: without encoding it cannot be read at all."""

    plain_too = False
    unreadable = False

    async def list_page(self, request: ListPage) -> Page:
        if request.plain and self.unreadable:
            raise Ambiguous("the answer cannot be read", operation="ListObjectsV2", code="UnreadableAnswer")
        if request.plain and not self.plain_too:
            return await super().list_page(request)
        after = request.token or request.start_after
        lost = {place: there for place, there in self.objects.items() if after and quote(place[1]) <= after}
        for place in lost:
            del self.objects[place]
        try:
            return await super().list_page(request)
        finally:
            self.objects |= lost


class FromTheBeginning(FakeStore):
    """Goes on after a token alone, whatever key it is to begin after."""

    async def list_page(self, request: ListPage) -> Page:
        return await super().list_page(request._replace(start_after=""))


class Arriving(FakeStore):
    """A key arrives between the two listings of each page."""

    async def list_page(self, request: ListPage) -> Page:
        if request.plain:
            self.put(f"s3://b/p/045-{len(self.requests)}.png")
        return await super().list_page(request)


def filled(store: FakeStore) -> FakeStore:
    store.page_keys = 25
    for key in KEYS:
        store.put(f"s3://b/p/{key}", key.encode())
    return store


async def keys_of(store: ObjectStore) -> list[str]:
    heard: list[Any] = []
    await list_objects(store, HERE, heard.append, Summary(len(HERE.key)))
    return [item.key[len(HERE.key) :] for item in heard]


KNOWN_PLAIN = Traits(listing=Answer.NO, listing_plain=Answer.YES, listing_ordered=Answer.YES)


class Knowing(KnownTraits):
    """Knows the same of every bucket."""

    def __init__(self, traits: Traits) -> None:
        super().__init__(FakeStore(), trusted=False)
        self._all = traits

    def known(self, bucket: str) -> Traits:
        return self._all


def compared(store: ObjectStore) -> tuple[ObjectStore, list[Any]]:
    heard: list[Any] = []
    return listing_all(store, KnownTraits(store, trusted=False), heard.append), heard


async def test_the_server_does_lose_keys() -> None:
    assert len(await keys_of(filled(Losing()))) < len(KEYS)


async def test_where_nothing_is_known_no_key_is_lost_and_it_is_said_once() -> None:
    store, heard = compared(filled(Losing()))
    assert await keys_of(store) == sorted(KEYS)
    assert [item.code for item in heard if isinstance(item, Notice)] == ["NotHonoured"]


async def test_nor_by_many_ranges_at_once_nor_by_level() -> None:
    store, _ = compared(filled(Losing()))
    assert (await summarize(store, HERE, lambda event: None)).total.objects == len(KEYS)
    store, _ = compared(filled(Losing()))
    assert await list_level(store, HERE, lambda event: None) == len(KEYS) - 1  # "ü/" is one


async def test_a_server_that_goes_on_rightly_is_listed_with_encoding_to_its_end() -> None:
    plain = filled(FakeStore())
    store, heard = compared(plain)
    assert await keys_of(store) == sorted(KEYS)
    assert heard == []
    asked = [request.plain for name, request in plain.requests]
    assert asked == [False] + [False, True] * 3


async def test_a_first_page_that_is_all_is_asked_for_once() -> None:
    one = FakeStore()
    one.put("s3://b/p/é")
    assert await keys_of(compared(one)[0]) == ["é"]
    assert len(one.requests) == 1


async def test_what_arrives_meanwhile_is_no_loss() -> None:
    store, heard = compared(filled(Arriving()))
    assert set(KEYS) <= set(await keys_of(store))
    assert heard == []


async def test_one_that_loses_the_same_keys_either_way_cannot_be_told_by_reading() -> None:
    both = Losing()
    both.plain_too = True
    store, heard = compared(filled(both))
    assert len(await keys_of(store)) < len(KEYS)
    assert heard == []


async def test_a_server_that_loses_other_keys_each_way_is_refused() -> None:
    class Halves(FakeStore):
        async def list_page(self, request: ListPage) -> Page:
            page = await super().list_page(request)
            if not (request.token or request.start_after):
                return page
            return page._replace(objects=[item for item in page.objects if (int(item.etag, 16) % 2) == request.plain])

    store, _ = compared(filled(Halves()))
    with pytest.raises(ListingBroken):
        await keys_of(store)


async def test_where_it_cannot_be_compared_it_is_said() -> None:
    store = Losing()
    store.unreadable = True
    listed, heard = compared(filled(store))
    await keys_of(listed)
    assert [item.code for item in heard] == ["ListingNotCompared"]


@pytest.mark.parametrize(
    ("act", "count"),
    [
        (lambda store, tell: list_objects(store, HERE, tell, Summary(len(HERE.key))), len(KEYS)),
        (lambda store, tell: list_level(store, HERE, tell), len(KEYS) - 1),  # "ü/" is one
    ],
)
async def test_a_server_that_ignores_where_to_begin_is_listed_by_its_tokens(act: Any, count: int) -> None:
    store, heard = compared(filled(FromTheBeginning()))
    told: list[Any] = []

    def tell(item: Any) -> None:
        told.append(item)
        assert len(told) <= count, "it is listed for ever"

    await act(store, tell)
    assert len(told) == count
    assert [item.code for item in heard] == ["ListingNotCompared"]


async def test_what_is_known_is_not_asked_again() -> None:
    store, heard = FakeStore(), list[Event]()
    say = heard.append
    assert listing_all(store, KnownTraits(store, trusted=True), say) is store
    for traits, asked in ((AWS, [False]), (KNOWN_PLAIN, [True]), (NOTHING_KNOWN, [False, True])):
        listed = listing_all(store, Knowing(traits), say)
        store.requests.clear()
        await listed.list_page(ListPage("b", "p/", "p/a"))
        assert [request.plain for request in store.made("ListObjectsV2")] == asked


class Spaced(FakeStore):
    """Says that its keys are encoded, and leaves "+" as it is, which then stands for a blank."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request)
        if request.plain:
            return page
        return page._replace(objects=[item._replace(key=item.key.replace("+", " ")) for item in page.objects])


async def test_a_key_that_is_decoded_wrongly_is_not_shown_by_that_name() -> None:
    store = Spaced()
    for key in ("p/a+b", "p/c d", "p/plain", "p/z+"):
        store.put(f"s3://b/{key}")
    listed, heard = compared(store)
    assert await keys_of(listed) == ["a+b", "c d", "plain", "z+"]
    assert [item.code for item in heard if isinstance(item, Notice)] == ["NotHonoured"]


async def test_a_server_that_was_found_out_to_lose_keys_or_their_order_is_not_listed() -> None:
    store = FakeStore()
    lost = Traits(listing=Answer.NO, listing_plain=Answer.NO)
    for traits, words in ((lost, "leaves keys out"), (Traits(listing_ordered=Answer.NO), "in the order of")):
        with pytest.raises(ListingBroken, match=words):
            await listing_all(store, Knowing(traits), list[Event]().append).list_page(ListPage("b"))
    assert store.requests == []
