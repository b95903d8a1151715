"""What a plan says beside its routes, as the plan of the way back has it: probes, manifest, references. Pure.

What lies under a route's target is where that route's source was once everything is back; what lies elsewhere stays
there. What is about more than one way back cannot be turned, and stands as a comment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from os import path as paths
from pathlib import PurePath
from typing import Any, NamedTuple

from engine.model import FILE_SITE, Location
from engine.plan.document import Plan
from engine.plan.locations import covers, flat
from engine.plan.route import Route
from engine.plan.settings import (
    CommandProbe,
    CsvProbe,
    ExistsProbe,
    ImageProbe,
    JsonProbe,
    ManifestProbe,
    MinObjectsProbe,
    NpyProbe,
    ParquetProbe,
    Probe,
    UsearchProbe,
)
from engine.plan.starter import quoted

_OF_ONE_OBJECT = {
    NpyProbe: "npy",
    JsonProbe: "json",
    UsearchProbe: "usearch",
    ParquetProbe: "parquet",
    CsvProbe: "csv",
    ImageProbe: "image",
    ManifestProbe: "manifest",
    ExistsProbe: "exists",
}
_NOT_WRITTEN = {"name", "at", "base", "sample", "seed"}


class Turning(NamedTuple):
    """`plan` is the one that is turned round, `routes` those of its routes that lead back. `here` is the working folder
    where the way back will lie in another folder than the plan, so that local paths are written in full."""

    plan: Plan
    routes: Sequence[Route]
    here: PurePath | None = None

    def lines(self) -> list[str]:
        """The tables, each with an empty line before it."""
        return [*self._probes(), *self._manifest(), *self._references()]

    def base(self) -> list[str]:
        """What manifests write their paths below, as far as a plan can say it."""
        base = self.plan.base
        if base.is_local or base.key.startswith("/") or not base.is_prefix:
            return []
        return [f"bucket = {quoted(base.bucket)}", *([f"prefix = {quoted(base.key)}"] if base.key else [])]

    def _turned(self, at: Location) -> Location | None:
        """Where it is once everything is back; None for what several routes lead out of."""
        for route in self.plan.routes:
            if covers(route.target, at):
                below = flat(at).key[len(flat(route.target).key) :]
                return route.source.at(route.source.key + below)
        return None if any(covers(at, route.target) for route in self.plan.routes) else at

    @property
    def _site(self) -> str | None:
        """The site of what tables name in S3 unless they say another; None where each has to say it."""
        found = {route.source.site for route in self.routes} - {FILE_SITE}
        return next(iter(found), "") if len(found) <= 1 else None

    # --- probes -------------------------------------------------------------------------------------------

    def _probes(self) -> Iterator[str]:
        found = [(probe, *self._place_of(probe)) for probe in self.plan.probes]
        agreeing = Counter(probe.agrees for probe, at, turned in found if turned or not at)
        for probe, at, turned in found:
            if agreeing[probe.agrees] == 1:
                probe = replace(probe, agrees="")  # with one that is left out
            lines = ["[[probes]]", *(_line(key, value) for key, value in _said(probe, turned or at))]
            lines += self._at_site([turned] if turned is not None else [])
            if at is not None and turned is None:
                lines = commented([f"Left out: not all of {at} is one route's.", *lines])
            yield from ("", *lines)

    def _place_of(self, probe: Probe) -> tuple[Location | None, Location | None]:
        """What a probe is about, and where that is once everything is back; nothing for a command that was told no
        place of its own."""
        at = probe.under if isinstance(probe, MinObjectsProbe) else probe.at
        if at is None or (isinstance(probe, CommandProbe) and at == self.plan.base):
            return None, None
        return at, self._turned(at)

    def _at_site(self, places: Iterable[Location]) -> list[str]:
        """The line that says where a table's places in S3 are, where that has to be said."""
        site = next((place.site for place in places if not place.is_local), self._site)
        return [] if site is None or site == self._site else [_line("site", site)]

    # --- what tells of the data ---------------------------------------------------------------------------

    def _manifest(self) -> list[str]:
        manifest = self.plan.manifest
        back = {route.name for route in self.routes}
        datasets = [item for item in manifest.datasets if item.route in back] if manifest is not None else []
        if manifest is None or not datasets:
            return []
        places = [self._turned(at) or at for at in manifest.places]
        lines, kept = ["[manifest]"], _at_one_site(places, self._site)
        if manifest.object is not None and places[0] in kept:
            lines.append(_line("object", address(places[0])))
        tables = [address(at) for at in places[manifest.object is not None :] if at in kept]
        lines += [_line("tables", tables)] if tables else []
        if len(lines) == 1:
            return []
        lines += self._at_site(kept)
        if manifest.set:
            lines += commented(
                [f"Set on the way there, and left as it is: {', '.join(name for name, _ in manifest.set)}."]
            )
        lines.append("datasets = [")
        for item in datasets:
            said = {"at": item.at, "route": item.route, "description": item.description, "size_in": item.size_in}
            lines.append(f"  {{ {', '.join(_line(key, value) for key, value in said.items() if value)} }},")
        lines.append("]")
        left = [f"Left out, since it is at another site: {at}" for at in places if at not in kept]
        return ["", *lines, *commented(left)]

    def _references(self) -> list[str]:
        found = self.plan.references
        places = list(dict.fromkeys(place for at in found.locations for place in self._looked_through(at)))
        kept = _at_one_site(places, self._site, local=True)
        scan = [*map(address, kept), *map(self._folder, found.folders)]
        if not scan:
            return []
        lines = ["", "[references]", _line("scan", scan)]
        lines += [_line("exclude", found.exclude)] if found.exclude else []
        left = [f"Left out, since it is at another site: {at}" for at in places if at not in kept]
        return [*lines, *self._at_site(kept), *commented(left)]

    def _looked_through(self, at: Location) -> list[Location]:
        """A place that was looked through, as it is once everything is back: with what leads out of it."""
        turned = self._turned(at)
        if turned is not None:
            return [turned]
        return [at, *(route.source for route in self.plan.routes if covers(at, route.target))]

    def _folder(self, text: str) -> str:
        if self.here is None or text.startswith(("~", "file://")):
            return text
        written = paths.normpath(self.here / self.plan.local_path(text))
        return f"file://{written}{'/' * text.endswith('/')}"


def _at_one_site(places: Sequence[Location], usual: str | None, *, local: bool = False) -> list[Location]:
    """Those that one table can name: it says one site, and beside that no local file, unless it may (`local`)."""
    site = next((at.site for at in places if not at.is_local), usual)
    return [at for at in places if (at.is_local and (local or site == usual)) or at.site == site]


def _said(probe: Probe, at: Location | None) -> list[tuple[str, Any]]:
    """What a probe's table says, of the place that is given."""
    where = address(at) if at is not None else ""
    found: dict[str, Any] = {}
    if isinstance(probe, CommandProbe):
        kind = "command"
        found = {kind: probe.command, "args": probe.args, "timeout": f"{probe.timeout_s:g}s"}
        found |= {"at": where} if where else {}
    elif isinstance(probe, MinObjectsProbe):
        kind = "min_objects"
        found = {kind: probe.objects, "under": where}
    else:
        kind = _OF_ONE_OBJECT[type(probe)]
        found = {kind: where}
        if isinstance(probe, ImageProbe) and probe.at.is_prefix:
            kind = "images"
            found = {kind: {"under": where, "sample": probe.sample, "seed": probe.seed}}
        more = [item for item in fields(probe) if item.name not in _NOT_WRITTEN]
        found |= {item.name: value for item in more if (value := getattr(probe, item.name)) != item.default}
    named = {} if probe.name.startswith(f"{kind} ") else {"name": probe.name}  # else after the place where it was
    return list({**named, **found, **({"agrees": probe.agrees} if probe.agrees else {})}.items())


def _line(key: str, value: Any) -> str:
    return f"{key} = {_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return f"{{ {', '.join(_line(*item) for item in value.items())} }}"
    return f"[{', '.join(map(_written, value))}]" if isinstance(value, list | tuple) else str(value)


def address(location: Location) -> str:
    """A location as a plan writes it in full."""
    return f"file://{location}" if location.is_local else f"s3://{location.bucket}/{location.key}"


def commented(lines: Iterable[str]) -> list[str]:
    """Lines as comments, whatever characters other people's names in them have."""
    return [f"# {one_line(line)}" for line in lines]


def one_line(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
