"""A route's list of keys is part of what its ledger is bound to: another one will do only where it names no key less.

A list may grow: every object that the ledger holds is still asked for, and the route's listing counts as open until a
run has read the longer one. A list that lost a key is refused, whatever else it gained. Who took a key out does not
want that object moved any more, and the ledger holds it as proven: neither "gone already" nor a delete may come of it.
The rule asks for the rows and not for the older list, so that it holds for a ledger that never knew its list as well;
a row whose source our own cleanup deleted stands in nobody's way. An inventory is nobody's choice of keys: what it does
not name any more and is not there either is gone, as with a listing.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.at_once import each
from engine.errors import LedgerMismatch
from engine.events import Listener, Notice
from engine.ledger import Ledger
from engine.ledger.rebinding import VIEW, anew
from engine.listing.key_lists import ListedKeys
from engine.listing.sources import Sources
from engine.plan.lifecycle import State

ROWS_A_READ = 5_000
KEYS_NAMED = 3


async def bind_lists(ledger: Ledger, sources: Sources, lists: Sequence[tuple[str, str]], listener: Listener) -> None:
    """Bind the routes to what their lists say now: `lists` are their digests, by route.

    Raises `LedgerMismatch` where the ledger holds objects that a list does not name (any more)."""
    bound = dict((await ledger.binding()).lists)
    closed = {item.route for item in await ledger.snapshots() if item.closed_ms} if lists else set()
    for route, digest in lists:
        if bound.get(route) == digest:
            if route in closed:
                sources.was_read.add(route)
            continue
        await _refuse_shorter(ledger, route, sources.lists[route])
        grown = route in bound
        await ledger.bind_list(route, digest, reopen=grown)
        if grown:
            said = f'the list of route "{route}" changed, and names all that the ledger holds: a run lists it anew'
            listener(Notice("ListChanged", said))
    await sources.forget_older()


async def _refuse_shorter(ledger: Ledger, route: str, listed: ListedKeys) -> None:
    """Raise `LedgerMismatch` where the list lacks a key that the ledger holds."""
    count = 0
    named: list[str] = []
    after: str | None = None
    while entries := await ledger.entries(route, after, None, ROWS_A_READ):
        lost = await listed.without([entry.key for entry in entries if entry.state is not State.DELETED])
        if listed.is_inventory and len(named) < KEYS_NAMED:  # with so many to name it is refused anyhow
            seen = await each(lost, listed.look)
            lost = [key for key, there in zip(lost, seen, strict=True) if there is not None]
        count += len(lost)
        named += lost[: KEYS_NAMED - len(named)]
        after = entries[-1].key
    if not count:
        return
    keys = ", ".join(f'"{listed.location.key}{key}"' for key in named)
    more = f" and {count - len(named):,} more" if count > len(named) else ""
    back = "Take an inventory that has them" if listed.is_inventory else "Put them back into the list"
    start = anew(is_view=await ledger.meta(VIEW) is not None)
    raise LedgerMismatch(
        f'the ledger {ledger.path} holds {count:,} object{"s" * (count != 1)} of the route "{route}" that its list '
        f"{listed.name} does not name: {keys}{more}. Nothing was done with them.",
        advice=f"{back}, or {start} for the shorter one: what is copied is found, and what the list does not name is "
        "left alone. Keys may be added at any time.",
    )
