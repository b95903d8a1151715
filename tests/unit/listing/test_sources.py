"""Each route has a lister of its own: a prefix, a list of keys, an inventory; none answers for another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

import engine.listing.key_lists
from engine.errors import PlanError
from engine.listing.key_lists import ListedKeys
from engine.listing.lister import KeyRange, Lister
from engine.listing.pages import Prefix
from engine.listing.ranges import Batch, RouteJoin
from engine.listing.sorted_keys import KEYS_A_PAGE
from engine.listing.sources import Sources, open_sources
from engine.plan.document import Plan
from engine.plan.route import KeyList
from tests.fake_store import FakeStore, everywhere
from tests.unit.transfer.scene import ROUTE


def plan_of(folder: Path, *keys: str, line_end: str = "\n", **rules: Any) -> Plan:
    (folder / "keys.txt").write_bytes(line_end.join(f"old/{key}" for key in keys).encode())
    return Plan.of("s3://bkt/old/", "s3://bkt/new/", name="r", keys=str(folder / "keys.txt"), **rules)


def store_of(*keys: str) -> FakeStore:
    store = FakeStore()
    for key in keys:
        store.put(f"s3://bkt/old/{key}")
    return store


async def keys_of(lister: Lister, keys: KeyRange) -> list[list[str]]:
    pages = [page async for page in lister.pages(keys)]
    assert [last for _, last in pages] == [False] * (len(pages) - 1) + [True]
    return [[item.key for item in objects] for objects, _ in pages]


async def test_a_list_gives_its_keys_in_order_whatever_lies_beside_them(tmp_path: Path) -> None:
    store = store_of("a", "b", "c", "d")
    async with open_sources(everywhere(store), plan := plan_of(tmp_path, "d", "a", "c")) as sources:
        lister = sources.lister(everywhere(store), plan.routes[0])
        assert await keys_of(lister, KeyRange()) == [["old/a", "old/c", "old/d"]]
        assert await keys_of(lister, KeyRange("a")) == [["old/c", "old/d"]]
        assert [item.key for item in (await lister.page_after("c")).objects] == ["old/d"]
        assert not lister.divisible
    assert store.made("ListObjectsV2") == []


async def test_a_page_whose_keys_are_all_gone_does_not_end_a_list(tmp_path: Path) -> None:
    gone = [f"{number:05}" for number in range(KEYS_A_PAGE)]
    store = store_of("z")
    async with open_sources(everywhere(store), plan := plan_of(tmp_path, *gone, "z")) as sources:
        assert await keys_of(sources.lister(everywhere(store), plan.routes[0]), KeyRange()) == [["old/z"]]
        with pytest.raises(PlanError, match="and 990 more that its list names"):
            await sources.refuse_missing(lambda route, key: known(route, key))


async def test_a_key_that_the_patterns_leave_out_is_not_asked_for_and_may_be_gone(tmp_path: Path) -> None:
    gone = [f"{number:05}.tmp" for number in range(KEYS_A_PAGE)]
    store = store_of("a", "b", "c.tmp")
    plan = plan_of(tmp_path, *gone, "a", "b", "c.tmp", "z.tmp", exclude=["*.tmp"])
    async with open_sources(everywhere(store), plan) as sources:
        assert await keys_of(sources.lister(everywhere(store), plan.routes[0]), KeyRange()) == [["old/a", "old/b"]]
        await sources.refuse_missing(lambda route, key: known(route, key))
    assert len(store.made("HeadObject")) == 2


async def test_a_part_of_a_list_asks_for_no_key_beyond_its_end(tmp_path: Path) -> None:
    gone = [f"{number:05}" for number in range(3 * KEYS_A_PAGE)]
    store, keys = store_of("z"), KeyRange("00009", "00499x")
    async with open_sources(everywhere(store), plan := plan_of(tmp_path, *gone, "z")) as sources:
        async with anyio.create_task_group() as group:
            join = sources.join(group, everywhere(store), plan.routes[0], None, target=False, keys=keys)
            batches = [batch async for batch in _batches(join)]
        assert batches == [Batch([], "00009", "00499x")]
        assert sources.lists["r"].missing == {f"old/{key}" for key in gone[10:500]}
    assert len(store.made("HeadObject")) == 490


@pytest.mark.parametrize("in_place", [True, False])
async def test_what_is_the_engines_own_is_no_part_of_any_route(in_place: bool) -> None:
    store = store_of(".cartage-claim", f".cartage-probe-{0:016x}", "a")
    plan = Plan.setting("s3://bkt/old/", tags={"a": "b"}) if in_place else Plan.of("s3://bkt/old/", "s3://bkt/new/")
    async with open_sources(everywhere(store), plan) as sources, anyio.create_task_group() as group:
        rows = await sources.join(group, everywhere(store), plan.routes[0], None).next_rows()
        assert rows is not None
        assert [row.key for row in rows] == ["a"]
        group.cancel_scope.cancel()


async def _batches(join: RouteJoin) -> AsyncIterator[Batch]:
    while (batch := await join.next_batch()) is not None:
        yield batch


async def known(route: str, key: str) -> bool:
    return False


async def test_the_order_and_ends_of_lines_make_no_other_list_and_a_key_does(tmp_path: Path) -> None:
    async def digest(*keys: str, line_end: str = "\n") -> str:
        store = FakeStore()
        async with open_sources(everywhere(store), plan_of(tmp_path, *keys, line_end=line_end)) as sources:
            return await sources.lists["r"].digest()

    assert (
        await digest("a", "b") == await digest("b", "a", "b", line_end="\r\n") == await digest("a", "b", line_end="\0")
    )
    assert len({await digest("a", "b"), await digest("ab"), await digest("a"), await digest("a", "b", "c")}) == 4


async def test_the_keys_that_a_list_does_not_name_are_told(tmp_path: Path) -> None:
    async with open_sources(everywhere(FakeStore()), plan_of(tmp_path, "a", "b")) as sources:
        assert await sources.lists["r"].without(["a", "b", "c", ""]) == ["c", ""]


async def test_a_route_without_a_list_is_its_prefix_and_so_is_an_inventorys_where_now_is_asked_for() -> None:
    store, plan = FakeStore(), Plan.of("s3://bkt/old/", "s3://bkt/new/", inventory="s3://bkt/inv/manifest.json")
    async with open_sources(everywhere(store), plan) as sources:
        assert isinstance(sources.lister(everywhere(store), plan.routes[0]), ListedKeys)
        assert isinstance(sources.lister(everywhere(store), ROUTE), Prefix)
    async with open_sources(everywhere(store), plan, now=True) as sources:
        assert isinstance(sources.lister(everywhere(store), plan.routes[0]), Prefix)


async def test_a_list_is_sorted_once_for_every_command_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.listing.key_lists, "SETTLED_AFTER_S", -1.0)
    store, kept_in = store_of("a", "b", "c"), tmp_path / "l.lists"

    async def seen(plan: Plan) -> tuple[list[list[str]], Path]:
        async with open_sources(everywhere(store), plan, kept_in=kept_in) as sources:
            listed = sources.lists["r"]
            found = await keys_of(listed, KeyRange())
            await sources.forget_older()
            return found, await listed.sorted_at()

    plan = plan_of(tmp_path, "c", "a")
    found, first = await seen(plan)
    made = first.stat()
    assert found == [["old/a", "old/c"]]
    assert (await seen(plan)) == (found, first) and first.stat().st_mtime_ns == made.st_mtime_ns
    found, second = await seen(plan_of(tmp_path, "c", "b"))
    assert found == [["old/b", "old/c"]]
    assert list(kept_in.iterdir()) == [second]


async def test_what_may_have_changed_within_a_tick_of_the_clock_is_sorted_for_this_command_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.listing.key_lists, "SETTLED_AFTER_S", 1e9)
    plan, kept_in = plan_of(tmp_path, "a"), tmp_path / "l.lists"
    async with open_sources(everywhere(store_of("a")), plan, kept_in=kept_in) as sources:
        at = await sources.lists["r"].sorted_at()
        assert at.exists()
        async with open_sources(everywhere(store_of("a")), plan, sorted_at={"r": at}) as others:  # another process's
            assert await keys_of(others.lists["r"], KeyRange()) == [["old/a"]]
        assert at.exists()
    assert list(kept_in.iterdir()) == []


def test_a_list_that_was_not_opened_is_not_taken_for_its_prefix() -> None:
    with pytest.raises(LookupError):
        Sources().lister(everywhere(FakeStore()), replace(ROUTE, key_list=KeyList("keys", path="keys.txt")))
