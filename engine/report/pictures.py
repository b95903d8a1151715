"""Pictures of a report, drawn by matplotlib as SVG (the extra `report`): each for a wide page and for a narrow one.

Colours are names of the page's style sheet, so that a picture is dark where the page is; text is text. Nothing in a
picture is a style of its own, which the page's policy would not let apply.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import lru_cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.etree.ElementTree import Element, fromstring

from engine.errors import ExtraMissing
from engine.extras import DISTRIBUTION, needs
from engine.report.page import shortened
from engine.report.series import Bin, Series
from engine.report.text import safe, size_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE_IN = 10.4
NARROW_IN = 3.9

INK, MUTED, LINE, CARD = "#010101", "#020202", "#030303", "#040404"
BLUE, GREEN, AMBER, RED, VIOLET, GREY = "#050505", "#060606", "#070707", "#080808", "#090909", "#0a0a0a"
NAMES = {
    INK: "ink", MUTED: "muted", LINE: "line", CARD: "card", BLUE: "blue", GREEN: "green", AMBER: "amber", RED: "red",
    VIOLET: "violet", GREY: "grey",
}  # fmt: skip
"""What stands for a colour while it is drawn, and what the style sheet calls it."""

_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 9.5,
    "text.color": INK,
    "axes.facecolor": "none",
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
}
_ATTRIBUTES = {
    "fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "stroke-linecap",
    "stroke-linejoin", "opacity", "text-anchor",
}  # fmt: skip

KEPT = 8
"""So many pictures are kept once they are drawn: a page that is kept current shows most of what it showed before."""

_ASKED_FOR = list[bool]()
"""Whether a picture was to be drawn in this process: empty until one was."""

Draw = Callable[["Figure", bool], None]
"""Draws into a figure; whether it is the narrow one."""


class Row(NamedTuple):
    """One bar: its name, and how much of each colour is in it."""

    name: str
    parts: Sequence[tuple[str, int]]


def what_they_need() -> str:
    """What pictures lack, as far as one was to be drawn; empty where nothing is known to."""
    absent = f"pip install '{DISTRIBUTION}[report]'"
    if find_spec("matplotlib") is None:
        return absent
    if not _ASKED_FOR:  # to load it takes a second, and a page may have no picture
        return ""
    try:
        _tools()
    except ExtraMissing:
        return absent
    except OSError:  # no home, and no folder for temporary files
        return "a folder that matplotlib can write to; MPLCONFIGDIR names one"
    return ""


def throughput(series: Series, label: str) -> list[Element]:
    """Objects and bytes a second over the time that was worked, with what asked for fewer requests."""
    unit_s, unit = _unit(series.took_s)
    with_bytes = any(item.done_bytes for item in series.stretches)

    def draw(figure: Figure, narrow: bool) -> None:
        axes = figure.subplots(1 + with_bytes, 1, sharex=True, squeeze=False)[:, 0]
        edges = [item.from_s / unit_s for item in series.stretches] + [series.took_s / unit_s]
        _area(axes[0], edges, [item.objects_s for item in series.stretches], BLUE, "objects a second", _count)
        if with_bytes:
            _area(axes[1], edges, [item.bytes_s for item in series.stretches], VIOLET, "bytes a second", size_text)
        for item in series.stretches:
            if item.throttled:
                axes[0].axvspan(item.from_s / unit_s, item.to_s / unit_s, color=RED, alpha=0.22, linewidth=0)
        for begin_s in series.begins_s[1:]:
            for axis in axes:
                axis.axvline(begin_s / unit_s, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes[-1].set_xlabel(f"{unit} of work")
        axes[-1].set_xlim(0, series.took_s / unit_s)
        if narrow:
            axes[-1].locator_params(axis="x", nbins=5)

    height_in = 3.4 if with_bytes else 1.9
    return _drawn(draw, label, height_in=height_in, narrow_height_in=height_in)


def bars(rows: Sequence[Row], label: str) -> list[Element]:
    """A bar for each row, of parts one after the other."""
    return deepcopy(_bars(tuple(Row(row.name, tuple(row.parts)) for row in rows), label))


@lru_cache(maxsize=KEPT)
def _bars(rows: tuple[Row, ...], label: str) -> list[Element]:
    def draw(figure: Figure, narrow: bool) -> None:
        axes = figure.subplots()
        places = range(len(rows))
        for place, row in zip(places, rows, strict=True):
            left = 0
            for colour, amount in row.parts:
                axes.barh(place, amount, left=left, height=0.62, color=colour, edgecolor=CARD, linewidth=0.8)
                left += amount
        axes.set_yticks(list(places), [shortened(safe(row.name), 14 if narrow else 28) for row in rows])
        for text in axes.get_yticklabels():
            text.set_color(INK)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_formatter(lambda value, _: _count(value))
        axes.locator_params(axis="x", nbins=3 if narrow else 8)

    height_in = 0.55 + 0.33 * len(rows)
    return _drawn(draw, label, height_in=height_in, narrow_height_in=height_in)


def sizes(bins: Sequence[Bin], label: str) -> list[Element]:
    """How many objects are how large, and how many bytes are in those, on a logarithmic scale of sizes."""
    return deepcopy(_sizes(tuple(bins), label))


@lru_cache(maxsize=KEPT)
def _sizes(bins: tuple[Bin, ...], label: str) -> list[Element]:
    def draw(figure: Figure, narrow: bool) -> None:
        shape = (2, 1) if narrow else (1, 2)
        panels = figure.subplots(*shape, squeeze=False).flatten()
        figures = ([item.share.objects for item in bins], [item.share.bytes for item in bins])
        for axes, heights, colour, name, form in zip(
            panels, figures, (BLUE, VIOLET), ("objects", "bytes"), (_count, size_text), strict=True
        ):
            places = range(len(bins))
            axes.bar([place + 0.5 for place in places], heights, width=0.86, color=colour, linewidth=0)
            axes.set_title(name)
            axes.grid(axis="x", visible=False)
            axes.yaxis.set_major_formatter(lambda value, _, form=form: form(value))
            axes.locator_params(axis="y", nbins=5)
            every = max(1, -(-len(bins) // (5 if narrow else 7)))
            axes.set_xticks(list(places)[::every], [size_text(item.from_bytes) for item in bins][::every])
            axes.set_xlim(0, len(bins))

    return _drawn(draw, label, height_in=2.7, narrow_height_in=4.2)


def _area(
    axes: Axes, edges: Sequence[float], heights: Sequence[float], colour: str, name: str, form: Callable[[float], str]
) -> None:
    axes.stairs(heights, edges, fill=True, color=colour, alpha=0.2, linewidth=0)
    axes.stairs(heights, edges, color=colour, linewidth=1.5, baseline=None)
    axes.set_ylim(bottom=0)
    axes.set_title(name)
    axes.grid(axis="x", visible=False)
    axes.yaxis.set_major_formatter(lambda value, _: form(value))
    axes.locator_params(axis="y", nbins=4)


def _tools() -> tuple[Any, Any, Any]:
    """What draws. Raises ExtraMissing where it is not there, and OSError where it finds no place for its files."""
    with needs("report"), _silent():
        from matplotlib import rc_context
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

    return rc_context, FigureCanvasSVG, Figure


@contextmanager
def _silent() -> Iterator[None]:
    """Without matplotlib's own words, as of a home that cannot be written to."""
    told = logging.getLogger("matplotlib")
    before = told.level
    told.setLevel(logging.ERROR)
    try:
        yield
    finally:
        told.setLevel(before)


def _drawn(draw: Draw, label: str, *, height_in: float, narrow_height_in: float) -> list[Element]:
    _ASKED_FOR[:] = [True]
    rc_context, FigureCanvasSVG, Figure = _tools()
    found = []
    for name, width_in, tall_in in (("wide", WIDE_IN, height_in), ("narrow", NARROW_IN, narrow_height_in)):
        with rc_context(_STYLE), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a font may lack what a browser's has
            figure = Figure(figsize=(width_in, tall_in), layout="constrained")
            canvas: Any = FigureCanvasSVG(figure)
            draw(figure, name == "narrow")
            written = io.BytesIO()
            canvas.print_svg(written, metadata={"Date": None})  # print_figure would draw it twice
        svg = fromstring(written.getvalue())
        _settle(svg, f"{name}{zlib.crc32(label.encode('utf-8', 'surrogatepass')):08x}")
        svg.attrib = {"viewBox": svg.get("viewBox", ""), "class": name, "role": "img", "aria-label": label}
        found.append(svg)
    return found


def _settle(element: Element, mark: str) -> None:
    """Have it as the page does: coloured by the style sheet, its parts named so that the pictures of a page are told
    apart by `mark`."""
    for child in list(element):
        if _plain(child.tag) in ("metadata", "style") or (_plain(child.tag) == "defs" and _is_style(child)):
            element.remove(child)
        else:
            _settle(child, mark)
    element.tag = _plain(element.tag)
    style = element.attrib.pop("style", "")
    attributes = {_plain(key): value for key, value in element.attrib.items()}
    attributes |= dict(_presented(style))
    if "id" in attributes:
        attributes["id"] = f"{mark}-{attributes['id']}"
    for key, value in attributes.items():
        attributes[key] = _coloured(value.replace("url(#", f"url(#{mark}-"))
        if key == "href" and value.startswith("#"):
            attributes[key] = f"#{mark}-{value[1:]}"
    element.attrib = attributes
    element.text, element.tail = (element.text or "").strip(), None


def _is_style(defs: Element) -> bool:
    return all(_plain(child.tag) == "style" for child in defs)


def _plain(name: Any) -> str:
    return str(name).rpartition("}")[2]


def _presented(style: str) -> Iterable[tuple[str, str]]:
    """A style as attributes, which a page's policy lets apply."""
    for item in filter(None, map(str.strip, style.split(";"))):
        key, _, value = item.partition(":")
        key, value = key.strip(), value.strip()
        if key in _ATTRIBUTES:
            yield key, value
        elif key in ("font", "font-size"):
            size = next((word for word in value.split() if word.endswith("px")), "")
            yield "font-size", size.removesuffix("px")


def _coloured(value: str) -> str:
    return f"var(--{NAMES[value]})" if value in NAMES else value


def _unit(took_s: float) -> tuple[float, str]:
    for unit_s, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if took_s >= 2 * unit_s:
            return unit_s, name
    return 1.0, "seconds"


def _count(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or value >= 10 else f"{value:.1f}"
