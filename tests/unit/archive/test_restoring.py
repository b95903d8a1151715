"""Everything that is archived is counted once it was agreed to ask: as asked for, or as left."""

from __future__ import annotations

from engine.archive.finding import Batch, Found
from engine.archive.restoring import Asking
from engine.events import Event, Progress
from engine.model import ObjectRef, Properties
from engine.plan.prices import Tier
from engine.plan.retrieval import Amount, ArchiveOutlook
from tests.fake_store import FakeStore


async def test_what_cannot_be_had_by_the_agreed_tier_is_left() -> None:
    store, heard = FakeStore(), list[Event]()
    agreed, found = ArchiveOutlook(Tier.EXPEDITED, 1, 0), []
    for name, kind in (("a", "GLACIER"), ("b", "DEEP_ARCHIVE"), ("c", "DEEP_ARCHIVE")):
        store.put(f"s3://bucket/{name}", properties=Properties(storage_class=kind))
        agreed.add(kind, 5, "")
        found.append(Found("", ObjectRef("bucket", name), 5, kind, ""))
    asking = Asking(agreed, heard.append, None, shared=False)
    await asking.take(store, Batch(found, 3, 0, []))
    assert (asking.asked.begun, asking.asked.not_by_tier, asking.asked.left) == (Amount(1, 5), Amount(2, 10), 2)
    assert heard == [Progress(3, listing_done=True, done=3, aside=2)]
