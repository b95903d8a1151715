"""Whether a key with a part that is only known later may name what lies under a folder that is moved. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

_PIECE = re.compile(
    r"\$?\{[^}]*\}|\$\(.*?\)|\$\w+|\*+|\?|\[[^\]]*\]|<[^>]*>|%\(\w*\)\w?|%[sr]|%\d*d(?![0-9A-Fa-f])|\.\.\.|…|[{$<\[]"
)
"""One part that is filled in later: a variable, or what a glob leaves open."""

PIECES = 6
"""More of them are not matched: that may take long."""


def may_name(rest: str, head: str, *, inside: bool, percent: bool, known: Callable[[str], bool]) -> bool:
    """Whether `rest`, the key below a folder, may name what lies under `head` there, and says more of it than the
    folder does. A variable may hold slashes, a star none.

    Variables alone may be anything. They count where they are `inside` a folder that is named, or where `known` tells
    of what is written behind them that it lies under `head`."""
    pieces = _PIECE.findall(rest)
    if rest == "**" or (pieces == [rest] and rest[0] not in "*?["):
        return False  # all that is in the folder
    if len(pieces) > PIECES:
        return True
    literals = [unquote(text) if percent else text for text in _PIECE.split(rest)]
    pattern = said = ""
    for number, literal in enumerate(literals):
        for at, character in enumerate(literal):
            pattern, said = pattern + re.escape(character), said + character.strip("/")
            if character == "/" and re.fullmatch(pattern, head, re.DOTALL):
                behind = literal[at + 1 :]
                if number < len(literals) - 1:
                    behind = behind[: behind.rfind("/") + 1]
                if said or (known(behind) if behind else inside):
                    return True
        if number < len(pieces):
            piece = pieces[number]
            pattern += "[^/]*" if piece == "*" else "[^/]" if piece[0] in "?[" else ".*"
            said += piece if piece[0] in "*?[" else ""
    return bool(said or inside) and re.fullmatch(pattern, head.removesuffix("/"), re.DOTALL) is not None
