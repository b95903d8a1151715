"""`Options`: how a command talks to S3 and to its caller."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.plan.document import Plan
from engine.sites.options import SiteOptions

if TYPE_CHECKING:
    from engine.api.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Options(SiteOptions):
    """How a call talks to S3 and to its caller. None leaves the plan's or the AWS environment's own value.

    `session` is one of boto3's, aioboto3's or botocore's: its credentials (refreshed as it refreshes them), region and
    configuration count instead of the environment's, for all but a plan's named sites. Nothing in it is changed.
    `credentials` "none" signs nothing, for a bucket that anybody may read.
    `request_payer` "requester" pays for requests to a bucket that has its requesters pay.

    `store`: "wire" is our own way to S3, "boto" botocore's. At most `concurrency` copies are under way and `max_rps`
    requests a second begun. `give_up_after_s` is how long S3 may be out of reach before the run stops; None is 300, but
    15 for an endpoint that has never answered, which may be mistyped. `assume` "aws" takes a server for one that
    honours all that AWS does, without trying it. `durability` "object" has each file that is written to a local folder
    on the disk before it counts as copied; "none" leaves that to the system, so that a power cut may lose what was
    copied. `links` "skip" sets symbolic links in local folders aside, "follow" takes what they lead to, "keep" the
    links themselves; None is what the ledger was made with, and "skip" for a new one.
    `own_files` are written while the call goes on, such as a report: they are no part of any local folder that they lie
    in, nor is what the call itself writes, its ledger and its log. `listener` is told what goes on, on the event loop.

    `ledger` None is `<plan name>.ledger` in `state_dir`; where that is None too, beside the plan (for one without a
    file: in the working folder).
    `conditional_writes` False leaves out the conditions on what is written; `allow_empty`: it is no mistake where a
    source holds nothing. So many `processes` carry a plan out, each with shards of it; None has one do it, or, where a
    plan expects a million objects, as many as there are processors. `state`, a place in S3, has the ledger's changes
    kept there too: so processes of several machines carry one plan, and any machine goes on with it.

    `wait_restore`: once all else is done, a run waits for archived objects that are on their way back, and copies them
    as they come; it looks every `look_every_s` seconds, or, where that is None, every minute at first and every quarter
    of an hour later.

    `metrics` has the call's figures for Prometheus: a `Metrics`, or what that is made of, ":PORT" or a file. A bar is
    drawn by tqdm.auto with `progress`, and in a notebook where it is None and there is no `listener`.

    Raises `UsageError` for a value that an option does not take."""

    ledger: Path | None = None
    state_dir: Path | None = None
    conditional_writes: bool = True
    allow_empty: bool = False
    processes: int | None = None
    metrics: Metrics | str | None = None
    progress: bool | None = None
    state: str | None = None
    wait_restore: bool = False
    look_every_s: float | None = None


def ledger_path(plan: Plan, options: Options | None = None) -> Path:
    """Where a plan's ledger is: `<plan name>.ledger` beside the plan, unless the options name another place."""
    options = options or Options()
    return options.ledger or (options.state_dir or Path(plan.folder)) / f"{plan.name}.ledger"
