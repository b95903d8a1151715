"""The claim that every deletion takes: who asks for it, with what."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from engine.events import Listener
from engine.finish.acceptances import user_here
from engine.finish.claim_taking import Asked, claimed, held_by_another
from engine.finish.claim_text import Holder
from engine.finish.gate import Reason
from engine.ledger.identity import identity_of
from engine.model import Location
from engine.plan.document import Plan
from engine.sites.clock import server_ms
from engine.sites.sites import Sites
from engine.store import StoreOf


@asynccontextmanager
async def claim_for(
    command: str,
    name: str,
    ledger: Path,
    opened: Sites,
    listener: Listener,
    places: Sequence[Location],
    *,
    unconditional: bool,
) -> AsyncIterator[StoreOf]:
    """The stores to delete by: under a claim of every one of the buckets. `ledger` is the file that is locked now."""
    known = await opened.facts(places, lacking=True)
    dates = (server_ms(known[where].date) for where in places if where in known)
    now_ms = next((found for found in dates if found is not None), None)
    since = "" if now_ms is None else f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    holder = Holder(secrets.token_hex(16), user_here(), command, name, since, identity_of(ledger))
    async with AsyncExitStack() as claims:
        stores = {}
        for site, buckets in opened.by_site(places):
            asked = Asked(holder, site.known.trusted, unconditional, listener)
            stores[site.name] = await claims.enter_async_context(claimed(site.store, buckets, asked))
        yield lambda where: stores[opened.site(where).name]


async def claim_reason(plan: Plan, opened: Sites, ledger: Path) -> Reason:
    """The gate's line about it, by a look alone."""
    held = ""
    for site, buckets in opened.by_site(plan.places):
        held = held or await held_by_another(site.store, buckets, identity_of(ledger))
    said = f"nobody else is known to delete in {' or '.join(plan.buckets)}"
    return Reason("claim", not held, held or said)
