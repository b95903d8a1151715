"""Outcomes without what their decisions said already: the target's ETag is nearly always the source's.

An ETag is sixteen bytes that nothing compresses; of an object's journal it would be half. Who writes remembers the
objects that are on their way, which are few; who reads finds the source's ETag in the row.
"""

from __future__ import annotations

from engine.ledger.commands import SAME_ETAG, Command
from engine.plan.lifecycle import State
from engine.plan.record import Outcome


class Thinner:
    """What one writer knows of objects that were decided and have no outcome yet."""

    def __init__(self) -> None:
        self._etags: dict[tuple[int, str], str] = {}

    def thin(self, command: Command) -> Command:
        """The command as the journal is to have it."""
        if command.name == "decide":
            route, decisions, _ = command.arguments
            for item in decisions:
                if item.state is State.PLANNED:
                    self._etags[route, item.key] = item.source_etag
                else:
                    self._etags.pop((route, item.key), None)
        if command.name in ("forget", "let_go"):
            route, keys = command.arguments
            for key in keys:
                self._etags.pop((route, key), None)
        if command.name != "conclude":
            return command
        route, outcomes, at_ms = command.arguments
        known = [self._etags.pop((route, item.key), None) for item in outcomes]
        thin = [
            Outcome(item.key, item.state, SAME_ETAG, *item[3:]) if etag and etag == item.target_etag else item
            for item, etag in zip(outcomes, known, strict=True)
        ]
        return Command(command.name, (route, thin, at_ms))
