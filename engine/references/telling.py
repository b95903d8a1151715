"""What a project's manifest is to say of its data, and the table of it in a Markdown text. Pure.

What goes in is the text, the plan's `[manifest]`, and what each route holds. Only the values that are named change; the
file keeps its units, its way to write a path, its order and its every other character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from engine.errors import EngineError
from engine.ledger.composition import Share
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.lifecycle import DONE, State
from engine.plan.manifest_text import JSON, TOML, YAML, NotParsed, form_of, parse, written_place
from engine.plan.record import Tally
from engine.plan.route import Route
from engine.plan.settings import Dataset, Manifest
from engine.plan.sizes import size_text
from engine.references import jsonedit, tomledit, yamledit
from engine.references.filetext import Edit, edited, newline_of
from engine.references.places import NoPlace, same, value_in, with_value

GB, MB = 1_000_000_000, 1_000_000


_WITH_SET: Mapping[str, Callable[[str, Sequence[str], Any], str]] = {
    JSON: jsonedit.with_set,
    YAML: yamledit.with_set,
    TOML: tomledit.with_set,
}
"""How a text of each form is changed in one place."""


class ManifestRefused(EngineError):
    """The manifest cannot be brought up to date, or is not JSON."""


def held_by(plan: Plan, tallies: Iterable[Tally], open_routes: Iterable[str]) -> dict[str, Share]:
    """What each route that the manifest names holds at its target. Raises `ManifestRefused` where one is not done: its
    figures would be wrong."""
    wanted = {item.route for item in plan.manifest.datasets} if plan.manifest is not None else set()
    reasons = [f"{name}: its listing never reached its end" for name in open_routes if name in wanted]
    found = dict.fromkeys(wanted, Share())
    for tally in tallies:
        if tally.route not in wanted:
            continue
        if tally.state is State.LOST:
            continue  # not there any more, and no run will change that
        if tally.state in DONE or tally.state is State.WITHDRAWN:
            found[tally.route] = found[tally.route].plus(Share(tally.objects, tally.bytes))
        else:
            reasons.append(f"{tally.route}: {tally.objects:,} {tally.state.value}")
    if reasons:
        raise ManifestRefused(
            "the manifest's figures would be wrong, since not everything is copied: " + "; ".join(sorted(reasons)),
            advice="Run the plan to its end first.",
        )
    return found


def updated(name: str, text: str | None, plan: Plan, manifest: Manifest, held: Mapping[str, Share]) -> str:
    """The text of the manifest called `name` (None where there is none yet) with everything in it that the plan names.
    Raises `ManifestRefused`, and `ExtraMissing` for YAML or TOML without its package."""
    form = form_of(name)
    after = text if text is not None else "{}" if form == JSON else ""
    try:
        for dataset in manifest.datasets:
            there = value_in(parse(form, after), dataset.at)
            fields = _fields(there, dataset, plan.route(dataset.route), plan.base, held[dataset.route])
            after = set_values(form, after, fields)
        after = set_values(form, after, manifest.set)
    except NotParsed as error:
        raise ManifestRefused(
            f"{name} is not {form}: {error}", advice="Repair it, or name another file in [manifest]."
        ) from None
    except NoPlace as error:
        raise ManifestRefused(f"{name}: {error}", advice="Name another place in [manifest].") from None
    if text is None and form == JSON:
        return json.dumps(json.loads(after), indent=2, ensure_ascii=False) + "\n"
    return after


def set_values(form: str, text: str, values: Iterable[tuple[str, Any]]) -> str:
    """The text with every (dotted path, value) set, one after the other. What is there already is not written again,
    however it is spelled. That nothing else changed is looked at in what came out, so that a value which several places
    share (an alias) is refused and not changed for all of them.

    Raises `NotParsed`, `NoPlace`, and `ExtraMissing` where the form needs a package."""
    before = parse(form, text)
    for path, value in values:
        wanted = with_value({} if before is None and form == YAML else before, path, value)
        if same(before, wanted):
            continue
        text = _WITH_SET[form](text, path.split("."), value)
        try:
            before = parse(form, text)
        except NotParsed:
            before = None
        if not same(before, wanted):
            hint = " (an anchor or an alias?)" if form == YAML else ""
            raise NoPlace(f'"{path}" cannot be set without changing something else{hint}')
    return text


def with_data(name: str, text: str, plan: Plan, manifest: Manifest, held: Mapping[str, Share]) -> str:
    """The Markdown text called `name` with the table of the plan's data sets. Raises `ManifestRefused`."""
    rows = []
    for dataset in manifest.datasets:
        target, found = plan.route(dataset.route).target, held[dataset.route]
        size = size_text(found.bytes)
        label = dataset.at.rpartition(".")[2]
        rows.append(Row(label, written_place(None, target, plan.base), found.objects, size, dataset.description or ""))
    try:
        return with_table(text, rows)
    except NoMarks as error:
        raise ManifestRefused(
            f"{name}: {error}", advice="Put both lines where the table belongs, and run the command again."
        ) from None


def _fields(there: Any, dataset: Dataset, route: Route, base: Location, held: Share) -> list[tuple[str, Any]]:
    """(dotted path, value) of one data set, in the order in which missing ones are written; `there` is what stands at
    its place."""
    known = there if isinstance(there, dict) else {}
    unit = _unit(dataset, known, held.bytes)
    size = _rounded(held.bytes / GB, 2) if unit == "size_gb" else _rounded(held.bytes / MB, 1)
    path = written_place(known.get("path"), route.target, base)
    values: list[tuple[str, Any]] = [("path", path), (unit, size), ("num_files", held.objects)]
    if dataset.description is not None:
        values.append(("description", dataset.description))
    if there is None:
        return [(dataset.at, dict(values))]
    return [(f"{dataset.at}.{name}", value) for name, value in values]


def _rounded(size: float, digits: int) -> float:
    """As people write it: 13.0, 109.2; what is less than one keeps more digits."""
    return round(size, digits if size >= 1 else 6)


def _unit(dataset: Dataset, there: Mapping[str, Any], size_bytes: int) -> str:
    if dataset.size_in:
        return f"size_{dataset.size_in.lower()}"
    for unit in ("size_gb", "size_mb"):
        if unit in there:
            return unit
    return "size_gb" if size_bytes >= GB else "size_mb"


BEGIN, END = "<!-- cartage:data -->", "<!-- /cartage:data -->"
_MARKS = re.compile(r"^[ \t]*<!--\s*(/?)cartage:data\s*-->[ \t]*(?=\r?$)", re.M)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class NoMarks(ValueError):
    """The text has not just one place for the table; the message says why."""


class Row(NamedTuple):
    """A data set. `size` as people write it; `description` empty where the plan gives none."""

    name: str
    path: str
    files: int
    size: str
    description: str = ""


def with_table(text: str, rows: Sequence[Row]) -> str:
    """The text with the table of `rows` between its marks. Raises `NoMarks`."""
    marks = list(_MARKS.finditer(text))
    kinds = [bool(mark.group(1)) for mark in marks]
    if kinds != [False, True]:
        found = "neither of them is there" if not marks else f"it has {len(marks)} of them, in another order"
        raise NoMarks(f"the table stands between the lines {BEGIN} and {END}, and {found}")
    newline = newline_of(text)
    first, last = marks[0].end(), marks[1].start()
    table = newline.join(_lines(rows))
    return edited(text, [Edit(first, last, f"{newline}{newline}{table}{newline}{newline}")])


def _lines(rows: Sequence[Row]) -> list[str]:
    told = any(row.description for row in rows)
    lines = ["| data | path | files | size |", "|---|---|--:|--:|"]
    lines += [f"| {_cell(row.name)} | {_code(row.path)} | {row.files:,} | {row.size} |" for row in rows]
    if told:
        ends = [" description |", "---|", *(f" {_cell(row.description)} |" for row in rows)]
        lines = [line + end for line, end in zip(lines, ends, strict=True)]
    return lines


def _cell(text: str) -> str:
    """Text as a cell shows it: what would end the cell, begin markup or a tag is escaped."""
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", _CONTROL.sub(" ", text))


def _code(text: str) -> str:
    """A path in a cell. Backticks inside are fenced by more of them; a bar ends a cell even in code, unless escaped."""
    text = _CONTROL.sub(" ", text).replace("|", "\\|")
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{space}{text}{space}{ticks}"
