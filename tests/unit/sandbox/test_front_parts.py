"""The parts of the sandbox's front that decide without waiting: addresses, framing, manners, settings, answers."""

from __future__ import annotations

import hashlib
import hmac
import json
import xml.etree.ElementTree as ElementTree

import pytest

from engine.sandbox import FaultRule, SandboxSettings
from engine.sandbox.addressing import copy_source_of, split_target
from engine.sandbox.auth import Chain
from engine.sandbox.manners import MIB, Bandwidth, Latency, RateLimit, family_of
from engine.sandbox.payload import is_framed, take_off_framing, unframe
from engine.sandbox.refusals import S3Error
from engine.sandbox.wording import error_reply, head_of

HOST = "127.0.0.1:9000"


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (b"/b/a//b/../c", "a//b/../c"),
        (b"/b//", "/"),
        (b"/b/a%2Fb", "a/b"),
        (b"/b/a%252Fb", "a%2Fb"),
        (b"/b/%00%01%1f%7f%0a", "\x00\x01\x1f\x7f\n"),
        (b"/b/a+b%20c%3Fd", "a+b c?d"),
        (b"/b/%F0%9F%8E%B4/%E2%82%AC", "\U0001f3b4/€"),
        (b"/b/./..", "./.."),
        (b"/b", ""),
        (b"/b/", ""),
    ],
)
def test_a_key_arrives_as_it_was_sent(sent: bytes, key: str) -> None:
    target = split_target(sent, HOST)
    assert (target.bucket, target.key) == ("b", key)


def test_a_path_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(S3Error) as refused:
        split_target(b"/b/%ff%fe", HOST)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("host", "bucket", "key"),
    [
        ("cards.localhost:9000", "cards", "raw//1.png"),
        ("cards.v2.s3.localhost", "cards.v2", "raw//1.png"),
        ("s3.localhost:9000", "raw", "/1.png"),
        ("localhost:9000", "raw", "/1.png"),
    ],
)
def test_a_bucket_may_be_in_the_host_name(host: str, bucket: str, key: str) -> None:
    target = split_target(b"/raw//1.png", host)
    assert (target.bucket, target.key) == (bucket, key)


def test_a_query_is_decoded_and_keeps_names_without_a_value() -> None:
    target = split_target(b"/b?uploads&prefix=a%2Fb+c&x=%3D", HOST)
    assert target.query == {"uploads": "", "prefix": "a/b c", "x": "="}
    assert target.pairs == (("uploads", ""), ("prefix", "a/b c"), ("x", "="))


def test_a_copy_source_is_read_with_and_without_its_version() -> None:
    assert copy_source_of({"x-amz-copy-source": "/b/a%3Fb//c?versionId=7"}) == ("b", "a?b//c")
    assert copy_source_of({}) == ("", "")


# --- framing -----------------------------------------------------------------------------------------------


def test_an_unsigned_framed_body_is_unframed_with_its_trailer() -> None:
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "content-encoding": "gzip,aws-chunked",
        "x-amz-decoded-content-length": "7",
    }
    raw = b"4\r\nabcd\r\n3\r\nefg\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
    assert is_framed(headers)
    plain, body = take_off_framing(headers, raw, None)
    assert body == b"abcdefg"
    assert plain["x-amz-checksum-crc32"] == "AAAAAA=="
    assert plain["content-encoding"] == "gzip"
    assert plain["content-length"] == "7"


@pytest.mark.parametrize(
    "raw", [b"", b"4\r\nabc", b"4\r\nabcdXX0\r\n\r\n", b"zz\r\nabcd\r\n0\r\n\r\n", b"4\r\nabcd\r\n", b"4"]
)
def test_a_framed_body_that_was_cut_or_garbled_is_refused(raw: bytes) -> None:
    with pytest.raises(S3Error):
        unframe(raw, None)


def test_a_framed_body_of_another_length_than_it_says_is_refused() -> None:
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": "5"}
    with pytest.raises(S3Error) as refused:
        take_off_framing(headers, b"4\r\nabcd\r\n0\r\n\r\n", None)
    assert refused.value.code == "IncompleteBody"


def test_chunk_signatures_form_a_chain_that_a_changed_byte_breaks() -> None:
    """The example in S3's API reference, "Signature calculations: multiple chunks"."""
    key = b"AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    for text in (b"20130524", b"us-east-1", b"s3", b"aws4_request"):
        key = hmac.new(key, text, hashlib.sha256).digest()
    chain = Chain(
        key,
        "20130524T000000Z",
        "20130524/us-east-1/s3/aws4_request",
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    )
    signatures = (
        b"ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        b"0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        b"b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    )
    chunks = (b"a" * 65536, b"a" * 1024, b"")
    raw = b"".join(
        b"%x;chunk-signature=%b\r\n%b\r\n" % (len(chunk), signature, chunk)
        for chunk, signature in zip(chunks, signatures, strict=True)
    )
    assert unframe(raw, chain).body == b"a" * 66560
    with pytest.raises(S3Error) as refused:
        unframe(raw.replace(b"\r\naa", b"\r\nab", 1), chain)
    assert refused.value.code == "SignatureDoesNotMatch"


# --- manners -----------------------------------------------------------------------------------------------


def admitted(limit: RateLimit, count: int, now_s: float, key: str = "data/1", is_write: bool = True) -> int:
    return sum(limit.admit("b", key, is_write, now_s) for _ in range(count))


def test_a_prefix_takes_its_burst_and_then_its_rate() -> None:
    limit = RateLimit(SandboxSettings(rate_rps=100, rate_burst=20))
    assert admitted(limit, 50, 0.0) == 20
    assert admitted(limit, 50, 0.1) == 10
    assert admitted(limit, 500, 60.0) == 20  # what was not used is not saved beyond the burst


def test_families_and_directions_have_budgets_of_their_own() -> None:
    limit = RateLimit(SandboxSettings(rate_rps=70, rate_burst=10))
    assert admitted(limit, 50, 0.0, "data/raw/1") == 10
    assert admitted(limit, 50, 0.0, "data/other/2") == 0
    assert admitted(limit, 50, 0.0, "models/1") == 10
    assert admitted(limit, 50, 0.0, "data/raw/1", is_write=False) == 10
    assert admitted(limit, 500, 0.05, "data/raw/1", is_write=False) == 5  # 110 a second, in S3's own proportion


def test_a_family_is_as_deep_as_it_is_asked_for() -> None:
    assert [family_of("a/b/c.png", depth) for depth in (1, 2, 3)] == ["a/", "a/b/", "a/b/"]
    assert family_of("top.png") == ""


def test_a_sandbox_without_a_rate_admits_everything() -> None:
    limit = RateLimit(SandboxSettings())
    assert limit.is_none
    assert admitted(limit, 1000, 0.0) == 1000


def test_latency_is_spread_around_its_median_and_repeats_with_its_seed() -> None:
    settings = SandboxSettings(latency_ms=50, latency_spread=0.4, list_latency_ms=200)
    first, second = Latency(settings), Latency(settings)
    delays = sorted(first.next_s("CopyObject") for _ in range(1001))
    assert 0.045 < delays[500] < 0.055
    assert delays[0] < 0.030 and delays[-1] > 0.080
    assert delays == sorted(second.next_s("CopyObject") for _ in range(1001))
    assert {first.next_s("ListObjectsV2") for _ in range(10)} == {0.2}
    uniform = Latency(SandboxSettings(latency_ms=50, latency_spread=0.1, uniform=True))
    assert all(0.045 <= uniform.next_s("CopyObject") <= 0.055 for _ in range(1000))


def test_parts_of_one_upload_wait_for_a_slot_and_other_uploads_do_not() -> None:
    bandwidth = Bandwidth(100 * MIB, part_slots=2)
    assert [round(bandwidth.delay_s(100 * MIB, "u1", 0.0), 6) for _ in range(5)] == [1, 1, 2, 2, 3]
    assert bandwidth.delay_s(100 * MIB, "u2", 0.0) == 1
    assert bandwidth.delay_s(100 * MIB, "", 0.0) == 1
    assert bandwidth.delay_s(100 * MIB, "u1", 2.5) == 1  # one slot is free again
    assert bandwidth.delay_s(0, "u1", 0.0) == 0


# --- settings and answers ----------------------------------------------------------------------------------


def test_settings_pass_through_json_whole() -> None:
    settings = SandboxSettings(rate_rps=3500, tls_names=("a.example",), faults=(FaultRule("500", probability=0.1),))
    assert SandboxSettings().changed(json.loads(json.dumps(settings.as_json()))) == settings


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(TypeError, match="no such setting: latency"):
        SandboxSettings().changed({"latency": 5})


def test_a_refusal_is_well_formed_whatever_the_key_holds() -> None:
    error = S3Error("NoSuchKey", Key="a<b>&\x00\x1f\n")
    reply = error_reply(error, "0000000000000001")
    assert isinstance(reply.body, bytes)
    root = ElementTree.fromstring(reply.body)
    assert (root.tag, root.findtext("Code"), root.findtext("RequestId")) == ("Error", "NoSuchKey", "0000000000000001")
    assert root.findtext("Key") == "a<b>&\ufffd\ufffd\n"


def test_a_header_cannot_carry_a_line_break_into_the_answer() -> None:
    head = head_of(200, (("x-amz-meta-a", "1\r\nSet-Cookie: x"), ("ETag", '"e"')), "ID", 0, 0)
    assert b"\r\nSet-Cookie" not in head
    assert head.count(b"\r\n\r\n") == 1
