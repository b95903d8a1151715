"""aiobotocore's clients, for `--store boto`: one a region, on the session's credentials and configuration. A client is
told as arguments what goes into the URL, and all else word by word, as it tells what came.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from contextvars import ContextVar
from io import BytesIO
from typing import Any, Self
from urllib.parse import parse_qsl

from engine.extras import needs
from engine.s3 import boto_sessions
from engine.s3.boto_errors import unreachable
from engine.s3.kept_credentials import KeptCredentials
from engine.s3.messages import Call
from engine.s3.parsing import Answer
from engine.s3.session import Session
from engine.s3.signing import BODY_HASH

SENT: ContextVar[Call] = ContextVar("SENT")
"""What the client is asked to send."""

ANSWER = "Answer"
"""Where what came is, word by word, in an answer of the client's."""

READ_TIMEOUT_S = 300
"""A large CopyObject or Complete may take minutes before its answer begins (API reference: S3 sends white space to
keep the connection alive); a time-out is an unknown outcome, so it must not come early."""


class BotoClients:
    """Opened with `async with`, which raises `ExtraMissing` where aiobotocore is not installed. `credentials` are what
    all of them sign with."""

    def __init__(self, session: Session, max_connections: int) -> None:
        self._session = session
        self._max_connections = max_connections
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._opening = asyncio.Lock()
        self.credentials: KeptCredentials

    async def __aenter__(self) -> Self:
        with needs("boto"):
            import aiobotocore  # noqa: F401
        # It logs what it raises, traceback and all; without a handler Python prints it (logging, lastResort). Whoever
        # configures logging still gets it.
        logging.getLogger("aiobotocore").addHandler(logging.NullHandler())
        await self._stack.__aenter__()
        self.credentials = KeptCredentials(self._session)
        self._stack.push_async_callback(self.credentials.aclose)
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._clients.clear()
        await self._stack.aclose()

    async def of(self, region: str) -> Any:
        """The S3 client of a region, made at its first use: that takes 50 ms and more, and each has a pool of
        connections of its own."""
        client = self._clients.get(region)
        if client is not None:
            return client
        async with self._opening:
            client = self._clients.get(region)
            if client is None:
                await self.credentials.get()  # says it in words where there are none
                client = self._clients[region] = await self._open(region)
        return client

    async def _open(self, region: str) -> Any:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import AioSession

        session = self._session
        config = AioConfig(
            http_session_cls=_http_session(),
            max_pool_connections=self._max_connections,
            read_timeout=READ_TIMEOUT_S,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            **boto_sessions.client_settings(session.path_style, signs=session.signs),
        )
        aio = boto_sessions.configured_as(session.boto, AioSession())
        aio.register_component("credential_provider", _Provider(self.credentials))
        try:
            client = await self._stack.enter_async_context(
                aio.create_client(
                    "s3",
                    region_name=region,
                    endpoint_url=session.named_endpoint or None,
                    verify=session.ca_bundle or None,
                    config=config,
                )
            )
        except ValueError as error:  # botocore: "Invalid endpoint: …"
            raise unreachable(session.endpoint, str(error)) from error
        boto_sessions.put_hooks_on(client.meta.events, session.connection.request_payer)
        client.meta.events.register_first("before-call.s3", _as_said)
        client.meta.events.register_first("before-parse.s3", _kept)
        return client


def arguments_of(call: Call, model: Any) -> dict[str, Any]:
    """The arguments of botocore's method; `model` is the service model's of the operation."""
    members = model.input_shape.members
    arguments = {"Bucket": call.bucket, "Key": call.ref.key} if "Key" in members else {"Bucket": call.bucket}
    if "EncodingType" in members:  # always said, so that botocore leaves decoding to us: it decodes what it encoded
        arguments["EncodingType"] = ""
    in_query = {
        member.serialization["name"]: name
        for name, member in members.items()
        if member.serialization.get("location") == "querystring"
    }
    return arguments | {in_query[name]: value for name, value in parse_qsl(call.query) if name in in_query}


def _as_said(params: dict[str, Any], model: Any, **_: Any) -> None:
    """For botocore's event `before-call`: headers and body word by word, where botocore would leave out what it does
    not know, and add checksums of its own. It signs them."""
    call = SENT.get()
    if model.name != call.operation.name:
        return  # it asks for something on its own
    params["body"] = BytesIO(call.body) if model.has_streaming_input else call.body
    said = zip(call.names, call.values, strict=True)
    params["headers"].update({name: value for name, value in said if name != BODY_HASH})
    params["context"].pop("checksum", None)


def _kept(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Before botocore makes a 500 of a 200 with an error in it, which is read as the wire's is."""
    body = response_dict["body"]
    said = response_dict["headers"].items()
    headers = {name.lower().encode(): value.encode("utf-8", "surrogateescape") for name, value in said}
    answer = Answer(response_dict["status_code"], headers, body if isinstance(body, bytes) else b"")
    customized_response_dict[ANSWER] = answer


class _Provider:
    """Gives aiobotocore the credentials in use, whatever they come from."""

    def __init__(self, credentials: KeptCredentials) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> Any:
        from aiobotocore.credentials import AioCredentials
        from botocore.credentials import ReadOnlyCredentials

        kept = self._credentials

        class OfTheSession(AioCredentials):  # type: ignore[misc]
            """Asked for at each request."""

            async def get_frozen_credentials(self) -> Any:
                found = await kept.get()
                return ReadOnlyCredentials(found.access_key, found.secret_key, found.token or None)

        return OfTheSession("", "")


def _http_session() -> Any:
    from aiobotocore.httpsession import AIOHTTPSession

    class CheckedSession(AIOHTTPSession):  # type: ignore[misc]
        """aiobotocore before 3.9 leaves the host name unchecked: a trusted certificate for another name was accepted.
        botocore's context verifies the chain; this adds the name. And it lets aiohttp follow redirects, to wherever
        the answer says."""

        def _get_ssl_context(self) -> Any:
            context = super()._get_ssl_context()
            context.check_hostname = True
            return context

        async def _get_session(self, proxy_url: str | None) -> Any:
            return _Direct(await super()._get_session(proxy_url))

    return CheckedSession


class _Direct:
    """An aiohttp session that hands a redirect back as the answer that it is."""

    __slots__ = ("_session",)

    def __init__(self, session: Any) -> None:
        self._session = session

    def request(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.request(*args, **kwargs, allow_redirects=False)
