"""The tables about the end of a migration: probes, manifest, references. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, time
from typing import Any

from engine.model import Location
from engine.plan import schema
from engine.plan.lines import Path
from engine.plan.problems import nearest
from engine.plan.reading_route import Surroundings
from engine.plan.settings import (
    CommandProbe,
    Dataset,
    ExistsProbe,
    JsonProbe,
    Manifest,
    MinObjectsProbe,
    NpyProbe,
    Probe,
    References,
)

_KINDS = {
    "npy": ("shape", "dtype"),
    "json": ("items",),
    "exists": (),
    "min_objects": ("under",),
    "command": ("args", "at", "timeout"),
}
"""Each kind of probe and the keys that go with it."""

_DTYPE = re.compile(
    r"[<>|=]?[biufcSUVO?]\d*\Z|bool\Z|(?:u?int(?:8|16|32|64)|float(?:16|32|64|128)|complex(?:64|128))\Z"
)
_LOCAL = ("./", "../", "~/", "file:///")
_SEGMENT = re.compile(r"[^.]+(?:\.[^.]+)*\Z")


def read_probes(around: Surroundings, tables: Sequence[dict[str, Any]], base: Location) -> tuple[Probe, ...]:
    """The `[[probes]]`; those that cannot be read are left out and reported."""
    found = (_probe(around, data, ("probes", index), base) for index, data in enumerate(tables))
    return tuple(probe for probe in found if probe is not None)


def _probe(around: Surroundings, data: dict[str, Any], path: Path, base: Location) -> Probe | None:
    problems = around.problems
    table = problems.read(schema.ProbeTable, data, path)
    assert table is not None
    kinds = [kind for kind in _KINDS if kind in data]
    if len(kinds) != 1:
        said = f"it has {' and '.join(kinds)}" if kinds else "it has none of them"
        problems.add(path, f"a probe is one of {', '.join(_KINDS)}, and {said}")
        return None
    kind = kinds[0]
    for other, owner in ((key, owner) for owner, keys in _KINDS.items() for key in keys):
        if other in data and owner != kind:
            problems.add((*path, other), f"goes with {owner}, not with {kind}")
    subject = table.npy or table.json_ or table.exists or table.under or table.at
    at = around.location(subject, (*path, "under" if table.under else "at" if table.at else kind)) if subject else base
    if kind in ("npy", "json") and at is not None and at.is_prefix:
        problems.add((*path, kind), f'"{subject}" is a prefix: name one object')
    if table.dtype and not _DTYPE.match(table.dtype):
        problems.add((*path, "dtype"), f'"{table.dtype}" is not a type of NumPy: write "float32" or "<f4"')
    name = table.name or f"{kind} {table.command or subject or base}"
    given = {
        "npy": table.npy,
        "json": table.json_,
        "exists": table.exists,
        "min_objects": table.min_objects,
        "command": table.command,
    }
    if at is None or given[kind] is None:
        return None
    if kind == "npy":
        return NpyProbe(name, at, tuple(table.shape) if table.shape is not None else None, table.dtype or "")
    if kind == "json":
        return JsonProbe(name, at, table.items)
    if kind == "exists":
        return ExistsProbe(name, at)
    if kind == "min_objects":
        if not at.is_prefix:
            problems.add((*path, "under"), f'"{subject or base}" is one exact key: end it with a slash')
        return MinObjectsProbe(name, at, table.min_objects or 1)
    return CommandProbe(
        name, table.command or "", tuple(table.args or ()), at, 600 if table.timeout is None else table.timeout
    )


def read_manifest(around: Surroundings, data: dict[str, Any] | None, routes: Sequence[str]) -> Manifest | None:
    """The `[manifest]`, if there is one that can be read."""
    if data is None:
        return None
    problems = around.problems
    table = problems.read(schema.ManifestTable, data, ("manifest",))
    if table is None:
        return None
    location = around.location(table.object, ("manifest", "object"))
    if location is not None and location.is_prefix:
        problems.add(("manifest", "object"), f'"{table.object}" is a prefix: name the one JSON object')
    values = _leaves(around, table.set_, ("manifest", "set"))
    datasets = []
    for index, item in enumerate(table.datasets):
        path: Path = ("manifest", "datasets", index)
        dataset = problems.read(schema.DatasetTable, item, path)
        if dataset is None:
            continue
        _check_dotted(around, dataset.at, (*path, "at"))
        if dataset.route not in routes:
            problems.add((*path, "route"), f'there is no route "{dataset.route}"{nearest(dataset.route, routes)}')
        datasets.append(Dataset(dataset.at, dataset.route, dataset.description, dataset.size_in or ""))
    return Manifest(location, tuple(values), tuple(datasets)) if location is not None else None


def _leaves(around: Surroundings, table: dict[str, Any], path: Path, above: str = "") -> list[tuple[str, Any]]:
    """(dotted path, value) of everything to set. A table is gone into: `project.version = …` sets that one place, and
    leaves what else is in "project" alone."""
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        at, name = (*path, key), f"{above}{key}"
        _check_dotted(around, key, at)
        if isinstance(value, dict) and value:
            found += _leaves(around, value, at, f"{name}.")
        else:
            found.append((name, _json_value(around, value, at)))
    return found


def _check_dotted(around: Surroundings, text: str, path: Path) -> None:
    if not _SEGMENT.match(text):
        around.problems.add(
            path, f'"{text}" is not a place in a JSON file: write names with dots between, "project.version"'
        )


def _json_value(around: Surroundings, value: Any, path: Path) -> Any:
    """A TOML value as JSON has it: dates and times become text."""
    try:
        return json.loads(json.dumps(value, default=_as_text, allow_nan=False))
    except ValueError:
        around.problems.add(path, "JSON has no infinity and no NaN")
        return None


def _as_text(value: object) -> str:
    if isinstance(value, (date, time)):
        return value.isoformat()
    raise TypeError(f"TOML has no {type(value).__name__}")


def read_references(around: Surroundings, data: dict[str, Any]) -> References:
    """The `[references]`: S3 locations and local folders, told apart by how they begin."""
    table = around.problems.read(schema.ReferencesTable, data, ("references",))
    assert table is not None
    locations, folders = [], []
    for index, text in enumerate(table.scan):
        if text.startswith(_LOCAL) or text in (".", ".."):
            folders.append(text)
        elif (location := around.location(text, ("references", "scan", index))) is not None:
            locations.append(location)
    return References(tuple(locations), tuple(folders), tuple(table.exclude))
