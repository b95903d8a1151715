"""JSON text changed in places: what is not changed keeps its every character, order, indentation and spelling. Pure.

`set_values` takes places as dotted paths. A value that is there already is not written again, however it is spelled;
a missing member is put at the end of its object, spelled like its neighbours; missing objects on the way are made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.plan.manifest_text import NotParsed
from engine.references.filetext import Edit, edited
from engine.references.places import leads_nowhere, same

DEEPEST = 200
"""Levels of nesting that are read; JSON that people write has ten."""

_SPACE = re.compile(r"[ \t\n\r]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null")


class NotJson(NotParsed):
    """The text is not JSON; says at which line and column."""


@dataclass(slots=True)
class Node:
    """A value and where it stands. `members` of an object by key (the last of equal ones counts, as everywhere),
    `items` of an array; `last` is where the last member ends, `first_key` where the first begins."""

    start: int
    end: int = 0
    kind: str = "scalar"
    members: dict[str, Node] = field(default_factory=dict)
    items: list[Node] = field(default_factory=list)
    first: int = -1
    last: int = -1
    last_key: int = -1
    colon: str = ": "


def parse(text: str) -> Node:
    """The spans of a JSON text. Raises `NotJson`."""
    try:
        json.loads(text)
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except ValueError as error:
        raise NotJson(str(error)) from None
    node, _ = _value(text, _skip(text, 0), 0)
    return node


def value_at(text: str, path: str) -> Any:
    """What stands at a dotted path; None where there is nothing."""
    node = _find(parse(text), path.split("."))
    return None if node is None else json.loads(text[node.start : node.end])


def set_values(text: str, values: Iterable[tuple[str, Any]]) -> str:
    """The text with every (dotted path, value) set, one after the other. Raises `NotJson` or `NoPlace`."""
    for path, value in values:
        edit = _edit_of(text, parse(text), path, value)
        if edit is not None:
            text = edited(text, [edit])
    return text


def _edit_of(text: str, node: Node, path: str, value: Any) -> Edit | None:
    segments = path.split(".")
    for at, segment in enumerate(segments):
        child = _child(node, segment)
        if child is None:
            if node.kind != "object":
                raise leads_nowhere(path, segments[:at], is_list=node.kind == "array")
            for missing in reversed(segments[at + 1 :]):
                value = {missing: value}
            return _insertion(text, node, segment, value)
        node = child
    if same(json.loads(text[node.start : node.end]), value):
        return None
    return Edit(node.start, node.end, _spelled(text, value, _indent_at(text, node.start), _unit(text)))


def _child(node: Node, segment: str) -> Node | None:
    if node.kind == "object":
        return node.members.get(segment)
    if node.kind == "array" and segment.isdecimal() and int(segment) < len(node.items):
        return node.items[int(segment)]
    return None


def _find(node: Node | None, segments: list[str]) -> Node | None:
    for segment in segments:
        node = _child(node, segment) if node is not None else None
    return node


def _insertion(text: str, node: Node, key: str, value: Any) -> Edit:
    """A new last member, spelled like those before it."""
    name = json.dumps(key, ensure_ascii=text.isascii())
    newline = "\r\n" if "\r\n" in text else "\n"
    if node.members:
        lead = re.search(r"[ \t\n\r]*\Z", text[: node.last_key])
        before = lead.group() if lead else ""
        if node.last_key == node.first and "\n" not in before:
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
    newline = "\r\n" if "\r\n" in text else "\n"
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


def _value(text: str, at: int, depth: int) -> tuple[Node, int]:
    """The value at `at` of a text that is known to be JSON, and where it ends."""
    if depth > DEEPEST:
        raise NotJson(f"it is nested more than {DEEPEST} levels deep")
    node = Node(at)
    if text[at] == "{":
        node.kind = "object"
        end = _members(text, node, depth)
    elif text[at] == "[":
        node.kind = "array"
        end = _items(text, node, depth)
    else:
        found = (_STRING if text[at] == '"' else _SCALAR).match(text, at)
        if found is None:  # NaN and Infinity, which Python reads and JSON has not
            raise NotJson(f"{text[at : at + 9]!r} is no value of JSON")
        end = found.end()
    node.end = end
    return node, end


def _members(text: str, node: Node, depth: int) -> int:
    at = _skip(text, node.start + 1)
    while text[at] != "}":
        found = _STRING.match(text, at)
        if found is None:
            raise NotJson("a name is not a text")
        node.first = at if node.first < 0 else node.first
        node.last_key = at
        colon = _skip(text, found.end())
        start = _skip(text, colon + 1)
        node.colon = text[found.end() : start] if "\n" not in text[found.end() : start] else ": "
        child, node.last = _value(text, start, depth + 1)
        node.members[json.loads(found.group())] = child
        at = _skip(text, node.last)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1


def _items(text: str, node: Node, depth: int) -> int:
    at = _skip(text, node.start + 1)
    while text[at] != "]":
        child, end = _value(text, at, depth + 1)
        node.items.append(child)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return at + 1
