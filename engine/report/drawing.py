"""A page where a person looks: within the terminal's width, in colours where they are wanted.

Rich costs as much processor time to import as all of the rest of a short command (75 ms of 150 here), so that it is
imported where something is drawn for a person, and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from engine.report.page import GAP, NARROWEST_NAME, Page, Table, Tone, Toned, fitted, plain, shortened
from engine.report.text import width_of

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult
    from rich.measure import Measurement

_STYLES = {
    Tone.GOOD: "green",
    Tone.BAD: "bold red",
    Tone.WARNING: "yellow",
    Tone.FAINT: "dim",
    Tone.STRONG: "bold",
    Tone.NEXT: "cyan",
}
"""Of the sixteen colours that every terminal's owner has chosen; none stands alone for what it says."""

WIDTH = 80
UNBROKEN = 100_000
"""The width where nothing is to be broken."""


@dataclass(frozen=True, slots=True)
class Look:
    """Who reads a stream. `width` is None where nobody looks: nothing is broken or shortened then. `moves`: a line can
    be drawn again. `whole_unicode`: every character can be shown."""

    width: int | None = None
    colour: bool = False
    moves: bool = False
    whole_unicode: bool = True

    @property
    def mark(self) -> str:
        """What stands for what was left out of a name."""
        return "…" if self.whole_unicode else "..."


def look_at(stream: TextIO, environment: Mapping[str, str]) -> Look:
    """A terminal, or not. NO_COLOR (no-color.org) leaves colours out, FORCE_COLOR (force-color.org) has them in a pipe
    as well; TERM=dumb is a terminal that knows neither colours nor how to go back."""
    terminal = stream.isatty()
    able = environment.get("TERM", "") not in ("dumb", "unknown")
    colour = bool(environment.get("FORCE_COLOR")) or (terminal and able)
    try:
        "…█".encode(stream.encoding or "ascii")
        whole = True
    except (UnicodeEncodeError, LookupError):
        whole = False
    return Look(
        width=terminal_width(stream, environment) if terminal else None,
        colour=colour and not environment.get("NO_COLOR"),
        moves=terminal and able,
        whole_unicode=whole,
    )


def terminal_width(stream: TextIO, environment: Mapping[str, str]) -> int:
    """COLUMNS, else the terminal's own; some say that they have none, and get 80."""
    given = environment.get("COLUMNS", "")
    if given.isdecimal() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or WIDTH
    except (OSError, ValueError):
        return WIDTH


@contextmanager
def writing_to(stream: TextIO) -> Iterator[None]:
    """What the system refuses of a stream says of which: "No space left on device" alone may be any disk's."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(getattr(stream, "name", "")).strip("<>")
        raise


def draw(page: Page | str, stream: TextIO, look: Look | None = None) -> None:
    """Write a page with its last line's end, as its reader can see it."""
    look = look or look_at(stream, os.environ)
    with writing_to(stream):
        if look.width is None and not look.colour:
            stream.write(plain(page) + "\n")
        else:
            console = console_for(stream, look)
            for block in [page] if isinstance(page, str) else page:
                _print(console, block, look)
        stream.flush()


def console_for(stream: TextIO, look: Look) -> Console:
    """Rich, told all that was decided here."""
    from rich.console import Console

    return Console(
        file=stream,
        width=look.width or UNBROKEN,
        force_terminal=look.colour or look.width is not None,
        color_system="standard" if look.colour else None,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )


def _print(console: Console, block: str | Table, look: Look) -> None:
    if isinstance(block, Table):
        shown = fitted(block, console.width)
        for part in shown if isinstance(shown, list) else [shown]:
            if isinstance(part, Table):
                console.print(_drawn(part, look))
            else:
                _print(console, part, look)
        return
    tone, hang, whole = _manner(block)
    for line in block.split("\n"):
        console.print(_line(line, tone, hang), soft_wrap=whole)


def _manner(text: str) -> tuple[str, int, bool]:
    if isinstance(text, Toned):
        return _STYLES[text.tone] if text.tone else "", text.hang, text.whole
    return "", 0, False


def _line(line: str, style: str, hang: int) -> Any:
    from rich.table import Table as Grid
    from rich.text import Text

    if not hang:
        return Text(line, style)
    grid = Grid.grid()
    grid.add_column(width=hang, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(line[:hang], style), Text(line[hang:], "dim" if style == "dim" else ""))
    return grid


def _drawn(table: Table, look: Look) -> Any:
    from rich.table import Table as Drawn
    from rich.text import Text

    drawn = Drawn(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
    for column, name in enumerate(table.header):
        left = column < table.left
        drawn.add_column(Text(name), justify="left" if left else "right", no_wrap=not left, overflow="fold")
    for number, (name, *cells) in enumerate(table.rows):
        last = table.total and number == len(table.rows) - 1
        shown: list[ConsoleRenderable] = [Text(cell, _manner(cell)[0]) for cell in cells]
        drawn.add_row(_Name(name, look.mark), *shown, style="bold" if last else None)
    return drawn


class _Name:
    """A name in a table, that gives way where there is little room."""

    def __init__(self, name: str, mark: str) -> None:
        self._name = name
        self._mark = mark

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        from rich.measure import Measurement

        whole = width_of(self._name)
        return Measurement(min(whole, NARROWEST_NAME), whole).with_maximum(options.max_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        yield Text(shortened(self._name, options.max_width, self._mark), _manner(self._name)[0], no_wrap=True)
