"""What `cartage manifest` shows."""

from __future__ import annotations

from typing import Any

from engine.api.commands import command
from engine.api.manifest import ManifestResult
from engine.plan.document import Plan
from engine.references.replacing import Restored
from engine.report.diff import diff_lines, file_diff, restored_lines
from engine.report.ndjson import picked
from engine.report.page import Page, Toned, next_step
from engine.report.text import duration_text, safe


def manifest_page(plan: Plan, result: ManifestResult, took_s: float, *, create: bool) -> Page:
    """The change as a diff, and what was done or is to be done about it; or what was put back."""
    if not result.drafts:
        anew = ["--create"] if any(item.result is Restored.REMOVED for item in result.restored) else []
        words = [result.first, "--undo"] if result.first else ["manifest", *anew]
        return [*restored_lines(result.restored), next_step(command(plan, result.ledger, *words))]
    following = "rewrite" if "rewrite" in result.untold else "cleanup"
    if not any(draft.changes for draft in result.drafts):
        which = " and ".join(safe(draft.name) for draft in result.drafts)
        is_so = "are" if len(result.drafts) > 1 else "is"
        up_to_date = f"{which} {is_so} up to date (worked out in {duration_text(took_s)})"
        return [up_to_date, next_step(command(plan, result.ledger, following))]
    lines = [*diff_lines(_diff(result)), ""]
    if result.written:
        back = command(plan, result.ledger, "manifest", "--undo")
        return [
            *lines,
            Toned(f"written in {duration_text(took_s)}; to put the old one back: {back}", whole=True),
            next_step(command(plan, result.ledger, following)),
        ]
    apply = command(plan, result.ledger, "manifest", "--apply", *(["--create"] if create else []))
    return [*lines, f"nothing was written (worked out in {duration_text(took_s)})", next_step(apply)]


def manifest_values(result: ManifestResult) -> dict[str, Any]:
    """The summary of a manifest; `object` is the first of the files."""
    return {
        "object": result.drafts[0].name if result.drafts else None,
        "changes": any(draft.changes for draft in result.drafts),
        "written": result.written,
        "diff": _diff(result),
        "files": [picked(draft, "name changes") for draft in result.drafts],
        "restored": result.restored,
    }


def _diff(result: ManifestResult) -> str:
    return "\n".join(file_diff(draft.name, draft.before, draft.after) for draft in result.drafts if draft.changes)
