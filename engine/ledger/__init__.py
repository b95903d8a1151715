"""The durable record of every object's state and proof (docs/ledger.md)."""

from engine.ledger.binding import Binding, SiteBinding
from engine.ledger.commands import ACCEPTED_BY
from engine.ledger.composition import Composition
from engine.ledger.forming import form_shards, is_one_file, is_there, refuse_other_folder
from engine.ledger.history import History, Moment, RunRecord, SlowObject
from engine.ledger.ledger import Ledger
from engine.ledger.locking import Worker
from engine.ledger.reader import Acceptance, Kept, LedgerReader, Left, Snapshot, open_routes, taken_by_route
from engine.ledger.sharded import ShardedLedger, open_to_read, open_to_write

__all__ = [
    "ACCEPTED_BY", "Acceptance", "Binding", "Composition", "History", "Kept", "Ledger", "LedgerReader", "Left",
    "Moment", "RunRecord", "ShardedLedger", "SiteBinding", "SlowObject", "Snapshot", "Worker", "form_shards",
    "is_one_file", "is_there", "open_routes", "open_to_read", "open_to_write", "refuse_other_folder",
    "taken_by_route",
]  # fmt: skip
