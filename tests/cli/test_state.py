"""A run whose state is in S3: what is said to be next goes to the same state."""

from __future__ import annotations

from engine.api.commands import command
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
