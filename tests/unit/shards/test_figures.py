"""How far a run in shards is, whatever becomes of the processes that carry them."""

from __future__ import annotations

from engine.events import Progress
from engine.ledger.index import Closing
from engine.listing.unlisted import ToldUnlisted
from engine.shards.board import Told
from engine.shards.figures import Figures
from engine.shards.order import ShardEnded


def ended(number: int, progress: Progress, copied_bytes: int) -> ShardEnded:
    unlisted = ToldUnlisted.of_all([])
    return ShardEnded(number, False, (), Closing([], {}, 0, []), {}, progress, 7, None, copied_bytes, (), unlisted, {})


def test_what_a_process_did_that_died_counts_once_and_no_figure_falls() -> None:
    figures = Figures()
    figures.begin(1)
    died = Progress(listed=100, listed_bytes=1_000, done=60, done_bytes=600, copied=60, requests=70, throttled=2)
    figures.hear(1, Told(11, died, copied_bytes=600))
    figures.died(1, None)
    assert figures.progress(1).done == 60 and not figures.progress(1).listing_done
    figures.hear(1, Told(12, Progress(listed=20, done=10, copied=0, found=5)))
    now = figures.progress(1)
    assert (now.listed, now.done, now.copied, now.found) == (100, 60, 60, 0)
    # Five of the sixty were not committed yet: the next process finds them in place.
    last = Progress(listed=100, listed_bytes=1_000, listing_done=True, done=100, done_bytes=1_000, copied=40, found=5)
    figures.end(1, ended(1, last, 400))
    now = figures.progress(1)
    assert (now.listed, now.done, now.copied, now.found, now.requests, now.throttled) == (100, 100, 100, 0, 70, 2)
    assert [item.copied_bytes for item in figures.ended] == [1_000]


def test_of_two_that_died_both_count() -> None:
    figures = Figures()
    figures.begin(1)
    figures.died(1, Told(11, Progress(listed=100, done=30, copied=30)))
    figures.died(1, Told(12, Progress(listed=100, done=50, copied=20)))
    figures.end(1, ended(1, Progress(listed=100, listing_done=True, done=100, copied=50), 0))
    assert figures.progress(1).copied == 100


def test_one_that_is_left_undone_is_no_part_of_it() -> None:
    figures = Figures()
    figures.begin(1)
    figures.hear(1, Told(11, Progress(listed=100, done=30)))
    figures.end(1, None)
    assert figures.progress(1) == Progress() and figures.at_work == []


def test_what_was_written_over_counts_also_where_the_copy_failed_and_its_process_died() -> None:
    figures = Figures()
    figures.begin(1)
    figures.died(1, Told(11, Progress(listed=9, done=2, copied=0, aside=2, replaced=2, replaced_newer=1)))
    figures.end(1, ended(1, Progress(listed=9, listing_done=True, done=9, copied=9, replaced=3), 0))
    assert (figures.progress(1).replaced, figures.progress(1).replaced_newer) == (5, 1)
