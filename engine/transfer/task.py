"""One copy task, and how its object is to be copied. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from engine.errors import StoreError
from engine.model import ListedObject, ObjectRef
from engine.plan.integrity import parts_of
from engine.plan.lifecycle import State
from engine.plan.parts import MAX_COPY_BYTES
from engine.plan.record import Outcome, UploadRecord
from engine.plan.route import Route


class CopyTask(NamedTuple):
    """What a worker needs to copy one object. `target_condition` is `ABSENT` or the ETag that the target must still
    bear. `inspect` asks for a look at both sides first; `claim` for a look at a target that appeared while an earlier
    run's copy was under way, and may be it. `mend`: the bytes are there, and what both sides carry is to be compared
    before anything is copied; `found`: the target was in place before us."""

    route: Route
    key: str
    source: ListedObject
    target_condition: str
    inspect: bool = False
    upload: UploadRecord | None = None
    claim: bool = False
    mend: bool = False
    found: bool = False

    @property
    def source_ref(self) -> ObjectRef:
        return ObjectRef(self.route.source.bucket, self.source.key)

    @property
    def target_ref(self) -> ObjectRef:
        return ObjectRef(self.route.target.bucket, self.route.target_key(self.key))


class Method(StrEnum):
    """How an object is copied; the value is what the ledger records."""

    COPY = "copy"  # one CopyObject; a plain ETag proves itself
    COPY_CHECKED = "copy+checksum"  # one CopyObject, and a full-object checksum in place of the ETag
    OWN_PARTS = "parts of the source"  # so that the ETag must come out equal
    FAST_PARTS = "parts"  # sized for speed, proven by a full-object checksum where there is one


def method_for(source: ListedObject) -> Method:
    """Choose by size, form of ETag and what the listing says of checksums (docs/design.md, "How one object is
    copied")."""
    if "-" not in source.etag and source.size <= MAX_COPY_BYTES:
        return Method.COPY
    full_object = source.checksum.endswith(":FULL_OBJECT")
    multipart = parts_of(source.etag) > 0
    if source.size > MAX_COPY_BYTES:
        return Method.OWN_PARTS if multipart and not full_object else Method.FAST_PARTS
    if not multipart:
        return Method.COPY
    return Method.COPY_CHECKED if full_object else Method.OWN_PARTS


def failed(task: CopyTask, error: StoreError, *, requests: int = 1) -> Outcome:
    """An object's failure as a value."""
    message = error.message if not error.advice else f"{error.message} {error.advice}"
    return Outcome(task.key, State.FAILED, code=error.code or type(error).__name__, message=message, requests=requests)


def drifted(task: CopyTask, etag_now: str, *, requests: int = 1) -> Outcome:
    """The source is no longer what was listed. `etag_now` is empty where it is gone."""
    now = f"bears ETag {etag_now} now" if etag_now else "is gone now"
    return Outcome(
        task.key,
        State.DRIFTED,
        code="SourceChanged" if etag_now else "SourceGone",
        message=f"the source was listed with ETag {task.source.etag} and {now}; the next run plans it again",
        requests=requests,
    )


def conflicting(task: CopyTask, etag_there: str, why: str, *, requests: int = 1) -> Outcome:
    """The target holds something that this ledger did not write."""
    return Outcome(
        task.key,
        State.CONFLICT,
        code="TargetAppeared" if task.target_condition == "*" else "TargetChanged",
        message=f"{why} (target ETag {etag_there}, source ETag {task.source.etag})",
        requests=requests,
    )
