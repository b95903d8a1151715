"""The wire with a line in the log for each exchange."""

from __future__ import annotations

from engine.s3.logged import LoggedStore
from engine.s3.wire_store import WireStore


class LoggedWireStore(LoggedStore, WireStore):
    """Opened in the place of `WireStore` where requests are logged."""
