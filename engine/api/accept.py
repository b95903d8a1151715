"""`accept`: a named difference that is all right, with the reason and who said so."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.api.commands import command
from engine.api.opening import stored_binding
from engine.api.options import Options, ledger_path
from engine.errors import UsageError
from engine.finish.gate import acceptable
from engine.ledger import Ledger, LedgerReader
from engine.plan.document import Plan
from engine.plan.estimate import expectation_report
from engine.plan.lifecycle import ENDED
from engine.proof.receipt import ACCEPTED_BY
from engine.sites.clock import now_ms

FOUND = "found"
"""The ledger's note of figures that were shown and can be accepted, by name."""


class Accepted(NamedTuple):
    """A named difference that was accepted for one figure: why, when, and by whom ("user@host", empty where it is not
    known)."""

    name: str
    found: str
    because: str
    accepted_ms: int
    by: str


class Acceptances(NamedTuple):
    """What was accepted, and what is `open`: the figures found last, by name, of what is not accepted at them."""

    accepted: tuple[Accepted, ...]
    open: dict[str, str]


async def accept(plan: Plan, options: Options | None = None, *, name: str, found: str, because: str) -> None:
    """Keep that a named difference was accepted, for exactly this figure, with date, reason and who is at this machine.
    `name` and `found` are as `acceptances` and the gate's reasons have them ("raw.objects", "34374"), `because` is free
    text. S3 is not asked.

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
    async with await _opened(plan, options) as ledger:
        figure = (await found_figures(ledger)).get(name)
        if figure is None:
            raise UsageError(
                f"nothing was found of {name!r} that could be accepted.",
                advice=f"See what there is first: {command(plan, options.ledger, 'cleanup')}",
            )
        if found != figure:
            raise UsageError(
                f"{name} was found to be {figure}, and not {found}: only what was found can be accepted.",
                advice=f"Look again, and the command to type is shown: {command(plan, options.ledger, 'cleanup')}",
            )
        await keep_acceptance(ledger, name, found, because)


async def take_back(plan: Plan, options: Options | None = None, *, name: str) -> list[Accepted]:
    """Take back what was accepted under a name, and give it: for each figure that it was accepted for, one.

    Raises `UsageError` where nothing was, `LedgerMissing` where there is no ledger."""
    options = options or Options()
    async with await _opened(plan, options) as ledger:
        gone = [item for item in await _accepted(ledger) if item.name == name]
        if not gone:
            raise UsageError(
                f"nothing was accepted as {name!r}.",
                advice=f"What was: {command(plan, options.ledger, 'accept', '--list')}",
            )
        await ledger.take_back(name)
        return gone


async def acceptances(plan: Plan, options: Options | None = None) -> Acceptances:
    """What was accepted, and what could be. S3 is not asked. Raises `LedgerMissing` where there is no ledger."""
    options = options or Options()
    async with await LedgerReader.open_to_read(ledger_path(plan, options)) as ledger:
        accepted = await _accepted(ledger)
        known = {(item.name, item.found) for item in accepted}
        figures = await found_figures(ledger)
        waiting = {name: figure for name, figure in figures.items() if (name, figure) not in known}
        return Acceptances(tuple(accepted), waiting)


async def found_figures(ledger: LedgerReader) -> dict[str, str]:
    """The figure that was found last of everything that differs: as it was shown, or as the ledger has it now."""
    noted = {name: item.figure for name, item in (await ledger.noted()).items() if item.objects}
    return {**noted, **(await ledger.note(FOUND) or {}), **{name: noted[name] for name in noted if name in ENDED}}


async def note_found(ledger: Ledger, figures: Iterable[tuple[str, str]], looked_at: Iterable[str]) -> None:
    """Remember what was found just now, by the names that it can be accepted under. What was looked at too, and is not
    among it, differs no longer."""
    before = dict(await ledger.note(FOUND) or {})
    seen = set(looked_at)
    after = {name: figure for name, figure in before.items() if name not in seen}
    after |= {name: figure for name, figure in figures if name}
    if after != before:
        await ledger.set_note(FOUND, after)


async def note_expectations(ledger: Ledger, plan: Plan, found: Mapping[str, tuple[int, int]]) -> None:
    """Remember what differs from what the plan expects; `found` as for `expectation_report`."""
    report = expectation_report(plan, found)
    differ = [(item.what, str(item.found)) for item in report if item.found is not None and not item.agrees]
    await note_found(ledger, differ, [item.what for item in report])


def _refuse_unknown(plan: Plan, name: str) -> None:
    known = acceptable(plan)
    if name not in known:
        raise UsageError(f"{name!r} is nothing that can be accepted.", advice=f"What can be: {', '.join(known)}.")


async def _opened(plan: Plan, options: Options) -> Ledger:
    return await Ledger.open(
        ledger_path(plan, options), await stored_binding(plan, options), now_ms=now_ms, create=False
    )


async def _accepted(ledger: LedgerReader) -> list[Accepted]:
    found = []
    for item in await ledger.acceptances():
        by = await ledger.note(f"{ACCEPTED_BY}{item.name} {item.found}")
        found.append(Accepted(item.name, item.found, item.because, item.accepted_ms, str(by or "")))
    return found


async def keep_acceptance(ledger: Ledger, name: str, found: str, because: str) -> None:
    """Keep what was accepted, and by whom."""
    await ledger.accept(name, found, because)
    await ledger.set_note(f"{ACCEPTED_BY}{name} {found}", user_here())


def user_here() -> str:
    """Who is at this machine, as far as it says; empty where it does not."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError, ImportError):
        return ""
