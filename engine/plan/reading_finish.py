"""The tables about the end of a migration: probes, manifest, references. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from typing import Any, NamedTuple

from engine.model import Location
from engine.plan import schema, settings
from engine.plan.likeness import nearest
from engine.plan.lines import Path
from engine.plan.locations import is_local
from engine.plan.reading_route import Surroundings
from engine.plan.settings import Manifest, Probe, References
from engine.plan.tables import fields_of

_DTYPE = re.compile(
    r"[<>|=]?[biufcSUVO?]\d*\Z|bool\Z|(?:u?int(?:8|16|32|64)|float(?:16|32|64|128)|complex(?:64|128))\Z"
)
_SEGMENT = re.compile(r"[^.]+(?:\.[^.]+)*\Z")


def read_probes(around: Surroundings, tables: Sequence[dict[str, Any]], base: Location) -> tuple[Probe, ...]:
    """The `[[probes]]`; those that cannot be read are left out and reported."""
    read = [_probe(around, data, ("probes", index), base) for index, data in enumerate(tables)]
    found = tuple(probe for probe in read if probe is not None)
    for index, probe in enumerate(read):
        if probe is not None and probe.agrees and sum(item.agrees == probe.agrees for item in found) == 1:
            said = f'no other probe agrees on "{probe.agrees}": one alone has nothing to agree with'
            around.problems.add(("probes", index, "agrees"), said)
    return found


def _probe(around: Surroundings, data: dict[str, Any], path: Path, base: Location) -> Probe | None:
    problems = around.problems
    table = problems.read(schema.ProbeTable, data, path)
    assert table is not None  # nothing in it is required
    kinds = [kind for kind in _KINDS if kind in data]
    if len(kinds) != 1:
        said = f"it has {' and '.join(kinds)}" if kinds else "it has none of them"
        problems.add(path, f"a probe is one of {', '.join(_KINDS)}, and {said}")
        return None
    (kind,) = kinds
    read, own = _KINDS[kind]
    for key in dict.fromkeys(key for _, keys in _KINDS.values() for key in keys):
        if key in data and key not in own:
            owners = ", ".join(owner for owner, (_, keys) in _KINDS.items() if key in keys)
            problems.add((*path, key), f"goes with {owners}, not with {kind}")
    return read(_Asked(around, table, path, base, kind))


class _Asked(NamedTuple):
    """A probe's table, and what its locations are read by. What is refused is reported, and something stands in for it:
    there will be no plan."""

    around: Surroundings
    table: schema.ProbeTable
    path: Path
    base: Location
    kind: str

    def named(self, subject: object) -> str:
        return self.table.name or f"{self.kind} {subject}"

    def report(self, key: str, why: str) -> None:
        self.around.problems.add((*self.path, key), why)

    def place(self, key: str, text: str | None) -> Location | None:
        """The location at `key`; where there is none, the one that all that is relative is under."""
        return self.around.beside(text, (*self.path, key), self.path, self.table.site) if text else self.base

    def said(self) -> dict[str, Any]:
        """What it says of its kind: a probe has it under the same names."""
        values = {key: getattr(self.table, key) for key in _KINDS[self.kind][1]}
        return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items() if v is not None}

    def one_object(self) -> tuple[str, Location]:
        """What a probe of one object is called, and the object."""
        text: str | None = getattr(self.table, fields_of(schema.ProbeTable)[self.kind].name)
        at = self.place(self.kind, text)
        if text and at is not None and at.is_prefix:
            self.report(self.kind, f'"{text}" is a prefix: name one object')
        return self.named(text), at or self.base

    def of_one(self, probe: Callable[..., Probe], **more: Any) -> Probe:
        return probe(*self.one_object(), **self.said() | more)


def _npy(asked: _Asked) -> Probe:
    if (dtype := asked.table.dtype) and not _DTYPE.match(dtype):
        asked.report("dtype", f'"{dtype}" is not a type of NumPy: write "float32" or "<f4"')
    return asked.of_one(settings.NpyProbe)


def _json(asked: _Asked) -> Probe:
    return asked.of_one(settings.JsonProbe)


def _usearch(asked: _Asked) -> Probe:
    dtype, metric = asked.table.dtype, asked.table.metric
    if dtype and dtype not in settings.VECTOR_TYPES:
        asked.report("dtype", f'"{dtype}" is not a type of USearch: write "f16" or "float16"')
    if metric and metric not in settings.METRICS:
        asked.report("metric", f'"{metric}" is not a metric of USearch{nearest(metric, settings.METRICS)}')
    return asked.of_one(settings.UsearchProbe)


def _parquet(asked: _Asked) -> Probe:
    return asked.of_one(settings.ParquetProbe)


def _csv(asked: _Asked) -> Probe:
    table = asked.table
    delimiter = table.delimiter or ("\t" if (table.csv or "").lower().endswith(".tsv") else ",")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        asked.report("delimiter", "must be one character, and neither a quote nor a line end")
    if table.headless and table.header is not None:
        asked.report("headless", "a table without a header has none to compare")
    return asked.of_one(settings.CsvProbe, delimiter=delimiter)


def _image(asked: _Asked) -> Probe:
    _check_pixels(asked)
    return asked.of_one(settings.ImageProbe)


def _images(asked: _Asked) -> Probe | None:
    path = (*asked.path, "images")
    table = asked.around.problems.read(schema.ImagesTable, asked.table.images or {}, path)
    if table is None or (at := asked.place("images", table.under)) is None:
        return None
    if not at.is_prefix:
        asked.around.problems.add((*path, "under"), f'"{table.under}" is one exact key: end it with a slash')
    _check_pixels(asked)
    return settings.ImageProbe(asked.named(table.under), at, sample=table.sample, seed=table.seed, **asked.said())


def _check_pixels(asked: _Asked) -> None:
    if asked.table.pixels is not None and len(asked.table.pixels) != 2:
        asked.report("pixels", "must be width and height, as [640, 480]")


def _manifest(asked: _Asked) -> Probe:
    name, at = asked.one_object()
    if at.is_local:
        asked.report("manifest", f'"{asked.table.manifest}" is a local file: name an object in S3')
    return settings.ManifestProbe(name, at, Location(asked.base.bucket, asked.base.key, at.site))


def _exists(asked: _Asked) -> Probe:
    text = asked.table.exists
    return settings.ExistsProbe(asked.named(text), asked.place("exists", text) or asked.base)


def _min_objects(asked: _Asked) -> Probe | None:
    table = asked.table
    at, subject = asked.place("under", table.under), table.under or asked.base
    if at is None or table.min_objects is None:
        return None
    if not at.is_prefix:
        asked.report("under", f'"{subject}" is one exact key: end it with a slash')
    return settings.MinObjectsProbe(asked.named(subject), at, table.min_objects)


def _command(asked: _Asked) -> Probe:
    table = asked.table
    name, at = asked.named(table.command), asked.place("at", table.at)
    timeout_s = 600 if table.timeout is None else table.timeout
    return settings.CommandProbe(name, table.command or "", tuple(table.args or ()), at, timeout_s)


_KINDS: Mapping[str, tuple[Callable[[_Asked], Probe | None], tuple[str, ...]]] = {
    "npy": (_npy, ("shape", "dtype", "agrees")),
    "json": (_json, ("items", "agrees")),
    "usearch": (_usearch, ("rows", "dims", "metric", "dtype", "search", "agrees")),
    "parquet": (_parquet, ("rows", "columns", "header", "agrees")),
    "csv": (_csv, ("rows", "columns", "header", "headless", "delimiter", "agrees")),
    "image": (_image, ("pixels",)),
    "images": (_images, ("pixels", "rows", "agrees")),
    "manifest": (_manifest, ()),
    "exists": (_exists, ()),
    "min_objects": (_min_objects, ("under",)),
    "command": (_command, ("args", "at", "timeout")),
}
"""How each kind of probe is read (None where too little of it is there), and the keys that go with it."""


def read_manifest(around: Surroundings, data: dict[str, Any] | None, routes: Sequence[str]) -> Manifest | None:
    """The `[manifest]`, if there is one that can be read."""
    if data is None:
        return None
    problems = around.problems
    table = problems.read(schema.ManifestTable, data, ("manifest",))
    if table is None:
        return None
    at = None
    if table.object is not None:
        at = _one_file(around, table.object, ("manifest", "object"), table.site)
    elif table.tables:
        if table.set_:
            problems.add(("manifest", "set"), "goes with object, which is not there")
    else:
        problems.add(("manifest",), "it names nothing to bring up to date: give object, tables or both")
    places = [
        _one_file(around, text, ("manifest", "tables", index), table.site) for index, text in enumerate(table.tables)
    ]
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
        datasets.append(settings.Dataset(dataset.at, dataset.route, dataset.description, dataset.size_in or ""))
    if table.tables and not table.datasets:
        problems.add(("manifest", "tables"), "a table is of datasets, and there are none")
    return Manifest(at, tuple(values), tuple(datasets), tuple(place for place in places if place is not None))


def _one_file(around: Surroundings, text: str, path: Path, site: str | None) -> Location | None:
    at = around.beside(text, path, ("manifest",), site)
    if at is not None and at.is_prefix:
        around.problems.add(path, f'"{text}" is a prefix: name the one object or file')
    return at


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
            path, f'"{text}" is not a place in a manifest: write names with dots between, "project.version"'
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
        if is_local(text) and text != "~":
            folders.append(text)
        elif (location := around.beside(text, ("references", "scan", index), ("references",), table.site)) is not None:
            locations.append(location)
    return References(tuple(locations), tuple(folders), tuple(table.exclude))
