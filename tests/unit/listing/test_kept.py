"""What a survey listed stands for the listings of the run that follows upon the answer, as it was listed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.listing.kept import KeptListings
from engine.listing.pages import Prefix
from engine.listing.sorted_keys import FORGOTTEN_AFTER_S
from engine.listing.sources import Sources, open_sources
from engine.model import ListedObject, OpaqueEtag
from engine.plan.document import Plan
from engine.plan.join import Joined, Side
from engine.sites.doubting import DoubtingStore
from engine.store import ObjectStore
from tests.fake_store import FakeStore, everywhere

PLAN = Plan.of("s3://bkt/old/", "s3://bkt/new/", name="r")
(ROUTE,) = PLAN.routes


@pytest.fixture
def store() -> FakeStore:
    store = FakeStore()
    for key in ("old/a", "old/b", "old/é", "new/a", "new/z"):
        store.put(f"s3://bkt/{key}")
    return store


async def rows_of(sources: Sources, store: ObjectStore, *, target: bool = True) -> list[Joined]:
    found: list[Joined] = []
    async with anyio.create_task_group() as group:
        join = sources.join(group, everywhere(store), ROUTE, None, target=target)
        while (rows := await join.next_rows()) is not None:
            found += rows
    return found


async def listed_and_kept(store: FakeStore, kept: KeptListings) -> list[Joined]:
    async with open_sources(everywhere(store), PLAN, kept_in=kept.folder) as sources:
        sources.keep = kept
        found = await rows_of(sources, store)
        await sources.keep_all()
    return found


async def test_what_was_kept_is_what_was_listed_and_costs_no_request(tmp_path: Path, store: FakeStore) -> None:
    kept = KeptListings.beside(tmp_path / "r.ledger")
    found = await listed_and_kept(store, kept)
    made = len(store.made("ListObjectsV2"))
    store.put("s3://bkt/old/new one")
    async with open_sources(everywhere(store), PLAN) as sources:
        sources.listed = kept
        assert await rows_of(sources, store) == found
        assert len(store.made("ListObjectsV2")) == made
        # What changed meanwhile is looked for in the source as it is now.
        assert [row.key for row in await rows_of(sources, store, target=False)] == ["a", "b", "new one", "é"]
    kept.remove()
    assert list(tmp_path.iterdir()) == []


async def test_a_listing_with_etags_that_prove_nothing_is_made_again(tmp_path: Path, store: FakeStore) -> None:
    """Kept as text they would be taken for digests."""
    for key, size in (("old/a", 5), ("old/b", 6)):
        store.put(f"s3://bkt/{key}", size, etag="0123456789abcdef0123456789abcdef")
    kept = KeptListings.beside(tmp_path / "r.ledger")
    doubting: Any = DoubtingStore(store)
    await listed_and_kept(doubting, kept)
    async with open_sources(everywhere(doubting), PLAN) as sources:
        sources.listed = kept
        found = await rows_of(sources, doubting)
    assert [type(row.source.etag) for row in found if row.source is not None] == [OpaqueEtag, OpaqueEtag, str]


async def test_every_field_of_a_listing_is_kept(tmp_path: Path) -> None:
    item = ListedObject("old/é", 7, "etag-2", "2026-01-31T10:00:00.000Z", "GLACIER", "CRC64NVME:FULL_OBJECT", "ongoing")

    class One(Prefix):
        async def pages(self, *_: object) -> AsyncIterator[tuple[list[ListedObject], bool]]:
            yield [item], True

    kept = KeptListings(tmp_path)
    sources = Sources()
    sources.keep = kept
    store = FakeStore()
    keeping = sources.once(ROUTE, Side.SOURCE, One(store, ROUTE.source))
    assert [page async for page in keeping.pages(None)] == [([item], True)]  # type: ignore[arg-type]
    await sources.keep_all()
    again = Sources()
    again.listed = kept
    assert (await again.once(ROUTE, Side.SOURCE, Prefix(store, ROUTE.source)).page_after("")).objects == [item]
    again.close()


async def test_a_listing_that_did_not_reach_its_end_is_not_kept(tmp_path: Path, store: FakeStore) -> None:
    kept = KeptListings(tmp_path)
    async with open_sources(everywhere(store), PLAN) as sources:
        sources.keep = kept
        await rows_of(sources, store)
    assert list(tmp_path.iterdir()) == []
    made = len(store.made("ListObjectsV2"))
    async with open_sources(everywhere(store), PLAN) as sources:
        sources.listed = kept
        assert len(await rows_of(sources, store)) == 4
    assert len(store.made("ListObjectsV2")) > made


async def test_keys_of_a_list_that_are_not_there_are_kept_too_and_none_costs_a_second_head(
    tmp_path: Path, store: FakeStore
) -> None:
    (tmp_path / "keys.txt").write_text("old/b\nold/nowhere\n")
    plan = Plan.of("s3://bkt/old/", "s3://bkt/new/", name="r", keys=str(tmp_path / "keys.txt"))
    kept = KeptListings(tmp_path / "l.lists")

    async def seen(sources: Sources) -> tuple[list[str], set[str]]:
        found = []
        async with anyio.create_task_group() as group:
            join = sources.join(group, everywhere(store), plan.routes[0], None)
            while (rows := await join.next_rows()) is not None:
                found += [row.key for row in rows if row.source is not None]
        return found, sources.lists["r"].missing

    async with open_sources(everywhere(store), plan) as sources:
        sources.keep = kept
        assert await seen(sources) == (["b"], {"old/nowhere"})
        await sources.keep_all()
    made = len(store.made("HeadObject"))
    async with open_sources(everywhere(store), plan) as sources:
        sources.listed = kept
        assert await seen(sources) == (["b"], {"old/nowhere"})
    assert len(store.made("HeadObject")) == made


async def test_what_was_kept_for_an_answer_that_took_an_hour_is_listed_anew(tmp_path: Path, store: FakeStore) -> None:
    kept = KeptListings.beside(tmp_path / "r.ledger")
    await listed_and_kept(store, kept)
    for path in kept.folder.iterdir():
        os.utime(path, times=(0, path.stat().st_mtime - FORGOTTEN_AFTER_S - 60))
    store.put("s3://bkt/old/c")
    async with open_sources(everywhere(store), PLAN, kept_in=kept.folder) as sources:
        sources.listed = kept
        await sources.forget_older()
        assert "c" in [row.key for row in await rows_of(sources, store)]
