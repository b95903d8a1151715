"""`report`: all that a ledger tells of a plan, at any moment, as a page to look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from engine.api.asked import asked_of
from engine.api.commands import kept_at
from engine.api.options import Options, ledger_path
from engine.api.status import Status, status_of
from engine.errors import LedgerMissing, UsageError
from engine.finish.acceptances import Accepted, accepted_in
from engine.finish.holding import Hold
from engine.finish.judged import Judged, judged_last, judged_now
from engine.freshness import running_s
from engine.ledger import Binding, Composition, History, LedgerReader, Snapshot, open_to_read
from engine.plan.document import Plan
from engine.plan.estimate import Difference
from engine.plan.lifecycle import ASIDE
from engine.plan.record import ObjectRecord
from engine.shown import LedgerResult, asked_of_reports
from engine.sites.clock import now_ms

ASIDE_SHOWN = 20

SCANNING = 0.02
"""So much of the time a report that is kept current spends on reading every row."""
WORKING = 0.05
"""So much of it on everything together."""
LEAST_EVERY_S = 5.0


class Scan(NamedTuple):
    """What takes a look at every row, as it was at `at_ms` (epoch milliseconds). `hold` is None where no plan says how
    long that is."""

    at_ms: int = 0
    took_s: float = 0.0
    composition: Composition = Composition({}, {}, {})
    gate: tuple[Judged, ...] = ()
    hold: Hold | None = None
    expectations: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True)
class Report(LedgerResult):
    """A ledger at `at_ms` (epoch milliseconds, this machine's clock). `plan` is None where only the ledger is known,
    and where the plan is not what that is bound to: `otherwise` says how, a sentence each. `aside` are the first
    objects that are not done, without what was accepted. `refresh_s` has a page that is looked at read anew."""

    ledger: Path
    at_ms: int
    plan: Plan | None
    status: Status
    history: History = field(default_factory=History)
    accepted: tuple[Accepted, ...] = ()
    aside: tuple[ObjectRecord, ...] = ()
    scan: Scan = field(default_factory=Scan)
    refresh_s: int = 0
    otherwise: tuple[str, ...] = ()

    @property
    def html(self) -> str:
        """The page, whole in itself: nothing is loaded from anywhere, and no script is in it. Without the extra
        `report`, or where that finds no folder to write to, it has tables in the place of pictures."""
        text: str = asked_of_reports("webpage", "page")(self)
        return text

    def write(self, path: str | Path) -> Path:
        """Write the page to a file with mode 0600; one that is there is replaced as a whole. Gives its path. Raises
        `UsageError` where it cannot be written."""
        from engine.references.local_files import write_private

        return write_private(Path(path), self.html, "report", "--output")


async def report_on(plan: Plan | None, options: Options | None = None) -> Report:
    """All that the plan's ledger tells at this moment: what was planned, done, proven and is left. S3 is not asked, and
    a run may be going on. A plan that has no ledger yet is one that was not begun; `options.ledger` names one that has
    to be there, and without a plan says whose it is.

    Raises `LedgerMissing`, `LedgerCorrupt`."""
    path = _path(plan, options)
    try:
        async with await open_to_read(path) as reader:
            return await _read(path, plan, reader, None)
    except LedgerMissing:
        if plan is None or (options is not None and options.ledger is not None):
            raise
        return unbegun(path, plan)


async def kept_current(
    plan: Plan | None, options: Options | None, ended: Callable[[float], Awaitable[bool]]
) -> AsyncIterator[Report]:
    """A report again and again, until `ended` (which waits for so many seconds) says that it is enough; the last is of
    after that. Work for it is bounded: it takes a twentieth of the time, and what reads every row a fiftieth.

    Raises `LedgerMissing` without a plan, and where the ledger was there before; `LedgerCorrupt`."""
    path, scan, scanned_s = _path(plan, options), Scan(), 0.0
    while True:
        over = await ended(0.0)  # before the ledger is read: the last page is of after the end
        began_s = running_s()
        due = over or not scan.at_ms or began_s - scanned_s > scan.took_s / SCANNING
        try:
            async with await open_to_read(path) as reader:
                plan = plan or await asked_of(reader)  # which may be noted a moment after a ledger is made
                found = await _read(path, plan, reader, None if due else scan)
            if due:
                scan, scanned_s = found.scan, running_s()
        except LedgerMissing:
            if plan is None or scan.at_ms:
                raise
            found = unbegun(path, plan)
        every_s = max(LEAST_EVERY_S, (running_s() - began_s) / WORKING)
        yield found if over else replace(found, refresh_s=round(every_s))
        if over:
            return
        await ended(max(every_s, (running_s() - began_s) / WORKING))  # with what drawing it took


def _path(plan: Plan | None, options: Options | None) -> Path:
    if plan is not None:
        return ledger_path(plan, options)
    if options is None or options.ledger is None:
        raise UsageError("no plan, and no ledger: there is nothing to report on.")
    return options.ledger


async def _read(path: Path, plan: Plan | None, reader: LedgerReader, scan: Scan | None) -> Report:
    at_ms, aside, status = now_ms(), list[ObjectRecord](), await status_of(path, reader)
    otherwise = tuple(status.said_otherwise(plan)) if plan is not None else ()
    plan = None if otherwise else plan
    async for records in reader.records(states=ASIDE - status.accepted):
        aside += records[: ASIDE_SHOWN - len(aside)]
        if len(aside) == ASIDE_SHOWN:
            break
    return Report(
        ledger=path,
        at_ms=at_ms,
        plan=plan and kept_at(plan, status.state),
        status=status,
        history=await reader.history(),
        accepted=tuple(await accepted_in(reader)),
        aside=tuple(aside),
        scan=scan if scan is not None else await _scan(plan, reader, at_ms),
        otherwise=otherwise,
    )


async def _scan(plan: Plan | None, reader: LedgerReader, at_ms: int) -> Scan:
    began_s = running_s()
    composition = await reader.composition()
    if plan is None:
        gate = tuple(await judged_last(reader))
        return Scan(at_ms, running_s() - began_s, composition, gate)
    judged, facts = await judged_now(plan, reader, at_ms)
    return Scan(at_ms, running_s() - began_s, composition, tuple(judged), facts.hold, facts.expectations)


def unbegun(path: Path, plan: Plan) -> Report:
    """That of a plan whose ledger is not made yet."""
    binding = Binding(plan.name, "", plan.binding_routes, ())
    snapshots = [Snapshot(route.name, 0, 0, 0, 0) for route in plan.routes]
    return Report(path, now_ms(), plan, Status(path, binding, [], snapshots, [], []))
