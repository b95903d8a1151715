"""The word that was meant, of those there are. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_OTHER_WORDS = {
    "source": "from",
    "src": "from",
    "target": "to",
    "destination": "to",
    "dest": "to",
    "dst": "to",
    "endpoint": "endpoint_url",
    "count": "objects",
    "files": "objects",
    "num_files": "objects",
    "bytes": "size",
    "total": "expect",
    "filter": "include",
}
"""Words that other tools have for ours, which no measure of likeness would find."""


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean "…"?` for the known word most like `word`, or nothing."""
    names = list(known)
    other = _OTHER_WORDS.get(word.lower())
    if other in names:
        return f'; did you mean "{other}"?'
    close = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""
