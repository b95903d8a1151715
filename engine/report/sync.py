"""What `cartage sync` shows beside its run: what stands in the target alone."""

from __future__ import annotations

from typing import Any

from engine.api.sync import SyncResult
from engine.report.delete import delete_page, delete_values
from engine.report.page import Page, Tone, Toned, next_step
from engine.report.run import result_values

TO_DELETE = "the same command again, with --yes"
STAND_SINCE = "what stands in the target alone since that snapshot is for the next one, and is still there"


def extras_page(target: str, result: SyncResult, took_s: float, *, again: bool = False) -> Page:
    """The snapshot of the extras, and what became of it; empty where there was none. `again`: it was asked for anew,
    and the same once more would take another."""
    extras = result.extras
    if extras is None:
        return []
    if not extras.summary.total.objects and not extras.closed:
        return [f"nothing stands in {target} alone"] if extras.deletion is None else []
    to_delete = f"{TO_DELETE} and without --again" if again else TO_DELETE
    page = ["in the target alone:", *delete_page(target, extras, took_s, to_delete)]
    if extras.deletion is not None and extras.deletion.arrived:
        page += ["", Toned(STAND_SINCE, Tone.WARNING), next_step("the same command again")]
    return page


def sync_values(result: SyncResult) -> dict[str, Any]:
    """The summary: a run's, and under `extras` a deletion's."""
    extras = result.extras
    return result_values(result.run) | {"extras": delete_values(extras) if extras is not None else None}
