"""`cartage sync SRC DST`: bring a target up to date; with --delete, what stands there alone goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.api.sync import SyncResult, synchronize
from engine.cli.codes import ASIDE, DONE, GATE
from engine.cli.confirming import agree, can_ask, seconds
from engine.cli.invocation import Invocation
from engine.cli.plan import dry_run
from engine.cli.route_flags import Mistakes, plan_of_flags
from engine.cli.run import asked_to_copy, exit_code, kept, writing
from engine.listing.kept import KeptListings
from engine.plan.document import Plan
from engine.report.run import result_page
from engine.report.sync import extras_page
from engine.report.text import amount_text, safe


def sync_command(
    invocation: Invocation,
    source: str,
    target: str,
    delete: bool,
    hold: str,
    again: bool,
    yes: bool,
    dry: bool,
    report: Path | None,
    **rules: Any,
) -> None:
    mistakes = Mistakes()
    with mistakes.kept():
        hold_s = seconds("--hold", hold)
    plan = plan_of_flags(invocation, source, target, rules, mistakes, overwrite="if-different")
    invocation = writing(invocation, report)
    if dry:
        dry_run(invocation, plan, deletes=delete)

    def go(*, again: bool, confirmed: bool, listed: KeptListings | None = None) -> SyncResult:
        return invocation.run(
            lambda options, stop: synchronize(
                plan,
                options,
                delete=delete,
                consent=invocation.consent,
                hold_s=hold_s,
                again=again,
                confirmed=confirmed,
                stop=stop,
                listed=listed,
            )
        )

    with asked_to_copy(invocation, plan, yes=yes) as listed, kept(invocation, plan, report):
        result = go(again=again, confirmed=yes, listed=listed)
    extras, said = result.extras, False
    if extras is not None and not yes and not extras.closed and extras.summary.total.objects and can_ask(invocation):
        total, said = extras.summary.total, True
        invocation.say([*result_page(plan, result.run, invocation.took_s), ""])
        invocation.show(extras_page(safe(str(plan.routes[0].target)), result, invocation.took_s))
        these = amount_text(total.objects, total.bytes)
        agree(f"\nDelete {these} for good?", "deletes them from the target", "nothing was deleted")
        result = go(again=False, confirmed=True)
    _end(invocation, plan, result, again=again, said=said)


def _end(invocation: Invocation, plan: Plan, result: SyncResult, *, again: bool, said: bool) -> None:
    """`said`: what the copy did was said before the question; the run after it is told of where it did more."""
    if not (said and result.run.complete and not result.run.copied):
        invocation.say(result_page(plan, result.run, invocation.took_s))
    if page := extras_page(safe(str(plan.routes[0].target)), result, invocation.took_s, again=again):
        invocation.say(["", *page])
    extras = result.extras
    done = extras.deletion if extras is not None else None
    if result.run.stopped or (done is not None and done.interrupted):
        invocation.end_interrupted(result)
    invocation.say_empty(result.run.empty)
    code = exit_code(result.run) or (ASIDE if invocation.left.count else DONE)
    if extras is not None and not code:
        stays = extras.summary.total.objects if done is None else done.arrived
        code = ASIDE if done is not None and not done.is_whole else GATE if extras.closed or stays else code
    invocation.end(code, result)
