"""A started upload keeps the bucket's configuration of its Create: which uploads of earlier runs are begun anew. Pure.

What a bucket's settings were is kept in a note of the ledger, with the moment at which they were first seen so. An
upload that was intended before that moment is of an older configuration. A setting that may not be read counts as
unchanged, and a change in the middle of a run is seen by the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from engine.bucket_facts import BucketFacts

NOTE = "buckets"
SETTINGS = ("encryption", "versioning")


def brought_up_to_date(note: Any, facts: Iterable[BucketFacts], now_ms: int) -> dict[str, dict[str, Any]]:
    """The note, with what the buckets' settings are now."""
    after: dict[str, dict[str, Any]] = dict(note) if isinstance(note, dict) else {}
    for bucket in facts:
        before = after.get(bucket.name, {})
        now = {name: getattr(bucket, name) for name in SETTINGS}
        changed = any(
            before.get(name) is not None and value is not None and value != before[name] for name, value in now.items()
        )
        kept = {name: value if value is not None else before.get(name) for name, value in now.items()}
        after[bucket.name] = {**kept, "since_ms": now_ms if changed else before.get("since_ms", 0)}
    return after


def outdated_before(note: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """By `Location.bucket_name`: uploads intended before this moment have an older configuration."""
    return {bucket: int(settings["since_ms"]) for bucket, settings in note.items()}
