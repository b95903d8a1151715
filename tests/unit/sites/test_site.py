"""What is known of a bucket is asked once a command; and each side of a route is asked on its own site."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.errors import AccessDenied, BucketMissing
from engine.model import FILE_SITE, Location
from engine.sites.known import KnownTraits
from engine.sites.site import Gauges, Site
from engine.sites.sites import Sites
from tests.fake_store import FakeStore

HERE, THERE = Location("here", "a/"), Location("there", "b/")


def store_of() -> FakeStore:
    store = FakeStore()
    for bucket in ("here", "there"):
        store.put(f"s3://{bucket}/a")
    return store


def site_of(store: FakeStore, name: str = "", **more: object) -> Site:
    known = KnownTraits(store, trusted=False, site=name)
    return Site(name, f"http://127.0.0.1:9/{name}", store, known, **more)  # type: ignore[arg-type]


async def test_a_bucket_is_asked_once_and_anew_only_where_that_is_wanted() -> None:
    store = store_of()
    site = site_of(store)
    assert await site.facts("here") is await site.facts("here")
    assert len(store.made("GetBucketLocation")) == 1
    await site.clock("here")
    assert len(store.made("GetBucketLocation")) == 1
    await site.facts("here", anew=True)
    assert len(store.made("GetBucketLocation")) == 2


async def test_a_bucket_of_which_nothing_may_be_known_is_left_out_and_one_that_is_not_there_is_not() -> None:
    store = store_of()
    sites = Sites({"": site_of(store)})
    store.plan("GetBucketLocation", ("before", AccessDenied("no", operation="HeadBucket")))
    assert len(await sites.facts([HERE, THERE], lacking=True)) == 1
    store.plan("GetBucketLocation", ("before", AccessDenied("no", operation="HeadBucket")))
    with pytest.raises(AccessDenied):
        await sites.facts([HERE, THERE], anew=True)
    store.plan("GetBucketLocation", ("before", BucketMissing("none", operation="HeadBucket")))
    with pytest.raises(BucketMissing):
        await sites.facts([Location("new", "")], lacking=True)


def test_gauges_are_summed_over_sites() -> None:
    one = site_of(FakeStore(), gauges=lambda: Gauges(3, 1, 10.0, 2))
    assert Sites({"": one}).gauges() == Gauges(3, 1, 10.0, 2)
    assert Sites({"": one, "other": one}).gauges() == Gauges(6, 2, 20.0, 4)


def test_a_server_can_copy_by_itself_within_one_endpoint_and_from_or_to_no_folder() -> None:
    here, there = site_of(FakeStore()), site_of(FakeStore(), "there")
    again = replace(there, name="again")
    folder = replace(here, name=FILE_SITE)
    assert here.reaches(here) and again.reaches(there)
    assert not (here.reaches(there) or folder.reaches(folder) or folder.reaches(here))
