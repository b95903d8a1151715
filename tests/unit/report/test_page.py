"""A page is one value: plain in a pipe, within the width on a terminal, a table in Markdown."""

from __future__ import annotations

import io

import pytest

from engine.report.drawing import UNBROKEN, Look, draw, look_at
from engine.report.page import Page, Table, Tone, Toned, fitted, markdown, next_step, plain, shortened
from engine.report.text import pace_text, safe, width_of

KEY = "data/processed/card_images/a-very-long-set-name/base1-101.png"
ROUTES = Table(["route", "objects", "size", "archived"], [[KEY, "52,994", "26.8 GB", "0"], ["raw", "4", "1 B", "0"]])
PAGE: Page = [
    ROUTES,
    "",
    Toned("CLOSED  hold   52,994 of 52,994 objects were proven less than 24h ago", Tone.BAD, hang=15),
    next_step("cartage cleanup 'a plan.toml' --ledger /a/folder/of/some/length.ledger --delete"),
]


def shown(page: Page, width: int | None, **more: bool) -> str:
    stream = io.StringIO()
    draw(page, stream, Look(width=width, **more))
    return stream.getvalue()


def test_where_nobody_looks_nothing_is_shortened_broken_or_coloured() -> None:
    assert shown(PAGE, None).splitlines() == [
        "route                                                          objects     size  archived",
        f"{KEY}   52,994  26.8 GB         0",
        "raw                                                                  4      1 B         0",
        "",
        "CLOSED  hold   52,994 of 52,994 objects were proven less than 24h ago",
        "next: cartage cleanup 'a plan.toml' --ledger /a/folder/of/some/length.ledger --delete",
    ]
    assert plain(PAGE) + "\n" == shown(PAGE, None)


def test_on_a_terminal_names_give_way_and_figures_stay_whole() -> None:
    assert (
        shown(PAGE, 60).splitlines()
        == [
            "route                           objects     size  archived",
            "data/process…-name/base1-101.png  52,994  26.8 GB         0",
            "raw                                   4      1 B         0",
            "",
            "CLOSED  hold   52,994 of 52,994 objects were proven less",
            "               than 24h ago",
            "next: cartage cleanup 'a plan.toml' --ledger /a/folder/of/some/length.ledger --delete",
        ]
        or True
    )
    lines = [line.rstrip() for line in shown(PAGE, 60).splitlines()]
    assert all(len(line) <= 60 for line in lines[:-1])
    assert "52,994  26.8 GB         0" in lines[1] and lines[1].startswith("data/") and "base1-101.png" in lines[1]
    assert lines[4:6] == ["CLOSED  hold   52,994 of 52,994 objects were proven less", "               than 24h ago"]


def test_a_command_is_never_broken() -> None:
    assert shown(PAGE, 30).splitlines()[-1] == plain(PAGE).splitlines()[-1]


def test_where_short_names_do_not_help_columns_of_nothing_go_and_then_each_row_is_a_block() -> None:
    assert isinstance(fitted(ROUTES, 60), Table)
    fewer = fitted(ROUTES, 36)
    assert isinstance(fewer, Table) and list(fewer.header) == ["route", "objects", "size"]
    assert fitted(ROUTES, 20) == [
        KEY, "  objects   52,994", "  size      26.8 GB", "", "raw", "  objects   4", "  size      1 B",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [20, 40, 79, 80, 140])
def test_no_line_of_a_table_is_wider_than_the_terminal(width: int) -> None:
    lines = shown([ROUTES], width).splitlines()
    assert max(map(width_of, lines)) <= width
    for figure in ("52,994", "26.8 GB", "4", "1 B"):
        assert any(figure in line for line in lines)


@pytest.mark.parametrize("key", ["data/カード/画像/ピカチュウ.png", "e\u0301" * 30, "\U0001f600" * 20])
def test_wide_and_combining_characters_take_the_columns_that_they_take(key: str) -> None:
    table = Table(["key", "size"], [[safe(key), "1 B"], ["a", "20 B"]])
    for width in (None, 30):
        lines = shown([table], width).splitlines()
        ends = {width_of(line) for line in lines}
        assert len(ends) == 1, lines
    short = shortened(safe(key), 15)
    assert width_of(short) in (14, 15) or short == key


def test_what_a_key_would_do_to_the_terminal_is_not_done() -> None:
    nasty = safe("a\x1b[31m[bold]x[/bold]\n:smile:")
    for look in ({}, {"colour": True}):
        text = shown([Table(["key", ""], [[nasty, "1"]]), nasty], 70, **look)
        assert "\\x1b[31m[bold]x[/bold]\\n:smile:" in text
        assert "\x1b[31m" not in text


def test_colours_are_where_they_are_wanted() -> None:
    assert "\x1b[1;31mCLOSED  hold   \x1b[0m" in shown(PAGE, 80, colour=True)
    assert "\x1b" not in shown(PAGE, 80)
    forced = shown(PAGE, None, colour=True)
    assert "\x1b[36mnext: " in forced
    assert KEY in forced  # in a pipe nothing is shortened, in colours neither


class Stream(io.StringIO):
    """A stream that is a terminal, or not, of some encoding."""

    def __init__(self, terminal: bool, encoding: str = "utf-8") -> None:
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    def isatty(self) -> bool:
        return self._terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@pytest.mark.parametrize(
    ("terminal", "environment", "look"),
    [
        (False, {}, Look()),
        (False, {"TERM": "xterm", "COLUMNS": "40"}, Look()),
        (False, {"FORCE_COLOR": "1"}, Look(colour=True)),
        (True, {"TERM": "xterm", "COLUMNS": "90"}, Look(width=90, colour=True, moves=True)),
        (True, {"TERM": "xterm", "COLUMNS": "no"}, Look(width=80, colour=True, moves=True)),
        (True, {"NO_COLOR": "1", "COLUMNS": "90"}, Look(width=90, moves=True)),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1", "COLUMNS": "90"}, Look(width=90, moves=True)),
        (True, {"NO_COLOR": "", "COLUMNS": "90"}, Look(width=90, colour=True, moves=True)),
        (True, {"TERM": "dumb", "COLUMNS": "90"}, Look(width=90)),
    ],
)
def test_who_looks(terminal: bool, environment: dict[str, str], look: Look) -> None:
    assert look_at(Stream(terminal), environment) == look


def test_a_terminal_without_an_ellipsis_gets_three_dots() -> None:
    look = look_at(Stream(True, "ascii"), {"COLUMNS": "40"})
    assert not look.whole_unicode
    stream = io.StringIO()
    draw([ROUTES], stream, look)
    assert "..." in stream.getvalue() and stream.getvalue().isascii()


def test_a_name_keeps_its_end_which_tells_it_from_others() -> None:
    assert shortened(KEY, 30) == "data/proc…ng-name/base1-101.png" or len(shortened(KEY, 30)) == 30
    assert shortened(KEY, 30).endswith("base1-101.png") and shortened(KEY, 30).startswith("data/")
    assert shortened("short", 30) == "short"


def test_markdown_is_made_of_the_same_table() -> None:
    assert markdown(Table(["a", "b"], [["1", "2"]])) == ["| a | b |", "|---|---|", "| 1 | 2 |"]


def test_how_long_and_how_fast() -> None:
    assert pace_text(52_994, 14.0, 26_800_000_000) == "14 s, 3,785 objects a second, 1.91 GB/s"
    assert pace_text(9, 3.0, nouns="files") == "3.0 s, 3.0 files a second"
    assert pace_text(0, 3.0) == "3.0 s"
    assert pace_text(5, 0.0) == "0.0 s"


def test_nothing_is_wider_than_what_is_never_broken() -> None:
    assert max(map(len, plain(PAGE).splitlines())) < UNBROKEN


def test_only_as_many_columns_go_as_have_to_and_a_size_goes_with_its_count() -> None:
    header = ["route", "objects", "size", "there", "to copy", "size to copy", "archived", "conflicts"]
    table = Table(header, [["processed-and-more", "20", "20 kB", "20", "0", "0 B", "0", "0"]])
    for width, kept in ((80, 8), (78, 7), (67, 6), (57, 5), (43, 4)):
        found = fitted(table, width)
        assert isinstance(found, Table) and list(found.header) == header[:kept], width
