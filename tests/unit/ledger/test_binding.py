"""What a ledger is bound to, and that each way of being something else is refused in a sentence of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LedgerMismatch
from engine.ledger import Binding, Ledger, SiteBinding
from engine.ledger.binding import differences, learned
from engine.model import FILE_SITE
from engine.plan.binding import RouteBinding, folder_identity
from tests.unit.ledger.scene import BINDING, MODEL, RAW, Clock, decision, opened, query


def changed(**values: Any) -> Binding:
    return dataclasses.replace(BINDING, **values)


def route(of: RouteBinding, **values: str) -> RouteBinding:
    return of._replace(**values)


OWNED = changed(buckets=(("bucket", "111122223333"),))

NEAR = SiteBinding("near", "http://127.0.0.1:9000", (("bucket", "111122223333"),))
FOLDER = SiteBinding("file", "", (("/data/x", "disk 1, folder 2"),))
BETWEEN = changed(sites=(NEAR, FOLDER))

DIFFERENCES = [
    (BINDING, changed(plan_name="other"), ["it belongs to the plan 'moving', not 'other'"]),
    (
        BINDING,
        changed(endpoint="http://127.0.0.1:9000"),
        ["it was made on https://s3.us-east-2.amazonaws.com, and this is http://127.0.0.1:9000"],
    ),
    (
        OWNED,
        changed(buckets=(("bucket", "444455556666"),)),
        ["the bucket bucket belonged to 111122223333, and belongs to 444455556666 now"],
    ),
    (
        BINDING,
        changed(routes=(route(RAW, source="s3://bucket/other/"), MODEL)),
        ['the source of "raw" was s3://bucket/data/raw/, and is s3://bucket/other/ now'],
    ),
    (
        BINDING,
        changed(routes=(route(RAW, target="s3://bucket/other/"), MODEL)),
        ['the target of "raw" was s3://bucket/project/data/raw/, and is s3://bucket/other/ now'],
    ),
    (
        BINDING,
        changed(routes=(route(RAW, digest="rules-9"), MODEL)),
        ['what route "raw" takes, or gives its copies, has changed'],
    ),
    (BINDING, changed(routes=(RAW,)), ['the route "model" is in the ledger and not in the plan']),
    (
        BINDING,
        changed(routes=(RAW, MODEL, RouteBinding("more", "s3://a/b/", "s3://a/c/", ""))),
        ['the route "more" is in the plan and not in the ledger'],
    ),
    (
        BINDING,
        changed(plan_name="other", routes=(route(RAW, source="s3://x/", target="s3://y/", digest=""),)),
        [
            "it belongs to the plan 'moving', not 'other'",
            'the route "model" is in the ledger and not in the plan',
            'the source of "raw" was s3://bucket/data/raw/, and is s3://x/ now',
            'the target of "raw" was s3://bucket/project/data/raw/, and is s3://y/ now',
            'what route "raw" takes, or gives its copies, has changed',
        ],
    ),
    (
        BETWEEN,
        changed(sites=(NEAR._replace(endpoint="http://127.0.0.1:9001"), FOLDER)),
        ['the site "near" was at http://127.0.0.1:9000, and this is http://127.0.0.1:9001'],
    ),
    (
        BETWEEN,
        changed(sites=(NEAR._replace(buckets=(("bucket", "444455556666"),)), FOLDER)),
        ['the bucket bucket of the site "near" belonged to 111122223333, and belongs to 444455556666 now'],
    ),
    (
        BETWEEN,
        changed(sites=(NEAR, FOLDER._replace(buckets=(("/data/x", "disk 1, folder 3"),)))),
        ["the folder /data/x was disk 1, folder 2, and is another one now, disk 1, folder 3"],
    ),
    (
        BETWEEN,
        changed(sites=(NEAR._replace(name="far"), FOLDER)),
        [
            'the site "far" is in the plan and not in the ledger',
            'the site "near" is in the ledger and not in the plan',
        ],
    ),
    (
        changed(machine="one (1a2b3c4d)"),
        changed(machine="other (5e6f7a8b)"),
        ["its folders are those of the machine one (1a2b3c4d), and this is other (5e6f7a8b)"],
    ),
    (BINDING, changed(sites=(NEAR,)), ['the site "near" is in the plan and not in the ledger']),
]


@pytest.mark.parametrize(("bound", "wanted", "lines"), DIFFERENCES, ids=range(len(DIFFERENCES)))
def test_each_difference_has_its_sentence(bound: Binding, wanted: Binding, lines: list[str]) -> None:
    assert differences(bound, wanted) == lines


def test_the_same_is_no_difference_and_an_owner_that_is_not_known_is_none_either() -> None:
    assert differences(BINDING, BINDING) == []
    assert differences(OWNED, BINDING) == []
    assert differences(BINDING, OWNED) == []
    assert differences(changed(machine="one"), BINDING) == []
    assert differences(BINDING, changed(routes=(MODEL, RAW))) == []


IN_FOLDER = RouteBinding("clone", "s3://bucket/data/", "/data/x/", "rules-1")
OUT_OF_FOLDER = RouteBinding("clone", "/data/x/", "s3://bucket/data/", "rules-1")
BETWEEN_FOLDERS = RouteBinding("clone", "/data/x/", "/data/y/", "rules-1")


@pytest.mark.parametrize("bound", ["", "skip"])
@pytest.mark.parametrize("wanted", ["follow", "keep"])
@pytest.mark.parametrize("of", [IN_FOLDER, OUT_OF_FOLDER, BETWEEN_FOLDERS], ids=["in", "out", "between"])
def test_links_that_were_set_aside_may_be_taken_where_none_was_written_as_text(
    of: RouteBinding, bound: Any, wanted: Any
) -> None:
    """S3's objects that are links by their metadata were, into a folder: by the ledger they would be proven copies."""
    was, now = changed(routes=(of,), links=bound), changed(routes=(of,), links=wanted)
    is_refused = of is IN_FOLDER and wanted == "keep"
    assert learned(was, now).links == (bound if is_refused else wanted)
    lines = differences(was, now)
    assert len(lines) == is_refused and all("are to be links now (--links keep)" in line for line in lines)


def test_a_binding_comes_back_from_its_text_as_it_was() -> None:
    odd = changed(plan_name='"quoted" \n ü', routes=(route(RAW, source="s3://bucket/a\tb/"),))
    for binding in (BINDING, OWNED, BETWEEN, odd, changed(machine="one (1a2b3c4d)")):
        assert Binding.from_text(binding.text) == binding


def test_a_ledger_from_before_there_were_sites_is_one_of_the_plans_own_connection() -> None:
    text = (
        '{"plan": "moving", "endpoint": "https://s3.us-east-2.amazonaws.com", "routes": '
        '[["raw", "s3://bucket/data/raw/", "s3://bucket/project/data/raw/", "rules-1"]], '
        '"buckets": [["bucket", "111122223333"]]}'
    )
    assert Binding.from_text(text) == changed(routes=(RAW,), buckets=(("bucket", "111122223333"),))
    assert Binding.from_text(text).text == text


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"plan": 1}', BINDING.text.replace('"routes"', '"sites": [1], "routes"')]
)
def test_what_no_binding_ever_was_is_told_from_one(text: str) -> None:
    with pytest.raises(ValueError, match="not a binding"):
        Binding.from_text(text)


def test_an_owner_is_learned_at_its_own_site_alone() -> None:
    unknown = changed(sites=(NEAR._replace(buckets=(("bucket", ""),)),))
    assert learned(unknown, changed(sites=(NEAR,))).sites == (NEAR,)
    assert learned(unknown, OWNED).sites == unknown.sites


async def test_a_ledger_that_holds_something_refuses_another_binding_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
    for bound, wanted, lines in DIFFERENCES:
        if bound is not BINDING:
            continue
        with pytest.raises(LedgerMismatch) as refused:
            await Ledger.open(path, wanted, now_ms=Clock())
        assert refused.value.message.split("\n") == [
            f"the ledger {path} is bound to something else:",
            *(f"  - {line}" for line in lines),
        ]
        assert "or start a new ledger with --ledger" in refused.value.advice
    async with opened(path) as ledger:
        assert await ledger.binding() == BINDING
        assert [entry.key for entry in await ledger.entries("raw", None, None, 10)] == ["a"]


async def test_an_owner_that_becomes_known_is_kept_and_binds_from_then_on(tmp_path: Path) -> None:
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.decide("raw", [decision("a")])
    async with opened(path, OWNED) as ledger:
        assert await ledger.binding() == OWNED
    async with opened(path) as ledger:  # someone who may not ask
        assert await ledger.binding() == OWNED
    with pytest.raises(LedgerMismatch, match="belonged to 111122223333, and belongs to 444455556666 now"):
        await Ledger.open(path, changed(buckets=(("bucket", "444455556666"),)), now_ms=Clock())


async def test_a_ledger_that_holds_nothing_yet_is_bound_anew(tmp_path: Path) -> None:
    """After a plan that was looked at, found to name the wrong bucket, and mended."""
    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        await ledger.set_note("survey", {"raw": 0})
        await ledger.open_snapshot("raw")
    mended = changed(
        endpoint="http://127.0.0.1:9000", routes=(route(RAW, source="s3://right/data/"),), buckets=(("right", ""),)
    )
    async with opened(path, mended) as ledger:
        assert await ledger.binding() == mended
        assert await ledger.note("survey") is None
        assert [(item.route, item.opened_ms) for item in await ledger.snapshots()] == [("raw", 0)]
    assert query(path, "SELECT name, source FROM routes") == [("raw", "s3://right/data/")]


@pytest.mark.parametrize("what", ["upload", "acceptance", "kept"])
async def test_what_a_person_or_an_upload_left_binds_as_much_as_objects_do(tmp_path: Path, what: str) -> None:
    from tests.unit.ledger.scene import upload

    path = tmp_path / "moving.ledger"
    async with opened(path) as ledger:
        if what == "upload":
            await ledger.intend_upload(upload("a"))
        elif what == "acceptance":
            await ledger.accept("raw.objects", "3", "two a card")
        else:
            await ledger.keep("manifest", "s3://bucket/m.json", "e", b"{}")
    with pytest.raises(LedgerMismatch):
        await Ledger.open(path, changed(plan_name="other"), now_ms=Clock())


def of_folder(identity: str) -> Binding:
    return changed(sites=(SiteBinding(FILE_SITE, "", (("/mnt/usb/", identity),)),))


DISK, OTHER = "f0f0f0f0-0000-4000-8000-000000000001", "f0f0f0f0-0000-4000-8000-000000000002"


def test_a_disk_is_known_by_its_uuid_wherever_it_is_plugged_in() -> None:
    bound = of_folder(folder_identity(128, 0x701, DISK))
    assert differences(bound, of_folder(folder_identity(128, 0x702, DISK))) == []
    assert len(differences(bound, of_folder(folder_identity(128, 0x701, OTHER)))) == 1
    assert len(differences(bound, of_folder(folder_identity(129, 0x701, DISK)))) == 1


def test_where_no_uuid_is_told_any_more_the_number_counts() -> None:
    bound = of_folder(folder_identity(128, 0x701, DISK))
    assert differences(bound, of_folder(folder_identity(128, 0x701, ""))) == []
    assert len(differences(bound, of_folder(folder_identity(128, 0x702, "")))) == 1
    assert learned(bound, of_folder(folder_identity(128, 0x701, ""))) == bound


def test_a_ledger_of_before_learns_the_uuid_while_the_number_still_tells() -> None:
    old, new = of_folder("inode 128 of file system 701"), of_folder(folder_identity(128, 0x701, DISK))
    assert differences(old, new) == []
    assert learned(old, new) == new
    elsewhere = of_folder(folder_identity(128, 0x702, DISK))
    assert len(differences(old, elsewhere)) == 1
    assert learned(new, elsewhere) == new  # as its receipts say
    assert of_folder(folder_identity(128, 0x701, "")) == old
