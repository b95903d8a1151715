"""The results as one SVG, for whoever has not read about them: a panel a question, a bar a client, less is better.

Readable in GitHub's light and dark: it has a ground of its own, whose colours follow what the reader prefers. Only what
tells clients apart is drawn: a panel needs two bars. No drawing library needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

WIDTH, MARGIN, GAP = 880, 24, 32
COLUMNS = 2
PANEL = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
HEAD, ROW, FOOT = 52, 22, 22
LABEL, FIGURE = 92, 78
"""What a panel's bars leave to names and figures."""

STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; fill: #1f2328 }
.ground { fill: #ffffff; stroke: #d1d9e0 } .ours { fill: #0b7285 } .other { fill: #b6bec6 }
.title { font-size: 14px; font-weight: 600 } .more { fill: #59636e; font-size: 11.5px } .bold { font-weight: 600 }
.floor { stroke: #bc4c00; stroke-width: 1.5; stroke-dasharray: 4 3 } .limit { fill: #bc4c00; font-size: 11px }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .ground { fill: #0d1117; stroke: #3d444d } .ours { fill: #3bc9db } .other { fill: #59636e }
  .more { fill: #9198a1 } .floor { stroke: #f0883e } .limit { fill: #f0883e }
}
"""

CALLED = {"awscli": "aws s3 sync", "aioboto3": "aioboto3 loop", "obstore": "obstore loop"}
"""What a client is called for whom its name alone says too little."""


class Question(NamedTuple):
    """A panel: what a scenario shows of each client. `figure` is the field of its result, `unit` what it is in; `more`
    may say of how many `{objects}`."""

    title: str
    more: str
    figure: str
    unit: str


QUESTIONS = {
    "copy-cpu": Question(
        "Processor time an object, less is better",
        "52,994 objects copied inside S3, over TLS, answered at once",
        "processor_us_per_object",
        "µs",
    ),
    **{
        f"copy-limit-{limit}": Question(
            f"Time at {limit:,} a second, less is better",
            f"52,994 objects copied inside S3, which allows {limit:,} a second",
            "wall_s",
            "s",
        )
        for limit in (3500, 900, 9000)
    },
    "mixed": Question(
        "Time with a large object, less is better",
        "5.6 GB among 52,994 objects, at 3,500 a second",
        "wall_s",
        "s",
    ),
    "resume": Question(
        "A second run that finds all done, less is better",
        "52,994 objects on both sides, processor time",
        "processor_s",
        "s",
    ),
    **{
        f"{job}-{size}": Question(f"Processor time {title}, less is better", f"{what} {way}, over TLS", figure, unit)
        for size, title, what, figure, unit in (
            ("small", "an object", "{objects:,} of 100 KB", "processor_us_per_object", "µs"),
            ("large", "a GB", "{objects} of 1 GiB", "processor_s_per_gb", "s"),
        )
        for job, way in (("clone", "from S3 into a folder"), ("upload", "from a folder to S3"))
    },
}
"""The panels, in their order. A scenario that measures one client alone is none of them."""


def draw(values: dict[str, Any]) -> str:
    """The whole chart."""
    measured = {scenario["name"]: scenario for scenario in values["scenarios"]}
    panels = [
        (question, measured[name], clients)
        for name, question in QUESTIONS.items()
        if name in measured and len(clients := ranked(measured[name], question)) > 1
    ]
    parts: list[str] = []
    top = float(MARGIN)
    for first in range(0, len(panels), COLUMNS):
        row = panels[first : first + COLUMNS]
        for column, (question, scenario, clients) in enumerate(row):
            parts += panel(question, scenario, clients, MARGIN + column * (PANEL + GAP), top)
        top += HEAD + max(len(clients) for _, _, clients in row) * ROW + FOOT
    machine = values["machine"]
    about = f"Medians of python -m bench, {when(values)}, {machine['processor']}, {machine['layout']}."
    parts.append(text(MARGIN, top + 4, about, "more"))
    height = top + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:g}" viewBox="0 0 {WIDTH} {height:g}" '
        f'role="img"><title>How Cartage compares: less is better in every panel</title><style>{STYLE}</style>'
        f'<rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1:g}" rx="6"/>'
        + "".join(parts)
        + "</svg>\n"
    )


def when(values: dict[str, Any]) -> str:
    """When it was measured: most of it, and what at another time."""
    by_day: dict[str, list[str]] = {}
    for scenario in values["scenarios"]:
        by_day.setdefault(scenario.get("measured", values["measured"]), []).append(scenario["name"])
    most, *others = sorted(by_day, key=lambda day: -len(by_day[day]))
    apart = "; ".join(f"{', '.join(by_day[day])} {day}" for day in others)
    return f"{most} ({apart})" if apart else most


def ranked(scenario: dict[str, Any], question: Question) -> list[dict[str, Any]]:
    """The clients that have a figure, the least first."""
    clients = [client for client in scenario["clients"] if "failure" not in client]
    return sorted(clients, key=lambda client: float(client[question.figure]))


def panel(
    question: Question, scenario: dict[str, Any], clients: list[dict[str, Any]], left: float, top: float
) -> Iterator[str]:
    """One question's bars, with a line where S3's own limit is."""
    yield text(left, top + 12, question.title, "title")
    yield text(left, top + 30, question.more.format(objects=scenario["objects"]), "more")
    begin, longest = left + LABEL, max(float(client[question.figure]) for client in clients)
    scale = (PANEL - LABEL - FIGURE) / longest
    y = top + HEAD - 8
    for client in clients:
        ours, figure = client["client"] == "cartage", float(client[question.figure])
        length, style = max(1.0, figure * scale), "bold" if ours else ""
        yield text(begin - 8, y + 14, CALLED.get(client["client"], client["client"]), style, anchor="end")
        yield rect(begin, y + 3, length, ROW - 7, "ours" if ours else "other")
        yield text(begin + length + 6, y + 14, f"{shown(figure)} {question.unit}", style)
        y += ROW
    if question.figure == "wall_s" and scenario["floor_s"]:
        x = begin + float(scenario["floor_s"]) * scale
        yield f'<line class="floor" x1="{x:.1f}" y1="{top + HEAD - 8}" x2="{x:.1f}" y2="{y}"/>'
        yield text(x, y + 11, f"S3 allows no less than {shown(float(scenario['floor_s']))} s", "limit", anchor="middle")


def shown(figure: float) -> str:
    """Three figures at the most: two decimals below 10, one below 100."""
    decimals = 0 if figure >= 100 or not figure % 1 else 1 if figure >= 10 else 2
    return f"{figure:,.{decimals}f}"


def rect(x: float, y: float, width: float, height: float, style: str) -> str:
    return f'<rect class="{style}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="2"/>'


def text(x: float, y: float, words: str, style: str, *, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
