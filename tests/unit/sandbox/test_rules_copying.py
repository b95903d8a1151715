"""What the sandbox promises of CopyObject: its limit, its conditions, what it carries and what it drops."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from engine.model import Checksum
from engine.sandbox.bodies import Stream
from engine.sandbox.records import Attributes, PartRecord
from tests.unit.sandbox.asking import Sandbox, condition_of, header, text_of, texts_of

KEY = base64.b64encode(b"k" * 32).decode()
KEY_MD5 = base64.b64encode(hashlib.md5(b"k" * 32).digest()).decode()
CUSTOMER: dict[str, Any] = {
    "x_amz_server_side_encryption_customer_algorithm": "AES256",
    "x_amz_server_side_encryption_customer_key": KEY,
    "x_amz_server_side_encryption_customer_key_md5": KEY_MD5,
}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


def test_a_plain_copy_has_the_same_etag_and_checksum(sandbox: Sandbox) -> None:
    etag = sandbox.put("a")
    reply = sandbox.copy("a", "c")
    assert text_of(reply, "ETag") == etag.replace('"', "&quot;")
    assert header(reply, "x-amz-server-side-encryption") == "AES256"
    assert reply.moved_bytes == 5
    checksum = text_of(reply, "ChecksumCRC64NVME")
    assert sandbox.head("a", x_amz_checksum_mode="ENABLED")["x-amz-checksum-crc64nvme"] == checksum
    assert sandbox.head("c")["etag"] == etag


@pytest.mark.parametrize("key", ["a?b", "a+b", "a%41", "a b", "a//b", "/a", "a/../b", "é\U0001f600", "x?versionId=1"])
def test_keys_arrive_verbatim(sandbox: Sandbox, key: str) -> None:
    sandbox.put(key, key.encode())
    sandbox.copy(key, "copied/" + key)
    found = sandbox.stored("copied/" + key)
    assert found is not None and found.content == key.encode()


# --- conditions -----------------------------------------------------------------------------------------------------

PAST, FUTURE = "Sat, 01 Jan 2000 00:00:00 GMT", "Fri, 01 Jan 2100 00:00:00 GMT"


@pytest.mark.parametrize(
    ("condition", "value", "named"),
    [
        ("x_amz_copy_source_if_match", '"00"', "x-amz-copy-source-If-Match"),
        ("x_amz_copy_source_if_none_match", "ETAG", "x-amz-copy-source-If-None-Match"),
        ("x_amz_copy_source_if_none_match", "*", "x-amz-copy-source-If-None-Match"),
        ("x_amz_copy_source_if_unmodified_since", PAST, "x-amz-copy-source-If-Unmodified-Since"),
        ("x_amz_copy_source_if_modified_since", FUTURE, "x-amz-copy-source-If-Modified-Since"),
    ],
)
def test_a_condition_on_the_source_that_fails_is_named(
    sandbox: Sandbox, condition: str, value: str, named: str
) -> None:
    etag = sandbox.put("a")
    headers = {condition: value.replace("ETAG", etag), "x_amz_copy_source": "bbb/a"}
    error = sandbox.refused("PreconditionFailed", "PUT", "bbb", "c", **headers)
    assert (error.status, condition_of(error)) == (412, named)
    assert sandbox.stored("c") is None


def test_an_etag_that_matches_overrules_a_date_that_does_not(sandbox: Sandbox) -> None:
    etag = sandbox.put("a")
    sandbox.copy("a", "c", x_amz_copy_source_if_match=etag, x_amz_copy_source_if_unmodified_since=PAST)
    sandbox.refused(
        "PreconditionFailed", "PUT", "bbb", "c", x_amz_copy_source="bbb/a",
        x_amz_copy_source_if_none_match=etag, x_amz_copy_source_if_modified_since=PAST,
    )  # fmt: skip


def test_the_target_is_guarded(sandbox: Sandbox) -> None:
    sandbox.put("a", b"new")
    sandbox.copy("a", "c", if_none_match="*")
    error = sandbox.refused("PreconditionFailed", "PUT", "bbb", "c", x_amz_copy_source="bbb/a", if_none_match="*")
    assert condition_of(error) == "If-None-Match"
    other = sandbox.put("c", b"other")
    error = sandbox.refused("PreconditionFailed", "PUT", "bbb", "c", x_amz_copy_source="bbb/a", if_match='"00"')
    assert condition_of(error) == "If-Match"
    sandbox.copy("a", "c", if_match=other)
    sandbox.refused("NoSuchKey", "PUT", "bbb", "d", x_amz_copy_source="bbb/a", if_match=other)


def test_conditions_that_s3_does_not_know_are_501(sandbox: Sandbox) -> None:
    etag = sandbox.put("a")
    for headers in ({"if_none_match": etag}, {"if_match": "*"}, {"if_match": etag, "if_none_match": "*"}):
        assert sandbox.refused("NotImplemented", "PUT", "bbb", "a", b"", **headers).status == 501


# --- limits and refusals --------------------------------------------------------------------------------------------


def test_five_gibibytes_are_the_most(sandbox: Sandbox) -> None:
    sandbox.keep("most", Stream(1, 5 << 30))
    sandbox.keep("more", Stream(2, (5 << 30) + 1))
    assert sandbox.copy("most", "c").moved_bytes == 5 << 30
    error = sandbox.refused("InvalidRequest", "PUT", "bbb", "d", x_amz_copy_source="bbb/more")
    assert "5368709120" in error.message


def test_a_copy_to_itself_must_change_something(sandbox: Sandbox) -> None:
    sandbox.put("a")
    sandbox.refused("InvalidRequest", "PUT", "bbb", "a", x_amz_copy_source="bbb/a")
    sandbox.copy("a", "a", x_amz_storage_class="STANDARD_IA")
    assert sandbox.head("a")["x-amz-storage-class"] == "STANDARD_IA"
    sandbox.copy("a", "a", x_amz_metadata_directive="REPLACE", x_amz_meta_x="1")
    assert sandbox.head("a")["x-amz-meta-x"] == "1"


@pytest.mark.parametrize(
    ("code", "source"),
    [("NoSuchKey", "bbb/none"), ("NoSuchBucket", "none/a"), ("InvalidArgument", "bbb"), ("InvalidArgument", "bbb/")],
)
def test_a_source_that_is_not_there(sandbox: Sandbox, code: str, source: str) -> None:
    sandbox.refused(code, "PUT", "bbb", "c", x_amz_copy_source=source)


def test_a_key_of_more_than_1024_bytes(sandbox: Sandbox) -> None:
    sandbox.put("a")
    sandbox.copy("a", "é" * 512)
    sandbox.refused("KeyTooLongError", "PUT", "bbb", "é" * 512 + "x", x_amz_copy_source="bbb/a")


def test_an_archived_source_must_be_restored_first(sandbox: Sandbox) -> None:
    sandbox.account.restore_delay_s = 60
    sandbox.put("a", x_amz_storage_class="DEEP_ARCHIVE")
    sandbox.put("instant", x_amz_storage_class="GLACIER_IR")
    sandbox.copy("instant", "c")
    request = ("PUT", "bbb", "c")
    assert sandbox.refused("InvalidObjectState", *request, x_amz_copy_source="bbb/a").status == 403
    restore = ("POST", "bbb", "a", b"<RestoreRequest><Days>1</Days></RestoreRequest>", {"restore": ""})
    assert sandbox(*restore).status == 202
    sandbox.refused("RestoreAlreadyInProgress", *restore)
    sandbox.refused("InvalidObjectState", *request, x_amz_copy_source="bbb/a")
    assert sandbox.head("a")["x-amz-restore"] == 'ongoing-request="true"'
    sandbox.clock.second += 60
    sandbox.copy("a", "c")
    assert sandbox.head("a")["x-amz-restore"].startswith('ongoing-request="false", expiry-date=')
    assert "x-amz-restore" not in sandbox.head("c")
    sandbox.clock.second += 3 * 86_400
    sandbox.refused("InvalidObjectState", *request, x_amz_copy_source="bbb/a")


def test_an_archive_tier_of_intelligent_tiering_has_an_error_of_its_own(sandbox: Sandbox) -> None:
    attributes = Attributes(storage_class="INTELLIGENT_TIERING", archive_status="DEEP_ARCHIVE_ACCESS")
    sandbox.account.restore_delay_s = 0
    sandbox.keep("a", b"x", attributes=attributes)
    assert sandbox.head("a")["x-amz-archive-status"] == "DEEP_ARCHIVE_ACCESS"
    sandbox.refused("ObjectNotInActiveTierError", "PUT", "bbb", "c", x_amz_copy_source="bbb/a")
    sandbox.refused("InvalidObjectState", "GET", "bbb", "a")
    sandbox("POST", "bbb", "a", b"<RestoreRequest/>", {"restore": ""})
    sandbox.copy("a", "c", x_amz_storage_class="INTELLIGENT_TIERING")
    assert "x-amz-archive-status" not in sandbox.head("c")


# --- what is carried ------------------------------------------------------------------------------------------------


def test_what_a_copy_keeps_and_what_it_drops(sandbox: Sandbox) -> None:
    sandbox.put(
        "a", content_type="image/png", cache_control="no-cache", content_encoding="gzip,aws-chunked", expires=FUTURE,
        x_amz_meta_owner="me", x_amz_tagging="project=cards&empty=", x_amz_storage_class="STANDARD_IA",
        x_amz_website_redirect_location="/elsewhere",
    )  # fmt: skip
    sandbox.copy("a", "c")
    found = sandbox.head("c")
    assert found["content-type"] == "image/png"
    assert found["content-encoding"] == "gzip"
    assert (found["cache-control"], found["expires"]) == ("no-cache", FUTURE)
    assert (found["x-amz-meta-owner"], found["x-amz-tagging-count"]) == ("me", "2")
    assert "x-amz-storage-class" not in found  # back to STANDARD
    assert "x-amz-website-redirect-location" not in found
    assert sandbox.head("a")["x-amz-website-redirect-location"] == "/elsewhere"


def test_directives_replace_metadata_and_tags_apart(sandbox: Sandbox) -> None:
    sandbox.put("a", content_type="image/png", x_amz_meta_owner="me", x_amz_tagging="a=1")
    sandbox.copy("a", "c", x_amz_tagging_directive="REPLACE", x_amz_tagging="b=2&c=3", content_type="ignored/type")
    assert sandbox.head("c")["x-amz-tagging-count"] == "2"
    assert sandbox.head("c")["content-type"] == "image/png"
    sandbox.copy("a", "d", x_amz_metadata_directive="REPLACE", x_amz_meta_new="1")
    found = sandbox.head("d")
    assert found["x-amz-tagging-count"] == "1"
    assert found["content-type"] == "binary/octet-stream"
    assert "x-amz-meta-owner" not in found and found["x-amz-meta-new"] == "1"
    for directive in ("x_amz_metadata_directive", "x_amz_tagging_directive"):
        headers = {directive: "MERGE", "x_amz_copy_source": "bbb/a"}
        sandbox.refused("InvalidArgument", "PUT", "bbb", "e", **headers)


def test_the_target_buckets_default_encryption_counts(sandbox: Sandbox) -> None:
    etag = sandbox.put("a")
    body = (
        b"<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms"
        b"</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>"
    )
    sandbox("PUT", "other", body=body, query={"encryption": ""})
    reply = sandbox.copy("a", "c", bucket="other")
    assert header(reply, "x-amz-server-side-encryption") == "aws:kms"
    assert text_of(reply, "ETag") != etag.replace('"', "&quot;")  # no MD5 under KMS
    back = sandbox("PUT", "bbb", "back", x_amz_copy_source="other/c")
    assert text_of(back, "ETag") == etag.replace('"', "&quot;")


def test_a_customers_key_must_be_brought(sandbox: Sandbox) -> None:
    sandbox.put("a", **CUSTOMER)
    sandbox.refused("InvalidRequest", "HEAD", "bbb", "a")
    sandbox.refused("InvalidRequest", "PUT", "bbb", "c", x_amz_copy_source="bbb/a")
    assert sandbox.head("a", **CUSTOMER)["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
    source = {name.replace("x_amz_", "x_amz_copy_source_", 1): value for name, value in CUSTOMER.items()}
    sandbox.copy("a", "c", **source)
    assert sandbox.head("c")["x-amz-server-side-encryption"] == "AES256"
    wrong = base64.b64encode(b"w" * 32).decode(), base64.b64encode(hashlib.md5(b"w" * 32).digest()).decode()
    sandbox.refused("AccessDenied", "GET", "bbb", "a", **dict(zip(CUSTOMER, ("AES256", *wrong), strict=True)))


# --- checksums and the form of the ETag ------------------------------------------------------------------------------


def test_a_copy_of_parts_in_one_piece_changes_the_form_of_etag_and_checksum(sandbox: Sandbox) -> None:
    content = Stream(3, 12 << 20)
    source = sandbox.keep("a", content, checksum=Checksum("CRC32C", "COMPOSITE", "AAAAAA==-2"))
    plain, source.etag = source.etag, "00" * 16 + "-2"
    source.parts = (PartRecord(1, 8 << 20, "00" * 16), PartRecord(2, 4 << 20, "00" * 16))
    reply = sandbox.copy("a", "c")
    assert text_of(reply, "ETag") == f"&quot;{plain}&quot;"
    assert text_of(reply, "ChecksumType") == "FULL_OBJECT"
    assert texts_of(reply, "ChecksumCRC32C") != []


def test_an_algorithm_that_is_asked_for_overrules_the_sources(sandbox: Sandbox) -> None:
    sandbox.put("a", x_amz_checksum_sha256=base64.b64encode(hashlib.sha256(b"hello").digest()).decode())
    assert texts_of(sandbox.copy("a", "c"), "ChecksumSHA256") != []
    assert texts_of(sandbox.copy("a", "d", x_amz_checksum_algorithm="CRC64NVME"), "ChecksumCRC64NVME") != []
    headers = {"x_amz_checksum_algorithm": "ADLER", "x_amz_copy_source": "bbb/a"}
    sandbox.refused("InvalidRequest", "PUT", "bbb", "e", **headers)


def test_a_copy_of_an_old_object_gets_the_checksum_that_s3_gives_today(sandbox: Sandbox) -> None:
    sandbox.keep("a", b"old")
    assert "x-amz-checksum-crc64nvme" not in sandbox.head("a", x_amz_checksum_mode="ENABLED")
    assert texts_of(sandbox.copy("a", "c"), "ChecksumCRC64NVME") != []


def test_a_version_is_copied_by_its_id(sandbox: Sandbox) -> None:
    sandbox.put("a", b"zero")
    enabled = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    sandbox("PUT", "bbb", body=enabled, query={"versioning": ""})
    sandbox.put("a", b"one")
    reply = sandbox("PUT", "bbb", "c", x_amz_copy_source="bbb/a?versionId=null")
    assert header(reply, "x-amz-copy-source-version-id") == "null"
    assert header(reply, "x-amz-version-id") != "null"
    found = sandbox.stored("c")
    assert found is not None and found.content == b"zero"
    marker = header(sandbox("DELETE", "bbb", "a"), "x-amz-version-id")
    sandbox.refused("NoSuchKey", "PUT", "bbb", "d", x_amz_copy_source="bbb/a")
    sandbox.refused("InvalidRequest", "PUT", "bbb", "d", x_amz_copy_source=f"bbb/a?versionId={marker}")
