"""The bucket, and what stops a run: no bucket, wrong credentials, another region, a wrong clock."""

from __future__ import annotations

import functools
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from engine.model import LifecycleConfiguration, Node, ObjectRef
from engine.plan.bucket_rules import same
from engine.s3 import places
from engine.s3.signing import Signer
from engine.store import (
    AskBucket,
    CopyObject,
    GetLifecycle,
    GetRange,
    HeadObject,
    ListPage,
    ListVersions,
    ObjectStore,
    PutLifecycle,
)
from tests.contract.ground import Contract, S3Hand, outcome, refusal

RULES = (
    Node(
        "Rule",
        "",
        (
            Node("ID", "tidy & <safe>"),
            Node("Filter", "", (Node("Prefix", "logs/"),)),
            Node("Status", "Enabled"),
            Node("Expiration", "", (Node("Days", "30"),)),
        ),
    ),
    Node(
        "Rule",
        "",
        (
            Node("ID", "uploads"),
            Node("Filter", "", (Node("Prefix", ""),)),
            Node("Status", "Disabled"),
            Node("AbortIncompleteMultipartUpload", "", (Node("DaysAfterInitiation", "7"),)),
        ),
    ),
)
NO_BUCKET = "contract-no-such-bucket-5b1c9a"


async def test_what_is_known_of_a_bucket(contract: Contract) -> None:
    facts = await contract.store.bucket_facts(AskBucket(contract.ground.bucket))
    assert facts.bucket == contract.ground.bucket
    assert facts.date.endswith("GMT")
    if not contract.ground.is_named:
        contract.holds("a bucket's region", facts.region, contract.ground.region)
        contract.holds("the owner of a bucket is known", bool(facts.owner_id), True)
        contract.holds("a bucket's versioning", facts.versioning, "")
        contract.holds("a bucket's lifecycle", facts.lifecycle, ())
        contract.holds("a bucket's encryption", facts.encryption, "AES256")


async def test_lifecycle_rules_come_back_as_they_were_given(contract: Contract) -> None:
    if contract.ground.is_named:
        return  # whose rules are not ours to write over
    store, bucket = contract.store, contract.ground.bucket
    assert await store.get_lifecycle(GetLifecycle(bucket)) == LifecycleConfiguration()
    given = LifecycleConfiguration(RULES)
    try:
        await store.put_lifecycle(PutLifecycle(bucket, given))
        came = await store.get_lifecycle(GetLifecycle(bucket))
        contract.holds("lifecycle rules come back", same(came._replace(least_size=""), given), True)
        contract.holds("what belongs to rules is told", came.least_size, "all_storage_classes_128K")
        facts = await store.bucket_facts(AskBucket(bucket))
        contract.holds(
            "a rule that expires is a fact", [item.rule_id for item in facts.lifecycle or ()], [RULES[0].one("ID").text]
        )
        await store.put_lifecycle(PutLifecycle(bucket, came))
    finally:
        await store.put_lifecycle(PutLifecycle(bucket, LifecycleConfiguration()))
    assert await store.get_lifecycle(GetLifecycle(bucket)) == LifecycleConfiguration()


async def test_versions_are_listed_newest_first_with_their_delete_markers(contract: Contract) -> None:
    hand, bucket = contract.ground.hand, f"versions-{uuid.uuid4().hex[:12]}"
    if contract.ground.is_named or not isinstance(hand, S3Hand):
        return  # versions are not ours to have kept there
    hand.make_bucket(bucket)
    hand.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key, sizes in (("p/a b+c", (1, 2)), ("p/gone", (3,)), ("q", (4,))):
        for size in sizes:
            hand.client.put_object(Bucket=bucket, Key=key, Body=b"x" * size)
    hand.client.delete_object(Bucket=bucket, Key="p/gone")
    page = await contract.store.list_versions(ListVersions(bucket, "p/"))
    found = [(item.key, item.size, item.is_latest, item.is_marker) for item in page.versions]
    promised = [
        *[("p/a b+c", 2, True, False), ("p/a b+c", 1, False, False)],
        *[("p/gone", 0, True, True), ("p/gone", 3, False, False)],
    ]
    contract.holds("versions are listed in order", found, promised)
    assert sorted(found) == sorted(promised) and page.next is None
    marker = next(item for item in page.versions if item.is_marker)
    later = await contract.store.list_versions(ListVersions(bucket, "p/", (marker.key, marker.version_id)))
    assert [(item.key, item.size) for item in later.versions] == [("p/gone", 3)]


async def test_a_bucket_that_is_not_there(contract: Contract) -> None:
    store, ref = contract.store, ObjectRef(NO_BUCKET, "key")
    promised = "BucketMissing NoSuchBucket run"
    assert await refusal(store.list_page(ListPage(NO_BUCKET))) == promised
    assert await refusal(store.get_range(GetRange(ref))) == promised
    assert await outcome(store.bucket_facts(AskBucket(NO_BUCKET))) == "BucketMissing"
    source = await refusal(store.copy_object(CopyObject(ref, contract.ref("target"))))
    contract.holds("CopyObject from a missing bucket", source, promised)


Ask = Callable[[ObjectStore], Awaitable[object]]


async def refusals(contract: Contract, store: ObjectStore) -> list[str]:
    """What a listing, a HEAD and a copy are refused with."""
    ref = contract.ref("one")
    return [
        await outcome(store.list_page(ListPage(contract.ground.bucket, contract.prefix))),
        await outcome(store.head_object(HeadObject(ref))),
        await outcome(store.copy_object(CopyObject(ref, contract.ref("two")))),
    ]


async def test_a_wrong_secret_stops_the_run(contract: Contract) -> None:
    await contract.put("one")
    store = await contract.open_store(AWS_SECRET_ACCESS_KEY="not the secret")
    contract.holds("a wrong secret", await refusals(contract, store), ["BadCredentials"] * 3)


async def test_an_unknown_access_key_stops_the_run(contract: Contract) -> None:
    await contract.put("one")
    store = await contract.open_store(AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE")
    contract.holds("an unknown access key", await refusals(contract, store), ["BadCredentials"] * 3)


async def test_another_region_stops_the_run(contract: Contract) -> None:
    await contract.put("one")
    if contract.ground.is_named:
        return  # the region of a named bucket is asked for, whatever the environment says
    store = await contract.open_store(AWS_REGION="eu-central-1", AWS_DEFAULT_REGION="eu-central-1")
    contract.holds("another region", await refusals(contract, store), ["WrongRegion"] * 3)


async def test_a_wrong_clock_stops_the_run(contract: Contract, monkeypatch: pytest.MonkeyPatch) -> None:
    await contract.put("one")
    an_hour_ago = functools.partial(Signer, clock=lambda: time.time() - 3600)
    monkeypatch.setattr(places, "Signer", an_hour_ago)
    import botocore.auth

    now = botocore.auth.get_current_datetime

    def late(*args: Any, **more: Any) -> Any:
        return now(*args, **more) - timedelta(hours=1)

    monkeypatch.setattr(botocore.auth, "get_current_datetime", late)
    store = await contract.open_store()
    contract.holds("a clock an hour late", await refusals(contract, store), ["ClockSkew"] * 3)
