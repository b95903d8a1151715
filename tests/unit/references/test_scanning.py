"""What a scan for old paths, and an undo, do with files that are not as one would wish."""

from __future__ import annotations

import bz2
import errno
import gc
import gzip
import io
import itertools
import lzma
import pathlib
import pickle
import sqlite3
import tracemalloc
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UsageError
from engine.ledger import Binding, Ledger
from engine.model import Proof, Properties
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision, Outcome
from engine.references import rewriting, scanning
from engine.references.local_files import Skipped, walk
from engine.references.packed import Unreadable, unpacked
from engine.references.replacing import Restored
from engine.references.scanning import Scan, Scanner
from engine.references.undoing import RestoredFile, all_back
from engine.s3.asked import body_of
from engine.sites.sites import Sites
from engine.store import Body, GetRange
from tests.fake_store import FakeStore, sites_of

PLAN = """
name = "p"
bucket = "cards"
prefix = "new/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[references]
scan = ["./notes/"]
"""
OLD = b"s3://cards/data/raw/a.png"


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "notes").mkdir()
    return Plan.parse(PLAN, source=str(tmp_path / "p.toml"))


def binding_of(plan: Plan) -> Binding:
    return Binding("p", "e", plan.binding_routes)


@pytest.fixture
async def ledger(tmp_path: Path, plan: Plan) -> AsyncIterator[Ledger]:
    async with await Ledger.open(tmp_path / "p.ledger", binding_of(plan), now_ms=lambda: 1) as opened:
        await opened.decide("raw", [copied("a.png")])
        yield opened


def copied(key: str) -> Decision:
    return Decision(key, 1, "e", "", "STANDARD", "", State.COPIED, target_etag="e", found=True)


async def scanned(plan: Plan, ledger: Ledger) -> Scan:
    return await Scanner(sites_of(FakeStore()), ledger, plan).run()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("latin.txt", "s3://cards/data/raw/caf\u00e9.png\n".encode("latin-1")),
        ("lone.json", rb'{"at": "s3://cards/data/raw/\ud800.png"}'),
    ],
)
async def test_a_name_that_no_object_can_have_is_a_place_left_alone(
    plan: Plan, ledger: Ledger, tmp_path: Path, name: str, body: bytes
) -> None:
    """The ledger is not asked for it, and is not called damaged; what else is in the folder is found."""
    (tmp_path / "notes" / name).write_bytes(body)
    (tmp_path / "notes" / "z.txt").write_bytes(OLD)
    scan = await scanned(plan, ledger)
    left, changed = scan.files
    assert [item.why for item in left.findings] == ['no object of this name was moved by route "raw"']
    assert not left.changes and changed.after == b"s3://cards/new/data/raw/a.png"
    assert scan.places == 2 and scan.figure.startswith("2:")


async def test_what_is_read_of_files_that_change_is_not_kept_in_memory(
    plan: Plan, ledger: Ledger, tmp_path: Path
) -> None:
    """A scan may come by more of them than a machine has of it. What is shown and written is still what was read."""
    body = OLD + b"\n" + b"lorem ipsum\n" * 20_000
    for number in range(6):  # each line is looked at while memory is traced
        (tmp_path / "notes" / f"{number}.txt").write_bytes(body)
    tracemalloc.start()
    try:
        scan = await scanned(plan, ledger)
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()  # with what Python keeps of modules that were first used here
    finally:
        tracemalloc.stop()
    assert held < 3 * len(body), f"{held} bytes are held of 6 files of {len(body)}"
    assert {file.before for file in scan.files} == {body} and len(scan.files) == 6
    assert {file.after for file in scan.files} == {body.replace(b"cards/", b"cards/new/", 1)}


async def test_a_folder_that_lies_in_no_other_costs_no_memory_for_a_file(
    plan: Plan, ledger: Ledger, tmp_path: Path
) -> None:
    """Which files were met is remembered only where one could be met twice."""
    for number in range(2_000):
        (tmp_path / "notes" / f"{'n' * 200}{number}").touch()
    scanner = Scanner(sites_of(FakeStore()), ledger, plan)
    tracemalloc.start()
    try:
        assert (await scanner.run()).looked == 2_000
        gc.collect()
        table = tracemalloc.Filter(False, pathlib.__file__)  # Python's own, of names, which has once grown
        held = sum(item.size for item in tracemalloc.take_snapshot().filter_traces([table]).statistics("filename"))
    finally:
        tracemalloc.stop()
    assert held < 2_000 * 100, f"{held} bytes are held of 2,000 files"


async def test_what_a_gate_counts_has_the_figure_of_what_was_shown(plan: Plan, ledger: Ledger, tmp_path: Path) -> None:
    """It keeps none of the places, and knows how many there are and which is the first."""
    (tmp_path / "notes" / "b.txt").write_bytes(OLD + b"\n" + OLD)
    (tmp_path / "notes" / "a.md").write_bytes(b"\nsee data/raw/\n")
    (tmp_path / "notes" / "out").symlink_to("/")
    shown = await scanned(plan, ledger)
    counted = await Scanner(sites_of(FakeStore()), ledger, plan, only_counted=True).run()
    assert counted.files == [] and counted.places == shown.places == 4
    assert counted.first == shown.first == "./notes/a.md:2 data/raw/"
    assert counted.figure == shown.figure
    left = shown.left_after({"./notes/b.txt"})
    assert left.places == 2 and left.figure not in (shown.figure, "")


async def test_what_is_not_what_was_kept_is_not_written(plan: Plan, ledger: Ledger, tmp_path: Path) -> None:
    notes = tmp_path / "notes" / "a.txt"
    notes.write_bytes(OLD)
    scan = await scanned(plan, ledger)
    (file,) = scan.files
    assert file.contents is not None
    spoiled = file.contents._replace(after=file.contents.after._replace(length=7))
    scan.files = [replace(file, contents=spoiled)]
    with pytest.raises(UsageError, match="cannot be read again"):
        await rewriting.apply(FakeStore(), ledger, plan, scan)
    assert notes.read_bytes() == OLD and await ledger.kept(rewriting.KIND) == []


async def test_only_the_plan_and_the_ledger_themselves_are_left_out(plan: Plan, ledger: Ledger, tmp_path: Path) -> None:
    """Others that are called like them are looked through, in S3 too."""
    names = ["p.toml", "p.ledger", "p-back.toml", "my.receipt.json", "my.receipt.md", "p.ledger-wal"]
    store = FakeStore()
    for name in names:
        (tmp_path / "notes" / name).write_bytes(OLD)
        store.put(f"s3://cards/new/conf/{name}", OLD)
    store.put("s3://cards/new/conf/c.receipt.json", b'{"receipt": "cartage-receipt/1", "at": "s3://cards/data/raw/"}')
    for name in ("p.toml", "p-back.toml"):
        (tmp_path / name).write_bytes(OLD)
    async with await Ledger.open(tmp_path / "notes" / "q.ledger", binding_of(plan), now_ms=lambda: 1) as other:
        await other.decide("raw", [copied("a.png")])
        plan = Plan.parse(PLAN.replace('"./notes/"', '"./", "conf/"'), source=str(tmp_path / "p.toml"))
        scan = await Scanner(sites_of(store), ledger, plan).run()
    found = sorted([f"./notes/{name}" for name in names] + [f"s3://cards/new/conf/{name}" for name in names])
    assert [file.name for file in scan.files] == found
    assert scan.unread == []


async def test_folders_that_lie_in_one_another_are_read_once(plan: Plan, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "notes" / "sub").mkdir()
    (tmp_path / "notes" / "sub" / "a.txt").write_bytes(OLD)
    (tmp_path / "link").symlink_to("notes")
    (tmp_path / "notes" / "sub" / "out").symlink_to("/")
    places = '"./notes/", "./notes/sub/", "./link/", "./notes/sub/a.txt"'
    plan = Plan.parse(PLAN.replace('"./notes/"', places), source=str(tmp_path / "p.toml"))
    scan = await scanned(plan, ledger)
    assert [file.name for file in scan.files] == ["./notes/sub/a.txt"] and scan.looked == 1
    assert [item.name for item in scan.unread] == ["./notes/sub/out", "./link/sub/out"]
    done = await rewriting.apply(FakeStore(), ledger, plan, scan)
    assert (done.written, done.refused) == (["./notes/sub/a.txt"], [])


async def test_a_file_that_an_outer_folder_leaves_out_is_found_by_the_inner(
    plan: Plan, ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "notes" / "sub").mkdir()
    (tmp_path / "notes" / "sub" / "a.txt").write_bytes(OLD)
    places = '"./notes/", "./notes/sub/"]\nexclude = ["sub/*"'
    plan = Plan.parse(PLAN.replace('"./notes/"', places), source=str(tmp_path / "p.toml"))
    assert [file.name for file in (await scanned(plan, ledger)).files] == ["./notes/sub/a.txt"]


MOVED = """
name = "p"
[connection]
endpoint_url = "http://here.example"
[[routes]]
name = "raw"
from = "{source}"
to = "s3://cards/new/"
{more}
[[routes]]
name = "named"
from = "s3://cards/gone/"
to = "s3://cards/kept/"
[references]
scan = ["{scan}"]
"""
FROM_THERE = 'from_site = "there"\n[sites.there]\nendpoint_url = "http://there.example"'
NAMES = b"s3://cards/gone/a.txt"


@asynccontextmanager
async def moved(
    folder: Path, store: FakeStore, source: str, more: str = "", scan: str = "s3://cards/new/"
) -> AsyncIterator[tuple[Sites, Ledger, Plan]]:
    """Each route has copied a.txt. Other sites than the references' have nothing."""
    plan = Plan.parse(MOVED.format(source=source, more=more, scan=scan), str(folder / "p.toml"), folder=folder)
    stores = {"": store, "there": FakeStore(), "file": FakeStore(buckets={str(folder / "old")})}
    sites = Sites(
        {name: replace(sites_of(at).home, name=name, endpoint=f"http://{name}") for name, at in stores.items()}
    )
    binding = Binding("p", "e", plan.binding_routes)
    async with await Ledger.open(folder / "p.ledger", binding, now_ms=lambda: 1) as ledger:
        for route in plan.routes:
            await ledger.decide(route.name, [copied("a.txt")])
        yield sites, ledger, plan


async def scanned_moved(*scene: Any) -> Scan:
    """What `--include-moved` finds there."""
    async with moved(*scene) as (sites, ledger, plan):
        return await Scanner(sites, ledger, plan, include_moved=True).run()


@pytest.mark.parametrize(("source", "more"), [("s3://cards/old/", FROM_THERE), ("./old/", "")])
async def test_a_copy_whose_source_is_at_another_site_is_held_back(tmp_path: Path, source: str, more: str) -> None:
    """What bears the source's name where the copy is, is another object: it is left alone."""
    store = FakeStore()
    store.put("s3://cards/new/a.txt", NAMES)
    store.put("s3://cards/old/a.txt", NAMES)
    (file,) = (await scanned_moved(tmp_path, store, source, more)).files
    assert file.name == "s3://cards/new/a.txt" and not file.changes
    assert file.held_back == 'it is itself a copy made by route "raw", and its source is elsewhere: change it there'


async def test_an_object_with_the_name_of_another_sites_is_not_taken_for_it(tmp_path: Path) -> None:
    store = FakeStore()
    store.put("s3://cards/old/a.txt", NAMES)
    (file,) = (await scanned_moved(tmp_path, store, "s3://cards/old/", FROM_THERE, "s3://cards/old/")).files
    assert file.inside is None and file.changes


async def test_nor_when_it_is_written_and_put_back(tmp_path: Path) -> None:
    store = FakeStore()
    store.put("s3://cards/old/a.txt", NAMES)
    async with moved(tmp_path, store, "s3://cards/old/", FROM_THERE, "s3://cards/old/") as (sites, ledger, plan):
        done = await rewriting.apply(store, ledger, plan, await Scanner(sites, ledger, plan).run())
        assert done.written == ["s3://cards/old/a.txt"] and not done.renewed
        assert await rewriting.undo(sites, ledger, plan) == [RestoredFile("s3://cards/old/a.txt", Restored.BACK)]
        row = await ledger.entry("raw", "a.txt")
    assert row is not None and row.state is State.COPIED


@pytest.mark.parametrize("state", [State.WITHDRAWN, State.LOST, State.DELETED])
async def test_an_object_that_is_no_source_any_more_stops_no_rewrite_and_no_undo(tmp_path: Path, state: State) -> None:
    """It came back under the same key: there is nothing to be proven anew, and the other files go on."""
    store, names = FakeStore(), [f"s3://cards/old/{name}.txt" for name in "ab"]
    for name in names:
        store.put(name, NAMES)
    async with moved(tmp_path, store, "s3://cards/old/", "", "s3://cards/old/") as (sites, ledger, plan):
        scan = await Scanner(sites, ledger, plan, include_moved=True).run()
        for step in [State.VERIFIED, State.DELETING, state] if state is State.DELETED else [state]:
            await ledger.conclude_durably("raw", [Outcome.seen("a.txt", step, "e", "X", "x", Proof.DIGEST)])
        done = await rewriting.apply(store, ledger, plan, scan)
        assert (done.written, done.refused, done.renewed) == (names, [], [])
        assert await rewriting.undo(sites, ledger, plan) == [RestoredFile(name, Restored.BACK) for name in names]
        row = await ledger.entry("raw", "a.txt")
    assert row is not None and row.state is state


def zipped(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return made.getvalue()


def mangled(archive: bytes, at: int, put: bytes) -> bytes:
    """An archive with other bytes so far behind the start of what it says of its first file."""
    at += archive.index(b"PK\x01\x02")
    return archive[:at] + put + archive[at + len(put) :]


def test_a_member_that_says_that_it_needs_more_memory_than_there_is_is_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """By LZMA, with a dictionary of 4 GiB; whether there is so much is not for a test to find out."""

    def ask_for_it(*_: object) -> bytes:
        raise MemoryError

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a", TABLE)
    monkeypatch.setattr(zipfile.LZMADecompressor, "decompress", ask_for_it)  # type: ignore[attr-defined]
    with pytest.raises(Unreadable, match=r"compressed \(zip\), and damaged"):
        unpacked(made.getvalue(), "zip", scanning.LONGEST_BYTES)


TABLE = b'{"at": "s3://cards/gone/a.txt"}\n'
COMPRESSED = "the file is compressed, and is not touched"
BOMB = gzip.compress(bytes(scanning.LONGEST_BYTES + 1))


@pytest.mark.parametrize(
    ("body", "encoding", "found", "unread"),
    [
        (gzip.compress(TABLE), "gzip", [(1, "s3://cards/gone/a.txt", "", COMPRESSED)], []),
        (gzip.compress(TABLE), "", [(1, "s3://cards/gone/a.txt", "", COMPRESSED)], []),
        (gzip.compress(b"nothing is named"), "gzip", [], []),
        (gzip.compress(b"\0" + TABLE), "", [(0, "cards/gone/", "", COMPRESSED)], []),
        (gzip.compress(TABLE)[:-9], "", [], ["compressed (gzip), and damaged"]),
        (BOMB, "", [], ["longer than 16 MiB once it is unpacked"]),
        (gzip.compress(gzip.compress(TABLE)), "", [], ["compressed more than once, and not to be looked into"]),
        (bz2.compress(TABLE), "", [(1, "s3://cards/gone/a.txt", "", COMPRESSED)], []),
        (lzma.compress(TABLE), "", [(1, "s3://cards/gone/a.txt", "", COMPRESSED)], []),
        (lzma.compress(b"\n") + lzma.compress(TABLE), "", [(2, "s3://cards/gone/a.txt", "", COMPRESSED)], []),
        (bz2.compress(TABLE)[:-9], "", [], ["compressed (bzip2), and damaged"]),
        (lzma.compress(TABLE)[:-9], "", [], ["compressed (xz), and damaged"]),
        (bz2.compress(bytes(scanning.LONGEST_BYTES + 1)), "", [], ["longer than 16 MiB once it is unpacked"]),
        (
            lzma.compress(bytes(scanning.LONGEST_BYTES + 1), preset=0),
            "",
            [],
            ["longer than 16 MiB once it is unpacked"],
        ),
        (
            zipped({"a.txt": TABLE, "b/c.pkl": b"\x80\x04" + TABLE, "d.txt": b"nothing"}),
            "",
            [(1, "a.txt: s3://cards/gone/a.txt", "", COMPRESSED), (0, "b/c.pkl: cards/gone/", "", COMPRESSED)],
            [],
        ),
        (zipped({"a": b"nothing", "b": b"\0"}), "", [], []),
        (zipped({"a": TABLE})[:-9], "", [], ["compressed (zip), and damaged"]),
        (mangled(zipped({"a": TABLE}), 6, b"\xff"), "", [], ["compressed (zip), and damaged"]),
        (mangled(zipped({"a": TABLE}), 28, b"\0\0\0\0\1\0"), "", [], ["compressed (zip), and damaged"]),
        (zipped({"a": gzip.compress(TABLE)}), "", [], ["compressed more than once, and not to be looked into"]),
        (
            zipped({name: bytes(scanning.LONGEST_BYTES // 2 + 1) for name in "ab"}),
            "",
            [],
            ["longer than 16 MiB once it is unpacked"],
        ),
        (b"\x04\x22\x4d\x18frame", "", [], ["compressed (lz4), and not to be looked into"]),
        (b"\x28\xb5\x2f\xfdframe", "", [], ["compressed (zstd), and not to be looked into"]),
        (b"\x0b\x02\x80", "aws-chunked, br", [], ["compressed (br), and not to be looked into"]),
        (b"\x0b\x02\x80", "aws-chunked", [], []),
        (
            TABLE.decode().encode("utf-16-le"),
            "",
            [(0, "cards/gone/", "", "the file is not text, and is not touched")],
            [],
        ),
    ],
    ids=itertools.count(),  # archives bear the time
)
async def test_what_is_compressed_is_looked_through_or_said_not_to_be(
    tmp_path: Path, body: bytes, encoding: str, found: list[tuple[Any, ...]], unread: list[str]
) -> None:
    store = FakeStore()
    store.put("s3://cards/conf/a.json", body, properties=Properties(content_encoding=encoding))
    async with moved(tmp_path, store, "s3://cards/old/", "", "s3://cards/conf/") as (sites, ledger, plan):
        scan = await Scanner(sites, ledger, plan).run()
    assert [tuple(item) for file in scan.files for item in file.findings] == found
    assert [item.why for item in scan.unread] == unread
    assert not any(file.changes for file in scan.files)


def columns(bucket: str, key: str) -> bytes:
    """A database with the two apart."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (bucket, key)")
    database.execute("INSERT INTO t VALUES (?, ?)", (bucket, key))
    return database.serialize()


@pytest.mark.parametrize(
    "body",
    [
        *(pickle.dumps({"root": "s3://cards/data/raw"}, number) for number in range(1, pickle.HIGHEST_PROTOCOL + 1)),
        pickle.dumps({"u": "https://cards.s3.us-east-2.amazonaws.com/data/raw/a.png"}),
        pickle.dumps({"u": "https://s3.amazonaws.com/cards/data%2Fraw%2Fa.png"}),
        pickle.dumps({"Bucket": "cards", "Key": "data/raw/a.png"}),
        pickle.dumps(["s3://cards/x", "s3://cards/data/raw/a.png"]),
        columns("cards", "data/raw/a.png"),
        b"\0\1\2" + "s3://cards/data/raw".encode("utf-16-le"),
        b"\0\1" + "https://cards.s3.amazonaws.com/data/raw/a.png".encode("utf-16-be"),
    ],
)
async def test_what_a_file_that_is_no_text_names_is_found(
    plan: Plan, ledger: Ledger, tmp_path: Path, body: bytes
) -> None:
    for old in (True, False):
        moved_body = body.replace(b"data", b"datb").replace(b"d\0a\0t\0a", b"d\0a\0t\0b")
        (tmp_path / "notes" / "a.bin").write_bytes(body if old else moved_body)
        scan = await scanned(plan, ledger)
        assert [item.written for file in scan.files for item in file.findings] == ["cards/data/raw/"] * old
        assert scan.binary == (not old) and not any(file.changes for file in scan.files)


@pytest.mark.parametrize(
    "text",
    [
        "s3://cards/new/data/raw/a.png",
        "s3://other/data/raw/a.png",
        "s3://cards/data/raw2/a.png",
        "s3://cards2/data/raw/a.png",
        "data/raw/a.png",
    ],
)
async def test_what_only_looks_like_it_is_not(plan: Plan, ledger: Ledger, tmp_path: Path, text: str) -> None:
    (tmp_path / "notes" / "a.bin").write_bytes(pickle.dumps([text]))
    (tmp_path / "notes" / "b.bin").write_bytes(columns("cards", "new/data/raw/a.png"))
    assert (await scanned(plan, ledger)).files == []


async def test_an_answer_that_is_not_the_file_leaves_it_unread(tmp_path: Path) -> None:
    """A success may hold an error, a gateway's page, or nothing: what it does not name, the file may."""

    class Answering(FakeStore):
        async def get_range(self, request: GetRange) -> Body:
            await super().get_range(request)
            return body_of(request, 200, "", "", b"<Error><Code>InternalError</Code></Error>")

    for source, name in (("s3://cards/conf/", "s3://cards/conf/a.txt"), ("s3://cards/new/", "s3://cards/old/a.txt")):
        store = Answering()
        store.put("s3://cards/conf/a.txt", NAMES)
        store.put("s3://cards/new/a.txt", NAMES)
        store.put("s3://cards/old/a.txt", NAMES)
        scan = await scanned_moved(tmp_path, store, "s3://cards/old/", "", source)
        assert [item.name for item in scan.unread] == [name] and "[WrongRange]" in scan.unread[0].why
        assert scan.places == 1 and scan.files == []


async def test_a_file_that_was_written_since_it_was_listed_is_read_as_it_is_now(tmp_path: Path) -> None:
    store = FakeStore()
    store.put("s3://cards/conf/a.txt", b"nothing")
    store.plan("GetObject", ("before", lambda: store.put("s3://cards/conf/a.txt", NAMES)))
    (file,) = (await scanned_moved(tmp_path, store, "s3://cards/old/", "", "s3://cards/conf/")).files
    assert file.before == NAMES


async def test_a_copy_whose_source_is_gone_is_said(tmp_path: Path) -> None:
    store = FakeStore()
    store.put("s3://cards/new/a.txt", NAMES)
    scan = await scanned_moved(tmp_path, store, "s3://cards/old/")
    assert scan.unread == [Skipped("s3://cards/new/a.txt", "its source, s3://cards/old/a.txt, is not there")]


async def test_an_undo_goes_on_past_a_file_that_cannot_be_read(
    plan: Plan, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, first, second = FakeStore(), tmp_path / "notes" / "a.txt", tmp_path / "notes" / "b.txt"
    for path in (first, second):
        path.write_bytes(OLD)
    await rewriting.apply(store, ledger, plan, await scanned(plan, ledger))
    read_bytes = Path.read_bytes

    def refused(path: Path) -> bytes:
        if path == first:
            raise PermissionError(errno.EACCES, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    assert await rewriting.undo(sites_of(store), ledger, plan) == [
        RestoredFile("./notes/a.txt", Restored.REFUSED),
        RestoredFile("./notes/b.txt", Restored.BACK),
    ]
    assert second.read_bytes() == OLD


async def test_an_undo_that_stops_halfway_says_so(plan: Plan, ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "notes" / "a.txt"
    path.write_bytes(OLD)
    await rewriting.apply(FakeStore(), ledger, plan, await scanned(plan, ledger))
    path.write_bytes(theirs := path.read_bytes() + b"\n" + OLD)
    await rewriting.apply(FakeStore(), ledger, plan, await scanned(plan, ledger))
    restored = await rewriting.undo(sites_of(FakeStore()), ledger, plan)
    assert restored == [RestoredFile("./notes/a.txt", Restored.PARTLY)] and not all_back(restored)
    assert path.read_bytes() == theirs


async def test_a_path_that_no_file_can_have_is_skipped(tmp_path: Path) -> None:
    name = "./a\0b/"
    assert list(walk(name, tmp_path / "a\0b")) == [Skipped(name, "there is no such file or folder")]
