"""Sizes, durations and dates as people write them, and never by a guess."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plan.sizes import duration_text, parse_duration, parse_moment, parse_size, parse_tolerance, size_text


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("734 MB", 734_000_000),
        ("26.8 GB", 26_800_000_000),
        ("5GiB", 5 << 30),
        ("1.5 kib", 1536),
        ("1 byte", 1),
        ("0 bytes", 0),
        ("17_592 B", 17_592),
        ("1024", 1024),
        (1024, 1024),
        (" 1 tb ", 10**12),
    ],
)
def test_a_size_is_exact(text: str | int, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "MB", "5 M", "1,5 GB", "1,000", "-1 MB", "1.5", "5 GBit", "1e3", "٣ MB x"])
def test_a_size_that_could_mean_two_things_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


def test_an_ambiguous_unit_is_answered_with_both_that_it_could_be() -> None:
    with pytest.raises(ValueError, match=r"write 64 MB \(decimal\) or 64 MiB \(binary\)"):
        parse_size("64 M")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("24h", 86_400),
        ("90 minutes", 5400),
        ("1d 12h", 129600),
        ("1d12h", 129600),
        ("1.5h", 5400),
        ("7 Days", 604800),
        ("0", 0),
        (0, 0),
        ("2w", 1209600),
        ("30s", 30),
    ],
)
def test_a_duration_is_read_with_its_unit(text: str | int, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", 24, "h", "-1h", "1h 1d", "1h 1h", "1 month", "1y"])
def test_a_duration_without_a_clear_unit_is_refused(text: str | int) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


def test_a_duration_is_a_hundred_years_at_most() -> None:
    assert parse_duration("36500d") == 36_500 * 86_400
    for text in ("36500d 1s", "99999999999999999d"):
        with pytest.raises(ValueError, match="is too long: a duration is 100 years"):
            parse_duration(text)


@given(st.integers(min_value=0, max_value=10**8))
def test_a_duration_shown_is_the_duration_read(seconds: int) -> None:
    assert parse_duration(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.00 kB"),
        (734000000, "734 MB"),
        (26800000000, "26.8 GB"),
        (999999, "1.00 MB"),
        (10**21, "1000 EB"),
    ],
)
def test_a_size_is_shown_with_three_figures(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


def test_a_tolerance_is_a_share_of_the_size_or_a_size() -> None:
    assert parse_tolerance("1 %", 26_800_000_000) == 268_000_000
    assert parse_tolerance("0.5%", 1000) == 5
    assert parse_tolerance("50 MB", 1) == 50_000_000
    assert parse_tolerance(0, 1) == 0


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (date(2026, 1, 31), "2026-01-31T00:00:00"),
        ("2026-01-31", "2026-01-31T00:00:00"),
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00"),
        ("2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00"),
        (datetime(2026, 1, 31, 10, tzinfo=timezone(timedelta(hours=-5))), "2026-01-31T15:00:00"),
        (datetime(2026, 1, 31, 10, 0, 0, 999_999, tzinfo=UTC), "2026-01-31T10:00:00"),
        (datetime(2026, 1, 31, 10), "2026-01-31T10:00:00"),
    ],
)
def test_a_moment_is_spelled_as_listings_spell_it(moment: str | date, text: str) -> None:
    assert parse_moment(moment) == text
