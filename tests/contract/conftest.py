"""Each test of this folder runs on every store and every server.

Stores: the wire and aiobotocore on each server, and the fake store in memory. Servers: the sandbox and moto; LocalStack
and Ceph's gateway where CARTAGE_REAL=1; and whatever CARTAGE_CONTRACT_BUCKET names ("s3://bucket/prefix/", with the AWS
environment as it is: everything under a new folder there, and removed again). That one is held to all that S3
promises, unless CARTAGE_CONTRACT_SERVER says whose departures it has ("rgw").

A test asks `contract.holds(behaviour, observed, promised)`: observed must be what S3 promises, or exactly what
tests/contract/departures.py says that this server does instead.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from engine.plan.locations import parse_location
from engine.plan.settings import Connection
from engine.s3.boto_store import BotoStore
from engine.s3.session import Session
from engine.s3.wire_store import WireStore
from engine.store import ObjectStore
from tests.contract.ground import Contract, Ground, MemoryHand, S3Hand
from tests.fake_store import FakeStore
from tests.servers import Endpoint

NAMED = os.environ.get("CARTAGE_CONTRACT_BUCKET", "")
NAMED_KIND = os.environ.get("CARTAGE_CONTRACT_SERVER", "named")
MEMORY = "memory"
REAL = {"localstack", "rgw"}
SERVERS = ["sandbox", "moto", "localstack", "rgw", *(["named"] if NAMED else [])]
GROUNDS = [
    pytest.param((server, plane), marks=[pytest.mark.real] if server in REAL else [], id=f"{plane}-{server}")
    for server in SERVERS
    for plane in ("wire", "boto")
] + [pytest.param((MEMORY, MEMORY), id=MEMORY)]


@pytest.fixture(scope="session", params=GROUNDS)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    server, plane = request.param
    if server == "named":
        yield from _named_ground(plane)
        return
    bucket = f"contract-{uuid.uuid4().hex[:12]}"
    if server == MEMORY:
        memory = FakeStore(now_s=time.time(), checksum_on_copy=True, buckets={bucket})
        yield Ground(server, plane, bucket, "", MemoryHand(memory), region=memory.region)
        return
    endpoint: Endpoint = request.getfixturevalue(server)
    hand = S3Hand(endpoint.client())
    hand.make_bucket(bucket)
    yield Ground(server, plane, bucket, "", hand, region=endpoint.region, env=endpoint.env())


def _named_ground(plane: str) -> Iterator[Ground]:
    import boto3

    where = parse_location(NAMED)
    folder = f"{where.key}cartage-contract-{uuid.uuid4().hex[:12]}/"
    client = boto3.client("s3")
    yield Ground(NAMED_KIND, plane, where.bucket, folder, S3Hand(client))
    for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=where.bucket, Prefix=folder):
        for item in page.get("Uploads", ()):
            client.abort_multipart_upload(Bucket=where.bucket, Key=item["Key"], UploadId=item["UploadId"])
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=folder):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=where.bucket, Key=item["Key"])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def opened(ground: Ground) -> AsyncIterator[ObjectStore]:
    """The store that all tests of one ground share: making a botocore client takes as long as twenty tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ground.env.items():
            patch.setenv(name, value)
        async with AsyncExitStack() as stack:
            yield await open_store_on(ground, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def contract(ground: Ground, opened: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Contract]:
    for name, value in ground.env.items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as stack:

        async def open_store(**environment: str) -> ObjectStore:
            """A store of its own, with this much of the environment otherwise."""
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            return await open_store_on(ground, stack)

        yield Contract(opened, ground, f"{ground.folder}{uuid.uuid4().hex[:8]}/", open_store)


async def open_store_on(ground: Ground, stack: AsyncExitStack) -> ObjectStore:
    if isinstance(ground.hand, MemoryHand):
        return ground.hand.store
    session = await stack.enter_async_context(Session(Connection()))
    if ground.plane == "boto":
        return await stack.enter_async_context(BotoStore(session))
    return await stack.enter_async_context(WireStore(session))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Stores belong to one event loop.
    for item in items:
        if "contract" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
