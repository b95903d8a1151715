"""CopyObject: what it carries over, what it is pinned to, and what it says."""

from __future__ import annotations

import hashlib

import pytest

from engine import crc
from engine.model import ABSENT, Checksum, ObjectRef, Properties
from engine.store import CopyObject, GetRange, GetTags, HeadObject
from tests.contract.ground import Contract, outcome, refusal

BODY = b"a card's picture"
ETAG = hashlib.md5(BODY).hexdigest()
OTHER_ETAG = "0" * 32
CARRIED = Properties(content_type="image/png", metadata=(("set", "base1"),), tags=(("project", "pokemon"),))


async def test_a_copy_is_the_same_bytes_under_the_same_etag(contract: Contract) -> None:
    source = await contract.put("source", BODY, properties=CARRIED)
    target = contract.ref("target")
    result = await contract.store.copy_object(CopyObject(source, target, ETAG))
    assert result.etag == ETAG
    contract.holds("CopyObject says when", len(result.modified), 24)
    assert (await contract.store.get_range(GetRange(target))).data == BODY
    head = await contract.store.head_object(HeadObject(target))
    assert (head.properties.content_type, head.properties.metadata) == ("image/png", CARRIED.metadata)
    assert await contract.store.get_tags(GetTags(target)) == CARRIED.tags


async def test_a_source_that_changed_is_not_copied(contract: Contract) -> None:
    source, target = await contract.put("source", BODY), contract.ref("target")
    observed = await refusal(contract.store.copy_object(CopyObject(source, target, OTHER_ETAG)))
    if contract.holds("CopyObject copy-source-if-match", observed, "PreconditionFailed PreconditionFailed object"):
        assert await outcome(contract.store.head_object(HeadObject(target))) == "NotFound"


async def test_a_target_that_is_there_is_left(contract: Contract) -> None:
    source, target = await contract.put("source", BODY), await contract.put("target", b"other")
    observed = await outcome(contract.store.copy_object(CopyObject(source, target, ETAG, ABSENT)))
    if contract.holds("CopyObject If-None-Match", observed, "PreconditionFailed"):
        assert (await contract.store.get_range(GetRange(target))).data == b"other"


async def test_a_target_that_is_absent_is_made(contract: Contract) -> None:
    source, target = await contract.put("source", BODY), contract.ref("target")
    observed = await outcome(contract.store.copy_object(CopyObject(source, target, ETAG, ABSENT)))
    if contract.holds("CopyObject If-None-Match of an absent target", observed, "done"):
        assert (await contract.store.head_object(HeadObject(target))).etag == ETAG


async def test_a_target_is_replaced_only_under_the_etag_that_was_seen(contract: Contract) -> None:
    source, target = await contract.put("source", BODY), await contract.put("target", b"other")
    observed = await outcome(contract.store.copy_object(CopyObject(source, target, ETAG, OTHER_ETAG)))
    if contract.holds("CopyObject If-Match", observed, "PreconditionFailed"):
        assert (await contract.store.get_range(GetRange(target))).data == b"other"
    seen = hashlib.md5(b"other").hexdigest()
    target = await contract.put("target", b"other")
    observed = await outcome(contract.store.copy_object(CopyObject(source, target, ETAG, seen)))
    contract.holds("CopyObject If-Match of what is there", observed, "done")


async def test_a_missing_source_is_not_found(contract: Contract) -> None:
    call = contract.store.copy_object(CopyObject(contract.ref("missing"), contract.ref("target"), ETAG))
    contract.holds("CopyObject of a missing key", await refusal(call), "NotFound NoSuchKey object")


async def test_the_storage_class_is_the_requests(contract: Contract) -> None:
    source = await contract.put("source", BODY, properties=Properties(storage_class="STANDARD_IA"))
    await contract.store.copy_object(CopyObject(source, contract.ref("plain"), ETAG))
    await contract.store.copy_object(CopyObject(source, contract.ref("cold"), ETAG, storage_class="STANDARD_IA"))
    classes = [
        (await contract.store.head_object(HeadObject(contract.ref(name)))).properties.storage_class
        for name in ("plain", "cold")
    ]
    contract.holds("CopyObject's storage class", classes, ["STANDARD", "STANDARD_IA"])


async def test_properties_are_replaced_as_a_whole(contract: Contract) -> None:
    source, target = await contract.put("source", BODY, properties=CARRIED), contract.ref("target")
    properties = Properties(content_type="text/plain", cache_control="no-store", metadata=(("new", "1"),))
    await contract.store.copy_object(
        CopyObject(source, target, ETAG, properties=properties, replace_tags=(("a b", "c/d"),))
    )
    found = (await contract.store.head_object(HeadObject(target))).properties
    assert (found.content_type, found.cache_control, found.metadata) == ("text/plain", "no-store", (("new", "1"),))
    contract.holds("CopyObject replaces tags", await contract.store.get_tags(GetTags(target)), (("a b", "c/d"),))


async def test_a_copy_is_given_the_checksum_that_is_asked_for(contract: Contract) -> None:
    source, target = await contract.put("source", BODY), contract.ref("target")
    result = await contract.store.copy_object(CopyObject(source, target, ETAG, checksum_algorithm="CRC64NVME"))
    value = crc.to_base64("CRC64NVME", crc.crc("CRC64NVME", BODY))
    promised = (Checksum("CRC64NVME", "FULL_OBJECT", value),)
    contract.holds("CopyObject answers with the checksum", result.checksums, promised)
    head = await contract.store.head_object(HeadObject(target, checksums=True))
    contract.holds("HEAD of a copy shows its checksum", head.checksums, promised)


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
async def test_an_archived_source_must_be_restored_first(contract: Contract, storage_class: str) -> None:
    source = contract.ref("source")
    observed = await outcome(contract.put("source", BODY, properties=Properties(storage_class=storage_class)))
    if not contract.holds(f"{storage_class} can be put", observed, "done"):
        return
    copied = await refusal(contract.store.copy_object(CopyObject(source, contract.ref("target"), ETAG)))
    contract.holds(f"copying from {storage_class}", copied, "Archived InvalidObjectState object")
    read = await refusal(contract.store.get_range(GetRange(source, 0, 0)))
    contract.holds(f"reading from {storage_class}", read, "Archived InvalidObjectState object")


async def test_a_missing_target_bucket_stops_the_run(contract: Contract) -> None:
    source = await contract.put("source", BODY)
    target = ObjectRef("contract-no-such-bucket-5b1c9a", "target")
    assert (
        await refusal(contract.store.copy_object(CopyObject(source, target, ETAG))) == "BucketMissing NoSuchBucket run"
    )
