"""What `cartage sync` shows beside its run: what stands in the target alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.api.sync import SyncResult
from engine.report.delete import delete_page, delete_values
from engine.report.page import Page
from engine.report.run import result_values
from engine.report.text import count_text, safe

TO_DELETE = "the same command again, with --yes"


NAMED = 10
"""Of what would be deleted."""


def extras_page(target: str, result: SyncResult, took_s: float, first: Sequence[str] = ()) -> Page:
    """The snapshot of the extras, and what became of it; empty where there was none. `first` are the first keys that
    would be deleted."""
    extras = result.extras
    if extras is None:
        return []
    if not extras.summary.total.objects and not extras.closed:
        return [f"nothing stands in {target} alone"] if extras.deletion is None else []
    named = [f"  {safe(key)}" for key in first[:NAMED]]
    more = extras.summary.total.objects - len(named)
    named += [f"  and {count_text(more)} more"] if named and more > 0 else []
    return ["in the target alone:", *named, *delete_page(target, extras, took_s, TO_DELETE)]


def sync_values(result: SyncResult) -> dict[str, Any]:
    """The summary: a run's, and under `extras` a deletion's."""
    extras = result.extras
    return result_values(result.run) | {"extras": delete_values(extras) if extras is not None else None}
