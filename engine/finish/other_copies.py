"""The other copies of a source: a plan may take one object to several targets, and deletes it once.

The gate looked at all of them. What became of one since is looked at again right before the delete, as the route's own
target is: the source is what that copy would be mended from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from engine.finish.batches import resting_on
from engine.finish.deleting import Checked
from engine.finish.looking import Looker, There
from engine.ledger import Ledger
from engine.model import Location
from engine.plan.lifecycle import State
from engine.plan.order import just_before
from engine.plan.overlap import sharing
from engine.plan.record import Entry
from engine.plan.route import Route

ROWS_A_READ = 1_000
_PROVEN = (State.VERIFIED, State.DELETING)

Bar = Callable[[str, str], None]
"""Told a source key and why it stays."""


class OtherCopies:
    """Of the objects that several of these routes take."""

    def __init__(self, routes: Sequence[Route], ledger: Ledger, looker_of: Callable[[Location], Looker]) -> None:
        self._ledger = ledger
        self._looker_of = looker_of
        self.beside = sharing(routes)

    async def check(self, route: Route, checked: Checked, bar: Bar) -> Checked:
        """Of the source keys that may go by the route's own targets, those that may by all others' too. Raises errors
        of scope `run`."""
        may_go, unseen = dict(checked.may_go), dict(checked.unseen)
        for other in self.beside.get(route.name, ()):
            rows = await self._rows(other, sorted(may_go))
            proven = {key: row for key, row in rows.items() if row.state in _PROVEN}

            def stands(key: str, there: There | None, proven: dict[str, Entry] = proven) -> bool:
                return there is not None and (there.etag, there.size) == (proven[key].target_etag, proven[key].size)

            targets = {key: other.target_key(other.relative(key)) for key in proven}
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

    async def _rows(self, other: Route, keys: Sequence[str]) -> dict[str, Entry]:
        """What the ledger has of these source keys, which are in order, by the other route; but for those whose source
        it says was deleted."""
        wanted = {other.relative(key) for key in keys if other.source.holds(key)}
        if not wanted:
            return {}
        found: dict[str, Entry] = {}
        after, last = just_before(min(wanted)), max(wanted)
        while rows := await self._ledger.entries(other.name, after, last, ROWS_A_READ):
            found |= {
                other.source_key(row.key): row for row in rows if row.key in wanted and row.state is not State.DELETED
            }
            after = rows[-1].key
        return found
