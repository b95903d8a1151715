"""`check`: who one is, which endpoint answers, and what may be done there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from engine.api.options import Options
from engine.api.watching import watched
from engine.bucket_facts import BucketFacts
from engine.errors import AccessDenied, BucketMissing, ObjectError
from engine.events import Doing, Notice
from engine.listing.nearest import why_nothing
from engine.model import Location, ObjectRef
from engine.plan.locations import location_of
from engine.plan.settings import Connection
from engine.plan.sizes import server_ms
from engine.s3.session import Identity
from engine.shown import Result
from engine.sites.older_probes import remove_older
from engine.sites.opening import open_site
from engine.sites.traits import Traits
from engine.store import ObjectStore
from engine.transfer.checking import Trial, skew_s, try_reading, try_writing

NOT_GONE = "what was made for this is not known to be gone; remove objects and unfinished uploads of these names"


@dataclass(frozen=True, slots=True)
class CheckReport(Result):
    """Who, where, and what is allowed. `access_key` shows its first four characters alone; `skew_s` is how far this
    machine's clock is ahead of the server's, in seconds; `traits` is what the server was found to honour, `left` what
    was made for that and is not known to be gone, an unfinished upload by its key. What only a location can tell is
    None, or empty, without one; `nothing` says that nothing is there, and what is near."""

    endpoint: str
    region: str
    identity: Identity
    access_key: str
    facts: BucketFacts | None = None
    skew_s: float | None = None
    actions: list[Trial] = field(default_factory=list)
    traits: Traits | None = None
    left: list[ObjectRef] = field(default_factory=list)
    nothing: str = ""

    @property
    def denied(self) -> list[str]:
        """The actions that are denied."""
        return [item.action for item in self.actions if item.verdict == "denied"]

    @property
    def is_open(self) -> bool:
        """Whether an answer was lost, so that the same has to be asked again."""
        return any(item.verdict == "not known" for item in self.actions)


@watched
async def check(
    where: str | Location | None = None, options: Options | None = None, *, write: bool = False
) -> CheckReport:
    """Who the credentials belong to, where requests go, and which actions are allowed at `where` ("s3://bucket/prefix/";
    None asks of no bucket). Only with `write` are the writing ones tried, on small objects of its own that it removes,
    also when it is stopped; what one that was killed left there a later one removes, from a quarter of an hour on.

    Raises `UsageError` for what is no location, and `StoreError` of scope `run`: no credentials, no bucket, no
    endpoint. An action that is denied is none: it is in the report."""
    options = options or Options()
    where = location_of(where) if where is not None else None
    async with open_site(Connection(), options) as opened:
        at_most_s = options.patience.give_up_after_s
        options.listener(Doing(f"the credentials, and who they belong to at {opened.endpoint}", at_most_s))
        session = opened.session
        assert session is not None
        key = (await session.credentials()).access_key
        shown = key[:4] + "…" if len(key) > 4 else "…"
        report = CheckReport(opened.endpoint, session.region, await session.identity(), shown)
        if where is None:
            return report
        options.listener(Doing(f"{where.bucket} to answer at {opened.endpoint}", at_most_s))
        denied: list[Trial] = []
        try:
            facts = await opened.facts(where.bucket)
            report = replace(report, facts=facts, skew_s=skew_s(facts.date, facts.date_s))
        except AccessDenied as error:  # a policy may allow what is under one prefix, and nothing of the bucket
            denied.append(Trial(error.action or error.operation, "denied", error.message))
        except BucketMissing as error:
            error.advice = f"Check its name, the account and the endpoint: {opened.endpoint} was asked, with {shown}."
            raise
        options.listener(Doing(f"what may be done at {where}", at_most_s))
        report = replace(
            report,
            actions=[*denied, *await try_reading(opened.store, where)],
            nothing=await _nothing(opened.store, where),
        )
        if not write:
            return report
        left: list[ObjectRef] = []
        try:
            actions, _ = await try_writing(opened.store, where, left)
            report = replace(report, actions=[*report.actions, *actions])
            if "s3:PutObject" in report.denied:  # nothing else could be tried either
                return replace(report, traits=opened.known.known(where.bucket))
            options.listener(Doing(f"what {opened.endpoint} honours", at_most_s))
            traits = await opened.known.tried_now(where)
        except BaseException:
            if left := [*left, *opened.known.left]:
                options.listener(Notice("ProbesLeft", f"{NOT_GONE}: {', '.join(map(str, left))}"))
            raise
        # By the server's clock alone: one of ours that is fast would take a trial that is under way for an old one.
        at_ms = server_ms(report.facts.date) if report.facts is not None else 0
        older = await remove_older(opened.store, where, at_ms) if at_ms else []
        return replace(report, traits=traits, left=[*left, *opened.known.left, *older])


async def _nothing(store: ObjectStore, where: Location) -> str:
    """Why a location holds nothing; empty where it holds something, or may not be listed."""
    try:
        return await why_nothing(store, where)
    except ObjectError:
        return ""
