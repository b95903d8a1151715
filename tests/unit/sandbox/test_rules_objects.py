"""What the sandbox promises of single objects and of buckets: reads, conditions, digests, properties, settings."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from engine.sandbox import bodies
from engine.sandbox.bodies import Stream
from engine.sandbox.rules import OF_ACCOUNT, RULES, UNSUPPORTED, operation_of
from tests.unit.sandbox.asking import Sandbox, condition_of, header, text_of, texts_of

PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"

LOCK: dict[str, Any] = {
    "x_amz_object_lock_mode": "GOVERNANCE",
    "x_amz_object_lock_retain_until_date": "2040-01-01T00:00:00Z",
    "x_amz_object_lock_legal_hold": "ON",
}


def md5_of(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


# --- reads ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "body", "told"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-99", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
    ],
)
def test_a_range_of_an_object(sandbox: Sandbox, asked: str, body: bytes, told: str) -> None:
    sandbox.put("a", b"0123456789")
    reply = sandbox("GET", "bbb", "a", range=asked)
    assert (reply.status, reply.body, header(reply, "Content-Range")) == (206, body, told)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_outside_an_object(sandbox: Sandbox, asked: str) -> None:
    sandbox.put("a", b"0123456789")
    error = sandbox.refused("InvalidRange", "GET", "bbb", "a", range=asked)
    assert (error.status, error.headers) == (416, (("Content-Range", "bytes */10"),))


@pytest.mark.parametrize("asked", ["bytes=4-2", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1"])
def test_a_range_that_is_none_is_passed_over(sandbox: Sandbox, asked: str) -> None:
    sandbox.put("a", b"0123456789")
    assert sandbox("GET", "bbb", "a", range=asked).status == 200


def test_a_virtual_body_is_cut_and_not_made(sandbox: Sandbox) -> None:
    sandbox.keep("a", Stream(1, 5_600_000_000))
    reply = sandbox("GET", "bbb", "a", range="bytes=5599999999-")
    assert list(bodies.read(Stream(1, 5_600_000_000), 5_599_999_999)) == [bodies.read_all(reply.body)]
    assert sandbox.head("a")["content-length"] == "5600000000"


@pytest.mark.parametrize(
    ("condition", "value", "status"),
    [
        ("if_match", "ETAG", 200),
        ("if_none_match", "ETAG", 304),
        ("if_none_match", '"00"', 200),
        ("if_modified_since", FUTURE, 304),
        ("if_modified_since", PAST, 200),
        ("if_unmodified_since", FUTURE, 200),
        ("if_modified_since", "no date", 200),
    ],
)  # fmt: skip
def test_a_read_under_a_condition(sandbox: Sandbox, condition: str, value: str, status: int) -> None:
    etag = sandbox.put("a")
    headers: dict[str, Any] = {condition: value.replace("ETAG", etag)}
    for method in ("GET", "HEAD"):
        assert sandbox(method, "bbb", "a", **headers).status == status


def test_a_read_whose_condition_fails(sandbox: Sandbox) -> None:
    sandbox.put("a")
    assert condition_of(sandbox.refused("PreconditionFailed", "GET", "bbb", "a", if_match='"00"')) == "If-Match"
    error = sandbox.refused("PreconditionFailed", "GET", "bbb", "a", if_unmodified_since=PAST)
    assert condition_of(error) == "If-Unmodified-Since"


def test_what_is_not_there(sandbox: Sandbox) -> None:
    assert sandbox.refused("NoSuchKey", "HEAD", "bbb", "a").status == 404
    sandbox.refused("NoSuchBucket", "HEAD", "none", "a")
    sandbox.put("a")
    sandbox.refused("NoSuchVersion", "GET", "bbb", "a", query={"versionId": "0" * 32})
    sandbox.refused("InvalidArgument", "GET", "bbb", "a", query={"versionId": "none"})


# --- writes ---------------------------------------------------------------------------------------------------------


def test_the_etag_is_the_md5_but_not_under_kms(sandbox: Sandbox) -> None:
    md5 = hashlib.md5(b"hello").hexdigest()
    assert sandbox.put("a") == f'"{md5}"'
    encrypted = sandbox.put("k", x_amz_server_side_encryption="aws:kms")
    assert encrypted != f'"{md5}"' and len(encrypted) == 34
    assert sandbox.head("k")["x-amz-server-side-encryption-aws-kms-key-id"].startswith("arn:aws:kms:us-east-2:")


def test_a_digest_that_is_sent_is_checked(sandbox: Sandbox) -> None:
    right = base64.b64encode(zlib.crc32(b"hello").to_bytes(4, "big")).decode()
    sandbox.put("a", x_amz_checksum_crc32=right)
    assert sandbox.head("a", x_amz_checksum_mode="ENABLED")["x-amz-checksum-crc32"] == right
    sandbox.refused("BadDigest", "PUT", "bbb", "a", b"other", x_amz_checksum_crc32=right)
    sandbox.refused("BadDigest", "PUT", "bbb", "a", b"x", content_md5=base64.b64encode(b"0" * 16).decode())
    sandbox.refused("InvalidRequest", "PUT", "bbb", "a", b"x", x_amz_checksum_crc32=right, x_amz_checksum_sha1="x")


def test_a_put_guards_its_target(sandbox: Sandbox) -> None:
    etag = sandbox.put("a", if_none_match="*")
    assert condition_of(sandbox.refused("PreconditionFailed", "PUT", "bbb", "a", b"x", if_none_match="*"))
    sandbox.put("a", b"new", if_match=etag)
    error = sandbox.refused("PreconditionFailed", "PUT", "bbb", "a", b"x", if_match=etag)
    assert condition_of(error) == "If-Match"


def test_tags_are_read_written_and_removed(sandbox: Sandbox) -> None:
    sandbox.put("a", x_amz_tagging="project=cards")
    body = b"<Tagging><TagSet><Tag><Key>b</Key><Value>2 &amp; 3</Value></Tag></TagSet></Tagging>"
    sandbox("PUT", "bbb", "a", body, {"tagging": ""})
    reply = sandbox("GET", "bbb", "a", query={"tagging": ""})
    assert (text_of(reply, "Key"), text_of(reply, "Value")) == ("b", "2 &amp; 3")
    assert sandbox("DELETE", "bbb", "a", query={"tagging": ""}).status == 204
    assert "x-amz-tagging-count" not in sandbox.head("a")
    sandbox.refused("BadRequest", "PUT", "bbb", "a", b"", x_amz_tagging="&".join(f"k{n}=1" for n in range(11)))
    sandbox.refused("InvalidTag", "PUT", "bbb", "a", b"", x_amz_tagging="a=1&a=2")


def test_a_bucket_whose_owner_owns_everything_takes_no_acl(sandbox: Sandbox) -> None:
    sandbox.put("a", x_amz_acl="bucket-owner-full-control")
    sandbox.refused("AccessControlListNotSupported", "PUT", "bbb", "a", b"", x_amz_acl="public-read")
    sandbox.refused("AccessControlListNotSupported", "PUT", "bbb", "a", b"", {"acl": ""}, x_amz_acl="public-read")
    owner = text_of(sandbox("GET", "bbb", "a", query={"acl": ""}), "Permission")
    assert owner == "FULL_CONTROL"


def test_classes_and_encryptions_that_s3_does_not_have(sandbox: Sandbox) -> None:
    sandbox.refused("InvalidStorageClass", "PUT", "bbb", "a", b"", x_amz_storage_class="COLD")
    sandbox.refused("InvalidArgument", "PUT", "bbb", "a", b"", x_amz_server_side_encryption="ROT13")
    sandbox.refused("MetadataTooLarge", "PUT", "bbb", "a", b"", x_amz_meta_a="x" * 2048)


# --- buckets --------------------------------------------------------------------------------------------------------


def test_a_bucket_is_made_found_and_removed(sandbox: Sandbox) -> None:
    sandbox("PUT", "new-bucket")
    assert header(sandbox("HEAD", "new-bucket"), "x-amz-bucket-region") == "us-east-2"
    location = sandbox("GET", "new-bucket", query={"location": ""}).body
    assert isinstance(location, bytes) and b">us-east-2</LocationConstraint>" in location
    assert texts_of(sandbox("GET"), "Name") == ["bbb", "new-bucket", "other"]
    sandbox.refused("BucketAlreadyOwnedByYou", "PUT", "new-bucket")
    sandbox("DELETE", "new-bucket")
    sandbox.refused("NoSuchBucket", "HEAD", "new-bucket")
    sandbox.put("a")
    sandbox.refused("BucketNotEmpty", "DELETE", "bbb")


@pytest.mark.parametrize("name", ["ab", "Upper", "a..b", "-ab", "192.168.0.1", "a_b"])
def test_names_that_no_bucket_can_have(sandbox: Sandbox, name: str) -> None:
    sandbox.refused("InvalidBucketName", "PUT", name)


def test_a_bucket_of_another_region_says_where_it_is(sandbox: Sandbox) -> None:
    sandbox.account.buckets["bbb"].region = "eu-west-1"
    error = sandbox.refused("PermanentRedirect", "GET", "bbb", query={"list-type": "2"})
    assert (error.status, dict(error.headers)) == (301, {"x-amz-bucket-region": "eu-west-1"})


def test_another_owner_is_refused_where_one_is_expected(sandbox: Sandbox) -> None:
    sandbox("HEAD", "bbb", x_amz_expected_bucket_owner="123456789012")
    sandbox.refused("AccessDenied", "HEAD", "bbb", x_amz_expected_bucket_owner="210987654321")


def test_settings_that_were_not_made_are_absent(sandbox: Sandbox) -> None:
    sandbox.refused("NoSuchLifecycleConfiguration", "GET", "bbb", query={"lifecycle": ""})
    sandbox.refused("NoSuchTagSet", "GET", "bbb", query={"tagging": ""})
    sandbox.refused("ObjectLockConfigurationNotFoundError", "GET", "bbb", query={"object-lock": ""})
    assert texts_of(sandbox("GET", "bbb", query={"versioning": ""}), "Status") == []
    assert text_of(sandbox("GET", "bbb", query={"encryption": ""}), "SSEAlgorithm") == "AES256"
    assert text_of(sandbox("GET", "bbb", query={"ownershipControls": ""}), "ObjectOwnership") == "BucketOwnerEnforced"


def test_a_bucket_with_object_lock_keeps_versions_and_tells_what_is_locked(sandbox: Sandbox) -> None:
    sandbox("PUT", "locked", x_amz_bucket_object_lock_enabled="true")
    assert texts_of(sandbox("GET", "locked", query={"versioning": ""}), "Status") == ["Enabled"]
    assert text_of(sandbox("GET", "locked", query={"object-lock": ""}), "ObjectLockEnabled") == "Enabled"
    sandbox(
        "PUT",
        "locked",
        "a",
        b"x",
        **LOCK,
        content_md5=md5_of(b"x"),
    )
    sandbox("PUT", "locked", "b", b"x")
    sandbox("PUT", "bbb", "b", b"x")
    assert text_of(sandbox("GET", "locked", "a", query={"retention": ""}), "Mode") == "GOVERNANCE"
    assert text_of(sandbox("GET", "locked", "a", query={"legal-hold": ""}), "Status") == "ON"
    for what in ("retention", "legal-hold"):
        sandbox.refused("NoSuchObjectLockConfiguration", "GET", "locked", "b", query={what: ""})
        sandbox.refused("NoSuchKey", "GET", "locked", "c", query={what: ""})
        sandbox.refused("InvalidRequest", "GET", "bbb", "b", query={what: ""})


def test_what_locks_is_refused_in_a_bucket_without_object_lock(sandbox: Sandbox) -> None:
    sandbox.put("a")
    asked = (("PUT", "bbb", "b", b"x"), ("POST", "bbb", "b", b"", {"uploads": ""}))
    for lock in (LOCK, {"x_amz_object_lock_legal_hold": "ON"}):
        for request in asked:
            error = sandbox.refused("InvalidRequest", *request, **lock, content_md5=md5_of(request[3]))
            assert error.message == "Bucket is missing Object Lock Configuration"
        sandbox.refused("InvalidRequest", "PUT", "bbb", "b", b"", x_amz_copy_source="/bbb/a", **lock)


def test_a_retention_that_has_ended_is_refused(sandbox: Sandbox) -> None:
    sandbox("PUT", "locked", x_amz_bucket_object_lock_enabled="true")
    ended = {**LOCK, "x_amz_object_lock_retain_until_date": "2020-01-01T00:00:00Z"}
    error = sandbox.refused("InvalidArgument", "PUT", "locked", "a", b"x", **ended, content_md5=md5_of(b"x"))
    assert error.message == "The retain until date must be in the future!"


def test_the_body_of_what_is_locked_comes_with_a_digest(sandbox: Sandbox) -> None:
    sandbox("PUT", "locked", x_amz_bucket_object_lock_enabled="true")
    error = sandbox.refused("InvalidRequest", "PUT", "locked", "a", b"x", **LOCK)
    assert "required for Put Object requests with Object Lock parameters" in error.message
    upload = text_of(sandbox("POST", "locked", "a", b"", {"uploads": ""}, **LOCK), "UploadId")
    part = ("PUT", "locked", "a", b"x", {"uploadId": upload, "partNumber": "1"})
    error = sandbox.refused("InvalidRequest", *part)
    assert "required for Put Part requests with Object Lock parameters" in error.message
    sandbox(*part, content_md5=md5_of(b"x"))


# --- routing --------------------------------------------------------------------------------------------------------


def test_a_sub_resource_that_is_not_known_is_never_taken_for_the_thing_itself(sandbox: Sandbox) -> None:
    for method, key, name in (("PUT", "", "policy"), ("DELETE", "", "cors"), ("PUT", "a", "retention")):
        assert operation_of(method, "bbb", key, {name: ""}, {}) == UNSUPPORTED
        assert sandbox.refused("NotImplemented", method, "bbb", key, query={name: ""}).status == 501
    assert sandbox.stored("a") is None and "bbb" in sandbox.account.buckets


def test_an_id_that_some_clients_add_changes_nothing() -> None:
    assert operation_of("PUT", "bbb", "a", {"x-id": "PutObject"}, {}) == "PutObject"
    assert operation_of("PUT", "bbb", "a", {"x-id": "CopyObject"}, {"x-amz-copy-source": "b/a"}) == "CopyObject"
    query = {"partNumber": "1", "uploadId": "u"}
    assert operation_of("PUT", "bbb", "a", query, {}) == "UploadPart"
    assert operation_of("PUT", "bbb", "a", query, {"x-amz-copy-source": "b/a"}) == "UploadPartCopy"


def test_every_action_that_is_routed_has_a_rule() -> None:
    from engine.sandbox import rules

    named = {name for table in (rules._BUCKET, rules._OBJECT) for name, _ in table.values()}
    named |= {*rules._PLAIN_BUCKET.values(), *rules._PLAIN_OBJECT.values()}
    assert named | {"ListBuckets", "ListObjectsV2", "CopyObject", "UploadPartCopy"} == {*OF_ACCOUNT, *RULES}
