"""README's picture of the benchmark, and the table, are those of the committed results, and say what they show."""

from __future__ import annotations

import json
import re

from bench import chart, results
from tests.docs.pages import DOCS, REPOSITORY

RESULTS = REPOSITORY / "bench" / "results"
VALUES = json.loads((RESULTS / "latest.json").read_text("utf-8"))
PICTURE = (RESULTS / "latest.svg").read_text("utf-8")
LETTER = 8.2
"""How wide a letter of a title is at the most, in its 14 px, on average."""


def test_the_picture_and_the_table_are_those_of_the_committed_results() -> None:
    assert chart.draw(VALUES) == PICTURE, "out of date: python -m bench --render"
    assert results.table(VALUES) in (DOCS / "performance.md").read_text("utf-8")
    assert "](bench/results/latest.svg)" in (REPOSITORY / "README.md").read_text("utf-8")


def test_every_panel_says_what_is_better_and_has_something_to_compare_with() -> None:
    titles = re.findall(r'<text class="title"[^>]*>([^<]*)<', PICTURE)
    assert titles == [question.title for question in chart.QUESTIONS.values()]
    assert [title for title in titles if not title.endswith("less is better")] == []
    assert [title for title in titles if len(title) * LETTER > chart.PANEL] == []
    measured = {scenario["name"]: scenario for scenario in VALUES["scenarios"]}
    for name, question in chart.QUESTIONS.items():
        assert len(chart.ranked(measured[name], question)) > 1, name


def test_the_picture_follows_light_and_dark_and_loads_nothing() -> None:
    assert "prefers-color-scheme: dark" in PICTURE and 'class="ground"' in PICTURE
    assert re.findall(r"(?:href|url\(|@import)[^\s]*", PICTURE) == []
