"""Whether a key with a part that is only known later may name what lies under a folder that is moved. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

_PIECE = re.compile(
    r"[#%$]?\{\{[^}]*\}\}|[#%$]?\{(?:[^{}]|\{[^}]*\})*\}|\$\(.*?\)|\$\w+|\*+|\?|\[[^\]]*\]|<[^>]*>|%\(\w*\)\w?|%[sr]"
    r"|%\d*d(?![0-9A-Fa-f])|\.\.\.|…|[{$<\[]"
)
"""One part that is filled in later: a variable, or what a glob leaves open."""


def may_name(rest: str, head: str, *, inside: bool, percent: bool, known: Callable[[str], bool]) -> bool:
    """Whether `rest`, the key below a folder, may name what lies under `head` there, and says more of it than the
    folder does. A variable may hold slashes, a star none.

    Variables alone may be anything. They count where they are `inside` a folder that is named, or where `known` tells
    of what is written behind them that it lies under `head`."""
    pieces = _PIECE.findall(rest)
    if rest == "**" or (pieces == [rest] and rest[0] not in "*?["):
        return False  # all that is in the folder
    literals = [unquote(text) if percent else text for text in _PIECE.split(rest)]
    ends = _Ends(head)
    said = ""
    for number, literal in enumerate(literals):
        for at, character in enumerate(literal):
            ends.step(character)
            said += character.strip("/")
            if character == "/" and ends.include(len(head)):
                behind = literal[at + 1 :]
                if number < len(literals) - 1:
                    behind = behind[: behind.rfind("/") + 1]
                if said or (known(behind) if behind else inside):
                    return True
        if number < len(pieces):
            piece = pieces[number]
            ends.fill(piece)
            said += piece if piece[0] in "*?[" else ""
    return bool(said or inside) and ends.include(len(head.removesuffix("/")))


class _Ends:
    """Where in `head` what was read of a pattern may end, all at once, a bit each: the cost is the pattern's length. A
    regular expression tries each place of each variable for itself."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._at = 1  # before the first character
        self._all = (2 << len(head)) - 1
        self._of: dict[str, int] = {}
        for place, character in enumerate(head):
            self._of[character] = self._of.get(character, 0) | 1 << place
        self._within = self._all >> 1 & ~self._of.get("/", 0)

    def include(self, place: int) -> bool:
        return bool(self._at >> place & 1)

    def step(self, character: str) -> None:
        """A character that is said."""
        self._at = (self._at & self._of.get(character, 0)) << 1

    def fill(self, piece: str) -> None:
        """A part that is known later."""
        if piece[0] in "?[":
            self._at = (self._at & self._within) << 1
        elif piece == "*":
            while (more := self._at | (self._at & self._within) << 1) != self._at:
                self._at = more
        elif self._at:
            self._at = self._all & -(self._at & -self._at)  # from the first of them on
