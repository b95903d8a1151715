"""Results as JSON, as a table for docs/performance.md and as a chart, each made from the same values."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.chart import when
from bench.running import ScenarioResult
from bench.scenarios import Figures

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = REPOSITORY / "bench" / "results"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


def machine() -> dict[str, str]:
    """The machine in words: what another one would have to be to give like figures."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": f"{os.cpu_count()} cores, {model}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "layout": "the client on one core, the sandbox on the other",
    }


def as_values(results: list[ScenarioResult]) -> dict[str, Any]:
    """Everything measured, with each run."""
    return {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": machine(),
        "scenarios": [_scenario(result) for result in results],
    }


def _commit() -> str:
    """Of which commit the figures are; empty where nothing can say it."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    scenario = result.scenario
    clients = []
    for client in result.clients:
        figures = client.figures(scenario.floor_s)
        values: dict[str, Any] = {
            "client": client.client,
            "version": client.version,
            "settings": client.settings,
            "does_less": client.does_less,
        }
        if figures is None:
            clients.append(values | {"failure": client.failure})
            continue
        values |= {
            "wall_s": round(figures.wall_s, 2),
            "processor_s": round(figures.processor_s, 2),
            "processor_us_per_object": round(figures.processor_us_per_object, 1),
            "processor_s_per_gb": round(figures.processor_s_per_gb, 3),
            "peak_mb": round(figures.peak_mb, 1),
            "refused": round(figures.refused, 4),
            "runs_wall_s": [round(item.usage.wall_s, 2) for item in client.attempts],
            "runs_processor_s": [round(item.usage.processor_s, 2) for item in client.attempts],
        }
        if figures.ratio_to_floor is not None:
            values["ratio_to_floor"] = round(figures.ratio_to_floor, 3)
        if client.client == "cartage" and scenario.reached is not None:
            values["reached"] = scenario.reached(figures)
        clients.append(values)
    return {
        "name": scenario.name,
        "question": scenario.question,
        "objects": scenario.fill.count + (1 if scenario.fill.large_bytes else 0),
        "floor_s": round(scenario.floor_s, 2) if scenario.floor_s else None,
        "target": scenario.target,
        "clients": clients,
    }


def write(values: dict[str, Any], name: str) -> Path:
    """Write the values, merged over scenarios measured earlier into the same file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    if path.exists():
        kept = json.loads(path.read_text("utf-8"))
        earlier = {item["name"]: {"measured": kept["measured"]} | item for item in kept["scenarios"]}
        fresh = {item["name"]: item for item in values["scenarios"]}
        values = values | {"scenarios": list((earlier | fresh).values())}
    path.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return path


# --- the table of the page --------------------------------------------------------------------------------------------


def table(values: dict[str, Any]) -> str:
    """A Markdown table: a line a scenario, a column a client; the cell is what the scenario asks about."""
    clients = list(dict.fromkeys(item["client"] for scenario in values["scenarios"] for item in scenario["clients"]))
    lines = [
        "| scenario | " + " | ".join(clients) + " | our aim |",
        "|---|" + "---|" * (len(clients) + 1),
    ]
    for scenario in values["scenarios"]:
        cells = {item["client"]: cell(scenario, item) for item in scenario["clients"]}
        row = [f"**{scenario['name']}**: {scenario['question']}", *(cells.get(name, "–") for name in clients)]
        lines.append("| " + " | ".join([*row, scenario["target"] or "–"]) + " |")
    machine_words = values["machine"]
    about = (
        f"Measured {when(values)} with `python -m bench` on {machine_words['processor']}, "
        f"{machine_words['memory']}, {machine_words['system']}: {machine_words['layout']}; medians."
    )
    return "\n".join([*lines, "", about])


def cell(scenario: dict[str, Any], client: dict[str, Any]) -> str:
    """One client's figure in one scenario."""
    if "failure" in client:
        return "does not end"
    name = scenario["name"]
    if name == "copy-cpu":
        return f"{client['processor_us_per_object']:.0f} µs an object"
    if name in ("clone-small", "upload-small", "relay"):
        return f"{client['processor_us_per_object']:.0f} µs an object, {client['peak_mb']:.0f} MB"
    if name in ("clone-large", "clone-disk", "upload-large"):
        return f"{client['processor_s_per_gb']:.2f} s of processor a GB, {client['peak_mb']:.0f} MB"
    if scenario["floor_s"]:
        refused = f", {client['refused']:.1%} refused" if client["refused"] >= 0.001 else ""
        return f"{client['wall_s']:.1f} s = {client['ratio_to_floor']:.2f} × floor{refused}"
    if name == "list":
        return f"{client['wall_s']:.1f} s, {client['processor_us_per_object']:.1f} µs a key"
    if name == "memory":
        return f"{client['peak_mb']:.0f} MB"
    return f"{client['processor_s']:.1f} s of processor, {client['wall_s']:.1f} s"


def put_into(path: Path, text: str) -> None:
    """Replace what is between the markers of a page. A page without them is an error: nothing is guessed."""
    page = path.read_text("utf-8")
    if BEGIN not in page or END not in page:
        raise ValueError(f"{path.name} has no {BEGIN} … {END}")
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n{text}\n{END}{tail}", "utf-8")


__all__ = ["Figures", "as_values", "put_into", "table", "write"]
