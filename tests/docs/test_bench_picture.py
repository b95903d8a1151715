"""The pictures of the benchmark, and the table, are those of the committed results, and say what they show."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bench import chart, results
from tests.docs.pages import DOCS, REPOSITORY

RESULTS = REPOSITORY / "bench" / "results"
NAMES = ("latest", "bytes")
VALUES: dict[str, Any] = {name: json.loads((RESULTS / f"{name}.json").read_text("utf-8")) for name in NAMES}
PICTURES = {name: (RESULTS / f"{name}.svg").read_text("utf-8") for name in NAMES}
LETTER = 8.2
"""How wide a letter of a title is at the most, in its 14 px, on average."""


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_that_of_the_committed_results_and_shown_on_the_first_page(name: str) -> None:
    assert chart.draw(VALUES[name]) == PICTURES[name], "out of date: python -m bench --render"
    assert f"](bench/results/{name}.svg)" in (REPOSITORY / "README.md").read_text("utf-8")


def test_the_table_is_that_of_the_committed_results() -> None:
    assert results.table(VALUES["latest"]) in (DOCS / "performance.md").read_text("utf-8")


def test_what_is_measured_anew_alone_has_a_day_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    scenarios = [{"name": name} for name in ("list", "mixed", "resume")]
    results.write({"measured": "2026-01-01", "scenarios": scenarios}, "some")
    path = results.write({"measured": "2026-01-03", "scenarios": scenarios[:1]}, "some")
    assert chart.when(json.loads(path.read_text("utf-8"))) == "2026-01-01 (list 2026-01-03)"


def test_every_panel_says_what_is_better_and_has_something_to_compare_with() -> None:
    titles = [title for name in NAMES for title in re.findall(r'<text class="title"[^>]*>([^<]*)<', PICTURES[name])]
    assert titles == [question.title for question in chart.QUESTIONS.values()]
    assert [title for title in titles if not title.endswith("less is better")] == []
    assert [title for title in titles if len(title) * LETTER > chart.PANEL] == []
    measured = {scenario["name"]: scenario for values in VALUES.values() for scenario in values["scenarios"]}
    for name, question in chart.QUESTIONS.items():
        assert len(chart.ranked(measured[name], question)) > 1, name


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_follows_light_and_dark_and_loads_nothing(name: str) -> None:
    assert "prefers-color-scheme: dark" in PICTURES[name] and 'class="ground"' in PICTURES[name]
    assert re.findall(r"(?:href|url\(|@import)[^\s]*", PICTURES[name]) == []
