"""`accept`: a named difference that is all right, with the reason and who said so."""

from __future__ import annotations

import getpass
import socket

from engine.api.assembly import Options, now_ms
from engine.api.opening import ledger_path, stored_binding
from engine.errors import UsageError
from engine.finish.gate import BY_DIGEST, acceptable
from engine.finish.receipt import ACCEPTED_BY
from engine.ledger import Ledger
from engine.plan.document import Plan


async def accept(plan: Plan, options: Options, name: str, found: str, because: str) -> None:
    """Keep that a named difference was accepted, for exactly this figure, with date and reason.

    Raises `UsageError` for a name that nothing in the plan has."""
    known = acceptable(plan)
    if name not in known:
        raise UsageError(f"{name!r} is nothing that can be accepted.", advice=f"What can be: {', '.join(known)}.")
    if name in BY_DIGEST and ":" not in found:
        raise UsageError(
            f"{found!r} does not say which {name} are accepted: others may take their place.",
            advice="cartage cleanup shows the figure that does, with the number and a digest.",
        )
    if not because.strip():
        raise UsageError(
            "a reason is needed.", advice='Say it with --because "…": it is kept, and shown in the receipt.'
        )
    async with await Ledger.open(
        ledger_path(plan, options), await stored_binding(plan, options), now_ms=now_ms, create=False
    ) as ledger:
        await keep_acceptance(ledger, name, found, because)


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
