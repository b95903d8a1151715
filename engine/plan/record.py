"""What the ledger takes and gives: one small value for each thing that is known of an object.

`key` is always relative to the route's source (empty for a route of one exact key), so that one text is the
object's name on both sides. `held` is what the target held when the decision was made: empty for nothing, else
its ETag.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from engine.model import ListedObject, OpaqueEtag, Proof
from engine.plan.lifecycle import PROVEN, State

AGREE = "agree"
"""What the ledger keeps of an object whose properties are as its route wants them."""

COMPARE = "to be compared"
"""What it keeps while they are being compared, so that a run that is killed leaves them to the next one."""

NOT_KEPT = "not kept: "
"""Stands before what differs once a copy of ours that was written for it bears that very difference again: its server
does not keep it, and no run copies it for that any more."""

NOT_ON_DISK = "NotOnDisk"
"""The code of an object whose target could not be synced to the disk."""
TAKEN_BACK, NEVER_THERE = "TakenBack", "NeverThere"
"""The codes of a planned object whose copy a revert removed, and of one of which it found none. What is decided of it
next has neither."""


class Entry(NamedTuple):
    """What the join needs to know of an object that the ledger has met before. `found`: the target was in place before
    us, so that its ETag is known and it is not ours. `source_modified` is the source's LastModified as it was listed;
    `differs`: something is recorded of its properties that is not `AGREE`, and that a run may mend. `damaged` is the
    ETag that the target bore when it was found damaged; the ledger keeps it until a copy of ours has come to its end.
    `former` is what is known of the object that was at the key before and whose source was deleted, until this one is
    in place. `taken_back`: a revert removed the copy, and nothing was sent since."""

    key: str
    size: int
    source_etag: str
    state: State
    held: str
    target_etag: str
    proof: Proof
    found: bool = False
    source_modified: str = ""
    differs: bool = False
    damaged: str = ""
    former: Entry | None = None
    taken_back: bool = False


class Decision(NamedTuple):
    """What was decided for one listed object, committed before anything is done about it.

    `state` PLANNED: it is to be copied; COPIED: found in place (`found`, with the target's ETag, the proof that
    the listings give and what was compared); CONFLICT, ARCHIVED, DRIFTED: set aside, with `code` and `message`.
    `properties` is `COMPARE` where they are to be compared.
    """

    key: str
    size: int
    source_etag: str
    source_modified: str
    storage_class: str
    source_checksum: str
    state: State
    held: str = ""
    target_etag: str = ""
    found: bool = False
    proof: Proof = Proof.NONE
    compared: str = ""
    code: str = ""
    message: str = ""
    properties: str = ""


class Outcome(NamedTuple):
    """How one copy task ended, or what a verification found.

    `compared` says in a few words what the proof rests on ("etag", "etag of parts", "CRC64NVME", "size: …").
    `checksum` is a `model.Checksum` as text, where S3 gave one for the target. `requests` counts what it cost.
    `properties` is "agree" or what of them differs, where both sides' were compared.
    """

    key: str
    state: State
    target_etag: str = ""
    checksum: str = ""
    proof: Proof = Proof.NONE
    compared: str = ""
    method: str = ""
    requests: int = 1
    code: str = ""
    message: str = ""
    xxh3: str = ""
    properties: str = ""

    @classmethod
    def seen(
        cls, key: str, state: State, target_etag: str = "", code: str = "", message: str = "", proof: Proof = Proof.NONE
    ) -> Outcome:
        """What a look found, at no request of its own."""
        return cls(key, state, target_etag, proof=proof, requests=0, code=code, message=message)


class ObjectRecord(NamedTuple):
    """A whole row, for status, export, receipt and cleanup. Times are epoch milliseconds, 0 where not reached:
    `size_ms`, `digest_ms` and `bytes_ms` when a verification first reached that proof for the target as it is. `xxh3`
    is the xxh3-128 of the bytes, in hex, once both sides were read; `properties` as in `Outcome`, empty where they were
    never compared; `overwritten` is the ETag of what stood at the target before our first write, empty for nothing."""

    route: str
    key: str
    size: int
    source_etag: str
    source_modified: str
    storage_class: str
    source_checksum: str
    state: State
    held: str
    target_etag: str
    checksum: str
    proof: Proof
    compared: str
    found: bool
    method: str
    attempts: int
    code: str
    message: str
    decided_ms: int
    copied_ms: int
    size_ms: int
    digest_ms: int
    bytes_ms: int
    xxh3: str = ""
    properties: str = ""
    overwritten: str = ""

    @property
    def is_over(self) -> bool:
        """Whether what we wrote took the place of something that stood there before us."""
        return self.overwritten != "" and self.target_etag != "" and not self.found

    def proven_ms(self, proof: Proof) -> int:
        """When a verification first found the object at `proof` or better; 0 where none has."""
        return {Proof.NONE: self.copied_ms, Proof.SIZE: self.size_ms, Proof.DIGEST: self.digest_ms}.get(
            proof, self.bytes_ms
        )


def after_look(record: ObjectRecord, state: State, code: str = "", message: str = "") -> Outcome:
    """The outcome that leaves everything known of the copy as it is. Proof is kept where the source was proven."""
    proof = record.proof if state in PROVEN else Proof.NONE
    return Outcome.seen(record.key, state, record.target_etag, code, message, proof)._replace(checksum=record.checksum)


class Tally(NamedTuple):
    """Objects and bytes of one route in one state at one proof."""

    route: str
    state: State
    proof: Proof
    found: bool
    objects: int
    bytes: int


def objects_by_route(tallies: Iterable[Tally]) -> dict[str, int]:
    """How many objects the ledger knows, by route."""
    return {route: objects for route, (objects, _) in by_route(tallies).items()}


def by_route(tallies: Iterable[Tally]) -> dict[str, tuple[int, int]]:
    """Objects and bytes of everything that each route ever took, also of what is deleted by now."""
    sums: dict[str, tuple[int, int]] = {}
    for tally in tallies:
        objects, size = sums.get(tally.route, (0, 0))
        sums[tally.route] = objects + tally.objects, size + tally.bytes
    return sums


def by_state(tallies: Iterable[Tally], states: Collection[State]) -> dict[State, int]:
    """How many objects are in each of the states, without those in which there is none."""
    counts: dict[State, int] = {}
    for tally in tallies:
        if tally.state in states:
            counts[tally.state] = counts.get(tally.state, 0) + tally.objects
    return counts


class UploadRecord(NamedTuple):
    """A multipart upload that the ledger knows. `upload_id` is empty while only the intent is committed; `layout` is
    one size for every part but the last, or the sizes themselves, comma-separated. `intent_ms` is by this machine's
    clock, `server_ms` the same moment by the server's, 0 where it is not known."""

    route: str
    key: str
    bucket: str
    target_key: str
    upload_id: str
    source_etag: str
    source_size: int
    layout: str
    checksum_algorithm: str
    intent_ms: int
    server_ms: int = 0


# --- whether a source is still what the ledger knows of it -----------------------------------------------------
# An object is its bytes and what it carries. An ETag tells of the bytes alone: an object that is copied onto itself
# with other metadata keeps it, and bears a new LastModified. Tags, locks and ACLs change without either
# (`finish.carried` asks for them).


def same_bytes(source: ListedObject, entry: Entry) -> bool:
    """Whether it holds what it held, by ETag and size."""
    return source.etag == entry.source_etag and source.size == entry.size


def is_damaged(target: ListedObject | None, entry: Entry | None) -> bool:
    """Whether it is the very target that was found damaged. Neither its ETag nor what S3 keeps with it needs to show
    that, so that nothing but a new copy ends it."""
    return target is not None and entry is not None and entry.damaged != "" and target.etag == entry.damaged


def is_ours(target: ListedObject | None, entry: Entry | None) -> bool:
    """The target bears the ETag that we wrote, or found and took for good."""
    return target is not None and entry is not None and entry.target_etag != "" and target.etag == entry.target_etag


def is_restamped(target: ListedObject | None, entry: Entry | None) -> bool:
    """Whether a file is the ledger's by length, mtime and inode, and bears another ctime: some file systems (FUSE) give
    it anew after the last close, and so does whoever changes its permissions. Its bytes tell whether it is the same."""
    if target is None or entry is None or target.size != entry.size or type(target.etag) is not OpaqueEtag:
        return False
    now, then = target.etag.split("-"), entry.target_etag.split("-")
    return len(now) == len(then) == 4 and now[2] != then[2] and now[:2] == then[:2] and now[3] == then[3]


_SECOND = len("2026-01-31T10:00:00")


def same_moment(one: str, other: str) -> bool:
    """Whether two LastModified are of one write. Some servers tell fractions of a second in listings and none in HEAD;
    where one is missing there is nothing to compare."""
    if one == other or not one or not other:
        return True
    return one[:_SECOND] == other[:_SECOND] and not (_fraction(one) and _fraction(other))


def is_later(one: str, other: str) -> bool:
    """Whether one LastModified is of a later second than the other."""
    return one[:_SECOND] > other[:_SECOND]


def is_unchanged(source: ListedObject, entry: Entry) -> bool:
    """Whether nothing was written to it since."""
    return same_bytes(source, entry) and same_moment(source.modified, entry.source_modified)


def how_changed(source: ListedObject, entry: Entry) -> tuple[str, str]:
    """The code and the words for a source that is not unchanged."""
    if same_bytes(source, entry):
        return "SourceTouched", (
            f"the source was written again since it was copied, with the same ETag (at {source.modified}, before at "
            f"{entry.source_modified}): the next run compares what it carries"
        )
    return "SourceChanged", f"the source bears ETag {source.etag} now, and was copied when it bore {entry.source_etag}"


def _fraction(moment: str) -> str:
    return moment[_SECOND:].strip("Z0.+:")
