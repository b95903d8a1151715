"""Everything that is wrong with a plan, collected, so that all of it is said at once. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from engine.plan.lines import Path

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound="BaseModel")

_OTHER_WORDS = {
    "source": "from",
    "src": "from",
    "target": "to",
    "destination": "to",
    "dest": "to",
    "dst": "to",
    "endpoint": "endpoint_url",
    "count": "objects",
    "files": "objects",
    "num_files": "objects",
    "bytes": "size",
    "total": "expect",
    "filter": "include",
}
"""Words that other tools have for ours, which no measure of likeness would find."""

_SAID = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must be a table",
}


_TABLE_LISTS = frozenset({"routes", "expect", "probes"})


class Problem(NamedTuple):
    """One refusal: the line (0: none known), where in the plan, and what is wrong."""

    line: int
    where: str
    text: str

    def __str__(self) -> str:
        places = [f"line {self.line}"] if self.line else []
        places += [self.where] if self.where else []
        return f"{', '.join(places)}: {self.text}" if places else self.text


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` for the known word most like `word`, or nothing."""
    names = list(known)
    other = _OTHER_WORDS.get(word.lower())
    if other in names:
        return f'; did you mean "{other}"?'
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


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
            return f"[{path[0]}]", path[1:]
        return "", path

    def _route_label(self, index: int) -> str:
        routes = self._data.get("routes")
        name = routes[index].get("name") if isinstance(routes, list) and isinstance(routes[index], dict) else None
        return f'"{name}"' if isinstance(name, str) and name else f"number {index + 1}"

    # --- reading a table --------------------------------------------------------------------------------------

    def read(self, model: type[Model], data: Mapping[str, Any], path: Path) -> Model | None:
        """`data` as a `model`, without the values that are refused, so that the rest can be judged too.

        None where something is missing that nothing can be said without."""
        from pydantic import ValidationError

        kept = dict(data)
        while True:
            try:
                return model.model_validate(kept)
            except ValidationError as error:
                details = error.errors(include_url=False, include_input=False)
            lacking = False
            for detail in details:
                self._report(model, detail, path)
                lacking = lacking or detail["type"] == "missing"
                kept.pop(str(detail["loc"][0]), None)
            if lacking or any(_is_required(model, str(detail["loc"][0])) for detail in details):
                return None

    def _report(self, model: type[Model], detail: ErrorDetails, path: Path) -> None:
        at: Path = (*path, *detail["loc"])
        kind = detail["type"]
        if kind == "extra_forbidden":
            known = [field.alias or name for name, field in model.model_fields.items()]
            name = str(at[-1])
            where = self._where(path)[1]
            inside = f" in {where[-1]}" if where and isinstance(where[-1], str) else ""
            self._found.append(
                Problem(self.line_of(at), self._where(at)[0], f'unknown key "{name}"{inside}{nearest(name, known)}')
            )
        elif kind == "missing":
            self._found.append(Problem(self.line_of(path), self._where(at)[0], f'"{at[-1]}" is missing'))
        elif kind == "literal_error":
            self.add(at, f"must be {detail['ctx']['expected'].replace(chr(39), chr(34))}")
        elif kind in ("greater_than_equal", "greater_than"):
            self.add(at, "must not be below " + str(detail["ctx"].get("ge", 0)))
        elif kind == "list_type" and not path and at[0] in _TABLE_LISTS:
            self.add(at, f"there can be several: write [[{at[0]}]], with two brackets")
        elif kind == "value_error":
            self.add(at, str(detail["ctx"]["error"]))
        else:
            self.add(at, _SAID.get(kind, detail["msg"].lower()))


def _is_required(model: type[BaseModel], key: str) -> bool:
    return any(field.is_required() and (field.alias or name) == key for name, field in model.model_fields.items())
