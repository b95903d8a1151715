"""What `cartage lifecycle` shows: rules and what they do, and a configuration's change as a diff."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from engine.api.commands import typed
from engine.api.lifecycle import LifecycleResult
from engine.plan.bucket_rules import Action, Does, Rule, text_of
from engine.plan.prices import SAID
from engine.plan.rule_effects import Effect
from engine.report.diff import diff_lines, unified_diff
from engine.report.ndjson import picked, rounded
from engine.report.page import Page, Table, Tone, Toned, next_step
from engine.report.text import cost_text, count_text, plural, safe, size_text


def proposal_page(result: LifecycleResult) -> Page:
    """The rules that concern the location and what they do; then a proposal's diff."""
    now = f"{plural(result.objects, 'object')}, {size_text(result.bytes)}, {cost_text(result.dollars)} a month"
    lines: list[str | Table] = [f"{safe(result.location)}: {now}{_unpriced(result.unpriced)}"]
    if result.versions and result.older is not None:
        older = f"{plural(result.older, 'older version')}, {size_text(result.older_bytes or 0)}"
        lines.append(f"and {older}, {cost_text(result.older_dollars or 0.0)} a month")
    lines += _rules(result)
    lines += [Toned(safe(note), Tone.WARNING) for note in result.notes]
    return [*lines, "", *diff_lines(_diff(result)), ""] if result.changes else lines


def outcome_lines(result: LifecycleResult, words: Iterable[str], flags: Iterable[str]) -> list[str]:
    """What was written, or why not, and what comes next; `words` are those of the command, and `flags` say at which
    server and of which files, to be typed on."""
    if not result.changes:
        return ["the bucket has that rule already: nothing was written"] if result.confirmed else []
    if result.refused:
        return [*[Toned(f"refused: {safe(said)}", Tone.BAD) for said in result.refused], "nothing was written"]
    if result.written:
        return _written(result, flags)
    to_write = typed("cartage", "lifecycle", result.location, *words, "--apply", *flags)
    return ["nothing was written", next_step(to_write)]


def undo_page(result: LifecycleResult) -> Page:
    """What was put back."""
    diff = _diff(result)
    put_back = "put back as it was" if result.confirmed else NOT_SHOWN
    return [*(diff_lines(diff) if diff else []), put_back, *_unkept(result)]


def _diff(result: LifecycleResult) -> str:
    name = f"lifecycle of {result.location.removeprefix('s3://').partition('/')[0]}"
    return unified_diff(name, text_of(result.before), text_of(result.after))


def _written(result: LifecycleResult, flags: Iterable[str]) -> list[str]:
    back = typed("cartage", "lifecycle", result.location, "--undo", *flags)
    return [
        "written, and read back as it was written" if result.confirmed else NOT_SHOWN,
        f"what was there is kept in {safe(str(result.kept))}",
        *_unkept(result),
        Toned(f"to put it back: {back}", whole=True),
    ]


def _unkept(result: LifecycleResult) -> list[Toned]:
    return [Toned(safe(result.unkept), Tone.WARNING)] if result.unkept else []


NOT_SHOWN = Toned(
    "written; the server does not show it yet, or shows it otherwise: look again before you rely on it", Tone.WARNING
)


def _rules(result: LifecycleResult) -> list[str | Table]:
    elsewhere = f" ({plural(result.elsewhere, 'rule')} of the bucket: disabled, or of other prefixes)"
    if not result.rules:
        return [f"no rule of the bucket does anything there{elsewhere if result.elsewhere else ''}"]
    rows = [_row(effect, result) for effect in result.effects]
    header = ["rule", "takes", "does", "when", "objects", "size", "due", "saves a month", "once"]
    lines: list[str | Table] = [Table(header, rows, left=4)]
    total = f"all of it saves {cost_text(result.saved)} a month once it is done"
    if result.once:
        early = sum(effect.early for effect in result.effects if not effect.at_most)
        least = f", of which {cost_text(early)} for classes that objects leave before their least time"
        total += f", and costs {cost_text(result.once)} once{least if early else ''}"
    lines.append(f"{total}{elsewhere if result.elsewhere else ''}")
    if result.versions:
        lines.append("the bucket keeps versions: what expires stays as an older version until a rule takes those")
    if any(effect.at_most for effect in result.effects):
        lines.append("at most: tags are not read, and what lacks those of the rule is not meant; no total has it")
    lines.append(f"a month: storage alone, by {SAID}; days are counted to midnight UTC")
    return lines


def _row(effect: Effect, result: LifecycleResult) -> list[str]:
    rule, action = effect.rule, effect.action
    said = [safe(rule.rule_id) or "(no ID)", takes_text(rule), does_text(action), when_text(action)]
    most = "at most " if effect.at_most else ""
    saves = "" if result.versions is not False and action.does is Does.EXPIRE else cost_text(effect.saved)
    figures = [f"{most}{count_text(effect.objects)}", size_text(effect.bytes), due_text(effect)]
    return [*said, *figures, saves + _unpriced(effect.unpriced), cost_text(effect.once) if effect.once else ""]


def _unpriced(count: int) -> str:
    return f" and {count_text(count)} without a price" if count else ""


def takes_text(rule: Rule) -> str:
    """ "data/ and env=test": what a rule asks of an object."""
    return " and ".join([safe(rule.prefix) or "everything", *map(safe, rule.only)])


def does_text(action: Action) -> str:
    into = f" into {safe(action.storage_class)}" if action.storage_class else ""
    kept = f", all but the newest {action.keep}" if action.keep else ""
    return f"{action.does.value}{into}{kept}"


def when_text(action: Action) -> str:
    if action.days is None:
        return f"on {safe(action.date[:10])}" if action.date else ""
    return f"after {plural(action.days, 'day')}"


def due_text(effect: Effect) -> str:
    """When: what may go at any moment, and the days of the others."""
    parts = [f"{count_text(effect.due)} now"] if effect.due else []
    if effect.first:
        first, last = (date.fromordinal(day).isoformat() for day in (effect.first, effect.last))
        parts.append(first if first == last else f"{first} to {last}")
    return ", ".join(parts)


def lifecycle_values(result: LifecycleResult) -> dict[str, Any]:
    """The summary of a look at rules, a change, or an undo."""
    return {
        **picked(result, "location objects bytes elsewhere unpriced uploads versions older older_bytes refused notes"),
        **picked(result, "written confirmed unkept"),
        **rounded(result, "dollars_a_month=dollars older_dollars_a_month=older_dollars saves_a_month=saved"),
        **rounded(result, "costs_once=once"),
        "effects": [_effect(effect) for effect in result.effects],
        "diff": unified_diff("before", text_of(result.before), text_of(result.after), "after"),
        "kept": result.kept,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        **picked(effect, "rule=rule.rule_id prefix=rule.prefix only=rule.only does=action.does days=action.days"),
        "date": effect.action.date or None,
        "storage_class": effect.action.storage_class or None,
        **rounded(effect, "saves_a_month=saved costs_once=once for_leaving_early=early"),
        **picked(effect, "objects bytes due unpriced at_most"),
        "first": _day(effect.first),
        "last": _day(effect.last),
    }


def _day(ordinal: int) -> str | None:
    return date.fromordinal(ordinal).isoformat() if ordinal else None
