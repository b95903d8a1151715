"""Whether writes carry a condition on their target.

They always do, but on a server that answers 501 to the condition: there a run goes on without, and says so once.
"""

from __future__ import annotations

from engine.events import Listener, Notice

UNGUARDED = (
    "the server does not know conditions on the target of a copy (501): copies go on without, and what someone else "
    "writes to a target between the look at it and its copy is overwritten"
)


class TargetGuard:
    """Shared by everything that writes targets in one run. `on` False leaves If-Match and If-None-Match out."""

    def __init__(self, listener: Listener, *, on: bool = True) -> None:
        self._listener = listener
        self.on = on

    def condition(self, wanted: str) -> str | None:
        """The condition to send for the one that is wanted."""
        return wanted if self.on else None

    def give_up(self) -> None:
        """The server answered 501 to a condition: send none from now on."""
        if self.on:
            self.on = False
            self._listener(Notice("TargetUnguarded", UNGUARDED))
