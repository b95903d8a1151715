"""What each of S3's answers means to a caller."""

from __future__ import annotations

import pytest

from engine.errors import (
    CUSTOMER_KEY,
    AccessDenied,
    Ambiguous,
    Archived,
    BadCredentials,
    BucketMissing,
    ClockSkew,
    Conflict,
    CredentialsExpired,
    NotFound,
    PreconditionFailed,
    Rejected,
    Scope,
    StoreError,
    Throttled,
    Unreachable,
    Unsupported,
    WrongRegion,
)
from engine.s3.classify import classify, lacks_reason

BY_CODE = [
    (503, "SlowDown", Throttled),
    (503, "ServiceUnavailable", Throttled),
    (503, "RequestLimitExceeded", Throttled),
    (400, "ThrottlingException", Throttled),
    (400, "KMS.ThrottlingException", Throttled),
    (429, "TooManyRequests", Throttled),
    (500, "InternalError", Ambiguous),
    (400, "RequestTimeout", Ambiguous),
    (400, "ExpiredToken", CredentialsExpired),
    (400, "TokenRefreshRequired", CredentialsExpired),
    (403, "InvalidAccessKeyId", BadCredentials),
    (403, "InvalidTokenId", BadCredentials),
    (403, "SignatureDoesNotMatch", BadCredentials),
    (404, "NoSuchBucket", BucketMissing),
    (301, "PermanentRedirect", WrongRegion),
    (307, "TemporaryRedirect", WrongRegion),
    (403, "RequestTimeTooSkewed", ClockSkew),
    (412, "PreconditionFailed", PreconditionFailed),
    (409, "ConditionalRequestConflict", Conflict),
    (409, "OperationAborted", Conflict),
    (403, "InvalidObjectState", Archived),
    (403, "ObjectNotInActiveTierError", Archived),
    (404, "NoSuchKey", NotFound),
    (404, "NoSuchUpload", NotFound),
    (403, "AccessDenied", AccessDenied),
    (403, "AllAccessDisabled", AccessDenied),
    (501, "NotImplemented", Unsupported),
    (400, "InvalidRequest", Rejected),
    (400, "EntityTooLarge", Rejected),
    (400, "InvalidPart", Rejected),
    (405, "MethodNotAllowed", Rejected),
    (409, "BucketNotEmpty", Rejected),
    (507, "XMinioStorageFull", Rejected),
]

BY_STATUS = [
    ("CopyObject", 500, Ambiguous),
    ("CopyObject", 502, Ambiguous),
    ("CopyObject", 504, Ambiguous),
    ("CopyObject", 599, Ambiguous),
    ("CopyObject", 0, Ambiguous),
    ("CopyObject", 501, Unsupported),
    ("CopyObject", 429, Throttled),
    ("CopyObject", 301, WrongRegion),
    ("CopyObject", 307, WrongRegion),
    ("CopyObject", 403, AccessDenied),
    ("CopyObject", 404, NotFound),
    ("CopyObject", 409, Conflict),
    ("CopyObject", 412, PreconditionFailed),
    ("CopyObject", 400, Rejected),
    ("HeadObject", 416, Rejected),
    ("HeadBucket", 404, BucketMissing),
]


@pytest.mark.parametrize(("status", "code", "expected"), BY_CODE)
def test_each_code_has_its_error(status: int, code: str, expected: type[StoreError]) -> None:
    error = classify("CopyObject", "s3://b/k", status, code, "why", request_id="R1")
    assert type(error) is expected
    assert (error.code, error.operation, error.ref, error.request_id) == (code, "CopyObject", "s3://b/k", "R1")


@pytest.mark.parametrize(("status", "code", "expected"), [row for row in BY_CODE if row[2] is not Rejected])
def test_an_error_inside_a_200_is_the_same_error(status: int, code: str, expected: type[StoreError]) -> None:
    assert type(classify("CopyObject", "", 200, code)) is expected
    assert type(classify("CopyObject", "", 500, code)) is expected  # what botocore makes of such a 200


@pytest.mark.parametrize(("operation", "status", "expected"), BY_STATUS)
def test_without_a_code_the_status_decides(operation: str, status: int, expected: type[StoreError]) -> None:
    error = classify(operation, "s3://b/k", status, "")
    assert type(error) is expected
    assert error.code == str(status)


def test_an_unheard_of_error_inside_a_200_leaves_the_outcome_open() -> None:
    assert type(classify("CopyObject", "", 200, "Novelty")) is Ambiguous


def test_a_bare_503_is_throttling_for_a_read_and_an_open_outcome_for_a_write() -> None:
    for read in ("HeadObject", "GetBucketEncryption", "GetBucketAcl"):
        assert type(classify(read, "", 503, "")) is Throttled
    assert type(classify("CopyObject", "", 503, "")) is Ambiguous
    assert type(classify("CopyObject", "", 503, "SlowDown")) is Throttled


def test_a_malformed_authorization_header_with_a_region_means_the_wrong_region() -> None:
    error = classify("ListObjectsV2", "s3://b/", 400, "AuthorizationHeaderMalformed", region="eu-west-1")
    assert isinstance(error, WrongRegion)
    assert error.region == "eu-west-1"
    assert "--region eu-west-1" in error.advice and "--to-region" in error.advice
    assert type(classify("ListObjectsV2", "", 400, "AuthorizationHeaderMalformed")) is BadCredentials


def test_a_bare_400_with_a_region_in_its_header_means_the_wrong_region() -> None:
    error = classify("HeadBucket", "s3://b/", 400, "", region="eu-west-1")
    assert isinstance(error, WrongRegion)


def test_throttling_carries_the_servers_own_wish() -> None:
    for text, expected in (("3", 3.0), ("0.5", 0.5), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)):
        error = classify("CopyObject", "", 503, "SlowDown", retry_after=text)
        assert isinstance(error, Throttled)
        assert error.retry_after_s == expected


def test_a_failed_condition_carries_the_header_that_failed() -> None:
    error = classify("CopyObject", "", 412, "PreconditionFailed", condition="x-amz-copy-source-If-Match")
    assert isinstance(error, PreconditionFailed)
    assert error.condition == "x-amz-copy-source-If-Match"


def test_only_expired_credentials_may_be_mended_by_a_refresh() -> None:
    assert isinstance(classify("CopyObject", "", 400, "ExpiredToken"), CredentialsExpired)
    assert not isinstance(classify("CopyObject", "", 403, "InvalidAccessKeyId"), CredentialsExpired)
    assert not isinstance(classify("CopyObject", "", 403, "AccessDenied"), CredentialsExpired)


def test_a_bare_refusal_of_a_head_has_no_reason_yet() -> None:
    assert lacks_reason(classify("HeadObject", "", 400, ""))
    assert lacks_reason(classify("HeadBucket", "", 403, ""))
    assert not lacks_reason(classify("HeadObject", "", 404, ""))
    assert not lacks_reason(classify("HeadObject", "", 403, "AccessDenied"))
    assert not lacks_reason(classify("CopyObject", "", 403, ""))


@pytest.mark.parametrize(("status", "code", "expected"), BY_CODE)
def test_what_stops_a_run_says_what_to_do(status: int, code: str, expected: type[StoreError]) -> None:
    error = classify("ListObjectsV2", "", status, code)
    assert error.message
    assert "{" not in error.message + error.advice
    assert error.advice or error.scope is not Scope.RUN


def test_what_its_owners_key_is_missing_for_says_that_running_again_is_no_help() -> None:
    """S3 has no code of its own for it (GetObject and CopyObject of an SSE-C object without its key)."""
    said = (
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to "
        "retrieve the object."
    )
    for operation in ("CopyObject", "GetObject", "UploadPartCopy"):
        error = classify(operation, "s3://b/k", 400, "InvalidRequest", said)
        assert (type(error), error.code) == (Rejected, CUSTOMER_KEY)
        assert "SSE-C" in error.message
        assert "Running again does not help" in error.advice and "exclude" in error.advice


def test_braces_in_a_servers_message_are_left_alone() -> None:
    assert "{said} {0}" in classify("CopyObject", "", 400, "InvalidRequest", "{said} {0}").message


@pytest.mark.parametrize(
    ("location", "onward"),
    [
        ("https://s3.example/b/k", "https://s3.example"),
        ("https://b.s3.example/k", "https://s3.example"),
        ("https://name:word@s3.example/", "https://s3.example"),
        ("/b/k", ""),
        ("ftp://s3.example/", ""),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_a_redirect_leads_to_an_endpoint_or_to_another_region(location: str, onward: str) -> None:
    error = classify("ListObjectsV2", "s3://b/k", 301, "", location=location)
    assert isinstance(error, Unreachable if onward else WrongRegion)
    assert not onward or f"on to {onward}," in error.message
    assert isinstance(classify("ListObjectsV2", "s3://b/k", 301, "PermanentRedirect", location=location), WrongRegion)


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("ListObjectsV2", "s3:ListBucket"),
        ("CopyObject", "s3:PutObject, and s3:GetObject of the source"),
        ("GetBucketVersioning", "s3:GetBucketVersioning"),
    ],
)
def test_what_is_denied_is_named_by_its_action(operation: str, action: str) -> None:
    error = classify(operation, "s3://b/k", 403, "AccessDenied")
    assert isinstance(error, AccessDenied) and error.action == action
    assert error.advice.startswith(f"It takes {action}: cartage check LOCATION tells what is allowed there. ")
    assert "It takes" not in classify("Sign", "", 403, "AccessDenied").advice


def test_what_s3_itself_says_is_lacking_is_believed() -> None:
    """As AWS words it within one organization: of a copy it tells which side was denied."""
    said = 'User: arn:aws:iam::1:user/a is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k"'
    error = classify("CopyObject", "s3://c/k", 403, "AccessDenied", f"{said} because no policy allows it")
    assert isinstance(error, AccessDenied) and error.action == "s3:GetObject"
    assert error.advice.startswith("It takes s3:GetObject: ")


@pytest.mark.parametrize(
    ("status", "code", "message", "refuses"),
    [
        (400, "InvalidStorageClass", "The storage class you specified is not valid", "storage_class"),
        (400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size", "metadata"),
        (501, "NotImplemented", "Header 'x-amz-tagging' with value 'a=b' not implemented", "tags"),
        (501, "NotImplemented", "Header 'x-amz-website-redirect-location' not implemented", "website_redirect"),
        (501, "NotImplemented", "x-amz-object-lock-mode", "lock"),
    ],
)
def test_a_property_that_the_target_has_not_is_named_with_its_rule(
    status: int, code: str, message: str, refuses: str
) -> None:
    error = classify("PutObject", "s3://b/k", status, code, message)
    assert (error.refuses, error.code) == (refuses, code)
    assert f'properties = {{ {refuses} = "drop" }}' in error.advice
    assert "Running again does not help" in error.advice and "--no-conditional-writes" not in error.advice
    read = classify("GetObject", "s3://b/k", status, code, message)
    assert not read.refuses


def test_a_501_that_names_nothing_may_be_for_a_condition_or_for_tags() -> None:
    said = "A header you provided implies functionality that is not implemented"
    advice = classify("PutObject", "s3://b/k", 501, "NotImplemented", said).advice
    assert "--no-conditional-writes" in advice and "--no-tags" in advice
