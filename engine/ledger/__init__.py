"""The durable record of every object's state and proof (docs/ledger.md)."""

from engine.ledger.binding import Binding, SiteBinding
from engine.ledger.ledger import Ledger
from engine.ledger.reader import Acceptance, Kept, LedgerReader, Snapshot, taken_by_route

__all__ = ["Acceptance", "Binding", "Kept", "Ledger", "LedgerReader", "SiteBinding", "Snapshot", "taken_by_route"]
