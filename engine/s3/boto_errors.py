"""The one seam where botocore's and the network's errors become the engine's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engine.errors import Ambiguous, StoreError, Unavailable
from engine.s3.classify import classify
from engine.s3.session import credentials_error, unreachable


def no_etag(operation: str, ref: str, what: str = "ETag") -> Ambiguous:
    return Ambiguous(
        f"S3 answered success without an {what}: whether it happened is not known",
        operation=operation,
        ref=ref,
        code=f"No{what}",
    )


def cut_short(operation: str, ref: str) -> Ambiguous:
    return Ambiguous("the answer was cut short", operation=operation, ref=ref, code="CutShort")


@asynccontextmanager
async def translated(operation: str, ref: str, endpoint: str) -> AsyncIterator[None]:
    """The one seam where botocore's and the network's errors become the engine's."""
    from botocore import exceptions as boto

    try:
        yield
    except StoreError:
        raise
    except boto.ClientError as error:
        raise _from_client_error(operation, ref, error) from error
    except (boto.NoCredentialsError, boto.PartialCredentialsError, boto.TokenRetrievalError, boto.SSOError) as error:
        raise credentials_error(error) from error
    except boto.SSLError as error:
        raise unreachable(endpoint, f"its TLS certificate is refused ({error})") from error
    except boto.ConnectTimeoutError as error:
        raise Unavailable("no connection in time", operation=operation, ref=ref, code="ConnectTimeout") from error
    except boto.EndpointConnectionError as error:
        raise Unavailable(f"no connection ({error})", operation=operation, ref=ref, code="NoConnection") from error
    except (boto.ReadTimeoutError, boto.ConnectionClosedError, boto.HTTPClientError) as error:
        raise Ambiguous(
            f"the connection ended before the answer ({type(error).__name__})",
            operation=operation,
            ref=ref,
            code=type(error).__name__,
        ) from error
    except boto.BotoCoreError as error:
        if isinstance(error, boto.ResponseParserError):
            raise Ambiguous(
                "the answer cannot be read", operation=operation, ref=ref, code="UnreadableAnswer"
            ) from error
        raise credentials_error(error) from error
    except (OSError, TimeoutError) as error:
        raise Ambiguous(
            f"the connection broke ({error})", operation=operation, ref=ref, code=type(error).__name__
        ) from error


def _from_client_error(operation: str, ref: str, error: Any) -> StoreError:
    said = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    headers = metadata.get("HTTPHeaders", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    code = str(said.get("Code", ""))
    return classify(
        operation,
        ref,
        status,
        "" if code.isdigit() else code,
        str(said.get("Message", "")),
        request_id=str(metadata.get("RequestId", "")),
        retry_after=str(headers.get("retry-after", "")),
        condition=str(said.get("Condition", "")),
        region=str(headers.get("x-amz-bucket-region") or said.get("Region", "")),
    )
