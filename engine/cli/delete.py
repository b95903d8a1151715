"""`cartage delete LOCATION`: a whole project deleted cleanly: exactly what a snapshot of its listing holds."""

from __future__ import annotations

import click

from engine.api.cleanup import Consent
from engine.api.delete import DeleteResult, delete
from engine.cli.common import ASIDE, DONE, GATE, Invocation, Teller, assume_flag, fail, interrupted, run, shared_flags
from engine.cli.confirming import ask, is_asked, require
from engine.errors import EngineError, UsageError
from engine.model import Location
from engine.plan.locations import parse_location
from engine.plan.sizes import parse_duration
from engine.report.delete import delete_text, delete_values
from engine.report.text import plural, size_text


@click.command("delete", short_help="Delete a whole project: exactly what a snapshot of its listing holds.")
@click.argument("location")
@click.option("--confirm", metavar="LOCATION", help="The location again, in place of typing it.")
@click.option("--hold", default="0s", show_default=True, metavar="TIME", help="How long the snapshot must have stood.")
@click.option("--again", is_flag=True, help="Take a new snapshot in place of an earlier one.")
@click.option("--accept-delete-markers", is_flag=True, help="Delete in a bucket that keeps versions.")
@click.option("--unconditional", is_flag=True, help="Also on a server that cannot delete by ETag.")
@shared_flags
@assume_flag
def delete_command(
    invocation: Invocation,
    location: str,
    confirm: str | None,
    hold: str,
    again: bool,
    accept_delete_markers: bool,
    unconditional: bool,
) -> None:
    """Take a snapshot of everything under LOCATION and show it by first-level prefix. Once the location is typed (or
    given by --confirm), and the hold has passed since the snapshot, exactly its keys are deleted, each only while it
    is what was listed. What arrived later is left, and said. Run it again after an interruption: it goes on."""
    teller = Teller(invocation, "delete", asides=False)
    consent = Consent(unconditional=unconditional, delete_markers=accept_delete_markers)
    try:
        where, hold_s = parse_location(location), _seconds(hold)
        if confirm is not None:
            require(str(where), confirm)
    except EngineError as error:
        fail(error, "delete", teller)
    if is_asked(invocation, confirm):
        first = _run(invocation, where, consent, teller, hold_s=hold_s, again=again, confirmed=False)
        click.echo(delete_text(str(where), first))
        total = first.summary.total
        if first.closed or not total.objects:
            raise SystemExit(GATE if first.closed else DONE)
        confirm = ask(str(where), f"{plural(total.objects, 'object')} ({size_text(total.bytes)}) for good")
        again = False
    result = _run(invocation, where, consent, teller, hold_s=hold_s, again=again, confirmed=confirm is not None)
    values = delete_values(result)
    invocation.say(delete_text(str(where), result))
    done = result.deletion
    if done is not None and done.interrupted:
        interrupted(teller, "delete", values)
    code = GATE if result.closed else DONE
    if done is not None and not done.is_whole:
        code = ASIDE
    teller.summary("delete", code, values)
    raise SystemExit(code)


def _seconds(text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--hold: {error}") from error


def _run(
    invocation: Invocation,
    where: Location,
    consent: Consent,
    teller: Teller,
    *,
    hold_s: int,
    again: bool,
    confirmed: bool,
) -> DeleteResult:
    return run(
        invocation,
        "delete",
        lambda options, stop: delete(
            where, options, consent=consent, hold_s=hold_s, again=again, confirmed=confirmed, stop=stop
        ),
        teller=teller,
    )
