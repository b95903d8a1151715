"""What a test of the contract stands on: a store, a server, a folder, and what is known of the server's ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.errors import StoreError
from engine.model import ObjectRef
from engine.store import ObjectStore, PutObject
from tests.contract.departures import DEPARTURES, NOT_ASKED, Departure
from tests.fake_store import FakeStore


class Hand(Protocol):
    """Another way into the same server than the store under test."""

    def make_versioned(self, bucket: str, *keys: str) -> None:
        """Make a bucket that keeps versions, with these objects in it."""

    def read(self, ref: ObjectRef) -> tuple[bytes, str, dict[str, str]]:
        """An object's bytes, content type and metadata."""


@dataclass(frozen=True, slots=True)
class S3Hand:
    """boto3's client."""

    client: Any

    def make_bucket(self, bucket: str) -> None:
        self.client.create_bucket(Bucket=bucket)

    def make_versioned(self, bucket: str, *keys: str) -> None:
        self.make_bucket(bucket)
        self.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        for key in keys:
            self.client.put_object(Bucket=bucket, Key=key, Body=b"1")

    def read(self, ref: ObjectRef) -> tuple[bytes, str, dict[str, str]]:
        answer = self.client.get_object(Bucket=ref.bucket, Key=ref.key)
        return answer["Body"].read(), answer["ContentType"], answer["Metadata"]


@dataclass(frozen=True, slots=True)
class MemoryHand:
    """What the fake store holds, past its protocol."""

    store: FakeStore

    def make_versioned(self, bucket: str, *keys: str) -> None:
        assert self.store.buckets is not None
        self.store.buckets.add(bucket)
        self.store.versioned.add(bucket)
        for key in keys:
            self.store.put(f"s3://{bucket}/{key}", b"1")

    def read(self, ref: ObjectRef) -> tuple[bytes, str, dict[str, str]]:
        held = self.store.get(str(ref))
        assert held is not None and held.body is not None
        return held.body, held.properties.content_type, dict(held.properties.metadata)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the tests of one server and one store write: a bucket, and a folder in it. `region` is empty for the
    bucket that a user named, and `env` what the environment has to say of the server."""

    server: str
    plane: str
    bucket: str
    folder: str
    hand: Hand
    region: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_named(self) -> bool:
        """Whether a user named the bucket: nothing may be made there but objects under `folder`."""
        return not self.region


@dataclass(slots=True)
class Contract:
    """The store under test, its server, and what that server does otherwise than S3."""

    store: ObjectStore
    ground: Ground
    prefix: str
    open_store: Callable[..., Awaitable[ObjectStore]]

    def ref(self, name: str) -> ObjectRef:
        return ObjectRef(self.ground.bucket, self.prefix + name)

    async def put(self, name: str, body: bytes = b"contract", **more: Any) -> ObjectRef:
        ref = self.ref(name)
        await self.store.put_object(PutObject(ref, body, **more))
        return ref

    def holds(self, behaviour: str, observed: object, promised: object) -> bool:
        """Whether the server keeps S3's promise; fails where it does neither that nor what is written down of it."""
        instead = self._departure(behaviour)
        if instead is None:
            assert observed == promised, f"{behaviour} on {self.ground.server}"
            return True
        assert instead.does != promised, f"{behaviour}: a departure that is none"
        assert observed == instead.does, f"{behaviour}: {self.ground.server} no longer departs as written down"
        return False

    def asks(self, behaviour: str) -> bool:
        """Whether this server may be asked at all."""
        return behaviour not in NOT_ASKED.get(self.ground.server, {})

    def _departure(self, behaviour: str) -> Departure | None:
        by_server = DEPARTURES.get(f"{self.ground.server}/{self.ground.plane}", {}) | DEPARTURES.get(
            self.ground.server, {}
        )
        return by_server.get(behaviour) or DEPARTURES.get(self.ground.plane, {}).get(behaviour)


async def outcome(call: Awaitable[object]) -> str:
    """ "done", or the class of the error."""
    try:
        await call
    except StoreError as error:
        return type(error).__name__
    return "done"


async def refusal(call: Awaitable[object]) -> str:
    """ "done", or the class of the error, its code and its scope."""
    try:
        await call
    except StoreError as error:
        return f"{type(error).__name__} {error.code} {error.scope}"
    return "done"
