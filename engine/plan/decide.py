"""What a run does about one joined key. Pure: a row of the join in, a choice out.

The order of the questions is the safety of the tool, so it stands in one function a situation:

- nothing is overwritten that we did not write, unless the route's policy says so;
- every write carries the condition that made it right: the target is absent, or bears the ETag seen here;
- a target that was found damaged is never taken, whatever its ETag says;
- an intent without an outcome is settled by looking at the target, never by guessing.
"""

from __future__ import annotations

from enum import Enum, StrEnum

from engine.model import ABSENT, RESTORING, ListedObject, OpaqueEtag, Overwrite, Proof, Value
from engine.plan.gone import has_landed
from engine.plan.integrity import Agreement, compare_etags
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, BEREFT, IN_FLIGHT, IN_PLACE, State
from engine.plan.misnamed import Misnames
from engine.plan.record import (
    COMPARE,
    Decision,
    Entry,
    Outcome,
    is_damaged,
    is_ours,
    is_restamped,
    same_bytes,
    same_moment,
)
from engine.plan.retrieval import ARCHIVE_CLASSES, UNDER_WAY


class Action(StrEnum):
    """What is to be done next about a decided key."""

    COPY = "copy"
    INSPECT = "inspect"  # the target has the same size and no comparable ETag: HEAD both before anything else
    CLAIM = "claim"  # it appeared while our copy was under way, and may be ours: look at it before copying again
    MEND = "mend"  # the bytes are there: HEAD both, compare what they carry, and copy again only where that differs
    REREAD = "reread"  # ours but for its ctime: read it, and it stays ours where it holds the bytes
    RECORD = "record"  # nothing to do but to remember it
    FORGET = "forget"  # it vanished from the source before anything of it was written


class Choice(Value, frozen=True):
    """One decision and what follows from it. `target_condition` guards the write: `ABSENT` or an ETag. `anew`: what is
    copied over was found damaged, so that nothing which bears its ETag is taken for the copy. `ended`: how it ends once
    it is decided, without anything being done about it. `over`: what is listed at the target and is written over, where
    that is not perhaps our own copy of this very object."""

    action: Action
    decision: Decision
    source: ListedObject | None
    target_condition: str = ABSENT
    anew: bool = False
    ended: Outcome | None = None
    over: ListedObject | None = None


def is_archived(source: ListedObject) -> bool:
    """Whether the listing already says that the object must be restored first."""
    return source.storage_class in ARCHIVE_CLASSES and not source.restored


def archived_words(kind: str, *, under_way: bool) -> tuple[str, str]:
    """Code and message of a source that is archived; `kind` is its class, or its tier in INTELLIGENT_TIERING."""
    if under_way:
        return UNDER_WAY, f"the source is in {kind}, and is being restored"
    return "Archived", f"the source is in {kind} and must be restored before it can be copied"


def decide(row: Joined, policy: Overwrite, *, digests: bool = True, misnames: Misnames | None = None) -> Choice | None:
    """What a run does about `row`; None where there is nothing to do and nothing new to remember, and where the source
    is gone (`ended`). `digests`: plain ETags are known to be MD5s on both sides; else two that differ tell nothing of
    what is not ours. `misnames`: what the target may not be named, where it is a file."""
    choice = _decided(row, policy, digests=digests)
    if misnames is None or choice is None or choice.source is None:
        return choice
    if choice.action is not Action.COPY and choice.decision.state is not State.ARCHIVED:
        return choice
    fault = misnames(row.key, choice.source.size)
    if fault is None:
        return choice
    decision = choice.decision._replace(state=State.PLANNED, code="", message="")
    code, message = fault
    return Choice(
        Action.RECORD,
        decision,
        choice.source,
        ended=Outcome.seen(row.key, State.FAILED, code=code, message=message),
    )


def _decided(row: Joined, policy: Overwrite, *, digests: bool) -> Choice | None:
    source, target, entry = row.source, row.target, row.entry
    if source is None:
        return _vanished(row.key, target, entry)
    if entry is not None:
        if entry.state is State.DELETING:
            return None  # cleanup's own business: it looks again before it believes anything
        if entry.state in IN_PLACE and target is not None and same_bytes(source, entry) and _stands(target, entry):
            return _in_place(row, source, target, entry, policy)
        if target is not None and _may_be_ours(source, target, entry):
            return _reread(row, source, target, entry)
        if entry.state is State.COPYING and entry.held == "" and target is None and same_bytes(source, entry):
            # Its upload is taken up again, whatever the class says now; it carries what the source carried then.
            touched = not same_moment(source.modified, entry.source_modified)
            return _copy(row, source, held="", action=Action.MEND if touched else Action.COPY)
        # What stands where a revert took our copy away is somebody's.
        if entry.state in IN_FLIGHT and same_bytes(source, entry) and not entry.taken_back:
            return _in_flight(row, source, target, entry, policy, digests=digests)
    return _fresh(row, source, target, entry, policy, digests=digests)


def _in_place(
    row: Joined, source: ListedObject, target: ListedObject, entry: Entry, policy: Overwrite
) -> Choice | None:
    """The bytes are in place on both sides: nothing is to be done, unless what they carry differs, or may."""
    if same_moment(source.modified, entry.source_modified):
        if not entry.differs or _is_file(target):
            return None  # what a file cannot carry no run can give it
        if entry.found and policy is Overwrite.NEVER:
            return None  # what we did not write keeps what it carries; the gate tells
    return _compare(row, source, target, entry)


def _is_suspect(source: ListedObject, entry: Entry) -> bool:
    """Whether the target may carry what the source does not, although their bytes are the same. A source that was gone
    is another object, also where it came back within the same second."""
    return entry.differs or entry.state is State.WITHDRAWN or not same_moment(source.modified, entry.source_modified)


def _stands(target: ListedObject, entry: Entry) -> bool:
    """The target is ours as `is_ours` has it, and was not found damaged."""
    return entry.target_etag not in ("", entry.damaged) and target.etag == entry.target_etag


def bears(source: ListedObject, target: ListedObject) -> bool:
    """Whether the target is, by listing alone, what a copy of the source would have written."""
    return source.size == target.size and compare_etags(source.etag, target.etag) is Agreement.EQUAL


def _may_be_ours(source: ListedObject, target: ListedObject, entry: Entry) -> bool:
    """A file that we wrote, by all but its ctime, with nothing else to be looked at."""
    known = entry.state in (State.COPIED, State.VERIFIED, State.DAMAGED, State.PLANNED, State.CONFLICT)
    if not known or entry.found or entry.differs or entry.damaged:
        return False
    return is_restamped(target, entry) and same_bytes(source, entry) and not _is_suspect(source, entry)


class _Target(Enum):
    """What a target that is there is to a source that is decided as if for the first time."""

    SUSPECT = 1  # ours, and its bytes are the source's; what they carry may differ
    EQUAL = 2  # its bytes are the source's, by the listings
    UNKNOWN = 3  # as long as the source, with no ETag to compare
    OTHER = 4  # other bytes, or found damaged


class _Step(Enum):
    TAKE = 1  # for the copy
    AGAIN = 2  # copy over what is our own
    REPLACE = 3  # copy over what is not
    COMPARE = 4  # what both sides carry
    INSPECT = 5  # HEAD both before anything else
    CONFLICT = 6


def _by_policy(*steps: _Step) -> dict[Overwrite, _Step]:
    return dict(zip((Overwrite.NEVER, Overwrite.IF_DIFFERENT, Overwrite.ALWAYS), steps, strict=True))


_OVER_OURS = {  # we wrote it, and its source was there all the while
    #                            never           if-different    always
    _Target.SUSPECT: _by_policy(_Step.COMPARE, _Step.COMPARE, _Step.COMPARE),
    _Target.EQUAL: _by_policy(_Step.TAKE, _Step.TAKE, _Step.AGAIN),
    _Target.UNKNOWN: _by_policy(_Step.AGAIN, _Step.AGAIN, _Step.AGAIN),
    _Target.OTHER: _by_policy(_Step.AGAIN, _Step.AGAIN, _Step.AGAIN),
}
_OVER_OTHERS = {  # in place before us, not known, or all that may be left of a source that was deleted
    _Target.SUSPECT: _by_policy(_Step.COMPARE, _Step.COMPARE, _Step.COMPARE),
    _Target.EQUAL: _by_policy(_Step.TAKE, _Step.TAKE, _Step.REPLACE),
    _Target.UNKNOWN: _by_policy(_Step.INSPECT, _Step.INSPECT, _Step.REPLACE),
    _Target.OTHER: _by_policy(_Step.CONFLICT, _Step.REPLACE, _Step.REPLACE),
}


def _fresh(
    row: Joined,
    source: ListedObject,
    target: ListedObject | None,
    entry: Entry | None,
    policy: Overwrite,
    *,
    digests: bool,
) -> Choice:
    """Decide as for the first time; `entry` only tells which target is ours, and which was found damaged. Where the
    target is what was written of another source, which was deleted, the entry is that one's."""
    if entry is not None and entry.former is not None and is_ours(target, entry.former):
        entry = entry.former
        row = row._replace(entry=entry)
    if is_archived(source) and not (target is not None and bears(source, target)):
        code, message = archived_words(source.storage_class, under_way=source.restore == RESTORING)
        held = target.etag if target else ""
        return _aside(row, source, State.ARCHIVED, held=held, code=code, message=message)
    if target is None:
        return _copy(row, source, held="")
    ours = entry if is_ours(target, entry) else None
    wrote = ours is not None and not ours.found
    steps = _OVER_OURS if ours is not None and wrote and ours.state not in BEREFT else _OVER_OTHERS
    match steps[_relation(source, target, ours, entry, digests=digests)][policy]:
        case _Step.TAKE:
            return _found(row, source, target, found=not wrote)
        case _Step.AGAIN:
            return _copy(row, source, held=target.etag, ours=target.etag)
        case _Step.REPLACE:
            return _copy(row, source, held=target.etag)
        case _Step.COMPARE:
            assert ours is not None  # only what is ours is suspect
            return _compare(row, source, target, ours)
        case _Step.INSPECT:
            return _copy(row, source, held=target.etag, action=Action.INSPECT)
        case _Step.CONFLICT:
            return _conflict(row, source, target)


def _relation(
    source: ListedObject, target: ListedObject, ours: Entry | None, entry: Entry | None, *, digests: bool
) -> _Target:
    """`ours` is the ledger's row, `entry`, where the target bears the ETag that it knows."""
    if source.size != target.size or is_damaged(target, entry):
        return _Target.OTHER
    match compare_etags(source.etag, target.etag):
        case Agreement.EQUAL:
            suspect = ours is not None and ours.state not in BEREFT and _is_suspect(source, ours)
            return _Target.SUSPECT if suspect else _Target.EQUAL
        case Agreement.UNKNOWN:
            return _Target.UNKNOWN
        case Agreement.DIFFERENT:
            return _Target.OTHER if digests else _Target.UNKNOWN


def displaced(rows: list[Joined]) -> list[str]:
    """The keys at whose targets nothing is, although cleanup relied on it when it deleted the source, and where another
    source is copied to now: no row will say so."""
    found = []
    for row in rows:
        if row.entry is None or row.target is not None or row.source is None:
            continue
        known = row.entry.former or row.entry
        if known.state is State.DELETED and not same_bytes(row.source, known):
            found.append(row.key)
    return found


def _in_flight(
    row: Joined, source: ListedObject, target: ListedObject | None, entry: Entry, policy: Overwrite, *, digests: bool
) -> Choice:
    """An intent was committed and its outcome was not: the target tells which of the two happened."""
    if target is None or target.etag == entry.held:
        return _fresh(row, source, target, entry, policy, digests=digests)  # nothing has landed since the decision
    if bears(source, target) and not is_damaged(target, entry):  # our own copy, whose answer was lost
        if _is_suspect(source, entry):
            return _compare(row, source, target, entry)
        return _found(row, source, target, found=False)
    if target.size == source.size or _is_empty_file(target):
        # It appeared since the decision, and a listing cannot tell it apart from ours: two plain ETags that differ tell
        # them apart if both are MD5s, all others if the bytes are asked for.
        # Of one that was found damaged there is nothing to ask.
        action = Action.COPY if is_ours(target, entry) or is_damaged(target, entry) else Action.CLAIM
        return _copy(row, source, held=target.etag, ours=entry.target_etag, action=action)
    return _fresh(row, source, target, entry, policy, digests=digests)


def _is_empty_file(target: ListedObject) -> bool:
    """A file without a byte: a power cut may have left that of ours."""
    return target.size == 0 and _is_file(target)


def _is_file(target: ListedObject) -> bool:
    """As its version tells: size, two times and an inode. No server's ETag has this form."""
    return type(target.etag) is OpaqueEtag and target.etag.count("-") == 3


def _vanished(key: str, target: ListedObject | None, entry: Entry | None) -> Choice | None:
    if entry is None or entry.state not in ASIDE or entry.target_etag != "":
        return None
    if has_landed(target, entry) or is_damaged(target, entry):
        return None
    return forgotten(key, entry)


def forgotten(key: str, entry: Entry) -> Choice:
    """Nothing is left of an object, and nothing of it was written."""
    return Choice(Action.FORGET, Decision(key, entry.size, entry.source_etag, "", "", "", entry.state), None)


def decision_of(key: str, source: ListedObject, state: State, held: str) -> Decision:
    """What is decided about a source, as it was listed."""
    return Decision(key, source.size, source.etag, source.modified, source.storage_class, source.checksum, state, held)


def _copy(row: Joined, source: ListedObject, *, held: str, ours: str = "", action: Action = Action.COPY) -> Choice:
    decision = decision_of(row.key, source, State.PLANNED, held)
    if ours:
        decision = decision._replace(target_etag=ours)
    if action is Action.MEND:
        decision = decision._replace(properties=COMPARE)
    over = row.target if held and action is not Action.CLAIM else None
    return Choice(action, decision, source, held or ABSENT, is_damaged(row.target, row.entry), over=over)


def _compare(row: Joined, source: ListedObject, target: ListedObject, entry: Entry) -> Choice:
    """What both sides carry is to be compared. The decision says so, for a run that finds it without an outcome; what
    was there before us stays known, so that our own copy can still be taken back."""
    decision = decision_of(row.key, source, State.PLANNED, target.etag if entry.found else entry.held)
    decision = decision._replace(target_etag=target.etag, found=entry.found, properties=COMPARE)
    return Choice(Action.MEND, decision, source, target.etag, over=target)


def _reread(row: Joined, source: ListedObject, target: ListedObject, entry: Entry) -> Choice:
    """What stood there before our first write stays known, as it is still our own copy."""
    decision = decision_of(row.key, source, State.PLANNED, entry.held)._replace(target_etag=entry.target_etag)
    return Choice(Action.REREAD, decision, source, target.etag)


def _found(row: Joined, source: ListedObject, target: ListedObject, *, found: bool) -> Choice:
    decision = decision_of(row.key, source, State.COPIED, "" if not found else target.etag)
    return Choice(
        Action.RECORD,
        decision._replace(target_etag=target.etag, found=found, proof=Proof.SIZE, compared="size and equal etags"),
        source,
    )


OUT_OF_CONFLICT = 'move the target away, or set overwrite = "if-different" on the route'
"""What ends a conflict: no run does while overwrite is never."""


def conflict_of(row: Joined, policy: Overwrite, *, digests: bool) -> Decision | None:
    """The conflict that the next run would find at a target that is not what was written; None where it would not."""
    choice = decide(row, policy, digests=digests)
    return choice.decision if choice is not None and choice.decision.state is State.CONFLICT else None


def _conflict(row: Joined, source: ListedObject, target: ListedObject) -> Choice:
    what, damaged = f"other content (ETag {target.etag}, the source has {source.etag})", False
    if target.size != source.size:
        what = f"{target.size} bytes where the source has {source.size}"
    elif damaged := is_damaged(target, row.entry):
        what = f"what was found damaged (ETag {target.etag}, which does not show that)"
    whose = "which this ledger did not write"
    if row.entry is not None and row.entry.state in BEREFT and is_ours(target, row.entry):
        when = "written" if damaged else "proven"
        whose = f"{when} before its source was deleted, and perhaps all that is left of it"
    return _aside(
        row,
        source,
        State.CONFLICT,
        held=target.etag,
        code="TargetDiffers",
        message=f"the target holds {what}, {whose}, and overwrite is never",
    )


def _aside(row: Joined, source: ListedObject, state: State, *, held: str, code: str, message: str) -> Choice:
    # What is not ours must not become ours by being set aside: a later run would overwrite it, a revert remove it.
    entry = row.entry
    known = entry is not None and entry.state not in BEREFT
    decision = decision_of(row.key, source, state, held)._replace(
        target_etag=entry.target_etag if entry is not None and known else "",
        found=entry.found if entry is not None and known else False,
        code=code,
        message=message,
    )
    return Choice(Action.RECORD, decision, source)
