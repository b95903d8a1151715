"""The progress bar: tqdm on stderr, on a terminal only unless asked for, its total growing with the listing."""

from __future__ import annotations

from typing import Any, TextIO

from engine.events import Event, Notice, ObjectAside, Progress
from engine.report.text import aside_text, safe, size_text

ASIDES_PRINTED = 10


class ProgressBar:
    """A listener that draws a bar, and prints notices and the first ten objects set aside above it."""

    def __init__(self, stream: TextIO, *, verb: str, draw: bool, say: bool = True, asides: bool = True) -> None:
        self._stream = stream
        self._say = say
        self._show_asides = say and asides
        self._asides = 0
        self._bar: Any = None
        if draw:
            from tqdm import tqdm  # only where a bar is drawn: `status` has none

            self._bar = tqdm(
                total=0,
                unit=" objects",
                desc=verb,
                file=stream,
                dynamic_ncols=True,
                mininterval=0.2,
                bar_format="{desc}: {n:,}/{total:,} objects |{bar}| {rate_fmt} {postfix}",
            )

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._draw(event)
        elif isinstance(event, ObjectAside) and self._show_asides:
            self._asides += 1
            if self._asides <= ASIDES_PRINTED:
                self._print(aside_text(event))
            elif self._asides == ASIDES_PRINTED + 1:
                self._print("… more are in the ledger")
        elif isinstance(event, Notice) and self._say:
            self._print(f"note: {safe(event.message)}")

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            return
        self._bar.total = progress.listed
        self._bar.n = progress.done
        growing = "" if progress.listing_done else ", still listing"
        flight = f", {progress.in_flight:,} in flight" if progress.in_flight else ""
        throttled = f", {progress.throttled:,} × SlowDown" if progress.throttled else ""
        self._bar.set_postfix_str(
            f"{size_text(progress.done_bytes)} of {size_text(progress.listed_bytes)}{growing}{flight}{throttled}",
            refresh=False,
        )
        self._bar.refresh()

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=self._stream)
        else:
            self._stream.write(line + "\n")
