"""Where a bucket's requests go: what is said without botocore is what botocore says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from engine.plan.settings import Connection
from engine.s3.session import Address, Session

ENDPOINTS = [
    "http://127.0.0.1:9000",
    "https://minio.example",
    "https://minio.example/",
    "http://minio.example:80",
    "https://minio.example:443",
    "https://minio.example:8443/s3",
    "http://[::1]:9000",
    "https://account.r2.cloudflarestorage.com",
]


async def by_botocore(session: Session, bucket: str) -> Address:
    client = await session._client(session.region)
    url = urlsplit(client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    return Address(f"{url.scheme}://{url.netloc}", url.path.removesuffix("k"), session.region)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
async def test_an_endpoint_of_ones_own_is_addressed_as_botocore_does(endpoint: str) -> None:
    async with Session(Connection(endpoint_url=endpoint)) as session:
        for bucket in ("bucket", "my.dotted.bucket", "b-1"):
            ours, theirs = await session.address(bucket), await by_botocore(session, bucket)
            # A default port may be said or left out: the host that is signed is the same without it.
            assert (ours.origin, ours.path, ours.region) == (bare(theirs.origin), theirs.path, theirs.region)


def bare(origin: str) -> str:
    url = urlsplit(origin)
    default = {"http": ":80", "https": ":443"}[url.scheme]
    return origin.removesuffix(default)


async def test_a_virtual_host_is_botocores_to_resolve() -> None:
    async with Session(Connection(endpoint_url="https://s3.example", addressing_style="virtual")) as session:
        assert await session.address("bucket") == ("https://bucket.s3.example", "/", "us-east-1")


@pytest.mark.parametrize(
    ("bucket", "origin"),
    [
        ("bucket", "https://bucket.s3.eu-west-1.amazonaws.com"),
        (
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine",
            "https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
        ),
    ],
)
async def test_aws_is_addressed_by_virtual_host(monkeypatch: pytest.MonkeyPatch, bucket: str, origin: str) -> None:
    async def here(session: Session, bucket: str) -> str:
        return "eu-west-1"

    monkeypatch.setattr(Session, "bucket_region", here)  # else S3 is asked for it
    async with Session(Connection(region="eu-west-1")) as session:
        address = await session.address(bucket)
        assert (address.origin, address.path) == (origin, "/")


async def test_dual_stack_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    async def here(session: Session, bucket: str) -> str:
        return "eu-west-1"

    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    monkeypatch.setattr(Session, "bucket_region", here)
    async with Session(Connection(region="eu-west-1")) as session:
        assert (await session.address("bucket")).origin == "https://bucket.s3.dualstack.eu-west-1.amazonaws.com"


def test_a_run_at_an_endpoint_of_ones_own_never_loads_botocore(tmp_path: Path) -> None:
    """botocore costs a fifth of a second and 20 MB, which a short run would spend on nothing."""
    program = """
import asyncio, sys
from engine.api.options import Options
from engine.sites.opening import open_site
from engine.errors import StoreError
from engine.plan.settings import Connection
from engine.store import ListPage

async def main():
    async with open_site(Connection(), Options(endpoint_url="http://127.0.0.1:1", give_up_after_s=0)) as opened:
        try:
            await opened.store.list_page(ListPage("bucket"))
        except StoreError as error:
            print(type(error).__name__)

asyncio.run(main())
print(sorted({"botocore", "aiohttp", "aioboto3"} & set(sys.modules)))
"""
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    environment |= {name: str(tmp_path / "none") for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    environment |= {"PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["Unreachable", "[]"]


async def test_an_access_point_is_signed_for_its_own_region() -> None:
    arn = "arn:aws:s3:us-west-2:123456789012:accesspoint/mine"
    for endpoint in ("", "https://minio.example"):
        async with Session(Connection(region="eu-west-1", endpoint_url=endpoint)) as session:
            assert (await session.address(arn)).region == "us-west-2"
