"""What goes to a process that carries a shard, and what comes back. Values alone, which can be pickled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from engine.events import Event, Progress
from engine.ledger import Binding
from engine.ledger.index import Closing
from engine.listing.kept import KeptListings
from engine.listing.unlisted import ToldUnlisted
from engine.model import Location
from engine.plan.document import Plan
from engine.plan.shards import OBJECTS_A_SHARD, Piece
from engine.shards.rates import Met
from engine.sites.options import SiteOptions
from engine.version import __version__


@dataclass(frozen=True, slots=True)
class Order:
    """Carry these `pieces` of the plan, in the shard `number` of the ledger in `folder`, bound to `binding`.

    With a `state` the shard's ledger is a view of its journal there, and lies wherever the process likes; without, in
    the folder, which the process sees. `notes` are what is known of the servers already, and `met` at what rates they
    refused; `options` have no listener, `guarded` is as for `Conditions`, and so many `neighbours` work at once.
    `opened_ms` says of which snapshot of each route this is a part, `sorted_at` where the processes of this machine
    find the routes' lists of keys in order, `listed` what was listed for a question just before, `was_read` is that of
    `Sources`; the shard had objects before where it `is_recorded`; `run` tells it from orders of any other run. No
    credential is in it: each process finds its own, as the coordinator did."""

    number: int
    pieces: tuple[Piece, ...]
    folder: Path
    state: Location | None
    plan: Plan
    binding: Binding
    options: SiteOptions
    guarded: bool = True
    notes: Mapping[str, Any] = field(default_factory=dict)
    met: tuple[Met, ...] = ()
    neighbours: int = 1
    most: int = OBJECTS_A_SHARD
    opened_ms: Mapping[str, int] = field(default_factory=dict)
    sorted_at: Mapping[str, Path] = field(default_factory=dict)
    listed: KeptListings | None = None
    was_read: frozenset[str] = frozenset()
    is_recorded: bool = False
    run: str = ""
    version: str = __version__


class ShardEnded(NamedTuple):
    """How a process left its shard: `closing` is what its ledger says, with `listings` of what was listed to its end
    (none where it was `stopped`, nor of a route of whose list some keys are `lost`), `rest` what it hands over,
    `progress` its last figures, `events` what is to be passed on; `unlisted` and `first_replaced` are as in a run's
    result."""

    number: int
    stopped: bool
    rest: tuple[Piece, ...]
    closing: Closing
    listings: Mapping[str, tuple[int, int]]
    progress: Progress
    pid: int
    measured: dict[str, Any] | None
    copied_bytes: int
    events: tuple[Event, ...]
    unlisted: ToldUnlisted
    lost: Mapping[str, Sequence[str]]
    first_replaced: Sequence[str] = ()
