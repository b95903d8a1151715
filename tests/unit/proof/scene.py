"""A copied route in a real ledger over a store in memory, and one verification of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.events import Event, ignore
from engine.ledger import Binding, Ledger, RouteBinding
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision, ObjectRecord, Outcome
from engine.plan.route import Route
from engine.proof.depth import Depth
from engine.proof.verify import Verification, Verifier
from tests.unit.proof.memory_store import MODIFIED, MemoryStore


class Scene:
    """`s3://bucket/src/` copied to `s3://bucket/dst/`: `copied` puts both sides into the store and the ledger."""

    def __init__(self, folder: Path, **rules: Any) -> None:
        self.store = MemoryStore()
        self.plan = Plan.of("s3://bucket/src/", "s3://bucket/dst/", name="r", **rules)
        self.route: Route = self.plan.routes[0]
        self._path = folder / "r.ledger"
        self._copied: list[tuple[Decision, Outcome]] = []

    def copied(self, key: str, data: bytes, *, proof: Proof = Proof.DIGEST, target: bytes | None = None, **both: Any):
        """One object on both sides; `target` is what the target holds instead of the same bytes."""
        etag = both.get("etag", "")
        self.store.put("bucket", f"src/{key}", data, **both)
        source = self.store.objects[next(reversed(self.store.objects))]
        self.store.put(
            "bucket", f"dst/{key}", data if target is None else target, **{**both, "etag": etag or source.etag}
        )
        decision = Decision(key, len(data), source.etag, MODIFIED, "STANDARD", "", State.PLANNED)
        self._copied.append((decision, Outcome(key, State.COPIED, etag or source.etag, "", proof, "etag", "copy")))

    async def ledger(self) -> Ledger:
        binding = Binding("r", "http://memory", tuple(RouteBinding(*item) for item in self.plan.binding_routes), ())
        ledger = await Ledger.open(self._path, binding, now_ms=lambda: 1_000)
        if self._copied:
            await ledger.decide("r", [decision for decision, _ in self._copied])
            await ledger.conclude("r", [outcome for _, outcome in self._copied])
            await ledger.open_snapshot("r")
            await ledger.close_snapshot("r", len(self._copied), 0)
            self._copied = []
        return ledger

    async def verify(
        self,
        depth: Depth | None = None,
        *,
        properties: bool = False,
        listener: Callable[[Event], None] = ignore,
        stop_first: bool = False,
    ) -> Verification:
        async with await self.ledger() as ledger:
            verifier = Verifier(self.store, ledger, listener, depth=depth, properties=properties)
            if stop_first:
                verifier.stop()
            return await verifier.verify([self.route])

    async def records(self) -> dict[str, ObjectRecord]:
        async with await self.ledger() as ledger:
            return {record.key: record async for batch in ledger.records() for record in batch}
