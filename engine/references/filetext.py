"""A file's bytes as text that can be changed in places, everything else staying byte for byte. Pure.

UTF-8 with or without a BOM, UTF-16 and UTF-32 with one; text in any other encoding that agrees with ASCII is kept as
it is, byte for byte, and only its ASCII is understood. In JSON (notebooks, lines of JSON) the escapes inside strings
are undone for whoever reads, and a change is escaped again in like manner.
"""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
JSON_SUFFIXES = (".json", ".ipynb", ".jsonl", ".ndjson", ".geojson")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)")
"""Two that make up one character count as one."""
_ANY_ESCAPE = re.compile(
    r"(?<!\\)\\+(?:/|u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2}))|%(?:25)*(?P<percent>2[fF]|3[aA])|&(?:#x2[fF]|#47|sol);"
)
_BINARY = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")


class FileText(NamedTuple):
    """Text with what is needed to give the very same bytes back."""

    text: str
    codec: str
    bom: bytes

    def encode(self, text: str) -> bytes:
        """The bytes of `text` in this file's encoding. Raises UnicodeEncodeError where it has no such character."""
        errors = "surrogateescape" if self.codec == "utf-8" else "strict"
        return self.bom + text.encode(self.codec, errors)

    @property
    def is_utf8(self) -> bool:
        """Whether every character is understood; else only ASCII may be written."""
        return self.codec != "utf-8" or not re.search("[\udc80-\udcff]", self.text)


def read_text(body: bytes) -> FileText | None:
    """The text of a file; None where it is not text."""
    for bom, codec in _BOMS:
        if body.startswith(bom):
            try:
                text = body[len(bom) :].decode(codec)
            except UnicodeDecodeError:
                if codec != "utf-8":
                    return None
                break
            found = FileText(text, codec, bom)
            return found if found.encode(text) == body else None
    text = body.decode("utf-8", "surrogateescape")
    return None if _BINARY.search(text) else FileText(text, "utf-8", b"")


class Edit(NamedTuple):
    """`new` takes the place of the text from `start` to `end`."""

    start: int
    end: int
    new: str


def newline_of(text: str) -> str:
    """How the text ends its lines."""
    return "\r\n" if "\r\n" in text else "\n"


def edited(text: str, edits: list[Edit]) -> str:
    """The text with every edit made; they must not overlap."""
    parts: list[str] = []
    at = 0
    for edit in sorted(edits):
        parts += [text[at : edit.start], edit.new]
        at = edit.end
    return "".join([*parts, text[at:]])


class Undone:
    """A text with its escapes undone, and where each place of that stands in the text as it is written."""

    def __init__(self, raw: str, escapes: Iterable[tuple[int, int, str]]) -> None:
        """`escapes`, in order: where each begins and ends, and the one character that it means."""
        parts: list[str] = []
        self._here: list[int] = [0]
        self._there: list[int] = [0]
        at = length = 0
        for start, end, character in escapes:
            parts += [raw[at:start], character]
            length += start - at + 1
            at = end
            self._here.append(length)
            self._there.append(at)
        self.differs = bool(parts)
        self.text = "".join([*parts, raw[at:]])

    def there(self, at: int) -> int:
        """Where in the text as it is written a place stands."""
        number = bisect_right(self._here, at) - 1
        return self._there[number] + at - self._here[number]


class View(Undone):
    """A text as it is meant: in JSON with the escapes of strings undone, else as it stands."""

    def __init__(self, raw: str, *, is_json: bool) -> None:
        super().__init__(raw, _escapes_of_json(raw) if is_json else ())
        self._raw = raw
        self.is_json = is_json

    def raw_edit(self, edit: Edit) -> Edit:
        """An edit of the view as one of the file."""
        start, end, new = self.there(edit.start), self.there(edit.end), edit.new
        if self.is_json:
            new = json.dumps(new, ensure_ascii=self._raw.isascii())[1:-1]
            new = new.replace("/", "\\/") if "\\/" in self._raw[start:end] else new
        return Edit(start, end, new)


def _escapes_of_json(raw: str) -> Iterator[tuple[int, int, str]]:
    for literal in _STRING.finditer(raw) if "\\" in raw else ():
        for escape in _ESCAPE.finditer(raw, *literal.span()):
            yield *escape.span(), _meant(escape.group())


@lru_cache(maxsize=1024)  # most are one and the same
def _meant(escape: str) -> str:
    meant: str = json.loads(f'"{escape}"')
    return meant


def escapes_of_paths(text: str) -> Iterator[tuple[int, int, str]]:
    """Every escape of a path that some language has, however often it was escaped: `\\/`, `\\u002f`, `%2F`, `&#x2F;`.
    Undone they are good for finding, not for writing."""
    for escape in _ANY_ESCAPE.finditer(text) if any(character in text for character in "\\%&") else ():
        code = escape.group("u") or escape.group("x") or escape.group("percent")
        yield *escape.span(), chr(int(code, 16)) if code else "/"


def is_json(name: str, text: str) -> bool:
    """Whether a file is JSON, or lines of JSON, by its name or its beginning, and parses."""
    if not name.lower().endswith(JSON_SUFFIXES) and not text.lstrip().startswith(("{", "[")):
        return False
    return parses(text)


def parses(text: str) -> bool:
    """Whether a text is JSON, or every line of it is."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        lines = [line for line in text.split("\n") if line.strip()]  # a string may hold what else ends lines
        try:
            for line in lines:
                json.loads(line)
        except (ValueError, RecursionError):
            return False
        return len(lines) > 1
    return True
