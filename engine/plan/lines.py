"""On which line of a TOML text each key stands: `tomllib` keeps no lines, and a refusal has to name one. Pure.

Only for text that `tomllib` has accepted; on such text nothing has to be checked again.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Path = tuple[str | int, ...]
"""Keys and positions from the top: ("routes", 0, "expect", "size")."""

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL)
_PLAIN_VALUE = re.compile(r"[^,\]}\n#]*")


def lines_of(text: str) -> dict[Path, int]:
    """The line (from 1) of every table, key and array element of a valid TOML text."""
    scanner = _Scanner(text)
    scanner.scan()
    return scanner.lines


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._counts: dict[Path, int] = {}
        self.lines: dict[Path, int] = {}

    def scan(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text.startswith("[[", self._at):
                table = self._array_header()
            elif self._text[self._at] == "[":
                start, self._at = self._at, self._at + 1
                table = self._inside_arrays(self._keys())
                self._note(table, start)
                self._at += 1
            else:
                self._pair(table)

    def _array_header(self) -> Path:
        start, self._at = self._at, self._at + 2
        keys = self._keys()
        name = (*self._inside_arrays(keys[:-1]), keys[-1])
        index = self._counts.get(name, 0)
        self._counts[name] = index + 1
        self._note(name, start)
        self._note((*name, index), start)
        self._at += 2
        return (*name, index)

    def _inside_arrays(self, keys: Path) -> Path:
        """Put in the position of the current entry of every array of tables on the way."""
        path: Path = ()
        for key in keys:
            path = (*path, key)
            if path in self._counts:
                path = (*path, self._counts[path] - 1)
        return path

    def _pair(self, table: Path) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path = (*path, key)
            self._note(path, start)
        self._at += 1  # the "="
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        first = self._text[self._at]
        if first == "[":
            self._at += 1
            index = 0
            while self._text[self._skip(_BLANK)] != "]":
                self._note((*path, index), self._at)
                self._value((*path, index))
                index += 1
                self._comma()
            self._at += 1
        elif first == "{":
            self._at += 1
            while self._text[self._skip(_BLANK)] != "}":
                self._pair(path)
                self._comma()
            self._at += 1
        else:
            self._skip(_STRING if first in "\"'" else _PLAIN_VALUE)

    def _comma(self) -> None:
        if self._text[self._skip(_BLANK)] == ",":
            self._at += 1

    def _keys(self) -> Path:
        """A key, dotted or not; stops before the "=" or "]" that follows it."""
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            start = self._at
            if self._text[start] in "\"'":
                self._skip(_STRING)
                keys.append(tomllib.loads(f"key = {self._text[start : self._at]}")["key"])
            else:
                self._skip(_BARE_KEY)
                keys.append(self._text[start : self._at])
            if self._text[self._skip(_SPACE)] != ".":
                return tuple(keys)
            self._at += 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return self._at

    def _note(self, path: Path, at: int) -> None:
        self.lines.setdefault(path, bisect_right(self._starts, at))
