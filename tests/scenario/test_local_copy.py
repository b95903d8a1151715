"""A folder copied into another one: every kind of file, proven by what was read and written, gone on with after a stop,
verified, cleaned up and taken back. No server has a part in it."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.plan import survey
from engine.api.revert import revert
from engine.api.run import migrate
from engine.api.stopping import StopSignal
from engine.api.verify import verify
from engine.bodies import THREADS
from engine.errors import GateClosed, GoneTogether, PlanError
from engine.finish import batches
from engine.folder import system
from engine.folder.apart import refuse_nested
from engine.folder.reading import OpenedFile
from engine.folder.store import FolderStore
from engine.folder.unfinished import Unfinished
from engine.ledger import LedgerReader
from engine.model import MIB, ObjectRef, Proof
from engine.plan import parts
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord
from engine.proof.depth import Depth
from engine.transfer import into_folder
from engine.transfer.local_copy import LocalCopy

BODY = b"a card\n" * 1000
WRITTEN_NS = 1_700_000_000_250_000_001


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(into_folder, "WHOLE_BYTES", 1 * MIB)
    monkeypatch.setattr(parts, "RANGE_BYTES", 1 * MIB)


def put(folder: Path, name: str, body: bytes, mode: int = 0o640) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    path.chmod(mode)
    os.utime(path, ns=(WRITTEN_NS, WRITTEN_NS))
    return path


def target_of(folder: Path) -> Path:
    return folder.parent / "copy"


def plan_of(folder: Path, **rules: Any) -> Plan:
    return Plan.of(f"{folder}/", f"{target_of(folder)}/", name="copy", folder=folder.parent, **rules)


def options(folder: Path, **more: Any) -> Options:
    return Options(ledger=folder.parent / "copy.ledger", **more)


async def rows(folder: Path) -> dict[str, ObjectRecord]:
    async with await LedgerReader.open_to_read(folder.parent / "copy.ledger") as ledger:
        return {row.key: row async for batch in ledger.records() for row in batch}


def unfinished(folder: Path) -> list[str]:
    return [path.name for path in target_of(folder).rglob(".cartage-*")]


async def test_every_kind_arrives_with_its_bytes_its_time_and_its_permissions(folder: Path) -> None:
    bodies = {
        "plain.txt": BODY,
        "empty": b"",
        "deep/er/ümlaut\n.bin": BODY,
        "large.bin": os.urandom(20 * MIB + 5),
        "2 MiB": os.urandom(2 * MIB),
    }
    for name, body in bodies.items():
        put(folder, name, body)
    (folder / "a folder").mkdir()
    with put(folder, "hole", b"").open("r+b") as file:
        file.truncate(64 * MIB)
    plan = plan_of(folder)
    (found,) = (await survey(plan, options(folder))).routes
    assert (found.to_copy, found.copy_requests, found.head_requests, found.in_bytes, found.out_bytes) == (7, 0, 0, 0, 0)
    assert not target_of(folder).exists(), "a plan makes nothing"
    result = await migrate(plan, options(folder))
    assert (result.copied, result.complete) == (7, True)
    for name, body in bodies.items():
        there = target_of(folder) / name
        assert there.read_bytes() == body
        assert (there.stat().st_mtime_ns, stat.S_IMODE(there.stat().st_mode)) == (WRITTEN_NS, 0o640)
        assert there.stat().st_ino != (folder / name).stat().st_ino
    assert (target_of(folder) / "a folder").is_dir()
    hole = (target_of(folder) / "hole").stat()
    assert hole.st_size == 64 * MIB and hole.st_blocks * 512 < 1 * MIB
    told = await rows(folder)
    assert {(row.proof, row.method) for row in told.values()} == {(Proof.DIGEST, "local copy")}
    assert told["plain.txt"].checksum.startswith("CRC64NVME:FULL_OBJECT:")
    assert told["plain.txt"].checksum == told["deep/er/ümlaut\n.bin"].checksum
    assert unfinished(folder) == []
    assert (await verify(plan, options(folder), properties=True)).agrees
    again = await migrate(plan, options(folder))
    assert (again.copied, again.complete) == (0, True)
    deep = await verify(plan, options(folder), depth=Depth())
    assert deep.agrees and {row.proof for row in (await rows(folder)).values()} == {Proof.BYTES}


async def test_files_that_are_there_are_read_and_found(folder: Path) -> None:
    for name in ("same", "other", "shorter"):
        put(folder, name, BODY)
    put(target_of(folder), "same", BODY)
    put(target_of(folder), "other", BODY[:-1] + b"!")
    put(target_of(folder), "shorter", BODY[:-1])
    result = await migrate(plan_of(folder), options(folder))
    assert (result.copied, result.counters.found, result.aside) == (0, 1, {State.CONFLICT: 2})
    assert (target_of(folder) / "other").read_bytes().endswith(b"!")
    told = await rows(folder)
    assert (told["same"].found, told["same"].proof) == (True, Proof.DIGEST)
    result = await migrate(plan_of(folder, overwrite="if-different"), options(folder))
    assert result.complete
    assert {path.read_bytes() for path in target_of(folder).iterdir()} == {BODY}


async def test_a_source_that_changed_between_two_runs_is_copied_again_over_our_own_copy(folder: Path) -> None:
    put(folder, "a", BODY)
    assert (await migrate(plan_of(folder), options(folder))).complete
    (folder / "a").write_bytes(BODY[::-1])
    assert (await migrate(plan_of(folder), options(folder))).copied == 1
    assert (target_of(folder) / "a").read_bytes() == BODY[::-1]


@pytest.mark.parametrize("size", [5, 6 * MIB])
@pytest.mark.parametrize("what", ["written to", "cut short", "replaced", "removed"])
async def test_a_file_that_changes_while_it_is_read_is_drifted_and_nothing_is_published(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None, size: int, what: str
) -> None:
    path = put(folder, "a", b"a" * size)
    windows = OpenedFile.windows
    changed = False

    def changing(self: OpenedFile, first: int, length: int) -> Any:
        nonlocal changed
        for item in windows(self, first, length):
            yield item
            if not changed:
                changed = True
                if what == "written to":
                    path.write_bytes(b"b" * size)
                elif what == "cut short":
                    os.truncate(path, 1)
                elif what == "replaced":
                    put(folder, "new", b"b" * size).rename(path)
                else:
                    path.unlink()

    monkeypatch.setattr(OpenedFile, "windows", changing)
    result = await migrate(plan_of(folder), options(folder, concurrency=1))
    assert result.aside == {State.DRIFTED: 1}
    assert [*target_of(folder).iterdir()] == []


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("spoilt", [False, True])
async def test_a_copy_goes_on_with_the_parts_that_are_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None, spoilt: bool
) -> None:
    body = os.urandom(8 * MIB)
    put(folder, "big", body)
    parts: list[int] = []
    carry_part = LocalCopy._carry_part

    async def until_killed(self: Any, *arguments: Any) -> str:
        parts.append(arguments[2].number)
        if len(parts) == 4:
            raise Killed
        return await carry_part(self, *arguments)

    monkeypatch.setattr(LocalCopy, "_carry_part", until_killed)
    with pytest.raises(BaseExceptionGroup):
        await migrate(plan_of(folder), options(folder, concurrency=1))
    (begun,) = [item for item in target_of(folder).iterdir() if not item.name.endswith(".parts")]
    if spoilt:
        with begun.open("r+b") as file:
            file.seek(parts[0] * MIB - MIB)
            file.write(b"spoilt")
    first, parts = parts[:3], []

    async def counted(self: Any, *arguments: Any) -> str:
        parts.append(arguments[2].number)
        return await carry_part(self, *arguments)

    monkeypatch.setattr(LocalCopy, "_carry_part", counted)
    assert (await migrate(plan_of(folder), options(folder))).complete
    trusted = first[1:] if spoilt else first
    assert sorted(parts) == sorted(set(range(1, 9)) - set(trusted))
    assert (target_of(folder) / "big").read_bytes() == body
    assert unfinished(folder) == []


async def test_one_who_cancels_while_parts_are_hashed_again_may_run_again_in_the_same_process(
    folder: Path, small_parts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "large", os.urandom(4 * MIB))
    hashing, cancelled = threading.Event(), threading.Event()
    kept = Unfinished.kept

    def slow(self: Unfinished, algorithm: str) -> Any:
        hashing.set()
        cancelled.wait(30)
        return kept(self, algorithm)

    with monkeypatch.context() as patch:
        patch.setattr(Unfinished, "kept", slow)
        running = asyncio.create_task(migrate(plan_of(folder), options(folder)))
        await asyncio.to_thread(hashing.wait, 30)
        running.cancel()
        cancelled.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    result = await migrate(plan_of(folder), options(folder))
    assert result.complete and unfinished(folder) == []


async def test_a_stop_ends_a_large_file_after_the_parts_that_are_in_hand(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None
) -> None:
    body = os.urandom(32 * MIB)
    put(folder, "big", body)
    stop, copied, copy_part = StopSignal(), list[int](), LocalCopy._copy_part

    def stopping(self: Any, task: Any, begun: Any, part: Any) -> str:
        copied.append(part.number)
        if len(copied) == 2:
            stop.request()
        return copy_part(self, task, begun, part)

    monkeypatch.setattr(LocalCopy, "_copy_part", stopping)
    result = await migrate(plan_of(folder), options(folder, concurrency=64), stop=stop)
    assert result.stopped and not result.complete
    assert 2 <= len(copied) <= 2 + 2 * THREADS
    assert (await migrate(plan_of(folder), options(folder))).complete
    assert sorted(copied) == list(range(1, 33)), "none is copied twice"
    assert (target_of(folder) / "big").read_bytes() == body


async def test_parts_of_what_a_file_was_before_are_not_gone_on_with(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None
) -> None:
    put(folder, "big", os.urandom(4 * MIB))
    carry_part, seen = LocalCopy._carry_part, 0

    async def until_killed(self: Any, *arguments: Any) -> str:
        nonlocal seen
        seen += 1
        if seen == 3:
            raise Killed
        return await carry_part(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(LocalCopy, "_carry_part", until_killed)
        with pytest.raises(BaseExceptionGroup):
            await migrate(plan_of(folder), options(folder, concurrency=1))
    body = os.urandom(4 * MIB)
    (folder / "big").write_bytes(body)
    assert (await migrate(plan_of(folder), options(folder))).complete
    assert (target_of(folder) / "big").read_bytes() == body


@pytest.mark.parametrize("size", [5, 6 * MIB])
async def test_what_is_read_again_otherwise_than_it_was_written_never_gets_its_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch, small_parts: None, size: int
) -> None:
    put(folder, "a", os.urandom(size))
    write = Unfinished.write

    def spoiling(self: Unfinished, data: Any, offset: int) -> None:
        write(self, bytes([data[0] ^ 1]) + bytes(data[1:]), offset)

    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "write", spoiling)
        result = await migrate(plan_of(folder), options(folder))
    assert result.aside == {State.FAILED: 1}
    assert (await rows(folder))["a"].code == "DigestMismatch"
    assert [*target_of(folder).iterdir()] == []
    assert (await migrate(plan_of(folder), options(folder))).complete


async def test_a_file_that_appears_meanwhile_is_replaced_by_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, "a", BODY)
    copied = LocalCopy._copied

    def beside(self: Any, *arguments: Any) -> str:
        put(target_of(folder), "a", b"someone else's")
        return copied(self, *arguments)

    monkeypatch.setattr(LocalCopy, "_copied", beside)
    result = await migrate(plan_of(folder), options(folder))
    assert result.aside == {State.CONFLICT: 1}
    assert (target_of(folder) / "a").read_bytes() == b"someone else's"
    assert unfinished(folder) == []


@pytest.mark.parametrize("links", ["skip", "follow", "keep"])
async def test_links_are_what_is_asked_for_and_never_led_by(folder: Path, tmp_path: Path, links: Any) -> None:
    put(tmp_path / "elsewhere", "secret", BODY)
    put(folder, "a", BODY)
    (folder / "link").symlink_to("a")
    (folder / "out").symlink_to(tmp_path / "elsewhere")
    result = await migrate(plan_of(folder), options(folder, links=links))
    there = target_of(folder)
    if links == "skip":
        assert (result.copied, result.unlisted_count) == (1, 2)
        assert [path.name for path in there.iterdir()] == ["a"]
    elif links == "follow":
        assert (result.copied, result.complete) == (3, True)
        assert (there / "out" / "secret").read_bytes() == (there / "link").read_bytes() == BODY
        assert not (there / "link").is_symlink() and not (there / "out").is_symlink()
    else:
        assert (result.copied, result.complete) == (3, True)
        assert (there / "link").readlink() == Path("a")
        assert (there / "out").readlink() == tmp_path / "elsewhere"
    assert (await verify(plan_of(folder), options(folder))).agrees == (links != "skip")


async def test_a_link_in_the_source_that_leads_to_the_target_is_set_aside(folder: Path) -> None:
    put(folder, "a", BODY)
    (folder / "all").symlink_to(folder.parent)
    ledger = Options(ledger=folder.parent.parent / "copy.ledger", links="follow")
    target_of(folder).mkdir()
    for _ in range(2):
        result = await migrate(plan_of(folder), ledger)
        assert {(item.key, item.code) for item in result.unlisted} == {
            ("all/copy/", "OtherFolder"),
            ("all/data/", "LinkCycle"),
        }
    assert not (target_of(folder) / "all" / "copy").exists()


async def test_a_name_that_no_file_can_have_is_set_aside_and_named(folder: Path) -> None:
    put(folder, "both/in", b"x")
    put(target_of(folder), "both", b"x")
    (folder / os.fsdecode(b"caf\xe9")).write_bytes(b"x")
    result = await migrate(plan_of(folder), options(folder))
    assert result.aside == {State.FAILED: 1} and result.unlisted_count == 1
    assert (await rows(folder))["both/in"].code == "NameClash"


async def test_a_name_that_the_targets_disk_does_not_take_is_refused_before_a_file_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("aux.txt", "what?", "good"):
        put(folder, name, b"x")
    read, opened = list[str](), FolderStore.open_file

    def noted(self: FolderStore, ref: ObjectRef, if_match: str | None = None) -> OpenedFile:
        read.append(ref.key)
        return opened(self, ref, if_match)

    monkeypatch.setattr(FolderStore, "open_file", noted)
    monkeypatch.setattr(system, "kind_of", lambda directory: "exfat")
    for copied in (1, 0):
        (found,) = (await survey(plan_of(folder), options(folder))).routes
        assert (found.misnamed, found.to_copy) == (2, copied)
        assert not copied or not target_of(folder).exists(), "what its disk is was told by the folder above it"
        result = await migrate(plan_of(folder), options(folder))
        assert (result.copied, result.aside, result.misnamed) == (copied, {State.FAILED: 2}, 2)
    assert {key.rpartition("/")[2] for key in read} == {"good"}
    assert {row.code for row in (await rows(folder)).values()} == {"", "NameReserved"}


def nothing_is_made(folder: Path) -> set[Path]:
    return set(folder.parent.rglob("*"))


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("data/", "data/in/", "is inside its source"),
        ("data/in/", "data/", "is inside its target"),
        ("data/", "data/", "onto itself"),
        ("data/", "link/", "one folder by two names"),
        ("link/", "data/", "one folder by two names"),
        ("data/", "link/new/er/", "lies inside its source"),
        ("link/", "data/new/", "lies inside its source"),
        ("data/in/", "link/", "lies inside its target"),
        ("in/", "data/", "lies inside its target"),
        ("data/a", "link/a", "one file by two names"),
    ],
)
async def test_folders_that_are_one_or_lie_in_each_other_are_refused_before_anything_is_made(
    folder: Path, source: str, target: str, why: str
) -> None:
    put(folder, "a", BODY)
    put(folder, "in/b", BODY)
    (folder.parent / "link").symlink_to(folder)
    (folder.parent / "in").symlink_to("link/in")
    before = nothing_is_made(folder)
    for call in (migrate, survey):
        with pytest.raises(PlanError, match=why) as refused:
            plan = Plan.of(f"{folder.parent}/{source}", f"{folder.parent}/{target}", folder=folder.parent)
            await call(plan, options(folder))
        assert refused.value.exit_code == 2
        assert nothing_is_made(folder) == before


async def test_a_file_is_copied_beside_itself(folder: Path) -> None:
    put(folder, "a.txt", BODY)
    plan = Plan.of(f"{folder}/a.txt", f"{folder}/b.bin", name="copy", folder=folder.parent)
    assert (await migrate(plan, options(folder))).complete
    assert (folder / "b.bin").read_bytes() == BODY
    assert (await verify(plan, options(folder), properties=True)).agrees, "a type that a name tells is no property"


async def test_routes_that_meet_in_a_folder_of_two_names_are_refused(folder: Path) -> None:
    put(folder, "a", BODY)
    (folder.parent / "one").mkdir()
    (folder.parent / "two").symlink_to("one")
    text = "".join(
        f'[[routes]]\nname = "{name}"\nfrom = "./data/{name}/"\nto = "./{name}/"\n' for name in ("one", "two")
    )
    plan = Plan.parse(f'name = "copy"\n{text}', folder=folder.parent)
    with pytest.raises(PlanError, match="both write to"):
        await migrate(plan, options(folder))


async def test_what_only_a_server_could_tell_is_not_asked_of_folders(folder: Path) -> None:
    (folder.parent / "link").symlink_to(folder)
    plan = Plan.parse(
        'name = "copy"\n[sites.one]\nendpoint_url = "http://127.0.0.1:9"\n[sites.two]\nendpoint_url = "http://192.0.2.1"\n'
        '[[routes]]\nname = "a"\nfrom = "./link/"\nto = "./copy/"\n'
        '[[routes]]\nname = "b"\nfrom = "s3://bucket/x/"\nfrom_site = "one"\nto = "s3://bucket/x/"\nto_site = "two"\n',
        folder=folder.parent,
    )
    refuse_nested(plan.routes)


async def test_sources_are_deleted_once_their_copies_are_proven(folder: Path) -> None:
    for name in ("a", "deep/b"):
        put(folder, name, BODY)
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    assert (await verify(plan, options(folder))).agrees
    done = await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 2, done
    assert [*folder.rglob("*")] == []
    assert (target_of(folder) / "deep" / "b").read_bytes() == BODY
    assert (await verify(plan, options(folder))).agrees


async def test_a_copy_that_changed_keeps_its_source(folder: Path) -> None:
    for name in ("a", "b"):
        put(folder, name, BODY)
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    assert (await verify(plan, options(folder))).agrees
    (target_of(folder) / "a").write_bytes(BODY[::-1])
    with pytest.raises(GateClosed, match="no longer what was proven"):
        await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def one_file(folder: Path, how: str) -> Path:
    """A file in the source that is its own target by a link there; the other one has a copy."""
    there = target_of(folder)
    there.mkdir()
    mine = put(folder, "deep/mine", BODY)
    put(folder, "copied", BODY)
    if how == "a linked directory":
        (there / "deep").symlink_to(folder / "deep")
    else:
        (there / "deep").mkdir()
        (there / "deep" / "mine").symlink_to(mine)
    return mine


@pytest.mark.parametrize("how", ["a linked directory", "a link"])
async def test_a_source_that_is_its_own_target_is_no_copy(folder: Path, how: str) -> None:
    mine, plan = one_file(folder, how), plan_of(folder, hold=0)
    for _ in range(2):
        result = await migrate(plan, options(folder, links="follow"))
        assert result.aside == {State.CONFLICT: 1}
    row = (await rows(folder))["deep/mine"]
    assert row.code == "OneFile" and "take the mount or the link away" in row.message
    assert not (await verify(plan, options(folder))).agrees
    with pytest.raises(GateClosed):
        await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert mine.read_bytes() == BODY


@pytest.mark.parametrize("how", ["a linked directory", "a link"])
async def test_a_source_that_was_taken_for_its_own_copy_stays(
    folder: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, plan = one_file(folder, how), plan_of(folder, hold=0)
    with monkeypatch.context() as before:
        before.setattr("engine.transfer.local_copy.same", lambda one, other: False)
        assert (await migrate(plan, options(folder, links="follow"))).complete
    assert (await verify(plan, options(folder), depth=Depth())).agrees
    done = await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert done.cleaned is not None
    assert (done.cleaned.deleted, [item.code for item in done.cleaned.first_kept]) == (1, ["OneFile"])
    assert mine.read_bytes() == BODY and not (folder / "copied").exists()


async def test_hard_links_are_copies_of_each_other(folder: Path) -> None:
    put(folder, "a", BODY)
    target_of(folder).mkdir()
    (target_of(folder) / "a").hardlink_to(folder / "a")
    plan = plan_of(folder, hold=0)
    assert (await migrate(plan, options(folder))).counters.found == 1
    assert (await verify(plan, options(folder))).agrees
    done = await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 1
    assert (target_of(folder) / "a").read_bytes() == BODY


async def test_what_takes_both_sides_away_stops_a_deletion_in_any_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file system of somebody's program may have it, which shows one file under two numbers."""
    for number in range(20):
        put(folder, f"{number:02}", BODY)
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    await verify(plan, options(folder))
    unlink = system.unlink

    def both(directory: int, name: bytes) -> None:
        unlink(directory, name)
        if name >= b"08":
            (target_of(folder) / name.decode()).unlink(missing_ok=True)

    monkeypatch.setattr(system, "unlink", both)
    monkeypatch.setattr(batches, "KEYS_A_BATCH", 4)
    with pytest.raises(GoneTogether, match=f"first {target_of(folder)}/[01][0-9]: "):
        await cleanup(plan, options(folder), delete=True, consent=Consent())


async def test_a_copy_is_taken_back(folder: Path) -> None:
    for name in ("a", "deep/b"):
        put(folder, name, BODY)
    put(target_of(folder), "was there", BODY)
    await migrate(plan_of(folder), options(folder))
    done = await revert(plan_of(folder), options(folder), delete=True, consent=Consent())
    assert done.reverted is not None and done.reverted.removed == 2
    assert [path.name for path in target_of(folder).iterdir()] == ["was there"]
    assert len([*folder.rglob("*")]) == 3


async def test_what_somebody_put_where_a_revert_took_a_copy_away_is_found_and_stays(folder: Path) -> None:
    for name in ("a", "b"):
        put(folder, name, BODY)
    await migrate(plan_of(folder), options(folder))
    await revert(plan_of(folder), options(folder), delete=True, consent=Consent())
    put(target_of(folder), "a", BODY)
    done = await migrate(plan_of(folder), options(folder))
    assert (done.copied, done.counters.found) == (1, 1)
    await revert(plan_of(folder), options(folder), delete=True, consent=Consent())
    assert [path.name for path in target_of(folder).iterdir()] == ["a"]


async def test_a_file_that_gives_bytes_and_has_no_size_is_left_and_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of /proc: nothing is taken for an empty file of it, nor for its copy."""
    inodes = [put(folder, name, b"").stat().st_ino for name in ("made up", "there")]
    put(folder, "empty", b"")
    target_of(folder).mkdir()
    (target_of(folder) / "there").touch()
    pread = os.pread

    def made_up(descriptor: int, length: int, offset: int) -> bytes:
        return b"1" if os.fstat(descriptor).st_ino in inodes else pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", made_up)
    result = await migrate(plan_of(folder), options(folder))
    assert (result.copied, result.aside) == (1, {State.FAILED: 2})
    found = await rows(folder)
    assert [found[key].code for key in ("made up", "there")] == ["NoSize"] * 2
