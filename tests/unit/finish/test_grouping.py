"""What is under a location, summed up by class, age, suffix or tag, with what it costs in a month."""

from __future__ import annotations

import pytest

from engine.errors import AccessDenied, RunError, UsageError
from engine.events import GroupSummed
from engine.finish import project
from engine.finish.grouping import ByTag, Group, Odd, grouping, suffix_of
from engine.finish.project import Summary, summarize
from engine.model import FILE_SITE, GIB, ListedObject, Location, Properties
from tests.fake_store import FakeStore

HERE = Location("b", "proj/")
NOW_MS = 1_798_761_600_000  # 2027-01-01


def ignore(event: object) -> None:
    assert event is not None


def listed(key: str = "proj/a", modified: str = "2026-12-31T00:00:00.000Z", storage_class: str = "") -> ListedObject:
    return ListedObject(key, 1, "e", modified, storage_class)


async def group_of(by: str, item: ListedObject) -> Group:
    (found,) = await grouping(by, HERE, FakeStore(), 8, NOW_MS).groups_of([item])
    return found


@pytest.mark.parametrize(
    ("key", "group"),
    [
        ("proj/a.PNG", ".png"),
        ("proj/v1.2/model", Odd.NONE),  # a dot of the folder is none of the name
        ("proj/model.tar.gz", ".gz"),
        ("proj/.bashrc", Odd.NONE),
        ("proj/ends.", Odd.NONE),
        ("proj/folder/", Odd.NONE),
    ],
)
def test_the_suffix_is_what_follows_the_last_dot_of_a_name(key: str, group: Group) -> None:
    assert suffix_of(listed(key)) == group


@pytest.mark.parametrize(
    ("modified", "group"),
    [
        ("2026-12-31T00:00:00.000Z", "under 30 days"),
        ("2026-12-02T00:00:00.000Z", "under 30 days"),
        ("2026-12-01T23:59:59.000Z", "30 to 90 days"),
        ("2026-08-01T00:00:00Z", "90 to 180 days"),
        ("2026-02-01T00:00:00Z", "180 days to a year"),
        ("2020-01-01T00:00:00Z", "over a year"),
        ("", Odd.NONE),
    ],
)
async def test_an_age_is_counted_from_the_last_write(modified: str, group: Group) -> None:
    assert await group_of("age", listed(modified=modified)) == group


async def test_by_class_and_by_prefix() -> None:
    assert await group_of("class", listed(storage_class="GLACIER_IR")) == "GLACIER_IR"
    assert await group_of("class", listed(storage_class="")) == "STANDARD"
    assert await group_of("prefix", listed("proj/raw/a")) == "raw/"


@pytest.mark.parametrize("by", ["tag", "tag=", "size", "tags=x"])
def test_what_nothing_is_summed_up_by_is_refused(by: str) -> None:
    with pytest.raises(UsageError, match="not summed up by"):
        grouping(by, HERE, FakeStore(), 8, NOW_MS)


def test_files_have_no_tags() -> None:
    with pytest.raises(UsageError, match="files have no tags"):
        grouping("tag=team", Location("/folder", "", FILE_SITE), FakeStore(), 8, NOW_MS)


def tagged() -> FakeStore:
    store = FakeStore()
    for number, value in enumerate(["cards", "cards", "", None]):
        tags = (("team", value), ("x", "y")) if value is not None else (("x", "y"),)
        store.put(f"s3://b/proj/{number}", 10 + number, properties=Properties(tags=tags))
    return store


async def test_by_tag_each_object_is_asked_for_its_own() -> None:
    store = tagged()
    groups = grouping("tag=team", HERE, store, 2, NOW_MS)
    assert isinstance(groups, ByTag)
    found = await summarize(store, HERE, ignore, Summary(len(HERE.key), "tag=team"), groups)
    # An empty value is a value, and no such tag is a row of its own.
    assert {group: (item.objects, item.bytes) for group, item in found.sorted()} == {
        "cards": (2, 21),
        Odd.NONE: (1, 13),
        "": (1, 12),
    }
    assert (groups.asked, groups.unread, store.counts["GetObjectTagging"]) == (4, "", 4)


async def test_tags_that_cannot_be_read_are_not_the_same_as_none() -> None:
    store = tagged()
    denied = AccessDenied("no.", operation="GetObjectTagging", code="AccessDenied")
    store.plan("GetObjectTagging", ("before", denied), key="proj/0")
    groups = grouping("tag=team", HERE, store, 8, NOW_MS)
    assert isinstance(groups, ByTag)
    found = await summarize(store, HERE, ignore, Summary(len(HERE.key), "tag=team"), groups)
    assert found.groups[Odd.UNREAD].objects == 1 and found.groups["cards"].objects == 1
    assert groups.unread.startswith("s3://b/proj/0: the tags of this object may not be read")


async def test_an_object_that_went_since_it_was_listed_counts_as_unread() -> None:
    store = tagged()
    (found,) = await grouping("tag=team", HERE, store, 8, NOW_MS).groups_of([listed("proj/gone")])
    assert found is Odd.UNREAD


async def test_what_stops_a_run_stops_it() -> None:
    store = tagged()
    ended = RunError("signed wrongly.", operation="GetObjectTagging", code="X")
    store.plan("GetObjectTagging", ("before", ended), key="proj/0")
    with pytest.raises(BaseExceptionGroup):
        await grouping("tag=team", HERE, store, 8, NOW_MS).groups_of([listed("proj/0")])


async def test_dollars_are_those_of_each_class_and_what_has_none_is_counted() -> None:
    summary = Summary(len(HERE.key), "class")
    objects = [
        ListedObject("proj/a", GIB, "e", "2026", "STANDARD"),
        ListedObject("proj/b", GIB, "e", "2026", "GLACIER_IR"),
        ListedObject("proj/c", GIB, "e", "2026", "COLD_AT_HOME"),
    ]
    summary.add(objects, ["STANDARD", "GLACIER_IR", "COLD_AT_HOME"])
    events = [event for event in summary.events() if isinstance(event, GroupSummed)]
    assert {event.group: (round(event.dollars_a_month, 4), event.unpriced) for event in events} == {
        "STANDARD": (0.023, 0),
        "GLACIER_IR": (0.004, 0),
        "COLD_AT_HOME": (0.0, 1),
    }
    assert (round(summary.total.dollars, 4), summary.total.unpriced) == (0.027, 1)


def test_groups_stand_by_what_a_table_is_read_for() -> None:
    by_suffix, by_age = Summary(0, "suffix"), Summary(0, "age")
    by_suffix.add([ListedObject("a", size, "e", "2026") for size in (1, 3, 2)], [".a", ".b", Odd.NONE])
    assert [group for group, _ in by_suffix.sorted()] == [".b", Odd.NONE, ".a"]
    by_age.add([listed(), listed(modified=""), listed()], ["over a year", Odd.NONE, "under 30 days"])
    assert [group for group, _ in by_age.sorted()] == ["under 30 days", "over a year", Odd.NONE]
    assert by_age.total.oldest == by_age.total.newest == listed().modified


def test_more_groups_than_memory_wants_go_into_one_that_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "GROUPS_KEPT", 2)
    summary = Summary(0, "suffix")
    summary.add([ListedObject("a", size, "e", "2026") for size in range(5)], [".a", ".b", ".c", ".d", ".e"])
    events = [event for event in summary.events() if isinstance(event, GroupSummed)]
    assert (events[-1].group, events[-1].odd, events[-1].objects) == ("", "others", 3)


def test_what_was_not_read_or_has_no_tag_stays_so_beside_more_groups_than_memory_wants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(project, "GROUPS_KEPT", 2)
    summary = Summary(0, "tag=team")
    summary.add([ListedObject("a", 1, "e", "2026")] * 6, ["a", "b", "c", Odd.UNREAD, Odd.UNREAD, Odd.NONE])
    found = {group: figures.objects for group, figures in summary.groups.items()}
    assert found == {"a": 1, "b": 1, Odd.OTHERS: 1, Odd.UNREAD: 2, Odd.NONE: 1}
