"""Reads a table of the plan file by its shape: msgspec judges the values, and what it refuses is said in the plan's own
words. Everything that is wrong with a plan is collected, so that all of it is said at once. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from operator import itemgetter
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta
from msgspec.structs import FieldInfo

from engine.plan.likeness import nearest
from engine.plan.lines import Path
from engine.plan.selection import problem_of_pattern
from engine.plan.sizes import parse_duration, parse_moment, parse_size

_TABLE_LISTS = frozenset({"routes", "expect", "probes"})
_TWO_BRACKETS = "there can be several: write [[{}]], with two brackets"


class Table(msgspec.Struct, frozen=True):
    """A table of the file. `Problems.read` makes it: of no key but those named here, and turns no value into another
    type."""


Shape = TypeVar("Shape", bound=Table)


class Refused(ValueError):
    """A value that its field does not allow: each reason, and where inside the value."""

    def __init__(self, *reasons: tuple[Path, str]) -> None:
        super().__init__("; ".join(text for _, text in reasons))
        self.reasons = reasons


class Problems:
    """Collects problems by the path of what they are about; `lines` says where that stands."""

    def __init__(self, lines: Mapping[Path, int], data: Mapping[str, Any]) -> None:
        self._lines = lines
        self._data = data
        self._found: list[tuple[int, str]] = []  # each with its line

    def __len__(self) -> int:
        return len(self._found)

    def add(self, path: Path, text: str) -> None:
        """Report `text` about what stands at `path`; a key at its end is named before the text."""
        named = ".".join(str(part) for part in self._where(path)[1] if not isinstance(part, int))
        self._say(path, f"{named}: {text}" if named else text)

    def line_of(self, path: Path) -> int:
        """The line of what stands at `path`, or of the nearest thing around it; 0 without lines."""
        while path:
            if path in self._lines:
                return self._lines[path]
            path = path[:-1]
        return 0

    def texts(self) -> list[str]:
        """All of them by line, each once."""
        return list(dict.fromkeys(text for _, text in sorted(self._found, key=itemgetter(0))))

    def _say(self, path: Path, text: str) -> None:
        line, (where, _) = self.line_of(path), self._where(path)
        places = ", ".join(place for place in (f"line {line}" if line else "", where) if place)
        self._found.append((line, f"{places}: {text}" if places else text))

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
                self._say((*path, key), f'"{key}" is missing')
        if any(field.required and field.name not in kept for field in fields.values()):
            return None
        return shape(**kept)

    def _add_unknown(self, key: str, known: Iterable[str], path: Path) -> None:
        rest = self._where(path)[1]
        inside = f" in {rest[-1]}" if rest and isinstance(rest[-1], str) else ""
        self._say((*path, key), f'unknown key "{key}"{inside}{nearest(key, known)}')


# --- values -------------------------------------------------------------------------------------------------


def read_by(read: Callable[[object], Any]) -> Meta:
    """For a field's annotation: its value is what `read` makes of it, which raises `ValueError` or `Refused`."""
    return Meta(extra={"read": read})


@cache
def fields_of(table: type[Table]) -> Mapping[str, FieldInfo]:
    """The fields of a table by the keys that they have in the file. Kept: a plan may have many routes, and annotations
    are slow to look up."""
    return {item.encode_name: item for item in msgspec.structs.fields(table)}


def value_of(kind: Any, value: object) -> Any:
    """`value` as a field of type `kind` holds it. Raises `Refused`."""
    if (read := _reader_of(kind)) is not None:
        try:
            value = read(value)
        except Refused:
            raise
        except ValueError as error:
            raise Refused(((), str(error))) from None
    if (words := _words_of(kind)) and value not in words:
        *others, last = [f'"{word}"' for word in words]
        raise Refused(((), f"must be {', '.join(others)} or {last}"))
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        found = tuple(_reasons(msgspec.inspect.type_info(kind), value))
        raise Refused(*found or (((), str(error).lower()),)) from None


def _reader_of(kind: Any) -> Callable[[object], Any] | None:
    for part in (kind, *get_args(kind)):  # the type itself, or one of a union
        if get_origin(part) is Annotated:
            for meta in part.__metadata__:
                if isinstance(meta, Meta) and meta.extra:
                    read: Callable[[object], Any] = meta.extra["read"]
                    return read
    return None


def _words_of(kind: Any) -> tuple[object, ...]:
    """The words that a field may hold, in the order in which they are written; empty where it is not so."""
    return next((get_args(part) for part in (kind, *get_args(kind)) if get_origin(part) is Literal), ())


def _reasons(kind: msgspec.inspect.Type, value: object) -> Iterator[tuple[Path, str]]:
    """Why `value` is not of this kind, in the words of someone who writes a plan."""
    match kind:
        case msgspec.inspect.Metadata():
            yield from _reasons(kind.type, value)
        case msgspec.inspect.UnionType():  # with None, for what need not be given
            yield from _reasons(next(item for item in kind.types if item != msgspec.inspect.NoneType()), value)
        case msgspec.inspect.StrType():
            if not isinstance(value, str):
                yield (), "must be text"
            elif len(value) < (kind.min_length or 0):
                yield (), "must not be empty"
        case msgspec.inspect.IntType():
            if isinstance(value, bool) or not isinstance(value, int):
                yield (), "must be a whole number"
            elif kind.ge is not None and value < kind.ge:
                yield (), f"must not be below {kind.ge}"
        case msgspec.inspect.BoolType():
            if not isinstance(value, bool):
                yield (), "must be true or false"
        case msgspec.inspect.ListType():
            if not isinstance(value, list):
                yield (), "must be a list"
            else:
                yield from _inside(kind.item_type, enumerate(value))
        case msgspec.inspect.DictType():
            if not isinstance(value, dict):
                yield (), "must be a table"
            else:
                yield from _inside(kind.value_type, value.items())


def _inside(kind: msgspec.inspect.Type, items: Any) -> Iterator[tuple[Path, str]]:
    for key, value in items:
        for place, text in _reasons(kind, value):
            yield (key, *place), text


# --- what single values may be ------------------------------------------------------------------------------


def _text_or_whole(parse: Callable[[Any], Any], what: str) -> Callable[[object], Any]:
    def read(value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError(f"must be {what}")
        return parse(value)

    return read


def _moment(value: object) -> str:
    if not isinstance(value, (str, date)):
        raise ValueError("must be a date such as 2026-01-31")
    return parse_moment(value)


def _patterns(value: object) -> object:
    if isinstance(value, list) and (
        reasons := [((at,), text) for at, item in enumerate(value) if (text := _why(item))]
    ):
        raise Refused(*reasons)
    return value


def _why(pattern: object) -> str:
    if not isinstance(pattern, str):
        return "must be text"
    problem = problem_of_pattern(pattern)
    return f'the pattern "{pattern}" {problem}' if problem else ""


def _word_or_table(value: object) -> object:
    if isinstance(value, dict) or value in ("preserve", "set", "drop", "fail"):
        return value
    raise ValueError('must be "preserve", "drop", "fail", or a table of what to set')


def _payer(value: object) -> object:
    if isinstance(value, bool):
        return "requester" if value else ""
    if value in ("", "requester"):
        return value
    raise ValueError('must be true, false or "requester"')


SizeBytes = Annotated[int, read_by(_text_or_whole(parse_size, 'a size such as "734 MB"'))]
Seconds = Annotated[int, read_by(_text_or_whole(parse_duration, 'a duration such as "24h"'))]
Moment = Annotated[str, read_by(_moment)]
Patterns = Annotated[list[str], read_by(_patterns)]
ToleranceText = Annotated[str | int, read_by(_text_or_whole(lambda said: said, 'text such as "1 %" or "50 MB"'))]
KeepOrTable = Annotated[Any, read_by(_word_or_table)]
Payer = Annotated[str, read_by(_payer)]
Count = Annotated[int, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
