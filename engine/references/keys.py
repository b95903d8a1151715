"""What in a text could be a key in some bucket that is named beside it. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

from engine.references.locating import SET_TO, Span

NOT_IN_S3 = re.compile(r"local|disk|file|dir|folder|cache|te?mp|mount|redis|table|primary|url", re.IGNORECASE)
"""Keys and prefixes of other things."""
_KEY_LABEL = re.compile(
    rf"(?<![\w.-])(?P<label>[\w.-]{{0,60}}(?:key|prefix|object|path|marker|after)[\w.-]{{0,60}})[\"'`]?"
    rf"(?:{SET_TO}|(?<=key)\s{{1,9}}|(?<=prefix)\s{{1,9}})"
    r"[\[(]?\s{0,40}[rRbBuUfF]?[\"'`]?(?P<value>[^\s,;\"'`)\]}{]+)",
    re.IGNORECASE,
)
_NOT_A_KEY = re.compile(NOT_IN_S3.pattern + r"|access|secret|kms|api|ssh|public|private", re.IGNORECASE)
"""Labels of other keys, objects and paths."""
_NO_NAME = re.compile(r"[\d.]+|true|false|null|none|nil|~", re.IGNORECASE)
_WITH_SLASH = re.compile(
    r"(?<![^\s,;\"'`()\[\]{}|<>=])(?![/~]|\.{1,2}/|#!|arn:)[^\s,;\"'`()\[\]{}|<>=/]+/[^\s,;\"'`()\[\]{}|<>=]*"
)
_FILE_NAME = re.compile(
    r"(?<![^\s,;\"'`()\[\]{}|<>=])[\w-][\w.-]{0,250}\.[A-Za-z][A-Za-z0-9]{1,4}(?=[\s,;\"'`()\[\]{}|<>]|$)"
)


def possible_keys(text: str, buckets: Collection[str], *, code: bool) -> list[Span]:
    """Where something stands that is called a key, or has a slash and no bucket of its own; outside `code`, where
    files are the computer's, also what looks like a file's name."""
    found: list[Span] = []
    for label in _KEY_LABEL.finditer(text):
        called, value = label.group("label", "value")
        if not _NOT_A_KEY.search(called) and not _NO_NAME.fullmatch(value) and value not in buckets:
            found.append(label.span("value"))
    for part in _WITH_SLASH.finditer(text):
        if "://" not in part.group() or "$" in part.group():
            found.append(part.span())
    if not code:
        found += [name.span() for name in _FILE_NAME.finditer(text)]
    return found
