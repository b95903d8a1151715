"""Times as servers write them, and what a listing's time must be to choose by it. A further form is one more line."""

from __future__ import annotations

import pytest

from engine.errors import UsageError
from engine.model import ListedObject
from engine.plan.selection import Selection
from engine.s3.answers import bare, http_moment, moment

S3S = "2026-01-31T10:00:00.000Z"
READ = [
    (S3S, S3S),
    ("2026-01-31T10:00:00Z", S3S),
    ("2026-01-31T10:00:00.123456Z", "2026-01-31T10:00:00.123Z"),
    ("2026-01-31T10:00:00.123456789Z", "2026-01-31T10:00:00.123Z"),
    ("2026-01-31T19:00:00.000+09:00", S3S),
    ("2026-01-31T19:00:00+0900", S3S),
    ("2026-01-31T10:00:00.000", S3S),
    ("2026-01-31 10:00:00", S3S),
    ("Sat, 31 Jan 2026 10:00:00 GMT", S3S),
    ("Sat, 31 Jan 2026 10:00:00 +0000", S3S),
    ("Saturday, 31-Jan-26 10:00:00 GMT", S3S),
]
UNREADABLE = [
    "",
    ":2026-01-31T10:00:00Z",
    "1769853600",
    "0001-01-01T00:00:00Z",
    "1711122000",
    "yesterday",
    "Sat, 99 Jan 2026 10:00:00 GMT",
    "2026-13-31T10:00:00Z",
]


@pytest.mark.parametrize(("written", "meant"), READ)
def test_a_time_is_read(written: str, meant: str) -> None:
    assert moment(written) == meant


@pytest.mark.parametrize("written", UNREADABLE)
def test_what_is_no_time_chooses_nothing_and_says_which_object_it_is(written: str) -> None:
    listed = ListedObject("old/the key", 1, "etag", moment(written))
    assert Selection(min_bytes=1).takes("the key", listed)
    for selection in (Selection(since="2026-01-01T00:00:00"), Selection(until="2026-01-01T00:00:00")):
        with pytest.raises(UsageError, match="'old/the key'"):
            selection.takes("the key", listed)


def test_the_time_of_a_head_is_read_like_a_listings() -> None:
    assert http_moment("Sat, 31 Jan 2026 10:00:00 GMT") == S3S
    assert http_moment("") == ""


@pytest.mark.parametrize("written", ['"x-2"', "x-2", 'W/"x-2"', ' "x-2" ', "W/x-2"])
def test_an_etag_is_bare(written: str) -> None:
    assert bare(written) == "x-2"
