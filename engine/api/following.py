"""A ledger that is kept in S3, read from anywhere: this machine's view of it is brought up to its journals."""

from __future__ import annotations

from contextlib import suppress

from engine.api.opening import binding_of, emptied, nothing_carried, open_bound, refuse_one_file
from engine.api.options import Options, ledger_path
from engine.errors import BucketMissing, LedgerLocked, LedgerMissing, one_error
from engine.journal.holding import seen_at_work
from engine.journal.views import Journals
from engine.ledger.sharded import follow as bring_up
from engine.plan.document import Plan
from engine.plan.locations import state_of
from engine.sites.clock import now_ms


async def follow(plan: Plan, options: Options, *, rows: bool = True) -> None:
    """Bring this machine's view of the plan's ledger up to what is in `options.state`, so that what only reads a ledger
    (`status`, `export`, `report_on`) says what is known there; without `rows` only as far as sums need it. Nothing is
    claimed: whoever is at work goes on. A view that somebody here is at work on is up to date by itself. Without a
    `state` there is nothing to follow.

    Raises `LedgerMissing` where nothing was carried there yet, `LedgerMismatch`, `LedgerCorrupt`, and what S3 raises.
    """
    if options.state is None:
        return
    place, path = state_of(options.state, plan.name), ledger_path(plan, options)
    await refuse_one_file(path, options)
    async with one_error(), open_bound(plan, options) as opened:
        journals = Journals(opened.store(place), place)
        try:
            binding = await binding_of(plan, opened, folders=False)
        except BucketMissing:
            opened.emptied = await emptied(plan, opened, options)
            if not opened.emptied:
                raise
            binding = await binding_of(plan, opened, folders=False)
        with suppress(LedgerLocked):
            if await bring_up(path, binding, journals, now_ms=now_ms, rows=rows):
                return
            if (seen := await seen_at_work(opened.store(place), place)) is not None:
                raise LedgerMissing(
                    f"{seen[0]} is at work with --state {options.state}, and still looks at what there is to carry.",
                    advice="Wait a little, then ask again.",
                )
            raise nothing_carried(options)
