"""What a command says, as a page of lines and tables: one value for a terminal, a pipe and Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from engine.report.text import width_of

GAP = 2
"""Spaces between the columns of a table."""
COMMAND = "cartage "
"""What a line holds that names a command: it is not broken, so that it can be copied."""
NARROWEST_NAME = 12
"""A name in a table is shortened to no less than this."""


class Tone(StrEnum):
    """What a text means, for who can show it in colour; nothing is said by its colour alone."""

    GOOD = "good"
    BAD = "bad"
    WARNING = "warning"
    FAINT = "faint"
    STRONG = "strong"
    NEXT = "next"


class Toned(str):
    """A text with its tone, for everyone else the text alone. The first `hang` characters stand by themselves: what
    does not fit into a line goes on below the rest of it. `whole` is never broken: a command, to be copied."""

    tone: Tone | None
    hang: int
    whole: bool

    def __new__(cls, text: str, tone: Tone | None = None, *, hang: int = 0, whole: bool = False) -> Self:
        made = super().__new__(cls, text)
        made.tone, made.hang, made.whole = tone, hang, whole
        return made


def next_step(command: str) -> Toned:
    """The last line of a page: what to type next, as it can be copied."""
    return Toned(f"next: {command}", Tone.NEXT, whole=True)


def to_type(command: str) -> Toned:
    """A command on a line of its own, as it can be copied."""
    return Toned(f"  {command}", Tone.NEXT, whole=True)


@dataclass(frozen=True, slots=True)
class Table:
    """Cells are harmless text. The first column is a name, the next up to `left` are words, the others figures.
    `total`: the last row sums up the others."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1
    total: bool = False

    @property
    def lines(self) -> list[Sequence[str]]:
        """Header and rows."""
        return [self.header, *self.rows]

    def widths(self) -> list[int]:
        """What each column takes where nothing is shortened."""
        return [max(width_of(line[column]) for line in self.lines) for column in range(len(self.header))]


Page = Sequence[str | Table]
"""A string is a line, or several of them."""


def wrong_of(page: Page) -> Page:
    """Of a page, the lines that say what is wrong, and what to type next; all of it where no line says so."""
    tones = {Tone.BAD, Tone.WARNING, Tone.NEXT}
    said = [block for block in page if isinstance(block, Toned) and block.tone in tones]
    return said if any(block.tone is not Tone.NEXT for block in said) else page


def plain(page: Page | str) -> str:
    """The text where nobody looks: nothing is shortened, nothing broken, and columns are where they are."""
    if isinstance(page, str):
        return str(page)
    return "\n".join(_columns(block) if isinstance(block, Table) else block for block in page)


def _columns(table: Table) -> str:
    return "\n".join(aligned(table, line, table.widths()) for line in table.lines)


def aligned(table: Table, line: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table: words to the left, figures to the right."""
    cells = [
        cell + " " * (width - width_of(cell)) if column < table.left else " " * (width - width_of(cell)) + cell
        for column, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    return (" " * GAP).join(cells).rstrip()


def markdown(table: Table) -> list[str]:
    """As GitHub's Markdown has tables; cells are escaped already."""
    lines = [f"| {' | '.join(line)} |" for line in table.lines]
    return [lines[0], f"|{'---|' * len(table.header)}", *lines[1:]]


def fitted(table: Table, width: int) -> Table | list[str]:
    """The table within so many columns, what it says kept whole: columns that are empty in every row go first, from
    the last on, and where even short names leave too little room, each row becomes a block of lines, a figure each."""
    fewer = table
    for column in reversed(range(1, len(table.header))):
        if _least(fewer) <= width:
            return fewer
        if all(row[column] in NOTHING for row in table.rows):
            fewer = _without(fewer, column)
    return fewer if _least(fewer) <= width else list(_blocks(table))


def _least(table: Table) -> int:
    """The fewest columns that its names and words can be brought to, with every figure whole."""
    widths = table.widths()
    shrunk = [min(width, NARROWEST_NAME) if column < table.left else width for column, width in enumerate(widths)]
    return sum(shrunk) + GAP * (len(widths) - 1)


NOTHING = {"", "0", "0 B", "-"}


def _without(table: Table, column: int) -> Table:
    header, *rows = ([*line[:column], *line[column + 1 :]] for line in table.lines)
    return replace(table, header=header, rows=rows, left=table.left - (column < table.left))


def _blocks(table: Table) -> Iterable[str]:
    room = max(map(width_of, table.header))
    for number, row in enumerate(table.rows):
        if number:
            yield ""
        yield Toned(row[0], Tone.STRONG)
        for name, cell in zip(table.header[1:], row[1:], strict=True):
            if cell not in NOTHING:
                head = f"  {name}{' ' * (room - width_of(name))}  "
                yield Toned(f"{head}{cell}", getattr(cell, "tone", None), hang=len(head))


def shortened(text: str, width: int, mark: str = "…") -> str:
    """The text in so many columns: its middle left out, since keys begin alike and differ at the end."""
    if width_of(text) <= width:
        return text
    room = max(0, width - width_of(mark))
    tail = _taken(reversed(text), room - room // 3)[::-1]
    return _taken(text, room - width_of(tail)) + mark + tail


def _taken(text: Iterable[str], width: int) -> str:
    """As many of the characters, from the first, as have room."""
    taken, left = [], width
    for character in text:
        left -= width_of(character)
        if left < 0:
            break
        taken.append(character)
    return "".join(taken)
