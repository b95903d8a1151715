"""Two names of the same objects are found out by an object of our own, in either direction; what cannot be tried is not
a no; and nothing of it is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.errors import AccessDenied, Ambiguous, PreconditionFailed
from engine.finish import names
from engine.finish.names import Finding, Pair, Seen, pairs_of, remove, try_pairs
from engine.model import Location, ObjectRef
from engine.plan.document import Plan
from engine.plan.own import PROBE, is_own
from tests.fake_store import FakeStore, everywhere

PAIR = Pair(Location("old", "data/"), Location("new", "project/data/"))


class Linked(FakeStore):
    """A request for one place is carried out at another."""

    links: Callable[[str, ObjectRef], ObjectRef] = staticmethod(lambda operation, ref: ref)

    async def _do(self, operation: str, request: Any, key: str, effect: Any) -> Any:
        if hasattr(request, "ref"):
            request = request._replace(ref=self.links(operation, request.ref))
        return await super()._do(operation, request, key, effect)


def denied(*operations: str, place: str = "") -> Callable[[str, Any], None]:
    def before(operation: str, request: Any) -> None:
        at = request.ref if hasattr(request, "ref") else ObjectRef(request.bucket, request.prefix)
        if operation in operations and str(at).startswith(place):
            raise AccessDenied("not allowed", operation=operation, ref=str(at), code="AccessDenied")

    return before


class Notes:
    """What would be known of probes after a crash, at each moment."""

    def __init__(self) -> None:
        self.now: list[Location] = []
        self.first: list[Location] = []

    async def __call__(self, probes: Sequence[Location]) -> None:
        self.now = list(probes)
        self.first = self.first or self.now


async def found(store: FakeStore, pair: Pair = PAIR) -> Finding:
    store.requests.clear()
    notes = Notes()
    (finding,) = await try_pairs(everywhere(store), [pair], notes)
    assert not store.objects, "something was left"
    assert notes.now == []
    made = {request.ref.key.rpartition("/")[2] for request in store.made("PutObject")}
    assert made <= {ref.key.rpartition("/")[2] for ref in notes.first}
    return finding


async def test_two_places_are_apart() -> None:
    store = FakeStore()
    assert (await found(store)).seen is Seen.APART
    assert [str(request.ref).rpartition(PROBE)[0] for request in store.made("PutObject")] == [
        "s3://new/project/data/",
        "s3://old/data/",
    ]
    assert all(is_own(request.ref.key) for request in store.made("PutObject"))


def link(one: str, other: str) -> Callable[[str, ObjectRef], ObjectRef]:
    """Everything at `one` is at `other`."""

    def leads(operation: str, ref: ObjectRef) -> ObjectRef:
        bucket, _, key = str(ref).replace(one, other, 1).removeprefix("s3://").partition("/")
        return ObjectRef(bucket, key)

    return leads


@pytest.mark.parametrize(
    "links",
    [
        pytest.param(link("s3://new/project/data/", "s3://old/data/"), id="a folder that leads to the other"),
        pytest.param(
            lambda operation, ref: (
                ObjectRef("old", ref.key.removeprefix("project/")) if operation == "HeadObject" else ref
            ),
            id="a target that hands on what it does not hold",
        ),
        pytest.param(
            lambda operation, ref: (
                ObjectRef("new", f"project/{ref.key.removeprefix('project/')}") if operation == "HeadObject" else ref
            ),
            id="a source that hands on what it does not hold",
        ),
    ],
)
async def test_the_same_objects_by_two_names_are_found_out(links: Callable[[str, ObjectRef], ObjectRef]) -> None:
    store = Linked()
    store.links = links
    finding = await found(store)
    assert finding.seen is Seen.SAME
    assert "an object put to s3://" in finding.why


async def test_a_second_name_of_a_bucket_is_found_out_under_any_key() -> None:
    store = Linked()
    store.links = lambda operation, ref: ObjectRef("old", ref.key)
    same = Pair(Location("old", "data/"), Location("new", "data/"))
    assert (await found(store, same)).seen is Seen.SAME
    assert (await found(store)).seen is Seen.APART  # another key of the one bucket is another object


@pytest.mark.parametrize("place", ["s3://old/", "s3://new/"])
async def test_what_may_not_be_put_or_looked_at_is_not_known(place: str) -> None:
    store = FakeStore()
    store.before = denied("PutObject", place=place)
    finding = await found(store)
    assert finding.seen is Seen.UNKNOWN and f"nothing could be put to {place}" in finding.why
    store.before = denied("HeadObject", "ListObjectsV2", place=place)
    finding = await found(store)
    assert finding.seen is Seen.UNKNOWN and "could not be looked at" in finding.why


@pytest.mark.parametrize("minutes, seen", [(14, Seen.APART), (16, Seen.UNKNOWN)])
async def test_a_trial_that_slept_until_others_may_have_removed_its_objects_knows_nothing(
    minutes: float, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `check --write` clears what a killed trial left a quarter of an hour ago, and cannot tell it from this one."""
    store, now = Linked(), [1e6]
    store.links = link("s3://new/project/data/", "s3://old/data/")
    monkeypatch.setattr(names, "now_s", lambda: now[0])

    def asleep(operation: str, request: Any) -> None:
        if operation == "HeadObject":
            now[0] += minutes * 60 / 2  # it is looked for at two places
            store.objects.clear()

    store.before = asleep
    assert (await found(store)).seen is seen


async def test_one_side_that_shows_it_is_enough() -> None:
    store = Linked()
    store.links = link("s3://new/project/data/", "s3://old/data/")
    asked = 0

    def once(operation: str, request: Any) -> None:
        nonlocal asked
        if operation == "PutObject":
            asked += 1
            if asked == 1:
                raise AccessDenied("not allowed", operation=operation, code="AccessDenied")

    store.before = once
    assert (await found(store)).seen is Seen.SAME


@pytest.mark.parametrize("linked", [False, True])
async def test_who_may_only_list_finds_out_by_listing(linked: bool) -> None:
    store = Linked()
    if linked:
        store.links = link("s3://new/project/data/", "s3://old/data/")
    store.before = denied("HeadObject")
    assert (await found(store)).seen is (Seen.SAME if linked else Seen.APART)


async def test_what_was_put_without_an_answer_is_put_again_and_removed() -> None:
    store = FakeStore()
    store.plan("PutObject", ("after", Ambiguous("no answer", operation="PutObject", code="Lost")))
    store.plan(
        "DeleteObject", ("before", PreconditionFailed("no", operation="DeleteObject", code="PreconditionFailed"))
    )
    assert (await found(store)).seen is Seen.APART


async def test_what_could_not_be_removed_stays_noted() -> None:
    store = FakeStore()
    store.before = denied("DeleteObject")
    notes = Notes()
    await try_pairs(everywhere(store), [PAIR], notes)
    assert {(where.bucket, where.key) for where in notes.now} == set(store.objects) and len(notes.now) == 2
    store.before = None
    assert await remove(everywhere(store), notes.now) == []
    assert not store.objects


def test_each_two_folders_are_tried_once_and_no_folder_with_itself() -> None:
    plan = Plan.parse(
        """
name = "p"
bucket = "old"
[[routes]]
name = "a"
from = "/data/a.bin"
to = "s3://new/data/a.bin"
[[routes]]
name = "b"
from = "/data/b.bin"
to = "s3://new/data/b.bin"
[[routes]]
name = "renamed"
from = "/top"
to = "/pot"
[[routes]]
name = "whole"
from = "s3://third/"
to = "s3://fourth/copy/"
""",
        source="p.toml",
    )
    assert pairs_of(plan.routes) == [
        Pair(Location("old", "data/"), Location("new", "data/")),
        Pair(Location("third", ""), Location("fourth", "copy/")),
    ]
