"""The claim that every deletion takes: who asks for it, with what."""

from __future__ import annotations

import secrets
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

from engine.api.accept import user_here
from engine.api.options import Options
from engine.finish.claim_taking import Asked, claimed, held_by_another
from engine.finish.claim_text import Holder
from engine.finish.gate import Reason
from engine.ledger.identity import identity_of
from engine.plan.document import Plan
from engine.sites.clock import server_ms
from engine.sites.site import Site
from engine.sites.sites import Sites
from engine.store import BucketFacts, ObjectStore

Context = AbstractAsyncContextManager[ObjectStore]


def claim_for(
    command: str,
    name: str,
    ledger: Path,
    site: Site,
    options: Options,
    buckets: tuple[BucketFacts, ...],
    *,
    unconditional: bool,
) -> Context:
    """The store to delete by: under a claim of every one of the buckets. `ledger` is the file that is locked now."""
    now_ms = next((found for item in buckets if (found := server_ms(item.date)) is not None), None)
    since = "" if now_ms is None else f"{datetime.fromtimestamp(now_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    holder = Holder(secrets.token_hex(16), user_here(), command, name, since, identity_of(ledger))
    asked = Asked(holder, site.known.trusted, unconditional, options.listener)
    return claimed(site.store, [item.bucket for item in buckets], asked)


async def claim_reason(plan: Plan, opened: Sites, ledger: Path) -> Reason:
    """The gate's line about it, by a look alone."""
    held = await held_by_another(opened.home.store, plan.buckets, identity_of(ledger))
    said = f"nobody else is known to delete in {' or '.join(plan.buckets)}"
    return Reason("claim", not held, held or said)
