"""Each test of this folder runs on every store and every server.

Stores: the wire and aioboto3. Servers: the sandbox and moto; LocalStack and Ceph's gateway where CARTAGE_REAL=1; and
whatever CARTAGE_CONTRACT_BUCKET names ("s3://bucket/prefix/", with the AWS environment as it is: everything under a new
folder there, and removed again). That one is held to all that S3 promises, unless CARTAGE_CONTRACT_SERVER says whose
departures it has ("rgw").

A test asks `contract.holds(behaviour, observed, promised)`: observed must be what S3 promises, or exactly what
tests/contract/departures.py says that this server does instead.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import pytest_asyncio

from engine.plan.document import Connection
from engine.plan.locations import parse_location
from engine.s3.boto_store import BotoStore
from engine.s3.session import Session
from engine.s3.wire_store import WireStore
from engine.store import ObjectStore
from tests.contract.ground import Contract, Ground
from tests.servers import Endpoint

NAMED = os.environ.get("CARTAGE_CONTRACT_BUCKET", "")
NAMED_KIND = os.environ.get("CARTAGE_CONTRACT_SERVER", "named")
SERVERS = [
    "sandbox",
    "moto",
    pytest.param("localstack", marks=pytest.mark.real),
    pytest.param("rgw", marks=pytest.mark.real),
    *(["named"] if NAMED else []),
]
PLANES = ["wire", "boto"]


class Opened(NamedTuple):
    """The stores that all tests of one server share."""

    stack: AsyncExitStack
    stores: dict[str, ObjectStore]


@pytest.fixture(scope="session", params=SERVERS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "named":
        yield from _named_ground()
        return
    endpoint: Endpoint = request.getfixturevalue(request.param)
    client = endpoint.client()
    bucket = f"contract-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket)
    yield Ground(endpoint.name, bucket, "", endpoint, client)


def _named_ground() -> Iterator[Ground]:
    import boto3

    where = parse_location(NAMED)
    folder = f"{where.key}cartage-contract-{uuid.uuid4().hex[:12]}/"
    client = boto3.client("s3")
    yield Ground(NAMED_KIND, where.bucket, folder, None, client)
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=where.bucket, Prefix=folder):
        for item in page.get("Uploads", ()):
            client.abort_multipart_upload(Bucket=where.bucket, Key=item["Key"], UploadId=item["UploadId"])
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=folder):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=where.bucket, Key=item["Key"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(ground: Ground) -> AsyncIterator[Opened]:
    """The stores of one server, opened at first use: making a botocore client takes as long as twenty tests."""
    async with AsyncExitStack() as stack:
        yield Opened(stack, {})


@pytest_asyncio.fixture(loop_scope="session", params=PLANES)
async def contract(
    request: pytest.FixtureRequest, ground: Ground, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Contract]:
    plane: str = request.param
    for name, value in ground.env().items():
        monkeypatch.setenv(name, value)
    if plane not in opened.stores:
        opened.stores[plane] = await open_plane(opened.stack, plane)
    async with AsyncExitStack() as stack:

        async def open_store(**environment: str) -> ObjectStore:
            """A store of its own, with this much of the environment otherwise."""
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return await open_plane(stack, plane)

        prefix = f"{ground.folder}{uuid.uuid4().hex[:8]}/"
        yield Contract(opened.stores[plane], plane, ground, prefix, open_store)


async def open_plane(stack: AsyncExitStack, plane: str) -> ObjectStore:
    session = await stack.enter_async_context(Session(Connection()))
    if plane == "boto":
        return BotoStore(session)
    return await stack.enter_async_context(WireStore(session))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stores belong to one event loop.
    for item in items:
        if "contract" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
