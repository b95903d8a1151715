"""A server copies by itself only where the target's credentials were found to read the source: unknown is not yes."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import AccessDenied, Archived, BadCredentials, EngineError, NotFound, Unavailable
from engine.events import ignore
from engine.model import Location, ObjectLock, Overwrite, Properties
from engine.plan.route import Route
from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites, reads
from engine.sites.traits import Answer
from engine.transfer.carriers import Carriers
from engine.transfer.passing import Passing
from engine.transfer.server_copy import CopyBetweenSites
from tests.fake_store import FakeStore

SOURCE = Location("bucket", "a/", "mine")


def store_of(*keys: str) -> FakeStore:
    store = FakeStore()
    for key in keys:
        store.put(f"s3://bucket/{key}")
    return store


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (None, Answer.YES),
        (AccessDenied("no", operation="GetObject"), Answer.REFUSED),
        (NotFound("none", operation="GetObject"), Answer.NO),
        (Archived("cold", operation="GetObject"), Answer.UNKNOWN),
        (Unavailable("busy", operation="GetObject"), Answer.UNKNOWN),
        (BadCredentials("none", operation="GetObject"), Answer.UNKNOWN),
    ],
)
async def test_one_byte_tells_whether_the_source_can_be_read(error: EngineError | None, answer: Answer) -> None:
    store = store_of("a/k")
    if error is not None:
        store.plan("GetObject", ("before", error))
    assert await reads(store, store, SOURCE) is answer
    (asked,) = store.made("GetObject")
    assert (asked.first, asked.last) == (0, 0)


async def test_an_object_that_tells_nothing_is_followed_by_the_next() -> None:
    store = store_of("a/cold", "a/k")
    store.plan("GetObject", ("before", Archived("cold", operation="GetObject")))
    assert await reads(store, store, SOURCE) is Answer.YES


async def test_a_source_that_holds_nothing_tells_nothing() -> None:
    store = store_of("other")
    assert await reads(store, store, SOURCE) is Answer.UNKNOWN
    assert await reads(store, store, Location("bucket", "oth")) is Answer.UNKNOWN, "another key begins so"


@pytest.mark.parametrize(
    "other",
    [
        {"content": b"longer content", "etag": "same"},
        {"content": b"content", "etag": "other"},
        {"content": b"content", "etag": "same", "properties": Properties(metadata=(("owner", "another"),))},
        {"content": b"content", "etag": "same", "later_s": 5},
    ],
)
async def test_another_bucket_of_that_name_is_no_reading_of_the_source(other: dict[str, Any]) -> None:
    """Two accounts of one endpoint may each have a bucket of one name, as with Ceph's tenants."""
    ours, theirs = FakeStore(), FakeStore()
    ours.put("s3://bucket/a/k", b"content", etag="same")
    theirs.now_s += other.pop("later_s", 0)
    theirs.put("s3://bucket/a/k", **other)
    assert await reads(theirs, ours, SOURCE) is Answer.NO


async def test_a_lock_that_one_side_may_not_read_makes_no_other_object() -> None:
    ours, theirs = store_of(), store_of()
    for store in (ours, theirs):
        store.put("s3://bucket/a/k", properties=Properties(lock=ObjectLock("GOVERNANCE", "2030-01-01T00:00:00Z")))
    theirs.hides_locks = True
    assert await reads(theirs, ours, SOURCE) is Answer.YES


@pytest.mark.parametrize(("denied", "carrier"), [(False, CopyBetweenSites), (True, Passing)])
async def test_what_the_target_may_not_read_passes_through(denied: bool, carrier: type) -> None:
    here, there = store_of("a/k"), store_of("a/k")
    if denied:
        there.plan("GetObject", ("before", AccessDenied("no", operation="GetObject")))
    sites = Sites({name: site_of(store, name) for name, store in (("", there), ("mine", here))})
    route = Route("r", SOURCE, Location("target", "b/"), overwrite=Overwrite.NEVER)
    carriers = Carriers(sites, None, ignore, lambda: 0)  # type: ignore[arg-type]
    assert type(carriers.carrier_for(route)) is Passing, "nobody has asked yet"
    await sites.find_reading([route])
    assert type(carriers.carrier_for(route)) is carrier
    await sites.find_reading([route])
    assert len(there.made("GetObject")) == 1 and not here.made("GetObject"), "asked once, as the target"
    carriers.close()


def site_of(store: FakeStore, name: str) -> Site:
    return Site(name, "http://127.0.0.1:9", store, KnownTraits(store, trusted=False, site=name))
