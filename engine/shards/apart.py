"""Local folders belong to one machine: what lies under a folder's name with a worker may be another's."""

from __future__ import annotations

from collections.abc import Mapping

from engine.bucket_facts import BucketFacts
from engine.errors import UsageError
from engine.ledger import Binding
from engine.ledger.identity import this_machine
from engine.model import FILE_SITE, Location
from engine.plan.document import Plan


def refuse_other_folders(bound: Binding, plan: Plan, known: Mapping[Location, BucketFacts]) -> None:
    """Raise `UsageError` where a folder of the plan is not, for this process, the one that the run began with. On
    another machine it is refused whatever is there: no number of a folder is sure to be another there."""
    site = bound.all_sites.get(FILE_SITE)
    began_with = dict(site.buckets) if site is not None else {}
    here = this_machine()
    for where in plan.places:
        if not where.is_local:
            continue
        if bound.machine not in ("", here):
            why = f"is one of {bound.machine}, and this worker is on {here}"
        elif (known[where].owner_id if where in known else "") != began_with.get(where.bucket, ""):
            why = f"is not the folder that the run began with, as the worker on {here} sees it"
        else:
            continue
        raise UsageError(
            f"{where.bucket} {why}: nothing was done there.",
            advice="Carry the plan on the machine that has the folder, with --processes and without --dask; or copy to "
            "or from S3 alone.",
        )
