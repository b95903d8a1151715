"""How sites are spoken to: what a command says beside the plan's own connection."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from engine.errors import UsageError
from engine.events import Listener, ignore
from engine.plan.settings import Connection

if TYPE_CHECKING:
    from engine.sites.measuring import Meter

StoreKind = Literal["wire", "boto"]

CONCURRENCY: dict[StoreKind, int] = {"wire": 1024, "boto": 128}
"""Copies under way at once unless told otherwise. The wire: at 9,000 requests a second of 100 ms each, 900 are in
flight. botocore costs about 1.2 ms of processor a call, so that more than 128 of its calls only wait in line."""


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """How sites are spoken to; what each field means is said of `engine.Options`, which has what a call needs beside
    them. None leaves the plan's or the AWS environment's own value. `meter` counts what requests come to."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    request_payer: Literal["requester"] | None = None
    session: Any = None
    store: StoreKind = "wire"
    concurrency: int | None = None
    max_rps: float | None = None
    give_up_after_s: float = 300.0
    assume: Literal["", "aws"] = ""
    durability: Literal["none", "object"] = "object"
    links: Literal["skip", "follow", "keep"] | None = None
    listener: Listener = ignore
    meter: Meter | None = None

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
            "request_payer": self.request_payer,
        }
        return replace(base, **{name: value for name, value in chosen.items() if value is not None})

    @property
    def workers(self) -> int:
        """How many copies may be under way at once. Raises `UsageError` below one."""
        if self.concurrency is not None and self.concurrency < 1:
            raise UsageError("--concurrency must be at least 1")
        return self.concurrency or CONCURRENCY[self.store]
