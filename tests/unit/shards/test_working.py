"""What carries shards, beside the run itself."""

from __future__ import annotations

import tempfile
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engine.bucket_facts import BucketFacts
from engine.errors import UsageError
from engine.ledger.binding import Binding, SiteBinding
from engine.model import Location
from engine.plan.document import Plan
from engine.shards import working
from engine.shards.order import Order
from engine.sites.sites import Sites
from engine.version import __version__

A_MOMENT_S = 0.2

Folder = tempfile.TemporaryDirectory[str]


def test_threads_that_carry_shards_at_once_keep_their_lists_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second asks while the folder is being made for the first, in a process that has carried none yet."""
    monkeypatch.setattr(working, "_made_folder", cache(working._made_folder.__wrapped__))
    make = tempfile.TemporaryDirectory
    asked: list[Future[Folder]] = []
    with ThreadPoolExecutor(1) as other:

        def slow(prefix: str) -> Folder:
            if not asked:
                asked.append(other.submit(working._own_folder))
                wait(asked, A_MOMENT_S)
            return make(prefix=prefix, dir=tmp_path)

        monkeypatch.setattr(tempfile, "TemporaryDirectory", slow)
        with working._own_folder() as mine:
            assert asked[0].result().name == mine


def test_buckets_of_one_name_at_two_sites_may_have_two_owners() -> None:
    plan = Plan.parse(
        """
name = "two"
[sites.near]
endpoint_url = "https://near.example"
[[routes]]
name = "r"
from = "s3://data/old/"
from_site = "near"
to = "s3://data/new/"
""",
        "two.toml",
    )
    near = SiteBinding("near", "https://near.example", (("data", "their-id"),))
    bound = Binding("two", "https://here.example", (), (("data", "our-id"),), sites=(near,))

    def site(where: Location) -> SimpleNamespace:
        return SimpleNamespace(endpoint=bound.all_sites[where.site].endpoint)

    order = cast(Order, SimpleNamespace(version=__version__, binding=bound))
    opened = cast(Sites, SimpleNamespace(site=site))
    here = BucketFacts("data", "", "our-id")
    working.refuse_other(order, plan, opened, [BucketFacts("data", "", "their-id", site="near"), here])
    with pytest.raises(UsageError, match="another owner"):
        working.refuse_other(order, plan, opened, [BucketFacts("data", "", "our-id", site="near"), here])
