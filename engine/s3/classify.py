"""S3's answers as errors of the engine's tree: by `<Code>` first, by status second. Pure; both planes use it.

A 200 with an `<Error>` inside classifies as the same error does under its own status (API reference, CopyObject: "a
200 OK response can contain either a success or an error"). Codes: API reference, "Error responses", and what Ceph
RGW, LocalStack, MinIO and moto were seen to send.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from engine import errors
from engine.errors import CUSTOMER_KEY, StoreError

READING = ("Get", "Head", "List")
"""How the names of S3's operations begin that change nothing: it does not matter what became of them."""

LONGEST_TEXT = 500
"""Of a server's own words no more goes into errors, and so into ledgers and onto terminals."""

OF_A_SIDE = " Of one side of a copy it is --from-region or --to-region, of a plan's site its region."
"""An answer does not say which of several sites it is of."""

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"})
"""Codes that a refresh of the credentials may mend."""


class _Kind(Enum):
    THROTTLED = "throttled"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    CREDENTIALS = "credentials"
    SIGNATURE = "signature"
    REGION = "region"
    ONWARD = "onward"
    PROXY = "proxy"
    BUCKET = "bucket"
    CLOCK = "clock"
    ARCHIVED = "archived"
    CONFLICT = "conflict"
    CONDITION = "condition"
    MISSING = "missing"
    DENIED = "denied"
    PAYER = "payer"
    UNSUPPORTED = "unsupported"
    REJECTED = "rejected"
    CUSTOMER_KEY = "customer key"


_CODES: dict[_Kind, str] = {
    # KMS throttling reaches the caller as S3's own error (API reference, "KMS.ThrottlingException").
    _Kind.THROTTLED: """
        SlowDown SlowDownRead SlowDownWrite ServiceUnavailable ServiceUnavailableException RequestLimitExceeded
        Throttling ThrottlingException ThrottledException RequestThrottled RequestThrottledException
        TooManyRequests TooManyRequestsException BandwidthLimitExceeded ProvisionedThroughputExceededException
        KMS.ThrottlingException KMS.Throttling LimitExceededException XMinioServerNotInitialized""",
    # The last three: the body was hurt on its way. Nothing was written, and another try is worth it, but not for ever.
    _Kind.UNKNOWN: """
        InternalError InternalFailure InternalServerError RequestTimeout RequestTimeoutException
        IncompleteBody BadDigest XAmzContentSHA256Mismatch""",
    _Kind.EXPIRED: " ".join(sorted(EXPIRED)),
    _Kind.CREDENTIALS: """
        InvalidAccessKeyId InvalidToken InvalidTokenId NotSignedUp AccountProblem InvalidSecurity InvalidClientTokenId
        UnrecognizedClientException MissingSecurityHeader MissingAuthenticationToken CredentialsNotSupported""",
    _Kind.SIGNATURE: "SignatureDoesNotMatch InvalidSignatureException IncompleteSignature",
    _Kind.REGION: """
        PermanentRedirect TemporaryRedirect Redirect IllegalLocationConstraintException InvalidLocationConstraint""",
    _Kind.BUCKET: "NoSuchBucket NoSuchAccessPoint InvalidBucketName",
    _Kind.CLOCK: "RequestTimeTooSkewed RequestInTheFuture",
    _Kind.ARCHIVED: "InvalidObjectState ObjectNotInActiveTierError",
    _Kind.CONFLICT: "ConditionalRequestConflict OperationAborted",
    _Kind.CONDITION: "PreconditionFailed",
    _Kind.MISSING: """
        NoSuchKey NoSuchUpload NoSuchVersion NoSuchTagSet NoSuchTagSetError NoSuchLifecycleConfiguration NotFound
        ReplicationConfigurationNotFoundError""",
    _Kind.DENIED: "AccessDenied AllAccessDisabled Forbidden AccessForbidden UnauthorizedAccess Unauthorized",
    _Kind.PAYER: "InvalidPayer",
    _Kind.UNSUPPORTED: "NotImplemented XNotImplemented UnsupportedOperation",
    # Of status 500 and above, and yet a clear no; the first is about expedited restores alone (API reference,
    # RestoreObject), and no wish for fewer requests.
    _Kind.REJECTED: """
        GlacierExpeditedRetrievalNotAvailable XMinioStorageFull StorageFull InsufficientStorage QuotaExceeded""",
}
_KIND_OF_CODE = {code: kind for kind, codes in _CODES.items() for code in codes.split()}

_KIND_OF_STATUS = {
    301: _Kind.REGION,
    302: _Kind.REGION,
    303: _Kind.REGION,
    307: _Kind.REGION,
    308: _Kind.REGION,
    401: _Kind.DENIED,
    403: _Kind.DENIED,
    404: _Kind.MISSING,
    407: _Kind.PROXY,
    412: _Kind.CONDITION,
    429: _Kind.THROTTLED,
    501: _Kind.UNSUPPORTED,
}


OF_PROXY = (
    "HTTP_PROXY and HTTPS_PROXY take a name and a password before the host (http://name:password@host:port); NO_PROXY "
    "names hosts that are spoken to without a proxy."
)


NEW_LEDGER = (
    "that takes a new ledger (--ledger), which finds what is copied already, and no longer has revert remove that."
)


class _Form(NamedTuple):
    """Sentence and advice; `{said}` is S3's own message, `{code}` its code, `{region}` where it says the bucket is."""

    error: type[StoreError]
    sentence: str
    advice: str = ""


_FORMS = {
    _Kind.THROTTLED: _Form(errors.Throttled, "S3 asks for fewer requests ({said})"),
    _Kind.UNKNOWN: _Form(errors.Ambiguous, "S3 failed, and whether it was carried out is not known ({said})"),
    _Kind.EXPIRED: _Form(
        errors.CredentialsExpired,
        "the credentials have expired ({said})",
        "Sign in again (aws sso login, or a new MFA or role session) and run the same command: it goes on from there.",
    ),
    _Kind.CREDENTIALS: _Form(
        errors.BadCredentials,
        "S3 does not accept these credentials ({said})",
        "Check the access key, the session token and the profile; cartage check says who you are.",
    ),
    _Kind.SIGNATURE: _Form(
        errors.BadCredentials,
        "S3 does not accept the signature ({said})",
        "Check the secret key and the region; behind a proxy, that it leaves headers and path as they are.",
    ),
    _Kind.REGION: _Form(errors.WrongRegion, "the bucket is in another region{region}", "{use_region}"),
    _Kind.ONWARD: _Form(
        errors.Unreachable,
        "the endpoint sends requests on to {onward}, which no request follows",
        "If that is S3, name it as the endpoint: --endpoint-url {onward}. Of one side of a copy it is "
        "--from-endpoint-url or --to-endpoint-url.",
    ),
    _Kind.PROXY: _Form(
        errors.Unreachable,
        "the proxy asks for a name and a password",
        OF_PROXY,
    ),
    _Kind.BUCKET: _Form(
        errors.BucketMissing,
        "there is no such bucket ({said})",
        "Check its name, the account and the endpoint: cartage check says which are in use.",
    ),
    _Kind.CLOCK: _Form(
        errors.ClockSkew,
        "this machine's clock is too far from S3's ({said})",
        "Set the clock (chrony, ntpd or timedatectl set-ntp true) and run again.",
    ),
    _Kind.ARCHIVED: _Form(
        errors.Archived, "the object is archived ({said})", "Have it restored first (cartage restore), then run again."
    ),
    _Kind.CONFLICT: _Form(errors.Conflict, "another write to the same key was under way ({said})"),
    _Kind.CONDITION: _Form(errors.PreconditionFailed, "a condition did not hold ({condition})"),
    _Kind.MISSING: _Form(errors.NotFound, "it does not exist ({said})"),
    _Kind.DENIED: _Form(
        errors.AccessDenied,
        "access denied ({said})",
        "{action}If the bucket has its requesters pay, add --request-payer.",
    ),
    _Kind.PAYER: _Form(
        errors.AccessDenied,
        "the bucket's requests are paid by whoever makes them ({said})",
        'Add --request-payer, or set request_payer = "requester" in the plan\'s [connection].',
    ),
    _Kind.UNSUPPORTED: _Form(
        errors.Unsupported,
        "this server does not know that operation or condition ({said})",
        "If it is a condition on the target, --no-conditional-writes goes on without it; if it is object tags, "
        'tags = "drop" among the route\'s properties, or --no-tags with cp, leaves them out.',
    ),
    _Kind.REJECTED: _Form(errors.Rejected, "S3 refuses it ({said})"),
    _Kind.CUSTOMER_KEY: _Form(
        errors.Rejected,
        "the object is under a key of its owner's own (SSE-C), which Cartage never has",
        "Running again does not help. Copy it by hand with its key, or leave it out with exclude on the route: "
        + NEW_LEDGER,
    ),
}

_REFUSED_AS = {"InvalidStorageClass": "storage_class", "MetadataTooLarge": "metadata"}
"""Codes that say which property is not taken."""

_REFUSED_HEADER = re.compile(
    r"x-amz-(?:(tagging)|(storage-class)|(acl|grant-)|(meta-)|(website-redirect)|(server-side-encryption)|(object-lock))"
)
_OF_HEADER = ("tags", "storage_class", "acl", "metadata", "website_redirect", "encryption", "lock")
"""What the headers bring that 501 names, in the order of the groups."""

_FLAGS = {"tags": ", or --no-tags with cp", "storage_class": ", or give another with --storage-class"}

_NEEDS_KEY = "stored using a form of Server Side Encryption"
"""In S3's message where a key of the owner's own is missing, for which it has no code."""


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
    location: str = "",
) -> StoreError:
    """The error that this answer is. `status` is the HTTP status, `code` S3's own word or empty (HEAD answers have no
    body), `retry_after`, `condition`, `region` and `location` what headers or body say of them.

    The error's `code` is S3's, or the status where S3 gave none."""
    message, code, request_id, condition, region = (
        text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
        for text in (message, code, request_id, condition, region)
    )
    onward = "" if code or region or _KIND_OF_STATUS.get(status) is not _Kind.REGION else _onward(location, ref)
    kind = _Kind.ONWARD if onward else _kind(operation, status, code, region)
    if kind is _Kind.REJECTED and _NEEDS_KEY in message:
        kind, code = _Kind.CUSTOMER_KEY, CUSTOMER_KEY
    form = _FORMS[kind]
    action = _action(operation, message)
    values = {
        "said": message.strip().rstrip(".") or code or f"status {status}",
        "condition": condition or message or "S3 does not say which",
        "region": f": {region}" if region else "",
        "onward": onward,
        "action": f"It takes {action}: cartage check LOCATION tells what is allowed there. " if action else "",
        "use_region": f"Use --region {region}.{OF_A_SIDE}"
        if region
        else f"Name its region with --region.{OF_A_SIDE} An endpoint that is AWS's own has to be of that region too.",
    }
    advice, refuses = form.advice.format_map(values), _refused_property(operation, kind, code, message)
    if refuses:
        advice = f'Running again does not help. Leave it out with properties = {{ {refuses} = "drop" }} on the route'
        advice += f"{_FLAGS.get(refuses, '')}: {NEW_LEDGER}"
    about: dict[str, Any] = {
        "operation": operation,
        "ref": ref,
        "code": code or (errors.WrongRegion.usual_code if region and kind is _Kind.REGION else str(status)),
        "request_id": request_id,
        "advice": advice,
    }
    if kind is _Kind.THROTTLED:
        about["retry_after_s"] = _seconds(retry_after)
    elif kind is _Kind.DENIED:
        about["action"] = action
    elif kind is _Kind.CONDITION:
        about["condition"] = condition
    elif kind is _Kind.REGION:
        about["region"] = region
    error = form.error(form.sentence.format_map(values), **about)
    error.refuses = refuses
    return error


def _refused_property(operation: str, kind: _Kind, code: str, message: str) -> str:
    """The property, as a plan's `properties` name it, that a write is refused for; empty where that is not said."""
    if operation.startswith(READING):
        return ""
    if kind is _Kind.REJECTED:
        return _REFUSED_AS.get(code, "")
    header = _REFUSED_HEADER.search(message.lower()) if kind is _Kind.UNSUPPORTED else None
    return _OF_HEADER[(header.lastindex or 1) - 1] if header is not None else ""


_ACTIONS = {
    "ListObjectsV2 HeadBucket": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListParts": "s3:ListMultipartUploadParts",
    "HeadObject GetObject": "s3:GetObject, and without s3:ListBucket a missing key is denied too",
    "CopyObject UploadPartCopy": "s3:PutObject, and s3:GetObject of the source",
    "PutObject CreateMultipartUpload UploadPart CompleteMultipartUpload": "s3:PutObject",
    "DeleteObject DeleteObjects": "s3:DeleteObject",
    "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "PutBucketLifecycleConfiguration DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "GetBucketReplication": "s3:GetReplicationConfiguration",
    "GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "AbortMultipartUpload RestoreObject GetObjectTagging PutObjectTagging GetObjectAcl PutObjectAcl GetObjectRetention "
    "GetObjectLegalHold GetBucketLocation GetBucketVersioning GetBucketAcl": "",
}
"""By operations, what IAM has to allow for them; empty where the action bears the operation's own name."""
_ACTION_OF = {name: action or f"s3:{name}" for names, action in _ACTIONS.items() for name in names.split()}


_LACKING = re.compile(r"is not authorized to perform: (s3:\w+)")
"""How AWS itself names the action, of some that are denied within one account or organization."""


def _action(operation: str, message: str) -> str:
    lacking = _LACKING.search(message)
    return lacking[1] if lacking is not None else _ACTION_OF.get(operation, "")


def lacks_reason(error: StoreError) -> bool:
    """Whether this is a bare 400 or 403, as a HEAD gets for expired or wrong credentials, a skewed clock, a wrong
    region and a missing permission alike: a GET of the same thing tells which."""
    return error.operation in ("HeadObject", "HeadBucket") and error.code in ("400", "403")


def _kind(operation: str, status: int, code: str, region: str) -> _Kind:
    if code == "AuthorizationHeaderMalformed" or (not code and status == 400 and region):
        return _Kind.REGION if region else _Kind.SIGNATURE
    known = _KIND_OF_CODE.get(code)
    if known is not None:
        return _Kind.BUCKET if known is _Kind.MISSING and operation == "HeadBucket" else known
    if status == 404 and operation == "HeadBucket":
        return _Kind.BUCKET
    if status == 503 and not code:
        # S3's own SlowDown has a body, unless it answers a HEAD. Anyone on the way may have said this one, before or
        # after the request was carried out.
        return _Kind.THROTTLED if operation.startswith(READING) else _Kind.UNKNOWN
    if status == 409 and not code:
        return _Kind.CONFLICT
    if status in _KIND_OF_STATUS:
        return _KIND_OF_STATUS[status]
    if 400 <= status < 500:
        return _Kind.REJECTED
    return _Kind.UNKNOWN  # 5xx of any other kind, and an error inside a 200 that no one has heard of


def _onward(location: str, ref: str) -> str:
    """The endpoint that a redirect leads to; empty where it names no host."""
    try:
        parts = urlsplit(location[:LONGEST_TEXT])
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2].removeprefix(ref.removeprefix("s3://").partition("/")[0] + ".")
    return f"{parts.scheme}://{host}" if host and parts.scheme in ("http", "https") else ""


def _seconds(text: str) -> float | None:
    """Retry-After in seconds; its other form, a date, is left aside: our own delay is as good."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
