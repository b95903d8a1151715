"""How far, how fast now, and what is left: of this run's own work, over the last seconds."""

from __future__ import annotations

import pytest

from engine.events import COPYING, Doing, Progress
from engine.report.meter import WINDOW_S, Meter, Reading, drawn, percent_text, progress_words, said, written


def of(listed: int, done: int, copied: int = 0, *, ended: bool = False, size: int = 1_000, **more: int) -> Progress:
    return Progress(
        listed=listed,
        listed_bytes=listed * size,
        listing_done=ended,
        done=done,
        done_bytes=done * size,
        copied=copied,
        **more,
    )


def test_what_an_earlier_run_did_is_not_this_ones_rate() -> None:
    """A resumed run lists 40,000 objects that are there in three seconds, and copies 2,000 a second meanwhile."""
    meter = Meter(copies=True)
    for tick in range(13):
        copied = tick * 500
        meter.add(of(53_000, 40_000 * min(tick, 12) // 12 + copied, copied), tick / 4)
    rate = meter.read(3.0).rate
    assert rate == pytest.approx(2_000)
    meter.add(of(53_000, 46_000, 6_000, ended=True), 3.0)
    for second in range(4, 7):
        meter.add(of(53_000, 40_000 + 2_000 * second, 2_000 * second, ended=True), float(second))
    reading = meter.read(6.0)
    assert reading.rate == pytest.approx(2_000)
    assert reading.left_s == pytest.approx(0.5)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = Meter(copies=False)
    for second in range(31):
        meter.add(of(100_000, 1_000 * min(second, 10), ended=True), float(second))
        if second == 10 + WINDOW_S / 2:
            assert meter.read(float(second)).rate == 500
    assert meter.read(30.0).rate == 0
    assert meter.read(30.0).left_s is None


def test_while_nothing_comes_the_rate_falls() -> None:
    meter = Meter(copies=False)
    meter.add(of(1_000, 0, ended=True), 0.0)
    meter.add(of(1_000, 500, ended=True), 1.0)
    assert meter.read(1.0).rate == 500
    assert meter.read(5.0).rate == 100


def test_a_few_large_objects_hold_up_the_end_that_many_small_ones_promise() -> None:
    """99 of 100 objects are done, and half of the bytes."""
    meter = Meter(copies=False)
    meter.add(Progress(100, 1_000_000, True, 0, 0), 0.0)
    meter.add(Progress(100, 1_000_000, True, 99, 500_000), 10.0)
    reading = meter.read(10.0)
    assert reading.fraction == 0.5
    assert reading.left_s == pytest.approx(10.0)


def test_what_begins_anew_is_measured_anew() -> None:
    meter = Meter(copies=False)
    meter.add(of(1_000, 1_000, ended=True), 0.0)
    meter.add(of(50, 10, ended=True), 1.0)
    assert meter.read(1.2).rate is None
    meter.add(of(50, 20, ended=True), 2.0)
    assert meter.read(2.0).rate == 10


def test_what_goes_on_counts_nothing_twice() -> None:
    """As where a run has waited for what was archived: what it had done by then is no work of the moment after."""
    before = Meter(copies=True)
    before.add(of(1_000, 900, 900), 0.0)
    meter = Meter.of(Doing(COPYING, goes_on=True), before)
    for at_s, done in ((0.0, 900), (10.0, 950)):
        meter.add(of(1_000, done, done), at_s)
    assert meter.read(10.0).rate == 5.0


def test_while_the_whole_still_grows_there_is_no_percentage() -> None:
    meter = Meter(copies=False)
    assert meter.read(0.0) == Reading()
    meter.add(of(1_000, 500), 0.0)
    assert meter.read(0.1).fraction is None
    meter.add(of(1_000, 1_000, ended=True), 1.0)
    assert meter.read(1.0).fraction == 1.0 and meter.read(1.0).left_s == 0


def test_nothing_to_do_is_no_division() -> None:
    meter = Meter(copies=True)
    meter.add(Progress(listing_done=True), 0.0)
    assert meter.read(1.0).fraction is None


def test_what_was_aside_and_is_copied_after_all_takes_nothing_from_the_work() -> None:
    """As `status` reads a ledger of which one failed object was copied now: as many are done as before."""
    meter = Meter(copies=True)
    meter.add(of(18, 13, 13, aside=3), 0.0)
    meter.add(of(18, 13, 13, aside=2), 1.0)
    assert (meter.read(1.0).rate, meter.read(1.0).bytes_rate) == (0.0, 0.0)
    meter.add(of(20, 15, 13, aside=1), 2.0)
    assert (meter.read(2.0).rate, meter.read(2.0).bytes_rate) == (0.0, 0.0)


def test_a_hundred_is_said_at_the_end_alone() -> None:
    assert percent_text(Reading(0.9999)) == " 99%"
    assert percent_text(Reading(1.0)) == "100%"
    assert percent_text(Reading(0.07)) == "  7%"


def test_a_whole_that_is_expected_gives_a_percentage_while_the_listing_goes_on() -> None:
    """A listing is as far ahead as the copies let it be, and ends with them."""
    meter = Meter(copies=True, objects=50_000, size_bytes=50_000_000)
    meter.add(of(3_000, 1_000, 1_000), 0.0)
    meter.add(of(14_000, 11_000, 11_000), 10.0)
    reading = meter.read(10.0)
    assert (reading.fraction, reading.rate, reading.left_s) == (0.22, 1_000.0, 39.0)
    assert percent_text(reading) == "~22%"
    assert written("copying", meter.last, reading) == (
        "copying: ~22%, 11,000 of about 50,000 objects, 11 MB of 50 MB, 1,000/s, 1 MB/s, 39 s left"
    )
    meter.add(of(50_001, 50_001, 50_001), 49.0)  # there are more than was thought: nobody knows how many
    assert meter.read(49.0).fraction is None
    meter.add(of(50_002, 50_001, 50_001, ended=True), 50.0)
    assert not meter.read(50.0).about


def test_before_anything_is_listed_nothing_is_divided() -> None:
    meter = Meter(copies=True, objects=50_000, size_bytes=0)
    meter.add(Progress(), 0.0)
    assert meter.read(1.0).fraction == 0.0


BUSY = of(53_000, 20_000, ended=True, throttled=3, aside=7, in_flight=64)
READING = Reading(0.37, 1_999.0, 1_999_000.0, 17.0)


def test_all_of_it_where_there_is_room() -> None:
    assert written("copying", BUSY, READING) == (
        "copying: 37%, 20,000 of 53,000 objects, 20 MB of 53 MB, 1,999/s, 2 MB/s, 17 s left, "
        "3 SlowDown, 7 aside, 64 in flight"
    )


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_what_weighs_least_stays_where_there_is_little(width: int) -> None:
    line = drawn("copying", BUSY, READING, width)
    bar = 0 if line.fraction is None else len("|") + 4 + len("| ")
    assert len(line.head) + bar + len(line.tail) < width
    assert (line.fraction is None) == (width < 60), "where there is no room for both, the words stay"
    assert line.tail.startswith("20,000 of 53,000 objects")
    assert ("17 s left" in line.tail) >= ("3 SlowDown" in line.tail) >= ("of 53 MB" in line.tail)


def test_where_all_is_set_aside_it_does_not_look_like_a_copy_that_goes_well() -> None:
    refused = of(5_000, 4_000, ended=True, aside=4_000)
    for width in (80, 140):
        assert "4,000 of 5,000 objects" in (tail := drawn("copying", refused, READING, width).tail)
        assert "all of them aside" in tail


OUTAGE = "S3 out of reach for 34 s"


@pytest.mark.parametrize("width", [25, 40, 60, 80, 140])
@pytest.mark.parametrize("reading", [READING, Reading(rate=1_999.0)])
@pytest.mark.parametrize("what", ["copying", "trying what the server honours"])
def test_what_is_wrong_outlives_the_bar_and_the_figures(what: str, reading: Reading, width: int) -> None:
    refused = of(5_000, 4_000, ended=True, aside=4_000)
    for wrong in (drawn(what, BUSY, reading, width, OUTAGE), drawn(what, refused, reading, width, OUTAGE)):
        assert OUTAGE in wrong.tail and len(wrong.head + wrong.tail) <= width
    assert "all of them aside" in drawn(what, refused, reading, width).tail


def test_a_bar_is_no_room_for_how_many_are_aside() -> None:
    some = of(53_000, 20_000, ended=True, aside=1_000)
    line = drawn("copying", some, READING, 57)
    assert (line.fraction, line.tail) == (None, "20,000 of 53,000 objects, 1,000 aside")


def test_a_listing_has_one_figure() -> None:
    listing = Progress.of_listing(1_000, 5_000_000)
    assert said(progress_words(listing, Reading(rate=500.0))) == "1,000 objects, 5 MB, 500/s"
