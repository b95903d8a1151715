"""What was found to differ, under the names that it can be accepted by, and what was accepted of it."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from engine.ledger import ACCEPTED_BY, Ledger, LedgerReader
from engine.plan.document import Plan
from engine.plan.estimate import Difference, expectation_report
from engine.plan.lifecycle import ENDED

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


async def accepted_in(ledger: LedgerReader) -> list[Accepted]:
    """Everything that was accepted, in the order of its names."""
    found = []
    for item in await ledger.acceptances():
        by = await ledger.note(f"{ACCEPTED_BY}{item.name} {item.found}")
        found.append(Accepted(item.name, item.found, item.because, item.accepted_ms, str(by or "")))
    return found


async def keep_acceptance(ledger: Ledger, name: str, found: str, because: str) -> None:
    """Keep what was accepted, and by whom."""
    await ledger.accept(name, found, because, user_here())


def user_here() -> str:
    """Who is at this machine, as far as it says; empty where it does not."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (OSError, KeyError, ImportError):
        return ""


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
    await note_found(ledger, differ, known_of(report))


def known_of(report: Iterable[Difference]) -> list[str]:
    """The names of those that there is a figure of: of the others what was found before still holds."""
    return [item.what for item in report if item.found is not None]
