"""A run whose state is in S3: what is said to be next goes to the same state."""

from __future__ import annotations

from pathlib import Path

from engine.api.commands import command, kept_at, what_is_not_done
from engine.api.options import Options
from engine.cli.invocation import Invocation
from engine.plan.document import Plan

TEXT = """
name = "p"
bucket = "bucket"
[[routes]]
name = "r"
from = "/old/"
to = "/new/"
"""


def test_the_next_command_has_the_state_that_this_one_had() -> None:
    options = Options(state="s3://state/runs/")
    plan = Invocation("run", options, json=False, quiet=True, progress=None).named(Plan.parse(TEXT, "p.toml"))
    assert command(plan, None, "verify") == "cartage verify p.toml --state s3://state/runs/"


def test_what_is_not_done_is_listed_where_its_rows_are() -> None:
    state, plan, ledger = "s3://state/runs/", Plan.parse(TEXT, "p.toml"), Path("p.ledger")
    in_state = what_is_not_done(kept_at(plan, state), ledger, state)
    assert in_state == "cartage status p.toml --failed --state s3://state/runs/"
    assert what_is_not_done(plan, ledger, None) == "cartage status --ledger p.ledger --failed"
