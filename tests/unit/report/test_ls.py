"""What a server says is shown as text: it moves no cursor and clears no screen."""

from __future__ import annotations

import pytest

from engine.events import BucketListed, Event, ObjectListed, PrefixSummed
from engine.report.ls import listed_line

BAD = "a\x1b[2Jb\n"


@pytest.mark.parametrize(
    "event",
    [
        BucketListed(BAD, BAD, BAD),
        ObjectListed(BAD, 1, BAD, BAD, BAD),
        PrefixSummed(BAD, 1, 1, {}, BAD, BAD),
    ],
    ids=lambda event: event.event,
)
def test_a_line_of_a_listing_is_one_line_of_text(event: Event) -> None:
    assert listed_line(event).isprintable()
