"""A condition that the server refuses is left out, said, kept, and never mistaken for another one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.errors import NotFound, PreconditionFailed, Rejected, StoreError, Unsupported
from engine.events import Notice
from engine.model import ABSENT
from engine.plan.lifecycle import State
from engine.transfer.guard import FORMS, Form
from tests.fake_store import FakeStore, md5
from tests.unit.transfer.scene import Bench, target


def unsupported(name: str) -> StoreError:
    return Unsupported("no conditions here", operation=name, code="NotImplemented")


def unmet(name: str) -> StoreError:
    return PreconditionFailed("no", operation=name)


def refusing(store: FakeStore, make: Callable[[str], StoreError], *kinds: str) -> None:
    """From now on the server refuses these conditions: "pin", "guard", or both at once."""

    def before(name: str, request: Any) -> None:
        if name in ("CopyObject", "UploadPartCopy", "CompleteMultipartUpload") and (
            ("pin" in kinds and getattr(request, "source_etag", None))
            or ("guard" in kinds and getattr(request, "target_condition", None))
        ):
            raise make(name)

    store.before = before


def bench(*, trusted: bool = True) -> Bench:
    store = FakeStore()
    store.put("s3://bkt/old/k")
    store.put("s3://bkt/old/l")
    return Bench(store, trusted=trusted)


REFUSED = [
    (("pin",), {"copy_pins"}, ["SourceUnpinned"]),
    (("guard",), {"copy_if_absent"}, ["TargetUnguarded"]),
    (("pin", "guard"), {"copy_pins", "copy_if_absent"}, ["SourceUnpinned", "TargetUnguarded"]),
]


@pytest.mark.parametrize("make", [unsupported, unmet])
@pytest.mark.parametrize(("kinds", "traits", "codes"), REFUSED)
async def test_what_is_refused_is_left_out_and_nothing_else_is(
    make: Callable[[str], StoreError], kinds: tuple[str, ...], traits: set[str], codes: list[str]
) -> None:
    scene = bench()
    refusing(scene.store, make, *kinds)
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    scene.store.requests.clear()
    assert (await scene.carrier.carry(scene.task("l"))).state is State.COPIED
    (request,) = scene.store.made("CopyObject")  # from then on without asking again
    assert (request.source_etag is None) == ("pin" in kinds)
    assert request.target_condition == (None if "guard" in kinds else ABSENT)
    assert scene.conditions.refused == {"bkt": traits}
    assert scene.conditions.unpinned == ({"bkt"} if "pin" in kinds else set())
    assert [event.code for event in scene.events if isinstance(event, Notice)] == codes


async def test_a_pin_of_multipart_etags_that_is_refused_says_nothing_of_plain_ones() -> None:
    """As OpenStack Swift answers: 412 to the ETag of its own multipart object."""
    scene = bench()
    scene.store.put_parts("s3://bkt/old/m", [5 << 20, 1 << 20])

    def before(name: str, request: Any) -> None:
        if name in ("CopyObject", "UploadPartCopy") and "-" in (request.source_etag or ""):
            raise unmet(name)

    scene.store.before = before
    assert (await scene.carrier.carry(scene.task("m"))).state is State.COPIED
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    assert scene.store.made("CopyObject")[-1].source_etag
    assert scene.conditions.refused == {"bkt": {"part_pins_parts"}}
    assert scene.conditions.unpinned == {"bkt"}
    assert scene.store.uploads == {}


async def test_a_part_of_a_source_that_changed_is_drift_and_no_refusal() -> None:
    scene = bench()
    scene.store.put_parts("s3://bkt/old/m", [5 << 20, 1 << 20])
    task = scene.task("m")

    def change() -> None:
        scene.store.put("s3://bkt/old/m", etag=md5("new"))

    scene.store.plan("UploadPartCopy", ("before", change))
    assert (await scene.carrier.carry(task)).state is State.DRIFTED
    assert scene.conditions.refused == {}


@pytest.mark.parametrize("make", [unsupported, unmet])
async def test_an_upload_is_completed_without_the_condition_that_is_refused(make: Callable[[str], StoreError]) -> None:
    scene = bench()
    scene.store.put_parts("s3://bkt/old/m", [5 << 20, 1 << 20])
    refusing(scene.store, make, "guard")
    assert (await scene.carrier.carry(scene.task("m"))).state is State.COPIED
    assert scene.conditions.refused == {"bkt": {"complete_guarded"}}
    assert len(scene.store.made("CreateMultipartUpload")) == 1


async def test_a_400_is_a_refusal_only_where_the_condition_is_not_known_to_hold() -> None:
    for trusted in (True, False):
        scene = bench(trusted=trusted)
        refusing(scene.store, lambda name: Rejected("what header?", operation=name, code="InvalidArgument"), "pin")
        outcome = await scene.carrier.carry(scene.task())
        assert (outcome.state is State.COPIED) != trusted


async def test_a_copy_that_is_refused_without_any_condition_too_fails_in_S3s_words() -> None:
    scene = bench()
    scene.store.before = lambda name, request: _raise(unsupported(name)) if name == "CopyObject" else None
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code) == (State.FAILED, "NotImplemented")
    assert scene.conditions.refused == {}
    assert [event for event in scene.events if isinstance(event, Notice)] == []


async def test_while_a_condition_is_doubted_a_changed_source_is_drift_and_a_foreign_target_a_conflict() -> None:
    scene = bench()
    task = scene.task()
    refusing(scene.store, unmet, "pin")
    scene.store.put("s3://bkt/new/k", 99, etag=md5("foreign"))
    assert (await scene.carrier.carry(task)).state is State.CONFLICT
    scene.store.put("s3://bkt/old/k", etag=md5("new"))
    assert (await scene.carrier.carry(task)).state is State.DRIFTED
    assert scene.conditions.refused == {}


async def test_not_found_of_a_source_that_is_there_fails_in_S3s_words() -> None:
    """As s3rver answers for keys with "+" or "&"."""
    scene = bench()
    said = NotFound("The specified key does not exist.", operation="CopyObject", code="NoSuchKey")
    scene.store.before = lambda name, request: _raise(said) if name == "CopyObject" else None
    outcome = await scene.carrier.carry(scene.task())
    assert (outcome.state, outcome.code, outcome.message) == (State.FAILED, "NoSuchKey", said.message)
    assert target(scene.store) is None


async def test_what_is_copied_without_a_known_pin_is_to_be_listed_again() -> None:
    scene = bench(trusted=False)
    assert (await scene.carrier.carry(scene.task())).state is State.COPIED
    assert scene.store.made("CopyObject")[0].source_etag  # sent all the same
    assert scene.conditions.unpinned == {"bkt"}


def test_a_lesser_form_leaves_the_pin_out_first_and_adds_nothing() -> None:
    assert list(FORMS[Form(True, True)])[1:] == [Form(False, True), Form(True, False), Form(False, False)]
    for full, forms in FORMS.items():
        assert forms[0] == full
        assert all(form.pinned <= full.pinned and form.guarded <= full.guarded for form in forms)


def _raise(error: BaseException) -> None:
    raise error
