"""A run that waits for what is archived: looks at it now and then, and carries what has come back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import monotonic

import anyio

from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.archive.waiting import Waiting, look, pause_s
from engine.events import COPYING, SETTING, Doing, Event, Listener, Notice, Progress
from engine.ledger import Ledger
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import by_state
from engine.plan.shards import Piece
from engine.sites.sites import Sites
from engine.transfer.counting import Carried, Counters, Held

Carry = Callable[[Options, Sequence[Piece] | None], Awaitable[Carried]]
"""What carries pieces of the plan, or all of it (`carrying.carry`)."""


async def carry_and_wait(
    plan: Plan, options: Options, opened: Sites, ledger: Ledger, carry: Carry, stop: StopSignal
) -> Carried:
    """Carry the plan; and, with `Options.wait_restore`, what of its archived objects comes back, until none is on its
    way any more or `stop` ends it. What nobody asked for is not waited for. Raises as `engine.migrate`."""
    run = await carry(options, None)
    archived = by_state(await ledger.tallies(), {State.ARCHIVED})
    if run.stopped or not archived:
        return run
    if not options.wait_restore:
        await look(opened.store, ledger, plan.routes, tiered_alone=True)
        return run
    opened.sources.listed = None  # what was listed before tells nothing of what came back
    stopped = anyio.Event()
    stop.listen(stopped.set)
    began_s, told = monotonic(), -1
    while True:
        waiting = await look(opened.store, ledger, plan.routes)
        if waiting.back:
            options.listener(Doing(SETTING if plan.in_place else COPYING, 0.0, waiting.ready, goes_on=True))
            before = Held.of(await ledger.tallies())
            later = await carry(replace(options, listener=_going_on(options.listener, run.counters)), waiting.back)
            run = run.then(later, before, Held.of(await ledger.tallies()))
        if run.stopped or not waiting.under_way:
            return run
        if waiting.under_way != told:
            options.listener(_notice(waiting))
            told = waiting.under_way
        pause = pause_s(monotonic() - began_s) if options.look_every_s is None else options.look_every_s
        options.listener(Doing(f"waiting for what is archived ({waiting.under_way:,})", pause, goes_on=True))
        with anyio.move_on_after(pause):
            await stopped.wait()
        if stopped.is_set():
            return run._replace(stopped=True)


def _notice(waiting: Waiting) -> Notice:
    unasked = f"; archived, and asked for by nobody: {waiting.unasked:,}" if waiting.unasked else ""
    return Notice("WaitingForRestore", f"archived objects on their way back: {waiting.under_way:,}{unasked}")


def _going_on(listener: Listener, before: Counters) -> Listener:
    """Hears what is carried of the same objects as before, and tells it of the whole run."""

    def hear(event: Event) -> None:
        if isinstance(event, Progress):
            back = event.copied + event.found
            event = replace(
                event,
                listed=before.listed,
                listed_bytes=before.listed_bytes,
                listing_done=True,
                done=before.done,
                done_bytes=before.done_bytes,
                copied=before.copied + event.copied,
                replaced=before.replaced + event.replaced,
                replaced_newer=before.replaced_newer + event.replaced_newer,
                found=before.found + event.found,
                aside=max(0, before.aside - back),
            )
        listener(event)

    return hear
