"""`cartage lifecycle LOCATION`: what rules do there; one rule proposed, written, put back."""

from __future__ import annotations

from pathlib import Path

from engine.api.consent import Act
from engine.api.lifecycle import LifecycleResult, lifecycle
from engine.cli.codes import ASIDE, DONE, GATE
from engine.cli.confirming import agree, can_ask, chosen_act, seconds
from engine.cli.invocation import Invocation
from engine.errors import UsageError
from engine.plan.rule_proposal import RuleProposal
from engine.report.lifecycle import outcome_lines, proposal_page, undo_page

DAY_S = 86_400


def lifecycle_command(
    invocation: Invocation,
    location: str,
    transition: str,
    after: str,
    expire: str,
    expire_noncurrent: str,
    abort_uploads: str,
    apply: bool,
    undo: bool,
    plan: tuple[Path, ...],
    yes: bool,
) -> None:
    ages = {  # as `RuleProposal` has them
        "--after": after,
        "--expire": expire,
        "--expire-noncurrent": expire_noncurrent,
        "--abort-uploads": abort_uploads,
    }
    rule = RuleProposal(transition.upper(), *(_days(flag, age) for flag, age in ages.items()))
    act = chosen_act(apply, undo, more=not rule.is_nothing)
    plans = [invocation.plan(file) for file in plan]

    def go(act: Act, shown: LifecycleResult | None = None) -> LifecycleResult:
        return invocation.run(
            lambda options, _: lifecycle(location, options, rule=rule, act=act, plans=plans, shown=shown)
        )

    if act is Act.UNDO:
        result = go(act)
        invocation.say(undo_page(result))
        invocation.end(DONE if result.confirmed else ASIDE, result)
    result = go(act if rule.is_nothing else Act.SHOW)  # a rule is looked at first; to write none is refused
    given = {"--transition": transition, **ages}
    words = [word for flag, value in given.items() if value for word in (flag, value)]
    words += [word for file in plan for word in ("--plan", str(file))]
    flags = invocation.place_flags
    asked = False
    if act is Act.APPLY and not result.refused:
        asked = _ask(invocation, result, deletes=rule.expire_days is not None, yes=yes)
        result = go(act, result)
    invocation.say([*([] if asked else proposal_page(result)), *outcome_lines(result, words, flags)])
    code = GATE if result.refused else DONE
    unsure = act is Act.APPLY and not result.refused and not result.confirmed
    invocation.end(ASIDE if unsure else code, result)


def _days(flag: str, text: str) -> int | None:
    """Whole days, which is all that rules know. Raises `UsageError` for anything else."""
    if not text:
        return None
    days, rest = divmod(seconds(flag, text), DAY_S)
    if rest:
        raise UsageError(f"{flag}: {text!r} is no number of days.", advice="S3 counts days: 90d, 2w.")
    return days


def _ask(invocation: Invocation, result: LifecycleResult, *, deletes: bool, yes: bool) -> bool:
    """Have a rule confirmed before it is written: on a terminal, and by --yes where it deletes what is there. Whether
    it was shown for that."""
    if yes or not result.changes:
        return False
    if can_ask(invocation):
        invocation.show(proposal_page(result))
        agree("Write this configuration?", "has the bucket follow it from now on", "nothing was written")
        return True
    if deletes:
        raise UsageError(
            "the rule deletes objects, and nothing is written before that is confirmed.",
            advice="Confirm it on a terminal, or by --yes.",
        )
    return False
