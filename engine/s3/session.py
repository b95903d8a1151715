"""One session a run: credentials of every kind and their refresh, regions, endpoints.

botocore knows these, by whatever configuration there is, and is loaded only where the environment alone does not say
them. What it does blocks, and is done in a thread. Requests are always signed for one place and never follow a
redirect: the bucket's region is found out first.
"""

from __future__ import annotations

import asyncio
import os
import re
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, urlsplit

import anyio

from engine.errors import StoreError, UsageError, WrongRegion
from engine.events import BucketListed
from engine.plan.aws import domain_of, is_aws_host
from engine.plan.settings import Connection
from engine.s3 import boto_sessions
from engine.s3.answers import moment
from engine.s3.boto_errors import translate, translated, unreachable
from engine.s3.credential_sources import AskedCredentials, credentials_error, end_of_text, source_of
from engine.to_the_end import in_own_thread

READ_TIMEOUT_S = 60
BUCKETS_A_PAGE = 1000
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


NOBODY = Credentials("", "")
"""What is asked with them is not signed."""


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

    `connection` is the plan's, with the flags over it. `given` is a session of boto3's, aioboto3's or botocore's, whose
    credentials and configuration count instead of the environment's; nothing in it is changed."""

    def __init__(self, connection: Connection, given: Any = None) -> None:
        self.connection = connection
        self._given = given
        self._clients: dict[tuple[str, Credentials], Any] = {}
        self._made: list[Any] = []
        self._regions: dict[str, str] = {}
        self._asking: dict[str, anyio.Lock] = {}
        self._session: Any = None
        self._asked: AskedCredentials | None = None
        self._opening = asyncio.Lock()

    async def __aenter__(self) -> Self:
        named = self.named_endpoint
        if named and "@" in named:  # before anything shows or keeps it
            raise UsageError(
                "the endpoint has a name or a password in it, which S3 has no use for.",
                advice="Give it as https://host, or http://host:port; keys go into the environment or a profile.",
            )
        if named and (not _is_url(named) or "?" in named or "#" in named):
            why = "has a query or a fragment, which no request would bear" if _is_url(named) else "is not a URL"
            raise UsageError(f"the endpoint {named!r} {why}.", advice="Give it as https://host, or http://host:port.")
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._clients.clear()
        while self._made:
            self._made.pop().close()

    # --- what the environment says ------------------------------------------------------------------------

    @property
    def boto(self) -> Any:
        """botocore's session. Raises `UsageError` for a profile that does not exist."""
        if self._session is None:
            self._session = (
                boto_sessions.own_session(self.connection.profile, self.connection.region)
                if self._given is None
                else boto_sessions.inner_session(self._given)
            )
        return self._session

    @property
    def region(self) -> str:
        """The region that requests are signed for unless a bucket is elsewhere; us-east-1 where nothing says one."""
        of_session = self.boto.get_config_variable("region") if self._given is not None else ""
        named = (
            self.connection.region
            or of_session
            or os.environ.get("AWS_REGION")
            or os.environ.get("AWS_DEFAULT_REGION")
            or self.boto.get_config_variable("region")
        )
        region = str(named or DEFAULT_REGION)
        if not _REGION(region):
            raise UsageError(
                f"{region!r} is no region's name.", advice="It is one word, as us-east-1, without quotes or comment."
            )
        return region

    @property
    def endpoint(self) -> str:
        """The endpoint's URL: a flag's or the plan's, the environment's, the profile's, or AWS's own of the region."""
        return self.named_endpoint or f"https://s3.{self.region}.{domain_of(self.region)}"

    @property
    def is_aws(self) -> bool:
        """Whether the endpoint is AWS's own, wherever it was named."""
        return is_aws_host(urlsplit(self.endpoint).hostname or "")

    @property
    def ca_bundle(self) -> str:
        """A file of certificates to trust instead of certifi's, or empty."""
        named = self.connection.ca_bundle
        if not named and self._has_config():
            named = str(self.boto.get_config_variable("ca_bundle") or "")
        return named or os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE", "")

    @property
    def path_style(self) -> bool:
        """Whether the bucket goes into the path: by the plan or the profile, else for every endpoint but AWS's own."""
        style: str = self.connection.addressing_style
        if style == "auto" and self._has_config():
            style = boto_sessions.addressing_style(self.boto)
        return style == "path" if style in ("path", "virtual") else not self.is_aws

    @property
    def named_endpoint(self) -> str:
        """The endpoint that someone named, by botocore's rules of precedence; empty for AWS's own."""
        if self.connection.endpoint_url:
            return self.connection.endpoint_url.rstrip("/")
        if self._has_config():
            return boto_sessions.configured_endpoint(self.boto).rstrip("/")
        if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return ""
        return (os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "").rstrip("/")

    def _has_config(self) -> bool:
        """Whether there is an AWS configuration at all: without one botocore need not be asked. The credentials file is
        one: botocore reads whatever stands in it as the profile's own."""
        environment = os.environ
        if self._given is not None or self.connection.profile:
            return True
        if environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE"):
            return True
        named = (
            environment.get("AWS_CONFIG_FILE") or "~/.aws/config",
            environment.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        )
        return any(Path(os.path.expandvars(name)).expanduser().is_file() for name in named)

    # --- credentials --------------------------------------------------------------------------------------

    @property
    def signs(self) -> bool:
        """Whether requests are signed at all: what anybody may read needs no credentials."""
        return self.connection.credentials != "none"

    async def credentials(self) -> Credentials:
        """The credentials of this moment, refreshed where they are about to expire.

        Raises `BadCredentials` where there are none, or an SSO or MFA session has ended."""
        if not self.signs:
            return NOBODY
        environment = os.environ
        if self._given is None and not self.connection.profile and environment.get("AWS_ACCESS_KEY_ID"):
            secret = environment.get("AWS_SECRET_ACCESS_KEY", "")
            token = environment.get("AWS_SESSION_TOKEN") or environment.get("AWS_SECURITY_TOKEN") or ""
            if secret:
                return Credentials(environment["AWS_ACCESS_KEY_ID"], secret, token)
        boto = self.boto
        if self._asked is None:
            self._asked = AskedCredentials(boto, ours=self._given is None)
        try:
            frozen = await self._asked.frozen()
            if not (frozen.access_key and frozen.secret_key):
                raise ValueError("its key or its secret is empty")
        except StoreError:
            raise
        except Exception as error:  # botocore lets through whatever a file, a program or a host made it stumble over
            source = source_of(boto_sessions.scoped_config(boto), environment)
            raise credentials_error(error, source) from error
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or "")

    @property
    def credentials_end_s(self) -> float:
        """When the credentials of this moment end, in seconds since the epoch; 0 where they do not, or nobody says:
        those of the environment come with AWS_CREDENTIAL_EXPIRATION at best."""
        if self._asked is not None:
            return self._asked.end_s
        return end_of_text(os.environ.get("AWS_CREDENTIAL_EXPIRATION", ""))

    async def refresh(self) -> None:
        """Look for credentials anew, after S3 said that those used have expired: in the profile's files, at SSO or STS;
        of a session that was handed in, in that.

        Raises `BadCredentials` where there are none to be had. That they are newer only the next request can tell."""
        self._session = self._asked = None
        await self.credentials()

    async def identity(self) -> Identity:
        """Who the credentials belong to (STS GetCallerIdentity), or why that cannot be said."""
        if not self.signs:
            return Identity("", "", "nobody: nothing is signed")
        own = not self.is_aws and not os.environ.get("AWS_ENDPOINT_URL_STS")
        # An S3 of one's own that has STS has it there.
        endpoint = self.endpoint if own else None
        more = {"signature_version": "v4", "read_timeout": IDENTITY_TIMEOUT_S}
        try:
            client = await self._make("sts", self.region, await self.credentials(), endpoint_url=endpoint, **more)
            answer = await in_own_thread(client.get_caller_identity)
            return Identity(str(answer.get("Account", "")), str(answer.get("Arn", "")))
        except Exception as error:
            # Asked for information alone: nothing that an endpoint of one's own answers here may end a command.
            problem = translate("GetCallerIdentity", "", self.endpoint, error)
            return Identity("", "", problem.message if problem is not None else "the answer is none of STS's")

    async def buckets(self) -> list[BucketListed]:
        """The buckets of the account, by name. Raises `StoreError`, and what credentials raise."""
        try:
            return await self._listed_at(self.region)
        except WrongRegion as error:  # an endpoint of one's own that wants another one signed for
            if not _REGION(error.region):
                raise
            return await self._listed_at(error.region)

    async def _listed_at(self, region: str) -> list[BucketListed]:
        client = await self._client(region)

        def ask() -> list[BucketListed]:
            if not client.can_paginate("list_buckets"):  # botocore before 1.35.41
                return _listed(client.list_buckets())
            pages = client.get_paginator("list_buckets").paginate(PaginationConfig={"PageSize": BUCKETS_A_PAGE})
            return [item for page in pages for item in _listed(page)]

        with translated("ListBuckets", "s3://", self.endpoint):
            return await in_own_thread(ask)

    # --- regions and clients ------------------------------------------------------------------------------

    async def bucket_region(self, bucket: str) -> str:
        """The region that a bucket's requests are signed for: on AWS its own, asked for once (HeadBucket says it even
        in a refusal), an access point's by its ARN, elsewhere the configured one."""
        if bucket not in self._regions:
            async with self._asking.setdefault(bucket, anyio.Lock()):
                if bucket not in self._regions:
                    self._regions[bucket] = await self._find_region(bucket)
        return self._regions[bucket]

    def move(self, bucket: str, region: str) -> bool:
        """Sign a bucket's requests for another region, which a server has named; False for what is no region's name."""
        named = bool(_REGION(region))
        if named:
            self._regions[bucket] = region
        return named

    async def _find_region(self, bucket: str) -> str:
        if bucket.startswith("arn:"):
            return bucket.split(":")[3]  # an access point is signed for where it is, whatever the session's region
        if self.is_aws:
            return await self._ask_region(bucket) or self.region
        return self.region

    async def _ask_region(self, bucket: str) -> str:
        from botocore.exceptions import ClientError

        client = await self._client(self.region)
        with translated("HeadBucket", f"s3://{bucket}/", self.endpoint):
            try:
                answer = await in_own_thread(partial(client.head_bucket, Bucket=bucket))
            except ClientError as error:
                answer = error.response
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        return str(answer.get("BucketRegion") or headers.get("x-amz-bucket-region", ""))

    async def address(self, bucket: str) -> Address:
        """Where this bucket's requests go. Costs no request but what `bucket_region` costs."""
        region = await self.bucket_region(bucket)
        named = urlsplit(self.named_endpoint)
        if self.path_style and named.scheme in ("http", "https") and named.hostname and _PLAIN_BUCKET(bucket):
            # All that botocore would make of it: a test holds the two together.
            return Address(f"{named.scheme}://{_without_default_port(named)}", f"{named.path}/{bucket}/", region)
        with translated("Connect", f"s3://{bucket}/", self.endpoint):
            client = await self._client(region)
            # A URL made for a key of one letter shows what comes before every key; nothing is sent.
            sign = partial(client.generate_presigned_url, "get_object", Params={"Bucket": bucket, "Key": "k"})
            url = urlsplit(await in_own_thread(sign))
        return Address(f"{url.scheme}://{url.netloc}", url.path.removesuffix("k"), region)

    async def _client(self, region: str) -> Any:
        """botocore's client of a region, with the credentials of this moment."""
        credentials = await self.credentials()
        async with self._opening:
            client = self._clients.get((region, credentials))
            if client is None:
                client = self._clients[region, credentials] = await self._make(
                    "s3", region, credentials, endpoint_url=self.named_endpoint or None, read_timeout=READ_TIMEOUT_S
                )
                boto_sessions.put_hooks_on(client.meta.events, self.connection.request_payer)
        return client

    async def _make(
        self, service: str, region: str, credentials: Credentials, *, endpoint_url: str | None, **more: Any
    ) -> Any:
        """A client, closed with the session. Making one takes 50 ms and more."""
        from botocore.config import Config

        make = partial(
            boto_sessions.blocking_session(self.boto).create_client,
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            verify=self.ca_bundle or None,
            aws_access_key_id=credentials.access_key or None,
            aws_secret_access_key=credentials.secret_key or None,
            aws_session_token=credentials.token or None,
            config=Config(**boto_sessions.client_settings(self.path_style, signs=self.signs) | more),
        )
        try:
            client = await in_own_thread(make)
        except ValueError as error:  # botocore: "Invalid endpoint: …"
            raise unreachable(self.endpoint, str(error)) from error
        self._made.append(client)
        return client


def _listed(page: dict[str, Any]) -> list[BucketListed]:
    """The buckets of one answer to ListBuckets; a server may leave all but the names out."""
    return [
        BucketListed(
            str(item["Name"]),
            moment(created.isoformat()) if (created := item.get("CreationDate")) else "",
            str(item.get("BucketRegion") or ""),
        )
        for item in page.get("Buckets") or []
    ]


def _without_default_port(url: SplitResult) -> str:
    default = {"http": 80, "https": 443}[url.scheme]
    return url.netloc.removesuffix(f":{default}") if url.port == default else url.netloc


def _is_url(text: str) -> bool:
    """Whether an endpoint can be asked at all."""
    try:
        url = urlsplit(text)
        port_is_one = url.port is None or url.port > 0
    except ValueError:
        return False
    return url.scheme in ("http", "https") and bool(url.hostname) and port_is_one and not re.search(r"\s", text)
