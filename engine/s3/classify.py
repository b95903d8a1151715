"""S3's answers as errors of the engine's tree: by `<Code>` first, by status second. Pure.

A 200 with an `<Error>` inside classifies as the same error under its own status (API reference, CopyObject: "both can
be 200 OK"). Codes: API reference, "Error responses", and what Ceph RGW, LocalStack and MinIO were seen to send.
"""

from __future__ import annotations

from typing import Any

from engine.errors import (
    AccessDenied,
    Ambiguous,
    Archived,
    BadCredentials,
    BucketMissing,
    ClockSkew,
    Conflict,
    NotFound,
    PreconditionFailed,
    Rejected,
    StoreError,
    Throttled,
    Unsupported,
    WrongRegion,
)

THROTTLED = frozenset(
    {
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "ServiceUnavailable",
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "BandwidthLimitExceeded",
        "KMS.ThrottlingException",
        "TooManyRequests",
        "XMinioServerNotInitialized",
    }
)
UNKNOWN_OUTCOME = frozenset({"InternalError", "RequestTimeout", "InternalServerError", "OperationAbortedByServer"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes that a refresh of the credentials may mend."""
BAD_CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "InvalidToken",
        "NotSignedUp",
        "AccountProblem",
        "InvalidSecurity",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "MissingSecurityHeader",
        "XAmzContentSHA256Mismatch",
    }
)
WRONG_PLACE = frozenset({"PermanentRedirect", "TemporaryRedirect", "Redirect", "IllegalLocationConstraintException"})
ARCHIVED = frozenset({"InvalidObjectState", "ObjectNotInActiveTierError"})
CONFLICT = frozenset({"ConditionalRequestConflict", "OperationAborted"})
MISSING = frozenset({"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound", "404"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403", "MethodNotAllowed", "AccessForbidden"})


def is_expired(error: StoreError) -> bool:
    """Whether fresh credentials may mend it."""
    return isinstance(error, BadCredentials) and error.code in EXPIRED


def classify(
    operation: str,
    ref: str,
    status: int,
    code: str,
    message: str = "",
    *,
    request_id: str = "",
    retry_after: str = "",
    condition: str = "",
    region: str = "",
) -> StoreError:
    """The error that this answer is. `status` is the HTTP status, `code` S3's own word or empty, `retry_after`,
    `condition` and `region` what headers or body say of them."""
    about: dict[str, Any] = {"operation": operation, "ref": ref, "code": code or str(status), "request_id": request_id}
    said = message or "S3 gave no reason"
    if code in THROTTLED or (not code and status in (429, 503)):
        return Throttled(f"S3 asks for fewer requests ({said})", **about, retry_after_s=_seconds(retry_after))
    if code in UNKNOWN_OUTCOME or (status >= 500 and status != 501 and code not in _KNOWN_AT_5XX):
        return Ambiguous(f"S3 failed inside ({said})", **about)
    if status == 501 or code == "NotImplemented":
        return Unsupported(
            f"this server does not know that ({said})",
            **about,
            advice="If it is a condition on the target, --no-conditional-writes goes on without it.",
        )
    if code in EXPIRED:
        return BadCredentials(
            "the credentials have expired.", **about, advice="Sign in again (aws sso login, or a fresh MFA session)."
        )
    if code in BAD_CREDENTIALS:
        return BadCredentials(
            f"S3 does not accept these credentials ({said}).",
            **about,
            advice="Check the access key, the secret key and the profile: cartage check says who you are.",
        )
    if code in WRONG_PLACE or status in (301, 307) or (code == "AuthorizationHeaderMalformed" and region):
        where = f" It is in {region}." if region else ""
        return WrongRegion(
            f"the bucket is in another region.{where}",
            **about,
            region=region,
            advice=f"Use --region {region or 'with its name'}.",
        )
    if code == "AuthorizationHeaderMalformed":
        return BadCredentials(f"S3 could not read the signature ({said}).", **about, advice="Check --region.")
    if code == "NoSuchBucket":
        return BucketMissing("the bucket does not exist.", **about, advice="Check its name, account and endpoint.")
    if code == "RequestTimeTooSkewed":
        return ClockSkew(
            "this machine's clock is too far from S3's.", **about, advice="Set the clock (ntpdate, chrony), then again."
        )
    if code in ARCHIVED:
        return Archived("the object is archived and must be restored before it can be read.", **about)
    if code in CONFLICT or (status == 409 and not code):
        return Conflict(f"another write to this key was under way ({said})", **about)
    if code == "PreconditionFailed" or status == 412:
        return PreconditionFailed(f"a condition did not hold ({condition or said})", **about, condition=condition)
    if code in MISSING or (status == 404 and code not in DENIED):
        return NotFound("it does not exist", **about)
    if code in DENIED or status in (401, 403):
        return AccessDenied(
            f"access denied ({said}).", **about, advice="cartage plan lists the IAM actions that are needed."
        )
    return Rejected(f"S3 refuses it ({said})", **about)


_KNOWN_AT_5XX = (
    THROTTLED
    | EXPIRED
    | BAD_CREDENTIALS
    | WRONG_PLACE
    | ARCHIVED
    | CONFLICT
    | MISSING
    | DENIED
    | {"NoSuchBucket", "RequestTimeTooSkewed", "PreconditionFailed", "NotImplemented", "AuthorizationHeaderMalformed"}
)


def _seconds(text: str) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None  # a date: our own delay is as good
