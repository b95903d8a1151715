"""`check`: who one is, which endpoint answers, and what may be done there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.api.options import Options
from engine.errors import one_error
from engine.model import Location
from engine.plan.settings import Connection
from engine.s3.session import Identity
from engine.sites.opening import open_site
from engine.sites.traits import Traits
from engine.store import BucketFacts
from engine.transfer.checking import Trial, skew_s, try_reading, try_writing


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Who, where, and what is allowed. `access_key` shows its first four characters alone."""

    endpoint: str
    region: str
    identity: Identity
    access_key: str
    facts: BucketFacts | None = None
    skew_s: float | None = None
    actions: list[Trial] = field(default_factory=list)
    traits: Traits | None = None


async def check(where: Location | None, options: Options | None = None, *, write: bool = False) -> CheckReport:
    """Who the credentials belong to, where requests go, and which actions are allowed at `where`.

    Raises errors of scope `run`: no credentials, no bucket, no endpoint."""
    options = options or Options()
    async with one_error(), open_site(Connection(), options) as opened:
        session = opened.session
        assert session is not None
        key = (await session.credentials()).access_key
        shown = key[:4] + "…" if len(key) > 4 else "…"
        report = CheckReport(opened.endpoint, session.region, await session.identity(), shown)
        if where is None:
            return report
        facts = await opened.facts(where.bucket)
        actions = await try_reading(opened.store, where)
        if write:
            actions += await try_writing(opened.store, where)
        traits = await opened.known.tried_now(where) if write else None
        return replace(report, facts=facts, skew_s=skew_s(facts.date, facts.date_s), actions=actions, traits=traits)
