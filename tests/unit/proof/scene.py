"""A copied route in a real ledger over a store in memory, and one verification of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio

from engine.events import ignore
from engine.ledger import Binding, Ledger
from engine.listing.sources import Sources
from engine.model import Proof, Properties
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision, ObjectRecord, Outcome
from engine.plan.route import Route
from engine.proof.depth import Depth
from engine.proof.verification import Verification
from engine.proof.verify import Verifier
from engine.store import Body, GetRange
from tests.fake_store import FakeStore, everywhere


class SlowStore(FakeStore):
    """Reads take a while, and later ranges answer first, so that order has to be made by whoever reads. Counts the
    bytes that are read at once."""

    in_flight_bytes = most_bytes = 0

    async def get_range(self, request: GetRange) -> Body:
        body = await super().get_range(request)
        self.in_flight_bytes += len(body.data)
        self.most_bytes = max(self.most_bytes, self.in_flight_bytes)
        for _ in range(3 if (request.first or 0) % 2 == 0 else 1):
            await anyio.lowlevel.checkpoint()
        self.in_flight_bytes -= len(body.data)
        return body


class Scene:
    """`s3://bucket/src/` copied to `s3://bucket/dst/`: `copied` puts both sides into the store and the ledger."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        self.store = SlowStore()
        self.plan = Plan.of("s3://bucket/src/", "s3://bucket/dst/", name="r", **rules)
        self.route: Route = self.plan.routes[0]
        self._path = folder / "r.ledger"
        self._copied: list[tuple[Decision, Outcome]] = []

    def copied(
        self, key: str, data: bytes, *, proof: Proof = Proof.DIGEST, target: bytes | None = None, **both: Any
    ) -> None:
        """One object on both sides; `target` is what the target holds instead of the same bytes."""
        etag = both.get("etag", "")
        properties = both.pop("properties", Properties())._replace(tags=both.pop("tags", ()))
        source = self.store.put(f"s3://bucket/src/{key}", data, properties=properties, **both)
        both["etag"] = etag or source.etag
        self.store.put(f"s3://bucket/dst/{key}", data if target is None else target, properties=properties, **both)
        decision = Decision(key, len(data), source.etag, source.modified, "STANDARD", "", State.PLANNED)
        self._copied.append((decision, Outcome(key, State.COPIED, etag or source.etag, "", proof, "etag", "copy")))

    async def ledger(self) -> Ledger:
        binding = Binding("r", "http://memory", self.plan.binding_routes, ())
        ledger = await Ledger.open(self._path, binding, now_ms=lambda: 1_000)
        if self._copied:
            await ledger.decide("r", [decision for decision, _ in self._copied])
            await ledger.conclude("r", [outcome for _, outcome in self._copied])
            await ledger.open_snapshot("r")
            await ledger.close_snapshot("r", len(self._copied), 0)
            self._copied = []
        return ledger

    async def verify(self, depth: Depth | None = None, *, properties: bool = False) -> Verification:
        async with await self.ledger() as ledger:
            verifier = Verifier(everywhere(self.store), Sources(), ledger, ignore, depth=depth, properties=properties)
            return await verifier.verify([self.route])

    async def records(self) -> dict[str, ObjectRecord]:
        async with await self.ledger() as ledger:
            return {record.key: record async for batch in ledger.records() for record in batch}
