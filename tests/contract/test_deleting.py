"""DeleteObject and DeleteObjects: only what was proven, and only what was named."""

from __future__ import annotations

import hashlib
import uuid

import pytest

from engine.errors import Rejected
from engine.model import ObjectRef
from engine.store import DeleteObject, DeleteObjects, HeadObject
from tests.contract.ground import Contract, outcome

WRONG = "0" * 32


async def there(contract: Contract, *names: str) -> list[str]:
    return [
        name for name in names if await outcome(contract.store.head_object(HeadObject(contract.ref(name)))) == "done"
    ]


async def test_a_delete_takes_one_key(contract: Contract) -> None:
    one = await contract.put("one")
    await contract.put("one2")
    await contract.store.delete_object(DeleteObject(one))
    assert await there(contract, "one", "one2") == ["one2"]
    assert await outcome(contract.store.delete_object(DeleteObject(one))) == "done"


async def test_a_delete_by_etag_leaves_what_changed(contract: Contract) -> None:
    ref = await contract.put("one", b"1")
    observed = await outcome(contract.store.delete_object(DeleteObject(ref, WRONG)))
    if contract.holds("DeleteObject If-Match", observed, "PreconditionFailed"):
        assert await there(contract, "one") == ["one"]
    ref = await contract.put("one", b"1")
    observed = await outcome(contract.store.delete_object(DeleteObject(ref, hashlib.md5(b"1").hexdigest())))
    if contract.holds("DeleteObject If-Match of what is there", observed, "done"):
        assert await there(contract, "one") == []


async def test_a_delete_in_a_bucket_that_keeps_versions_says_that_it_added_a_marker(contract: Contract) -> None:
    if contract.ground.is_named:
        return  # no bucket is made where a user named one
    bucket = f"contract-{uuid.uuid4().hex[:12]}"
    contract.ground.hand.make_versioned(bucket, "one", "two")
    assert await contract.store.delete_object(DeleteObject(ObjectRef(bucket, "one"))) is True
    report = await contract.store.delete_objects(DeleteObjects(bucket, (("two", None),)))
    assert (report.deleted, report.delete_markers) == (("two",), True)
    ref = await contract.put("not kept")
    assert await contract.store.delete_object(DeleteObject(ref)) is False


async def test_a_batch_takes_what_it_names(contract: Contract) -> None:
    names = ["a b", "é+%", "<&>\"'", "a//b", "plain", "line\nbreak\ttab\rreturn"]
    for name in names:
        await outcome(contract.put(name))
    present = await there(contract, *names)
    await contract.put("stays")
    keys = tuple((contract.ref(name).key, None) for name in present)
    report = await contract.store.delete_objects(DeleteObjects(contract.ground.bucket, keys))
    confirmed = sorted(report.deleted) == sorted(key for key, _ in keys)
    contract.holds("DeleteObjects confirms each key verbatim", confirmed, True)
    assert (report.failed, report.delete_markers) == ((), False)
    contract.holds("DeleteObjects deletes each key", await there(contract, *present), [])
    assert await there(contract, "stays") == ["stays"]


async def test_a_batch_by_etag_leaves_what_changed(contract: Contract) -> None:
    for name in ("same", "changed"):
        await contract.put(name, b"1")
    etag = hashlib.md5(b"1").hexdigest()
    keys = ((contract.ref("same").key, etag), (contract.ref("changed").key, WRONG))
    report = await contract.store.delete_objects(DeleteObjects(contract.ground.bucket, keys))
    failed = [(item.key, item.code) for item in report.failed]
    promised = [(contract.ref("changed").key, "PreconditionFailed")]
    contract.holds("DeleteObjects says which ETags differ", failed == promised, True)
    contract.holds("DeleteObjects by ETag", await there(contract, "same", "changed"), ["changed"])


async def test_a_batch_of_nothing_that_is_there_is_confirmed(contract: Contract) -> None:
    key = contract.ref("missing").key
    report = await contract.store.delete_objects(DeleteObjects(contract.ground.bucket, ((key, None),)))
    contract.holds("DeleteObjects of a missing key", report.deleted, (key,))


async def test_a_key_that_xml_cannot_carry_is_never_sent_in_a_batch(contract: Contract) -> None:
    keys = ((contract.ref("a\x01b").key, None),)
    with pytest.raises(Rejected, match="XML cannot carry"):
        await contract.store.delete_objects(DeleteObjects(contract.ground.bucket, keys))
