"""What `cartage set` shows before anything is set: what, on how many objects, what it costs, once and by the month."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.plan import SurveyResult
from engine.plan.estimate import Change
from engine.plan.prices import CLASSES, KIB, SAID
from engine.plan.route import Route
from engine.report.ndjson import picked
from engine.report.page import Page, Toned
from engine.report.text import cost_text, count_text, duration_text, plural, safe, size_text, writes_text


def change_page(result: SurveyResult, writes_per_s: float) -> Page:
    """Everything that has to be known before a route in place is carried out."""
    (route,), (found,) = result.plan.routes, result.routes
    change = found.change
    assert change is not None
    most = "" if change.is_certain else "at most "
    writes = f"{count_text(found.copy_requests)} PutObjectTagging"
    if not route.sets_tags_alone:
        writes = writes_text(found.copy_requests)
    lines = [
        f"sets       {what_is_set(route)}; everything else that an object carries stays",
        f"requests   {most}{writes}, {plural(found.head_requests, 'read')}",
    ]
    if not change.is_certain:
        lines.append("           no listing tells tags and metadata: each object is looked at, and left where it is so")
    lines.append(f"cost       {most}{_once(change, versioned=_keeps_versions(result))}, by {SAID}")
    if change.storage_class:
        now, then = cost_text(change.before_dollars), cost_text(change.after_dollars)
        lines.append(f"a month    {now} now, {then} then, for these objects")
    if change.tag_dollars:
        lines.append(f"tags       at most {cost_text(change.tag_dollars)} a month, for as long as they are there")
    lines += _warnings(change, found.archived, most)
    lines += [_versions(name, state, change, most) for name, state in result.versioning.items()]
    lines += [
        f"{least_time_text(found.copy_requests, writes_per_s)}{needs_text(result.actions)}",
    ]
    return [Toned("\n".join(line for line in lines if line), hang=11)]


def least_time_text(writes: int, writes_per_s: float) -> str:
    """How long so many requests that write take at least; nothing where there is none."""
    if not writes:
        return ""
    return f"time       at least {duration_text(writes / writes_per_s)}, at {writes_per_s:,.0f} writes a second\n"


def needs_text(actions: Sequence[str]) -> str:
    """What IAM has to allow for it: by the plan alone."""
    return f"needs      {', '.join(actions)} (not tried; `cartage check` with --write tries them)"


def change_values(result: SurveyResult) -> dict[str, Any]:
    """The same for a program."""
    change = next(item.change for item in result.routes if item.change is not None)
    return {
        **picked(change, "objects bytes is_certain before_dollars_a_month=before_dollars"),
        **picked(change, "after_dollars_a_month=after_dollars write_dollars read_dollars retrieval_dollars"),
        **picked(change, "tag_dollars_a_month=tag_dollars early_objects early_dollars small unpriced"),
        "versioning": result.versioning,
    }


def what_is_set(route: Route) -> str:
    """On one line."""
    said = [f"storage class {safe(route.storage_class)}"] if route.storage_class else []
    if route.set_tags is not None:
        how = "laid over the others" if route.lays_tags else "in place of all others"
        said.append(f"tags {_pairs(route.set_tags)} ({how})" if route.set_tags else "no tags at all")
    if route.set_metadata:
        said.append(f"metadata {_pairs(route.set_metadata)} (laid over the rest)")
    return ", ".join(said)


def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return " ".join(f"{safe(name)}={safe(value)}" for name, value in pairs)


def _keeps_versions(result: SurveyResult) -> bool:
    return any(state != "" for state in result.versioning.values())


def _once(change: Change, *, versioned: bool) -> str:
    said = [f"{cost_text(change.write_dollars + change.read_dollars)} for requests"]
    if change.retrieval_dollars:
        said.append(f"{cost_text(change.retrieval_dollars)} for reading out of classes that bill it")
    if change.early_objects and not versioned:
        said.append(
            f"{cost_text(change.early_dollars)} for {plural(change.early_objects, 'object')} that leave their class "
            "before the least time it is billed for"
        )
    return ", ".join(said)


def _warnings(change: Change, archived: int, most: str) -> list[str]:
    price = CLASSES.get(change.storage_class)
    said = []
    if price is not None and price.least_days and change.objects:
        said.append(
            f"least      {change.storage_class} is billed for at least {price.least_days} days, whatever becomes of an "
            "object before"
        )
    if change.small:
        assert price is not None
        least = f"{price.least_bytes // KIB} KiB"
        small = plural(change.small, "object")
        said.append(f"small      {most}{small} below {least}, billed as {least} there; --min-size leaves them out")
    if change.unpriced:
        said.append(f"no price   of {plural(change.unpriced, 'object')} is known, which are in none of these sums")
    if archived:
        said.append(
            f"archived   {plural(archived, 'object')} set aside: before anything but tags can be set, "
            "`cartage restore` has to bring them back"
        )
    return said


def _versions(name: str, state: str | None, change: Change, most: str) -> str:
    if state == "" or not change.objects:
        return ""
    keeps = "may keep versions (it may not be asked)" if state is None else f"keeps versions ({state})"
    if state == "Suspended":
        keeps = "has its versioning suspended: what was written before that stays behind as a version"
    stays = f"{most}{size_text(change.bytes)} stay behind as older ones, {cost_text(change.before_dollars)} a month"
    return (
        f"versions   {safe(name)} {keeps}: each object that is copied onto itself becomes a new version; {stays}, "
        "until somebody removes them"
    )
