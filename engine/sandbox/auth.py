"""Who signed a request, or a link, and whether: SigV4 recomputed by botocore's own signer, and S3's refusals.

`Verifier.check` raises S3Error; for a streaming body it returns the chain that the signatures of its chunks go on from.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from engine.sandbox.addressing import Target
from engine.sandbox.clock import iso_text
from engine.sandbox.refusals import S3Error

SKEW_S = 15 * 60
MOST_EXPIRES_S = 7 * 86_400
STREAMING = "STREAMING-"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
ONE_MECHANISM = (
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or "
    "the Authorization header should be specified"
)
LINK = (
    "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature",
)  # fmt: skip
"""What a link has to say of itself."""
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=([^,\s]+),\s*SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
).fullmatch
_DATE = "%Y%m%dT%H%M%SZ"
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_HEX_SHA256 = re.compile(r"[0-9a-f]{64}").fullmatch


@dataclass(frozen=True, slots=True)
class Key:
    """One access key. `expires` is in the sandbox's time (0: never)."""

    access_key: str
    secret_key: str
    token: str = ""
    expires: float = 0.0


class Chain(NamedTuple):
    """What signs the chunks of a streaming body: the day's key, the scope, and the request's own signature."""

    signing_key: bytes
    timestamp: str
    scope: str
    seed_signature: str

    def next_signature(self, previous: str, chunk: bytes) -> str:
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256-PAYLOAD",
                self.timestamp,
                self.scope,
                previous,
                _EMPTY_SHA256,
                hashlib.sha256(chunk).hexdigest(),
            ]
        )
        return hmac.new(self.signing_key, text.encode(), hashlib.sha256).hexdigest()


class _Signed(dict[str, str]):
    """Headers by their lower-case names, each of which is there once."""

    def get_all(self, name: str) -> list[str]:
        return [self[name]]


class _Signer(S3SigV4Auth):  # type: ignore[misc]
    """botocore's signer, which signs the headers that the request says it signed. What it derives for a day, it derives
    once."""

    def headers_to_sign(self, request: Any) -> Any:
        return request.context["signed"]

    def _sign(self, key: bytes, msg: str, hex: bool = False) -> Any:
        return super()._sign(key, msg, hex) if hex else _derived(key, msg)


class _LinkSigner(_Signer):
    """The same for a link, whose body nobody knew when it was signed."""

    def payload(self, request: Any) -> str:
        return UNSIGNED_PAYLOAD


@lru_cache(maxsize=256)
def _derived(key: bytes, msg: str) -> Any:
    return S3SigV4Auth._sign(None, key, msg)


class Verifier:
    """Knows the keys, and checks a request against the one that it names."""

    def __init__(self, region: str, keys: tuple[Key, ...]) -> None:
        self._region = region
        self.keys = {key.access_key: key for key in keys}

    def check(self, method: str, target: Target, headers: dict[str, str], body: bytes, now: float) -> Chain | None:
        """Raise S3Error unless the request was signed with a known key, for this region, about now; of a link: not
        longer ago than it says."""
        authorization = headers.get("authorization", "")
        is_link = any(name in target.query for name in ("X-Amz-Algorithm", "X-Amz-Signature"))
        if authorization and is_link:
            raise S3Error("InvalidArgument", ONE_MECHANISM)
        if is_link:
            self._check_link(method, target, headers, now)
            return None
        if not authorization:
            raise S3Error("AccessDenied")
        found = _AUTHORIZATION(authorization)
        if found is None:
            raise S3Error("AuthorizationHeaderMalformed")
        credential, signed_headers, signature = found.groups()
        access_key, day = self._read_credential(credential)
        timestamp = _check_date(headers, day, now)
        key = self._find_key(access_key, headers.get("x-amz-security-token", ""), now)
        payload = headers.get("x-amz-content-sha256")
        if payload is None:
            raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        self._check_signature(_Signer, key, method, target, headers, signed_headers, timestamp, signature)
        if _HEX_SHA256(payload):
            computed = hashlib.sha256(body).hexdigest()
            if computed != payload:
                raise S3Error(
                    "XAmzContentSHA256Mismatch", ClientComputedContentSHA256=payload, S3ComputedContentSHA256=computed
                )
            return None
        if payload == UNSIGNED_PAYLOAD:
            return None
        if not payload.startswith(STREAMING):
            raise S3Error("InvalidArgument", "x-amz-content-sha256 must be a hash, UNSIGNED-PAYLOAD or STREAMING-…")
        scope = f"{day}/{self._region}/s3/aws4_request"
        return Chain(signing_key(key.secret_key, day, self._region), timestamp, scope, signature)

    def _check_link(self, method: str, target: Target, headers: dict[str, str], now: float) -> None:
        """API reference, "Authenticating Requests: Using Query Parameters"."""
        said = target.query
        if not all(said.get(name) for name in LINK) or said["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
            raise S3Error("AuthorizationQueryParametersError")
        access_key, day = self._read_credential(said["X-Amz-Credential"], "AuthorizationQueryParametersError")
        sent = _moment(said["X-Amz-Date"])
        if sent is None or not said["X-Amz-Date"].startswith(day):
            raise S3Error(
                "AuthorizationQueryParametersError",
                "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
            )
        expires_s = _expires_s(said["X-Amz-Expires"])
        if sent - now > SKEW_S:
            raise S3Error("AccessDenied", "Request is not yet valid")
        if now > sent + expires_s:
            about = {"X-Amz-Expires": str(expires_s), "Expires": iso_text(int(sent + expires_s))}
            raise S3Error("AccessDenied", "Request has expired", headers=(), **about, ServerTime=iso_text(int(now)))
        key = self._find_key(access_key, said.get("X-Amz-Security-Token", ""), now)
        names, signature = said["X-Amz-SignedHeaders"], said["X-Amz-Signature"]
        signed = target._replace(pairs=tuple(pair for pair in target.pairs if pair[0] != "X-Amz-Signature"))
        self._check_signature(_LinkSigner, key, method, signed, headers, names, said["X-Amz-Date"], signature)

    def _check_signature(
        self,
        signs: type[_Signer],
        key: Key,
        method: str,
        target: Target,
        headers: dict[str, str],
        signed_headers: str,
        timestamp: str,
        signature: str,
    ) -> None:
        names = signed_headers.split(";")
        _check_coverage(names, headers)
        signed = _Signed((name, headers[name]) for name in names if name in headers)
        signer = signs(Credentials(key.access_key, key.secret_key, key.token or None), "s3", self._region)
        request = AWSRequest(
            method=method,
            url="http://sandbox" + target.path,
            params=target.pairs,
            headers={name: signed[name] for name in ("x-amz-content-sha256",) if name in signed},
        )
        request.context |= {"timestamp": timestamp, "signed": signed}
        to_sign = signer.string_to_sign(request, signer.canonical_request(request))
        if not hmac.compare_digest(signer.signature(to_sign, request), signature):
            raise S3Error("SignatureDoesNotMatch", AWSAccessKeyId=key.access_key, StringToSign=to_sign)

    def _read_credential(self, credential: str, refusal: str = "AuthorizationHeaderMalformed") -> tuple[str, str]:
        """Access key and day of AKID/day/region/s3/aws4_request."""
        pieces = credential.split("/")
        if len(pieces) != 5 or pieces[3:] != ["s3", "aws4_request"]:
            raise S3Error(refusal)
        access_key, day, region = pieces[:3]
        if region != self._region:
            what = "authorization header is malformed" if refusal.endswith("Malformed") else "credential is malformed"
            raise S3Error(
                refusal,
                f"The {what}; the region '{region}' is wrong; expecting '{self._region}'",
                Region=self._region,
                headers=(("x-amz-bucket-region", self._region),),
            )
        return access_key, day

    def _find_key(self, access_key: str, token: str, now: float) -> Key:
        key = self.keys.get(access_key)
        if key is None:
            raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key)
        if token != key.token:
            raise S3Error("InvalidToken")
        if key.expires and now >= key.expires:
            raise S3Error("ExpiredToken")
        return key


@lru_cache(maxsize=256)  # many requests of one second say the same
def _moment(timestamp: str) -> float | None:
    try:
        return datetime.strptime(timestamp, _DATE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _expires_s(text: str) -> int:
    """How long a link lasts. Raises S3Error for what is longer than a week, or no number."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
        raise S3Error("AuthorizationQueryParametersError", "X-Amz-Expires should be a number")
    if int(text) < 0:
        raise S3Error("AuthorizationQueryParametersError", "X-Amz-Expires must be non-negative")
    if int(text) > MOST_EXPIRES_S:
        raise S3Error(
            "AuthorizationQueryParametersError",
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than "
            f"{MOST_EXPIRES_S} seconds",
        )
    return int(text)


def _check_date(headers: dict[str, str], day: str, now: float) -> str:
    timestamp = headers.get("x-amz-date", "")
    sent = _moment(timestamp)
    if sent is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    if abs(sent - now) > SKEW_S:
        raise S3Error(
            "RequestTimeTooSkewed",
            RequestTime=timestamp,
            ServerTime=iso_text(int(now)),
            MaxAllowedSkewMilliseconds=str(SKEW_S * 1000),
        )
    if not timestamp.startswith(day):
        raise S3Error("AuthorizationHeaderMalformed", "The day of the credential is not the day of the request.")
    return timestamp


def _check_coverage(names: list[str], headers: dict[str, str]) -> None:
    """S3 takes no header of its own that was not signed, nor a request whose host was not."""
    if "host" not in names:
        raise S3Error("AccessDenied", "There were headers present in the request which were not signed: host")
    if missing := [name for name in headers if name.startswith("x-amz-") and name not in names]:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(missing),
        )


def signing_key(secret_key: str, day: str, region: str) -> bytes:
    """The key of one day, region and S3, derived from a secret key."""
    running = f"AWS4{secret_key}".encode()
    for text in (day, region, "s3", "aws4_request"):
        running = hmac.new(running, text.encode(), hashlib.sha256).digest()
    return running
