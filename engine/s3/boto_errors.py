"""The one seam where what botocore, urllib3, aiohttp and the network raise becomes the engine's errors.

What matters most is whether the request can have been carried out: never where no connection was made, perhaps
wherever one was.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.errors import Ambiguous, NameNotFound, Rejected, StoreError, Unavailable, Unreachable
from engine.s3.classify import OF_PROXY, classify
from engine.s3.credential_sources import credentials_error

NAME_NOT_FOUND = "NameNotFound"
"""`Unreachable.code` where the endpoint's name does not resolve: the only kind that time may mend."""
TLS_REFUSED = "TLSRefused"
PROXY_REFUSES = "Proxy"


def translate(operation: str, ref: str, endpoint: str, error: Exception) -> StoreError | None:
    """The engine's error for what a call through botocore or aiobotocore raised; None where it is none of theirs (a
    mistake in our own code, which must not be dressed up). Cancellation is no `Exception` and never comes here."""
    from botocore import exceptions as boto
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import LocationParseError

    if isinstance(error, StoreError):
        return error
    if isinstance(error, boto.ClientError):
        return _from_answer(operation, ref, error)
    about: dict[str, str] = {"operation": operation, "ref": ref, "code": type(error).__name__}
    if isinstance(error, boto.SSLError):
        return unreachable(endpoint, f"its TLS certificate is refused ({_inner(error)})", operation, TLS_REFUSED)
    if isinstance(error, (boto.ConnectTimeoutError, boto.ProxyConnectionError)):
        return Unavailable(f"no connection could be made ({error})", **about)
    if isinstance(error, boto.EndpointConnectionError):
        return _from_connection(endpoint, about, _inner(error))
    if isinstance(error, boto.HTTPClientError) and isinstance(
        _inner(error), (UnicodeError, LocationParseError, *_aiohttp("InvalidURL"))
    ):
        return unreachable(endpoint, "it is not a URL that can be used", operation, "InvalidEndpoint")
    if isinstance(error, boto.EndpointProviderError):
        return unreachable(endpoint, "it is not a URL that can be used", operation, "InvalidEndpoint")
    if isinstance(error, ResponseParserError):
        return Ambiguous("the answer cannot be read", **about | {"code": "UnreadableAnswer"})
    if isinstance(error, (boto.HTTPClientError, boto.IncompleteReadError, boto.ChecksumError)):
        return Ambiguous(f"the connection ended before the answer was complete ({error})", **about)
    if isinstance(error, boto.BotoCoreError):
        return credentials_error(error) if _about_credentials(error) else Rejected(f"not sent: {error}", **about)
    if isinstance(error, (OSError, TimeoutError, EOFError, *_aiohttp("ClientError"))):
        return Ambiguous(f"the connection broke ({error or type(error).__name__})", **about)
    return None


@contextmanager
def translated(operation: str, ref: str, endpoint: str) -> Iterator[None]:
    """What botocore raises, as `translate` has it. What that does not know is raised as it is."""
    try:
        yield
    except Exception as error:
        known = translate(operation, ref, endpoint, error)
        if known is None or known is error:
            raise
        raise known from error


def unreachable(endpoint: str, why: str, operation: str = "Connect", code: str = "Unreachable") -> Unreachable:
    """The error for an endpoint that cannot be used at all."""
    advice = "Check the endpoint, the region and the network."
    if code == TLS_REFUSED:
        advice = (
            "Check that the endpoint's name is the one in its certificate and that this machine's clock is right; for "
            "an authority of your own, name its certificates with AWS_CA_BUNDLE."
        )
    if code == PROXY_REFUSES:
        advice = OF_PROXY
    kind = NameNotFound if code == NAME_NOT_FOUND else Unreachable
    return kind(f"{endpoint} cannot be used: {why}", operation=operation, code=code, advice=advice)


def _from_answer(operation: str, ref: str, error: Any) -> StoreError:
    if error.operation_name != operation:
        return credentials_error(error)  # botocore asked STS or SSO for fresh credentials on the way
    said = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    code = str(said.get("Code") or "")
    return classify(
        operation,
        ref,
        int(metadata.get("HTTPStatusCode") or 0),
        "" if code.isdigit() else code,  # botocore puts the status there where the answer had no body
        str(said.get("Message") or ""),
        request_id=str(metadata.get("RequestId") or headers.get("x-amz-request-id") or ""),
        retry_after=str(headers.get("retry-after", "")),
        condition=str(said.get("Condition") or ""),
        region=str(headers.get("x-amz-bucket-region") or said.get("Region") or ""),
        location=str(headers.get("location", "")),
    )


def _from_connection(endpoint: str, about: dict[str, str], inner: BaseException | None) -> StoreError:
    """botocore raises it where no connection was made; aiobotocore raises the same for one that broke."""
    from urllib3.exceptions import NewConnectionError

    if any(isinstance(error, socket.gaierror) for error in _causes(inner)):
        return unreachable(endpoint, "its name is not found", about["operation"], NAME_NOT_FOUND)
    if isinstance(inner, (NewConnectionError, *_aiohttp("ClientConnectorError"))):
        # In the system's words: urllib3's name its own objects.
        why = next((cause.strerror for cause in _causes(inner) if isinstance(cause, OSError) and cause.strerror), inner)
        return Unavailable(f"no connection could be made ({why})", **about | {"code": "NoConnection"})
    return Ambiguous(f"the connection broke ({inner})", **about | {"code": "ConnectionBroken"})


def _aiohttp(name: str) -> tuple[type[BaseException], ...]:
    """A class of aiohttp's errors, where it is loaded at all: else none of them can have been raised."""
    loaded = sys.modules.get("aiohttp")
    return (getattr(loaded, name),) if loaded is not None else ()


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised for, as Python, or aiohttp, keeps it."""
    while error is not None:
        yield error
        error = getattr(error, "os_error", None) or error.__cause__ or error.__context__


def _inner(error: Any) -> BaseException | None:
    found = error.kwargs.get("error")
    return found if isinstance(found, BaseException) else None


def _about_credentials(error: Exception) -> bool:
    from botocore import exceptions as boto

    return isinstance(
        error,
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.MetadataRetrievalError,
            boto.SSOError,
            boto.TokenRetrievalError,
            boto.InfiniteLoopConfigError,
            boto.InvalidConfigError,
            boto.ConfigParseError,
            boto.ConfigNotFound,
            boto.ProfileNotFound,
            boto.UnknownCredentialError,
        ),
    )
