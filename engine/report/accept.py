"""What was accepted, as text for people. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from engine.api.accept import Acceptances
from engine.api.commands import accept_command, command
from engine.finish.acceptances import Accepted
from engine.plan.document import Plan
from engine.report.page import Page, next_step, to_type
from engine.report.text import safe


def acceptances_page(plan: Plan, ledger: Path | None, known: Acceptances) -> Page:
    """What was accepted, a line each, and the command that accepts each difference that was found and is not."""
    lines = [accepted_line(item) for item in known.accepted] or ["nothing was accepted yet"]
    if known.open:
        lines += ["", "found, and not accepted:"]
        lines += [to_type(accept_command(plan, ledger, name, found)) for name, found in sorted(known.open.items())]
        return lines
    return [*lines, next_step(command(plan, ledger, "cleanup"))]


def accepted_line(item: Accepted) -> str:
    """ "processed.objects = 34374, 2026-11-28 10:00 UTC by ann@host: two images a card"."""
    when = datetime.fromtimestamp(item.accepted_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    by = f" by {safe(item.by)}" if item.by else ""
    return f"{safe(item.name)} = {safe(item.found)}, {when}{by}: {safe(item.because)}"
