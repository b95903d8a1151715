"""What goes to a process that carries a shard, and what comes back. Values alone, which can be pickled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.events import Progress
from engine.ledger import Binding
from engine.listing.unlisted import ToldUnlisted
from engine.plan.document import Plan
from engine.plan.shards import OBJECTS_A_SHARD, Piece
from engine.sites.options import SiteOptions


@dataclass(frozen=True, slots=True)
class Order:
    """Carry these `pieces` of the plan, in the ledger at `path`, bound to `binding`. `notes` are what is known of the
    servers already; `options` have no listener, `guarded` is as for `Conditions`; at `board` (a folder) a process tells
    how far it is and hears when to stop. No credential is in it: each process finds its own, as this one did."""

    number: int
    pieces: tuple[Piece, ...]
    path: Path
    plan: Plan
    binding: Binding
    board: Path
    options: SiteOptions
    guarded: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict)
    most: int = OBJECTS_A_SHARD


class ShardEnded(NamedTuple):
    """How a process left its shard: `rest` is what it hands over, `listings` are objects and bytes by route of what was
    listed to its end (empty where it was `stopped`), `progress` its last figures, and `unlisted` as in a run's result.
    """

    number: int
    stopped: bool
    rest: tuple[Piece, ...]
    listings: Mapping[str, tuple[int, int]]
    progress: Progress
    pid: int
    measured: dict[str, Any] | None
    copied_bytes: int
    unlisted: ToldUnlisted
