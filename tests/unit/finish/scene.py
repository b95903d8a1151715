"""What the tests of the finish begin with: a plan whose copies are made and verified, on a store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from engine.finish.cleanup import Cleaned, Cleanup, settle
from engine.finish.deleting import Deleter, DeleterOf
from engine.finish.gate import Facts, Reason, judge
from engine.finish.holding import hold_of, proven_before_ms
from engine.finish.sending import Condition
from engine.ledger import Binding, Ledger
from engine.listing.sources import Sources
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.estimate import expectation_report
from engine.plan.lifecycle import State
from engine.plan.noted import LOST, PROPERTIES, WITHDRAWN
from engine.plan.record import Decision, ObjectRecord, Outcome
from engine.proof.audit import audit
from engine.store import AskBucket
from tests.fake_store import START_S, FakeStore, everywhere

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

    async def migrate(self, *, proof: Proof = Proof.DIGEST) -> None:
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
                verified = [item._replace(state=State.VERIFIED, proof=proof) for item in outcomes]
                await self.ledger.conclude(route.name, verified)
            objects, size_bytes = len(decisions), sum(item.size for item in decisions)
            await self.ledger.close_snapshot(route.name, objects, size_bytes)

    async def reasons(self, *, hold_s: int = DAY_S, minimum: Proof = Proof.DIGEST) -> list[Reason]:
        """The gate as it stands, without probes and references."""
        now_ms = int(self.store.now_s) * 1000 if self.store.sends_date else None
        held = await self.ledger.held(minimum, proven_before_ms(now_ms, hold_s))
        tallies = await self.ledger.tallies()
        found = {
            route.name: (
                sum(tally.objects for tally in tallies if tally.route == route.name),
                sum(tally.bytes for tally in tallies if tally.route == route.name),
            )
            for route in self.plan.routes
        }
        bucket = await self.store.bucket_facts(AskBucket("bucket"))
        stores, entries = everywhere(self.store), self.ledger.entries
        audits = await audit(stores, Sources(), self.plan.routes, entries, self.heard.append, minimum)
        noted = await self.ledger.noted()
        return judge(
            Facts(
                tuple(route.name for route in self.plan.routes),
                tuple(item.route for item in await self.ledger.snapshots() if not item.closed_ms),
                tuple(tallies),
                minimum,
                hold_of(held, hold_s, now_ms),
                tuple(audits),
                expectation_report(self.plan, found),
                (),
                None,
                (bucket,),
                (bucket,),
                tuple(route.target for route in self.plan.routes),
                withdrawn=noted[WITHDRAWN],
                lost=noted[LOST],
                properties=noted[PROPERTIES],
                accepted=frozenset(await self.ledger.accepted()),
            )
        )

    async def closed(self, **how: object) -> list[str]:
        """The names of what keeps the gate closed."""
        return [reason.name for reason in await self.reasons(**how) if not reason.open]  # type: ignore[arg-type]

    async def delete(
        self, condition: Condition = Condition.BATCH, *, markers_accepted: Collection[str] = ()
    ) -> Cleaned:
        """Delete the proven sources, as after an open gate."""
        cleanup = Cleanup(
            everywhere(self.store),
            self.ledger,
            self.deleters(condition),
            self.heard.append,
            minimum=Proof.DIGEST,
            markers_accepted=markers_accepted,
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

    async def settle(self) -> None:
        await settle(everywhere(self.store), self.ledger, self.plan.routes)

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
