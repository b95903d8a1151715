"""What LocalStack refuses and keeps where other servers shrug: changed sources, archived objects, uploads that are
gone, full-object checksums, every property. Through the command line, and through the store as a run assembles it.

LocalStack does not know If-None-Match on CopyObject; so nothing here rests on it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from engine import crc
from engine.api.options import Options
from engine.errors import Archived, NotFound, PreconditionFailed
from engine.model import MIB, ObjectRef, Properties, UploadRef
from engine.plan.settings import Connection
from engine.sites.opening import open_site
from engine.store import (
    AbortUpload,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    HeadObject,
    ListParts,
    ObjectStore,
    PutObject,
)
from tests.real.commands import Cartage, Finished, listing
from tests.servers import Endpoint

pytestmark = pytest.mark.real

BUCKET = "fidelity"
SMALL = 40
PART_BYTES = 5 * MIB
LARGE = (b"a" * PART_BYTES, b"b" * PART_BYTES, b"the end")

PLAN = f"""
name   = "fidelity"
bucket = "{BUCKET}"

[[routes]]
name = "all"
from = "/old/"
to   = "/new/"
"""

HEADERS = {
    "ContentType": "image/png",
    "ContentDisposition": "attachment; filename*=UTF-8''k%C3%A4rtchen.png",
    "ContentLanguage": "de",
    "ContentEncoding": "identity",
    "CacheControl": "max-age=60",
    "Metadata": {"card": "25", "set": "base"},
    "StorageClass": "STANDARD_IA",
}
TAGS = [{"Key": "project", "Value": "cards"}, {"Key": "owner", "Value": "a b"}]


@dataclass(frozen=True, slots=True)
class Scene:
    client: Any
    cartage: Cartage
    first: Finished
    verified: Finished


@pytest.fixture(scope="module")
def scene(localstack: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    client = localstack.client()
    client.create_bucket(Bucket=BUCKET)
    for number in range(SMALL):
        client.put_object(Bucket=BUCKET, Key=f"old/small/{number:03}", Body=b"%d" % number)
    tagging = "project=cards&owner=a%20b"
    client.put_object(Bucket=BUCKET, Key="old/dressed", Body=b"card", Tagging=tagging, **HEADERS)
    put_in_parts(client, "old/dressed-large", Tagging=tagging, **HEADERS)
    client.put_object(Bucket=BUCKET, Key="old/frozen", Body=b"ice", StorageClass="GLACIER")
    client.put_object(Bucket=BUCKET, Key="old/taken", Body=b"ours")
    client.put_object(Bucket=BUCKET, Key="new/taken", Body=b"somebody else's")

    folder = tmp_path_factory.mktemp("localstack-migration")
    plan = folder / "fidelity.toml"
    plan.write_text(PLAN)
    cartage = Cartage(localstack, plan, folder / "fidelity.ledger")
    first = cartage.call("run", "--yes", code=3)
    yield Scene(client, cartage, first, cartage.call("verify", code=4))


def put_in_parts(client: Any, key: str, **properties: Any) -> None:
    created = client.create_multipart_upload(
        Bucket=BUCKET, Key=key, ChecksumAlgorithm="CRC64NVME", ChecksumType="FULL_OBJECT", **properties
    )
    upload = {"Bucket": BUCKET, "Key": key, "UploadId": created["UploadId"]}
    parts = []
    for number, body in enumerate(LARGE, 1):
        # botocore itself computes CRC64NVME with an optional package alone.
        checksum = crc.to_base64("CRC64NVME", crc.crc("CRC64NVME", body))
        answer = client.upload_part(**upload, PartNumber=number, Body=body, ChecksumCRC64NVME=checksum)
        assert answer["ChecksumCRC64NVME"] == checksum
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC64NVME": checksum})
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType="FULL_OBJECT")


def test_what_can_be_copied_is_copied_and_the_rest_is_set_aside_by_name(scene: Scene) -> None:
    assert scene.first.summary["copied"] == SMALL + 2
    assert scene.first.summary["aside"] == {"archived": 1, "conflict": 1}
    failed = scene.cartage.call("status", "--failed").summary["objects"]
    assert {(item["key"], item["state"]) for item in failed} == {("frozen", "archived"), ("taken", "conflict")}
    assert scene.client.get_object(Bucket=BUCKET, Key="new/taken")["Body"].read() == b"somebody else's"


@pytest.mark.parametrize("key", ["dressed", "dressed-large"])
def test_every_property_arrives_by_either_way_of_copying(scene: Scene, key: str) -> None:
    head = scene.client.head_object(Bucket=BUCKET, Key=f"new/{key}")
    assert {name: head.get(name) for name in HEADERS} == HEADERS
    tags = scene.client.get_object_tagging(Bucket=BUCKET, Key=f"new/{key}")["TagSet"]
    assert sorted(tags, key=lambda tag: tag["Key"]) == sorted(TAGS, key=lambda tag: tag["Key"])


def test_full_object_checksums_agree(scene: Scene) -> None:
    of = {
        side: scene.client.head_object(Bucket=BUCKET, Key=f"{side}/dressed-large", ChecksumMode="ENABLED")
        for side in ("old", "new")
    }
    assert of["old"]["ChecksumCRC64NVME"]
    assert of["new"]["ChecksumCRC64NVME"] == of["old"]["ChecksumCRC64NVME"]
    assert of["new"]["ContentLength"] == sum(len(part) for part in LARGE)


def test_every_copy_is_proven_by_digest(scene: Scene) -> None:
    route = scene.verified.summary["routes"]["all"]
    assert route["verified"] == SMALL + 2
    assert route["proof"]["digest"] == SMALL + 2


def test_a_changed_source_and_a_lost_target_are_found_and_mended(scene: Scene) -> None:
    scene.client.put_object(Bucket=BUCKET, Key="old/small/001", Body=b"changed since")
    scene.client.delete_object(Bucket=BUCKET, Key="new/small/002")
    found = scene.cartage.call("verify", code=4).summary
    assert found["differing"] == scene.verified.summary["differing"] + 2
    scene.cartage.call("run", "--yes", code=3)  # the two of the first run are still aside
    source = listing(scene.cartage.endpoint, BUCKET, "old/small/")
    assert listing(scene.cartage.endpoint, BUCKET, "new/small/") == source
    assert scene.cartage.call("verify", code=4).summary["differing"] == scene.verified.summary["differing"]


@pytest.fixture
async def store(localstack: Endpoint, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ObjectStore]:
    for name, value in localstack.env().items():
        monkeypatch.setenv(name, value)
    async with open_site(Connection(), Options(endpoint_url=localstack.url)) as opened:
        yield opened.store


@pytest.fixture
def source(localstack: Endpoint) -> ObjectRef:
    bucket = "conditions"
    localstack.client().create_bucket(Bucket=bucket)
    return ObjectRef(bucket, "source")


async def test_a_copy_of_a_source_that_changed_is_refused(store: ObjectStore, source: ObjectRef) -> None:
    before = await store.put_object(PutObject(source, b"as listed"))
    await store.put_object(PutObject(source, b"changed"))
    target = ObjectRef(source.bucket, "copy-of-changed")
    with pytest.raises(PreconditionFailed):
        await store.copy_object(CopyObject(source, target, source_etag=before.etag))
    with pytest.raises(NotFound):
        await store.head_object(HeadObject(target))


async def test_a_part_of_a_source_that_changed_is_refused(store: ObjectStore, source: ObjectRef) -> None:
    before = await store.put_object(PutObject(source, b"as listed"))
    await store.put_object(PutObject(source, b"changed"))
    upload = await store.create_upload(CreateUpload(ObjectRef(source.bucket, "parts-of-changed"), Properties()))
    with pytest.raises(PreconditionFailed):
        await store.copy_part(CopyPart(upload, 1, source, before.etag, None, None))
    await store.abort_upload(AbortUpload(upload))


async def test_an_upload_that_was_completed_is_gone(store: ObjectStore, source: ObjectRef) -> None:
    put = await store.put_object(PutObject(source, b"whole"))
    upload = await store.create_upload(CreateUpload(ObjectRef(source.bucket, "twice"), Properties()))
    part = await store.copy_part(CopyPart(upload, 1, source, put.etag, None, None))
    await store.complete_upload(CompleteUpload(upload, (part,)))
    with pytest.raises(NotFound) as gone:
        await store.complete_upload(CompleteUpload(upload, (part,)))
    assert gone.value.code == "NoSuchUpload"


async def test_an_upload_that_never_was_cannot_be_listed(store: ObjectStore, source: ObjectRef) -> None:
    await store.put_object(PutObject(source, b"whole"))
    with pytest.raises(NotFound) as gone:
        await store.list_parts(ListParts(UploadRef(source, "no-such-upload")))
    assert gone.value.code == "NoSuchUpload"


async def test_an_archived_object_cannot_be_copied(store: ObjectStore, source: ObjectRef) -> None:
    await store.put_object(PutObject(source, b"ice", Properties(storage_class="GLACIER")))
    with pytest.raises(Archived):
        await store.copy_object(CopyObject(source, ObjectRef(source.bucket, "thawed")))


async def test_a_copy_says_the_checksum_that_was_asked_for(store: ObjectStore, source: ObjectRef) -> None:
    await store.put_object(PutObject(source, b"123456789", checksum_algorithm="CRC64NVME"))
    target = ObjectRef(source.bucket, "copy-with-checksum")
    copied = await store.copy_object(CopyObject(source, target, checksum_algorithm="CRC64NVME"))
    # The check value of CRC-64/NVME in the catalogue of parametrised CRC algorithms is AE8B14860A799888.
    expected = "rosUhgp5mIg="
    assert [(item.algorithm, item.type, item.value) for item in copied.checksums] == [
        ("CRC64NVME", "FULL_OBJECT", expected)
    ]
    head = await store.head_object(HeadObject(target, checksums=True))
    assert expected in [item.value for item in head.checksums]
