"""Everything that is wrong with a plan, collected, so that all of it is said at once. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engine.plan.likeness import nearest
from engine.plan.lines import Path
from engine.plan.tables import Refused, Shape, fields_of, value_of

_TABLE_LISTS = frozenset({"routes", "expect", "probes"})
_TWO_BRACKETS = "there can be several: write [[{}]], with two brackets"


class Problem(NamedTuple):
    """One refusal: the line (0: none known), where in the plan, and what is wrong."""

    line: int
    where: str
    text: str

    def __str__(self) -> str:
        places = [f"line {self.line}"] if self.line else []
        places += [self.where] if self.where else []
        return f"{', '.join(places)}: {self.text}" if places else self.text


class Problems:
    """Collects problems by the path of what they are about; `lines` says where that stands."""

    def __init__(self, lines: Mapping[Path, int], data: Mapping[str, Any]) -> None:
        self._lines = lines
        self._data = data
        self._found: list[Problem] = []

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, text: str) -> None:
        """Report `text` about what stands at `path`; a key at its end is named before the text."""
        where, rest = self._where(path)
        named = ".".join(str(part) for part in rest if not isinstance(part, int))
        self._found.append(Problem(self.line_of(path), where, f"{named}: {text}" if named else text))

    def line_of(self, path: Path) -> int:
        """The line of what stands at `path`, or of the nearest thing around it; 0 without lines."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 0

    def texts(self) -> list[str]:
        """All of them by line, each once."""
        return list(dict.fromkeys(str(problem) for problem in sorted(self._found, key=lambda found: found.line)))

    def _where(self, path: Path) -> tuple[str, Path]:
        """The place in the plan's own words, and what of the path is left to name."""
        if len(path) >= 2 and isinstance(path[1], int):
            if path[0] == "routes":
                return f"route {self._route_label(path[1])}", path[2:]
            return f"[[{path[0]}]]", path[2:]
        if path and isinstance(self._data.get(str(path[0])), dict):
            if path[0] == "sites" and len(path) > 1:
                return f"[sites.{path[1]}]", path[2:]
            return f"[{path[0]}]", path[1:]
        return "", path

    def _route_label(self, index: int) -> str:
        routes = self._data.get("routes")
        name = routes[index].get("name") if isinstance(routes, list) and isinstance(routes[index], dict) else None
        return f'"{name}"' if isinstance(name, str) and name else f"number {index + 1}"

    # --- reading a table --------------------------------------------------------------------------------------

    def read(self, shape: type[Shape], data: Mapping[str, Any], path: Path) -> Shape | None:
        """`data` as a `shape`, without the values that are refused, so that the rest can be judged too.

        None where something is missing that nothing can be said without."""
        fields = fields_of(shape)
        kept: dict[str, Any] = {}
        for key, value in data.items():
            field = fields.get(key)
            if field is None:
                self._add_unknown(key, fields, path)
                continue
            try:
                kept[field.name] = value_of(field.type, value)
            except Refused as refused:
                for place, text in refused.reasons:
                    is_list_of_tables = not path and not place and key in _TABLE_LISTS
                    self.add((*path, key, *place), _TWO_BRACKETS.format(key) if is_list_of_tables else text)
        for key, field in fields.items():
            if field.required and key not in data:
                where = self._where((*path, key))[0]
                self._found.append(Problem(self.line_of(path), where, f'"{key}" is missing'))
        if any(field.required and field.name not in kept for field in fields.values()):
            return None
        return shape(**kept)

    def _add_unknown(self, key: str, known: Iterable[str], path: Path) -> None:
        at: Path = (*path, key)
        rest = self._where(path)[1]
        inside = f" in {rest[-1]}" if rest and isinstance(rest[-1], str) else ""
        text = f'unknown key "{key}"{inside}{nearest(key, known)}'
        self._found.append(Problem(self.line_of(at), self._where(at)[0], text))
