"""`cartage delete LOCATION`: a whole project deleted cleanly: exactly what a snapshot of its listing holds."""

from __future__ import annotations

from engine.api.commands import typed
from engine.api.delete import delete
from engine.api.load import place_of
from engine.cli.codes import ASIDE, DONE, GATE
from engine.cli.confirming import ask, can_ask, require, seconds
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.finish.project_deletion import DeleteResult
from engine.report.delete import delete_page
from engine.report.text import amount_text


def delete_command(
    invocation: Invocation,
    location: str,
    confirm: str | None,
    hold: str,
    again: bool,
) -> None:
    where, hold_s = place_of(location), seconds("--hold", hold)
    held = ("--hold", hold) if hold_s else ()
    flags = (*held, *invocation.consent_flags, *invocation.place_flags)
    to_delete = typed("cartage", "delete", str(where), "--confirm", str(where), *flags)
    if confirm is not None:
        require(str(where), confirm, _meant)

    def go(*, again: bool, confirmed: bool) -> DeleteResult:
        return invocation.run(
            lambda options, stop: delete(
                where,
                options,
                consent=invocation.consent,
                hold_s=hold_s,
                again=again,
                confirmed=confirmed,
                stop=stop,
            ),
            asides=False,
        )

    if confirm is None and can_ask(invocation):
        first = go(again=again, confirmed=False)
        invocation.show(delete_page(str(where), first, invocation.took_s, to_delete))
        total = first.summary.total
        if first.closed or not total.objects:
            raise SystemExit(GATE if first.closed else DONE)
        confirm = ask(str(where), f"{amount_text(total.objects, total.bytes)} for good", _meant)
        again = False
    result = go(again=again, confirmed=confirm is not None)
    unlisted = invocation.left.count
    invocation.say(delete_page(str(where), result, invocation.took_s, to_delete))
    done = result.deletion
    if done is not None and done.interrupted:
        invocation.end_interrupted(result, unlisted=unlisted)
    aside = done is not None and not done.is_whole
    left = invocation.done()
    invocation.end(ASIDE if aside else GATE if result.closed else left, result, unlisted=unlisted)


def _meant(text: str) -> str:
    """The location as it is shown: a local one is whole there, and may be typed as it was before."""
    try:
        return str(place_of(text))
    except UsageError:
        return text
