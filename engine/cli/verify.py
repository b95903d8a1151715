"""`cartage verify FILE`: list both sides again and raise or withdraw each copy's proof."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api import verifying
from engine.cli.common import DIFFERENT, DONE, Invocation, Teller, interrupted, run, shared_flags
from engine.plan.document import Plan
from engine.report.run import verification_text, verification_values


@click.command("verify", short_help="Compare both sides and the ledger; exit 4 where anything differs.")
@click.argument("file", type=click.Path(path_type=Path))
@shared_flags
def verify_command(invocation: Invocation, file: Path) -> None:
    """List source and target of every route in FILE again and compare them with the ledger: what is missing,
    damaged, of another size or digest, changed since, or extra. Every copy that agrees becomes verified, at the proof
    that S3's own figures give."""
    plan = Plan.load(file)
    teller = Teller(invocation, "verify", asides=False)
    report = run(invocation, "verify", lambda options, stop: verifying.verify(plan, options, stop=stop), teller=teller)
    values = verification_values(report)
    if report.stopped:
        interrupted(teller, "verify", values)
    invocation.say(verification_text(plan, report))
    code = DONE if report.agrees else DIFFERENT
    teller.summary("verify", code, values)
    raise SystemExit(code)
