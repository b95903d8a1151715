"""Links that give one object each to whoever has them, for a while: signed as every request is, with the signature in
the URL. Nothing is asked of S3 but where the bucket is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

from engine.errors import UsageError
from engine.s3.session import Session
from engine.s3.signing import Signer, encode_key

MOST_S = 7 * 86_400
"""The longest that a signature of version 4 may last (API reference, "Authenticating Requests: Using Query
Parameters")."""


class Links(NamedTuple):
    """How a bucket's links are made. All are signed at `made_s` and end at `ends_s` (seconds since the epoch): what was
    asked for, or sooner with the credentials, where it is known when those end. `temporary`: the links end with a
    session in any case."""

    link: Callable[[str], str]
    made_s: int
    ends_s: int
    temporary: bool


async def links_into(session: Session, bucket: str, made_s: int, expires_s: int) -> Links:
    """Links into a bucket that last for so many seconds from `made_s` on, which the server's clock is to tell: it is by
    that that they end. Raises what credentials and finding the bucket raise."""
    if not session.signs:
        raise UsageError(
            "a link is signed with credentials, and none are to be used.",
            advice='Leave out --no-sign-request, or credentials = "none".',
        )
    address = await session.address(bucket)
    credentials = await session.credentials()
    payer = session.connection.request_payer
    signer = Signer(
        urlsplit(address.origin).netloc,
        address.region,
        credentials,
        fixed={"x-amz-request-payer": payer} if payer else None,
        clock=lambda: made_s,
    )

    def link(key: str) -> str:
        path = address.path + encode_key(key)
        return f"{address.origin}{path}?{signer.link(path, expires_s)}"

    ends_s = made_s + expires_s
    if credentials.token and session.credentials_end_s:
        ends_s = min(ends_s, int(session.credentials_end_s))
    return Links(link, made_s, ends_s, bool(credentials.token))


def can_be_linked(key: str) -> bool:
    """Whether a link to this key arrives as it was signed: browsers, and curl, take "." and ".." out of a path."""
    return not {".", ".."}.intersection(key.split("/"))
