"""Whether a source is still what the ledger knows of it. Pure.

An object is its bytes and what it carries. An ETag tells of the bytes alone: an object that is copied onto itself with
other metadata keeps it, and bears a new LastModified. Tags, locks and ACLs change without either
(`finish.carried` asks for them).
"""

from __future__ import annotations

from engine.model import ListedObject
from engine.plan.record import Entry


def same_bytes(source: ListedObject, entry: Entry) -> bool:
    """Whether it holds what it held, by ETag and size."""
    return source.etag == entry.source_etag and source.size == entry.size


def same_moment(one: str, other: str) -> bool:
    """Whether two LastModified are of one write. Some servers tell fractions of a second in listings and none in HEAD;
    where one is missing there is nothing to compare."""
    if one == other or not one or not other:
        return True
    return one[:19] == other[:19] and not (_fraction(one) and _fraction(other))


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
    return moment[19:].strip("Z0.+:")
