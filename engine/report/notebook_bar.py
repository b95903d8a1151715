"""Progress for Python users, drawn by tqdm.auto: a widget in a notebook, a line on stderr elsewhere."""

from __future__ import annotations

import time
from typing import Any

from engine.events import Doing, Event, Progress
from engine.report.bar import Beside, literal
from engine.report.meter import Meter, drawn
from engine.report.text import safe

WIDTH = 110
"""Characters of what is said beside it: a cell's width does not say how many go in."""


class NotebookBar:
    """A listener. The bar comes with the first progress that is told, says what the terminal's says, and stays when it
    is closed: full, or as far as it came. Notices and the first objects that were set aside are written above it."""

    def __init__(self, what: str) -> None:
        self._bar: Any = None
        self._beside = Beside()
        self._begin(Doing(what), None)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._meter.add(event, time.monotonic())
            self._draw(event)
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

    def _draw(self, progress: Progress) -> None:
        line = drawn(self._what, progress, self._meter.read(time.monotonic()), WIDTH)
        if self._bar is None:
            self._bar = _tqdm()(total=1, leave=True, bar_format=" ")
        self._bar.bar_format = f"{literal(line.head)}|{{bar}}| {literal(line.tail)}"
        self._bar.n = line.fraction or 0.0
        self._bar.refresh()


def _tqdm() -> Any:
    from tqdm.auto import tqdm

    tqdm.monitor_interval = 0  # it is drawn with what is told: no thread has to see to it
    return tqdm
