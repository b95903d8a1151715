"""HeadObject, PutObject, GetObject and tags: what is put comes back, and conditions are kept."""

from __future__ import annotations

import base64
import hashlib
import zlib

import pytest

from engine import crc
from engine.model import ABSENT, RESTORING, Checksum, Properties
from engine.store import GetRange, GetTags, HeadObject, ListPage, PutObject, PutTags, RestoreObject
from tests.contract.ground import Contract, outcome, refusal

PROPERTIES = Properties(
    content_type="image/png",
    content_encoding="gzip",
    content_disposition='attachment; filename="a b.png"',
    content_language="en",
    cache_control="max-age=60, public",
    expires="Wed, 21 Oct 2026 07:28:00 GMT",
    metadata=(("empty", ""), ("origin", "camera 7"), ("set", "base1")),
    tags=(("project", "pokemon cards"), ("stage", "a/b+c=d")),
    storage_class="STANDARD_IA",
)


async def test_properties_come_back_as_they_were_put(contract: Contract) -> None:
    ref = await contract.put("one", properties=PROPERTIES)
    head = await contract.store.head_object(HeadObject(ref))
    found = head.properties
    for name in ("content_type", "content_encoding", "content_disposition", "content_language", "cache_control"):
        contract.holds(f"{name} is kept", getattr(found, name), getattr(PROPERTIES, name))
    contract.holds("expires is kept", found.expires, PROPERTIES.expires)
    contract.holds("the storage class is kept", found.storage_class, "STANDARD_IA")
    metadata = dict(found.metadata)
    contract.holds("metadata without a value is kept", metadata.pop("empty", None), "")
    assert metadata == {"origin": "camera 7", "set": "base1"}
    assert contract.holds("HEAD counts tags", head.tag_count, 2) or head.tag_count is None
    assert sorted(await contract.store.get_tags(GetTags(ref))) == sorted(PROPERTIES.tags or ())


async def test_head_says_size_etag_and_the_servers_clock(contract: Contract) -> None:
    ref = await contract.put("one", b"12345")
    head = await contract.store.head_object(HeadObject(ref))
    assert (head.size, head.etag) == (5, hashlib.md5(b"12345").hexdigest())
    assert (head.part_size, head.restore, head.archive_status) == (None, "", "")
    assert head.date.endswith("GMT")
    assert len(head.modified) == 24


async def test_a_missing_key_is_not_found(contract: Contract) -> None:
    missing = contract.ref("missing")
    assert await refusal(contract.store.head_object(HeadObject(missing))) == "NotFound 404 object"
    assert await refusal(contract.store.get_range(GetRange(missing))) == "NotFound NoSuchKey object"
    observed = await refusal(contract.store.get_tags(GetTags(missing)))
    contract.holds("tags of a missing key", observed, "NotFound NoSuchKey object")


async def test_a_range_is_exactly_what_was_asked_for(contract: Contract) -> None:
    body = bytes(range(256))
    ref = await contract.put("one", body)
    get = contract.store.get_range
    etag = hashlib.md5(body).hexdigest()
    assert await get(GetRange(ref)) == (body, etag, 256)
    assert await get(GetRange(ref, 10, 19)) == (body[10:20], etag, 256)
    assert await get(GetRange(ref, 250)) == (body[250:], etag, 256)
    assert await get(GetRange(ref, 250, 999)) == (body[250:], etag, 256)
    observed = await refusal(get(GetRange(ref, 256, 300)))
    contract.holds("a range past the end", observed, "Rejected InvalidRange object")


async def test_an_empty_object_is_an_object(contract: Contract) -> None:
    ref = await contract.put("empty", b"")
    assert (await contract.store.head_object(HeadObject(ref))).size == 0
    assert (await contract.store.get_range(GetRange(ref))).data == b""


async def test_a_read_can_be_pinned(contract: Contract) -> None:
    ref = await contract.put("one", b"12345")
    etag = hashlib.md5(b"12345").hexdigest()
    assert (await contract.store.get_range(GetRange(ref, 0, 1, if_match=etag))).data == b"12"
    observed = await outcome(contract.store.get_range(GetRange(ref, 0, 1, if_match="0" * 32)))
    contract.holds("GetObject If-Match", observed, "PreconditionFailed")


async def test_a_put_can_ask_that_nothing_is_there(contract: Contract) -> None:
    ref = contract.ref("one")
    put = contract.store.put_object
    assert await outcome(put(PutObject(ref, b"1", target_condition=ABSENT))) == "done"
    observed = await outcome(put(PutObject(ref, b"2", target_condition=ABSENT)))
    if contract.holds("PutObject If-None-Match", observed, "PreconditionFailed"):
        assert (await contract.store.get_range(GetRange(ref))).data == b"1"


async def test_a_put_can_ask_that_a_certain_etag_is_there(contract: Contract) -> None:
    ref = await contract.put("one", b"1")
    put = contract.store.put_object
    observed = await outcome(put(PutObject(ref, b"2", target_condition="0" * 32)))
    if contract.holds("PutObject If-Match", observed, "PreconditionFailed"):
        assert (await contract.store.get_range(GetRange(ref))).data == b"1"
    ref = await contract.put("one", b"1")
    etag = hashlib.md5(b"1").hexdigest()
    observed = await outcome(put(PutObject(ref, b"3", target_condition=etag)))
    contract.holds("PutObject If-Match of what is there", observed, "done")


async def test_a_checksum_that_is_sent_is_kept(contract: Contract) -> None:
    body = b"123456789"
    ref = contract.ref("one")
    value = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
    promised = (Checksum("CRC32", "FULL_OBJECT", value),)
    result = await contract.store.put_object(PutObject(ref, body, checksum_algorithm="CRC32"))
    contract.holds("PutObject answers with the checksum", result.checksums, promised)
    head = await contract.store.head_object(HeadObject(ref, checksums=True))
    contract.holds("HEAD shows the checksum where it is asked for", head.checksums, promised)
    assert (await contract.store.head_object(HeadObject(ref))).checksums == ()


async def test_crc64nvme_is_computed_here(contract: Contract) -> None:
    body = b"123456789"
    ref = contract.ref("one")
    observed = await outcome(contract.store.put_object(PutObject(ref, body, checksum_algorithm="CRC64NVME")))
    if not contract.holds("CRC64NVME can be sent", observed, "done"):
        return
    value = crc.to_base64("CRC64NVME", crc.crc("CRC64NVME", body))
    head = await contract.store.head_object(HeadObject(ref, checksums=True))
    contract.holds("CRC64NVME is kept", head.checksums, (Checksum("CRC64NVME", "FULL_OBJECT", value),))


async def test_tags_are_replaced_as_a_whole(contract: Contract) -> None:
    ref = await contract.put("one", properties=Properties(tags=(("old", "1"),)))
    tags = (("k <&>", "v \"'"), ("ключ", "värde"))
    observed = await outcome(contract.store.put_tags(PutTags(ref, (("project", "x"), ("stage", "")))))
    assert observed == "done"
    assert sorted(await contract.store.get_tags(GetTags(ref))) == [("project", "x"), ("stage", "")]
    spelled = await outcome(contract.store.put_tags(PutTags(ref, tags)))
    # S3 allows letters of any script, but not & < > (API reference, "Object key and metadata": tags).
    contract.holds("tags with & < > are refused", spelled, "Rejected")
    await contract.store.put_tags(PutTags(ref, (("ключ", "värde @:/"),)))
    assert await contract.store.get_tags(GetTags(ref)) == (("ключ", "värde @:/"),)
    observed = await outcome(contract.store.put_tags(PutTags(ref, ())))
    if contract.holds("PutObjectTagging of no tags", observed, "done"):
        assert await contract.store.get_tags(GetTags(ref)) == ()


async def test_a_put_is_read_by_another_client(contract: Contract) -> None:
    body = bytes(range(256)) * 2000  # more than goes out at once
    ref = await contract.put("big", body, properties=Properties(content_type="a/b", metadata=(("m", "v"),)))
    assert contract.ground.hand.read(ref) == (body, "a/b", {"m": "v"})


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
async def test_an_archived_object_is_restored(contract: Contract, storage_class: str) -> None:
    """What S3 says of a restore that it is asked for, once and again, and how that shows."""
    ref = contract.ref("frozen")
    observed = await outcome(contract.put("frozen", b"ice", properties=Properties(storage_class=storage_class)))
    if not contract.holds(f"{storage_class} can be put", observed, "done"):
        return
    asked = RestoreObject(ref, 2, "Bulk")
    if not contract.holds("a restore is begun", await outcome(contract.store.restore_object(asked)), "done"):
        return
    head = await contract.store.head_object(HeadObject(ref))
    contract.holds("HEAD shows a restore that is under way", head.restore == RESTORING, True)
    page = await contract.store.list_page(ListPage(ref.bucket, ref.key))
    contract.holds("a listing shows a restore that is under way", page.objects[0].restore == RESTORING, True)
    again = await outcome(contract.store.restore_object(asked))
    contract.holds("a restore is not begun twice", again, "Rejected")


async def test_what_is_not_archived_is_not_restored(contract: Contract) -> None:
    ref = await contract.put("plain", b"water")
    observed = await outcome(contract.store.restore_object(RestoreObject(ref, 1, "Standard")))
    contract.holds("restoring what is not archived is refused", observed, "Archived")
