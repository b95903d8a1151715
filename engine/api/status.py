"""`status`: what a ledger says, without S3."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import anyio

from engine.finish.failed_sync import failed_sync_of
from engine.journal.place import given_of
from engine.ledger import Acceptance, Binding, LedgerReader, Left, RunRecord, Snapshot, Worker, open_to_read
from engine.ledger.binding import differences
from engine.ledger.rebinding import VIEW
from engine.plan.barred import BARRED
from engine.plan.document import Plan
from engine.plan.lifecycle import ASIDE, State
from engine.plan.misnamed import MISNAMED
from engine.plan.noted import Noted, accepted_states
from engine.plan.record import ObjectRecord, Tally, UploadRecord
from engine.shown import LedgerResult


@dataclass(frozen=True, slots=True)
class Status(LedgerResult):
    """A ledger at this moment, read alone and without a lock. `noted` is what may be accepted of its objects, `worker`
    who is at work on it (None: nobody), `restoring` how many of the archived are on their way back, as far as is known,
    `misnamed` how many of the failed can be no file's name at the target, and `barred` how many are refused for what
    they are or carry: no run mends either; `state` is what every command that changes it has to be given
    (`Options.state`), None where it is kept in no other place; `left` what the routes' sources hold that cannot be an
    object, or be looked at, and what a list of keys names that is not there; `failed_sync` is what the system said of a
    disk whose objects do not say so yet: what stands in a folder is not proven then, until the next command looks at
    it. `taken_back`: a revert removed the copies again."""

    ledger: Path
    binding: Binding
    tallies: list[Tally]
    snapshots: list[Snapshot]
    uploads: list[UploadRecord]
    acceptances: list[Acceptance]
    noted: Mapping[str, Noted] = field(default_factory=dict)
    worker: Worker | None = None
    restoring: int = 0
    misnamed: int = 0
    barred: int = 0
    state: str | None = None
    left: Sequence[Left] = ()
    failed_sync: str = ""
    taken_back: bool = False

    @property
    def unlisted(self) -> int:
        """How many things the listings left."""
        return sum(item.things for item in self.left)

    @property
    def accepted(self) -> frozenset[State]:
        """States in which there are only objects that someone accepted."""
        return accepted_states(self.noted, ((item.name, item.found) for item in self.acceptances))

    def said_otherwise(self, plan: Plan) -> list[str]:
        """How the plan is not what the ledger is bound to, a sentence each: every command that changes a ledger refuses
        such a plan. One that holds nothing yet is bound anew by whoever does."""
        if not (self.tallies or self.uploads or self.acceptances):
            return []
        return differences(self.binding, replace(self.binding, plan_name=plan.name, routes=plan.binding_routes))


async def status(path: str | Path) -> Status:
    """What the ledger at `path` says now (`ledger_path` is where a plan's is). S3 is not asked, and a run may be going
    on.

    Raises `LedgerMissing`, `LedgerCorrupt`."""
    path = Path(path)
    async with await open_to_read(path) as reader:
        return await status_of(path, reader)


async def status_of(path: Path, reader: LedgerReader) -> Status:
    """What a ledger says that is open. Raises `LedgerCorrupt`."""
    binding, kept = await reader.binding(), await reader.meta(VIEW)
    return Status(
        ledger=path,
        binding=binding,
        tallies=await reader.tallies(),
        snapshots=await reader.snapshots(),
        uploads=await reader.open_uploads(),
        acceptances=await reader.acceptances(),
        noted=await reader.noted(),
        worker=await reader.worker(),
        restoring=await reader.restoring(),
        misnamed=await reader.failed_by(MISNAMED),
        barred=await reader.failed_by(BARRED),
        state=None if kept is None else given_of(kept, binding.plan_name),
        left=await reader.left(),
        failed_sync=await failed_sync_of(reader),
        taken_back=await reader.taken_back(),
    )


class Pulse(NamedTuple):
    """How far a ledger is, of what costs the same to read for any number of objects. `run` is the last that began, with
    its last seconds; where there is a `worker`, the one that this does, None while it only looks. `expected` are the
    objects and bytes that it expects in all, before everything is listed. `sets`: what objects carry is set where they
    are, and a run copies nothing."""

    worker: Worker | None
    tallies: list[Tally]
    snapshots: list[Snapshot]
    run: RunRecord | None = None
    expected: tuple[int, int] = (0, 0)
    sets: bool = False

    @property
    def command(self) -> str:
        """Which command that run is of; empty where none is known."""
        return "" if self.run is None else "set" if self.sets and self.run.command == "run" else self.run.command


def under_way(run: RunRecord | None, worker: Worker | None) -> RunRecord | None:
    """The run of whoever is at work: not the last one, which has ended or was killed, while another command looks."""
    if run is None or worker is None or run.ended or run.began_ms < int(worker.since_s * 1000):
        return None
    return run


EXPECTED = "expected"
"""The ledger's note of about how many objects and bytes a run comes to in all."""
LATELY_MS = 10_000


async def pulses(path: str | Path, every_s: float = 1.0) -> AsyncIterator[Pulse]:
    """A reading now, and another every so many seconds while somebody is at work on the ledger; the last is of after
    that. Raises `LedgerMissing`, `LedgerCorrupt`."""
    async with await open_to_read(Path(path)) as reader:
        sets = any(route.source == route.target for route in (await reader.binding()).routes)
        while True:
            worker = await reader.worker()
            latest = await reader.latest_run(LATELY_MS)
            latest = under_way(latest, worker) if worker is not None else latest  # to the end, what there was to see
            objects, size_bytes = await reader.note(EXPECTED) or (0, 0)
            whole = int(objects), int(size_bytes)
            yield Pulse(worker, await reader.tallies(), await reader.snapshots(), latest, whole, sets)
            if worker is None:
                return
            await anyio.sleep(every_s)


async def objects_aside(path: str | Path) -> AsyncIterator[list[ObjectRecord]]:
    """Every object of a ledger that is not done, with the reason, in batches. Raises `LedgerMissing`,
    `LedgerCorrupt`."""
    async with await open_to_read(Path(path)) as reader:
        async for records in reader.records(states=ASIDE):
            yield records
