"""Every signature of ours is the one that botocore's own signer makes of the same request."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import parse_qsl, unquote, urlsplit

import botocore.auth
import botocore.credentials
import pytest
from botocore.awsrequest import AWSRequest
from botocore.utils import percent_encode
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.s3.session import Credentials
from engine.s3.signing import Signer, encode_key, encode_query
from tests.faults.amount import examples

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    ["", "a b+c%d", "a//b/../c/./", "/lead", "~!*'()", "é/💩", "a\nb", "?versionId=1", "%2F%25"]
)
NAMES = st.sampled_from(
    [
        "content-type", "content-md5", "if-match", "if-none-match", "range", "x-amz-copy-source", "x-amz-acl",
        "x-amz-copy-source-if-match", "x-amz-meta-a", "x-amz-meta-b_c.d", "x-amz-storage-class", "x-amz-tagging",
    ]
)  # fmt: skip
VALUES = st.text(st.characters(codec="ascii", min_codepoint=0x20, max_codepoint=0x7E), max_size=30) | st.sampled_from(
    ["", "  two  spaces ", "\ttab\tin  it", '"etag"', "100%", "%s %% %d", "a,b;c=d"]
)
QUERIES = st.lists(
    st.tuples(st.sampled_from(["uploads", "uploadId", "prefix", "part-Number", "a b"]), KEYS), max_size=4
)
SECRETS = st.text(st.characters(codec="ascii", min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
MOMENTS = st.integers(0, 4_000_000_000)


def by_botocore(
    method: str,
    host: str,
    path: str,
    query: str,
    headers: dict[str, str],
    body: bytes,
    credentials: Credentials,
    region: str,
    moment: int,
) -> dict[str, str]:
    url = f"http://{host}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    held = botocore.credentials.Credentials(*credentials[:2], credentials.token or None)
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: datetime.fromtimestamp(moment, UTC)):
        botocore.auth.S3SigV4Auth(held, "s3", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


def read_lines(text: str) -> dict[str, str]:
    assert text.endswith("\r\n")
    return dict(line.split(":", 1) for line in text[:-2].split("\r\n"))


def parts(authorization: str) -> tuple[str, ...]:
    found = re.search(r"Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)", authorization)
    assert found is not None
    return found.groups()


@settings(max_examples=examples(300))
@given(
    method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
    key=KEYS,
    pairs=QUERIES,
    headers=st.dictionaries(NAMES, VALUES, max_size=5),
    body=st.binary(max_size=20),
    secret=SECRETS,
    token=st.just("") | st.text(st.characters(codec="ascii", min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    region=st.sampled_from(["us-east-1", "eu-central-1", "cn-north-1"]),
    moment=MOMENTS,
)
def test_each_signature_is_botocores(
    method: str,
    key: str,
    pairs: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    secret: str,
    token: str,
    region: str,
    moment: int,
) -> None:
    credentials = Credentials("AKIDEXAMPLE", secret, token)
    host, path, query = "127.0.0.1:9000", f"/bucket/{encode_key(key)}", encode_query(pairs)
    signer = Signer(host, region, credentials, clock=lambda: moment)
    own = headers | ({"x-amz-content-sha256": hashlib.sha256(body).hexdigest()} if body else {})
    names = tuple(sorted(own))
    values = tuple(own[name] for name in names)
    ours = read_lines(signer.sign(method, path, query, names, values))
    theirs = by_botocore(method, host, path, query, headers, body, credentials, region, moment)
    assert parts(ours["authorization"]) == parts(theirs["authorization"])
    assert ours["host"] == host
    assert ours["x-amz-date"] == theirs["x-amz-date"]
    assert ours["x-amz-content-sha256"] == theirs["x-amz-content-sha256"]
    assert ours.get("x-amz-security-token", "") == token
    assert {name: ours[name] for name in headers} == headers
    again = read_lines(signer.sign(method, path, query, names, values))
    assert again == ours  # a shape that is kept signs as one that is new


@settings(max_examples=examples(50))
@given(moments=st.lists(MOMENTS, min_size=2, max_size=6), secrets=st.lists(SECRETS, min_size=2, max_size=2))
def test_a_signer_follows_the_clock_and_new_credentials(moments: list[int], secrets: list[str]) -> None:
    now = [0]
    signer = Signer("h", "us-east-1", Credentials("A", secrets[0]), clock=lambda: now[0])
    for number, moment in enumerate(moments):
        now[0] = moment
        credentials = Credentials("B" * (number + 1), secrets[number % 2], "t" * (number % 2))
        signer.credentials = credentials
        ours = read_lines(signer.sign("PUT", "/k", "", ("x-amz-acl",), ("private",)))
        theirs = by_botocore("PUT", "h", "/k", "", {"x-amz-acl": "private"}, b"", credentials, "us-east-1", moment)
        assert parts(ours["authorization"]) == parts(theirs["authorization"])


@settings(max_examples=examples(150), deadline=None)
@given(
    key=KEYS,
    secret=SECRETS,
    token=st.just("") | st.text(st.characters(codec="ascii", min_codepoint=0x21, max_codepoint=0x7E), min_size=1),
    moment=MOMENTS,
    expires_s=st.integers(1, 7 * 86_400),
)
def test_each_link_is_botocores(key: str, secret: str, token: str, moment: int, expires_s: int) -> None:
    path = f"/bucket/{encode_key(key)}"
    ours = Signer("h:9000", "us-east-1", Credentials("AKIDEXAMPLE", secret, token), clock=lambda: moment)
    held = botocore.credentials.Credentials("AKIDEXAMPLE", secret, token or None)
    request = AWSRequest(method="GET", url=f"http://h:9000{path}")
    with mock.patch.object(botocore.auth, "get_current_datetime", lambda *_, **__: datetime.fromtimestamp(moment, UTC)):
        botocore.auth.S3SigV4QueryAuth(held, "s3", "us-east-1", expires=expires_s).add_auth(request)
    assert set(parse_qsl(ours.link(path, expires_s))) == set(parse_qsl(urlsplit(request.url).query))


@given(KEYS)
def test_keys_are_encoded_byte_for_byte(key: str) -> None:
    assert encode_key(key) == percent_encode(key, safe="/~")
    assert unquote(encode_key(key), errors="strict") == key


@pytest.mark.parametrize("value", ["a\nb", "a\r\nx-amz-acl: public-read", "a\rb", "a\0b"])
def test_a_value_that_would_break_out_of_its_line_is_refused(value: str) -> None:
    signer = Signer("h", "us-east-1", Credentials("A", "s"))
    with pytest.raises(ValueError, match="line break"):
        signer.sign("PUT", "/k", "", ("x-amz-meta-a",), (value,))


def test_fixed_headers_are_signed_with_every_request() -> None:
    fixed = {"x-amz-request-payer": "requester"}
    credentials = Credentials("A", "s")
    signer = Signer("h", "us-east-1", credentials, fixed=fixed, clock=lambda: 5)
    ours = read_lines(signer.sign("GET", "/k", "", (), ()))
    theirs = by_botocore("GET", "h", "/k", "", fixed, b"", credentials, "us-east-1", 5)
    assert parts(ours["authorization"]) == parts(theirs["authorization"])
    assert ours["x-amz-request-payer"] == "requester"


def test_credentials_never_show_themselves() -> None:
    assert "wJalr" not in repr(Credentials("AKID", "wJalrXUtnFEMI", "token"))
