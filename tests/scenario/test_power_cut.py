"""The power goes in the middle of a clone, or of a copy of another folder, at each operation on the disk: no row of the
ledger says `copied` of bytes that are not there, and the next run ends what was begun."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

import engine.finish.cleanup
from engine.api.cleanup import CleanupRefused, cleanup
from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.receipt import receipt
from engine.api.report import report_on
from engine.api.run import migrate
from engine.api.status import status
from engine.api.stopping import StopSignal
from engine.api.verify import verify
from engine.errors import LedgerError
from engine.events import Event, ObjectAside
from engine.folder import durable, system
from engine.ledger import LedgerReader
from engine.model import MIB
from engine.plan import parts
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.proof.receipt import ReceiptRefused
from engine.report.standing import standing_of
from engine.report.status import status_page
from engine.transfer import into_folder, recorder
from tests.servers import Endpoint
from tests.unit.folder.power import Power, PowerCut, draws

BUCKET = "clone-in-the-dark"
SIZES = {"a/b/one": 10, "a/two": 2_000, "large": 3 * MIB + 5, "three": 1}
EVERY = 4
"""Every so-maniest operation is the last one; the publisher's own test takes each."""


@pytest.fixture(autouse=True)
def held(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, bytes]:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(into_folder, "WHOLE_BYTES", MIB)
    monkeypatch.setattr(parts, "RANGE_BYTES", MIB)
    monkeypatch.setattr(recorder, "OUTCOMES_A_BATCH", 1)  # an outcome is committed as soon as it is known
    client = sandbox.client()
    if BUCKET not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    found = {name: os.urandom(size) for name, size in SIZES.items()}
    for name, body in found.items():
        client.put_object(Bucket=BUCKET, Key=f"p/{name}", Body=body)
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return found


@pytest.fixture(params=["a bucket", "a folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"s3://{BUCKET}/p/" if request.param == "a bucket" else f"{tmp_path}/source/"


async def cloned(folder: Path, source: str) -> bool:
    """One object after the other, so that each run does the same. Whether it came to its end."""
    plan = Plan.of(source, f"{folder}/clone/", name="clone", folder=folder)
    try:
        return (await migrate(plan, Options(ledger=folder / "clone.ledger", concurrency=1))).complete
    except BaseExceptionGroup as group:
        assert group.split(PowerCut)[1] is None, group
        return False


async def cut_at(moment: int, folder: Path, source: str) -> tuple[bool, Power]:
    (folder / "clone").mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patched:
        power = Power(folder / "clone", patched, moment)
        return await cloned(folder, source), power


async def copied(folder: Path) -> set[str]:
    async with await LedgerReader.open_to_read(folder / "clone.ledger") as ledger:
        return {row.key async for batch in ledger.records() for row in batch if row.state is State.COPIED}


def hold(folder: Path, disk: Path) -> None:
    """Have the folder hold what the disk has: the folder itself stays the one that the ledger knows."""
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for path in disk.iterdir():
        shutil.move(path, folder)


def lacking(disk: Path, keys: set[str], held: dict[str, bytes]) -> set[str]:
    return {key for key in keys if not (disk / key).is_file() or (disk / key).read_bytes() != held[key]}


async def test_no_row_is_copied_without_its_bytes(held: dict[str, bytes], tmp_path: Path, source: str) -> None:
    ended, moment, seen = False, 2, 0
    while not ended:
        folder = tmp_path / str(moment)
        ended, power = await cut_at(moment, folder, source)
        said = await copied(folder)
        seen += 0 < len(said) < len(held)
        for name, draw in draws().items():
            where = f"cut at {moment}, of what was not synced {name} kept"
            disk = tmp_path / f"after {moment} {name}"
            power.after(disk, draw)
            assert lacking(disk, said, held) == set(), where
            there = {path.relative_to(disk).as_posix() for path in disk.rglob("[!.]*") if path.is_file()}
            assert lacking(disk, there, held) == set(), f"{where}: in part under its name"
        hold(folder / "clone", tmp_path / f"after {moment} some 1")
        assert await cloned(folder, source)
        assert lacking(folder / "clone", set(held), held) == set()
        assert {path.name for path in (folder / "clone").rglob(".*")} == set()
        moment += EVERY
    assert seen > 2, "in the middle of a run none was copied: this proves nothing"


async def test_without_the_syncs_rows_would_be_copied_without_their_bytes(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    """Or the test above would prove nothing."""
    monkeypatch.setattr(Power, "_sync", lambda self, *of: None)
    ended, power = await cut_at(1_000, tmp_path / "run", source)
    assert ended
    power.after(tmp_path / "after", lambda: False)
    assert lacking(tmp_path / "after", await copied(tmp_path / "run"), held) == set(held)


async def proven_in_memory(tmp_path: Path) -> tuple[Plan, Options]:
    """A copy of the folder that was proven, and of which nothing was synced."""
    (tmp_path / "clone").mkdir(exist_ok=True)
    plan = Plan.of(f"{tmp_path}/source/", f"{tmp_path}/clone/", name="clone", folder=tmp_path, hold=0)
    options = Options(ledger=tmp_path / "clone.ledger", durability="none")
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees
    return plan, options


@pytest.mark.parametrize("has_call", [True, False], ids=["by file system", "file by file"])
async def test_a_source_is_deleted_once_its_target_is_on_the_disk(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_call: bool
) -> None:
    if not has_call:
        monkeypatch.setattr(system, "sync_all", lambda descriptor: False)
    (tmp_path / "clone").mkdir()
    power = Power(tmp_path, monkeypatch)
    plan, options = await proven_in_memory(tmp_path)
    power.after(tmp_path / "before", lambda: False)
    assert lacking(tmp_path / "before" / "clone", set(held), held) == set(held), "or this proves nothing"
    done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == len(held)
    power.after(tmp_path / "after", lambda: False)
    assert lacking(tmp_path / "after" / "clone", set(held), held) == set()


@pytest.mark.parametrize("before", [None, b"old"], ids=["new", "replaced"])
async def test_a_file_whose_directory_could_not_be_synced_is_no_copy_yet_and_said_to_be_written(
    source: str, held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bytes | None
) -> None:
    folder = tmp_path / "clone"
    for key in held if before else ():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(b"old")
    plan = Plan.of(source, f"{folder}/", overwrite="if-different", folder=tmp_path)
    told, sync = list[Event](), system.sync
    options = Options(ledger=tmp_path / "clone.ledger", concurrency=1, listener=told.append)

    def fail(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) and {"large", "three"} <= set(os.listdir(descriptor)):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(system, "sync", fail)
        assert (await migrate(plan, options)).aside[State.FAILED] >= 1
    (said,) = [event for event in told if isinstance(event, ObjectAside) and event.key == "three"]
    assert said.code == "NotOnDisk"
    assert "it was written, and its directory could not be synced" in said.message
    assert (folder / "three").read_bytes() == held["three"]
    assert (await migrate(plan, options)).complete
    assert (await verify(plan, options)).agrees


@pytest.mark.parametrize("call", ["sync_all", "hand_over", "sync"])
async def test_a_source_whose_target_cannot_be_brought_to_the_disk_stays(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    plan, options = await proven_in_memory(tmp_path)
    if call != "sync_all":
        monkeypatch.setattr(system, "sync_all", lambda descriptor: False)
    failing = [OSError(errno.EIO, os.strerror(errno.EIO))]

    def once(descriptor: int) -> bool:
        """A second one would say that all is well, and have kept nothing."""
        if failing:
            raise failing.pop()
        return True

    monkeypatch.setattr(system, call, once)
    done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None
    stayed = {key for key in held if (tmp_path / "source" / key).exists()}
    assert stayed and {item.key for item in done.cleaned.first_kept} == stayed
    assert {item.code for item in done.cleaned.first_kept} == {"NotOnDisk"}
    if call == "sync_all":
        assert stayed == set(held), "nothing on that disk is believed any more"
    assert not (await verify(plan, options)).agrees, "what was read from memory proves nothing"
    with pytest.raises(CleanupRefused):
        await cleanup(plan, options, delete=True, consent=Consent())
    written = {key: (tmp_path / "clone" / key).stat().st_ino for key in stayed}
    assert (await migrate(plan, options)).copied == len(stayed)
    assert all((tmp_path / "clone" / key).stat().st_ino != written[key] for key in stayed)
    assert (await verify(plan, options)).agrees
    done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == len(stayed)


@pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])
async def test_what_a_failed_sync_took_is_known_of_what_the_cleanup_did_not_come_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    for number in range(40):
        (tmp_path / "source" / f"{number:03}").write_bytes(b"one of many")
    plan, options = await proven_in_memory(tmp_path)
    written = {path: path.stat().st_ino for path in (tmp_path / "clone").rglob("*") if path.is_file()}
    failing = [OSError(errno.EIO, os.strerror(errno.EIO))]
    stop = StopSignal()

    def once(descriptor: int) -> bool:
        if failing:
            raise failing.pop()
        return True

    def stopping(event: object) -> None:
        if isinstance(event, ObjectAside) and event.code == "NotOnDisk":
            stop.request()

    async def end(*_: object) -> None:
        raise LedgerError("the process is killed here")

    monkeypatch.setattr(system, "sync_all", once)
    with monkeypatch.context() as patched:
        if killed:
            patched.setattr(engine.finish.cleanup, "conclude_failed_sync", end)
        with pytest.raises(LedgerError) if killed else nullcontext():
            listening = replace(options, listener=stopping)
            done = await cleanup(plan, listening, delete=True, consent=Consent(), stop=stop)
            assert done.cleaned is not None and done.cleaned.stopped and done.cleaned.stayed < len(written)
    if killed:
        await what_says_proven_says_so_no_more(plan, options)
    with pytest.raises(CleanupRefused):
        await cleanup(plan, options, delete=True, consent=Consent())
    assert (await migrate(plan, options)).copied == len(written)
    assert all(path.stat().st_ino != inode for path, inode in written.items())
    assert (await verify(plan, options)).agrees
    done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == len(written)


async def what_says_proven_says_so_no_more(plan: Plan, options: Options) -> None:
    """Of a ledger that a killed cleanup left: who only reads it says that a disk failed, who writes concludes it."""
    there = await report_on(plan, options)
    assert there.status.failed_sync and "Input/output error" in there.status.failed_sync
    page = status_page(there.status, plan)
    assert any("could not be synced" in str(line) for line in page)
    assert standing_of(there).word == "Needs you"
    assert [item.reason.open for item in there.scan.gate if item.reason.name == "proof"] == [False]
    with pytest.raises(ReceiptRefused):
        await receipt(plan, options)
    assert not (await status(there.ledger)).failed_sync, "the rows say so now"
    assert not (await verify(plan, options)).agrees


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES], ids=["too many open files", "no permission"])
async def test_a_target_that_cannot_be_reached_to_be_synced_stays_as_it_was_proven(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    shutil.copytree(tmp_path / "source", tmp_path / "clone")
    plan, options = await proven_in_memory(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr(durable, "_opened", refuse)
        done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.kept == {"barred": len(held)}
    assert (await migrate(plan, options)).aside == {}
    assert (await verify(plan, options)).agrees
    done = await cleanup(plan, options, delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == len(held)


async def test_a_file_of_others_that_is_not_on_the_disk_is_not_found_again(
    held: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tmp_path / "source", tmp_path / "clone")
    plan, options = await proven_in_memory(tmp_path)
    with monkeypatch.context() as patched:

        def fail(descriptor: int) -> bool:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        patched.setattr(system, "sync_all", fail)
        await cleanup(plan, options, delete=True, consent=Consent())
    done = await migrate(plan, options)
    assert done.aside == {State.CONFLICT: len(held)}
    assert lacking(tmp_path / "source", set(held), held) == set()
