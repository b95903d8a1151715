"""What `cartage manifest` shows."""

from __future__ import annotations

from typing import Any

from engine.api.commands import command
from engine.api.manifest import ManifestResult
from engine.plan.document import Plan
from engine.references.filetext import read_text
from engine.report.diff import diff_lines, unified_diff
from engine.report.page import Page, Toned, next_step
from engine.report.restored import restored_lines, restored_values
from engine.report.text import duration_text, safe


def manifest_page(plan: Plan, result: ManifestResult, took_s: float, *, create: bool) -> Page:
    """The change as a diff, and what was done or is to be done about it; or what was put back."""
    draft = result.draft
    if draft is None:
        said = restored_lines(result.restored) or ["the manifest was never written: there is nothing to put back"]
        return [*said, next_step(command(plan, result.ledger, "manifest"))]
    if not draft.changes:
        up_to_date = f"{safe(str(draft.ref))} is up to date (worked out in {duration_text(took_s)})"
        return [up_to_date, next_step(command(plan, result.ledger, "cleanup"))]
    lines = [*diff_lines(_diff(result)), ""]
    if result.written:
        back = command(plan, result.ledger, "manifest", "--undo")
        return [
            *lines,
            Toned(f"written in {duration_text(took_s)}; to put the old one back: {back}", whole=True),
            next_step(command(plan, result.ledger, "cleanup")),
        ]
    apply = command(plan, result.ledger, "manifest", "--apply", *(["--create"] if create else []))
    return [*lines, f"nothing was written (worked out in {duration_text(took_s)})", next_step(apply)]


def manifest_values(result: ManifestResult) -> dict[str, Any]:
    """The summary of a manifest."""
    draft = result.draft
    return {
        "object": str(draft.ref) if draft is not None else None,
        "changes": draft is not None and draft.changes,
        "written": result.written,
        "diff": _diff(result),
        "restored": restored_values(result.restored),
    }


def _diff(result: ManifestResult) -> str:
    if result.draft is None or not result.draft.changes:
        return ""
    before, after = read_text(result.draft.before), read_text(result.draft.after)
    return unified_diff(str(result.draft.ref), before.text if before else "", after.text if after else "")
