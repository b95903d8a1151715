"""The life of an object: the one table that the ledger, the documents' diagram and the tests read.

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


_S = State

TRANSITIONS: dict[State, frozenset[State]] = {
    # A decision can be made again over one whose outcome was never committed.
    _S.PLANNED: frozenset(
        {
            _S.PLANNED,
            _S.COPYING,
            _S.COPIED,
            _S.VERIFIED,
            _S.FAILED,
            _S.DRIFTED,
            _S.CONFLICT,
            _S.ARCHIVED,
            _S.WITHDRAWN,
        }
    ),
    _S.COPYING: frozenset(
        {_S.PLANNED, _S.COPYING, _S.COPIED, _S.FAILED, _S.DRIFTED, _S.CONFLICT, _S.ARCHIVED, _S.WITHDRAWN}
    ),
    _S.COPIED: frozenset(
        {
            _S.COPIED,
            _S.VERIFIED,
            _S.DAMAGED,
            _S.DRIFTED,
            _S.PLANNED,
            _S.CONFLICT,
            _S.ARCHIVED,
            _S.WITHDRAWN,
            _S.LOST,
        }
    ),
    _S.VERIFIED: frozenset(
        {
            _S.VERIFIED,
            _S.COPIED,
            _S.DAMAGED,
            _S.DRIFTED,
            _S.PLANNED,
            _S.CONFLICT,
            _S.ARCHIVED,
            _S.DELETING,
            _S.WITHDRAWN,
            _S.LOST,
        }
    ),
    # Back to verified: S3 says that the source is still there, unchanged.
    _S.DELETING: frozenset({_S.DELETED, _S.VERIFIED, _S.DRIFTED, _S.DAMAGED}),
    # A new object under the same source key is planned like any other.
    _S.DELETED: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.LOST}),
    _S.FAILED: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.DRIFTED, _S.FAILED, _S.WITHDRAWN}),
    _S.DRIFTED: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.DRIFTED, _S.WITHDRAWN}),
    _S.CONFLICT: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.DRIFTED, _S.WITHDRAWN}),
    _S.ARCHIVED: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.DRIFTED, _S.WITHDRAWN}),
    _S.DAMAGED: frozenset(
        {_S.PLANNED, _S.COPIED, _S.VERIFIED, _S.CONFLICT, _S.DAMAGED, _S.DRIFTED, _S.ARCHIVED, _S.LOST}
    ),
    # A source under the same key is planned like any other.
    _S.WITHDRAWN: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED}),
    # Back to deleted: the target stands again as it was proven.
    _S.LOST: frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED, _S.DELETED}),
}

FIRST: frozenset[State] = frozenset({_S.PLANNED, _S.COPIED, _S.CONFLICT, _S.ARCHIVED})
"""What a row may begin as: decided to copy, found in place, or set aside at once."""

IN_FLIGHT: frozenset[State] = frozenset({_S.PLANNED, _S.COPYING})
"""Intent is committed, outcome is not: a run that finds such a row looks at the target."""

SETTLED: frozenset[State] = frozenset({_S.COPIED, _S.VERIFIED})
"""The target holds the object."""

ENDED: frozenset[State] = frozenset({_S.WITHDRAWN, _S.LOST})
"""No source is left, so that no run can do more about it. Counts as aside until it is accepted by its figure."""

ASIDE: frozenset[State] = frozenset({_S.FAILED, _S.DRIFTED, _S.CONFLICT, _S.ARCHIVED, _S.DAMAGED}) | ENDED
"""Not done, for a reason that is kept with the object. Exit code 3."""

LEAVING: frozenset[State] = frozenset({_S.DELETING, _S.DELETED})
"""The source is going, or gone. Cleanup owns these rows."""

BEREFT: frozenset[State] = frozenset({_S.DELETED, _S.LOST})
"""The source was there once and is not any more: another one under its key is a new object, and what stands at the
target, or did, was perhaps all that was left of the old one."""
