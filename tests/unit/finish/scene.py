"""What the tests of the finish begin with: a plan whose copies are made and verified, on a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from engine.finish.cleanup import Cleaned, Cleanup, settle
from engine.finish.deleting import Deleter, DeleterOf
from engine.finish.gate import Reason, judge
from engine.finish.gathering import gather
from engine.finish.probes import Commands
from engine.finish.sending import Condition, Fate
from engine.ledger import Binding, Ledger
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision, ObjectRecord, Outcome
from tests.fake_store import START_S, FakeStore, everywhere, sites_of

DAY_S = 86_400
PLAN = """
name = "moving"
bucket = "bucket"
prefix = "project/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
"""


class Scene:
    """`store` and `ledger` with `plan` between them. The ledger's clock is the store's."""

    def __init__(self, store: FakeStore, ledger: Ledger, plan: Plan) -> None:
        self.store = store
        self.ledger = ledger
        self.plan = plan
        self.heard: list[object] = []
        self._given: Deleter | None = None

    async def migrate(self) -> None:
        """Copy and verify everything, as a run and a verification would record it."""
        for route in self.plan.routes:
            await self.ledger.open_snapshot(route.name)
            decisions, outcomes = [], []
            for (bucket, key), there in sorted(self.store.objects.items()):
                if bucket != route.source.bucket or not key.startswith(route.source.key):
                    continue
                relative = route.relative(key)
                self.store.objects[route.target.bucket, route.target_key(relative)] = there
                decisions.append(
                    Decision(relative, there.size, there.etag, there.modified, "STANDARD", "", State.PLANNED)
                )
                outcomes.append(Outcome(relative, State.COPIED, there.etag, proof=Proof.SIZE, method="copy"))
            if decisions:
                await self.ledger.decide(route.name, decisions)
                await self.ledger.conclude(route.name, outcomes)
                verified = [item._replace(state=State.VERIFIED, proof=Proof.DIGEST) for item in outcomes]
                await self.ledger.conclude(route.name, verified)
            objects, size_bytes = len(decisions), sum(item.size for item in decisions)
            await self.ledger.close_snapshot(route.name, objects, size_bytes)

    async def reasons(self, *, hold_s: int = DAY_S, minimum: Proof = Proof.DIGEST) -> list[Reason]:
        """The gate as it stands, without probes and references."""
        plan = replace(self.plan, cleanup=replace(self.plan.cleanup, hold_s=hold_s, proof=minimum), probes=())
        return judge(await gather(plan, sites_of(self.store), self.ledger, self.heard.append, Commands(), None))

    async def closed(self, **how: object) -> list[str]:
        """The names of what keeps the gate closed."""
        return [reason.name for reason in await self.reasons(**how) if not reason.open]  # type: ignore[arg-type]

    async def delete(
        self,
        condition: Condition = Condition.BATCH,
        *,
        markers_accepted: Collection[str] = (),
        gone_in: Collection[str] = (),
    ) -> Cleaned:
        """Delete the proven sources, as after an open gate."""
        cleanup = Cleanup(
            everywhere(self.store),
            self.ledger,
            self.deleters(condition),
            self.heard.append,
            minimum=Proof.DIGEST,
            markers_accepted=markers_accepted,
            gone_in=gone_in,
        )
        return await cleanup.go(self.plan.routes)

    def deleters(self, condition: Condition = Condition.BATCH) -> DeleterOf:
        deleter = self.deleter(condition)
        return lambda where: deleter

    def give(self, deleter: Deleter) -> None:
        """What is to delete from now on, whatever the condition."""
        self._given = deleter

    def deleter(self, condition: Condition = Condition.BATCH) -> Deleter:
        return self._given or Deleter(self.store, {"bucket": condition}, sleep=no_sleep)

    async def settle(self) -> dict[Fate, int]:
        return await settle(everywhere(self.store), self.ledger, self.plan.routes)

    async def records(self, route: str = "raw") -> dict[str, ObjectRecord]:
        return {record.key: record async for records in self.ledger.records(route) for record in records}

    async def states(self, route: str = "raw") -> dict[str, str]:
        return {key: record.state.value for key, record in (await self.records(route)).items()}


async def no_sleep(seconds: float) -> None:
    assert seconds >= 0


@asynccontextmanager
async def scene(folder: Path, objects: int = 3, plan: str = PLAN) -> AsyncIterator[Scene]:
    """A store with `objects` objects under data/raw/, and an empty ledger."""
    store = FakeStore()
    for number in range(objects):
        store.put(f"s3://bucket/data/raw/{number:05}.png", f"image {number}".encode())
    parsed = Plan.parse(plan, source=str(folder / "moving.toml"))
    binding = Binding("moving", "https://s3", parsed.binding_routes)
    ledger = await Ledger.open(folder / "moving.ledger", binding, now_ms=lambda: int(store.now_s * 1000))
    async with ledger:
        yield Scene(store, ledger, parsed)


__all__ = ["DAY_S", "PLAN", "START_S", "Scene", "no_sleep", "scene"]
