"""JSON text changed in one place: what is not changed keeps its every character, order, indentation and spelling. Pure.

A missing member is put at the end of its object, spelled like its neighbours; missing objects on the way are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from engine.plan.manifest_text import NotParsed
from engine.references.filetext import Edit, edited, newline_of

_SPACE = re.compile(r"[ \t\n\r]*")


def _refuse(constant: str) -> NoReturn:
    raise NotParsed(f"{constant!r} is no value of JSON")  # NaN and Infinity, which Python reads and JSON has not


_DECODER = json.JSONDecoder(parse_constant=_refuse)


@dataclass(slots=True)
class Node:
    """An object or an array, and where it stands. `members` are where its values do, by name or number (the last of
    equal names counts, as everywhere); `first_key` and `last_key` are where the first name and the last begin, `last`
    is where the last value ends, `colon` what parts it from its name."""

    start: int
    end: int = 0
    members: dict[str, tuple[int, int]] = field(default_factory=dict)
    first_key: int = -1
    last_key: int = -1
    last: int = -1
    colon: str = ": "


def with_set(text: str, segments: Sequence[str], value: Any) -> str:
    """The text with a value set; it is known to be JSON, and the `segments` of the path to lead somewhere. Raises
    `NotParsed` for what Python reads and JSON has not."""
    start, end = _skip(text, 0), len(text.rstrip())
    for at, segment in enumerate(segments):
        node = _node(text, start)
        name = segment if text[start] == "{" else str(int(segment))
        if name not in node.members:
            for missing in reversed(segments[at + 1 :]):
                value = {missing: value}
            return edited(text, [_insertion(text, node, segment, value)])
        start, end = node.members[name]
    return edited(text, [Edit(start, end, _spelled(text, value, _indent_at(text, start), _unit(text)))])


def _insertion(text: str, node: Node, key: str, value: Any) -> Edit:
    """A new last member, spelled like those before it."""
    name = json.dumps(key, ensure_ascii=text.isascii())
    newline = newline_of(text)
    if node.members:
        lead = re.search(r"[ \t\n\r]*\Z", text[: node.last_key])
        before = lead.group() if lead else ""
        if node.last_key == node.first_key and "\n" not in before:
            before = before or " "
        if "\n" in before:
            indent = before[before.rfind("\n") + 1 :]
            new = _spelled(text, value, indent, _unit(text))
        else:
            new = json.dumps(value, ensure_ascii=text.isascii())
        return Edit(node.last, node.last, f",{before}{name}{node.colon}{new}")
    unit = _unit(text)
    if not unit or "\n" not in text.strip():
        return Edit(node.start, node.end, f"{{{name}: {json.dumps(value, ensure_ascii=text.isascii())}}}")
    outer = _indent_at(text, node.start)
    new = _spelled(text, value, outer + unit, unit)
    return Edit(node.start, node.end, f"{{{newline}{outer}{unit}{name}: {new}{newline}{outer}}}")


def _spelled(text: str, value: Any, indent: str, unit: str) -> str:
    """A value as the text would write it where lines begin with `indent`."""
    ascii_only = text.isascii()
    if not unit or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=ascii_only)
    newline = newline_of(text)
    lines = json.dumps(value, ensure_ascii=ascii_only, indent=unit).split("\n")
    return (newline + indent).join(lines)


def _indent_at(text: str, at: int) -> str:
    line = text.rfind("\n", 0, at) + 1
    found = re.compile(r"[ \t]*").match(text, line)
    return found.group() if found else ""


def _unit(text: str) -> str:
    """One level of indentation: that of the first indented line; empty where the text has none."""
    found = re.search(r"\n([ \t]+)\S", text)
    return found.group(1) if found else ""


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _node(text: str, start: int) -> Node:
    """The object or array that begins at `start` of a text that is known to be JSON."""
    node = Node(start)
    at = _skip(text, start + 1)
    while text[at] not in "]}":
        name = str(len(node.members))
        if text[start] == "{":
            node.first_key = at if node.first_key < 0 else node.first_key
            node.last_key = at
            name, end = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, end) + 1)
            node.colon = text[end:at] if "\n" not in text[end:at] else ": "
        _, node.last = _DECODER.raw_decode(text, at)
        node.members[name] = at, node.last
        at = _skip(text, node.last)
        if text[at] == ",":
            at = _skip(text, at + 1)
    node.end = at + 1
    return node
