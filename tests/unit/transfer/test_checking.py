"""`check --write` names whatever it made and does not know to be gone; denied is not gone."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.errors import AccessDenied, Ambiguous
from engine.model import Location, ObjectRef, Properties
from engine.plan.sizes import moment_ms
from engine.sites import trial
from engine.sites.clock import time_text
from engine.sites.known import STILL_COMING_MS
from engine.sites.older_probes import remove_older
from engine.sites.trial import probe_at
from engine.store import CreateUpload
from engine.transfer.checking import try_reading, try_writing
from tests.fake_store import FakeStore

WHERE = Location("bkt", "new/")


def denying(*operations: str) -> FakeStore:
    store = FakeStore()

    def before(name: str, _: Any) -> None:
        if name in operations:
            raise AccessDenied("no", operation=name)

    store.before = before
    return store


def there(store: FakeStore) -> set[str]:
    """The keys of what is there, unfinished uploads too."""
    return {key for _, key in store.objects} | {upload.request.target.key for upload in store.uploads.values()}


async def test_what_may_be_deleted_is_gone() -> None:
    store = FakeStore()
    trials, left = await try_writing(store, WHERE)
    assert {item.verdict for item in trials} == {"allowed"}
    assert left == [] and there(store) == set()


async def test_what_is_stopped_on_its_way_leaves_nothing_either() -> None:
    """By one Ctrl-C, that is: a cancellation, in any of its requests, also those that remove."""
    tried, trying = 0, True
    while trying:
        tried, store, left = tried + 1, FakeStore(), list[ObjectRef]()
        with anyio.CancelScope() as scope:
            store.before = stopping_at(tried, scope)
            await try_writing(store, WHERE, left)
            trying = False
        assert (left, there(store)) == ([], set()), tried
    assert tried > 10


async def test_what_cannot_be_removed_in_time_by_one_who_is_stopped_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "REMOVAL_S", 0)
    store, left = FakeStore(), list[ObjectRef]()
    with anyio.CancelScope() as scope:
        store.before = stopping_at(2, scope)
        await try_writing(store, WHERE, left)
    assert {ref.key for ref in left} == there(store) != set()


def stopping_at(number: int, scope: anyio.CancelScope) -> Callable[[str, Any], Awaitable[None]]:
    """Cancels a scope before the request of this number."""
    asked = itertools.count(1)

    async def before(_: str, __: Any) -> None:
        if next(asked) == number:
            scope.cancel()
        await anyio.lowlevel.checkpoint()

    return before


async def test_what_killed_checks_left_is_removed_a_quarter_of_an_hour_later() -> None:
    store = FakeStore()
    old, young = probe_at(WHERE), probe_at(WHERE)
    others = {"new/.cartage-probe-notes.txt", f"{old.key[:-1]}0-report.pdf", f"{old.key}/.cartage-claim"}
    for key in (old.key, f"{old.key}-copy", young.key, *others):
        store.put(f"s3://bkt/{key}")
    await store.create_upload(CreateUpload(ObjectRef("bkt", f"{old.key}-parts"), Properties()))
    modified = moment_ms(store.objects["bkt", old.key].modified)
    assert modified is not None
    assert await remove_older(store, WHERE, modified + STILL_COMING_MS) == []
    assert len(there(store)) == 7
    later = time_text(modified + STILL_COMING_MS)
    store.objects["bkt", young.key].modified = later
    assert await remove_older(store, WHERE, modified + STILL_COMING_MS + 60_000) == []
    assert there(store) == {young.key, *others}


async def test_a_head_that_is_denied_does_not_make_an_object_gone() -> None:
    store = denying("HeadObject", "DeleteObject")
    _, left = await try_writing(store, WHERE)
    assert len(left) == 2 and {ref.key for ref in left} == there(store)


async def test_an_upload_that_may_be_neither_aborted_nor_listed_is_named() -> None:
    for denied in (["AbortMultipartUpload"], ["AbortMultipartUpload", "ListMultipartUploads"]):
        store = denying(*denied)
        _, left = await try_writing(store, WHERE)
        assert len(left) == 1 and {ref.key for ref in left} == there(store)


async def test_where_uploads_may_not_be_listed_an_abort_of_our_own_tells() -> None:
    store = denying("ListMultipartUploads")
    assert (await try_writing(store, WHERE))[1] == []


async def test_what_a_lost_answer_made_is_removed_and_the_answer_is_not_known() -> None:
    for operation in ("PutObject", "CopyObject", "CreateMultipartUpload"):
        store = FakeStore()
        store.plan(operation, ("after", Ambiguous("reset", operation=operation)))
        trials, left = await try_writing(store, WHERE)
        assert [item.verdict for item in trials].count("not known") == 1, operation
        assert left == [] and there(store) == set()


async def test_where_nothing_may_be_put_nothing_is_left() -> None:
    store = denying("PutObject", "HeadObject", "ListObjectsV2", "DeleteObject")
    trials, left = await try_writing(store, WHERE)
    assert left == [] and [item.verdict for item in trials] == ["denied", *["not tried"] * 3]


async def test_what_could_not_be_listed_is_not_said_to_be_empty() -> None:
    listed, *others = await try_reading(denying("ListObjectsV2"), WHERE)
    assert listed.verdict == "denied"
    assert [item.reason for item in others[:2]] == ["nothing could be listed"] * 2
    assert [item.reason for item in (await try_reading(FakeStore(), WHERE))[1:3]] == [
        "there is no object to try it on"
    ] * 2
