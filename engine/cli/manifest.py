"""`cartage manifest FILE`: the project's manifest brought up to date from the ledger, shown, written, put back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from engine.api import manifest
from engine.api.commands import command
from engine.api.manifest import ManifestResult
from engine.cli.common import ASIDE, DONE, Invocation, Teller, assume_flag, fail, run, shared_flags
from engine.errors import UsageError
from engine.plan.document import Plan
from engine.references.filetext import read_text
from engine.references.replacing import Restored
from engine.report.diff import unified_diff
from engine.report.text import safe


@click.command("manifest", short_help="The project's manifest from the ledger's figures; --apply writes it.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--apply", is_flag=True, help="Write it, only if nobody changed it since.")
@click.option("--undo", is_flag=True, help="Put back what was there before.")
@click.option("--create", is_flag=True, help="Make a new one where there is none.")
@click.option(
    "--no-conditional-writes", "unconditional", is_flag=True, help="For servers that cannot write by ETag (If-Match)."
)
@shared_flags
@assume_flag
def manifest_command(
    invocation: Invocation, file: Path, apply: bool, undo: bool, create: bool, unconditional: bool
) -> None:
    """Show what [manifest] of the plan in FILE changes in the JSON object that it names: path, size, number of files
    and description of each data set, from what the ledger holds, and the values that are set. Everything else in it
    stays as it is, to the last character."""
    plan = invocation.plan(file)
    invocation = replace(invocation, options=replace(invocation.options, conditional_writes=not unconditional))
    teller = Teller(invocation, "manifest")
    if undo and (apply or create):
        fail(UsageError("--undo stands alone: it puts back what was there."), "manifest", teller)
    if undo:
        result = run(invocation, "manifest", lambda options, _: manifest.put_back(plan, options), teller=teller)
    else:
        result = run(
            invocation,
            "manifest",
            lambda options, _: manifest.update(plan, options, apply=apply, create=create),
            teller=teller,
        )
    invocation.say(_text(result, plan, create))
    code = DONE if all(item.result in (Restored.BACK, Restored.ALREADY) for item in result.restored) else ASIDE
    draft = result.draft
    teller.summary(
        "manifest",
        code,
        {
            "object": str(draft.ref) if draft is not None else None,
            "changes": draft is not None and draft.changes,
            "written": result.written,
            "diff": _diff(result),
            "restored": [{"name": item.name, "result": item.result.value} for item in result.restored],
        },
    )
    raise SystemExit(code)


def _text(result: ManifestResult, plan: Plan, create: bool) -> str:
    if result.draft is None:
        lines = [f"{item.result.value}: {safe(item.name)}" for item in result.restored]
        return "\n".join(lines or ["the manifest was never written: there is nothing to put back"])
    name = safe(str(result.draft.ref))
    if not result.draft.changes:
        return f"{name} is up to date"
    more = ["--create"] if create else []
    end = (
        f"written; to put the old one back: {command(plan, result.ledger, 'manifest', '--undo')}"
        if result.written
        else f"nothing was written; next: {command(plan, result.ledger, 'manifest', '--apply', *more)}"
    )
    return f"{_diff(result)}\n\n{end}"


def _diff(result: ManifestResult) -> str:
    if result.draft is None or not result.draft.changes:
        return ""
    before, after = read_text(result.draft.before), read_text(result.draft.after)
    return unified_diff(str(result.draft.ref), before.text if before else "", after.text if after else "")
