"""What `cartage manifest` shows."""

from __future__ import annotations

from typing import Any

from engine.api.commands import command
from engine.api.manifest import ManifestResult
from engine.plan.document import Plan
from engine.references.filetext import read_text
from engine.report.diff import unified_diff
from engine.report.restored import restored_text, restored_values
from engine.report.text import safe


def manifest_text(plan: Plan, result: ManifestResult, *, create: bool) -> str:
    """The change as a diff, and what was done or is to be done about it; or what was put back."""
    draft = result.draft
    if draft is None:
        return restored_text(result.restored) or "the manifest was never written: there is nothing to put back"
    if not draft.changes:
        return f"{safe(str(draft.ref))} is up to date"
    more = ["--create"] if create else []
    end = (
        f"written; to put the old one back: {command(plan, result.ledger, 'manifest', '--undo')}"
        if result.written
        else f"nothing was written; next: {command(plan, result.ledger, 'manifest', '--apply', *more)}"
    )
    return f"{_diff(result)}\n\n{end}"


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
