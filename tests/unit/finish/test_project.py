"""A whole project: counted by prefix in flat memory, and deleted as its snapshot says, whatever happens meanwhile."""

from __future__ import annotations

import sqlite3
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from engine.bucket_facts import BucketFacts
from engine.errors import Ambiguous, LedgerCorrupt, LedgerLocked, LedgerMismatch, ListingBroken, Rejected, Unreachable
from engine.events import Doing, Event, Looking, ObjectListed, PrefixSummed
from engine.finish import deletion_list, project
from engine.finish.deleting import Deleter
from engine.finish.deletion_list import DeletionList, Row
from engine.finish.grouping import first_level
from engine.finish.project import Summary, list_level, list_objects, summarize
from engine.finish.project_deletion import (
    OPEN,
    Deletion,
    ProjectDeletion,
    look_at_the_rest,
    snapshot_of,
    summary_of,
    take_snapshot,
)
from engine.finish.sending import Condition
from engine.listing import pages
from engine.listing.ranges import listed_under
from engine.model import ListedObject, Location, Page, Properties
from engine.sites.known import KnownTraits
from engine.sites.listings import listing_all
from engine.store import ListPage
from tests.fake_store import FakeStore, sites_of
from tests.unit.finish.scene import no_sleep

HERE = Location("b", "proj/")
NO_FACTS = BucketFacts("b", "")


def filled(objects: int = 30) -> FakeStore:
    store = FakeStore()
    for number in range(objects):
        store.put(f"s3://b/proj/raw/{number:05}.png", b"x" * 10)
        store.now_s += 1
    store.put("s3://b/proj/models/a/best.pt", b"y" * 100, properties=Properties(storage_class="GLACIER_IR"))
    store.put("s3://b/proj/README.md", b"hello")
    store.put("s3://b/project2/beside.txt", b"no")
    return store


def prefixes_of(summary: Summary) -> list[PrefixSummed]:
    return [event for event in summary.events() if isinstance(event, PrefixSummed)]


def ignore(event: object) -> None:
    assert event is not None


class Doomed:
    """A snapshot in a folder, and what is done about it."""

    def __init__(self, store: FakeStore, folder: Path) -> None:
        self.store = store
        self.path = folder / "proj.deletion"
        self.heard: list[object] = []

    async def open(self, location: Location = HERE, endpoint: str = "https://s3") -> DeletionList:
        return await DeletionList.open(self.path, str(location), endpoint)

    async def snapshot(self) -> Summary:
        async with await self.open() as listed:
            return await take_snapshot(partial(listed_under, self.store, HERE), HERE, listed, 1_000, self.heard.append)

    async def delete(
        self,
        *,
        markers_accepted: frozenset[str] = frozenset(),
        condition: Condition = Condition.BATCH,
    ) -> Deletion:
        async with await self.open() as listed:
            deleter = Deleter(self.store, {"b": condition}, sleep=no_sleep)
            work = ProjectDeletion(listed, deleter, self.heard.append, markers_accepted=markers_accepted)
            done = await work.go(HERE)
            if not done.stopped:
                await look_at_the_rest(sites_of(self.store).home, HERE, listed, done, self.heard.append, tells=False)
            return done

    async def states(self) -> dict[Row, int]:
        async with await self.open() as listed:
            return {count.state: count.objects for count in await listed.counts()}


@pytest.fixture
def doomed(tmp_path: Path) -> Doomed:
    return Doomed(filled(), tmp_path)


# --- looking --------------------------------------------------------------------------------------------------------


async def test_figures_by_first_level_prefix() -> None:
    store = filled()
    store.page_keys = 7
    found = await summarize(store, HERE, ignore)
    assert (found.total.objects, found.total.bytes) == (32, 405)
    assert found.total.classes == {"STANDARD": 31, "GLACIER_IR": 1}
    assert {event.prefix: (event.objects, event.bytes) for event in prefixes_of(found)} == {
        "": (1, 5),
        "models/": (1, 100),
        "raw/": (30, 300),
    }
    raw = found.groups["raw/"]
    assert raw.oldest < raw.newest
    assert raw.oldest == store.objects["b", "proj/raw/00000.png"].modified
    assert raw.newest == store.objects["b", "proj/raw/00029.png"].modified


async def test_more_prefixes_than_memory_wants_go_into_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "GROUPS_KEPT", 3)
    store = FakeStore()
    for number in range(10):
        store.put(f"s3://b/proj/{number}/a.txt", b"1")
    found = await summarize(store, HERE, ignore)
    assert len(found.groups) == 4
    assert sum(figures.objects for figures in found.groups.values()) == found.total.objects == 10
    assert prefixes_of(found)[-1].prefix == "…"


async def test_one_level_and_every_object() -> None:
    store = filled(objects=2)
    store.page_keys = 2
    told: list[Any] = []
    assert await list_level(store, HERE, told.append) == 3
    assert sorted(item.key if isinstance(item, ObjectListed) else item.prefix for item in told) == [
        "models/",
        "proj/README.md",
        "raw/",
    ]
    assert all(item.objects is None for item in told if isinstance(item, PrefixSummed))
    told.clear()
    summary = Summary(len(HERE.key))
    await list_objects(store, HERE, told.append, summary)
    assert [item.key for item in told] == sorted(item.key for item in told)
    assert summary.total.objects == len(told) == 4


class Repeating(FakeStore):
    """Each page after the first goes on where it was itself asked to."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request)
        return page._replace(next_token=request.token) if request.token else page


class Scripted(FakeStore):
    """Lists the pages that it was given, in turn."""

    def __init__(self, *pages: Page) -> None:
        super().__init__()
        self._pages = list(pages)

    async def list_page(self, request: ListPage) -> Page:
        return self._pages.pop(0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Page([], "t", ("proj/b/", "proj/a/")), Page([])),
        (Page([], "t", ("proj/a/", "proj/b/")), Page([], None, ("proj/b/",))),
        (Page([], "t", ("elsewhere/",)), Page([])),
        (Page([ListedObject("proj/b", 1, "e", "")], "t"), Page([ListedObject("proj/a", 1, "e", "")])),
    ],
)
async def test_a_level_that_is_not_in_order_is_refused(first: Page, second: Page) -> None:
    with pytest.raises(ListingBroken, match="cannot be used"):
        await list_level(Scripted(first, second), HERE, lambda item: None)


async def test_a_page_of_a_level_may_be_empty_and_go_on() -> None:
    store = Scripted(Page([], "t"), Page([ListedObject("proj/a", 1, "e", "")], None, ("proj/b/",)))
    assert await list_level(store, HERE, lambda item: None) == 2


@pytest.mark.parametrize("compared", [False, True])
@pytest.mark.parametrize(
    "act",
    [
        lambda store, tell: list_objects(store, HERE, tell, Summary(len(HERE.key))),
        lambda store, tell: list_level(store, HERE, tell),
    ],
)
async def test_a_server_that_repeats_its_token_is_not_listed_for_ever(act: Any, compared: bool) -> None:
    store = Repeating()
    store.page_keys = 2
    for number in range(6):
        store.put(f"s3://b/proj/{number}")
    told: list[Any] = []

    def tell(item: Any) -> None:
        told.append(item.key)
        assert len(told) == len(set(told)), "a page was told twice"

    with pytest.raises(ListingBroken, match="repeats its continuation token"):
        await act(listing_all(store, KnownTraits(store, trusted=False), ignore) if compared else store, tell)


@pytest.mark.parametrize(
    ("tokens", "why"), [("AB", "repeats its continuation token"), ("", "10 pages without anything follow each other")]
)
@pytest.mark.parametrize(
    "act",
    [
        lambda store, tell: list_objects(store, HERE, tell, Summary(len(HERE.key))),
        lambda store, tell: list_level(store, HERE, tell),
    ],
)
async def test_a_server_that_never_ends_is_not_listed_for_ever(
    act: Any, tokens: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "EMPTY_PAGES", 10)
    store = Scripted(*(Page([], token) for token in tokens * 10 or map(str, range(20))))
    with pytest.raises(ListingBroken, match=why):
        await act(store, lambda item: None)


class Forgetting(FakeStore):
    """Every other of its tokens is refused."""

    async def list_page(self, request: ListPage) -> Page:
        page = await super().list_page(request)
        if request.token is not None and len(self.requests) % 2:
            raise Rejected("the continuation token provided is incorrect", operation="ListObjectsV2")
        return page


async def test_where_a_server_forgets_its_token_the_newest_key_says_as_much() -> None:
    store = Forgetting(page_keys=2)
    for number in range(9):
        store.put(f"s3://b/proj/{number}")
    told: list[Any] = []
    await list_objects(store, HERE, told.append, Summary(len(HERE.key)))
    assert [item.key for item in told] == [f"proj/{number}" for number in range(9)]
    asked = [(request.start_after, request.token is not None) for request in store.made("ListObjectsV2")]
    assert asked[:4] == [("", False), ("", True), ("", True), ("proj/3", False)]


@pytest.mark.parametrize("page_keys", [2, 3])
async def test_a_level_goes_on_after_its_newest_name_where_a_server_forgets_its_token(page_keys: int) -> None:
    store = Forgetting(page_keys=page_keys)
    names = ["0", "1/", "2/", "3", "4/", "5/", "6", "7/", "8/"]
    for name in names:
        for end in "xyz" if name.endswith("/") else [""]:
            store.put(f"s3://b/proj/{name}{end}")
    told: list[Any] = []
    assert await list_level(store, HERE, told.append) == len(names)
    shown = [item.prefix if isinstance(item, PrefixSummed) else item.key.removeprefix("proj/") for item in told]
    assert sorted(shown) == names
    began = [request.start_after for request in store.made("ListObjectsV2") if request.token is None]
    assert began[0] == "" and any(name.endswith("/") for name in began)


async def test_what_a_server_refuses_from_a_key_on_too_ends_the_listing() -> None:
    class Refusing(FakeStore):
        async def list_page(self, request: ListPage) -> Page:
            page = await super().list_page(request)
            if request.token is not None or request.start_after:
                raise Rejected("no", operation="ListObjectsV2")
            return page

    store = Refusing(page_keys=2)
    for number in range(5):
        store.put(f"s3://b/proj/{number}")
    with pytest.raises(Rejected):
        await list_objects(store, HERE, lambda item: None, Summary(len(HERE.key)))
    assert len(store.requests) == 3


async def test_one_exact_key_is_that_key_alone() -> None:
    store = filled(objects=1)
    store.put("s3://b/proj/README.md.bak")
    told: list[Any] = []
    assert await list_level(store, Location("b", "proj/README.md"), told.append) == 1
    assert [item.key for item in told] == ["proj/README.md"]
    assert await list_level(store, Location("b", "proj/READ"), told.append) == 0


@pytest.mark.parametrize(("key", "prefix"), [("proj/a", ""), ("proj/a/b/c", "a/"), ("proj//x", "/"), ("proj/", "")])
def test_first_level(key: str, prefix: str) -> None:
    assert first_level(key, len("proj/")) == prefix


# --- deleting -------------------------------------------------------------------------------------------------------


async def test_exactly_the_snapshot_goes_and_what_arrived_later_is_left_and_said(doomed: Doomed) -> None:
    assert (await doomed.snapshot()).total.objects == 32
    doomed.store.put("s3://b/proj/raw/late.png")
    doomed.store.put("s3://b/proj/new/later.txt")
    report = await doomed.delete()
    assert (report.deleted, report.stayed, report.arrived) == (32, 0, 2)
    assert report.first_arrived == ["proj/new/later.txt", "proj/raw/late.png"]
    assert doomed.store.keys("s3://b/proj/") == ["new/later.txt", "raw/late.png"]
    assert doomed.store.keys("s3://b/project2/") == ["beside.txt"]
    assert all(etag for name, r in doomed.store.requests if name == "DeleteObjects" for _, etag in r.keys)


async def test_an_object_replaced_since_the_snapshot_stays(doomed: Doomed) -> None:
    await doomed.snapshot()
    doomed.store.put("s3://b/proj/README.md", b"rewritten")
    report = await doomed.delete()
    assert (report.deleted, report.kept, report.arrived) == (31, {"changed": 1}, 0)
    assert doomed.store.keys("s3://b/proj/") == ["README.md"]
    again = await doomed.delete()  # not taken up again: it is another object now, and no less left for that
    assert (again.deleted, again.kept, again.is_whole) == (0, {"changed": 1}, False)


async def test_what_was_put_there_since_with_the_same_bytes_arrived_later(doomed: Doomed) -> None:
    await doomed.snapshot()
    doomed.store.now_s += 60
    for key in ("README.md", "raw/00007.png"):
        held = doomed.store.objects["b", f"proj/{key}"]
        doomed.store.put(f"s3://b/proj/{key}", held.body)
    asked = len(doomed.store.requests)
    report = await doomed.delete()
    assert (report.deleted, report.kept) == (30, {"changed": 2})
    assert doomed.store.keys("s3://b/proj/") == ["README.md", "raw/00007.png"]
    looks = [name for name, _ in doomed.store.requests[asked:]]
    assert looks.index("ListObjectsV2") < looks.index("DeleteObjects")
    assert looks.count("HeadObject") <= 2  # the first of a batch, which no listing shows: none an object


@pytest.mark.parametrize("carried_out", [False, True])
async def test_killed_in_the_middle_it_goes_on(doomed: Doomed, carried_out: bool) -> None:
    class Killed(BaseException):
        pass

    await doomed.snapshot()

    def kill(operation: str, request: Any) -> None:
        if operation == "DeleteObjects":
            for key, _ in request.keys if carried_out else ():
                doomed.store.objects.pop(("b", key))
            raise Killed

    doomed.store.before = kill
    with pytest.raises(Killed):
        await doomed.delete()
    assert await doomed.states() == {Row.DELETING: 32}
    doomed.store.before = None
    assert (await doomed.delete()).stayed == 0
    assert doomed.store.keys("s3://b/proj/") == []
    assert await doomed.states() == {Row.DELETED: 32}


async def test_a_listing_that_fails_leaves_no_snapshot(doomed: Doomed) -> None:
    doomed.store.page_keys = 3
    pages = 0

    def fail_late(operation: str, request: Any) -> None:
        nonlocal pages
        pages += operation == "ListObjectsV2"
        if pages == 4:
            raise Ambiguous("reset", operation="ListObjectsV2")

    doomed.store.before = fail_late
    with pytest.raises(Ambiguous):
        await doomed.snapshot()
    async with await doomed.open() as listed:
        assert await listed.taken_ms() is None


async def test_a_new_snapshot_forgets_the_old_one(doomed: Doomed) -> None:
    await doomed.snapshot()
    doomed.store.remove("s3://b/proj/README.md")
    assert (await doomed.snapshot()).total.objects == 31
    async with await doomed.open() as listed:
        assert (await summary_of(listed, HERE)).total.objects == 31


async def test_reading_far_into_a_list_costs_what_its_beginning_costs(
    doomed: Doomed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion_list, "ROWS_A_READ", 10)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    async with await doomed.open() as listed:
        await listed.add(ListedObject(f"proj/{number:05}", 1, "e", "") for number in range(2_000))
        await listed._writer.do(lambda connection: connection.set_progress_handler(step, 1))
        costs = []
        for after in ("", "proj/01900"):
            steps = 0
            assert len(await listed.rows(after, OPEN)) == 10
            costs.append(steps)
    assert costs[1] < 2 * costs[0]


async def test_reading_a_list_that_is_there_is_told_as_that_and_how_far_it_is(
    doomed: Doomed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion_list, "ROWS_A_READ", 20)
    await doomed.snapshot()
    heard: list[Event] = []
    listing = partial(listed_under, doomed.store, HERE)
    async with await doomed.open() as listed:
        await listed.set_states([("proj/README.md", Row.DELETED)])
        found = await snapshot_of(listing, HERE, listed, NO_FACTS, heard.append, again=False, confirmed=False)
    assert (found.summary.total.objects, found.deleted_before) == (31, 1)
    assert heard == [
        Doing("reading the list"),
        Looking(31, listing_done=True, done=20),
        Looking(31, listing_done=True, done=31),
    ]


async def test_denied_keys_stay_and_are_taken_up_by_the_next_run(doomed: Doomed) -> None:
    await doomed.snapshot()
    doomed.store.denied = lambda key: "raw/" in key
    report = await doomed.delete()
    assert (report.deleted, report.kept) == (2, {"denied": 30})
    doomed.store.denied = lambda key: False
    assert (await doomed.delete()).deleted == 30


@pytest.mark.parametrize("condition", [Condition.BATCH, Condition.SINGLE])
async def test_a_bucket_that_keeps_versions_stops_it_unless_accepted(doomed: Doomed, condition: Condition) -> None:
    await doomed.snapshot()
    doomed.store.versioning = "Enabled"
    report = await doomed.delete(condition=condition)
    assert report.markers and report.stopped
    assert not (await doomed.delete(markers_accepted=frozenset({"b"}))).stopped


async def test_out_of_reach_it_stops_and_keeps_what_it_knows(doomed: Doomed) -> None:
    await doomed.snapshot()
    doomed.store.plan("DeleteObjects", ("before", Unreachable("no network", operation="DeleteObjects")))
    with pytest.raises(Unreachable):
        await doomed.delete()
    assert (await doomed.delete()).deleted == 32


async def test_the_list_is_private_locked_and_of_one_location(doomed: Doomed) -> None:
    async with await doomed.open():
        assert stat.S_IMODE(doomed.path.stat().st_mode) == 0o600
        with pytest.raises(LedgerLocked):
            await doomed.open()
    with pytest.raises(LedgerMismatch, match="of another deletion"):
        await doomed.open(Location("b", "other/"))
    with pytest.raises(LedgerMismatch):
        await doomed.open(endpoint="https://elsewhere")


async def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(LedgerCorrupt):
        await DeletionList.open(path, "s3://b/proj/", "https://s3")


async def test_who_finds_a_deletion_at_work_is_told_to_wait_and_not_to_look_at_a_ledger(tmp_path: Path) -> None:
    path = tmp_path / "d.deletion"
    async with await DeletionList.open(path, "s3://b/proj/", "https://s3"):
        with pytest.raises(LedgerLocked) as refused:
            await DeletionList.open(path, "s3://b/proj/", "https://s3")
    assert refused.value.advice == "Wait for it, then run the same command again: it deletes what is left then."


async def test_keys_of_every_kind_come_back_as_they_were(tmp_path: Path) -> None:
    store = FakeStore()
    keys = ["proj/a b", "proj/a\x01b", "proj/é", "proj/🐦", "proj/%41", "proj//x", "proj/..", "proj/-"]
    for key in keys:
        store.put(f"s3://b/{key}", key.encode())
    doomed = Doomed(store, tmp_path)
    await doomed.snapshot()
    assert (await doomed.delete()).deleted == len(keys)
    assert store.keys("s3://b/") == []
