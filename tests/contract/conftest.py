"""Each test of this folder runs on every store and every server.

Stores: the wire and aioboto3. Servers: the sandbox and moto; LocalStack and Ceph's gateway where CARTAGE_REAL=1; and
whatever CARTAGE_CONTRACT_BUCKET names ("s3://bucket/prefix/", with the AWS environment as it is: everything under a new
folder there, and removed again).

A test asks `contract.holds(behaviour, observed, promised)`: observed must be what S3 promises, or exactly what
tests/contract/departures.py says that this server does instead.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from engine.plan.document import Connection
from engine.plan.locations import parse_location
from engine.s3.boto_store import BotoStore
from engine.s3.session import Session
from engine.s3.wire_store import WireStore
from engine.store import ObjectStore
from tests.contract.ground import Contract, Ground
from tests.servers import Endpoint

NAMED = os.environ.get("CARTAGE_CONTRACT_BUCKET", "")
SERVERS = [
    "sandbox",
    "moto",
    pytest.param("localstack", marks=pytest.mark.real),
    pytest.param("rgw", marks=pytest.mark.real),
    *(["named"] if NAMED else []),
]
PLANES = ["wire", "boto"]


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
    yield Ground("named", where.bucket, folder, None, client)
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=where.bucket, Prefix=folder):
        for item in page.get("Contents", ()):
            client.delete_object(Bucket=where.bucket, Key=item["Key"])


@pytest.fixture(params=PLANES)
async def contract(
    request: pytest.FixtureRequest, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Contract]:
    async with AsyncExitStack() as stack:

        async def open_store(**environment: str) -> ObjectStore:
            """A store with this much of the environment otherwise."""
            for name, value in (ground.env() | environment).items():
                monkeypatch.setenv(name, value)
            session = await stack.enter_async_context(Session(Connection()))
            if request.param == "boto":
                return BotoStore(session)
            return await stack.enter_async_context(WireStore(session))

        store = await open_store()
        prefix = f"{ground.folder}{uuid.uuid4().hex[:8]}/"
        yield Contract(store, request.param, ground, prefix, open_store)
