"""The sandbox's time: the machine's, moved by an offset that tests set, so that a day passes without a wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache


class Clock:
    """Whole seconds since 1970, as S3 keeps Last-Modified. `offset_s` is added to the machine's own time."""

    __slots__ = ("_last", "offset_s")

    def __init__(self) -> None:
        self.offset_s = 0.0
        self._last = 0

    def now(self) -> int:
        found = int(time.time() + self.offset_s)
        if found != self._last:  # objects made in one second share one number
            self._last = found
        return self._last


@lru_cache(maxsize=8192)
def iso_text(second: int) -> str:
    """As listings spell a time: 2026-01-31T10:00:00.000Z."""
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@lru_cache(maxsize=8192)
def http_text(second: int) -> str:
    """As headers spell a time: Sat, 31 Jan 2026 10:00:00 GMT."""
    return formatdate(second, usegmt=True)


def parse_http(text: str) -> int | None:
    """Seconds since 1970 of a header's time, or None where it is not one (S3 then ignores the condition)."""
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError):
        return None
