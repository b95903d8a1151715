"""One aioboto3 session a run: credentials of every kind and their refresh, regions, endpoints; clients made lazily.

boto is imported inside functions alone: it costs 0.3 s and 40 MB, which a run that needs none of it should not pay.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from engine.errors import BadCredentials, StoreError, Unreachable, UsageError
from engine.plan.document import Connection

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 300
"""A large CopyObject or Complete may take minutes before its answer begins (API reference: S3 sends white space to
keep the connection alive); a time-out is an unknown outcome, so it must not come early."""


class Credentials(NamedTuple):
    """A frozen set. `token` is empty for long-lived keys."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"  # never in a log or a traceback


class Identity(NamedTuple):
    """Who the credentials belong to, or why that is not known."""

    account: str
    arn: str
    problem: str = ""


class Session:
    """Opened with `async with`. `connection` is the plan's, with the flags over it."""

    def __init__(self, connection: Connection, *, max_connections: int = 128) -> None:
        self.connection = connection
        self._max_connections = max_connections
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._session: Any = None

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clients.clear()
        await self._stack.aclose()

    # --- what the environment says ------------------------------------------------------------------------

    @property
    def boto(self) -> Any:
        """The aioboto3 session. Raises `UsageError` for a profile that does not exist."""
        if self._session is None:
            import aioboto3
            from botocore.exceptions import ProfileNotFound

            try:
                self._session = aioboto3.Session(
                    profile_name=self.connection.profile or None, region_name=self.connection.region or None
                )
            except ProfileNotFound as error:
                raise UsageError(f"{error}.", advice="aws configure list-profiles shows those there are.") from error
        return self._session

    @property
    def region(self) -> str:
        """The region that requests are signed for; us-east-1 where nothing says one."""
        named = self.connection.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        return named or self.boto.region_name or "us-east-1"

    @property
    def endpoint(self) -> str:
        """The endpoint's URL: a flag's or the plan's, the environment's, the profile's, or AWS's own of the region."""
        if self.connection.endpoint_url:
            return self.connection.endpoint_url.rstrip("/")
        ignore = os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true"
        named = "" if ignore else os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        if not named and not ignore and (self.connection.profile or _has_config()):
            named = self._profile_endpoint()
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        return named.rstrip("/") or f"https://s3.{self.region}.{suffix}"

    def _profile_endpoint(self) -> str:
        core = self.boto._session
        profile = core.get_scoped_config()
        services = core.full_config.get("services", {}).get(profile.get("services", ""), {})
        return str(services.get("s3", {}).get("endpoint_url", "") or profile.get("endpoint_url", ""))

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is AWS's own."""
        host = urlsplit(self.endpoint).hostname or ""
        return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))

    @property
    def ca_bundle(self) -> str:
        """A file of certificates to trust instead of the system's, or empty."""
        return (
            self.connection.ca_bundle
            or os.environ.get("AWS_CA_BUNDLE", "")
            or (str(self.boto._session.get_config_variable("ca_bundle") or "") if _has_config() else "")
        )

    @property
    def path_style(self) -> bool:
        """Whether the bucket goes into the path: by the plan, else for every endpoint but AWS's own."""
        if self.connection.addressing_style != "auto":
            return self.connection.addressing_style == "path"
        return not self.is_aws

    # --- credentials --------------------------------------------------------------------------------------

    async def credentials(self) -> Credentials:
        """The credentials of this moment, refreshed where they are about to expire.

        Raises `BadCredentials` where there are none, or an SSO or MFA session has ended."""
        environment = os.environ
        if not self.connection.profile and environment.get("AWS_ACCESS_KEY_ID"):
            secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
            if secret:
                return Credentials(environment["AWS_ACCESS_KEY_ID"], secret, environment.get("AWS_SESSION_TOKEN", ""))
        from botocore.exceptions import BotoCoreError

        try:
            found = await self.boto.get_credentials()
            if found is None:
                raise no_credentials()
            frozen = await found.get_frozen_credentials()
        except BotoCoreError as error:
            raise credentials_error(error) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    async def identity(self) -> Identity:
        """Who the credentials belong to (STS GetCallerIdentity), or why that cannot be said."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            async with self.boto.client(
                "sts",
                region_name=self.region,
                endpoint_url=None if self.is_aws else self.endpoint,
                config=self._config(),
            ) as client:
                answer = await client.get_caller_identity()
            return Identity(answer["Account"], answer["Arn"])
        except (BotoCoreError, ClientError) as error:
            return Identity("", "", str(error))

    # --- clients ------------------------------------------------------------------------------------------

    async def client(self) -> Any:
        """The S3 client, made at its first use."""
        client = self._clients.get(self.region)
        if client is None:
            client = await self._stack.enter_async_context(
                self.boto.client(
                    "s3",
                    region_name=self.region,
                    endpoint_url=None if self._leave_endpoint_to_boto() else self.endpoint,
                    verify=self.ca_bundle or None,
                    config=self._config(),
                )
            )
            self._clients[self.region] = client
        return client

    def _leave_endpoint_to_boto(self) -> bool:
        return self.is_aws and not self.connection.endpoint_url

    def _config(self) -> Any:
        from aiobotocore.config import AioConfig
        from aiobotocore.httpsession import AIOHTTPSession

        class CheckedSession(AIOHTTPSession):  # type: ignore[misc]
            """The pinned aiobotocore leaves the host name unchecked: a trusted certificate for another name was
            accepted (fixed upstream in 3.9). botocore's context verifies the chain; this adds the name."""

            def _get_ssl_context(self) -> Any:
                context = super()._get_ssl_context()
                context.check_hostname = True
                return context

        return AioConfig(
            http_session_cls=CheckedSession,
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._max_connections,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            parameter_validation=False,
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if self.path_style else "auto"},
        )


def no_credentials() -> BadCredentials:
    """The error for a machine without any credentials."""
    return BadCredentials(
        "no credentials were found.",
        operation="Sign",
        code="NoCredentials",
        advice="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile "
        "(aws configure makes one).",
    )


def credentials_error(error: Exception) -> StoreError:
    """What botocore said while it looked for credentials, as the engine says it."""
    name = type(error).__name__
    if name in ("NoCredentialsError", "PartialCredentialsError"):
        return no_credentials()
    if "SSO" in name or "Token" in name or "SSO" in str(error):
        return BadCredentials(
            "the SSO session has ended.",
            operation="Sign",
            code="ExpiredToken",
            advice="Sign in again with: aws sso login (and your --profile).",
        )
    return BadCredentials(
        f"the credentials cannot be had ({error}).", operation="Sign", code=name, advice="cartage check says more."
    )


def unreachable(endpoint: str, why: str) -> Unreachable:
    """The error for an endpoint that cannot be used at all."""
    return Unreachable(
        f"{endpoint} cannot be used: {why}.",
        operation="Connect",
        code="Unreachable",
        advice="Check the endpoint, the region and the network; for a private authority set AWS_CA_BUNDLE.",
    )


def _has_config() -> bool:
    """Whether there is an AWS configuration file at all: without one boto need not be asked."""
    named = os.environ.get("AWS_CONFIG_FILE", "~/.aws/config")
    return bool(os.environ.get("AWS_PROFILE")) or Path(named).expanduser().exists()
