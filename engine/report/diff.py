"""A change of a text as a unified diff, and what was put back, made harmless for a terminal. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from engine.references.filetext import read_text
from engine.report.page import Tone, Toned
from engine.report.text import safe

if TYPE_CHECKING:
    from engine.references.undoing import RestoredFile  # which loads the ledger

CONTEXT = 3
LONGEST_LINE = 500
"""A longer line (a notebook's picture, minified JSON) is cut where it is shown, around what changed in it."""


def diff_lines(diff: str) -> list[str]:
    """A diff as lines of a page: what goes, and what comes."""
    tones = {"+": Tone.GOOD, "-": Tone.BAD, "@": Tone.FAINT}
    return [Toned(line, tones.get(line[:1]), whole=True) for line in diff.split("\n")]


def restored_lines(restored: Sequence[RestoredFile]) -> list[str]:
    """What was put back of files that were written over, a line each."""
    lines: list[str] = [
        Toned(f"{item.result.value}: {safe(item.name)}" + (f" ({safe(item.why)})" if item.why else ""), whole=True)
        for item in restored
    ]
    return lines or ["there is nothing to put back: nothing was written, or all of it is back already"]


def file_diff(name: str, before: bytes, after: bytes) -> str:
    """The change of one file; empty where it is no text."""
    old, new = read_text(before), read_text(after)
    return unified_diff(name, old.text, new.text) if old is not None and new is not None else ""


def unified_diff(name: str, before: str, after: str, new_name: str = "") -> str:
    """The diff without its last newline; empty where nothing changed. `new_name` is what the new text is called, where
    it has a name of its own.

    Texts of equally many lines are compared line by line, which costs nothing for any length."""
    old, new = before.split("\n"), after.split("\n")
    if old == new:
        return ""
    body = _same_count(old, new) if len(old) == len(new) else _general(old, new)
    return "\n".join([f"--- {safe(name)}", f"+++ {safe(new_name or name)}", *body])


def _same_count(old: list[str], new: list[str]) -> Iterator[str]:
    changed = [at for at, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    groups: list[list[int]] = []
    for at in changed:
        if groups and at - groups[-1][-1] <= 2 * CONTEXT:
            groups[-1].append(at)
        else:
            groups.append([at])
    for group in groups:
        start, stop = max(0, group[0] - CONTEXT), min(len(old), group[-1] + CONTEXT + 1)
        yield f"@@ -{start + 1},{stop - start} +{start + 1},{stop - start} @@"
        at = start
        while at < stop:
            run = at
            while run < stop and old[run] != new[run]:
                run += 1
            if run == at:
                yield " " + _line(old[at])
                at += 1
                continue
            pairs = [_pair(old[place], new[place]) for place in range(at, run)]
            yield from ("-" + removed for removed, _ in pairs)
            yield from ("+" + added for _, added in pairs)
            at = run


def _general(old: list[str], new: list[str]) -> Iterator[str]:
    lines = difflib.unified_diff(old, new, n=CONTEXT, lineterm="")
    for number, line in enumerate(lines):
        if number >= 2:
            yield line if line.startswith("@@") else line[0] + _line(line[1:])


def _pair(old: str, new: str) -> tuple[str, str]:
    """Both sides of a changed line; of long ones what is around the first change."""
    if max(len(old), len(new)) <= LONGEST_LINE:
        return _line(old), _line(new)
    first = next(at for at in range(max(len(old), len(new))) if old[at : at + 1] != new[at : at + 1])
    start = max(0, first - LONGEST_LINE // 4)
    head = "… " if start else ""
    return head + _line(old[start:]), head + _line(new[start:])


def _line(text: str) -> str:
    text = text.removesuffix("\r")
    cut = text if len(text) <= LONGEST_LINE else text[:LONGEST_LINE] + " …"
    return "\t".join(safe(part) for part in cut.split("\t"))
