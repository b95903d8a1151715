"""`check --write` names whatever it made and does not know to be gone; denied is not gone."""

from __future__ import annotations

from typing import Any

from engine.errors import AccessDenied, Ambiguous
from engine.model import Location
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
