"""`verify --properties`: what the contract gives the target, and what it lacks, kept with the object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import AccessDenied
from engine.model import Encryption, ObjectLock, ObjectRef, Properties
from engine.plan.document import Plan
from engine.plan.record import AGREE
from engine.proof.judge import Kind
from engine.store import GetTags
from engine.transfer.comparing import differences
from tests.unit.proof.scene import Scene

FULL = Properties(
    content_type="image/png",
    content_encoding="gzip",
    content_disposition="inline",
    content_language="ja",
    cache_control="max-age=60",
    expires="Thu, 01 Jan 2026 00:00:00 GMT",
    metadata=(("card", "25"), ("set", "base")),
)
TAGS = (("project", "pokemon"),)


async def test_properties_that_arrived_agree_and_cost_a_head_a_side(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", b"abc", properties=FULL, tags=TAGS)
    scene.copied("plain", b"abc")
    assert (await scene.verify()).properties_compared == 0
    scene.store.requests.clear()
    report = await scene.verify(properties=True)
    assert report.agrees and report.properties_compared == 2
    # No tags are asked for where there are none.
    assert scene.store.counts == {"ListObjectsV2": 2, "HeadObject": 4, "GetObjectTagging": 2}
    assert {record.properties for record in (await scene.records()).values()} == {AGREE}


async def test_what_the_target_did_not_take_is_named_and_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", b"abc", properties=FULL, tags=TAGS)
    target = scene.store.objects[ObjectRef("bucket", "dst/k")]
    target.properties = Properties(content_type="binary/octet-stream", metadata=(("card", "25"),), tags=())
    report = await scene.verify(properties=True)
    assert [(item.key, item.kind) for item in report.differences] == [("k", Kind.PROPERTIES)]
    record = (await scene.records())["k"]
    assert record.state.value == "verified"  # its bytes are proven, whatever its headers say
    for said in (
        "content_type is 'binary/octet-stream', wanted 'image/png'",
        "content_encoding is missing, wanted 'gzip'",
        "metadata.set is missing, wanted 'base'",
        "tags.project is missing, wanted 'pokemon'",
    ):
        assert said in record.properties
    assert "card" not in record.properties
    target.properties = FULL._replace(tags=TAGS)
    assert (await scene.verify(properties=True)).agrees
    assert (await scene.records())["k"].properties == AGREE


async def test_the_route_s_own_values_are_what_is_wanted(tmp_path: Path) -> None:
    scene = Scene(
        tmp_path,
        tags={"cost": "9"},
        metadata={"set": "neo"},
        properties={"content_headers": {"cache_control": "no-store"}},
    )
    scene.copied("k", b"abc", properties=FULL, tags=TAGS)
    message = (await scene.verify(properties=True)).differences[0].message
    assert message == (
        "cache_control is 'max-age=60', wanted 'no-store'; metadata.set is 'base', wanted 'neo'; "
        "tags.cost is missing, wanted '9'; tags.project is 'pokemon', wanted ''"
    )


async def test_tags_that_may_not_be_read_are_said_to_be_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.copied("k", b"abc", tags=TAGS)

    async def denied(request: GetTags) -> Any:
        raise AccessDenied("no", operation="GetObjectTagging", code="AccessDenied")

    scene.store.get_tags = denied  # type: ignore[method-assign]
    report = await scene.verify(properties=True)
    assert report.differences[0].kind is Kind.UNREAD and "TagsDenied" in report.differences[0].message


@pytest.mark.parametrize("given", [(), TAGS])
async def test_fewer_tags_than_a_look_counts_are_not_taken_for_all(tmp_path: Path, given: tuple[Any, ...]) -> None:
    """They are on both sides, and neither tells."""
    scene = Scene(tmp_path)
    scene.copied("k", b"abc", tags=(*TAGS, ("team", "a")))

    async def fewer(request: GetTags) -> Any:
        return given

    scene.store.get_tags = fewer  # type: ignore[method-assign]
    (found,) = (await scene.verify(properties=True)).differences
    assert found.kind is Kind.UNREAD
    assert f"S3 gives {len(given)}, and HEAD counts 2" in found.message and "TagsUnreadable" in found.message


LOCK = ObjectLock("GOVERNANCE", "2031-01-01T00:00:00Z", True)


async def test_a_lock_that_may_not_be_read_is_not_taken_for_none(tmp_path: Path) -> None:
    scene = Scene(tmp_path, properties={"lock": "preserve"})
    scene.store.versioned = {"bucket"}
    scene.copied("k", b"abc", properties=Properties(lock=LOCK))
    scene.store.objects[ObjectRef("bucket", "dst/k")].properties = Properties()
    scene.store.hides_locks = True
    report = await scene.verify(properties=True)
    assert report.differences[0].kind is Kind.UNREAD and "LockDenied" in report.differences[0].message
    scene.store.hides_locks = False
    assert [item.kind for item in (await scene.verify(properties=True)).differences] == [Kind.PROPERTIES]


async def test_a_lock_is_not_asked_for_where_there_can_be_none_or_the_route_leaves_it_behind(tmp_path: Path) -> None:
    for rules, versioned in (({"lock": "preserve"}, set[str]()), ({}, {"bucket"})):
        scene = Scene(tmp_path / str(len(rules)), properties=rules)
        (tmp_path / str(len(rules))).mkdir()
        scene.store.versioned, scene.store.hides_locks = versioned, True
        scene.copied("k", b"abc")
        assert (await scene.verify(properties=True)).agrees
        assert scene.store.counts == {"ListObjectsV2": 2, "HeadObject": 2}


KEY = "arn:aws:kms:us-east-2:1:key/abc"


@pytest.mark.parametrize(
    ("rules", "wanted", "there", "said"),
    [
        ({}, Encryption("aws:kms", KEY), Encryption("AES256"), []),
        ({"encryption": "preserve"}, Encryption("aws:kms", KEY, True), Encryption("aws:kms", KEY, True), []),
        ({"encryption": "preserve"}, Encryption("aws:kms", "abc"), Encryption("aws:kms", KEY), []),
        ({"encryption": "preserve"}, Encryption("aws:kms", KEY, True), Encryption("aws:kms", KEY), ["encryption"]),
        ({"encryption": "preserve"}, Encryption("aws:kms", KEY), None, ["encryption"]),
        ({"lock": "preserve"}, ObjectLock("GOVERNANCE", "2030-01-01T00:00:00Z"), None, ["lock"]),
        (
            {"lock": "preserve"},
            ObjectLock("GOVERNANCE", "2030-01-01T00:00:00Z"),
            ObjectLock("GOVERNANCE", "2030-01-01T00:00:00.000Z"),
            [],
        ),
        ({}, ObjectLock("GOVERNANCE", "2030-01-01T00:00:00Z"), None, []),
    ],
)
def test_encryption_and_lock_count_only_where_the_route_keeps_them(
    rules: dict[str, Any], wanted: Any, there: Any, said: list[str]
) -> None:
    route = Plan.of("s3://bucket/a/", "s3://bucket/b/", properties=rules).routes[0]
    name = "lock" if isinstance(wanted, ObjectLock) else "encryption"
    found = differences(route, Properties(**{name: wanted}), Properties(**{name: there}))
    assert [item.split()[0] for item in found] == said
