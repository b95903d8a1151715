"""Links as S3 takes them: for what was signed, until they end, and by nobody's word but the signature's."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import boto3
import pytest
from botocore.config import Config

from engine.sandbox import Sandbox, SandboxSettings, start_sandbox
from engine.sandbox.addressing import split_target
from engine.sandbox.auth import Key, Verifier
from engine.sandbox.refusals import S3Error

BUCKET, KEY = "front-bucket", "a b/ü+%.txt"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings()) as running:
        running.control("bucket", {"name": BUCKET})
        running.control("put", {"bucket": BUCKET, "key": KEY, "text": "here"})
        yield running


@pytest.fixture
def later(sandbox: Sandbox) -> Iterator[Callable[[int], None]]:
    """Moves the sandbox's clock, until the end of the test."""
    moved = [0]

    def move(seconds: int) -> None:
        moved.append(seconds)
        sandbox.control("advance_clock", {"seconds": seconds})

    yield move
    sandbox.control("advance_clock", {"seconds": -sum(moved)})


def link(sandbox: Sandbox, expires_s: int = 60, **replaced: Any) -> str:
    """As boto3 makes one."""
    given = {"aws_access_key_id": sandbox.access_key, "aws_secret_access_key": sandbox.secret_key}
    config = Config(signature_version="s3v4", s3={"addressing_style": "path"})
    named: dict[str, Any] = {"endpoint_url": sandbox.url, "region_name": sandbox.region, "config": config}
    s3 = boto3.client("s3", **(given | named | replaced))
    return str(s3.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": KEY}, expires_s))


def said(url: str, **replaced: str | None) -> str:
    """The link with something else in its query, or (None) without it."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {name.replace("_", "-"): value for name, value in replaced.items()}
    return parts._replace(query=urlencode({name: value for name, value in query.items() if value is not None})).geturl()


def fetch(url: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request(method, f"{parts.path}?{parts.query}", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_a_link_gives_its_object_to_whoever_has_it(sandbox: Sandbox) -> None:
    assert fetch(link(sandbox)) == (200, b"here")


def test_a_link_ends(sandbox: Sandbox, later: Callable[[int], None]) -> None:
    url = link(sandbox, expires_s=600)
    assert fetch(url)[0] == 200
    later(601)
    status, body = fetch(url)
    assert status == 403
    assert b"<Code>AccessDenied</Code><Message>Request has expired</Message>" in body
    assert b"<X-Amz-Expires>600</X-Amz-Expires>" in body


def test_a_link_lasts_to_the_second(sandbox: Sandbox) -> None:
    """Asked of what the server asks, at a moment of the test's own: the server's goes on meanwhile."""
    parts = urlsplit(link(sandbox, expires_s=600))
    signed = datetime.strptime(dict(parse_qsl(parts.query))["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    verifier, ends_s = (
        Verifier(sandbox.region, (Key(sandbox.access_key, sandbox.secret_key),)),
        signed.timestamp() + 600,
    )
    target = split_target(f"{parts.path}?{parts.query}".encode(), parts.netloc)
    assert verifier.check("GET", target, {"host": parts.netloc}, b"", ends_s) is None
    with pytest.raises(S3Error) as refused:
        verifier.check("GET", target, {"host": parts.netloc}, b"", ends_s + 0.001)
    assert refused.value.message == "Request has expired"


def test_a_link_of_a_clock_that_is_ahead_is_not_valid_yet(sandbox: Sandbox, later: Callable[[int], None]) -> None:
    url = link(sandbox)
    later(-16 * 60)
    status, body = fetch(url)
    assert (status, b"Request is not yet valid" in body) == (403, True)


def test_a_link_is_for_what_was_signed(sandbox: Sandbox) -> None:
    url = link(sandbox)
    parts = urlsplit(url)
    for other in (
        parts._replace(path=f"/{BUCKET}/another").geturl(),
        said(url, X_Amz_Expires="3600"),
        said(url, X_Amz_Signature="0" * 64),
        said(url, response_content_type="text/html"),
    ):
        status, body = fetch(other)
        assert (status, b"<Code>SignatureDoesNotMatch</Code>" in body) == (403, True), other
    assert fetch(url, "DELETE")[0] == 403


@pytest.mark.parametrize("expires", ["604801", "-1", "soon", "1.5"])
def test_a_link_lasts_no_longer_than_a_week(sandbox: Sandbox, expires: str) -> None:
    status, body = fetch(said(link(sandbox), X_Amz_Expires=expires))
    assert (status, b"<Code>AuthorizationQueryParametersError</Code>" in body) == (400, True)


@pytest.mark.parametrize(
    "name", ["X_Amz_Algorithm", "X_Amz_Credential", "X_Amz_Date", "X_Amz_Expires", "X_Amz_SignedHeaders"]
)
def test_a_link_that_lacks_a_part_is_refused(sandbox: Sandbox, name: str) -> None:
    status, body = fetch(said(link(sandbox), **{name: None}))
    assert (status, b"<Code>AuthorizationQueryParametersError</Code>" in body) == (400, True)


def test_a_header_of_s3s_own_has_to_be_signed(sandbox: Sandbox) -> None:
    status, body = fetch(link(sandbox), **{"x-amz-checksum-mode": "ENABLED"})
    assert (status, b"<HeadersNotSigned>x-amz-checksum-mode</HeadersNotSigned>" in body) == (403, True)
    assert fetch(link(sandbox), range="bytes=0-1")[0] == 206


def test_a_link_and_a_signature_together_are_refused(sandbox: Sandbox) -> None:
    status, body = fetch(link(sandbox), authorization="AWS4-HMAC-SHA256 Credential=a, SignedHeaders=b, Signature=c")
    assert (status, b"Only one auth mechanism allowed" in body) == (400, True)


def test_a_link_of_another_region_or_nobody_is_refused(sandbox: Sandbox) -> None:
    status, body = fetch(link(sandbox, region_name="eu-west-1"))
    assert (status, b"expecting 'us-east-2'" in body) == (400, True)
    status, body = fetch(link(sandbox, aws_access_key_id="AKIANOBODY"))
    assert (status, b"<Code>InvalidAccessKeyId</Code>" in body) == (403, True)


def test_a_link_ends_with_the_session_that_signed_it(sandbox: Sandbox, later: Callable[[int], None]) -> None:
    key = sandbox.control("credentials", {"lifetime_s": 100, "token": "a-token"})
    session = {
        "aws_access_key_id": key["access_key"],
        "aws_secret_access_key": key["secret_key"],
        "aws_session_token": "a-token",
    }
    url = link(sandbox, expires_s=3600, **session)
    assert fetch(url)[0] == 200
    later(101)
    status, body = fetch(url)
    assert (status, b"<Code>ExpiredToken</Code>" in body) == (400, True)
