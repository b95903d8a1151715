"""What the gate said, for whoever reads its page later."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest

from engine.report.markup import tag
from engine.report.verdicts import _when_read


@pytest.mark.parametrize(
    ("sentence", "at_ms", "said"),
    [
        ("523 objects unchanged just now; 2 gone", 90_000, "523 objects unchanged at 1970-01-01 00:01:30 UTC; 2 gone"),
        ("523 objects unchanged just now", 0, "523 objects unchanged just now"),
        ("the hold has passed", 90_000, "the hold has passed"),
    ],
)
def test_just_now_is_a_time_in_what_is_kept(sentence: str, at_ms: int, said: str) -> None:
    assert tostring(tag("p", _when_read(sentence, at_ms)), encoding="unicode", method="text") == said
