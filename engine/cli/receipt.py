"""`cartage receipt FILE`: a document of what was done and proven; with --check, whether one still holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from engine.api.commands import command
from engine.api.options import Options
from engine.api.receipt import check_receipt, receipt
from engine.api.report import Report, report_on
from engine.cli.codes import DIFFERENT, DONE
from engine.cli.invocation import Invocation
from engine.errors import refused_as
from engine.plan.document import Plan
from engine.references.local_files import write_new
from engine.report.page import Tone, Toned, next_step
from engine.report.receipt import receipt_markdown
from engine.report.text import count_text, pace_text, safe, size_text
from engine.report.webpage import without_pictures


def receipt_command(invocation: Invocation, file: Path, output: Path | None, checked: Path | None) -> None:
    plan = invocation.plan(file)
    if checked is not None:
        _check(invocation, plan, checked)
    values, report = invocation.run(lambda options, _: _documents(plan, options))
    folder = output or invocation.options.state_dir or Path(plan.folder)
    page = f"{plan.name}.report.html"
    makers: dict[str, Callable[[], str]] = {
        f"{plan.name}.receipt.json": lambda: json.dumps(values, indent=2, ensure_ascii=True) + "\n",
        f"{plan.name}.receipt.md": lambda: receipt_markdown(values, page),
        page: lambda: report.html,
    }
    paths: list[Path] = []
    for name, make in makers.items():  # each made in its turn: a page that cannot be keeps no receipt back
        text = make()
        said = f"; written: {', '.join(path.name for path in paths)}" if paths else ""
        advice = "Make room there, or whatever it lacks, or choose another folder with --output."
        with refused_as(f"the receipt cannot be written to {folder}{said}; not {name}", advice):
            folder.mkdir(parents=True, exist_ok=True)
            write_new(folder / name, text.encode())
        paths.append(folder / name)
    total = values["total"]
    check_it = command(plan, invocation.options.ledger, "receipt", "--check", str(paths[0]))
    invocation.say(
        [
            f"{values['stage']}: {count_text(total['objects'])} objects, {size_text(total['bytes'])}",
            *(f"written: {safe(str(path))}" for path in paths),
            *without_pictures(),
            f"ledger: sha256 {values['ledger']['sha256']}",
            f"took {pace_text(total['objects'], invocation.took_s)}",
            next_step(check_it),
        ]
    )
    invocation.end(DONE, {"files": [str(path) for path in paths], "receipt": values})


async def _documents(plan: Plan, options: Options) -> tuple[dict[str, Any], Report]:
    """All that is told, read before anything is written."""
    return await receipt(plan, options), await report_on(plan, options)


def _check(invocation: Invocation, plan: Plan, checked: Path) -> NoReturn:
    result = invocation.run(lambda options, _: check_receipt(checked, plan, options))
    if result.holds:
        invocation.say(f"{safe(str(checked))} holds: plan, ledger and every target are what it says")
    else:
        verb = "verify" if result.lost else "receipt"
        different = [Toned(safe(line), Tone.BAD) for line in result.differences]
        invocation.say([*different, next_step(command(plan, invocation.options.ledger, verb))])
    invocation.end(DONE if result.holds else DIFFERENT, {"holds": result.holds, "differences": result.differences})
