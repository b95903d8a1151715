"""Places in a file of values (JSON, YAML, TOML), as dotted paths: what stands there, and what would. Pure."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any


class NoPlace(ValueError):
    """A path leads through something that has no members, or to a value that cannot be changed by itself."""


def value_in(value: Any, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    for segment in path.split("."):
        value = _child(value, segment)
    return value


def with_value(value: Any, path: str, new: Any) -> Any:
    """The whole with `new` at a dotted path; missing tables on the way are made. Raises `NoPlace`."""
    return _with(value, path.split("."), 0, new)


def _with(value: Any, segments: Sequence[str], at: int, new: Any) -> Any:
    if at == len(segments):
        return new
    segment = segments[at]
    changed = copy.copy(value)
    if isinstance(changed, dict):
        below = changed.get(segment, {})
        changed[segment] = _with(below, segments, at + 1, new)
    elif isinstance(changed, list) and segment.isdecimal() and int(segment) < len(changed):
        changed[int(segment)] = _with(changed[int(segment)], segments, at + 1, new)
    else:
        through = ".".join(segments[:at]) or "the whole"
        what = "a list without that place" if isinstance(changed, list) else "neither an object nor a list"
        raise NoPlace(f'"{".".join(segments)}" leads through {through}, which is {what}')
    return changed


def same(one: Any, other: Any) -> bool:
    """Whether two values are one: 13 is 13.0, true is not 1, and not-a-number is itself."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) or bool(one != one and other != other)


def _child(value: Any, segment: str) -> Any:
    if isinstance(value, dict):
        return value.get(segment)
    if isinstance(value, list) and segment.isdecimal() and int(segment) < len(value):
        return value[int(segment)]
    return None
