"""The life of an object: the one table that the ledger, the documents and the tests read.

Everything that decides which state may follow which lives here. A state is what the ledger holds for one object
of one route; `TRANSITIONS` lists what may come after it.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where one object stands. The value is what the ledger stores."""

    PLANNED = "planned"  # decided and committed; its one CopyObject may be in flight
    COPYING = "copying"  # a multipart upload of it is under way
    COPIED = "copied"  # the target holds it, by S3's own answer or as found
    VERIFIED = "verified"  # both sides were looked at again and agree, at the proof recorded
    DELETING = "deleting"  # the delete of the source was committed, its answer is not
    DELETED = "deleted"  # S3 confirmed that the source is gone
    FAILED = "failed"  # S3 refused; the next run tries again
    DRIFTED = "drifted"  # the source is no longer what was listed
    CONFLICT = "conflict"  # the target holds something that we did not write
    ARCHIVED = "archived"  # must be restored before it can be copied
    DAMAGED = "damaged"  # copied once, and now the target is missing or different
    WITHDRAWN = "withdrawn"  # its owner removed the source before the copy was proven; what was copied stands
    LOST = "lost"  # the target is missing or different, and no source is left to mend it from


_AFTER = {
    # A decision can be made again over one whose outcome was never committed.
    "planned": "planned copying copied verified failed drifted conflict archived withdrawn lost",
    "copying": "planned copying copied failed drifted conflict archived withdrawn lost",
    "copied": "planned copied verified drifted conflict archived damaged withdrawn lost",
    "verified": "planned copied verified deleting drifted conflict archived damaged withdrawn lost",
    # Back to verified: S3 says that the source is still there, unchanged.
    "deleting": "verified deleted drifted damaged",
    # A new object under the same source key is planned like any other. Itself again: the target was read, and is what
    # was proven under another version.
    "deleted": "planned copied deleted conflict archived lost",
    "failed": "planned copied failed drifted conflict archived withdrawn lost",
    "drifted": "planned copied drifted conflict archived withdrawn lost",
    "conflict": "planned copied drifted conflict archived withdrawn lost",
    "archived": "planned copied drifted conflict archived withdrawn lost",
    "damaged": "planned copied verified drifted conflict archived damaged lost",
    "withdrawn": "planned copied conflict archived",
    # Back to deleted: the target stands again as it was proven.
    "lost": "planned copied deleted conflict archived",
}

TRANSITIONS: dict[State, frozenset[State]] = {
    State(before): frozenset(map(State, after.split())) for before, after in _AFTER.items()
}
"""What may follow each state."""

FIRST: frozenset[State] = frozenset({State.PLANNED, State.COPIED, State.CONFLICT, State.ARCHIVED})
"""What a row may begin as: decided to copy, found in place, or set aside at once."""

IN_FLIGHT: frozenset[State] = frozenset({State.PLANNED, State.COPYING})
"""Intent is committed, outcome is not: a run that finds such a row looks at the target."""

UNDONE: frozenset[State] = IN_FLIGHT | {State.FAILED, State.DRIFTED, State.CONFLICT, State.ARCHIVED, State.DAMAGED}
"""What a later run may still write."""

IN_PLACE: frozenset[State] = frozenset({State.COPIED, State.VERIFIED})
"""The target holds the object."""

ENDED: frozenset[State] = frozenset({State.WITHDRAWN, State.LOST})
"""No source is left, so that no run can do more about it. Counts as aside until it is accepted by its figure."""

ASIDE: frozenset[State] = (
    frozenset({State.FAILED, State.DRIFTED, State.CONFLICT, State.ARCHIVED, State.DAMAGED}) | ENDED
)
"""Not done, for a reason that is kept with the object. Exit code 3."""

LEAVING: frozenset[State] = frozenset({State.DELETING, State.DELETED})
"""The source is going, or gone. Cleanup owns these rows."""

DONE: frozenset[State] = IN_PLACE | LEAVING
"""The target holds the object, whatever becomes of the source: a run does nothing more about it."""

PROVEN: frozenset[State] = frozenset({State.VERIFIED}) | LEAVING
"""Both sides were seen to agree, before the source went if it did."""

BEREFT: frozenset[State] = frozenset({State.DELETED, State.LOST})
"""The source was there once and is not any more: another one under its key is a new object, and what stands at the
target, or did, was perhaps all that was left of the old one."""
