"""`cartage status`: what a ledger says now, without asking S3 where that is not kept there; also while a run is going
on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from engine.api.options import Options
from engine.api.status import Status, objects_aside, pulses, status
from engine.cli.codes import DONE
from engine.cli.invocation import Invocation
from engine.cli.ledgers import followed, ledger_of, plan_if_known
from engine.errors import UsageError
from engine.events import Doing, ObjectAside
from engine.plan.document import Plan
from engine.plan.record import ObjectRecord
from engine.report.meter import Meter, written
from engine.report.status import aside_line, aside_values, how_far, lately, status_page, work_lines
from engine.report.text import safe

Read = TypeVar("Read")

NO_LONGER = "no longer watched; whoever is at work goes on"
MEASURED_S = 1.0
"""Between the two readings that a rate is told of."""


def status_command(invocation: Invocation, file: Path | None, failed: bool, watch: bool) -> None:
    path = ledger_of(file, invocation)
    if failed and watch:
        raise UsageError("--failed is a list of what is not done now: look at it once --watch has ended.")
    followed(file, invocation, rows=failed)
    found = _read(invocation, partial(status, path))
    plan, _ = plan_if_known(file, invocation.having(ledger=path))
    if watch and found.worker is not None:
        _say(invocation, plan, found)
        invocation.run(lambda options, _: _watch(path, options), leaving=NO_LONGER)
        found = _read(invocation, partial(status, path))
    otherwise = found.said_otherwise(plan) if plan is not None else []
    if failed:
        invocation.end(
            DONE, found, otherwise=otherwise, objects=_read(invocation, partial(_list_aside, invocation, found))
        )
    _say(invocation, plan, found)
    invocation.end(DONE, found, otherwise=otherwise)


def _read(invocation: Invocation, read: Callable[[], Awaitable[Read]]) -> Read:
    return invocation.run(lambda options, _: read(), offline=True, leaving="interrupted")


def _say(invocation: Invocation, plan: Plan | None, found: Status) -> None:
    if invocation.json or invocation.quiet:
        return
    measured = partial(_measured, found.ledger)
    command, told = _read(invocation, measured) if found.worker is not None else ("", "")
    at_work = work_lines(found.worker, command, time.time(), told)
    invocation.say(status_page(found, plan, at_work))


async def _measured(path: Path) -> tuple[str, str]:
    """What whoever is at work does, how far and how fast: by its own last seconds, else by two readings."""
    meter, told, command = None, "", ""
    async for pulse in pulses(path, MEASURED_S):
        command = pulse.command
        if (far := how_far(pulse)) is None:
            break
        doing, progress = far
        meter = meter or Meter.of(doing)
        meter.add(progress, now_s := time.monotonic())
        reading = lately(pulse)
        seen_before, told = told, written(doing.what, progress, reading or meter.read(now_s))
        if reading is not None or seen_before:
            break
    return command, told


async def _watch(path: Path, options: Options) -> None:
    """Tell how far it is until nobody is at work on it."""
    before: Doing | None = None
    async for pulse in pulses(path):
        far = how_far(pulse)
        doing = far[0] if far is not None else Doing("at work")
        if doing != before:
            options.listener(before := doing)
        if far is not None:
            options.listener(far[1])


async def _list_aside(invocation: Invocation, status: Status) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []

    def give(record: ObjectRecord | ObjectAside) -> None:
        invocation.give(aside_line(record))
        if invocation.json:
            found.append(aside_values(record))

    async for records in objects_aside(status.ledger):
        for record in records:
            give(record)
    for left in status.left:
        for item in left.first:
            give(item)
        if more := left.things - len(left.first):
            invocation.give(f"{ObjectAside.UNLISTED}  {safe(left.route)}  {more:,} more, which a run names with --json")
    return found
