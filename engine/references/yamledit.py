"""YAML text changed in one place: what is not changed keeps its every character. Pure.

ruamel.yaml tells where each value stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from engine.extras import needs
from engine.references.filetext import Edit, edited, newline_of

_PLAIN = re.compile(r"(?:[A-Za-z_]|\.?/)[\w ./:@+~()-]*\Z")
_NOT_PLAIN = re.compile(r":(?: |\Z)| \Z|\A(?:y|n|yes|no|on|off|true|false|null)\Z", re.I)
"""What would be read as something else, by YAML 1.1 too."""
_COLON = re.compile(r"\s*:")


def with_set(text: str, segments: Sequence[str], value: Any) -> str:
    """The text with a value set; the `segments` of its path are known to lead somewhere. Raises `ExtraMissing` without
    ruamel.yaml."""
    with needs("manifest"):
        from ruamel.yaml import YAML as Yaml
    node, key = Yaml(pure=True).compose(text), None
    for at, segment in enumerate(segments):
        members = _members(node)
        if segment not in members:
            for missing in reversed(segments[at + 1 :]):
                value = {missing: value}
            return edited(text, [_insertion(text, node, segment, value)])
        key, node = members[segment]
    return edited(text, [_replacement(text, key, node, value)])


def _members(node: Any) -> dict[str, tuple[Any, Any]]:
    """(key, value) by name; of a list by number, without a key. Of equal keys the last counts."""
    if node is None or not isinstance(node.value, list):
        return {}
    if node.value and isinstance(node.value[0], tuple):
        return {key.value: (key, value) for key, value in node.value}
    return {str(number): (None, item) for number, item in enumerate(node.value)}


def _span(text: str, key: Any, node: Any) -> tuple[int, int]:
    """Where a value stands, without the blank lines that belong to it. One that is left out stands after its colon."""
    start, end = node.start_mark.index, node.end_mark.index
    if start == end and key is not None:
        colon = _COLON.match(text, key.end_mark.index)
        start = end = colon.end() if colon else start
    return start, start + len(text[start:end].rstrip())


def _replacement(text: str, key: Any, node: Any, value: Any) -> Edit:
    start, end = _span(text, key, node)
    if isinstance(value, dict) and value and start == end and key is not None:
        column = key.start_mark.column
        unit = _unit(text)
        return Edit(start, end, "".join(newline_of(text) + line for line in _block(value, column + unit, unit)))
    new = _written(value, getattr(node, "style", None))
    return Edit(start, end, f" {new}" if start == end else new)


def _insertion(text: str, node: Any, name: str, value: Any) -> Edit:
    """A new last member."""
    newline, unit = newline_of(text), _unit(text)
    if node is None or not isinstance(node.value, list):  # nothing but comments
        lead = newline if text and not text.endswith("\n") else ""
        return Edit(len(text), len(text), lead + newline.join(_block({name: value}, 0, unit)) + newline)
    if node.flow_style:
        member = f"{_written(name)}: {_written(value)}"
        if not node.value:
            return Edit(node.start_mark.index, node.end_mark.index, f"{{{member}}}")
        _, end = _span(text, *node.value[-1])
        return Edit(end, end, f", {member}")
    end = _last_end(text, node)
    at = len(text) if (line := text.find("\n", end)) < 0 else line - (text[line - 1] == "\r")
    column = node.value[0][0].start_mark.column
    return Edit(at, at, "".join(newline + line for line in _block({name: value}, column, unit)))


def _last_end(text: str, node: Any) -> int:
    """Where the last value inside a collection ends."""
    key = None
    while isinstance(node.value, list) and node.value and not node.flow_style:
        last = node.value[-1]
        key, node = last if isinstance(last, tuple) else (None, last)
    return _span(text, key, node)[1]


def _block(value: dict[str, Any], column: int, unit: int) -> list[str]:
    """The lines of a table, each member on one of its own."""
    lines: list[str] = []
    for name, item in value.items():
        lead = f"{' ' * column}{_written(str(name))}:"
        if isinstance(item, dict) and item:
            lines += [lead, *_block(item, column + unit, unit)]
        else:
            lines.append(f"{lead} {_written(item)}")
    return lines


def _written(value: Any, style: str | None = None) -> str:
    """A value on one line; text in the quotes that it had, else without where it is read as the same."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_written(str(key))}: {_written(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    if style != '"' and value.isprintable() and _PLAIN.match(value) and not _NOT_PLAIN.search(value):
        return value
    return f'"{"".join(map(_quoted, value))}"'


def _quoted(character: str) -> str:
    if character.isprintable():
        return f"\\{character}" if character in '"\\' else character
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _unit(text: str) -> int:
    """One level of indentation: that of the first indented line that is no item of a list."""
    found = re.search(r"\n( +)[^\s#-]", text)
    return len(found.group(1)) if found else 2
