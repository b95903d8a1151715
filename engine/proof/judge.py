"""What a verification says of one joined key. Pure: a row of the join in, a finding out."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.model import Overwrite, Proof
from engine.plan.decide import conflict_of
from engine.plan.gone import ended, is_unread, lost
from engine.plan.in_place import drift_in_place, ended_in_place, is_set
from engine.plan.integrity import Agreement, compare_etags, parts_of
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, BEREFT, ENDED, IN_FLIGHT, IN_PLACE, State
from engine.plan.record import (
    Entry,
    ObjectRecord,
    Outcome,
    how_changed,
    is_damaged,
    is_restamped,
    is_unchanged,
    same_bytes,
)
from engine.plan.route import Route


class Kind(StrEnum):
    """What was found. Everything but OK, EXTRA, SOURCE_GONE and SOURCE_DELETED is a difference; WITHDRAWN and LOST are
    none once they are accepted by their figure."""

    OK = "ok"
    MISSING = "missing"  # the target is not there
    DAMAGED = "damaged"  # the target is no longer what was written
    SIZE = "size"  # the sizes differ
    DIGEST = "digest"  # digests of like form differ
    DRIFTED = "drifted"  # the source changed after it was copied, be it only in what it carries
    UNREAD = "unread"  # its bytes or its properties were to be read and could not be
    PROPERTIES = "properties"  # the bytes agree, and the target lacks what the route gives it
    PENDING = "pending"  # not copied yet, or set aside
    NEW = "new"  # in the source, and not in the ledger
    EXTRA = "extra"  # in the target alone; a difference only for routes marked exact
    SOURCE_GONE = "source gone"  # proven, and the source is gone since; the target stands
    SOURCE_DELETED = "source deleted"  # cleanup deleted the source; the target stands
    WITHDRAWN = "withdrawn"  # the source is gone, and was not proven before; the target stands
    LOST = "lost"  # the target is not what was proven, and no source is left to mend it from


class Question(StrEnum):
    """What has to be asked of S3 before a finding stands."""

    NOTHING = "nothing"
    ENCRYPTION = "encryption"  # one HEAD a route tells whether plain ETags are MD5s
    CHECKSUMS = "checksums"  # a HEAD of each side
    BYTES = "bytes"  # those of a target whose version tells too little


CONTRADICTED = "size: the ETags differ, whatever a checksum said"


class Finding(NamedTuple):
    """`outcome` is what the ledger is to learn, None where it learns nothing. While `question` is not NOTHING, the
    outcome is what stands if that answer says nothing more. `in_conflict`: no run may write over what is there."""

    kind: Kind
    key: str
    message: str = ""
    outcome: Outcome | None = None
    question: Question = Question.NOTHING
    in_conflict: bool = False


def judge(
    row: Joined, minimum: Proof = Proof.NONE, policy: Overwrite = Overwrite.ALWAYS, *, digests: bool = True
) -> Finding | None:
    """What both listings and the ledger say of one key; None where there is nothing to say. `minimum` is the proof that
    the plan asks for: an object whose source is gone can reach it no more. A target that no run may write over, by
    `policy` and with `digests` as `decide` has it, is in conflict; any other that is not what was written, damaged."""
    source, target, entry = row.source, row.target, row.entry
    if entry is None:
        if source is not None:
            return Finding(Kind.NEW, row.key, "it is in the source and not in the ledger; the next run takes it along")
        return Finding(Kind.EXTRA, row.key, "it is in the target alone") if target is not None else None
    if source is None and entry.state is not State.DELETING and entry.state not in IN_FLIGHT:
        return _without_source(row, entry, minimum)
    if source is not None and (entry.state in BEREFT or entry.state in ENDED):
        return Finding(Kind.NEW, row.key, "it arrived in the source after the old one was gone")
    if entry.state is State.CONFLICT:
        assert source is not None
        looked_at = target is not None and target.etag == entry.held and same_bytes(source, entry)  # by the last run
        if not (looked_at and policy is Overwrite.NEVER) and conflict_of(row, policy, digests=digests) is None:
            return Finding(Kind.PENDING, row.key, "it was in conflict; the next run looks at it again")
        return Finding(Kind.PENDING, row.key, f"it is not copied ({entry.state.value})", in_conflict=True)
    if entry.state in IN_FLIGHT or (entry.state in ASIDE and entry.state is not State.DAMAGED):
        return Finding(Kind.PENDING, row.key, f"it is not copied ({entry.state.value})")
    if entry.state is State.DELETING:
        return Finding(Kind.PENDING, row.key, "its source is being deleted; run cleanup again to finish")
    assert source is not None
    if entry.state is not State.DAMAGED and not is_unchanged(source, entry):
        return off(row, Kind.DRIFTED, State.DRIFTED, *how_changed(source, entry))
    if target is None:
        return off(row, Kind.MISSING, State.DAMAGED, "TargetMissing", "the target is not there any more")
    if target.size != entry.size:
        message = f"the target has {target.size} bytes, the source {entry.size}"
        return _other(row, Kind.SIZE, "SizeDiffers", message, policy, digests=digests)
    if target.etag != entry.target_etag:
        message = f"the target bears ETag {target.etag}, and was written with {entry.target_etag}"
        finding = _other(row, Kind.DAMAGED, "TargetChanged", message, policy, digests=digests)
        if entry.state in IN_PLACE and not entry.damaged and is_restamped(target, entry):
            return finding._replace(question=Question.BYTES)
        return finding
    if is_damaged(target, entry):
        # Its bytes were read and differ, say, which no listing shows: only a new copy ends that, whatever became of
        # the source meanwhile.
        then = " where overwrite allows it, since it was in place before us" if entry.found else ""
        message = f"it was found damaged before; the next run copies it again{then}"
        finding = _other(row, Kind.DAMAGED, "FoundDamaged", message, policy, digests=digests)
        is_known = entry.state is State.DAMAGED and finding.outcome is not None and finding.outcome.state is entry.state
        return finding._replace(outcome=None) if is_known else finding
    if entry.state is State.DAMAGED:
        return Finding(Kind.DAMAGED, row.key, "it was missing, or another, before; the next run looks at it again")
    if digests and is_contradicted(row):
        by_size = verified(row.key, target.etag, Proof.SIZE, CONTRADICTED)
        return Finding(Kind.OK, row.key, outcome=by_size, question=Question.CHECKSUMS)
    return _agreed(row.key, source.etag, target.etag, entry, Question.CHECKSUMS)


def is_contradicted(row: Joined) -> bool:
    """Whether a copy counts as proven by digest while both sides have an ETag of an MD5's form, and another: its proof
    is a checksum, and holds only where these are no MD5s."""
    source, target, entry = row.source, row.target, row.entry
    if source is None or target is None or entry is None or entry.proof is not Proof.DIGEST:
        return False
    return compare_etags(source.etag, target.etag) is Agreement.DIFFERENT


def judge_in_place(row: Joined, route: Route) -> Finding | None:
    """The same of an object that was set where it is: there is one side, and the ledger knows what it was before."""
    source, entry = row.source, row.entry
    if entry is None:
        return Finding(Kind.NEW, row.key, "it is there and not in the ledger; the next run sets it")
    if source is None:
        outcome = ended_in_place(row)
        if entry.state is State.WITHDRAWN or (outcome is not None and outcome.state is State.WITHDRAWN):
            return Finding(Kind.WITHDRAWN, row.key, "its owner removed it since it was set", outcome)
        return Finding(Kind.PENDING, row.key, f"it is gone ({entry.state.value})")
    if entry.state not in IN_PLACE:
        return Finding(Kind.PENDING, row.key, f"it is not set ({entry.state.value})")
    if (drifted := drift_in_place(row)) is not None:
        return Finding(Kind.DRIFTED, row.key, drifted.message, drifted)
    if not is_set(route, source):
        found = f"storage_class is {source.storage_class!r}, wanted {route.storage_class!r}"
        outcome = verified(row.key, source.etag, entry.proof, "")._replace(properties=found)
        return Finding(Kind.PROPERTIES, row.key, found, outcome)
    return _agreed(row.key, entry.source_etag, source.etag, entry, Question.NOTHING)


_STANDING = {
    State.DELETED: Finding(Kind.SOURCE_DELETED, "", "the source was deleted; the target stands"),
    State.VERIFIED: Finding(Kind.SOURCE_GONE, "", "the source is gone; the target stands"),
    State.WITHDRAWN: Finding(Kind.WITHDRAWN, "", "its owner removed the source before the copy was proven"),
    State.LOST: Finding(Kind.LOST, "", "the target is not what was proven, and no source is left to mend it from"),
}


def _without_source(row: Joined, entry: Entry, minimum: Proof) -> Finding:
    outcome = ended(row, minimum)
    if outcome is None and is_unread(row):
        if entry.state is State.LOST:
            return _STANDING[State.LOST]._replace(key=row.key, question=Question.BYTES)
        outcome = lost(row.key, row.target, entry)
        return Finding(Kind.LOST, row.key, outcome.message, outcome, Question.BYTES)
    state = outcome.state if outcome is not None else entry.state
    finding = _STANDING.get(state)
    if finding is None:
        return Finding(Kind.PENDING, row.key, f"it is not copied, and its source is gone ({entry.state.value})")
    message = outcome.message if outcome is not None and outcome.message else finding.message
    return finding._replace(key=row.key, message=message, outcome=outcome)


def reread(row: Joined, minimum: Proof, record: ObjectRecord) -> Finding:
    """What stands of a copy once its target was read, and holds the bytes that the ledger keeps the xxh3-128 of, where
    both sides were read before; else a checksum, which is no proof by bytes."""
    assert row.entry is not None and row.target is not None
    etag = row.target.etag
    entry = row.entry if record.xxh3 else row.entry._replace(proof=min(row.entry.proof, Proof.DIGEST))
    if row.source is not None:
        finding = Finding(Kind.OK, row.key, outcome=verified(row.key, etag, entry.proof, ""))
    else:
        finding = _without_source(row._replace(entry=entry._replace(target_etag=etag)), entry, minimum)
    outcome = finding.outcome
    if outcome is None and entry.state is not State.LOST:
        outcome = Outcome.seen(row.key, entry.state, etag, proof=entry.proof)
    if outcome is None:
        return finding
    known = outcome._replace(checksum=record.checksum, xxh3=record.xxh3, properties=record.properties)
    return finding._replace(outcome=known)


def _agreed(key: str, source_etag: str, target_etag: str, entry: Entry, otherwise: Question) -> Finding:
    """Both sides are what the ledger knows: how far is the copy proven? `otherwise` is asked of ETags that differ."""
    if entry.proof >= Proof.DIGEST:
        return Finding(Kind.OK, key, outcome=verified(key, target_etag, entry.proof, ""))
    same = compare_etags(source_etag, target_etag) is Agreement.EQUAL
    if same and parts_of(target_etag):
        return Finding(Kind.OK, key, outcome=verified(key, target_etag, Proof.DIGEST, "etag of parts"))
    by_size = verified(key, target_etag, Proof.SIZE, "size: nothing else is comparable")
    return Finding(Kind.OK, key, outcome=by_size, question=Question.ENCRYPTION if same else otherwise)


def verified(key: str, target_etag: str, proof: Proof, compared: str, checksum: str = "") -> Outcome:
    """The outcome of a verification that agrees. Empty `compared` and `checksum` leave what the ledger has."""
    return Outcome(key, State.VERIFIED, target_etag, checksum, proof, compared, requests=0)


def unread(finding: Finding, message: str) -> Finding:
    """What was to be asked or read and could not be: a difference, while what the listings prove stands."""
    return finding._replace(kind=Kind.UNREAD, message=message)


def _other(row: Joined, kind: Kind, code: str, message: str, policy: Overwrite, *, digests: bool) -> Finding:
    """A target that is not what was written."""
    conflict = conflict_of(row, policy, digests=digests)
    if conflict is not None:
        finding = off(row, kind, State.CONFLICT, conflict.code, conflict.message)
        return finding._replace(message=message, in_conflict=True)
    return off(row, kind, State.DAMAGED, code, message)


def off(row: Joined, kind: Kind, state: State, code: str, message: str) -> Finding:
    """A difference."""
    assert row.entry is not None
    # The ETag that we wrote stays known, so that the next run can tell our own copy from anything else.
    return Finding(kind, row.key, message, Outcome.seen(row.key, state, row.entry.target_etag, code, message))
