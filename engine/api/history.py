"""How a command went, kept in the ledger while it goes on: `engine.ledger.history` says what and how much of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio

from engine.api.options import Options
from engine.api.stopping import StopSignal
from engine.events import Doing, Event, Listener, Looking, ObjectTook, Progress
from engine.freshness import running_s
from engine.ledger import Ledger, Moment, SlowObject
from engine.sites.clock import now_ms
from engine.sites.sites import Sites
from engine.transfer.counting import Counters

EVERY_S = 1.0
"""Between two rows, at first: twice as long each time that the ledger has taken every second row out."""

COUNTED = tuple(name for name in Moment._fields if name not in ("at_ms", "in_flight"))
ENDING_S = 10.0
"""How long the last row may take, of a command that is being left."""


@dataclass(slots=True)
class Copied:
    """What a run came to, said once it is over: while its listing goes on, nobody knows apart how many bytes it copied
    and how many it only passed by."""

    counters: Counters | None = None


class _Heard:
    """The command's listener: keeps how far it is, and passes on what is for its own. What a command counts anew (its
    next stage) is added to what it counted before; requests that it does not count are those that its sites do. Of one
    that copies (`copied`) what it only passes by is not done by it, nor, in the end, what it set aside."""

    def __init__(self, opened: Sites, pass_on: Listener, copied: Copied | None) -> None:
        self._opened = opened
        self._pass_on = pass_on
        self._copied = copied
        self._last = Progress()
        self._before = Moment(0)
        self._now = Moment(0)
        self.slow: list[SlowObject] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, ObjectTook):
            self.slow.append(SlowObject(event.route, event.key, event.size, event.took_ms))
            return
        if isinstance(event, Doing) and not event.goes_on:
            self._begin_counting()
        elif isinstance(event, Progress) and not isinstance(event, Looking):
            if event.begins_anew(self._last):
                self._begin_counting()
            now = Moment(0, **{name: getattr(event, name) for name in (*COUNTED, "in_flight")})
            if self._copied is not None:
                done, done_bytes = event.worked_since(self._last)
                now = now._replace(done=self._now.done + done, done_bytes=self._now.done_bytes + done_bytes)
            self._last, self._now = event, now
        self._pass_on(event)

    def _begin_counting(self) -> None:
        """From here on progress is told from nothing again."""
        self._before = self._sum(self._before, self._now)
        self._last, self._now = Progress(), Moment(0)

    def moment(self, at_ms: int) -> Moment:
        """How far the command is."""
        counted, gauges = self._sum(self._before, self._now), self._opened.gauges()
        if self._copied is not None and (whole := self._copied.counters) is not None:
            counted = counted._replace(done=whole.copied, done_bytes=whole.copied_bytes, aside=whole.aside)
        return counted._replace(
            at_ms=at_ms,
            requests=max(counted.requests, gauges.requests),
            throttled=max(counted.throttled, gauges.throttled),
            in_flight=max(self._now.in_flight, gauges.in_flight),
        )

    @staticmethod
    def _sum(one: Moment, other: Moment) -> Moment:
        return Moment(0, **{name: getattr(one, name) + getattr(other, name) for name in COUNTED})


@asynccontextmanager
async def remembered(
    opened: Sites, ledger: Ledger, command: str, options: Options, stop: StopSignal, copied: Copied | None = None
) -> AsyncIterator[Options]:
    """Keep in the ledger how the command goes that is done inside with the options that this gives; one that copies
    says in `copied` what that came to. A killed command has no end there. Raises `LedgerError`."""
    heard = _Heard(opened, options.listener, copied)
    began_ms, began_s = now_ms(), running_s()
    run = await ledger.begin_run(command, began_ms)

    def so_far_ms() -> int:
        """The moment by how long it has taken: this machine's calendar may be set back meanwhile."""
        return began_ms + round((running_s() - began_s) * 1000)

    async def keep() -> None:
        every_s = EVERY_S
        while True:
            await anyio.sleep(every_s)
            slow, heard.slow = heard.slow, []
            if await ledger.add_moment(run, heard.moment(so_far_ms()), slow):
                every_s *= 2

    ended = "failed"
    async with anyio.create_task_group() as beside:
        beside.start_soon(keep)
        try:
            yield replace(options, listener=heard)
            ended = "stopped" if stop.requested else "done"
        finally:
            beside.cancel_scope.cancel()
            with anyio.CancelScope(shield=True), anyio.move_on_after(ENDING_S):
                await ledger.add_moment(run, heard.moment(so_far_ms()), heard.slow)
                await ledger.end_run(run, ended, so_far_ms())
