"""`cartage verify FILE`: list both sides again and raise or withdraw each copy's proof."""

from __future__ import annotations

from pathlib import Path

import click

from engine.api.options import ledger_path
from engine.api.verify import verify
from engine.cli.codes import DIFFERENT, DONE
from engine.cli.flags import assume_flag, empty_flag, shared_flags
from engine.cli.invocation import Invocation
from engine.cli.ledgers import plan_of
from engine.proof.depth import parse_depth
from engine.report.verify import verification_page, verification_values


class _BareDeep(click.Command):
    """Lets `--deep` stand alone: click would take the word after it for its value, which is the plan's file."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, ["--deep=all" if item == "--deep" else item for item in args])


@click.command("verify", cls=_BareDeep)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option(
    "--deep",
    metavar="[=WHAT]",
    help="Read the bytes of both sides too: =all (also without a value), =below-digest, =sample:500 or =sample:5%.",
)
@click.option(
    "--properties", is_flag=True, help="Compare headers, metadata, tags and the like as well: a HEAD on each side."
)
@shared_flags
@assume_flag
@empty_flag
def verify_command(invocation: Invocation, file: Path | None, deep: str | None, properties: bool) -> None:
    """List source and target of every route in FILE again and compare them with the ledger: what is missing,
    damaged, of another size or digest, changed since, or extra. Every copy that agrees becomes verified, at the proof
    that S3's own figures give; --deep raises it to the bytes' own.

    What `cartage cp` copied is verified by its ledger alone: --ledger in place of FILE.

    A deep verification that was interrupted goes on where it was: what was read and did not change is not read again.
    """
    depth = parse_depth(deep) if deep is not None else None
    plan, invocation = plan_of(file, invocation)
    report = invocation.run(
        lambda options, stop: verify(plan, options, depth=depth, properties=properties, stop=stop), asides=False
    )
    values = verification_values(report)
    if report.stopped:
        invocation.end_interrupted(values)
    invocation.say(verification_page(plan, ledger_path(plan, invocation.options), report, invocation.took_s))
    invocation.say_empty(report.empty)
    invocation.end(DONE if report.agrees else DIFFERENT, values)
