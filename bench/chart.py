"""The results as one SVG: a block a scenario, a bar a client, its figure beside it. No drawing library needed."""

from __future__ import annotations

from html import escape
from typing import Any

from bench.results import cell

WIDTH = 900
LABEL, BAR = 110, 430
ROW, HEAD, GAP = 20, 40, 18
INK = "#212529"
OURS, OTHERS, FLOOR = "#0b7285", "#adb5bd", "#e8590c"


def length_of(scenario: dict[str, Any], client: dict[str, Any]) -> float:
    """What a bar's length stands for: the figure that the scenario asks about."""
    name = scenario["name"]
    if name == "copy-cpu":
        return float(client["processor_us_per_object"])
    if name == "memory":
        return float(client["peak_mb"])
    return float(client["processor_s"] if name in ("resume", "verify") else client["wall_s"])


def draw(values: dict[str, Any]) -> str:
    """The whole chart."""
    parts: list[str] = []
    y = 10
    for scenario in values["scenarios"]:
        measured = [client for client in scenario["clients"] if "failure" not in client]
        longest = max([length_of(scenario, client) for client in measured] + [scenario["floor_s"] or 0, 1e-9])
        parts.append(_text(10, y + 16, scenario["name"], weight="bold", size=14))
        parts.append(_text(10, y + 32, scenario["question"], size=11, fill="#495057"))
        y += HEAD
        top = y
        for client in scenario["clients"]:
            parts.append(_text(LABEL - 8, y + 14, client["client"], anchor="end"))
            if "failure" in client:
                parts.append(_text(LABEL + 6, y + 14, "does not end", fill="#868e96"))
            else:
                width = max(1.0, length_of(scenario, client) / longest * BAR)
                colour = OURS if client["client"] == "cartage" else OTHERS
                parts.append(f'<rect x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}"/>')
                parts.append(_text(LABEL + width + 6, y + 14, cell(scenario, client)))
            y += ROW
        if scenario["floor_s"]:
            x = LABEL + scenario["floor_s"] / longest * BAR
            parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{y}" stroke="{FLOOR}" stroke-width="2"/>')
        y += GAP
    about = f"medians; orange: the shortest time the server allows; {values['machine']['processor']}"
    parts.append(_text(10, y + 6, about, size=11, fill="#868e96"))
    y += 20
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" '
        f'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    weight: str = "normal",
    size: int = 12,
    fill: str = "#212529",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}" fill="{fill}">'
        f"{escape(text)}</text>"
    )
