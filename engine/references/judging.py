"""What one mention of a path names, and what it has to be now. Pure.

A mention may be read in several ways: where its key ends nobody says. The longest reading that names an object which
the ledger knows is taken, else one that names a folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote

from engine.plan.locations import covers
from engine.plan.route import Route
from engine.references.filetext import Edit
from engine.references.locating import Form, Mention
from engine.references.wildcards import may_name

_DYNAMIC = re.compile(r"[{$*?<\[]|%[sr(]|%\d*d(?![0-9A-Fa-f])|\.\.\.|…")
_TRAILING = ".,;:!?"
_OPENED_BY = {")": "(", "]": "[", "}": "{"}
_NEEDS_QUOTES = re.compile(r"[\s\"'`<>|\\{}$*?;&()\[\]#%]")
READINGS = 16
"""Ends of one key that are tried, the longest first."""


class Answers(Protocol):
    """What the ledger knows of a relative key. `exact`: an object of that very key is at the target (False: it is
    known, and not there; None: not known). `under`: the same of everything that begins with it."""

    @property
    def exact(self) -> bool | None: ...
    @property
    def under(self) -> bool | None: ...


class Presence(NamedTuple):
    """Both of them, known beforehand."""

    exact: bool | None = None
    under: bool | None = None


Lookup = Callable[[str, str], Answers]
"""(route, relative key) → what the ledger knows of it."""


class Verdict(NamedTuple):
    """Where a mention ends, and the edits that bring it up to date; none where `why` says why it is left alone."""

    end: int
    edits: tuple[Edit, ...] = ()
    why: str = ""


class _Reading(NamedTuple):
    key: str
    end: int
    percent: bool


@dataclass(frozen=True)
class Moves:
    """The routes, and the names that their sources may be known under. `regions` is where each bucket is, as far as
    that is known; `endpoints` are URLs of servers other than AWS."""

    routes: tuple[Route, ...]
    endpoints: tuple[str, ...] = ()
    regions: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def by_bucket(self) -> Mapping[str, Sequence[Route]]:
        """The routes by the bucket that their source is in."""
        found: dict[str, list[Route]] = {}
        for route in self.routes:
            found.setdefault(route.source.bucket, []).append(route)
        return found

    @property
    def buckets(self) -> frozenset[str]:
        return frozenset(self.by_bucket)


def judge(mention: Mention, text: str, moves: Moves, lookup: Lookup, *, rows: bool = False) -> Verdict | None:
    """What is to be done about one mention; None where it names nothing that moves. `rows`: a comma ends a key."""
    buckets = (mention.bucket,) if mention.bucket else tuple(sorted(moves.buckets))
    cases = [(reading, bucket) for reading in _readings(mention, text, rows=rows) for bucket in buckets]
    found = [verdict for case in cases if (verdict := _as_object(mention, text, *case, moves, lookup)) is not None]
    verdict = found[0] if found else None
    if verdict is None:
        found = [verdict for case in cases if (verdict := _as_folder(mention, text, *case, moves, lookup)) is not None]
        verdict = next((item for item in found if not item.why), found[-1] if found else None)
    if verdict is not None and mention.why_not:
        return Verdict(verdict.end, why=mention.why_not)
    return verdict


def _readings(mention: Mention, text: str, *, rows: bool) -> list[_Reading]:
    """Every key that a mention may mean, the longest first."""
    ends = [mention.end] if mention.end > mention.open_end else []
    at = mention.open_end
    quoted = mention.start and text[mention.start - 1] in "'\"`" and text[at : at + 1] == text[mention.start - 1]
    ends.append(at)
    while at > mention.key and not quoted and len(ends) < READINGS:
        before = _earlier_end(text, mention.key, at, rows)
        if before is None:
            break
        ends.append(at := before)
    found: list[_Reading] = []
    for end in ends:
        raw = text[mention.key : end]
        if mention.form in (Form.URL, Form.QUERY):
            found.append(_Reading(unquote(raw), end, True))
            if "+" in raw:
                found.append(_Reading(unquote(raw.replace("+", " ")), end, True))
            continue
        found.append(_Reading(raw, end, False))
        if "%" in raw:
            found.append(_Reading(unquote(raw), end, True))
    return found


def _earlier_end(text: str, key: int, at: int, rows: bool) -> int | None:
    """Where a key may end too, before `at`: before punctuation that closes a sentence, before a bracket that was not
    opened in it, before the comma of a row. Nothing that could be a longer name's middle."""
    last = text[at - 1]
    if last in _TRAILING:
        return at - 1
    depth = {"(": 0, "[": 0, "{": 0}
    for place in range(key, at):
        character = text[place]
        if character in depth:
            depth[character] += 1
        elif character in _OPENED_BY:
            depth[_OPENED_BY[character]] -= 1
            if depth[_OPENED_BY[character]] < 0:
                return place
        elif rows and character in ",;":
            return place
    return None


def _as_object(
    mention: Mention, text: str, reading: _Reading, bucket: str, moves: Moves, lookup: Lookup
) -> Verdict | None:
    """A mention of one object that the ledger knows."""
    found: list[tuple[Route, bool]] = []
    for route in moves.by_bucket.get(bucket, ()):
        source = route.source
        if covers(source, source.at(reading.key)):
            exact = lookup(route.name, route.relative(reading.key)).exact
            if exact is not None:
                found.append((route, exact))
    if not found:
        return None
    if len(found) > 1:
        return Verdict(reading.end, why=_several(route for route, _ in found))
    route, moved = found[0]
    if not moved:
        return Verdict(reading.end, why=f'route "{route.name}" has not copied it yet')
    return _change(mention, text, reading, route, moves)


def _as_folder(
    mention: Mention, text: str, reading: _Reading, bucket: str, moves: Moves, lookup: Lookup
) -> Verdict | None:
    """A mention of a folder, or of what cannot be told from one: a key with a part that is only known later."""
    static = _static(text[mention.key : reading.end], mention.key, reading)
    folder = static.key if static.key == "" or static.key.endswith("/") else static.key + "/"
    around = _around(mention, folder, static.key, bucket, moves, lookup)
    if around.below and not around.over and all(covers(it.source.at(folder), it.target) for it in around.below):
        rest = text[static.end : reading.end]
        if not any(_may_name(rest, folder, reading, route, lookup) for route in around.below):
            return None  # what is under it is still under it
    if around.below or len(around.over) > 1:
        return Verdict(reading.end, why=_several([*(route for route, _ in around.over), *around.below]))
    if around.over:
        route, all_moved = around.over[0]
        if not route.selects_all or route.key_list is not None:
            return Verdict(reading.end, why=f'route "{route.name}" takes only a part of what is under it')
        if not all_moved:
            return Verdict(reading.end, why=f'route "{route.name}" has not copied all of it yet')
        return _change(mention, text, static, route, moves)._replace(end=reading.end)
    if around.near:
        return Verdict(reading.end, why=f'no object of this name was moved by route "{around.near[0].name}"')
    return None


def _may_name(rest: str, folder: str, reading: _Reading, route: Route, lookup: Lookup) -> bool:
    """Whether what is written behind a folder may name what a route moves from under it."""

    def known(relative: str) -> bool:
        folder = relative.removesuffix("/") + "/"
        is_object = relative != folder and lookup(route.name, relative).exact is not None
        return is_object or lookup(route.name, folder).under is not None

    head = route.source.key.removeprefix(folder)
    return rest != "" and may_name(rest, head, inside=folder != "", percent=reading.percent, known=known)


class _Around(NamedTuple):
    """How the routes of a bucket lie to a folder: `over` take what is under it (True: all of that is at the target),
    `below` begin under it, `near` would take it, and nothing of its name is known."""

    over: list[tuple[Route, bool]]
    below: list[Route]
    near: list[Route]


def _around(mention: Mention, folder: str, key: str, bucket: str, moves: Moves, lookup: Lookup) -> _Around:
    """`key` is the folder as it is written. A bare path that names nothing is above no route."""
    around = _Around([], [], [])
    for route in moves.by_bucket.get(bucket, ()):
        source = route.source
        if source.is_prefix and folder.startswith(source.key):
            under = lookup(route.name, route.relative(folder)).under
            if under is None:
                around.near.append(route)
            else:
                around.over.append((route, under))
        elif source.key == key:
            around.near.append(route)
        elif source.key.startswith(folder) and (mention.bucket or key):
            around.below.append(route)
    return around


def _static(raw: str, at: int, reading: _Reading) -> _Reading:
    """The part of a key, which stands as `raw` at a place, before anything that is filled in later, down to a whole
    folder."""
    dynamic = _DYNAMIC.search(raw)
    if dynamic is None:
        return reading
    head = raw[: dynamic.start()]
    cut = head.rfind("/") + 1
    if reading.percent:
        cut = max(cut, head.upper().rfind("%2F") + 3 if "%2F" in head.upper() else 0)
    return _Reading(unquote(head[:cut]) if reading.percent else head[:cut], at + cut, reading.percent)


def _several(routes: Iterable[Route]) -> str:
    places = [f"{route.source} to {route.target}" for route in routes]
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return f"what is under it goes to several places, or a part of it stays: {'; '.join(places[:3])}{more}"


def _change(mention: Mention, text: str, reading: _Reading, route: Route, moves: Moves) -> Verdict:
    """Exchange the head of the key, and the bucket where it is another."""
    end = reading.end
    if any(covers(other.target, route.source.at(reading.key)) for other in moves.routes):
        return Verdict(end, why="a route writes there too: it may be a new path already")
    if reading.key == "" and text[mention.key - 1] not in "/=":
        return Verdict(end, why="it names the bucket as a whole")
    old, new = _heads(text[mention.key : reading.end], reading, route)
    if not reading.percent and _NEEDS_QUOTES.search(new) and not _NEEDS_QUOTES.search(old):
        return Verdict(end, why=f"its new path, {route.target}, has characters that may need quotes here")
    edits = [Edit(mention.key, mention.key + len(old), new)]
    if route.target.bucket == route.source.bucket:
        return Verdict(end, tuple(edits))
    if mention.bucket_span is None:
        return Verdict(end, why=f"it is in {route.target.bucket} now, and the bucket stands elsewhere")
    edits.append(Edit(*mention.bucket_span, route.target.bucket))
    if mention.region_span is not None:
        old_region, new_region = moves.regions.get(route.source.bucket), moves.regions.get(route.target.bucket)
        if old_region is None or new_region is None:
            return Verdict(end, why=f"it names a region, and that of {route.target.bucket} is not known")
        if old_region != new_region:
            edits.append(Edit(*mention.region_span, new_region))
    return Verdict(end, tuple(edits))


def _heads(raw: str, reading: _Reading, route: Route) -> tuple[str, str]:
    """What the key begins with as it is written, and what it is to begin with, written alike."""
    old, new = route.source.key, route.target.key
    if old.endswith("/") and reading.key == old[:-1]:
        old, new = old[:-1], new.removesuffix("/")
    if not reading.percent:
        return old, new
    new = quote(new, safe="" if "%2f" in raw.lower() else "/~")
    if "%2f" in raw and "%2F" not in raw:
        new = new.replace("%2F", "%2f")
    return raw[: head_length(raw, old)], new


def head_length(raw: str, head: str) -> int:
    """How much of the URL-encoded `raw` spells `head`, with which it is known to begin."""
    left, at = len(head.encode()), 0
    while left > 0:
        if raw[at] == "%" and re.match(r"%[0-9A-Fa-f]{2}", raw[at : at + 3]):
            at, left = at + 3, left - 1
        else:
            left -= len(raw[at].encode("utf-8", "surrogateescape"))
            at += 1
    return at
