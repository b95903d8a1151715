"""Counts, sizes, durations, dates and tolerances as people write them. Pure, exact: no binary fractions on the way.

What reads them raises `ValueError` with a sentence that says how to write it instead. `fractions` is imported where it
is needed: it takes 2 ms to load, and every command loads this.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

_DECIMAL = {"b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "pb": 10**15}
_BINARY = {"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40, "pib": 1 << 50}
_SIZE_UNITS = _DECIMAL | _BINARY | {"byte": 1, "bytes": 1}
_SIZE = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([A-Za-z]*)\Z")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONG_UNITS = {"second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
LONGEST_S = 36_500 * 86_400
"""What is added to a date, or taken from one, still is one."""

DEFAULT_TOLERANCE = "1 %"
"""How far a size may be from what was expected, unless the plan says otherwise: people round."""


def plural(count: int, noun: str, nouns: str = "") -> str:
    """ "1 object", "2 objects"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {nouns or f'{noun}s'}"


def parse_size(text: str | int) -> int:
    """Bytes from "734 MB" (decimal: 734,000,000), "64 MiB" (binary), "500 bytes" or a whole number of bytes.

    Units in any case. "64 M" is refused, because half of the tools mean MB by it and the other half MiB."""
    if isinstance(text, int):
        if text < 0:
            raise ValueError(f"{text} is not a size: it is below zero")
        return text
    found = _SIZE.match(text.strip())
    if not found:
        raise ValueError(f'"{text}" is not a size: write "734 MB", "64 MiB" or a number of bytes')
    number, unit = found.group(1).replace("_", ""), found.group(2).lower()
    if not unit:
        if "." in number:
            raise ValueError(f'"{text}" is not a size: it needs a unit, such as "{number} GB"')
        return int(number)
    scale = _SIZE_UNITS.get(unit)
    if scale is None:
        letter = unit[0].upper()
        if letter in "KMGTP":
            raise ValueError(
                f'"{text}" is not a size: write {number} {letter}B (decimal) or {number} {letter}iB (binary)'
            )
        raise ValueError(f'"{text}" is not a size: "{found.group(2)}" is not a unit; write MB, GB, MiB, GiB …')
    from fractions import Fraction

    return round(Fraction(number) * scale)


def size_text(size_bytes: int) -> str:
    """A size for people, in decimal units with three figures: "26.8 GB", "734 MB", "0 bytes"."""
    if size_bytes < 1000:
        return f"{size_bytes} byte" if size_bytes == 1 else f"{size_bytes} bytes"
    value, units = size_bytes / 1000, ["kB", "MB", "GB", "TB", "PB", "EB"]
    while value >= 999.5 and len(units) > 1:
        value, units = value / 1000, units[1:]
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f} {units[0]}"


def parse_duration(text: str | int) -> int:
    """Seconds from "24h", "90 minutes", "1d 12h", "1.5h"; s, m, h, d, w and their words. 0 is no time at all,
    100 years are the most.

    A bare number but 0 is refused, because its unit would be a guess."""
    if text == 0 or text == "0":
        return 0
    if isinstance(text, int):
        raise ValueError(f'{text} is not a duration: it needs a unit, such as "{text}h"')
    from fractions import Fraction

    rest, total, largest = text.strip().lower(), Fraction(0), None
    while rest:
        found = _DURATION_PART.match(rest)
        unit = _duration_unit(found.group(2)) if found else ""
        if found is None or not unit or (largest is not None and _SECONDS[unit] >= largest):
            raise ValueError(f'"{text}" is not a duration: write "24h", "90m", "7d" or "1d 12h"')
        largest = _SECONDS[unit]
        total += Fraction(found.group(1)) * largest
        rest = rest[found.end() :]
    if largest is None:
        raise ValueError('"" is not a duration: write "24h", "90m", "7d" or "1d 12h"')
    if total > LONGEST_S:
        raise ValueError(f'"{text}" is too long: a duration is 100 years (36500d) at most')
    return round(total)


def _duration_unit(word: str) -> str:
    if word in _SECONDS:
        return word
    return _LONG_UNITS.get(word.removesuffix("s"), "")


def duration_text(seconds: int) -> str:
    """A duration for people: "24h", "7d", "1h 30m", "0s". Whole days from two days on."""
    if seconds == 0:
        return "0s"
    units = ("d", "h", "m", "s") if seconds >= 2 * _SECONDS["d"] else ("h", "m", "s")
    words = []
    for unit in units:
        count, seconds = divmod(seconds, _SECONDS[unit])
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words)


def parse_tolerance(text: str | int, size_bytes: int) -> int:
    """Bytes by which a size may differ: "1 %" of the expected size, or a size of its own ("50 MB")."""
    if isinstance(text, str):
        found = _PERCENT.match(text.strip())
        if found:
            from fractions import Fraction

            return int(Fraction(found.group(1)) * size_bytes / 100)
    try:
        return parse_size(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a tolerance: write "1 %" or a size such as "50 MB"') from None


def parse_moment(moment: str | date) -> str:
    """A point in time as listings spell it, in UTC and without its "Z": "2026-01-31T10:00:00".

    Takes TOML's own dates and times, and ISO 8601 text. A time without zone is UTC, a date alone its first moment."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise ValueError(f'"{moment}" is not a date: write 2026-01-31 or 2026-01-31T10:00:00Z') from None
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    try:
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{moment} is outside the years that a date can have") from None
    return aware.replace(microsecond=0, tzinfo=None).isoformat()


def moment_of(text: str) -> datetime | None:
    """A time as S3 writes it, in UTC unless it says otherwise; None where it cannot be read."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)


def moment_ms(text: str) -> int | None:
    """The same in epoch milliseconds."""
    read = moment_of(text)
    return round(read.timestamp() * 1000) if read is not None else None


def server_ms(date: str) -> int | None:
    """Epoch milliseconds of a Date header; None where there is none that can be read."""
    from email.utils import parsedate_to_datetime  # only what spoke to a server needs it

    try:
        read = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()) * 1_000


def age_s(modified: str, at_ms: int | None) -> int | None:
    """How old what was written at `modified` is at that moment, in seconds; None where either is not known, which says
    neither that it is old nor that it is new."""
    then_ms = moment_ms(modified)
    return None if at_ms is None or then_ms is None else (at_ms - then_ms) // 1_000
