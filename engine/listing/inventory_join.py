"""The join of a route that an S3 Inventory lists: what that says was so once, a day ago or more.

Where the ledger knows better, or knows that what is there now has to be known, the object is asked for by itself; what
is not there is gone, as with a listing. All other rows are taken as they are, and cost nothing.
"""

from __future__ import annotations

from anyio.abc import TaskGroup

from engine.at_once import each
from engine.listing.key_lists import ListedKeys
from engine.listing.lister import KeyRange, Lister
from engine.listing.pages import ReadEntries
from engine.listing.ranges import Batch, RouteJoin
from engine.model import ListedObject, Unlisted
from engine.plan.join import Joined
from engine.plan.lifecycle import ASIDE, BEREFT, IN_PLACE, State
from engine.plan.record import is_unchanged
from engine.plan.retrieval import ARCHIVE_CLASSES
from engine.plan.route import Route


class InventoryJoin(RouteJoin):
    """A `RouteJoin` with the source as it is now wherever the inventory's row will not do. `listed` is the inventory,
    `source` what gives its rows. `was_read`: a run read this very inventory to its end, so that what the ledger has no
    row of was gone already."""

    def __init__(
        self,
        route: Route,
        listed: ListedKeys,
        was_read: bool,
        group: TaskGroup,
        source: Lister,
        target: Lister | None,
        read_entries: ReadEntries | None,
        keys: KeyRange | None = None,
    ) -> None:
        super().__init__(group, source, target, read_entries, keys)
        self._route = route
        self._listed = listed
        self._was_read = was_read

    async def next_batch(self) -> Batch | None:
        batch = await super().next_batch()
        asked = [row.key for row in batch.rows if self._is_doubtful(row)] if batch is not None else []
        if batch is None or not asked:
            return batch
        seen = dict(zip(asked, await each(asked, self._listed.look), strict=True))
        rows = [self._as_seen(row, seen[row.key]) if row.key in seen else row for row in batch.rows]
        return batch._replace(rows=[row for row in rows if row is not None])

    def _is_doubtful(self, row: Joined) -> bool:
        source, entry = row.source, row.entry
        if source is None:
            return False
        archived = source.storage_class in ARCHIVE_CLASSES  # whether it can be read for now no inventory says
        if entry is None:
            return (archived or self._was_read) and self._route.selects(source)
        if entry.state in ASIDE or entry.state in BEREFT:
            return True
        unchanged = is_unchanged(source, entry)
        if entry.state is State.DELETING or (entry.state in IN_PLACE and unchanged):
            return False
        return archived or not unchanged

    def _as_seen(self, row: Joined, seen: ListedObject | Unlisted | None) -> Joined | None:
        """None where nothing is left to be said of the row."""
        if isinstance(seen, Unlisted):
            self.unlisted[0].meet(row.key, seen)
            return None
        return row._replace(source=seen) if seen or row.target or row.entry else None
