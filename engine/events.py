"""What a run tells whoever listens: frozen events, one class each. The library neither prints nor exits.

`--json` writes these as NDJSON, one object a line, with the class's `event` name (docs/json.md); the progress bar
reads the same values. Counts are always of the whole run so far, so that a lost event loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

COPYING = "copying"
"""What a run is doing (`Doing.what`) while it carries objects."""
SETTING = "setting"
"""The same where objects are set where they are."""


@dataclass(frozen=True, slots=True)
class Event:
    event: ClassVar[str] = "event"
    for_people: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A command began work on a ledger. `resumed` says that the ledger held objects already."""

    event: ClassVar[str] = "started"
    command: str
    plan: str
    ledger: str
    endpoint: str
    resumed: bool


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """Sent a few times a second. `listed` grows while the listing goes on; `listing_done` says it has ended;
    `replaced` were written over another object, `replaced_newer` of those over one that was written after its source.
    What a command does not count is 0."""

    event: ClassVar[str] = "progress"
    listed: int = 0
    listed_bytes: int = 0
    listing_done: bool = False
    done: int = 0
    done_bytes: int = 0
    copied: int = 0
    found: int = 0
    aside: int = 0
    requests: int = 0
    throttled: int = 0
    rate_rps: float = 0.0
    in_flight: int = 0
    replaced: int = 0
    replaced_newer: int = 0

    def worked_since(self, before: Progress) -> tuple[int, int]:
        """Objects and bytes that a copy did since, without those that its listing only passed by: what an earlier run
        did counts as done as soon as it is listed."""
        done, size_bytes = self.done - before.done, self.done_bytes - before.done_bytes
        if before.listing_done:
            return done, size_bytes
        # What was set aside is taken up again, so that the two together may fall while nothing is undone.
        work = min(done, max(0, self.copied - before.copied + self.aside - before.aside))
        # Of what was passed by in the same moment nobody knows the sizes apart: as many bytes of all as objects.
        return work, size_bytes if work == done else size_bytes * work // done

    def begins_anew(self, before: Progress) -> bool:
        """Whether it counts another of a command's stages than what was told before."""
        return self.done < before.done or self.listed < before.listed

    @classmethod
    def of_listing(cls, objects: int, size_bytes: int = 0, *, ended: bool = False, aside: int = 0) -> Progress:
        """Where an object is done as soon as it is listed."""
        return cls(objects, size_bytes, ended, objects, size_bytes, aside=aside)


@dataclass(frozen=True, slots=True)
class Looking(Progress):
    """How far a look is at what there is, of which nothing is dealt with: a survey, or an audit before a delete. Told
    like any progress; metrics do not count it."""


@dataclass(frozen=True, slots=True)
class Doing(Event):
    """What is done from now on: "copying"; or, with `at_most_s`, waited for so many seconds: "the bucket to answer".
    What `Progress` counts begins anew with it, but where it `goes_on` with what was counted before. `objects` and
    `size_bytes` are about what it comes to in all, where that is known before everything is listed (0: it is not). For
    people alone: NDJSON does not have it."""

    event: ClassVar[str] = "doing"
    for_people: ClassVar[bool] = True
    what: str
    at_most_s: float = 0.0
    objects: int = 0
    size_bytes: int = 0
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class SlowedDown(Event):
    """One answer asked for fewer requests. For people alone: NDJSON has their number in `progress` and the summary."""

    event: ClassVar[str] = "slowed"
    for_people: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class OutOfReach(Event):
    """S3, or `what` is named, has been out of reach for `since_s` seconds, `why` in the words of the last attempt, and
    it is tried again. Without a `why` it is there again. For people alone: NDJSON has the error that a command ends
    with."""

    event: ClassVar[str] = "out of reach"
    for_people: ClassVar[bool] = True
    since_s: float
    why: str = ""
    what: str = "S3"


@dataclass(frozen=True, slots=True)
class ObjectTook(Event):
    """One object took longer than all but a few of those before it. For the ledger's history (docs/ledger.md): NDJSON
    does not have it."""

    event: ClassVar[str] = "took"
    for_people: ClassVar[bool] = True
    route: str
    key: str
    size: int
    took_ms: int


@dataclass(frozen=True, slots=True)
class ObjectAside(Event):
    """One object was set aside: failed, drifted, conflict, archived or damaged; or what lies in a folder and cannot be
    an object was left (`UNLISTED`), or what a list of keys names and S3 refuses to show, or does not have (the same, of
    code `UNSEEN`, `MISSING`)."""

    event: ClassVar[str] = "object"
    UNLISTED: ClassVar[str] = "unlisted"
    UNSEEN: ClassVar[str] = "Unseen"
    MISSING: ClassVar[str] = "Missing"
    route: str
    key: str
    state: str
    code: str
    message: str

    @property
    def is_unlisted(self) -> bool:
        return self.state == self.UNLISTED


@dataclass(frozen=True, slots=True)
class SnapshotClosed(Event):
    """The source listing of a route reached its end."""

    event: ClassVar[str] = "snapshot"
    route: str
    objects: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """Something a user should know that stops nothing: an orphaned upload, a server that ignores a condition."""

    event: ClassVar[str] = "notice"
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ReferenceFound(Event):
    """A place in a file names an old path: `becomes` is what it is changed to, empty where `why` it is left alone."""

    event: ClassVar[str] = "reference"
    file: str
    line: int
    written: str
    becomes: str
    why: str


@dataclass(frozen=True, slots=True)
class ObjectListed(Event):
    """One object of `cartage ls`. `key` is whole; `modified` as S3 says it."""

    event: ClassVar[str] = "listed"
    key: str
    size: int
    etag: str
    modified: str
    storage_class: str


@dataclass(frozen=True, slots=True)
class BucketListed(Event):
    """One bucket of `cartage ls s3://`. `created` and `region` are empty where the server does not say them."""

    event: ClassVar[str] = "bucket"
    name: str
    created: str
    region: str


@dataclass(frozen=True, slots=True)
class PrefixSummed(Event):
    """Everything under one first-level prefix of `cartage ls` and `cartage delete`, empty for what lies directly there.
    Without `--summarize` only the prefix is known, and the figures are None. `classes` are objects by storage class."""

    event: ClassVar[str] = "prefix"
    prefix: str
    objects: int | None = None
    bytes: int | None = None
    classes: dict[str, int] | None = None
    oldest: str = ""
    newest: str = ""


@dataclass(frozen=True, slots=True)
class GroupSummed(Event):
    """Everything in one group of `cartage ls --by`. `odd` says of a group without a name what is in it: `none` (no such
    tag, suffix or time), `unread` (tags that could not be read), `others` (more groups than are kept).
    `dollars_a_month` is what those cost whose class has a price, `unpriced` how many have none."""

    event: ClassVar[str] = "group"
    by: str
    group: str
    odd: str
    objects: int
    bytes: int
    classes: dict[str, int]
    oldest: str
    newest: str
    dollars_a_month: float
    unpriced: int


Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener for callers that do not listen."""
