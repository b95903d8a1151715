"""What a claim says: who deletes in a bucket, since when, by which command and plan. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from engine.sites.clock import server_ms

STALE_S = 120
"""A claim that was not renewed for so long, by the server's clock, is one whose holder is gone."""

MOST_BYTES = 4_096
"""A claim is far smaller; what is not is something else under its name."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim. `token` is made anew by each deletion; `ledger` is the file that it keeps locked, as its
    machine knows it, and empty where that cannot be said; `renewed` counts, so that each renewal has an ETag."""

    token: str
    who: str
    command: str
    plan: str
    since: str
    ledger: str = ""
    renewed: int = 0

    def renewal(self) -> Holder:
        return replace(self, renewed=self.renewed + 1)

    def as_body(self) -> bytes:
        return (json.dumps({"cartage": "claim"} | asdict(self), indent=1, ensure_ascii=False) + "\n").encode()

    @classmethod
    def from_body(cls, body: bytes) -> Holder | None:
        """What `as_body` gave; None for anything else."""
        try:
            values = json.loads(body)
            if values.pop("cartage", "") != "claim":
                return None
            found = cls(**values)
        except (ValueError, AttributeError, TypeError):
            return None
        texts = (found.token, found.who, found.command, found.plan, found.since, found.ledger)
        if not all(isinstance(text, str) for text in texts) or not isinstance(found.renewed, int):
            return None
        return found if found.token else None

    def __str__(self) -> str:
        return f'cartage {self.command} of "{self.plan}" by {self.who or "someone"}, since {self.since or "a while"}'


class Standing:
    """A claim as it stands in a bucket: `holder` None for an object that is no claim, `age_s` by the server's clock,
    None where it sends none."""

    __slots__ = ("age_s", "etag", "holder")

    def __init__(self, holder: Holder | None, etag: str, modified: str, date: str) -> None:
        self.holder = holder
        self.etag = etag
        self.age_s = age_s(modified, date)

    @property
    def stale(self) -> bool:
        return self.age_s is not None and self.age_s >= STALE_S

    def left_by(self, ledger: str) -> bool:
        """Whether whoever held it had this very ledger locked, which we have now: it has ended."""
        return self.holder is not None and bool(ledger) and self.holder.ledger == ledger


def age_s(modified: str, date: str) -> int | None:
    """Seconds between a time of S3's and a Date header."""
    now = server_ms(date)
    try:
        then = datetime.fromisoformat(modified).timestamp()
    except ValueError:
        return None
    return None if now is None else int(now / 1_000 - then)
