"""One aioboto3 session a run: credentials of every kind and their refresh, regions, endpoints; clients made lazily.

boto is imported inside functions alone: it costs 0.3 s and 40 MB, which a run that needs none of it should not pay.
Requests are always signed for one place and never follow a redirect: the bucket's region is found out first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

import anyio

from engine.errors import StoreError, UsageError
from engine.plan.settings import Connection
from engine.s3 import boto_hooks
from engine.s3.aws import domain_of, is_aws_host
from engine.s3.boto_errors import translate, unreachable
from engine.s3.credential_sources import (
    bounded,
    credentials_error,
    no_credentials,
    source_of,
    use_own_prompt,
)

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 300
"""A large CopyObject or Complete may take minutes before its answer begins (API reference: S3 sends white space to
keep the connection alive); a time-out is an unknown outcome, so it must not come early."""
IDENTITY_TIMEOUT_S = 10
"""STS is asked for information alone, and an endpoint of one's own may not have it."""

DEFAULT_REGION = "us-east-1"
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*").fullmatch
_PLAIN_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]").fullmatch


class Credentials(NamedTuple):
    """A frozen set. `token` is empty for long-lived keys."""

    access_key: str
    secret_key: str
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"  # never in a log or a traceback


class Identity(NamedTuple):
    """Who the credentials belong to; both empty where that is not known, and `problem` says why."""

    account: str
    arn: str
    problem: str = ""


class Address(NamedTuple):
    """Where a bucket's requests go, as botocore resolves it (custom endpoints, path and virtual-hosted style, access
    points, dual-stack, FIPS).

    `origin` is "https://host:port" without a path, `path` what comes before the key, encoded and with its slash at
    the end ("/bucket/" in path style, "/" in virtual-hosted style), `region` what requests are signed for."""

    origin: str
    path: str
    region: str


class Session:
    """Opened with `async with`, which raises `UsageError` for an endpoint that is no URL or holds a password.
    `connection` is the plan's, with the flags over it."""

    def __init__(self, connection: Connection, *, max_connections: int = 128) -> None:
        self.connection = connection
        self._max_connections = max_connections
        self._stack = AsyncExitStack()
        self._clients: dict[str, Any] = {}
        self._regions: dict[str, str] = {}
        self._asking: dict[str, anyio.Lock] = {}
        self._session: Any = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        named = self._named_endpoint()
        if named and "@" in named:  # before anything shows or keeps it
            raise UsageError(
                "the endpoint has a name or a password in it, which S3 has no use for.",
                advice="Give it as https://host, or http://host:port; keys go into the environment or a profile.",
            )
        if named and not _is_url(named):
            raise UsageError(
                f"the endpoint {named!r} is not a URL.", advice="Give it as https://host, or http://host:port."
            )
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

            # aiobotocore logs what it raises, traceback and all; without a handler Python prints it (logging,
            # lastResort). Whoever configures logging still gets it.
            logging.getLogger("aiobotocore").addHandler(logging.NullHandler())
            from botocore.exceptions import BotoCoreError, ProfileNotFound

            try:
                self._session = aioboto3.Session(
                    profile_name=self.connection.profile or None, region_name=self.connection.region or None
                )
            except ProfileNotFound as error:
                raise UsageError(f"{error}.", advice="aws configure list-profiles shows those there are.") from error
            except BotoCoreError as error:
                raise UsageError(
                    f"the AWS configuration cannot be read: {str(error).rstrip('.')}.",
                    advice="It is text in UTF-8: [default] or [profile NAME] on a line, and name = value under it.",
                ) from error
        return self._session

    @property
    def region(self) -> str:
        """The region that requests are signed for unless a bucket is elsewhere; us-east-1 where nothing says one."""
        named = self.connection.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        region = str(named or self.boto.region_name or DEFAULT_REGION)
        if not _REGION(region):
            raise UsageError(
                f"{region!r} is no region's name.", advice="It is one word, as us-east-1, without quotes or comment."
            )
        return region

    @property
    def endpoint(self) -> str:
        """The endpoint's URL: a flag's or the plan's, the environment's, the profile's, or AWS's own of the region."""
        return self._named_endpoint() or f"https://s3.{self.region}.{domain_of(self.region)}"

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is AWS's own, wherever it was named."""
        return is_aws_host(urlsplit(self.endpoint).hostname or "")

    @property
    def ca_bundle(self) -> str:
        """A file of certificates to trust instead of certifi's, or empty."""
        named = self.connection.ca_bundle or os.environ.get("AWS_CA_BUNDLE", "")
        if not named and _has_config(self.connection):
            named = str(self.boto._session.get_config_variable("ca_bundle") or "")
        return named or os.environ.get("REQUESTS_CA_BUNDLE", "")

    @property
    def path_style(self) -> bool:
        """Whether the bucket goes into the path: by the plan or the profile, else for every endpoint but AWS's own."""
        style = self.connection.addressing_style
        if style == "auto" and _has_config(self.connection):
            style = str(_section(self._profile(), "s3").get("addressing_style", "auto"))
            if style not in ("auto", "path", "virtual"):
                raise UsageError(
                    f"the AWS configuration has addressing_style = {style!r}.", advice="It is auto, path or virtual."
                )
        return style == "path" if style in ("path", "virtual") else not self.is_aws

    def _named_endpoint(self) -> str:
        """The endpoint that someone named, by botocore's rules of precedence; empty for AWS's own."""
        if self.connection.endpoint_url:
            return self.connection.endpoint_url.rstrip("/")
        if not _has_config(self.connection):
            if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
                return ""
            return (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "").rstrip("/")
        profile, session = self._profile(), self.boto._session
        if session.get_config_variable("ignore_configured_endpoint_urls"):
            return ""
        services = profile.get("services", "")
        if services and services not in session.full_config.get("services", {}):
            raise UsageError(
                f"the AWS configuration names services = {services}, and has no [services {services}].",
                advice="Add that section, or take the line out.",
            )
        _section(session.full_config.get("services", {}).get(services, {}), "s3")  # says it in words
        from botocore.configprovider import ConfiguredEndpointProvider

        named = ConfiguredEndpointProvider(session.full_config, profile, "s3").provide()
        return str(named or "").rstrip("/")

    def _profile(self) -> dict[str, Any]:
        from botocore.exceptions import ProfileNotFound

        try:
            scoped: dict[str, Any] = self.boto._session.get_scoped_config()
        except ProfileNotFound as error:  # one that AWS_PROFILE names
            raise UsageError(f"{error}.", advice="aws configure list-profiles shows those there are.") from error
        return scoped

    # --- credentials --------------------------------------------------------------------------------------

    async def credentials(self) -> Credentials:
        """The credentials of this moment, refreshed where they are about to expire.

        Raises `BadCredentials` where there are none, or an SSO or MFA session has ended."""
        environment = os.environ
        if not self.connection.profile and environment.get("AWS_ACCESS_KEY_ID"):
            secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
            token = environment.get("AWS_SESSION_TOKEN") or environment.get("AWS_SECURITY_TOKEN") or ""
            if secret:
                return Credentials(environment["AWS_ACCESS_KEY_ID"], secret, token)
        boto = self.boto
        try:
            use_own_prompt(boto)
            found = await bounded(boto.get_credentials())
            if found is None:
                raise no_credentials()
            frozen = await bounded(found.get_frozen_credentials())
            if not (frozen.access_key and frozen.secret_key):
                raise ValueError("its key or its secret is empty")
        except StoreError:
            raise
        except Exception as error:  # botocore lets through whatever a file, a program or a host made it stumble over
            raise credentials_error(error, source_of(self._profile(), os.environ)) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    async def refresh(self) -> None:
        """Look for credentials anew, after S3 said that those used have expired: in the profile's files, at SSO or STS.

        Raises `BadCredentials` where there are none to be had. That they are newer only the next request can tell."""
        # Clients in use keep what they were made with, and stay open until the session ends.
        self._session = None
        self._clients = {}
        await self.credentials()

    async def identity(self) -> Identity:
        """Who the credentials belong to (STS GetCallerIdentity), or why that cannot be said."""
        own = not self.is_aws and not os.environ.get("AWS_ENDPOINT_URL_STS")
        try:
            async with self.boto.client(
                "sts",
                region_name=self.region,
                endpoint_url=self.endpoint if own else None,  # an S3 of one's own that has STS has it there
                verify=self.ca_bundle or None,
                config=self._config(IDENTITY_TIMEOUT_S),
            ) as client:
                answer = await client.get_caller_identity()
            return Identity(str(answer.get("Account", "")), str(answer.get("Arn", "")))
        except Exception as error:
            # Asked for information alone: nothing that an endpoint of one's own answers here may end a command.
            problem = translate("GetCallerIdentity", "", self.endpoint, error)
            return Identity("", "", problem.message if problem is not None else "the answer is none of STS's")

    # --- regions and clients ------------------------------------------------------------------------------

    async def bucket_region(self, bucket: str) -> str:
        """The region that a bucket's requests are signed for: on AWS its own, asked for once (HeadBucket says it even
        in a refusal), an access point's by its ARN, elsewhere the configured one."""
        if bucket not in self._regions:
            async with self._asking.setdefault(bucket, anyio.Lock()):
                if bucket not in self._regions:
                    self._regions[bucket] = await self._find_region(bucket)
        return self._regions[bucket]

    async def _find_region(self, bucket: str) -> str:
        if bucket.startswith("arn:"):
            return bucket.split(":")[3]  # an access point is signed for where it is, whatever the session's region
        if self.is_aws:
            return await self._ask_region(bucket) or self.region
        return self.region

    async def _ask_region(self, bucket: str) -> str:
        from botocore.exceptions import ClientError

        try:
            answer = await (await self.client()).head_bucket(Bucket=bucket)
        except ClientError as error:
            answer = error.response
        except Exception as error:
            raise translate("HeadBucket", f"s3://{bucket}/", self.endpoint, error) or error from error
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))

    async def address(self, bucket: str) -> Address:
        """Where this bucket's requests go. Costs no request but what `bucket_region` costs."""
        region = await self.bucket_region(bucket)
        named = urlsplit(self._named_endpoint())
        if self.path_style and named.scheme in ("http", "https") and named.hostname and _PLAIN_BUCKET(bucket):
            # All that botocore would make of it: a test holds the two together.
            return Address(f"{named.scheme}://{_without_default_port(named)}", f"{named.path}/{bucket}/", region)
        try:
            client = await self.client(region)
            # A URL made for a key of one letter shows what comes before every key; nothing is sent.
            url = urlsplit(await client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
        except Exception as error:
            known = translate("Connect", f"s3://{bucket}/", self.endpoint, error)
            if known is None or known is error:
                raise
            raise known from error
        return Address(f"{url.scheme}://{url.netloc}", url.path.removesuffix("k"), region)

    async def client(self, region: str = "") -> Any:
        """The S3 client of a region (the session's own unless named), made at its first use: that takes 50 ms and
        more, and each has a pool of connections of its own."""
        region = region or self.region
        client = self._clients.get(region)
        if client is not None:
            return client
        async with self._opening:
            client = self._clients.get(region)
            if client is None:
                await self.credentials()  # says it in words where there are none
                client = self._clients[region] = await self._open(region)
        return client

    async def _open(self, region: str) -> Any:
        try:
            client = await self._stack.enter_async_context(
                self.boto.client(
                    "s3",
                    region_name=region,
                    endpoint_url=self._named_endpoint() or None,
                    verify=self.ca_bundle or None,
                    config=self._config(READ_TIMEOUT_S),
                )
            )
        except ValueError as error:  # botocore: "Invalid endpoint: …"
            raise unreachable(self.endpoint, str(error)) from error
        boto_hooks.put_on(client.meta.events, self.connection.request_payer)
        return client

    def _config(self, read_timeout_s: int) -> Any:
        from aiobotocore.config import AioConfig

        return AioConfig(
            http_session_cls=_http_session(),
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=self._max_connections,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=read_timeout_s,
            parameter_validation=False,
            signature_version="s3v4" if read_timeout_s == READ_TIMEOUT_S else "v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={
                "addressing_style": "path" if self.path_style else "virtual",
                "us_east_1_regional_endpoint": "regional",  # s3.amazonaws.com is every region's, and redirects
            },
        )


def _http_session() -> Any:
    from aiobotocore.httpsession import AIOHTTPSession

    class CheckedSession(AIOHTTPSession):  # type: ignore[misc]
        """The pinned aiobotocore leaves the host name unchecked: a trusted certificate for another name was accepted
        (fixed upstream in 3.9). botocore's context verifies the chain; this adds the name. And it lets aiohttp follow
        redirects, to wherever the answer says."""

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


def _without_default_port(url: SplitResult) -> str:
    default = {"http": 80, "https": 443}[url.scheme]
    return url.netloc.removesuffix(f":{default}") if url.port == default else url.netloc


def _section(config: dict[str, Any], name: str) -> dict[str, Any]:
    """The indented lines under `name =`. Raises `UsageError` where they stand on its own line."""
    found = config.get(name) or {}
    if not isinstance(found, dict):
        raise UsageError(
            f"the AWS configuration has '{name} = {found}' on one line.",
            advice=f"What belongs to {name} goes under '{name} =', a line each, indented.",
        )
    return found


def _has_config(connection: Connection) -> bool:
    """Whether there is an AWS configuration at all: without one boto need not be asked. The credentials file is one:
    botocore reads whatever stands in it as the profile's own."""
    environment = os.environ
    if connection.profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE"):
        return True
    named = (
        environment.get("AWS_CONFIG_FILE") or "~/.aws/config",
        environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    )
    return any(Path(os.path.expandvars(name)).expanduser().is_file() for name in named)


def _is_url(text: str) -> bool:
    """Whether an endpoint can be asked at all."""
    try:
        url = urlsplit(text)
        port_is_one = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and port_is_one and not re.search(r"\s", text)
