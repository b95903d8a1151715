"""How sites are spoken to: what a command says beside the plan's own connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from engine.errors import UsageError
from engine.events import Listener, ignore
from engine.model import Durability, Links
from engine.plan.settings import Connection
from engine.sites.patience import RetryPolicy

if TYPE_CHECKING:
    from engine.sites.measuring import Meter

StoreKind = Literal["wire", "boto"]
RequestPayer = Literal["requester"]
NoCredentials = Literal["none"]
Assumed = Literal["", "aws"]

_WORDS = {
    "store": get_args(StoreKind),
    "credentials": (None, *get_args(NoCredentials)),
    "request_payer": (None, *get_args(RequestPayer)),
    "assume": get_args(Assumed),
    "durability": get_args(Durability),
    "links": (None, *get_args(Links)),
}
"""What each field of words takes. A type checker knows it; who runs none is told as well."""

CONCURRENCY: dict[StoreKind, int] = {"wire": 1024, "boto": 128}
"""Copies under way at once unless told otherwise. The wire: at 9,000 requests a second of 100 ms each, 900 are in
flight. botocore costs about 1.2 ms of processor a call, so that more than 128 of its calls only wait in line."""


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """How sites are spoken to; what each field means is said of `engine.Options`, which has what a call needs beside
    them. None leaves the plan's or the AWS environment's own value. `meter` counts what requests come to.

    Raises `UsageError` for a value that an option does not take."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    credentials: NoCredentials | None = None
    request_payer: RequestPayer | None = None
    session: Any = None
    store: StoreKind = "wire"
    concurrency: int | None = None
    max_rps: float | None = None
    give_up_after_s: float | None = None
    assume: Assumed = ""
    durability: Durability = "object"
    links: Links | None = None
    own_files: Sequence[Path] = ()
    listener: Listener = ignore
    meter: Meter | None = None

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            if (given := getattr(self, name)) not in words:
                *others, last = map(repr, words)
                raise UsageError(f"{name} is {given!r}, and takes {', '.join(others)} or {last}.")
        if self.concurrency is not None and not self.concurrency >= 1:
            raise UsageError(f"concurrency is {self.concurrency}, and has to be at least 1.")
        if self.max_rps is not None and not self.max_rps > 0:
            raise UsageError(f"max_rps is {self.max_rps}, and has to be above 0.")
        if self.give_up_after_s is not None and not self.give_up_after_s >= 0:
            raise UsageError(f"give_up_after_s is {self.give_up_after_s}, and must not be below 0.")

    def connection(self, base: Connection) -> Connection:
        """The plan's connection with these options over it. Raises `UsageError` for a profile beside a session, which
        has one of its own."""
        if self.session is not None:
            if self.profile is not None:
                raise UsageError("a session and a profile are given.", advice="Give the profile to the session alone.")
            base = replace(base, profile="")
        chosen = {
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "profile": self.profile,
            "credentials": self.credentials,
            "request_payer": self.request_payer,
        }
        return replace(base, **{name: value for name, value in chosen.items() if value is not None})

    @property
    def patience(self) -> RetryPolicy:
        """How long each request is tried. What is said counts for an endpoint that has never answered too."""
        if self.give_up_after_s is None:
            return RetryPolicy()
        return RetryPolicy(give_up_after_s=self.give_up_after_s, first_answer_s=self.give_up_after_s)

    @property
    def workers(self) -> int:
        """How many copies may be under way at once."""
        return self.concurrency or CONCURRENCY[self.store]
