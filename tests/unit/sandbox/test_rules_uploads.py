"""What the sandbox promises of multipart uploads: parts, ranges, order, sizes, and an ETag that comes out equal."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest

from engine import crc
from engine.sandbox import bodies
from engine.sandbox.bodies import Stream
from engine.sandbox.exchange import Reply
from tests.unit.sandbox.asking import Sandbox, condition_of, text_of, texts_of

MIB = 1 << 20
SOURCE = Stream(7, 20 * MIB)
GZIP = "x-gzip"


@pytest.fixture
def sandbox() -> Sandbox:
    made = Sandbox()
    made.keep("a", SOURCE)
    return made


def part(sandbox: Sandbox, upload: str, number: int, bounds: str = "", **headers: Any) -> Reply:
    """UploadPartCopy of "a" into "c"."""
    if bounds:
        headers["x_amz_copy_source_range"] = bounds
    query = {"uploadId": upload, "partNumber": str(number)}
    return sandbox("PUT", "bbb", "c", query=query, x_amz_copy_source="bbb/a", **headers)


def copied(sandbox: Sandbox, upload: str, part_bytes: int, **headers: Any) -> list[tuple[int, str]]:
    """All of "a" in parts of that size."""
    done = []
    for number, first in enumerate(range(0, SOURCE.size, part_bytes), 1):
        last = min(first + part_bytes, SOURCE.size) - 1
        done.append((number, text_of(part(sandbox, upload, number, f"bytes={first}-{last}", **headers), "ETag")))
    return done


def test_the_same_layout_gives_the_same_etag(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    reply = sandbox.complete("c", upload, copied(sandbox, upload, 8 * MIB))
    md5s = [bodies.md5_of(bodies.cut(SOURCE, first, min(first + 8 * MIB, SOURCE.size))) for first in
            range(0, SOURCE.size, 8 * MIB)]  # fmt: skip
    assert text_of(reply, "ETag") == f"&quot;{bodies.multipart_etag(md5s)}&quot;"
    found = sandbox.stored("c")
    assert found is not None and found.content == SOURCE
    head = sandbox.head("c", {"partNumber": "3"})
    assert (head["content-length"], head["x-amz-mp-parts-count"]) == (str(4 * MIB), "3")
    assert head["content-range"] == f"bytes {16 * MIB}-{20 * MIB - 1}/{20 * MIB}"
    assert sandbox("HEAD", "bbb", "c", query={"partNumber": "3"}).status == 206
    assert sandbox.refused("InvalidPartNumber", "HEAD", "bbb", "c", query={"partNumber": "4"}).status == 416


def test_an_upload_carries_only_what_was_sent_to_create_it(sandbox: Sandbox) -> None:
    upload = sandbox.create(
        "c", content_type=GZIP, x_amz_meta_a="1", x_amz_tagging="t=1", x_amz_storage_class="STANDARD_IA"
    )
    sandbox.complete("c", upload, [(1, text_of(part(sandbox, upload, 1), "ETag"))])
    head = sandbox.head("c")
    assert (head["content-type"], head["x-amz-meta-a"]) == (GZIP, "1")
    assert (head["x-amz-tagging-count"], head["x-amz-storage-class"]) == ("1", "STANDARD_IA")


# --- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "code"),
    [
        ("bytes=0-20971520", "InvalidArgument"),  # one byte past the end
        ("bytes=20971520-20971521", "InvalidRequest"),
        ("bytes=5-4", "InvalidArgument"),
        ("bytes=5-", "InvalidArgument"),
        ("bytes=-5", "InvalidArgument"),
        ("0-5", "InvalidArgument"),
    ],
)
def test_a_range_is_taken_as_it_is_or_not_at_all(sandbox: Sandbox, bounds: str, code: str) -> None:
    upload = sandbox.create("c")
    query = {"uploadId": upload, "partNumber": "1"}
    headers = {"x_amz_copy_source": "bbb/a", "x_amz_copy_source_range": bounds}
    sandbox.refused(code, "PUT", "bbb", "c", query=query, **headers)


def test_a_range_is_for_sources_over_five_mebibytes(sandbox: Sandbox) -> None:
    sandbox.keep("a", Stream(1, 5 * MIB))
    upload = sandbox.create("c")
    headers = {"x_amz_copy_source": "bbb/a", "x_amz_copy_source_range": "bytes=0-99"}
    sandbox.refused("InvalidRequest", "PUT", "bbb", "c", query={"uploadId": upload, "partNumber": "1"}, **headers)
    part(sandbox, upload, 1)
    sandbox.keep("a", Stream(1, 5 * MIB + 1))
    part(sandbox, upload, 1, "bytes=0-99")


@pytest.mark.parametrize("number", ["0", "10001", "-1", "one", ""])
def test_part_numbers_go_from_1_to_10000(sandbox: Sandbox, number: str) -> None:
    upload = sandbox.create("c")
    sandbox.refused("InvalidArgument", "PUT", "bbb", "c", b"x", query={"uploadId": upload, "partNumber": number})


def test_a_part_of_more_than_five_gibibytes(sandbox: Sandbox) -> None:
    sandbox.keep("a", Stream(1, (5 << 30) + 1))
    upload = sandbox.create("c")
    query = {"uploadId": upload, "partNumber": "1"}
    sandbox.refused("InvalidRequest", "PUT", "bbb", "c", query=query, x_amz_copy_source="bbb/a")
    assert part(sandbox, upload, 1, f"bytes=1-{5 << 30}").moved_bytes == 5 << 30


def test_a_source_that_changed_between_parts(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    etag = sandbox.head("a")["etag"]
    part(sandbox, upload, 1, "bytes=0-9999999", x_amz_copy_source_if_match=etag)
    sandbox.keep("a", Stream(8, SOURCE.size))
    query = {"uploadId": upload, "partNumber": "2"}
    headers = {"x_amz_copy_source": "bbb/a", "x_amz_copy_source_if_match": etag}
    error = sandbox.refused("PreconditionFailed", "PUT", "bbb", "c", query=query, **headers)
    assert condition_of(error) == "x-amz-copy-source-If-Match"


def test_an_upload_is_known_by_its_id_and_its_key(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    for key, upload_id in (("other", upload), ("c", "none")):
        query = {"uploadId": upload_id, "partNumber": "1"}
        sandbox.refused("NoSuchUpload", "PUT", "bbb", key, b"x", query=query)
        sandbox.refused("NoSuchUpload", "GET", "bbb", key, query={"uploadId": upload_id})
        sandbox.refused("NoSuchUpload", "DELETE", "bbb", key, query={"uploadId": upload_id})


def test_parts_are_listed_in_pages(sandbox: Sandbox) -> None:
    upload = sandbox.create("c", x_amz_checksum_algorithm="CRC64NVME")
    copied(sandbox, upload, 8 * MIB)
    first = sandbox("GET", "bbb", "c", query={"uploadId": upload, "max-parts": "2"})
    assert texts_of(first, "PartNumber") == ["1", "2"]
    assert text_of(first, "IsTruncated") == "true"
    assert len(texts_of(first, "ChecksumCRC64NVME")) == 2
    marker = text_of(first, "NextPartNumberMarker")
    rest = sandbox("GET", "bbb", "c", query={"uploadId": upload, "part-number-marker": marker})
    assert (texts_of(rest, "PartNumber"), texts_of(rest, "Size")) == (["3"], [str(4 * MIB)])


# --- completing -----------------------------------------------------------------------------------------------------


def test_completing_twice_is_an_unknown_upload(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    parts = copied(sandbox, upload, 8 * MIB)
    sandbox.complete("c", upload, parts)
    body = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>"
    sandbox.refused("NoSuchUpload", "POST", "bbb", "c", body, {"uploadId": upload})


def test_completing_twice_may_be_the_same_success_and_changes_nothing(sandbox: Sandbox) -> None:
    sandbox.account.complete_again = True
    upload = sandbox.create("c")
    parts = copied(sandbox, upload, 8 * MIB)
    first = sandbox.complete("c", upload, parts)
    sandbox.keep("c", b"somebody else's")
    assert sandbox.complete("c", upload, parts) == first
    assert sandbox("GET", "bbb", "c").body == b"somebody else's"
    sandbox.refused("NoSuchUpload", "POST", "bbb", "other", b"", {"uploadId": upload})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda parts: [*reversed(parts)], "InvalidPartOrder"),
        (lambda parts: [parts[0], parts[0]], "InvalidPartOrder"),
        (lambda parts: [(1, '"00"'), *parts[1:]], "InvalidPart"),
        (lambda parts: [*parts, (9, '"00"')], "InvalidPart"),
        (lambda parts: [], "MalformedXML"),
    ],
)
def test_the_parts_named_must_be_those_uploaded(sandbox: Sandbox, change: object, code: str) -> None:
    upload = sandbox.create("c")
    parts = copied(sandbox, upload, 8 * MIB)
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
        for number, etag in change(parts)  # type: ignore[operator]
    )
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    sandbox.refused(code, "POST", "bbb", "c", body, {"uploadId": upload})
    sandbox.complete("c", upload, parts)  # the upload is still there


def test_only_the_last_part_may_be_small(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    bounds = [f"bytes=0-{5 * MIB - 2}", f"bytes={5 * MIB - 1}-{20 * MIB - 1}"]
    parts = [(number, text_of(part(sandbox, upload, number, text), "ETag")) for number, text in enumerate(bounds, 1)]
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    sandbox.refused("EntityTooSmall", "POST", "bbb", "c", body, {"uploadId": upload})
    upload = sandbox.create("c")
    sandbox.complete("c", upload, [(7, text_of(part(sandbox, upload, 7), "ETag"))])


def test_the_target_is_guarded_when_the_upload_completes(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    parts = [(1, text_of(part(sandbox, upload, 1), "ETag"))]
    etag = sandbox.put("c", b"in between")
    body = (
        f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{parts[0][1]}</ETag></Part>"
        "</CompleteMultipartUpload>"
    ).encode()
    request = ("POST", "bbb", "c", body, {"uploadId": upload})
    assert condition_of(sandbox.refused("PreconditionFailed", *request, if_none_match="*")) == "If-None-Match"
    assert condition_of(sandbox.refused("PreconditionFailed", *request, if_match='"00"')) == "If-Match"
    sandbox.complete("c", upload, parts, if_match=etag)


def test_the_whole_size_is_checked_where_it_is_sent(sandbox: Sandbox) -> None:
    upload = sandbox.create("c", x_amz_checksum_algorithm="CRC64NVME")
    parts = copied(sandbox, upload, 8 * MIB)
    value = crc.to_base64("CRC64NVME", bodies.crc_of("CRC64NVME", SOURCE))
    rows = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    request = ("POST", "bbb", "c", body, {"uploadId": upload})
    sandbox.refused("InvalidRequest", *request, x_amz_mp_object_size=str(SOURCE.size - 1))
    sandbox.refused("BadDigest", *request, x_amz_checksum_crc64nvme="AAAAAAAAAAA=")
    sandbox.refused("InvalidRequest", *request, x_amz_checksum_type="COMPOSITE")
    reply = sandbox.complete(
        "c", upload, parts, x_amz_mp_object_size=str(SOURCE.size), x_amz_checksum_crc64nvme=value,
        x_amz_checksum_type="FULL_OBJECT",
    )  # fmt: skip
    assert (text_of(reply, "ChecksumCRC64NVME"), text_of(reply, "ChecksumType")) == (value, "FULL_OBJECT")


@pytest.mark.parametrize("part_bytes", [5 * MIB, 7 * MIB, 16 * MIB])
def test_a_full_object_checksum_does_not_depend_on_the_layout(sandbox: Sandbox, part_bytes: int) -> None:
    upload = sandbox.create("c", x_amz_checksum_algorithm="CRC32", x_amz_checksum_type="FULL_OBJECT")
    reply = sandbox.complete("c", upload, copied(sandbox, upload, part_bytes))
    expected = zlib.crc32(bodies.read_all(SOURCE))
    assert text_of(reply, "ChecksumCRC32") == crc.to_base64("CRC32", expected)


def test_a_composite_checksum_needs_every_parts_own(sandbox: Sandbox) -> None:
    upload = sandbox.create("c", x_amz_checksum_algorithm="SHA256")
    answer = part(sandbox, upload, 1)
    etag, value = text_of(answer, "ETag"), text_of(answer, "ChecksumSHA256")
    digest = hashlib.sha256(bodies.read_all(SOURCE)).digest()
    assert value == base64.b64encode(digest).decode()
    row = f"<Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"
    body = f"<CompleteMultipartUpload>{row}</CompleteMultipartUpload>".encode()
    sandbox.refused("InvalidRequest", "POST", "bbb", "c", body, {"uploadId": upload})
    reply = sandbox.complete("c", upload, [(1, etag)], f"<ChecksumSHA256>{value}</ChecksumSHA256>")
    expected = base64.b64encode(hashlib.sha256(digest).digest()).decode() + "-1"
    assert (text_of(reply, "ChecksumSHA256"), text_of(reply, "ChecksumType")) == (expected, "COMPOSITE")
    told = sandbox("GET", "bbb", "c", query={"attributes": ""}, x_amz_object_attributes="ObjectParts,Checksum,ETag")
    assert texts_of(told, "ChecksumSHA256") == [expected, value]
    assert text_of(told, "PartsCount") == "1"


@pytest.mark.parametrize(("algorithm", "kind"), [("CRC64NVME", "COMPOSITE"), ("SHA256", "FULL_OBJECT")])
def test_types_that_an_algorithm_does_not_have(sandbox: Sandbox, algorithm: str, kind: str) -> None:
    headers = {"x_amz_checksum_algorithm": algorithm, "x_amz_checksum_type": kind}
    sandbox.refused("InvalidRequest", "POST", "bbb", "c", query={"uploads": ""}, **headers)


def test_an_upload_that_asks_for_no_checksum_gets_s3s_own(sandbox: Sandbox) -> None:
    upload = sandbox.create("c")
    answer = part(sandbox, upload, 1)
    assert texts_of(answer, "ChecksumCRC64NVME") == []
    reply = sandbox.complete("c", upload, [(1, text_of(answer, "ETag"))])
    expected = crc.to_base64("CRC64NVME", bodies.crc_of("CRC64NVME", SOURCE))
    assert text_of(reply, "ChecksumCRC64NVME") == expected


# --- uploads under way ----------------------------------------------------------------------------------------------


def test_uploads_under_way_are_listed_by_key_and_in_pages(sandbox: Sandbox) -> None:
    ids = {key: sandbox.create(key) for key in ("x/2", "x/1", "y")}
    again = sandbox.create("x/1")
    reply = sandbox("GET", "bbb", query={"uploads": "", "prefix": "x/"})
    assert texts_of(reply, "Key") == ["x/1", "x/1", "x/2"]
    assert set(texts_of(reply, "UploadId")) == {ids["x/1"], ids["x/2"], again}
    cut = sandbox("GET", "bbb", query={"uploads": "", "max-uploads": "1"})
    markers = {"key-marker": text_of(cut, "NextKeyMarker"), "upload-id-marker": text_of(cut, "NextUploadIdMarker")}
    rest = sandbox("GET", "bbb", query={"uploads": "", **markers})
    assert texts_of(rest, "Key") == ["x/1", "x/2", "y"]
    sandbox("DELETE", "bbb", "y", query={"uploadId": ids["y"]})
    assert "y" not in texts_of(sandbox("GET", "bbb", query={"uploads": ""}), "Key")
    sandbox.refused("NoSuchUpload", "DELETE", "bbb", "y", query={"uploadId": ids["y"]})
