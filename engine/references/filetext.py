"""A file's bytes as text that can be changed in places, everything else staying byte for byte. Pure.

UTF-8 with or without a BOM, UTF-16 and UTF-32 with one; text in any other encoding that agrees with ASCII is kept as
it is, byte for byte, and only its ASCII is understood. In JSON (notebooks, lines of JSON) the escapes inside strings
are undone for whoever reads, and a change is escaped again in like manner.
"""

from __future__ import annotations

import codecs
import json
import re
from array import array
from bisect import bisect_right
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
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_ANY_ESCAPE = re.compile(
    r"(?<!\\)\\+(?:/|u(?P<u>[0-9a-fA-F]{4})|x(?P<x>[0-9a-fA-F]{2}))|%(?:25)*(?P<percent>2[fF]|3[aA])|&(?:#x2[fF]|#47|sol);"
)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
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


class View:
    """A text as it is meant: in JSON with the escapes of strings undone, else as it stands."""

    def __init__(self, raw: str, *, is_json: bool) -> None:
        self.raw = raw
        self.is_json = is_json
        self._ascii = raw.isascii()
        self._places: array[int] | None = None
        self.text = raw
        if is_json and "\\" in raw:
            self._undo_escapes()

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the file a span of the view stands."""
        if self._places is None:
            return start, end
        return self._places[start], self._places[end]

    def raw_edit(self, edit: Edit) -> Edit:
        """An edit of the view as one of the file."""
        start, end = self.raw_span(edit.start, edit.end)
        new = edit.new
        if self.is_json:
            slashes = "\\/" in self.raw[start:end]
            new = json.dumps(new, ensure_ascii=self._ascii)[1:-1]
            new = new.replace("/", "\\/") if slashes else new
        return Edit(start, end, new)

    def _undo_escapes(self) -> None:
        parts: list[str] = []
        places = array("q")
        at = 0
        for literal in _STRING.finditer(self.raw):
            if "\\" not in literal.group():
                continue
            for escape in _ESCAPE.finditer(self.raw, *literal.span()):
                parts.append(self.raw[at : escape.start()])
                places.extend(range(at, escape.start()))
                character = chr(int(escape.group(1), 16)) if escape.group(1) else escape.group(2)
                character = character if escape.group(1) else _SHORT.get(character, character)
                if parts[-1] == "" and len(parts) > 1 and _is_pair(parts[-2], character):
                    parts[-2] = chr(0x10000 + ((ord(parts[-2]) - 0xD800) << 10) + ord(character) - 0xDC00)
                else:
                    parts.append(character)
                    places.append(escape.start())
                at = escape.end()
        parts.append(self.raw[at:])
        places.extend(range(at, len(self.raw) + 1))
        self.text = "".join(parts)
        self._places = places


def _is_pair(high: str, low: str) -> bool:
    return len(high) == 1 and "\ud800" <= high <= "\udbff" and "\udc00" <= low <= "\udfff"


class Undone:
    """A text with every escape of a path undone that some language has, however often it was escaped: `\\/`, `\\u002f`,
    `%2F`, `&#x2F;`. Good for finding, not for writing."""

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        self._here: list[int] = [0]
        self._there: list[int] = [0]
        at = length = 0
        for escape in _ANY_ESCAPE.finditer(text) if any(character in text for character in "\\%&") else ():
            code = escape.group("u") or escape.group("x") or escape.group("percent")
            parts += [text[at : escape.start()], chr(int(code, 16)) if code else "/"]
            length += len(parts[-2]) + 1
            at = escape.end()
            self._here.append(length)
            self._there.append(at)
        self.differs = bool(parts)
        self.text = "".join([*parts, text[at:]])

    def there(self, at: int) -> int:
        """Where in the text as it is written a place stands."""
        number = bisect_right(self._here, at) - 1
        return self._there[number] + at - self._here[number]


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
