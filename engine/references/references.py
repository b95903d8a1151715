"""What in a text still names an old path, and what it has to be now. Pure.

A text, the routes of a plan, and what the ledger says of a key go in; findings come out. A finding is either a change,
which only exchanges the head of a key (and the bucket's name), or a place that is left alone, with the reason. A path
is changed only where that very object, or everything under that very folder, was moved by one route.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from engine.references.filetext import Edit, FileText, Undone, View, edited, escapes_of_paths, is_json, parses
from engine.references.judging import Lookup, Moves, Verdict, judge
from engine.references.locating import (
    Mention,
    Span,
    Spans,
    arguments_behind,
    find_named,
    find_variables,
    regexes,
    values_of,
)
from engine.references.pairing import Pairing

CODE = (
    ".py", ".pyi", ".ipynb", ".js", ".mjs", ".ts", ".r", ".scala", ".java", ".go", ".rb", ".rs", ".kt", ".cs", ".jl"
)  # fmt: skip
ROWS = (".csv", ".tsv")
WRITTEN_SHOWN = 200
IN_PARTS = "its key is put together from several texts"
ESCAPED = "it is written with escapes that are not understood here"


class Finding(NamedTuple):
    """A place that names an old path. `becomes` is empty where it is left alone, and `why` then says the reason."""

    line: int
    written: str
    becomes: str = ""
    why: str = ""


class Examined(NamedTuple):
    """A text, looked through: what was found, and the text with every change made."""

    findings: tuple[Finding, ...]
    after: str


def examine(name: str, file: FileText, moves: Moves, lookup: Lookup) -> Examined:
    """Look through a whole file. `name` says by its ending what kind of text it is."""
    raw = file.text
    escaped = "\\" in raw  # of JSON the text without its escapes tells: "donn\\u00e9es"
    if not escaped and not _worth_a_look(raw, moves):
        return Examined((), raw)
    view = View(raw, is_json=is_json(name, raw))
    text = view.text
    undone = Undone(text, escapes_of_paths(text))
    if escaped and not _worth_a_look(text, moves) and not _worth_a_look(undone.text, moves):
        return Examined((), raw)
    starts = [0, *(found.end() for found in re.finditer("\n", raw))]
    findings: list[Finding] = []
    edits: dict[tuple[int, int], Edit] = {}
    judged = _judged(name.lower(), text, moves, lookup)
    for mention, verdict in [*judged, *_only_undone(name.lower(), undone, judged, moves, lookup)]:
        made = [view.raw_edit(edit) for edit in verdict.edits]
        why = verdict.why or _clash(file, made, edits)
        becomes = "" if why else _becomes(text, mention.start, verdict)
        line = bisect_right(starts, view.there(mention.start))
        findings.append(Finding(line, text[mention.start : verdict.end][:WRITTEN_SHOWN], becomes, why))
        if not why:
            edits |= {(edit.start, edit.end): edit for edit in made}
    findings.sort(key=lambda item: item.line)
    after = edited(raw, list(edits.values()))
    if view.is_json and not parses(after):
        left = "the file would no longer be JSON"
        return Examined(tuple(item if item.why else item._replace(becomes="", why=left) for item in findings), raw)
    return Examined(tuple(findings), after)


def _judged(suffix: str, text: str, moves: Moves, lookup: Lookup) -> list[tuple[Mention, Verdict]]:
    """Every mention of what moves, in order, with what is to be done about it. Only what a mention turns out to name
    accounts for the text behind its head: a variable or a bare path may follow without a blank."""
    code, rows = suffix.endswith(CODE), suffix.endswith(ROWS)
    values = values_of(text, code=code)
    found: list[tuple[Mention, Verdict]] = []
    covered: list[Span] = []

    def keep(mentions: Iterable[Mention]) -> None:
        for mention in mentions:
            verdict = judge(mention, text, moves, lookup, rows=rows) or _in_parts(mention, text, moves)
            covered.append((mention.start, verdict.end if verdict is not None else mention.key))
            if verdict is not None:
                found.append((mention, verdict))

    keep(find_named(text, regexes(moves.buckets, moves.endpoints)))
    spans = Spans(covered)
    keep([item for item in find_variables(text, values, moves.buckets) if not spans.meet(item.start, item.key)])
    sources = [route.source for route in moves.routes]
    exchanging = any(route.source.bucket != route.target.bucket for route in moves.routes)
    pairing = Pairing(text, sources, values, code=code, rows=rows, exchanging=exchanging)
    keep(list(pairing.mentions(covered)))
    return sorted(found, key=lambda item: item[0].start)


def _in_parts(mention: Mention, text: str, moves: Moves) -> Verdict | None:
    """What names a bucket alone, and a key of a route in the literals that follow, none of which holds all of it."""
    if not mention.bucket or mention.key != mention.open_end:
        return None
    at = mention.key - 1 if text[mention.key - 1] == "/" else mention.key
    parts, end = arguments_behind(text, at)
    key = "/".join(part.strip("/") for part in parts) + "/"
    for source in (route.source for route in moves.by_bucket.get(mention.bucket, ())):
        head = source.key.rstrip("/")
        if key.startswith(head + "/") and not any(head in part for part in parts):
            return Verdict(end, why=IN_PARTS)
    return None


def _only_undone(
    suffix: str, undone: Undone, judged: Sequence[tuple[Mention, Verdict]], moves: Moves, lookup: Lookup
) -> list[tuple[Mention, Verdict]]:
    """What is seen only once the escapes of other languages are undone: found, and left alone."""
    if not undone.differs:
        return []
    spans = Spans([(mention.start, verdict.end) for mention, verdict in judged])
    found = []
    for mention, verdict in _judged(suffix, undone.text, moves, lookup):
        start, end = undone.there(mention.start), undone.there(verdict.end)
        if not spans.meet(start, end):
            found.append((mention._replace(start=start), Verdict(end, why=ESCAPED)))
    return found


def _worth_a_look(text: str, moves: Moves) -> bool:
    if any(bucket in text for bucket in moves.buckets):
        return True
    heads = {source.split("/")[0] for source in (route.source.key for route in moves.routes)}
    return any(head in text or quote(head) in text for head in heads)


def _clash(file: FileText, made: Sequence[Edit], edits: Mapping[tuple[int, int], Edit]) -> str:
    """Why edits cannot be made beside those that are."""
    for edit in made:
        if not edit.new.isascii() and not file.is_utf8:
            return "the file's encoding is not known, and the new path is not plain ASCII"
        same = edits.get((edit.start, edit.end))
        if same is not None and same.new != edit.new:
            return "what it shares with another path here would have to be two things"
    return ""


def _becomes(text: str, start: int, verdict: Verdict) -> str:
    inside = [Edit(edit.start - start, edit.end - start, edit.new) for edit in verdict.edits if edit.start >= start]
    return edited(text[start : verdict.end], inside)[:WRITTEN_SHOWN]
