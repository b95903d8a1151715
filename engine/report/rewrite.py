"""What a references scan found and what became of it, as text for people and as values for `--json`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.api.commands import accept_command, command
from engine.api.rewrite import RewriteResult
from engine.finish.gate import REFERENCES
from engine.plan.document import Plan
from engine.references.scanning import FileFound
from engine.report.diff import diff_lines, file_diff, restored_lines
from engine.report.ndjson import picked
from engine.report.page import Page, Toned, next_step, to_type
from engine.report.text import count_text, pace_text, plural, safe

SHOWN_A_FILE = 20


def changed_pages(result: RewriteResult) -> Iterator[Page]:
    """The diff, a file at a time: all of it may be more than memory holds."""
    for file in result.scan.files if result.scan is not None else ():
        if file.changes and (diff := file_diff(file.name, file.before, file.after)):
            yield diff_lines(diff)


def rewrite_page(plan: Plan, result: RewriteResult, took_s: float) -> Page:
    """What comes behind the diff: what is left alone and why, then what was done or is to be done."""
    scan = result.scan
    if scan is None:
        words = [result.first, "--undo"] if result.first else ["rewrite"]
        return [*restored_lines(result.restored), next_step(command(plan, result.ledger, *words))]
    lines = [line for file in scan.files for line in _left(file)]
    lines += [f"{safe(item.name)}: not looked into: {safe(item.why)}" for item in scan.unread]
    changing = [file for file in scan.files if file.changes]
    places = sum(not item.why for file in changing for item in file.findings)
    if lines or changing:
        lines.append("")
    looked = f"looked through {plural(scan.looked, 'file')}, {count_text(scan.binary)} of them binary"
    following = command(plan, result.ledger, "cleanup")
    if result.done is None:
        lines.append(f"{looked}: {plural(places, 'place')} in {plural(len(changing), 'file')} would be rewritten")
        if changing:
            lines.append("nothing was written")
            following = command(plan, result.ledger, "rewrite", "--apply")
    else:
        lines += [f"not written: {safe(item.why)}" for item in result.done.refused]
        lines.append(f"{looked}: {plural(len(result.done.written), 'file')} written")
        if result.done.renewed:
            lines.append(
                f"{plural(len(result.done.renewed), 'moved object')} changed at the source: "
                "run and verify the plan again, its proof is made anew"
            )
        if result.done.written:
            back = command(plan, result.ledger, "rewrite", "--undo")
            lines.append(Toned(f"to put everything back: {back}", whole=True))
        if result.done.renewed:
            following = command(plan, result.ledger, "run")
        elif result.done.refused:
            # What was not shown is not written, nor what changed since: it is shown first.
            following = command(plan, result.ledger, "rewrite")
    if result.done is None and changing:
        left = scan.left_after({file.name for file in changing}).places
        if left:
            lines.append(f"{_old_paths(left)} left to you even then")
    elif result.left.places:
        # Only what is left now has the figure that the gate will find, and that can be accepted.
        accept = accept_command(plan, result.ledger, REFERENCES, result.left.figure)
        lines += [f"{_old_paths(result.left.places)} left to you: change them, or", to_type(accept)]
    return [*lines, f"took {pace_text(scan.looked, took_s, nouns='files')}", next_step(following)]


def _old_paths(places: int) -> str:
    return f"{plural(places, 'place')} {'names old paths and is' if places == 1 else 'name old paths and are'}"


def _left(file: FileFound) -> list[str]:
    left = [item for item in file.findings if item.why or file.held_back]
    lines = [
        f"{safe(file.name)}:{item.line}: {safe(item.written)}: left alone: {safe(item.why or file.held_back)}"
        for item in left[:SHOWN_A_FILE]
    ]
    if len(left) > SHOWN_A_FILE:
        lines.append(f"{safe(file.name)}: and {count_text(len(left) - SHOWN_A_FILE)} more places; --json has them all")
    return lines


def rewrite_values(result: RewriteResult) -> dict[str, Any]:
    """The summary of a rewrite; the places themselves are events."""
    scan = result.scan
    if scan is None:
        return picked(result, "ledger restored")
    values = {
        "ledger": result.ledger,
        **picked(scan, "looked binary places"),
        "would_write": [file.name for file in scan.files if file.changes],
        "unread": scan.unread,
    }
    if result.done is not None:
        values |= picked(result.done, "written refused renewed")
        values |= picked(result.left, "left=places figure")
    return values
