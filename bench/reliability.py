"""What the trust tests tried, kept as JSON, and docs/reliability.md's tables made from it.

The tests write a line a trial (CARTAGE_TRUST_RECORD); here lines become rows: what was tried, how often, what came of
it. Nothing in the tables is written by hand.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "bench" / "results" / "trust.json"
PAGE = REPOSITORY / "docs" / "reliability.md"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"

Values = dict[str, Any]


CRASHES, CHAOS = "tests/faults/test_crashes.py", "tests/faults/test_chaos.py"


def tried(
    *, kills: int | None = None, matrix: str | None = None, chaos_minutes: float | None = None, seed: int = 1
) -> Values:
    """Run the tests with their record on, and give what they tried, by area. `seed` is chaos's first."""
    what = CRASHES if kills else CHAOS if chaos_minutes else "tests/faults"
    environment = os.environ | {"CARTAGE_TRUST": matrix or "full"}
    if kills:
        environment["CARTAGE_TRUST_KILLS"] = str(kills)
    if chaos_minutes:
        environment |= {"CARTAGE_CHAOS_SECONDS": str(chaos_minutes * 60), "CARTAGE_CHAOS_SEED": str(seed)}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "tried.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", what]
        if matrix:
            command += ["--deselect", CRASHES, "--deselect", CHAOS]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment | {"CARTAGE_TRUST_RECORD": str(record)}, check=False
        )
        lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return {**areas(lines), "failed": done.returncode}


def areas(lines: list[str]) -> Values:
    """The rows of each area: `{area: [{what, tries, outcomes, …figures}]}`."""
    rows: dict[str, dict[str, Values]] = defaultdict(dict)
    for line in lines:
        item = json.loads(line)
        row = rows[item["area"]].setdefault(item["what"], {"what": item["what"], "tries": 0, "outcomes": {}})
        row["tries"] += item["tries"]
        row["outcomes"] = dict(Counter(row["outcomes"]) + Counter({item["outcome"]: item["tries"]}))
        for figure in COLUMNS.keys() & item.keys():
            row[figure] = _together(figure, (row.get(figure, 0), item[figure]))
    return {area: list(found.values()) for area, found in rows.items()}


def keep(values: Values) -> None:
    """Put areas into the results file, in place of what it has of them, with date and commit; render the page."""
    RESULTS.parent.mkdir(exist_ok=True)
    known: Values = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    about = {"measured": datetime.now(UTC).strftime("%Y-%m-%d"), "commit": _commit()}
    for area, found in values.items():
        if area != "failed":
            known[area] = {**about, "found": found}
    RESULTS.write_text(json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n", "utf-8")
    render()


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def render() -> None:
    """Write every area's table between its marks on the page."""
    PAGE.write_text(rendered(PAGE.read_text("utf-8"), json.loads(RESULTS.read_text("utf-8"))), "utf-8")


def rendered(text: str, known: Values) -> str:
    """The page's text with every area's table between its marks."""
    for area, kept in known.items():
        begin, end = BEGIN.format(area), END.format(area)
        if begin not in text:
            continue
        found = kept["found"]
        body = soak_text(found) if area == "soak" else table(found)
        head, rest = text.split(begin, 1)
        tail = rest.split(end, 1)[1]
        stamp = f"Measured {kept['measured']} at commit {kept['commit']}."
        text = f"{head}{begin}\n{stamp}\n\n{body}\n{end}{tail}"
    return text


def table(rows: list[Values]) -> str:
    """An area as Markdown."""
    figures = [name for name in COLUMNS if any(name in row for row in rows)]
    lines = [
        "| tried | times | " + "".join(f"{COLUMNS[name]} | " for name in figures) + "outcome |",
        "|---|--:|" + "--:|" * len(figures) + "---|",
    ]
    for row in rows:
        outcome = "; ".join(
            name if len(row["outcomes"]) == 1 else f"{name}: {count}" for name, count in row["outcomes"].items()
        )
        cells = "".join(f"{row.get(name, '')} | " for name in figures)
        lines.append(f"| {row['what']} | {row['tries']} | {cells}{outcome} |")
    total = sum(row["tries"] for row in rows)
    cells = "".join(f"{_together(name, (row.get(name, 0) for row in rows))} | " for name in figures)
    lines.append(f"| **in all** | **{total}** | {cells}|")
    return "\n".join(lines)


COLUMNS = {
    "struck": "requests struck",
    "stopped": "runs stopped by it",
    "aside": "set aside",
    "commands": "commands",
    "halted": "stopped for seconds",
    "killed": "processes ended",
    "repeated": "writes done twice",
    "again": "bodies sent twice",
    "acts": "acts of users",
    "proofs": "proofs judged",
    "deleted": "deletes judged",
    "later": "later than 0.1 s after their look",
    "p50_ms": "half of them within, ms",
    "p99_ms": "99 % within, ms",
    "gap_ms": "the latest, ms",
    "in_gap": "taken in that gap",
}
LARGEST = frozenset({"p50_ms", "p99_ms", "gap_ms"})
"""Columns of which the largest counts; the others are added up."""


def _together(figure: str, values: Iterable[int]) -> int:
    return max(values) if figure in LARGEST else sum(values)


def soak_text(found: Values) -> str:
    """The soak in a table of its own."""
    memory, files, tasks = found["memory_mb"], found["files"], found["tasks"]
    recoveries = ", ".join(f"{item:.0f}" for item in found["recoveries_s"])
    rows = {
        "length": f"{found['minutes']:.0f} minutes, {found['runs']} runs in one process, each verified",
        "objects": f"{found['objects']:,} copied, {found['verified']:,} verified, {found['requests']:,} requests",
        "faults met": f"{sum(found['faults'].values()):,}, and {found['throttled']:,} times SlowDown",
        "storms of 10 s at 90 %": f"{found['storms']}",
        "network gone": f"{found['outages']} times, {found['outage_s']:.0f} s in all",
        "clock jumps": f"{found['clock_jumps']} of ten minutes",
        "credentials renewed": f"{found['renewals']} times; they last 30 s",
        "seconds until nine tenths of full speed, after each storm and outage": recoveries,
        "memory, late in the first run → late in the last, peak": f"{_span(memory, 'MB')} ({memory['peak_in']})",
        "memory at rest after each run": ", ".join(f"{rest['memory_mb']:.0f}" for rest in found["rests"]) + " MB",
        "of which live objects of Python": ", ".join(f"{rest['blocks']:,}" for rest in found["rests"]) + " blocks",
        "of which in use by C": ", ".join(f"{rest['native_mb']:.1f}" for rest in found["rests"]) + " MB",
        "open files, and asyncio's tasks": f"{_span(files, '')}, and {_span(tasks, '')}",
        "open files at rest, and tasks": ", ".join(f"{rest['files']} and {rest['tasks']}" for rest in found["rests"]),
        "problems": "; ".join(found["problems"]) or "none",
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _span(values: Values, unit: str) -> str:
    first, last, peak = (f"{values[name]:.0f}" for name in ("first_run", "last_run", "peak"))
    return f"{first} → {last}, {peak} {unit}".strip()
