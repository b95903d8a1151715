"""The properties contract: each rule gives the same target by CopyObject and by parts, and verification agrees."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.ledger import LedgerReader
from engine.plan.document import Plan
from engine.sandbox import Sandbox, start_sandbox
from engine.sites.options import StoreKind
from tests.servers import Endpoint

HEADERS = {
    "ContentType": "image/png",
    "ContentEncoding": "gzip",
    "ContentDisposition": 'inline; filename="ピカ.png"'.encode().decode("latin-1").encode("ascii", "ignore").decode(),
    "ContentLanguage": "ja",
    "CacheControl": "max-age=60",
}
UNTIL = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
CARRIED = {
    **HEADERS,
    "Metadata": {"card": "25", "empty": ""},
    "Tagging": "project=pokemon&set=base%20set",
    "StorageClass": "STANDARD_IA",
    "ServerSideEncryption": "aws:kms",
    "WebsiteRedirectLocation": "/elsewhere",
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": UNTIL,
    "ObjectLockLegalHoldStatus": "ON",
    "ACL": "public-read",
}
COMPARED = (
    *HEADERS,
    "Metadata",
    "StorageClass",
    "ServerSideEncryption",
    "WebsiteRedirectLocation",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
)
DEFAULT = {"Metadata": CARRIED["Metadata"], **HEADERS, "StorageClass": "STANDARD_IA", "ServerSideEncryption": "AES256"}
EVERY = ("encryption", "website_redirect", "lock", "acl")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Sandbox, Endpoint]]:
    with start_sandbox() as sandbox:
        yield sandbox, Endpoint.of(sandbox)


class Scene:
    """One bucket with object lock and ACLs; `small` goes by CopyObject, `parts` by its own parts."""

    def __init__(self, sandbox: Sandbox, endpoint: Endpoint, folder: Path) -> None:
        self.sandbox = sandbox
        self.client = endpoint.client()
        self.bucket = f"props-{uuid.uuid4().hex[:8]}"
        self.client.create_bucket(
            Bucket=self.bucket,
            CreateBucketConfiguration={"LocationConstraint": endpoint.region},
            ObjectLockEnabledForBucket=True,
            ObjectOwnership="ObjectWriter",
        )
        sandbox.control("bucket", {"name": self.bucket, "legacy_checksums": True, "ownership": "ObjectWriter"})
        self.options = Options(ledger=folder / "p.ledger", endpoint_url=endpoint.url)

    def fill(self, **carried: Any) -> None:
        self.client.put_object(Bucket=self.bucket, Key="src/small", Body=b"small", **carried)
        place = {"Bucket": self.bucket, "Key": "src/parts"}
        upload = {**place, "UploadId": self.client.create_multipart_upload(**place, **carried)["UploadId"]}
        etag = self.client.upload_part(Body=b"parts", PartNumber=1, **upload)["ETag"]
        self.client.complete_multipart_upload(MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, **upload)

    def plan(self, **rules: Any) -> Plan:
        return Plan.of(f"s3://{self.bucket}/src/", f"s3://{self.bucket}/dst/", name="p", **rules)

    def found(self, name: str) -> dict[str, Any]:
        """What the target carries; STANDARD is what S3 does not say."""
        head = self.client.head_object(Bucket=self.bucket, Key=f"dst/{name}")
        found = {key: head[key] for key in COMPARED if key in head}
        tags = self.client.get_object_tagging(Bucket=self.bucket, Key=f"dst/{name}")["TagSet"]
        found["Tagging"] = {tag["Key"]: tag["Value"] for tag in tags}
        grants = self.client.get_object_acl(Bucket=self.bucket, Key=f"dst/{name}")["Grants"]
        found["ACL"] = sorted(grant["Permission"] for grant in grants if grant["Grantee"]["Type"] == "Group")
        return found

    async def both(self, plan: Plan, store: StoreKind = "wire") -> dict[str, Any]:
        """Run; both ways must give one and the same."""
        assert (await migrate(plan, replace(self.options, store=store))).aside == {}
        small, parts = self.found("small"), self.found("parts")
        assert small == parts
        return small


@pytest.fixture
def scene(server: tuple[Sandbox, Endpoint], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in server[1].env().items():
        monkeypatch.setenv(name, value)
    return Scene(*server, tmp_path)


TAGS = {"project": "pokemon", "set": "base set"}
LOCK = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": UNTIL, "ObjectLockLegalHoldStatus": "ON"}


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        pytest.param({}, DEFAULT | {"Tagging": TAGS, "ACL": []}, id="defaults"),
        pytest.param(
            {"properties": dict.fromkeys(EVERY, "preserve")},
            DEFAULT
            | {"ServerSideEncryption": "aws:kms", "WebsiteRedirectLocation": "/elsewhere", "Tagging": TAGS}
            | {"ACL": ["READ"]}
            | LOCK,
            id="preserve everything",
        ),
        pytest.param(
            {"properties": {"content_headers": "drop", "metadata": "drop", "tags": "drop", "storage_class": "drop"}},
            {
                "ContentType": "binary/octet-stream",
                "Metadata": {},
                "ServerSideEncryption": "AES256",
                "Tagging": {},
                "ACL": [],
            },
            id="drop everything",
        ),
        pytest.param(
            {
                "tags": {"cost": "9"},
                "metadata": {"set": "neo"},
                "storage_class": "INTELLIGENT_TIERING",
                "properties": {
                    "content_headers": {"cache_control": "no-store"},
                    "encryption": {"algorithm": "aws:kms", "bucket_key": True},
                    "website_redirect": {"location": "/here"},
                    "acl": {"canned": "authenticated-read"},
                    "lock": {"legal_hold": True},
                },
            },
            DEFAULT
            | {
                "Tagging": {"cost": "9"},
                "Metadata": {"card": "25", "empty": "", "set": "neo"},
                "StorageClass": "INTELLIGENT_TIERING",
                "CacheControl": "no-store",
                "ServerSideEncryption": "aws:kms",
                "WebsiteRedirectLocation": "/here",
                "ObjectLockLegalHoldStatus": "ON",
                "ACL": ["READ"],
            },
            id="set",
        ),
        pytest.param(
            {"properties": {"encryption": {"algorithm": "aws:kms"}, "website_redirect": {"location": "/here"}}},
            DEFAULT
            | {"ServerSideEncryption": "aws:kms", "WebsiteRedirectLocation": "/here", "Tagging": TAGS, "ACL": []},
            id="set what needs no look at the source",
        ),
    ],
)
async def test_a_rule_gives_the_same_target_either_way_and_verification_agrees(
    scene: Scene, rules: dict[str, Any], wanted: dict[str, Any]
) -> None:
    scene.fill(**CARRIED)
    plan = scene.plan(**rules)
    assert await scene.both(plan) == wanted
    report = await verify(plan, scene.options, properties=True)
    assert report.agrees and report.properties_compared == 2, report.differences


REFUSED: dict[str, dict[str, Any]] = {
    "content_headers": {"CacheControl": "no-store"},
    "metadata": {"Metadata": {"a": "b"}},
    "tags": {"Tagging": "a=b"},
    "storage_class": {"StorageClass": "STANDARD_IA"},
    "encryption": {"ServerSideEncryption": "aws:kms"},
    "website_redirect": {"WebsiteRedirectLocation": "/x"},
    "lock": {"ObjectLockLegalHoldStatus": "ON"},
    "acl": {"ACL": "public-read"},
}


@pytest.mark.parametrize("name", list(REFUSED))
async def test_what_may_not_be_lost_fails_its_object_either_way_and_what_has_none_goes(scene: Scene, name: str) -> None:
    scene.fill(**REFUSED[name])
    scene.client.put_object(Bucket=scene.bucket, Key="src/plain", Body=b"plain")
    result = await migrate(scene.plan(properties={name: "fail"}), scene.options)
    assert {state.value: count for state, count in result.aside.items()} == {"failed": 2}
    assert result.copied == 1
    assert scene.options.ledger is not None
    async with await LedgerReader.open_to_read(scene.options.ledger) as reader:
        codes = {record.key: record.code async for batch in reader.records() for record in batch}
    assert codes == {"small": "PropertyRefused", "parts": "PropertyRefused", "plain": ""}


async def test_what_the_target_lost_since_is_found(scene: Scene) -> None:
    scene.fill(**HEADERS, Metadata={"card": "25"}, Tagging="a=b")
    plan = scene.plan()
    await scene.both(plan)
    scene.client.put_object_tagging(Bucket=scene.bucket, Key="dst/small", Tagging={"TagSet": []})
    report = await verify(plan, scene.options, properties=True)
    assert [(item.key, item.message) for item in report.differences] == [("small", "tags.a is missing, wanted 'b'")]


async def test_a_retention_that_has_ended_cannot_be_set_again_and_is_left(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=60)
    scene.fill(ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=soon)
    scene.sandbox.control("advance_clock", {"seconds": 120})
    try:
        plan = scene.plan(properties={"lock": "preserve"})
        assert "ObjectLockMode" not in await scene.both(plan)
        assert (await verify(plan, scene.options, properties=True)).agrees
    finally:
        scene.sandbox.control("advance_clock", {"seconds": -120})


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize(
    "server_name",
    ["moto", pytest.param("localstack", marks=pytest.mark.real), pytest.param("rgw", marks=pytest.mark.real)],
)
async def test_acls_are_kept_on_servers_that_no_one_here_wrote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server_name: str, store: Any
) -> None:
    endpoint: Endpoint = request.getfixturevalue(server_name)
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)
    client, bucket = endpoint.client(), f"acls-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket, **({} if server_name == "rgw" else {"ObjectOwnership": "ObjectWriter"}))
    if server_name != "rgw":
        client.delete_public_access_block(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="src/public", Body=b"x", ACL="public-read")
    client.put_object(Bucket=bucket, Key="src/private", Body=b"x")
    plan = Plan.of(f"s3://{bucket}/src/", f"s3://{bucket}/dst/", name="p", properties={"acl": "preserve"})
    options = Options(ledger=tmp_path / "p.ledger", endpoint_url=endpoint.url, store=store)
    assert (await migrate(plan, options)).copied == 2
    assert (await verify(plan, options, properties=True)).agrees
    groups = {
        key: [grant["Permission"] for grant in grants if grant["Grantee"]["Type"] == "Group"]
        for key in ("public", "private")
        for grants in [client.get_object_acl(Bucket=bucket, Key=f"dst/{key}")["Grants"]]
    }
    assert groups == {"public": ["READ"], "private": []}
    client.put_object_acl(Bucket=bucket, Key="dst/public", ACL="private")
    lost = await verify(plan, options, properties=True)
    assert [item.message for item in lost.differences] == ["acl is 'private', wanted 'public-read'"]


@pytest.mark.parametrize("store", ["wire", "boto"])
@pytest.mark.parametrize(("laid_over", "more"), [({}, {}), ({"set": "neo"}, {"set": "neo"})])
async def test_metadata_that_is_not_ascii_arrives_as_it_was(
    scene: Scene, laid_over: dict[str, str], more: dict[str, str], store: StoreKind
) -> None:
    """S3 decodes the words of RFC 2047 that it is sent, and returns words of its own: another encoding, one meaning."""
    scene.fill(Metadata={"autor": "=?UTF-8?Q?Jos=C3=A9?=", "set": "base1", "odd": "=?no-such?B?eA==?="})
    plan = scene.plan(metadata=laid_over) if laid_over else scene.plan()
    found = await scene.both(plan, store=store)
    kept = {"autor": "=?UTF-8?B?Sm9zw6k=?=", "set": "base1", "odd": "=?no-such?B?eA==?="}
    assert found["Metadata"] == kept | more
    report = await verify(plan, replace(scene.options, store=store), properties=True)
    assert report.agrees and report.properties_compared == 2, report.differences
