"""docs/reliability.md shows what the committed results say."""

from __future__ import annotations

import json

from bench.reliability import PAGE, RESULTS, rendered


def test_the_tables_are_those_of_the_committed_results() -> None:
    text = PAGE.read_text("utf-8")
    assert rendered(text, json.loads(RESULTS.read_text("utf-8"))) == text
