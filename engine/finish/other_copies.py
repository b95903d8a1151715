"""The other copies of a source: a plan may take one object to several targets, and deletes it once.

The gate looked at all of them. What became of one since is looked at again right before the delete, as the route's own
target is: the source is what that copy would be mended from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import permutations

from engine.finish.batches import resting_on
from engine.finish.deleting import Checked
from engine.finish.looking import Looker, There
from engine.ledger import Ledger
from engine.model import Location
from engine.plan.lifecycle import State
from engine.plan.overlap import could_share
from engine.plan.record import Entry
from engine.plan.route import Route

Bar = Callable[[str, str], None]
"""Told a source key and why it stays."""


class OtherCopies:
    """Of the objects that several of these routes take."""

    def __init__(self, routes: Sequence[Route], ledger: Ledger, looker_of: Callable[[Location], Looker]) -> None:
        self._ledger = ledger
        self._looker_of = looker_of
        self._beside: dict[str, list[Route]] = {}
        for route, other in permutations(routes, 2):
            if could_share(route, route.source, other, other.source, {}):  # sites of any name may be one
                self._beside.setdefault(route.name, []).append(other)

    async def check(self, route: Route, checked: Checked, bar: Bar) -> Checked:
        """Of the source keys that may go by the route's own targets, those that may by all others' too. Raises errors
        of scope `run`."""
        may_go, unseen = dict(checked.may_go), dict(checked.unseen)
        for other in self._beside.get(route.name, ()):
            rows = await self._proven(other, sorted(may_go))

            def stands(key: str, there: There | None, rows: dict[str, Entry] = rows) -> bool:
                return there is not None and (there.etag, there.size) == (rows[key].target_etag, rows[key].size)

            targets = {key: other.target_key(other.relative(key)) for key in rows}
            found = await resting_on(self._looker_of(other.target), other.target.bucket, targets, stands)
            for key in rows:
                if key in found.may_go:
                    may_go[key] = min(may_go[key], found.may_go[key])
                    continue
                del may_go[key]
                if (error := found.unseen.get(key)) is not None:
                    unseen[key] = error
                else:
                    bar(key, f'its copy by route "{other.name}" is not there as it was proven; the source stays')
        return Checked(may_go, unseen)

    async def _proven(self, other: Route, keys: Sequence[str]) -> dict[str, Entry]:
        """What the ledger has of these source keys as proven by the other route."""
        found = {}
        for key in keys:
            if key.startswith(other.source.key) if other.source.is_prefix else key == other.source.key:
                entry = await self._ledger.entry(other.name, other.relative(key))
                if entry is not None and entry.state in (State.VERIFIED, State.DELETING):
                    found[key] = entry
        return found
