"""What takes one object from one site to another: the protocol, its task, and the ends that are no copy.

Workers, queue, recorder, join, ledger and gate know this alone. How a carrier does it is its own affair; each route is
given its carrier once (`carriers.carriers_of`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import anyio

from engine.errors import AccessDenied, Archived, StoreError
from engine.folder.versions import same
from engine.model import ListedObject, ObjectRef, Value
from engine.plan.integrity import Evidence
from engine.plan.lifecycle import State
from engine.plan.record import Outcome, UploadRecord
from engine.plan.route import Route
from engine.store import CopyObject, CopyPart


class Task(Value, frozen=True):
    """What a carrier needs to know of one object. `target_condition` is `ABSENT` or the ETag that the target must still
    bear. `inspect` asks for a look at both sides first; `claim` for a look at a target that appeared while an earlier
    run's copy was under way, and may be it. `mend`: the bytes are there, and what both sides carry is to be compared
    before anything is copied; `found`: the target was in place before us; `anew`: it was found damaged; `ours`: to be
    inspected, and our own by all but its ctime. `upload`: of an earlier run; `over` as in `Choice`."""

    route: Route
    key: str
    source: ListedObject
    target_condition: str
    inspect: bool = False
    upload: UploadRecord | None = None
    claim: bool = False
    mend: bool = False
    found: bool = False
    anew: bool = False
    ours: bool = False
    over: ListedObject | None = None

    @property
    def source_ref(self) -> ObjectRef:
        return ObjectRef(self.route.source.bucket, self.source.key)

    @property
    def target_ref(self) -> ObjectRef:
        return ObjectRef(self.route.target.bucket, self.route.target_key(self.key))

    def is_listed(self, etag: str) -> bool:
        """Whether a source that bears `etag` now is the one that was listed."""
        return etag == self.source.etag or (self.route.source.is_local and same(etag, self.source.etag))


class Carrier(Protocol):
    """Takes objects from one site to one other. One carrier serves every route between the two."""

    @property
    def unpinned(self) -> Collection[str]:
        """The source buckets, as they become known, of which something was carried without a pin that is known to hold:
        they are listed again when everything else is done."""

    async def carry(self, task: Task) -> Outcome:
        """Take a task to its outcome, from where an earlier run left it.

        An object's failure is a value. Raises `RunError`, and `Interrupted` where the run is stopping."""

    async def discard(self, upload: UploadRecord) -> None:
        """End what an earlier run began and no task took up. What cannot be ended now stays in the ledger."""


Pause = Callable[[int], Awaitable[None]]
"""Waits before what an attempt of this number left open is tried again."""


async def pause(attempt: int) -> None:
    await anyio.sleep(random.uniform(0, min(20.0, 0.2 * 2**attempt)))


class Interrupted(Exception):
    """The run is stopping: what was begun of this object is kept for the next one, and its task has no outcome."""


DENIED = "AccessDenied"
SOURCE_DENIED = "SourceDenied"
"""A word of ours: that it was the source which may not be read. Of a copy that S3 makes by itself it does not always
tell which side was."""


def _is_of_source(error: AccessDenied, task: Task) -> bool:
    source = task.route.source
    if task.route.in_place or not (source.is_local or error.site == source.site):
        return False
    copies = error.operation in (CopyObject.operation, CopyPart.operation)
    return error.ref == str(task.source_ref) or (copies and error.action.startswith("s3:Get"))


# --- ends that are no copy, raised inside of a carrier ------------------------------------------------------------


@dataclass(eq=False)
class Ended(Exception):
    """How an object ends that is not copied. `requests` is what it cost."""

    requests: int = 1

    def outcome(self, task: Task) -> Outcome:
        raise NotImplementedError


@dataclass(eq=False, kw_only=True)
class Failed(Ended):
    """The store's last word, once everything that could mend it was tried."""

    error: StoreError

    def outcome(self, task: Task) -> Outcome:
        error = self.error
        code = error.code or type(error).__name__
        if isinstance(error, AccessDenied) and code == DENIED and _is_of_source(error, task):
            code = SOURCE_DENIED
        return Outcome(task.key, State.FAILED, code=code, message=error.advised, requests=self.requests)


@dataclass(eq=False, kw_only=True)
class Differs(Ended):
    """It is copied, and is not what its source is, as S3 or what was read of it says. Where nothing of it stands there
    is no `target_etag`."""

    target_etag: str = ""
    checksum: str = ""
    method: str
    message: str

    def outcome(self, task: Task) -> Outcome:
        return Outcome(
            task.key,
            State.FAILED,
            self.target_etag,
            self.checksum,
            method=self.method,
            requests=self.requests,
            code="DigestMismatch",
            message=self.message,
        )


@dataclass(eq=False, kw_only=True)
class Drifted(Ended):
    """The source is no longer what was listed. `etag_now` is empty where it is gone."""

    etag_now: str

    def outcome(self, task: Task) -> Outcome:
        now = f"bears ETag {self.etag_now} now" if self.etag_now else "is gone now"
        return Outcome(
            task.key,
            State.DRIFTED,
            code="SourceChanged" if self.etag_now else "SourceGone",
            message=f"the source was listed with ETag {task.source.etag} and {now}; the next run plans it again",
            requests=self.requests,
        )


@dataclass(eq=False, kw_only=True)
class Conflicting(Ended):
    """The target, to be written under `condition`, holds something that this ledger did not write."""

    condition: str
    etag_there: str
    why: str

    def outcome(self, task: Task) -> Outcome:
        return Outcome(
            task.key,
            State.CONFLICT,
            code="TargetAppeared" if self.condition == "*" else "TargetChanged",
            message=f"{self.why} (target ETag {self.etag_there}, source ETag {task.source.etag})",
            requests=self.requests,
        )


def outcome_of(task: Task, error: Ended | StoreError) -> Outcome:
    """An object's end as a value. An attempt that the retry layer has given up is a failure too."""
    if isinstance(error, Ended):
        return error.outcome(task)
    if isinstance(error, Archived):
        return Outcome(task.key, State.ARCHIVED, code=error.code, message=error.message)
    return Failed(error=error).outcome(task)


def copied(task: Task, etag: str, checksum: str, evidence: Evidence, method: str, requests: int) -> Outcome:
    """The end that is a copy, with what proves it."""
    return Outcome(task.key, State.COPIED, etag, checksum, *evidence, method, requests)
