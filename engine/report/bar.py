"""What goes on, on stderr: one line that is drawn again where a person looks, a line with its time now and then where
nobody does; a widget in a notebook. And what is said beside it: notices, and the first objects that were set aside."""

from __future__ import annotations

import os
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TextIO

from engine.events import Doing, Event, Notice, ObjectAside, OutOfReach, Progress, SlowedDown
from engine.report.drawing import Look, terminal_width
from engine.report.meter import WRONG, Meter, Outage, Words, drawn, fitted, said, written
from engine.report.page import COMMAND
from engine.report.text import aside_text, duration_text, safe, width_of

ASIDES_PRINTED = 10
ALIKE_PRINTED = 3
"""Of those that are set aside for one reason: what is alike need not be read ten times."""
KEYS_SHOWN = 3
"""Columns left free: for "^C", which would else be on the next line, and for terminals that go there too early."""
TICK_S = 0.2
"""How often a bar is drawn."""
LINE_S = 15.0
"""How often a line is written where no bar can be."""
NOTEBOOK_WIDTH = 110
"""Characters of what is said beside a notebook's bar: a cell's width does not say how many go in."""


class Manner(Enum):
    """How it is told how far a command is."""

    SILENT = "silent"
    LINES = "lines"
    BAR = "bar"


def _utc() -> datetime:
    return datetime.now(UTC)


class Beside:
    """What is said beside a bar: notices, and, with `asides`, the first objects that were set aside."""

    def __init__(self, *, asides: bool = True) -> None:
        self._shows_asides = asides
        self._asides = 0
        self._alike: Counter[tuple[str, str]] = Counter()
        self._withheld = False

    def said(self, event: Event) -> str:
        """A line about an event; empty where none is said of it."""
        if isinstance(event, ObjectAside) and self._shows_asides:
            self._alike[event.state, event.code] += 1
            if self._asides < ASIDES_PRINTED and self._alike[event.state, event.code] <= ALIKE_PRINTED:
                self._asides += 1
                return aside_text(event)
            told, self._withheld = self._withheld, True
            return "" if told else "more are in the ledger"
        return f"note: {safe(event.message)}" if isinstance(event, Notice) else ""


class ProgressBar:
    """A listener; `tick` draws. Nothing is drawn of what ends within `patience_s` seconds.

    tqdm draws, since all that is asked of it is a bar of the terminal's own width on one line, that comes and goes:
    what the line says is reckoned here (`meter`), because tqdm's own rate is over the whole run. It is imported with
    the first line that it draws."""

    def __init__(
        self,
        stream: TextIO,
        *,
        what: str,
        manner: Manner,
        look: Look | None = None,
        patience_s: float = 0.0,
        say: bool = True,
        asides: bool = True,
        now_s: Callable[[], float] = time.monotonic,
        utc: Callable[[], datetime] = _utc,
    ) -> None:
        self._stream = stream
        self._manner = manner
        self._look = look or Look()
        self._patience_s = patience_s
        self._say = say
        self._beside = Beside(asides=asides)
        self._now_s = now_s
        self._utc = utc
        self._slowed = 0
        self._outage = Outage()
        self._bar: Any = None
        self._began_s = now_s()
        self._line_s = self._began_s
        self._begin(Doing(what), None)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._counted = True
            self._meter.add(event, self._now_s())
        elif isinstance(event, SlowedDown):
            self._slowed += 1
        elif isinstance(event, OutOfReach):
            self._outage.add(event, self._now_s())
        elif isinstance(event, Doing):
            self._begin(event, self._meter)
        elif self._say and (line := self._beside.said(event)):
            self.write(line)

    def answer(self, line: str) -> None:
        """A line in answer to a key: in the place of the "^C" that the terminal shows where it is typed."""
        self.write(f"\r{line}" if self._look.moves else line)

    def write(self, line: str) -> None:
        """A line above the bar; with its time where no terminal is."""
        if self._look.width is None and self._manner is Manner.LINES:
            line = f"{self._utc():%Y-%m-%dT%H:%M:%SZ} {line}"
        self._clear()
        self._stream.write(broken(line, self._look.width) + "\n")
        self._stream.flush()
        if self._bar is not None:
            self._bar.refresh()

    def tick(self) -> None:
        """Draw it again, or write a line where it is time for one."""
        now_s = self._now_s()
        if self._manner is Manner.BAR and now_s - self._began_s >= self._patience_s:
            self._draw(now_s)
        elif self._manner is Manner.LINES and now_s - self._line_s >= LINE_S:
            self._line_s = now_s
            trouble = self._outage.said(now_s)
            told = written(
                self._what, self._last, self._meter.read(now_s), trouble and f"{trouble} ({safe(self._outage.why)})"
            )
            self.write(told if self._counted else said(self._waiting(now_s)))

    def close(self) -> None:
        """Take the line away: what came of it is said elsewhere, and stays. Where lines were written, the last says
        when it ended."""
        if self._line_s > self._began_s:
            self.write(f"{self._what}: ended after {duration_text(self._now_s() - self._began_s)}")
        self._manner = Manner.SILENT
        if self._bar is not None:
            self._bar.close()
            self._clear()
            self._bar = None

    @property
    def _last(self) -> Progress:
        """How far it is; SlowDown is what was met of it since the command began."""
        last = self._meter.last
        return replace(last, throttled=max(last.throttled, self._slowed))

    def _clear(self) -> None:
        """Leave nothing of the line, nor of a "^C" that the terminal showed behind it."""
        if self._bar is not None:
            self._stream.write("\r" + " " * (terminal_width(self._stream, os.environ) - 1) + "\r")

    def _begin(self, doing: Doing, before: Meter | None) -> None:
        self._what = safe(doing.what)
        self._at_most_s = doing.at_most_s
        self._since_s = self._now_s()
        self._counted = False
        self._meter = Meter.of(doing, before)

    def _waiting(self, now_s: float) -> Words:
        """Where nothing is counted: what it is about, and since when."""
        since = duration_text(now_s - self._since_s)
        if self._at_most_s:
            return [(0, f"waiting for {self._what}: {since} of at most {duration_text(self._at_most_s)}")]
        trouble = self._outage.said(now_s)
        return [(0, f"{self._what}: {since}"), *([(WRONG, trouble)] if trouble else [])]

    def _draw(self, now_s: float) -> None:
        width = terminal_width(self._stream, os.environ) - KEYS_SHOWN  # of the window as it is now
        if self._counted:
            line = drawn(self._what, self._last, self._meter.read(now_s), width, self._outage.said(now_s))
        else:
            line = fitted("", self._waiting(now_s), width)
        between = "|{bar}| " if line.fraction is not None else ""
        form = f"{literal(line.head)}{between}{literal(line.tail)}"
        if self._bar is None:
            self._bar = _bar(self._stream, self._look, form, width, line.fraction or 0.0)
            return
        self._bar.bar_format, self._bar.ncols, self._bar.n = form, width, line.fraction or 0.0
        self._bar.refresh()


def broken(line: str, width: int | None, begin: int = 0) -> str:
    """The line as lines of so many columns, broken between words. What names a command, from the character `begin` on,
    stays whole, to be copied."""
    if width is None or COMMAND in line[begin:] or width_of(line) <= width:
        return line
    breaking = textwrap.TextWrapper(
        width, replace_whitespace=False, expand_tabs=False, break_long_words=False, break_on_hyphens=False
    )
    return breaking.fill(line)


def _bar(stream: TextIO, look: Look, form: str, width: int, fraction: float) -> Any:
    """A bar, drawn."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # it is drawn by our own ticks: no thread has to see to it
    return tqdm(
        total=1,
        initial=fraction,
        file=stream,
        leave=False,
        position=0,
        ascii=not look.whole_unicode,
        bar_format=form,
        ncols=width,
    )


def literal(text: str) -> str:
    """A text that stands as it is in tqdm's format."""
    return text.replace("{", "{{").replace("}", "}}")


class NotebookBar:
    """A listener. The bar comes with the first progress that is told, says what the terminal's says, and stays when it
    is closed: full, or as far as it came. Notices and the first objects that were set aside are written above it."""

    def __init__(self, what: str) -> None:
        self._bar: Any = None
        self._beside = Beside()
        self._outage = Outage()
        self._begin(Doing(what), None)

    def __call__(self, event: Event) -> None:
        now_s = time.monotonic()
        if isinstance(event, Progress):
            self._meter.add(event, now_s)
            self._draw(event, now_s)
        elif isinstance(event, OutOfReach):
            self._outage.add(event, now_s)
        elif isinstance(event, Doing):
            self._begin(event, self._meter)
        elif line := self._beside.said(event):
            _tqdm().write(line)

    def close(self, *, whole: bool) -> None:
        """Leave it as it is, full if it came to its end."""
        if self._bar is not None:
            if whole:
                self._bar.n = 1
            self._bar.refresh()
            self._bar.close()
            self._bar = None

    def _begin(self, doing: Doing, before: Meter | None) -> None:
        self._what = safe(doing.what)
        self._meter = Meter.of(doing, before)

    def _draw(self, progress: Progress, now_s: float) -> None:
        line = drawn(self._what, progress, self._meter.read(now_s), NOTEBOOK_WIDTH, self._outage.said(now_s))
        if self._bar is None:
            self._bar = _tqdm()(total=1, leave=True, bar_format=" ")
        self._bar.bar_format = f"{literal(line.head)}|{{bar}}| {literal(line.tail)}"
        self._bar.n = line.fraction or 0.0
        self._bar.refresh()


def _tqdm() -> Any:
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0  # it is drawn with what is told: no thread has to see to it
    return tqdm
