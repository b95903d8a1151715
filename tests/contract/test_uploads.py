"""A multipart upload's whole life, from Create to Complete or Abort."""

from __future__ import annotations

import hashlib
import random

from engine import crc
from engine.model import ABSENT, MIB, Checksum, ObjectRef, Properties, UploadedPart, UploadRef
from engine.store import (
    AbortUpload,
    CompleteUpload,
    CopyPart,
    CreateUpload,
    GetRange,
    GetTags,
    HeadObject,
    ListParts,
    ListUploads,
    UploadPart,
)
from tests.contract.ground import Contract, outcome, refusal

PART = 5 * MIB
BODY = random.Random(5).randbytes(PART + MIB)
ETAG = hashlib.md5(BODY).hexdigest()
HALVES = [BODY[:PART], BODY[PART:]]
PART_ETAGS = [hashlib.md5(half).hexdigest() for half in HALVES]
WHOLE_ETAG = hashlib.md5(b"".join(bytes.fromhex(etag) for etag in PART_ETAGS)).hexdigest() + "-2"
CRC = crc.to_base64("CRC64NVME", crc.crc("CRC64NVME", BODY))
NOT_FOUND = "NotFound NoSuchUpload object"


async def begin(contract: Contract, name: str, **more: str) -> UploadRef:
    return await contract.store.create_upload(CreateUpload(contract.ref(name), Properties(), **more))


async def copy_both(contract: Contract, upload: UploadRef, source: ObjectRef) -> list[UploadedPart]:
    copy = contract.store.copy_part
    return [
        await copy(CopyPart(upload, 1, source, ETAG, 0, PART - 1)),
        await copy(CopyPart(upload, 2, source, ETAG, PART, len(BODY) - 1)),
    ]


async def test_an_upload_of_copied_parts_lives_to_its_end(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    properties = Properties(
        content_type="image/png", metadata=(("set", "base1"),), tags=(("a b", "c"),), cache_control="no-store"
    )
    target = contract.ref("target")
    upload = await store.create_upload(CreateUpload(target, properties))
    assert upload.target == target
    parts = await copy_both(contract, upload, source)
    assert [part.etag for part in parts] == PART_ETAGS
    listed = await store.list_parts(ListParts(upload))
    assert [(part.number, part.etag, part.size) for part in listed] == [
        (number, etag, len(half)) for number, etag, half in zip((1, 2), PART_ETAGS, HALVES, strict=True)
    ]
    try:
        result = (await store.complete_upload(CompleteUpload(upload, tuple(parts)))).etag
    except Exception as error:  # Ambiguous, where the answer has no ETag
        result = f"{type(error).__name__}"
    contract.holds("Complete answers with the ETag", result, WHOLE_ETAG)
    head = await store.head_object(HeadObject(target))
    assert (head.size, head.etag) == (len(BODY), WHOLE_ETAG)
    found = head.properties
    assert (found.content_type, found.metadata, found.cache_control) == ("image/png", (("set", "base1"),), "no-store")
    contract.holds("tags given at Create", await store.get_tags(GetTags(target)), (("a b", "c"),))
    assert (await store.get_range(GetRange(target, PART - 2, PART + 1))).data == BODY[PART - 2 : PART + 2]


async def test_head_tells_the_layout_of_the_parts(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    upload = await begin(contract, "target")
    parts = await copy_both(contract, upload, source)
    await outcome(store.complete_upload(CompleteUpload(upload, tuple(parts))))
    heads = [await store.head_object(HeadObject(upload.target, part_number=number)) for number in (1, 2)]
    observed = [(head.parts_count, head.part_size, head.size) for head in heads]
    contract.holds("HEAD partNumber", observed, [(2, PART, len(BODY)), (2, MIB, len(BODY))])
    plain = await store.head_object(HeadObject(source, part_number=1))
    contract.holds("HEAD partNumber of a plain object", (plain.parts_count, plain.size), (None, len(BODY)))


async def test_parts_with_bodies_replace_each_other(contract: Contract) -> None:
    store, upload = contract.store, await begin(contract, "target")
    first = await store.upload_part(UploadPart(upload, 1, b"old" + HALVES[0]))
    again = await store.upload_part(UploadPart(upload, 1, HALVES[0]))
    second = await store.upload_part(UploadPart(upload, 2, HALVES[1]))
    assert first.etag != again.etag == PART_ETAGS[0]
    assert second.size == MIB
    await outcome(store.complete_upload(CompleteUpload(upload, (again, second))))
    assert (await store.head_object(HeadObject(upload.target))).etag == WHOLE_ETAG


async def test_an_aborted_upload_is_gone(contract: Contract) -> None:
    store, upload = contract.store, await begin(contract, "target")
    part = await store.upload_part(UploadPart(upload, 1, b"x"))
    await store.abort_upload(AbortUpload(upload))
    contract.holds("ListParts after Abort", await refusal(store.list_parts(ListParts(upload))), NOT_FOUND)
    observed = await refusal(store.upload_part(UploadPart(upload, 2, b"x")))
    contract.holds("UploadPart after Abort", observed, NOT_FOUND)
    observed = await refusal(store.complete_upload(CompleteUpload(upload, (part,))))
    contract.holds("Complete after Abort", observed, NOT_FOUND)
    assert await outcome(store.head_object(HeadObject(upload.target))) == "NotFound"
    contract.holds("Abort of what was aborted", await refusal(store.abort_upload(AbortUpload(upload))), NOT_FOUND)


async def test_a_second_complete_finds_no_upload(contract: Contract) -> None:
    store, upload = contract.store, await begin(contract, "target")
    part = await store.upload_part(UploadPart(upload, 1, b"x"))
    await outcome(store.complete_upload(CompleteUpload(upload, (part,))))
    observed = await refusal(store.complete_upload(CompleteUpload(upload, (part,))))
    contract.holds("a second Complete", observed, NOT_FOUND)


async def test_uploads_under_way_are_listed(contract: Contract) -> None:
    store = contract.store
    uploads = [await begin(contract, name) for name in ("a b/é+", "other")]
    listed = await store.list_uploads(ListUploads(contract.ground.bucket, contract.prefix))
    assert {item.upload_id for item in listed} == {item.upload_id for item in uploads}
    assert all(len(item.initiated) == 24 for item in listed)
    keys = sorted(item.key for item in listed) == sorted(item.target.key for item in uploads)
    contract.holds("ListMultipartUploads gives keys verbatim", keys, True)
    for upload in uploads:
        (one,) = await store.list_uploads(ListUploads(contract.ground.bucket, upload.target.key))
        assert (one.key, one.upload_id) == (upload.target.key, upload.upload_id)
    for upload in uploads:
        await store.abort_upload(AbortUpload(upload))
    contract.holds(
        "no upload is listed after its Abort",
        await store.list_uploads(ListUploads(contract.ground.bucket, contract.prefix)),
        [],
    )


async def test_a_part_is_pinned_to_its_source(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    upload = await begin(contract, "target")
    observed = await outcome(store.copy_part(CopyPart(upload, 1, source, "0" * 32, 0, PART - 1)))
    contract.holds("UploadPartCopy copy-source-if-match", observed, "PreconditionFailed")
    observed = await refusal(store.copy_part(CopyPart(upload, 1, contract.ref("missing"), None, None, None)))
    contract.holds("UploadPartCopy of a missing key", observed, "NotFound NoSuchKey object")
    await store.abort_upload(AbortUpload(upload))


async def test_a_part_must_be_of_bytes_that_are_there(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    upload = await begin(contract, "target")
    observed = await outcome(store.copy_part(CopyPart(upload, 1, source, ETAG, PART, len(BODY) + 5)))
    contract.holds("UploadPartCopy past the end", observed, "Rejected")
    await store.abort_upload(AbortUpload(upload))


async def test_a_whole_source_can_be_one_part(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", b"small")
    upload = await begin(contract, "target")
    part = await store.copy_part(CopyPart(upload, 1, source, hashlib.md5(b"small").hexdigest(), None, None))
    assert part.etag == hashlib.md5(b"small").hexdigest()
    await outcome(store.complete_upload(CompleteUpload(upload, (part,))))
    assert (await store.get_range(GetRange(upload.target))).data == b"small"


async def test_a_part_is_copied_from_a_key_with_special_characters(contract: Contract) -> None:
    if not contract.asks("a part copied from a special key"):
        return
    store, source = contract.store, await contract.put("100%25 a+b/é?versionId=1", b"special")
    upload = await begin(contract, "target/ä%20+")
    part = await store.copy_part(CopyPart(upload, 1, source, hashlib.md5(b"special").hexdigest(), None, None))
    assert part.etag == hashlib.md5(b"special").hexdigest()
    await outcome(store.complete_upload(CompleteUpload(upload, (part,))))
    assert (await store.get_range(GetRange(upload.target))).data == b"special"


async def test_part_numbers_end_at_ten_thousand(contract: Contract) -> None:
    store, upload = contract.store, await begin(contract, "target")
    observed = await outcome(store.upload_part(UploadPart(upload, 10_001, b"x")))
    contract.holds("UploadPart 10,001", observed, "Rejected")
    assert (await store.upload_part(UploadPart(upload, 10_000, b"x"))).number == 10_000
    await store.abort_upload(AbortUpload(upload))


async def test_complete_refuses_parts_that_do_not_fit(contract: Contract) -> None:
    store, upload = contract.store, await begin(contract, "target")
    one = await store.upload_part(UploadPart(upload, 1, b"too small"))
    two = await store.upload_part(UploadPart(upload, 2, b"the last may be"))

    async def complete(*parts: UploadedPart) -> str:
        return await refusal(store.complete_upload(CompleteUpload(upload, parts)))

    contract.holds(
        "Complete with a part never uploaded", await complete(one._replace(number=7)), "Rejected InvalidPart object"
    )
    contract.holds(
        "Complete with a wrong ETag", await complete(one._replace(etag="0" * 32)), "Rejected InvalidPart object"
    )
    contract.holds("Complete with parts out of order", await complete(two, one), "Rejected InvalidPartOrder object")
    contract.holds("Complete with a small part", await complete(one, two), "Rejected EntityTooSmall object")


async def test_complete_leaves_a_target_that_is_there(contract: Contract) -> None:
    store, target = contract.store, await contract.put("target", b"other")
    for behaviour, condition in (("If-None-Match", ABSENT), ("If-Match", "0" * 32)):
        upload = await begin(contract, "target")
        part = await store.upload_part(UploadPart(upload, 1, b"new"))
        observed = await outcome(store.complete_upload(CompleteUpload(upload, (part,), condition)))
        if contract.holds(f"Complete {behaviour}", observed, "PreconditionFailed"):
            assert (await store.get_range(GetRange(target))).data == b"other"
            await store.abort_upload(AbortUpload(upload))
        target = await contract.put("target", b"other")


async def test_a_checksum_of_the_whole_is_demanded_and_kept(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    for good in (False, True):
        upload = await begin(contract, f"target {good}", checksum_algorithm="CRC64NVME", checksum_type="FULL_OBJECT")
        parts = tuple(await copy_both(contract, upload, source))
        checksum = Checksum("CRC64NVME", "FULL_OBJECT", CRC if good else crc.to_base64("CRC64NVME", 5))
        observed = await outcome(
            store.complete_upload(CompleteUpload(upload, parts, size=len(BODY), checksum=checksum))
        )
        if good:
            contract.holds("Complete with the right checksum", observed, "done")
            head = await store.head_object(HeadObject(upload.target, checksums=True))
            contract.holds("the checksum of an upload", head.checksums, (checksum,))
        else:
            contract.holds("Complete with a wrong checksum", observed, "Ambiguous")


async def test_complete_refuses_another_size_than_it_was_told(contract: Contract) -> None:
    store, source = contract.store, await contract.put("source", BODY)
    upload = await begin(contract, "target", checksum_algorithm="CRC64NVME", checksum_type="FULL_OBJECT")
    parts = tuple(await copy_both(contract, upload, source))
    checksum = Checksum("CRC64NVME", "FULL_OBJECT", CRC)
    observed = await outcome(store.complete_upload(CompleteUpload(upload, parts, size=5, checksum=checksum)))
    contract.holds("Complete with another MpuObjectSize", observed, "Rejected")
