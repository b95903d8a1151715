"""What a run does about the objects of a route that sets what they carry where they are: its target is its source.

Such a route lists one side, and its objects' own state tells what is to be done: what is as it is wanted is left alone.
Only `Plan.setting` makes one. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import UsageError
from engine.model import ListedObject, Location, Proof
from engine.plan.decide import Action, Choice, decision_of, forgotten, is_archived
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, IN_FLIGHT, IN_PLACE, State
from engine.plan.record import Decision, Entry, Outcome
from engine.plan.route import Route

UNTOUCHED = "nothing was copied"
"""What the proof of an object rests on that was not written again: its ETag is what it was."""


def refuse_in_place(routes: Iterable[Route], what: str) -> None:
    """Raise `UsageError` for a route whose sources are its targets, of which nothing may be deleted."""
    if any(route.in_place for route in routes):
        raise UsageError(
            f"{what} is not for objects that were set where they are: each is its own source and target, and the only "
            "one there is.",
            advice="What is set is verified by `cartage verify --ledger FILE`; `cartage delete` deletes objects.",
        )


def remade(routes: Iterable[Route]) -> list[Location]:
    """Where objects are copied onto themselves: what they were stays behind there, if versions are kept."""
    return [route.target for route in routes if route.in_place and not route.sets_tags_alone]


def is_set(route: Route, source: ListedObject) -> bool:
    """Whether all that a listing tells is as the route wants it."""
    return not route.storage_class or (source.storage_class or "STANDARD") == route.storage_class


def decide_in_place(row: Joined, route: Route) -> Choice | None:
    """What a run does about `row`; None where there is nothing to do and nothing new to remember, and where the object
    is gone (`ended_in_place`). What no listing tells, tags and metadata, is looked at object by object, each time."""
    source, entry = row.source, row.entry
    if source is None:
        never_written = entry is not None and entry.state in ASIDE and not entry.target_etag
        return forgotten(row.key, entry) if entry is not None and never_written else None
    if entry is not None and entry.state is State.FAILED and stands(source, entry) and is_set(route, source):
        return None  # it lost something, which is not there to be read any more
    if is_set(route, source) and not route.sets_unlisted:
        if entry is not None and entry.state in IN_PLACE and stands(source, entry):
            return None
        return Choice(Action.RECORD, _as_it_is(row.key, source, entry), source)
    if is_archived(source) and not route.sets_tags_alone:
        decision = decision_of(row.key, source, State.ARCHIVED, source.etag)._replace(
            code="Archived",
            message=f"it is in {source.storage_class} and must be restored before anything but its tags can be set",
        )
        return Choice(Action.RECORD, decision, source)
    return Choice(Action.COPY, decision_of(row.key, source, State.PLANNED, source.etag), source, source.etag)


def ended_in_place(row: Joined) -> Outcome | None:
    """What the ledger learns of an object that is not there any more; None where it knows already."""
    entry = row.entry
    if row.source is not None or entry is None or entry.state is State.WITHDRAWN:
        return None
    if entry.state in IN_FLIGHT:
        return Outcome.seen(row.key, State.DRIFTED, "", "SourceGone", "it was listed once and is gone now")
    if not entry.target_etag:
        return None
    said = "its owner removed it since it was set"
    return Outcome.seen(row.key, State.WITHDRAWN, entry.target_etag, "SourceGone", said, entry.proof)


def drift_in_place(row: Joined) -> Outcome | None:
    """For a listing after the copies, on a server that pins no source: what was written meanwhile."""
    source, entry = row.source, row.entry
    if source is None or entry is None or entry.state not in IN_PLACE or stands(source, entry):
        return None
    said = f"it was written by someone else since it was set (ETag {source.etag} now); the next run sets it again"
    return Outcome.seen(row.key, State.DRIFTED, entry.target_etag, "SourceChanged", said)


def stands(source: ListedObject, entry: Entry) -> bool:
    """Whether the object is what this ledger left there."""
    return entry.target_etag != "" and (source.etag, source.size) == (entry.target_etag, entry.size)


def _as_it_is(key: str, source: ListedObject, entry: Entry | None) -> Decision:
    """An object that is as it is wanted: before us, or by a copy of ours whose outcome was not committed. That one is
    held against what it was before."""
    decision = decision_of(key, source, State.COPIED, source.etag)._replace(target_etag=source.etag)
    if entry is not None and entry.state in IN_FLIGHT and entry.size == source.size:
        same = source.etag == entry.source_etag
        compared = "size and equal etags" if same else "size: nothing else is comparable"
        return decision._replace(source_etag=entry.source_etag, proof=Proof.SIZE, compared=compared)
    return decision._replace(found=True, proof=Proof.DIGEST, compared=UNTOUCHED)
