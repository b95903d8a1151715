"""What the ledger learns of objects that changed or went while or after they were carried. Pure: rows of a join in,
outcomes out."""

from __future__ import annotations

from engine.model import ListedObject, Proof
from engine.plan.integrity import same_etag
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, BEREFT, IN_PLACE, State
from engine.plan.record import (
    Entry,
    Outcome,
    how_changed,
    is_damaged,
    is_ours,
    is_restamped,
    is_unchanged,
)


def drift(row: Joined) -> Outcome | None:
    """For a listing of the source alone, after the copies, on a server that pins no source: what changed meanwhile."""
    source, entry = row.source, row.entry
    if source is None or entry is None or entry.state not in IN_PLACE or is_unchanged(source, entry):
        return None
    code, message = how_changed(source, entry)
    said = f"listed again after the copies, since this server does not refuse to copy what changed: {message}"
    return Outcome.seen(row.key, State.DRIFTED, entry.target_etag, code, said)


def ended(row: Joined, minimum: Proof = Proof.NONE) -> Outcome | None:
    """What the ledger learns of an object whose source is not there; None where it knows already, or nothing of the
    object was ever written. A verified one that is proven at less than `minimum` can never be proven at it."""
    target, entry = row.target, row.entry
    if row.source is not None or entry is None or entry.state is State.DELETING or entry.state is State.WITHDRAWN:
        return None
    if entry.state is State.DAMAGED or is_damaged(target, entry):
        return None if entry.state is State.LOST else lost(row.key, target, entry)
    overwritten = entry.state is State.CONFLICT and entry.target_etag != "" and not has_landed(target, entry)
    if entry.state in IN_PLACE or entry.state in BEREFT or overwritten:
        # What was not copied over a target in conflict is no measure of it.
        stands = target is not None and is_ours(target, entry) and (overwritten or target.size == entry.size)
        if not stands:
            # Of one that bears but another ctime its bytes tell, which only a verification reads.
            known = entry.state is State.LOST or is_unread(row)
            return None if known else lost(row.key, target, entry)
        if entry.state is State.LOST and entry.proof > Proof.NONE:
            return Outcome.seen(row.key, State.DELETED, entry.target_etag, proof=entry.proof)
        if entry.state is State.COPIED or overwritten or (entry.state is State.VERIFIED and entry.proof < minimum):
            return _withdrawn(row.key, entry.target_etag, entry.proof)
        return None
    if target is not None and has_landed(target, entry):
        return _withdrawn(row.key, target.etag, Proof.SIZE)
    if entry.target_etag:
        return _withdrawn(row.key, entry.target_etag, Proof.NONE)
    if entry.state in ASIDE:
        return None  # nothing was written of it: it is forgotten
    return Outcome.seen(row.key, State.DRIFTED, "", "SourceGone", "the source was listed once and is gone now")


def is_unread(row: Joined) -> bool:
    """Whether the source is gone, and its copy is the ledger's by all but its ctime: neither lost nor standing until
    it is read. What was found damaged stays so."""
    entry = row.entry
    if row.source is not None or entry is None or entry.damaged or not is_restamped(row.target, entry):
        return False
    return entry.state in IN_PLACE or entry.state in BEREFT or entry.state is State.CONFLICT


def has_landed(target: ListedObject | None, entry: Entry) -> bool:
    """The target is our own copy, whose answer was lost."""
    return target is not None and same_etag(target.etag, entry.source_etag) and target.size == entry.size


def _withdrawn(key: str, target_etag: str, proof: Proof) -> Outcome:
    said = "its owner removed the source before the copy was proven; what was copied stands as it is"
    return Outcome.seen(key, State.WITHDRAWN, target_etag, "SourceGone", said, proof)


def lost(key: str, target: ListedObject | None, entry: Entry) -> Outcome:
    """A proof is kept: it tells that the target was right once, and may be again."""
    by = "was deleted after its proof" if entry.state is State.DELETED else "is gone"
    what = "is not there any more" if target is None else f"is not what was proven (ETag {target.etag} now)"
    if entry.state is State.DAMAGED or is_damaged(target, entry):
        what = "was found damaged"
    code = "TargetMissing" if target is None else "TargetChanged"
    said = f"the target {what}, and the source {by}: there is nothing left to mend it from"
    return Outcome.seen(key, State.LOST, entry.target_etag, code, said, entry.proof)
