"""Text for people: sizes, durations, tables, and other people's keys made harmless. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence

from engine.events import ObjectAside
from engine.plan.noted import ITSELF
from engine.plan.sizes import plural as plural

UNLISTED_SHOWN = 3

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def size_text(size_bytes: float) -> str:
    """Decimal units, as S3's own bills: "26.7 GB"."""
    value = float(size_bytes)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}" if value < 100 else f"{value:.0f} {unit}"


def count_text(count: int) -> str:
    """Thousands apart: "52,994"."""
    return f"{count:,}"


def duration_text(seconds: float) -> str:
    """ "0.4 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def cost_text(dollars: float) -> str:
    """Dollars, with enough digits to tell small sums apart, and none from nothing."""
    if 0 < dollars < 0.00005:
        return "under $0.0001"
    return f"${dollars:.2f}" if dollars >= 0.1 or dollars == 0 else f"${dollars:.4f}"


def amount_text(count: int, size_bytes: float, noun: str = "object") -> str:
    """ "2 objects (3.1 MB)"."""
    return f"{plural(count, noun)} ({size_text(size_bytes)})"


def writes_text(count: int) -> str:
    """ "1 copy", "176 copies and parts": requests that write objects."""
    return "1 copy" if count == 1 else f"{count_text(count)} copies and parts"


def counted(counts: Mapping[str, int]) -> str:
    """ "1,024 verified, 3 drifted": a count before each name."""
    return ", ".join(f"{count_text(count)} {name}" for name, count in counts.items())


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def safe(text: str) -> str:
    """Other people's text for a terminal: control, format and undefined characters as escapes, the rest as it is.

    A key may hold escape sequences, bidirectional overrides or newlines; none of them reaches the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character
        if unicodedata.category(character) not in _UNSAFE
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def width_of(text: str) -> int:
    """How many columns a text takes that is `safe`: East Asian wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def pace_text(count: int, took_s: float, size_bytes: int = 0, nouns: str = "objects") -> str:
    """ "14 s, 3,785 objects a second, 1.91 GB/s": how long it took, and how fast that was. Of what took no time, or
    was nothing, the time alone."""
    said = [duration_text(took_s)]
    if count and took_s > 0:
        said.append(f"{rate_text(count / took_s)} {nouns} a second")
        if size_bytes:
            said.append(f"{size_text(size_bytes / took_s)}/s")
    return ", ".join(said)


def rate_text(rate: float) -> str:
    """ "3,785", and below ten "4.2": so many a second."""
    return f"{rate:,.0f}" if rate >= 9.95 else f"{rate:.1f}"


def key_text(key: str) -> str:
    """A key below its route's location; empty is the location itself."""
    return safe(key) or ITSELF


def first_of(names: Sequence[str], most: int) -> str:
    """ "a.png, b.png and 4 more"."""
    more = f" and {count_text(len(names) - most)} more" if len(names) > most else ""
    return ", ".join(map(safe, names[:most])) + more


def aside_text(item: ObjectAside) -> str:
    """ "drifted: raw: a.png: changed since": an object that was left or set aside, and why."""
    route = f"{item.route}: " if item.route else ""
    return f"{item.state}: {route}{key_text(item.key)}: {safe(item.message)}"


def unlisted_sentence(count: int, named: Sequence[ObjectAside]) -> str:
    """What was met and left, with the first of it."""
    first = "; ".join(f"{key_text(item.key)}: {safe(item.message)}" for item in named[:UNLISTED_SHOWN])
    said = {ObjectAside.UNSEEN: "cannot be looked at", ObjectAside.MISSING: "are not there"}
    codes = {item.code for item in named}
    whys = [why for code, why in said.items() if code in codes]
    why = ", or ".join(whys + ["cannot be objects"] * bool(codes - said.keys() or not codes))
    return f"left, since they {why}: {count_text(count)}" + (f"; first {first}" if first else "")
