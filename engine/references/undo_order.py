"""What rewrite and manifest wrote and nobody has put back yet, and in which order it is: the later change of a file
first."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from engine.ledger import LedgerReader
from engine.plan.document import Plan

if TYPE_CHECKING:
    from engine.references.undoing import RestoredFile  # which loads what writes

REWRITE, MANIFEST = "rewrite", "manifest"
OF_REWRITE, OF_MANIFEST, CREATED = "references", "manifest", "manifest created"
"""What the ledger keeps, by its kind; `CREATED`, with no body: there was nothing, and going back means to delete."""
_UNDONE_BY = {OF_REWRITE: REWRITE, OF_MANIFEST: MANIFEST, CREATED: MANIFEST}
FIGURE_DIGITS = 12


class Written(NamedTuple):
    """One change of a file. `verb` is the command that made it, and puts it back; `place` is the same for both, where
    they call a local file otherwise."""

    verb: str
    name: str
    place: str


async def written(ledger: LedgerReader, plan: Plan) -> list[Written]:
    """The changes that stand, as far as the ledger knows, newest first."""
    return [Written(_UNDONE_BY[kind], name, _place(plan, name)) for kind, name in await ledger.kept_names()]


def _place(plan: Plan, name: str) -> str:
    return name if name.startswith("s3://") else os.path.realpath(plan.local_path(name))


def untold(plan: Plan, changes: Iterable[Written]) -> list[str]:
    """The commands that the plan has something for, and that changed no file yet, in the order in which they come."""
    done = {item.verb for item in changes}
    places = {MANIFEST: plan.manifest, REWRITE: plan.references.locations or plan.references.folders}
    return [verb for verb, asked in places.items() if asked and verb not in done]


def undo_order(changes: Iterable[Written]) -> list[str]:
    """The commands whose --undo puts all of it back, in order: one goes through a file as far as its own changes are
    the latest."""
    left, verbs = list(changes), list[str]()
    while left:
        verb = left[0].verb
        after, kept = list[Written](), set[str]()
        for item in left:
            if item.verb != verb or item.place in kept:
                kept.add(item.place)
                after.append(item)
        left = after
        verbs.append(verb)
    return verbs


def figure_of(changes: Sequence[Written]) -> str:
    """How many files, and a digest of which they are and how often they were changed."""
    listed = sorted((item.verb, item.place) for item in changes)
    digest = hashlib.sha256(json.dumps(listed).encode()).hexdigest()
    return f"{len({item.place for item in changes})}:{digest[:FIGURE_DIGITS]}"


class Undone(NamedTuple):
    """What an undo came to, and the command whose undo has to come before it (empty: none)."""

    files: list[RestoredFile]
    first: str


async def explained(ledger: LedgerReader, plan: Plan, verb: str, files: Sequence[RestoredFile]) -> Undone:
    """What an undo by `verb` came to, with the reason where the other command wrote over its change later."""
    latest: dict[str, str] = {}
    covered: dict[str, str] = {}
    for item in await written(ledger, plan):
        other = latest.setdefault(item.place, item.verb)
        if item.verb == verb != other:
            covered[item.name] = other
    told = [
        file._replace(why=f"{covered[file.name]} wrote it later: undo that first, then this again")
        if file.name in covered
        else file
        for file in files
    ]
    return Undone(told, next((covered[file.name] for file in files if file.name in covered), ""))
