"""No source goes on old knowledge: what S3 is slow with, what a stopped process left behind, and what is not gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.errors import AccessDenied, Ambiguous, GoneTogether, Throttled
from engine.finish import batches
from engine.finish.cleanup import settle
from engine.finish.deleting import PASSES, Deleter
from engine.finish.looking import FEW, PATIENCE_S, Looker
from engine.finish.revert import Revert
from engine.finish.sending import Condition, Fate, Item
from engine.model import ListedObject, Page
from engine.store import ListPage
from tests.fake_store import FakeStore, everywhere
from tests.skipping import let_others_run, skipping
from tests.unit.finish.scene import PLAN, Scene, no_sleep, scene

SOURCE = "s3://bucket/data/raw/"
TARGET = "s3://bucket/project/data/raw/"
HOUR_S = 3600.0
HOW = [Condition.BATCH, Condition.SINGLE, Condition.NONE]


async def revert(s: Scene, condition: Condition) -> Any:
    return await Revert(everywhere(s.store), s.ledger, s.deleters(condition), s.heard.append, 0).go(s.plan.routes)


def stopped_before(s: Scene, hands: list[float], what: str, vanishing: str) -> None:
    """At the first request to delete the process is stopped for 40 s, and `vanishing` goes meanwhile."""

    def stop(operation: str, request: Any) -> None:
        if operation.startswith("Delete") and what in str(request) and s.store.get(vanishing) is not None:
            hands[0] += 40
            s.store.remove(vanishing)

    s.store.before = stop


@pytest.mark.parametrize("condition", HOW)
async def test_a_process_stopped_between_look_and_delete_looks_again(
    tmp_path: Path, hands: list[float], condition: Condition
) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        stopped_before(s, hands, "data/raw/00001.png", TARGET + "00001.png")
        report = await s.delete(condition)
        assert s.store.keys(SOURCE) == ["00001.png"]
        assert (report.deleted, report.kept) == (19, {"damaged": 1})


@pytest.mark.parametrize("condition", HOW)
async def test_so_does_a_revert(tmp_path: Path, hands: list[float], condition: Condition) -> None:
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        stopped_before(s, hands, "data/raw/00001.png", SOURCE + "00001.png")
        report = await revert(s, condition)
        assert s.store.keys(TARGET) == ["00001.png"]
        assert (report.removed, report.kept) == (19, {"source": 1})


async def test_a_source_replaced_while_the_process_was_stopped_stays_without_conditions(hands: list[float]) -> None:
    store = FakeStore()
    etag = store.put("s3://b/a", b"as it was").etag

    def stop(operation: str, request: Any) -> None:
        if operation == "DeleteObjects":
            hands[0] += 40
            store.put("s3://b/a", b"another")

    store.before = stop
    ends = await Deleter(store, {"b": Condition.NONE}, sleep=no_sleep).delete("b", [Item("a", etag)])
    assert (ends["a"].fate, store.keys("s3://b/")) == (Fate.CHANGED, ["a"])


@pytest.mark.parametrize("condition", HOW)
async def test_one_target_that_s3_is_slow_with_holds_no_other(
    tmp_path: Path, hands: list[float], condition: Condition
) -> None:
    """All but that one go upon looks of just now; a target that vanishes while it is waited for keeps its source."""
    async with scene(tmp_path, objects=6) as s:
        await s.migrate()
        slow = Throttled("slow down", operation="HeadObject")
        s.store.plan("HeadObject", *[("before", slow)] * (PASSES + 9), key="project/data/raw/00005.png")
        report = await s.delete(condition)
        assert s.store.keys(SOURCE) == ["00005.png"]
        assert (report.deleted, report.kept) == (5, {"unseen": 1})
        row = (await s.records())["00005.png"]
        assert (row.state.value, row.code) == ("verified", "SlowDown")


async def test_a_look_that_never_comes_back_holds_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "PATIENCE_S", HOUR_S)
    skip = skipping(monkeypatch)
    async with scene(tmp_path, objects=6) as s:
        await s.migrate()

        async def hang(operation: str, request: Any) -> None:
            if operation == "HeadObject" and request.ref.key == "project/data/raw/00005.png":
                await let_others_run()
                skip(HOUR_S)
                await anyio.sleep(60)

        s.store.before = hang
        report = await s.delete()
        assert s.store.keys(SOURCE) == ["00005.png"]
        assert (report.deleted, report.kept) == (5, {"unseen": 1})
        assert (await s.records())["00005.png"].code == "NoAnswer"


async def test_where_a_listing_is_too_slow_each_key_is_asked_for_and_then_a_listing_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, skip = FakeStore(), skipping(monkeypatch)
    keys = [f"{number:02}" for number in range(FEW + 1)]
    for key in keys:
        store.put(f"s3://b/{key}")
    slow = [True]

    async def hang(operation: str, request: Any) -> None:
        if operation == "ListObjectsV2" and slow[0]:
            await let_others_run()
            skip(HOUR_S)
            await anyio.sleep(60)

    store.before = hang
    looker = Looker(store)
    assert list((await looker.look("b", keys, within_s=HOUR_S)).looks) == keys[:1]  # no listing begins at a key
    assert len((await looker.look("b", keys, within_s=HOUR_S)).looks) == len(keys)
    assert (store.counts["ListObjectsV2"], store.counts["HeadObject"]) == (1, 1 + len(keys))
    slow[0] = False
    assert len((await looker.look("b", keys, within_s=HOUR_S)).looks) == len(keys)
    assert store.counts["ListObjectsV2"] == 2


async def test_looks_that_are_always_too_old_delete_nothing_and_say_why(tmp_path: Path, hands: list[float]) -> None:
    async with scene(tmp_path, objects=12) as s:
        await s.migrate()

        def slow(look: Callable[[Any], Awaitable[Any]]) -> Any:
            async def slowly(request: Any) -> Any:
                answer = await look(request)
                hands[0] += 3
                return answer

            return slowly

        s.store.head_object = slow(s.store.head_object)  # type: ignore[method-assign]
        s.store.list_page = slow(s.store.list_page)  # type: ignore[method-assign]
        report = await s.delete()
        assert (report.deleted, report.stayed) == (0, 12)
        assert {record.code for record in (await s.records()).values()} <= {"LooksTooOld", "TooLate"}
        assert len(s.store.keys(SOURCE)) == 12


# --- two names of one bucket ------------------------------------------------------------------------------------


def one_bucket(store: FakeStore) -> None:
    """What is deleted under data/raw/ goes under project/data/raw/ as well, and the reverse."""

    def both(operation: str, request: Any) -> None:
        if operation == "DeleteObjects":
            for key, _ in request.keys:
                other = key.removeprefix("project/") if key.startswith("project/") else f"project/{key}"
                store.objects.pop(("bucket", other), None)

    store.before = both


@pytest.mark.parametrize("command", ["cleanup", "revert"])
async def test_two_names_of_one_bucket_show_after_the_first_few(tmp_path: Path, command: str) -> None:
    async with scene(tmp_path, objects=3_000) as s:
        await s.migrate()
        one_bucket(s.store)
        with pytest.raises(GoneTogether, match="two names"):
            await (s.delete() if command == "cleanup" else revert(s, Condition.BATCH))
        assert len(s.store.keys(SOURCE)) == len(s.store.keys(TARGET)) == 3_000 - FEW
        s.store.before = None
        await s.settle()
        if command == "cleanup":
            assert list((await s.states()).values()).count("deleted") == FEW


@pytest.mark.parametrize("command", ["cleanup", "revert"])
async def test_they_show_where_only_the_last_look_tells_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """The answer to the first delete is lost, and each look takes longer than is waited for before an act."""
    skip = skipping(monkeypatch)
    deleted_from = "data/raw/" if command == "cleanup" else "project/data/raw/"
    async with scene(tmp_path, objects=20) as s:
        await s.migrate()
        one_bucket(s.store)
        remove = s.store.before
        assert remove is not None
        s.store.plan("DeleteObjects", ("after", Ambiguous("500", operation="DeleteObjects")))

        async def slow(operation: str, request: Any) -> None:
            remove(operation, request)
            if operation == "HeadObject" and request.ref.key.startswith(deleted_from):
                await let_others_run()
                skip(PATIENCE_S)
                await let_others_run()

        s.store.before = slow
        with pytest.raises(GoneTogether, match="two names"):
            await (s.delete() if command == "cleanup" else revert(s, Condition.BATCH))
        assert len(s.store.keys(SOURCE)) == len(s.store.keys(TARGET)) == 20 - FEW


async def test_what_is_gone_is_told_once_whichever_look_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    skip, store = skipping(monkeypatch), FakeStore()
    items = [Item(key, store.put(f"s3://b/{key}").etag) for key in "abc"]
    told: list[str] = []

    async def slow_with_one(operation: str, request: Any) -> None:
        if operation == "HeadObject" and request.ref.key == "c":
            await let_others_run()
            skip(PATIENCE_S)
            await let_others_run()

    async def then(gone: Collection[str]) -> None:
        told.extend(gone)

    store.before = slow_with_one
    store.plan("DeleteObjects", ("after", Ambiguous("500", operation="DeleteObjects")))
    ends = await Deleter(store, {"b": Condition.BATCH}, sleep=no_sleep).delete("b", items, then=then)
    assert {key: end.fate for key, end in ends.items()} == dict.fromkeys("abc", Fate.GONE)
    assert told == ["a", "b", "c"]


async def test_each_route_begins_with_a_few(tmp_path: Path) -> None:
    second = PLAN + '[[routes]]\nname = "more"\nfrom = "/data/more/"\nto = "data/more/"\n'
    async with scene(tmp_path, objects=30, plan=second) as s:
        for number in range(30):
            s.store.put(f"s3://bucket/data/more/{number:02}")
        await s.migrate()
        assert (await s.delete()).deleted == 60
        assert [len(batch.keys) for batch in s.store.made("DeleteObjects")] == [FEW, 22, FEW, 22]


# --- confirmed, and there all the same --------------------------------------------------------------------------


def still_listing(store: FakeStore, prefix: str, ghosts: dict[str, ListedObject]) -> None:
    """The server goes on listing `ghosts` whatever it confirmed."""
    listing = store.list_page

    async def with_ghosts(request: ListPage) -> Page:
        page = await listing(request)
        there = {item.key: item for item in page.objects}
        there |= {
            key: item
            for key, item in ghosts.items()
            if key.startswith(request.prefix) and key > request.start_after and key.startswith(prefix)
        }
        return page._replace(objects=[there[key] for key in sorted(there)])

    store.list_page = with_ghosts  # type: ignore[method-assign]


def listed_as(store: FakeStore, key: str) -> ListedObject:
    held = store.objects["bucket", key]
    return ListedObject(key, held.size, held.etag, held.modified)


@pytest.mark.parametrize("objects", [3, 30])
async def test_what_is_listed_after_its_deletion_was_confirmed_is_not_deleted(tmp_path: Path, objects: int) -> None:
    async with scene(tmp_path, objects=objects) as s:
        await s.migrate()
        ghost = "data/raw/00002.png"
        still_listing(s.store, "data/raw/", {ghost: listed_as(s.store, ghost)})
        report = await s.delete()
        assert (report.deleted, report.kept) == (objects - 1, {"open": 1})
        assert report.first_kept[0].code == "StillListed"
        assert (await s.records())["00002.png"].state.value == "deleting"  # which of the two is true is seen later


@pytest.mark.parametrize("objects", [3, 30])
async def test_what_is_listed_after_it_went_stays_open_also_once_it_is_settled(tmp_path: Path, objects: int) -> None:
    """As verified, what comes to its key would pass for our own source, and be copied over the last copy."""
    async with scene(tmp_path, objects=objects) as s:
        await s.migrate()
        ghosts = {item: listed_as(s.store, item) for _, item in s.store.objects if item.startswith("data/raw/")}
        still_listing(s.store, "data/raw/", ghosts)
        assert (await s.delete()).kept == {"open": objects}
        assert await s.settle() == {Fate.OPEN: objects}
        assert set((await s.states()).values()) == {"deleting"}
        ghosts.pop("data/raw/00001.png")
        s.store.put("s3://bucket/data/raw/00001.png", b"another")
        assert await s.settle() == {Fate.OPEN: objects - 1, Fate.CHANGED: 1}
        assert (await s.records())["00001.png"].code == "SourceReplaced"
        ghosts.clear()
        assert await s.settle() == {Fate.GONE: objects - 1}


async def test_what_was_never_answered_is_not_left_for_what_a_listing_shows(tmp_path: Path) -> None:
    async with scene(tmp_path, objects=30) as s:
        await s.migrate()
        ghosts = {item: listed_as(s.store, item) for _, item in s.store.objects if item.startswith("data/raw/")}
        still_listing(s.store, "data/raw/", ghosts)
        lost = Ambiguous("reset", operation="DeleteObjects")
        s.store.plan("DeleteObjects", *[("after", lost)] * 100)
        assert (await s.delete()).kept == {"open": 30}


async def test_what_somebody_wrote_in_its_place_does_not_make_a_deletion_untrue(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        ghost = "data/raw/00002.png"
        still_listing(s.store, "data/raw/", {ghost: ListedObject(ghost, 3, "0" * 32, "2026-01-01T00:00:00.000Z")})
        assert (await s.delete()).deleted == 3


async def test_a_listing_that_shows_it_no_more_the_next_time_is_believed(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        ghost = "data/raw/00002.png"
        ghosts = {ghost: listed_as(s.store, ghost)}
        still_listing(s.store, "data/raw/", ghosts)

        async def later(seconds: float) -> None:
            ghosts.clear()

        deleter = Deleter(s.store, {"bucket": Condition.BATCH}, sleep=later)
        s.give(deleter)
        assert (await s.delete()).deleted == 3


async def test_an_end_that_cannot_be_seen_stays_open_and_is_settled_by_the_next_run(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        s.store.plan("ListObjectsV2", ("before", AccessDenied("no", operation="ListObjectsV2")), key="data/raw/")
        report = await s.delete()
        assert (report.deleted, report.kept) == (0, {"open": 3})
        assert set((await s.states()).values()) == {"deleting"}
        await s.settle()
        assert set((await s.states()).values()) == {"deleted"}


async def test_settling_does_not_believe_a_head_against_the_listing(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        ghost = "data/raw/00002.png"
        ghosts = {ghost: listed_as(s.store, ghost)}
        s.store.plan("ListObjectsV2", ("before", AccessDenied("no", operation="ListObjectsV2")), key="data/raw/")
        await s.delete()
        still_listing(s.store, "data/raw/", ghosts)
        await s.settle()
        assert (await s.states())["00002.png"] == "deleting"


async def test_settling_leaves_open_what_may_not_be_listed(tmp_path: Path) -> None:
    async with scene(tmp_path) as s:
        await s.migrate()
        denied = ("before", AccessDenied("no", operation="ListObjectsV2"))
        s.store.plan("ListObjectsV2", denied, denied, key="data/raw/")
        await s.delete()
        assert await settle(everywhere(s.store), s.ledger, s.plan.routes) == {Fate.DENIED: 3}
        assert set((await s.states()).values()) == {"deleting"}
        await s.settle()
        assert set((await s.states()).values()) == {"deleted"}
