"""Whether a file that is no text names an old path: a pickle, a database, a table of columns. Pure.

Where one value ends and the next begins is not known, so that a bucket and a key that both stand somewhere count as
named. What a format compresses within itself is not undone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from engine.plan.route import Route
from engine.references.judging import Moves, Presence, judge
from engine.references.locating import LONGEST_KEY, Mention, find_named, regexes
from engine.references.pairing import spellings

_BEFORE = 300
"""Bytes before a bucket's name that may belong to the same URL."""
_CONTROLS = bytes(32 if byte < 32 or byte == 127 else byte for byte in range(256))
_WIDE = re.compile(rb"([\x20-\x7e])\x00")


def named_in(body: bytes, moves: Moves) -> list[str]:
    """The sources, as bucket/key, that are named in it; also in UTF-16, at whichever byte it begins."""
    bodies = [body]
    if any(bucket.encode("utf-16-le")[:-1] in body for bucket in moves.buckets):
        bodies.append(_WIDE.sub(rb"\1", body))
    names = re.compile(b"|".join(re.escape(bucket.encode()) for bucket in sorted(moves.buckets)))
    found: dict[str, None] = {}
    for one in bodies:
        text = _around(one, [place.span() for place in names.finditer(one)])
        for route in moves.routes:
            bare = route.source.key.rstrip("/")
            text = text.replace(bare + "q", bare + " ") if bare else text  # how older pickles go on behind a string
        named = _named(text, find_named(text, regexes(moves.buckets, moves.endpoints)), moves)
        for route in moves.routes:
            if route.name in named or _has_both(one, route):
                found[f"{route.source.bucket}/{route.source.key}"] = None
    return list(found)


def _around(body: bytes, places: Iterable[tuple[int, int]]) -> str:
    """The text around some places, whatever is none in it as blanks."""
    windows: list[list[int]] = []
    for start, end in places:
        first, last = max(0, start - _BEFORE), end + LONGEST_KEY
        if windows and first <= windows[-1][1]:
            windows[-1][1] = last
        else:
            windows.append([first, last])
    parts = (body[first:last].translate(_CONTROLS).decode("utf-8", "replace") for first, last in windows)
    return "\n".join(parts).replace("\ufffd", " ")


def _named(text: str, mentions: Iterable[Mention], moves: Moves) -> set[str]:
    """The routes of which the mentions name something, be it moved or not: nothing is changed here."""
    named: set[str] = set()
    asked: set[str] = set()

    def ask(route: str, _key: str) -> Presence:
        asked.add(route)
        return Presence(True, True)

    for item in mentions:
        if len(named) == len(moves.routes):
            break
        asked.clear()
        if judge(item, text, moves, ask) is None:
            continue
        # Of what lies above routes, or is called like one, nobody asks.
        others = [route for route in moves.routes if not asked and route.name not in named]
        named |= asked
        named |= {
            route.name for route in others if judge(item, text, Moves((route,), moves.endpoints), ask) is not None
        }
    return named


def _has_both(body: bytes, route: Route) -> bool:
    """Whether the bucket stands in it, and apart from it the key: not as the end of a longer path."""
    source = route.source
    if not source.key or source.bucket.encode() not in body:
        return False
    keys = {re.escape(key.encode()) for key in spellings(source.key)}
    if source.is_prefix and "/" in source.key[:-1]:
        keys |= {re.escape(key.encode()) + rb"(?![\w./-])" for key in spellings(source.key[:-1])}
    return re.search(rb"(?<![/%])(?:" + b"|".join(keys) + b")", body) is not None
