"""`accept`: a named difference that is all right, with the reason and who said so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from engine.api.commands import command
from engine.api.following import follow
from engine.api.opening import open_bound, open_ledger, refuse_other_state, stored_binding
from engine.api.options import Options, ledger_path
from engine.errors import UsageError, one_error
from engine.finish.acceptances import Accepted, accepted_in, found_figures, keep_acceptance
from engine.finish.gate import REWRITTEN, acceptable
from engine.ledger import Ledger, open_to_read, open_to_write
from engine.plan.document import Plan
from engine.plan.lifecycle import ENDED
from engine.plan.likeness import nearest
from engine.shown import Result
from engine.sites.clock import now_ms


@dataclass(frozen=True, slots=True)
class Acceptances(Result):
    """What was accepted, and what is `open`: the figures found last, by name, of what is not accepted at them."""

    accepted: tuple[Accepted, ...]
    open: dict[str, str]


async def accept(plan: Plan, options: Options | None = None, *, name: str, found: str, because: str) -> None:
    """Keep that a named difference was accepted, for exactly this figure, with date, reason and who is at this machine.
    `name` and `found` are as `acceptances` and the gate's reasons have them ("raw.objects", "34374"), `because` is free
    text. S3 is asked only where the ledger is kept there.

    Raises `UsageError` for a name that nothing in the plan has, for a figure that was not found last, and for an empty
    reason; `LedgerMissing` where the plan was never surveyed or run.

        for name, found in (await engine.acceptances(plan)).open.items():
            await engine.accept(plan, name=name, found=found, because="two images a card")
    """
    options = options or Options()
    _refuse_unknown(plan, name)
    if not because.strip():
        raise UsageError(
            "a reason is needed.", advice="Say it with --because 'WHY': it is kept, and shown in the receipt."
        )
    async with ledger_alone(plan, options) as ledger:
        figure = (await found_figures(ledger)).get(name)
        look = command(plan, options.ledger, "revert" if name == REWRITTEN else "cleanup")  # who finds it
        if figure is None:
            raise UsageError(
                f"nothing was found of {name!r} that could be accepted.",
                advice=f"See what there is first: {look}",
            )
        if found != figure:
            raise UsageError(
                f"{name} was found to be {figure}, and not {found}: only what was found can be accepted.",
                advice=f"Look again, and the command to type is shown: {look}",
            )
        await keep_acceptance(ledger, name, found, because)


async def accept_ended(ledger: Ledger, because: str) -> None:
    """Accept for exactly what it is what the ledger holds of objects that have no source any more."""
    noted, accepted = await ledger.noted(), await ledger.accepted()
    for name in sorted(state.value for state in ENDED):
        if noted[name].objects and (name, noted[name].figure) not in accepted:
            await keep_acceptance(ledger, name, noted[name].figure, because)


async def take_back(plan: Plan, options: Options | None = None, *, name: str) -> list[Accepted]:
    """Take back what was accepted under a name, and give it: for each figure that it was accepted for, one.

    Raises `UsageError` where nothing was, `LedgerMissing` where there is no ledger."""
    options = options or Options()
    async with ledger_alone(plan, options) as ledger:
        gone = [item for item in await accepted_in(ledger) if item.name == name]
        if not gone:
            raise UsageError(
                f"nothing was accepted as {name!r}.",
                advice=f"What was: {command(plan, options.ledger, 'accept', '--list')}",
            )
        await ledger.take_back(name)
        return gone


async def acceptances(plan: Plan, options: Options | None = None) -> Acceptances:
    """What was accepted, and what could be. S3 is asked only for a ledger that is kept there. Raises `LedgerMissing`
    where there is no ledger."""
    options = options or Options()
    await follow(plan, options, rows=False)
    async with await open_to_read(ledger_path(plan, options)) as ledger:
        accepted = await accepted_in(ledger)
        known = {(item.name, item.found) for item in accepted}
        figures = await found_figures(ledger)
        waiting = {name: figure for name, figure in figures.items() if (name, figure) not in known}
        return Acceptances(tuple(accepted), waiting)


def _refuse_unknown(plan: Plan, name: str) -> None:
    known = acceptable(plan)
    if name not in known:
        said = f"{name!r} is nothing that can be accepted{nearest(name, known) or '.'}"
        raise UsageError(said, advice=f"What can be: {', '.join(known)}.")


@asynccontextmanager
async def ledger_alone(plan: Plan, options: Options) -> AsyncIterator[Ledger]:
    """The plan's ledger, to be written. S3 is asked only where that is kept there."""
    if options.state is not None:
        async with (
            one_error(),
            open_bound(plan, options) as opened,
            await open_ledger(plan, opened, options, "accept", create=False) as ledger,
        ):
            yield ledger
        return
    path = ledger_path(plan, options)
    async with await open_to_write(path, await stored_binding(plan, options), now_ms=now_ms, create=False) as ledger:
        await refuse_other_state(ledger, options, create=False)
        yield ledger
