"""How far a command is, how fast it goes now, and what that makes of the rest. Pure: moments are handed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from engine.events import COPYING, SETTING, Doing, OutOfReach, Progress
from engine.report.text import count_text, duration_text, plural, rate_text, size_text, width_of

WINDOW_S = 10.0
"""What "now" is: long enough that a rate can be read, short enough that it tells of a storm while it goes on."""
SHORTEST_S = 0.5
"""Of less no rate is told."""
NARROWEST_BAR = 4
OUTAGE_S = 3.0
"""For so long S3 has to have been out of reach before it is an outage: one connection that breaks is none."""


class Reading(NamedTuple):
    """`fraction` of the whole, None while nobody knows how much that is; objects and bytes a second over the window,
    None while nothing is known; `left_s` at that rate, None where it cannot be told. `about`: not everything is listed,
    and the whole (`objects`, `size_bytes`) is what was expected."""

    fraction: float | None = None
    rate: float | None = None
    bytes_rate: float | None = None
    left_s: float | None = None
    about: bool = False
    objects: int = 0
    size_bytes: int = 0


class Meter:
    """Reads a command's `Progress`. `copies`: while its listing goes on, only what was copied or set aside counts as
    work; the rest was there, and is passed by as fast as it can be listed. `objects` and `size_bytes` are the whole as
    it is expected, 0 where it is not known. `last` is what was told last."""

    def __init__(self, *, copies: bool, objects: int = 0, size_bytes: int = 0) -> None:
        self._copies = copies
        self._expected = (objects, size_bytes)
        self.last = Progress()
        self._work = 0
        self._work_bytes = 0
        self._window: deque[tuple[float, int, int]] = deque()

    @classmethod
    def of(cls, doing: Doing, before: Meter | None = None) -> Meter:
        """For what is done from now on, `before` which another one was read."""
        meter = cls(copies=doing.what in (COPYING, SETTING), objects=doing.objects, size_bytes=doing.size_bytes)
        if doing.goes_on and before is not None:
            meter.last = before.last
        return meter

    def add(self, progress: Progress, at_s: float) -> None:
        """Take what is told at `at_s`, seconds of any clock that does not go back."""
        before, self.last = self.last, progress
        if progress.done < before.done or progress.listed < before.listed:  # something else has begun
            self._window.clear()
            before = Progress()
        work, work_bytes = progress.done - before.done, progress.done_bytes - before.done_bytes
        if self._copies:
            work, work_bytes = progress.worked_since(before)
        self._work += work
        self._work_bytes += work_bytes
        self._window.append((at_s, self._work, self._work_bytes))
        while len(self._window) > 2 and self._window[1][0] <= at_s - WINDOW_S:
            self._window.popleft()

    def read(self, at_s: float) -> Reading:
        """What that comes to at `at_s`."""
        last = self.last
        rate = bytes_rate = None
        if self._window and (passed_s := at_s - self._window[0][0]) >= SHORTEST_S:
            rate = (self._work - self._window[0][1]) / passed_s
            bytes_rate = (self._work_bytes - self._window[0][2]) / passed_s
        objects, size_bytes = last.listed, last.listed_bytes
        about = not last.listing_done
        if about:
            objects, size_bytes = self._expected
        if not objects or objects < last.listed or (about and last.listed_bytes and size_bytes < last.listed_bytes):
            return Reading(rate=rate, bytes_rate=bytes_rate)
        parts = [(last.done, objects, rate), (last.done_bytes, size_bytes, bytes_rate)]
        counted = [part for part in parts if part[1]]
        lefts = [(whole - done) / pace for done, whole, pace in counted if pace and whole > done]
        ended = all(done >= whole for done, whole, _ in counted)
        fraction = min(done / whole for done, whole, _ in counted)
        left_s = 0.0 if ended else max(lefts, default=None)
        return Reading(min(1.0, max(0.0, fraction)), rate, bytes_rate, left_s, about, objects, size_bytes)


class Outage:
    """Whether S3 is out of reach, and `why`, by what is told of it now and then."""

    def __init__(self) -> None:
        self._from_s: float | None = None
        self.why = ""
        self._what = ""

    def add(self, event: OutOfReach, at_s: float) -> None:
        """Take what is told at `at_s`, seconds of any clock that does not go back."""
        self._from_s = at_s - event.since_s if event.why else None
        self.why, self._what = event.why, event.what

    def lasts_s(self, at_s: float) -> float:
        """For how long; 0 where it is none."""
        lasts_s = 0.0 if self._from_s is None else at_s - self._from_s
        return lasts_s if lasts_s >= OUTAGE_S else 0.0

    def said(self, at_s: float) -> str:
        """That, in words; empty where it is none."""
        lasts_s = self.lasts_s(at_s)
        return f"{self._what} out of reach for {duration_text(lasts_s)}" if lasts_s else ""


WRONG = -2
"""The weight of what is wrong: it goes last of all."""
TELLING = 1
"""Up to this weight words say what no bar can: they stay, and it goes."""

Words = Sequence[tuple[int, str]]
"""What is said, in that order, each with its weight: where there is little room, what weighs most is left out first."""


def progress_words(progress: Progress, reading: Reading, trouble: str = "") -> Words:
    """What is said of it. `trouble`: what holds it up."""
    done, done_bytes = count_text(progress.done), size_text(progress.done_bytes)
    if reading.about:
        words = [(0, f"{done} of about {count_text(reading.objects)} objects")]
    elif progress.listing_done:
        words = [(0, f"{done} of {count_text(progress.listed)} objects")]
    elif progress.done == progress.listed:
        words = [(0, plural(progress.listed, "object"))]
    else:
        words = [(0, f"{done} of {count_text(progress.listed)} listed so far")]
    if trouble:
        words.append((WRONG, trouble))
    whole_bytes = reading.size_bytes if reading.about and progress.listed_bytes else progress.listed_bytes
    if whole_bytes and progress.done_bytes == whole_bytes:
        words.append((5, done_bytes))
    elif whole_bytes:
        words.append((5, f"{done_bytes} of {size_text(whole_bytes)}"))
    if reading.rate is not None:
        words.append((2, f"{rate_text(reading.rate)}/s"))
    if reading.bytes_rate:
        words.append((6, f"{size_text(reading.bytes_rate)}/s"))
    if reading.left_s:
        words.append((3, f"{duration_text(reading.left_s)} left"))
    if progress.throttled:
        words.append((4, f"{count_text(progress.throttled)} SlowDown"))
    if progress.aside and progress.aside == progress.done:
        words.append((WRONG + 1, "all of them aside"))  # else it would look like a copy that goes well
    elif progress.aside:
        words.append((TELLING, f"{count_text(progress.aside)} aside"))
    if progress.in_flight:
        words.append((7, f"{count_text(progress.in_flight)} in flight"))
    return words


def said(words: Words) -> str:
    """All of them, as one text."""
    return ", ".join(word for _, word in words)


def _within(words: Words, width: int) -> Words:
    """Those that stand in so many columns, or the one that weighs least."""
    kept = list(words)
    while len(kept) > 1 and width_of(said(kept)) > width:
        kept.remove(max(kept))
    return kept


class Drawn(NamedTuple):
    """One line of progress: what stands before and after the bar; `fraction` None for no bar."""

    head: str
    fraction: float | None
    tail: str


def drawn(what: str, progress: Progress, reading: Reading, width: int, trouble: str = "") -> Drawn:
    """The line for a terminal of so many columns."""
    percent = "" if reading.fraction is None else f" {percent_text(reading)}"
    return fitted(f"{what}{percent or ':'} ", progress_words(progress, reading, trouble), width, reading.fraction)


def fitted(head: str, words: Words, width: int, fraction: float | None = None) -> Drawn:
    """As many of the words as a line has room for. The bar only shows what the head says, and the head is what the
    command was told: both go before a word that tells."""
    room = width - width_of(head) - 1
    kept = _within(words, room)
    if fraction is not None:
        beside = _within(words, room_beside := room - NARROWEST_BAR - len("|| "))
        telling = [word for word in kept if word[0] <= TELLING]
        if width_of(said(beside)) <= room_beside and set(telling) <= set(beside):
            return Drawn(head, fraction, said(beside))
    if width_of(said(kept)) <= room + 1:
        return Drawn(head, None, said(kept))
    return Drawn("", None, said(_within(words, width - 1)))


def percent_text(reading: Reading) -> str:
    """ " 64%", " ~64%" where the whole is only expected: never 100 before the end."""
    if reading.fraction is None:
        return ""
    if reading.about:
        return f"{f'~{min(99, int(100 * reading.fraction))}':>3}%"
    return f"{int(100 * reading.fraction):3d}%"


def written(what: str, progress: Progress, reading: Reading, trouble: str = "") -> str:
    """The same for a log: all of it."""
    percent = "" if reading.fraction is None else f"{percent_text(reading).strip()}, "
    return f"{what}: {percent}{said(progress_words(progress, reading, trouble))}"
