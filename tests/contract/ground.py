"""What a test of the contract stands on: a store, a server, a folder, and what is known of the server's ways."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from engine.errors import StoreError
from engine.model import ObjectRef
from engine.store import ObjectStore, PutObject
from tests.contract.departures import DEPARTURES, NOT_ASKED, Departure
from tests.servers import Endpoint


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the tests of one server write: a bucket, and a folder in it. `endpoint` is None for the named one."""

    server: str
    bucket: str
    folder: str
    endpoint: Endpoint | None
    client: Any

    def env(self) -> dict[str, str]:
        return self.endpoint.env() if self.endpoint else {}


@dataclass(slots=True)
class Contract:
    """The store under test, its server, and what that server does otherwise than S3."""

    store: ObjectStore
    plane: str
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
        by_server = DEPARTURES.get(f"{self.ground.server}/{self.plane}", {}) | DEPARTURES.get(self.ground.server, {})
        return by_server.get(behaviour) or DEPARTURES.get(self.plane, {}).get(behaviour)


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
