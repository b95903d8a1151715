"""Two accounts of one endpoint may each have a bucket of one name: what is copied is the source's, or nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import NotFound, PreconditionFailed
from engine.events import Event, Notice
from engine.model import ABSENT, ListedObject, Location, Properties
from engine.plan.lifecycle import State
from engine.plan.route import Route
from engine.sites.known import KnownTraits
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.transfer import methods
from engine.transfer.carrier import Task
from engine.transfer.carriers import Carriers
from engine.transfer.server_copy import CopyBetweenSites
from tests.fake_store import FakeStore
from tests.unit.transfer.passes import at_once
from tests.unit.transfer.scene import NOW_MS, Journal

ROUTE = Route("r", Location("bkt", "old/", "mine"), Location("out", "new/"))


class Scene:
    """Of the first object both accounts have a copy, of the others each has its own, or the target's has none."""

    def __init__(self) -> None:
        self.mine, self.theirs = FakeStore(), FakeStore()
        for store in (self.mine, self.theirs):
            store.put("s3://bkt/old/a", b"twin")
        self.events: list[Event] = []
        self.sites = Sites({name: site_of(it, name) for name, it in (("mine", self.mine), ("", self.theirs))})
        self.carriers = Carriers(self.sites, Journal(), self.events.append, lambda: NOW_MS, pause=at_once)

    def listed(self, key: str) -> ListedObject:
        held = self.mine.get(f"s3://bkt/old/{key}")
        assert held is not None
        return ListedObject(f"old/{key}", held.size, held.etag, held.modified)

    async def carry(self, key: str) -> Any:
        await self.sites.find_reading([ROUTE])
        carrier = self.carriers.carrier_for(ROUTE)
        assert isinstance(carrier, CopyBetweenSites), "what was asked for is a twin"
        return await carrier.carry(Task(ROUTE, key, self.listed(key), ABSENT))


def site_of(store: FakeStore, name: str) -> Site:
    return Site(name, "http://one", store, KnownTraits(store, trusted=False, site=name))


@pytest.mark.parametrize("there", [None, b"theirs"])
@pytest.mark.parametrize("by_parts", [False, True])
async def test_what_the_server_would_take_from_another_bucket_passes_through(
    there: bytes | None, by_parts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()
    scene.mine.put("s3://bkt/old/k", b"mine", properties=Properties(metadata=(("of", "mine"),)))
    if there is not None:
        scene.theirs.put("s3://bkt/old/k", there)
    if by_parts:
        monkeypatch.setattr(methods, "MAX_COPY_BYTES", 1)
    outcome = await scene.carry("k")
    assert (outcome.state, outcome.method) == (State.COPIED, "relay")
    copy = scene.theirs.get("s3://out/new/k")
    assert copy is not None and (copy.body, copy.properties.metadata) == (b"mine", (("of", "mine"),))
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["AnotherBucket"]
    assert scene.theirs.uploads == {}
    assert "out" not in scene.carriers.carrier_for(ROUTE).unpinned, "the pin is no refused one"


async def test_a_pin_that_is_refused_between_two_sites_is_left_out_where_both_see_one_object() -> None:
    scene = Scene()

    def before(name: str, request: Any) -> None:
        if name == "CopyObject" and request.source_etag:
            raise PreconditionFailed("no", operation=name)

    scene.theirs.before = before
    outcome = await scene.carry("a")
    assert (outcome.state, outcome.method) == (State.COPIED, "copy")
    assert [event.code for event in scene.events if isinstance(event, Notice)] == ["SourceUnpinned"]


async def test_a_404_of_what_both_sides_see_is_a_failure_as_ever() -> None:
    scene = Scene()
    scene.theirs.plan("CopyObject", *[("before", NotFound("no", operation="CopyObject"))] * 9)
    outcome = await scene.carry("a")
    assert (outcome.state, outcome.code) == (State.FAILED, "NotFound")
