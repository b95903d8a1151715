"""Words of a command that is shown for somebody to type."""

from __future__ import annotations

import shlex


def shell_word(text: str) -> str:
    """Other people's text as one word of a command that is shown: nothing in it is run, or reaches the terminal. What
    cannot be printed is escaped in the form that bash, zsh and ksh read ($'…', ANSI-C quoting)."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(map(_escaped, text))
    return f"$'{escaped}'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
