"""Which of the listed objects a route takes: patterns, times, sizes. Pure.

Patterns are the AWS command line's: they are matched against the whole key after the route's `from`, with case; `*`
is any run of characters, slashes and line ends included, `?` one character, `[abc]` and `[!abc]` one of or one not of
a set; `[*]` is a star itself. An object is taken if no `exclude` matches and, where there are any, one `include` does:
exclude wins, and the order does not matter.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field

from engine.errors import UsageError
from engine.model import ListedObject

_IS_MOMENT = re.compile(
    r"(?:19[7-9]\d|[2-9]\d{3})-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?Z"
).fullmatch
_WILD = re.compile(r"[*?\[]")
_WILD_END = re.compile(r"[*?\]]")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a route takes of what is listed.

    `since` (inclusive) and `until` (exclusive) are compared with the listing's LastModified as text, so they are ISO
    8601 in UTC without a zone, down to the second ("2026-01-31T10:00:00"), and an object whose time is not of S3's form
    is refused; empty is unbounded. `min_bytes` and `max_bytes` are both inclusive.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    min_bytes: int = 0
    max_bytes: int | None = None
    _include: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _exclude: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_include", _compiled(self.include))
        object.__setattr__(self, "_exclude", _compiled(self.exclude))

    @property
    def is_everything(self) -> bool:
        """Whether nothing at all is left out."""
        return not (self.include or self.exclude or self.since or self.until or self.min_bytes) and (
            self.max_bytes is None
        )

    def takes(self, relative: str, listed: ListedObject) -> bool:
        """Whether the object `listed`, whose key after the route's `from` is `relative`, is taken.

        Raises `UsageError` where a time is to choose, and the object's cannot be read."""
        if listed.size < self.min_bytes or (self.max_bytes is not None and listed.size > self.max_bytes):
            return False
        if (self.since or self.until) and not _IS_MOMENT(listed.modified):
            raise UsageError(
                f"{listed.key!r} was last modified at {listed.modified!r}, as the server says: that cannot be read, so "
                "that neither since nor until can choose.",
                advice="Leave since and until out, and choose by keys, include and exclude.",
            )
        if self.since and listed.modified < self.since:
            return False
        if self.until and listed.modified >= self.until:
            return False
        return self.takes_key(relative)

    def takes_key(self, relative: str) -> bool:
        """Whether the patterns alone let the key through."""
        if self._exclude is not None and self._exclude.match(relative):
            return False
        return self._include is None or self._include.match(relative) is not None

    def leaves_out_all_under(self, relative_prefix: str) -> bool:
        """Whether it is certain that no key beginning with `relative_prefix` is taken, whatever follows it."""
        return any(
            pattern.endswith("*") and is_plain(pattern[:-1]) and relative_prefix.startswith(pattern[:-1])
            for pattern in self.exclude
        )


def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns))) if patterns else None


def problem_of_pattern(pattern: str) -> str:
    """Why a pattern cannot mean what its writer hopes, in words that follow it; empty where it can."""
    if not pattern:
        return "is empty and would match nothing"
    if pattern.startswith("s3://"):
        return 'is a location: patterns are matched against the key after "from"'
    at = 0
    while (at := pattern.find("[", at)) >= 0:
        first = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
        end = pattern.find("]", first + 1)  # a "]" right after "[" or "[!" is a member of the set
        if end < 0:
            return 'has a "[" that is never closed: write "[[]" for a bracket itself'
        at = end + 1
    return ""


def is_plain(pattern: str) -> bool:
    """Whether a pattern matches nothing but itself."""
    return not _WILD.search(pattern)


def head_of(pattern: str) -> str:
    """What every key that the pattern matches begins with."""
    found = _WILD.search(pattern)
    return pattern[: found.start()] if found else pattern


def tail_of(pattern: str) -> str:
    """What every key that the pattern matches ends with (perhaps less than could be said, never more)."""
    if is_plain(pattern):
        return pattern
    ends = [found.end() for found in _WILD_END.finditer(pattern)]
    return pattern[ends[-1] :] if ends else ""
