"""A project cloned into a local folder: every kind of object, proven by what S3 says of it, and gone on with after a
stop. The sandbox stands in for S3."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from engine.api.options import Options
from engine.api.plan import survey
from engine.api.restore import restore
from engine.api.run import migrate
from engine.api.status import status
from engine.api.stopping import StopSignal
from engine.api.verify import verify
from engine.errors import EngineError, LedgerMismatch
from engine.events import Event, Notice
from engine.folder import leftovers, system
from engine.folder.names import name_apart
from engine.folder.store import FolderStore
from engine.folder.system import umask
from engine.folder.unfinished import temporary_name
from engine.ledger import open_to_read
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord
from engine.proof.depth import Depth
from engine.sandbox import Sandbox
from engine.sites.doubting import DoubtingStore
from engine.store import GetRange
from engine.transfer import download, into_folder, ranges
from engine.windows import Sink
from tests.scenario.kinds import MIB, parts, plain
from tests.servers import Endpoint

BUCKET = "clone-source"
BODY = b"a card\n" * 1000


@pytest.fixture(autouse=True)
def client(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return sandbox.emptied(BUCKET)


def plan_of(folder: Path, **rules: Any) -> Plan:
    return Plan.of(f"s3://{BUCKET}/p/", f"{folder}/clone/", name="clone", folder=folder, **rules)


def options(folder: Path) -> Options:
    return Options(ledger=folder / "clone.ledger")


async def rows(folder: Path) -> dict[str, ObjectRecord]:
    async with await open_to_read(folder / "clone.ledger") as ledger:
        return {row.key: row async for batch in ledger.records() for row in batch}


async def test_every_kind_comes_with_its_bytes_and_is_proven(client: Any, tmp_path: Path) -> None:
    plain()(client, BUCKET, "p/plain.txt")
    client.put_object(Bucket=BUCKET, Key="p/empty", Body=b"")
    client.put_object(Bucket=BUCKET, Key="p/a folder/", Body=b"")
    client.put_object(Bucket=BUCKET, Key="p/deep/er/ümlaut\n.bin", Body=BODY, Metadata={"mtime": "1700000000.25"})
    parts(5 * MIB, 5 * MIB, 3)(client, BUCKET, "p/parts.bin")
    parts(5 * MIB, 6 * MIB, 7)(client, BUCKET, "p/odd parts.bin")
    parts(9 * MIB, 9 * MIB, ChecksumAlgorithm="CRC32")(client, BUCKET, "p/summed.bin")
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert (result.copied, result.complete) == (7, True)
    clone = tmp_path / "clone"
    for item in client.list_objects_v2(Bucket=BUCKET)["Contents"]:
        there = clone / item["Key"].removeprefix("p/")
        if item["Key"].endswith("/"):
            assert there.is_dir()
        else:
            assert there.read_bytes() == client.get_object(Bucket=BUCKET, Key=item["Key"])["Body"].read()
    assert (clone / "deep/er/ümlaut\n.bin").stat().st_mtime_ns == 1_700_000_000_250_000_000
    assert {key: row.proof for key, row in (await rows(tmp_path)).items()} == dict.fromkeys(
        ["plain.txt", "empty", "a folder/", "deep/er/ümlaut\n.bin", "parts.bin", "odd parts.bin", "summed.bin"],
        Proof.DIGEST,
    )
    assert not [name for _, _, names in os.walk(clone) for name in names if name.startswith(".cartage")]
    assert (await verify(plan_of(tmp_path), options(tmp_path))).agrees
    again = await migrate(plan_of(tmp_path), options(tmp_path))
    assert (again.copied, again.complete) == (0, True)


async def test_files_that_are_there_are_read_and_found(client: Any, tmp_path: Path) -> None:
    for name in ("same", "other", "shorter"):
        client.put_object(Bucket=BUCKET, Key=f"p/{name}", Body=BODY)
    folder = tmp_path / "clone"
    folder.mkdir()
    (folder / "same").write_bytes(BODY)
    (folder / "other").write_bytes(BODY[:-1] + b"!")
    (folder / "shorter").write_bytes(BODY[:-1])
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert (result.copied, result.counters.found, result.aside) == (0, 1, {State.CONFLICT: 2})
    assert (folder / "other").read_bytes().endswith(b"!")
    told = await rows(tmp_path)
    assert (told["same"].found, told["same"].proof) == (True, Proof.DIGEST)
    result = await migrate(plan_of(tmp_path, overwrite="if-different"), options(tmp_path))
    assert result.complete and (folder / "other").read_bytes() == (folder / "shorter").read_bytes() == BODY


async def test_a_name_that_no_file_can_have_is_set_aside_and_named(client: Any, tmp_path: Path) -> None:
    keys = {"p/../escape": "NameDots", "p/a//b": "NameEmpty", "p/" + "x" * 256: "NameTooLong", "p/both/in": "NameClash"}
    for key in ("p/both", *keys):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert result.aside == {State.FAILED: 4}
    told = await rows(tmp_path)
    failed = {f"p/{key}": row.code for key, row in told.items() if row.state is State.FAILED}
    assert {key: code for key, code in failed.items() if not key.startswith("p/both")} == {
        key: code for key, code in keys.items() if not key.startswith("p/both")
    }
    # Of `both` and `both/in` one has its place, whichever came first; the other is named.
    assert {told["both"].state, told["both/in"].state} == {State.COPIED, State.FAILED}
    assert not (tmp_path / "escape").exists()


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_a_key_that_can_be_no_file_s3_is_asked_nothing_in_any_run(
    client: Any, sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    """Its bytes would be fetched, and paid for, to be thrown away; and by each run again."""
    no_files = {
        "a//b": "NameEmpty",
        "big//b": "NameEmpty",
        "..": "NameDots",
        "x" * 256: "NameTooLong",
        "d/": "NameEmpty",
    }
    for key in ("good", *no_files):
        client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=bytes(3 * MIB) if key == "big//b" else b"x")
    plan, how = plan_of(tmp_path), replace(options(tmp_path), processes=processes)
    asked = set[str]()
    for name in ("fetch_into", "head_object"):
        call = getattr(DoubtingStore, name)

        async def noted(self: Any, request: Any, *more: Any, call: Any = call) -> Any:
            asked.add(request.ref.key)
            return await call(self, request, *more)

        monkeypatch.setattr(DoubtingStore, name, noted)
    requests = []
    for copied in (1, 0, 0):
        (found,) = (await survey(plan, how)).routes
        assert (found.misnamed, found.to_copy, found.to_copy_bytes) == (len(no_files), copied, copied)
        assert (found.in_bytes, found.head_requests) == (copied, copied)
        assert "is set aside" in found.problems[0]
        result = await migrate(plan, how)
        assert (result.copied, result.aside, result.misnamed) == (copied, {State.FAILED: 5}, 5)
        requests.append(result.requests)
        told = await rows(tmp_path)
        assert {key: row.code for key, row in told.items() if row.state is State.FAILED} == no_files
    assert asked <= {"p/good"} and requests[1] == requests[2], "listings, and what is asked of the bucket"
    assert (await survey(plan, how)).is_done, "a run would find nothing to do"
    assert (await status(how.ledger or Path())).misnamed == 5


async def test_what_can_be_no_file_is_not_asked_back_from_the_archive(client: Any, tmp_path: Path) -> None:
    for key in ("a//b", "c"):
        client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=BODY, StorageClass="GLACIER")
    looked = await restore(plan_of(tmp_path), options(tmp_path))
    assert looked.outlook.objects == 1
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert result.aside == {State.FAILED: 1, State.ARCHIVED: 1}


async def test_many_zeros_of_a_large_object_are_a_hole(client: Any, tmp_path: Path) -> None:
    body = b"\1" * MIB + bytes(6 * MIB) + b"\2" * MIB
    client.put_object(Bucket=BUCKET, Key="p/disk.img", Body=body)
    assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    file = tmp_path / "clone" / "disk.img"
    assert file.read_bytes() == body
    if os.uname().sysname == "Linux":
        assert file.stat().st_blocks * 512 < 4 * MIB


async def test_what_the_disk_refuses_is_no_outage_of_s3(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a range would be fetched anew for minutes, over a file that cannot be written."""
    client.put_object(Bucket=BUCKET, Key="p/large", Body=bytes(range(256)) * (3 * MIB // 256))
    asked = []

    def refused(descriptor: int, data: Any, offset: int) -> None:
        asked.append(offset)
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(system, "write_sparse", refused)
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert (result.aside, asked) == ({State.FAILED: 1}, [0])


async def test_an_object_that_is_replaced_meanwhile_is_no_mixed_file(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(into_folder, "WHOLE_BYTES", 1 * MIB)
    monkeypatch.setattr("engine.plan.parts.RANGE_BYTES", 1 * MIB)
    client.put_object(Bucket=BUCKET, Key="p/big", Body=b"a" * (6 * MIB))
    fetched = 0
    fetch_part = download.Download._carry_part

    async def fetch_and_replace(self: Any, *arguments: Any) -> Any:
        nonlocal fetched
        value = await fetch_part(self, *arguments)
        fetched += 1
        if fetched == 2:
            client.put_object(Bucket=BUCKET, Key="p/big", Body=b"b" * (6 * MIB))
        return value

    monkeypatch.setattr(download.Download, "_carry_part", fetch_and_replace)
    result = await migrate(plan_of(tmp_path), Options(ledger=tmp_path / "clone.ledger", concurrency=1))
    assert result.aside == {State.DRIFTED: 1}
    assert [*(tmp_path / "clone").iterdir()] == []
    monkeypatch.setattr(download.Download, "_carry_part", fetch_part)
    assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    assert (tmp_path / "clone" / "big").read_bytes() == b"b" * (6 * MIB)


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("spoilt", [False, True])
async def test_a_download_goes_on_with_the_ranges_that_are_whole(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: bool
) -> None:
    monkeypatch.setattr(into_folder, "WHOLE_BYTES", 1 * MIB)
    monkeypatch.setattr("engine.plan.parts.RANGE_BYTES", 1 * MIB)
    body = os.urandom(8 * MIB)
    client.put_object(Bucket=BUCKET, Key="p/big", Body=body)
    ranges: list[int] = []
    fetch_part = download.Download._carry_part

    async def fetch_until_killed(self: Any, *arguments: Any) -> Any:
        ranges.append(arguments[2].number)
        if len(ranges) == 4:
            raise Killed
        return await fetch_part(self, *arguments)

    monkeypatch.setattr(download.Download, "_carry_part", fetch_until_killed)
    with pytest.raises(BaseExceptionGroup):
        await migrate(plan_of(tmp_path), Options(ledger=tmp_path / "clone.ledger", concurrency=1))
    (unfinished,) = [item for item in (tmp_path / "clone").iterdir() if not item.name.endswith(".parts")]
    if spoilt:
        with unfinished.open("r+b") as file:
            file.seek(ranges[0] * MIB - MIB)
            file.write(b"spoilt")
    first, ranges = ranges[:3], []

    async def fetch_and_count(self: Any, *arguments: Any) -> Any:
        ranges.append(arguments[2].number)
        return await fetch_part(self, *arguments)

    monkeypatch.setattr(download.Download, "_carry_part", fetch_and_count)
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert result.complete
    trusted = first[1:] if spoilt else first
    assert sorted(ranges) == sorted(set(range(1, 9)) - set(trusted))
    assert (tmp_path / "clone" / "big").read_bytes() == body


async def test_a_stop_ends_a_large_object_after_the_ranges_that_are_in_hand(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = os.urandom(8 * MIB)
    client.put_object(Bucket=BUCKET, Key="p/big", Body=body)
    monkeypatch.setattr(into_folder, "range_bytes", lambda size: 64 << 10)
    stop, asked, begun, fetch = StopSignal(), anyio.Event(), list[int](), DoubtingStore.fetch_into

    async def stopping(self: Any, request: GetRange, sink: Sink) -> Any:
        begun.append(request.first or 0)
        if len(begun) == ranges.LEAST:
            await anyio.sleep(0.1)  # by then every worker has a range, and most wait for their turn
            stop.request()
            asked.set()
        await asked.wait()
        return await fetch(self, request, sink)

    monkeypatch.setattr(DoubtingStore, "fetch_into", stopping)
    result = await migrate(plan_of(tmp_path), replace(options(tmp_path), concurrency=64), stop=stop)
    assert result.stopped and len(begun) == ranges.LEAST
    assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    assert sorted(begun) == list(range(0, 8 * MIB, 64 << 10)), "none is fetched twice"
    assert (tmp_path / "clone" / "big").read_bytes() == body


async def test_bytes_that_are_not_what_s3_says_never_get_the_files_name(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.put_object(Bucket=BUCKET, Key="p/a", Body=BODY)
    fetch = DoubtingStore.fetch_into

    async def fetch_spoilt(self: Any, request: GetRange, sink: Sink) -> Any:
        class Spoiling:
            def room(self) -> None:
                return None

            def restart(self) -> None:
                sink.restart()

            def write_now(self, window: memoryview) -> bool:
                return sink.write_now(memoryview(b"!" + bytes(window[1:])))

            async def write(self, window: memoryview) -> None:
                await sink.write(memoryview(b"!" + bytes(window[1:])))

        return await fetch(self, request, Spoiling())

    monkeypatch.setattr(DoubtingStore, "fetch_into", fetch_spoilt)
    result = await migrate(plan_of(tmp_path), options(tmp_path))
    assert result.aside == {State.FAILED: 1}
    assert (await rows(tmp_path))["a"].code == "DigestMismatch"
    assert not (tmp_path / "clone" / "a").exists()


async def test_no_more_ranges_are_fetched_at_once_than_keep_the_process_busy(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = os.urandom(3 * MIB)
    client.put_object(Bucket=BUCKET, Key="p/large", Body=body)
    monkeypatch.setattr(into_folder, "range_bytes", lambda size: 64 << 10)
    monkeypatch.setattr(ranges, "BUSY", 0.0)  # a process that has nothing to spare
    under_way, most, full = 0, 0, anyio.Event()
    fetch = DoubtingStore.fetch_into

    async def counted(self: Any, request: GetRange, sink: Sink) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == ranges.LEAST:
            full.set()
        await full.wait()
        for _ in range(20):  # whoever else may go on does so now
            await anyio.lowlevel.checkpoint()
        try:
            return await fetch(self, request, sink)
        finally:
            under_way -= 1

    monkeypatch.setattr(DoubtingStore, "fetch_into", counted)
    with anyio.fail_after(60):
        assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    assert most == ranges.LEAST == 8
    assert (tmp_path / "clone" / "large").read_bytes() == body


async def test_a_file_that_changed_is_a_difference_and_one_that_did_not_is_not_read(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        client.put_object(Bucket=BUCKET, Key=f"p/{name}", Body=BODY)
    await migrate(plan_of(tmp_path), options(tmp_path))
    opened: list[str] = []
    monkeypatch.setattr(FolderStore, "open_file", lambda self, ref, *more: opened.append(ref.key))
    assert (await verify(plan_of(tmp_path), options(tmp_path))).agrees
    (tmp_path / "clone" / "b").write_bytes(BODY[::-1])
    (tmp_path / "clone" / "c").unlink()
    assert not (await verify(plan_of(tmp_path), options(tmp_path))).agrees
    assert opened == []
    told = {key: row.code for key, row in (await rows(tmp_path)).items()}
    assert (told["a"], told["b"], told["c"]) == ("", "TargetChanged", "TargetMissing")


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_clone_that_vanished_or_was_replaced_is_refused(client: Any, tmp_path: Path, replaced: bool) -> None:
    client.put_object(Bucket=BUCKET, Key="p/a", Body=BODY)
    assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    (tmp_path / "clone").rename(tmp_path / "elsewhere")
    if replaced:
        (tmp_path / "clone").mkdir()
    with pytest.raises(EngineError):
        await migrate(plan_of(tmp_path), options(tmp_path))
    assert (tmp_path / "clone").exists() is replaced
    assert not replaced or [*(tmp_path / "clone").iterdir()] == []


async def test_a_plan_makes_no_folder_and_the_run_after_it_does(client: Any, tmp_path: Path) -> None:
    client.put_object(Bucket=BUCKET, Key="p/a", Body=BODY)
    await survey(plan_of(tmp_path), options(tmp_path))
    assert not (tmp_path / "clone").exists()
    assert (await migrate(plan_of(tmp_path), options(tmp_path))).complete
    (tmp_path / "clone").rename(tmp_path / "elsewhere")
    with pytest.raises(EngineError):
        await survey(plan_of(tmp_path), options(tmp_path))
    assert not (tmp_path / "clone").exists()


async def test_a_marker_of_a_directory_that_something_is_in_is_there(client: Any, tmp_path: Path) -> None:
    for key in ("p/d/", "p/d/x", "p/d/e/", "p/d/e/y", "p/f/z"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"" if key.endswith("/") else BODY)
    plan = plan_of(tmp_path, exact=True)  # the directory of `f/z` is no object too many
    assert (await migrate(plan, options(tmp_path))).copied == 5
    verified = await verify(plan, options(tmp_path))
    assert (verified.agrees, verified.routes[0].objects) == (True, 5)
    again = await migrate(plan, options(tmp_path))
    assert (again.copied, again.complete) == (0, True)
    (tmp_path / "clone.ledger").unlink()
    found = await migrate(plan, options(tmp_path))
    assert (found.copied, found.counters.found, found.complete) == (0, 5, True)


async def test_what_a_dead_run_left_of_an_object_that_is_gone_is_removed_once_nothing_is_undone(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leftovers, "LEFT_FOR_NS", 0)
    client.put_object(Bucket=BUCKET, Key="p/a", Body=b"a")
    client.put_object(Bucket=BUCKET, Key="p/no//file", Body=b"cannot be")
    stray = tmp_path / "clone" / temporary_name(b"gone").decode()
    stray.parent.mkdir()
    stray.write_bytes(b"half")
    apart = stray.with_name(name_apart(temporary_name(b"a")).decode())
    apart.write_bytes(b"perhaps the last that was saved")
    told: list[Event] = []
    heard = replace(options(tmp_path), listener=told.append)
    assert State.FAILED in (await migrate(plan_of(tmp_path), heard)).aside
    assert stray.exists()
    assert [event.code for event in told if isinstance(event, Notice)] == ["UnfinishedLeft", "VersionKept"]
    client.delete_object(Bucket=BUCKET, Key="p/no//file")
    told.clear()
    await migrate(plan_of(tmp_path), heard)
    assert [event.code for event in told if isinstance(event, Notice)] == ["UnfinishedRemoved", "VersionKept"]
    assert any(str(apart) in event.message and "'a'" in event.message for event in told if isinstance(event, Notice))
    assert sorted(path.name for path in stray.parent.iterdir()) == [apart.name, "a"]


@pytest.mark.parametrize("rules", [{}, {"properties": {"metadata": "drop"}}])
async def test_every_file_bears_the_time_that_its_object_says_also_one_without_bytes(
    rules: dict[str, Any], client: Any, tmp_path: Path
) -> None:
    bodies = {"small": b"1", "empty": b"", "large": bytes(3 * MIB)}
    for name, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=f"p/{name}", Body=body)
        client.put_object(Bucket=BUCKET, Key=f"p/{name} noted", Body=body, Metadata={"mtime": "1700000000.5"})
    assert (await migrate(plan_of(tmp_path, **rules), options(tmp_path))).complete
    for name in bodies:
        modified = client.head_object(Bucket=BUCKET, Key=f"p/{name}")["LastModified"].timestamp()
        assert (tmp_path / "clone" / name).stat().st_mtime == modified, name
        assert (tmp_path / "clone" / f"{name} noted").stat().st_mtime == 1700000000.5, name


@pytest.mark.parametrize(("rules", "executable"), [({}, True), ({"properties": {"metadata": "drop"}}, False)])
async def test_what_was_executable_is_executable_again_unless_the_route_drops_it(
    rules: dict[str, Any], executable: bool, client: Any, tmp_path: Path
) -> None:
    bodies = {"p/small": b"#!", "p/empty": b"", "p/large": bytes(3 * MIB)}
    for key, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"mode": "0104711", "mtime": "1700000000"})
    plan = plan_of(tmp_path, **rules)
    assert (await migrate(plan, options(tmp_path))).complete
    for key in bodies:
        mode = stat.S_IMODE((tmp_path / "clone" / key.removeprefix("p/")).stat().st_mode)
        assert mode == (0o711 if executable else 0o666) & ~umask(), key
    assert (await verify(plan, options(tmp_path))).agrees


async def test_a_source_written_again_gives_a_file_of_ours_its_time_and_permissions(
    served: Sandbox, client: Any, tmp_path: Path
) -> None:
    """With the same bytes, so that the ETag tells nothing. A file that was there before us keeps its own."""
    bodies = {"small": b"#!", "empty": b"", "large": bytes(3 * MIB), "found": b"2", "link": b"small", "untold": b"3"}
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/found").write_bytes(b"2")
    (tmp_path / "clone/found").chmod(0o640)
    for key, body in bodies.items():
        client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=body, Metadata={"mode": "0100644", "mtime": "1600000000"})
    keep = replace(options(tmp_path), links="keep")
    assert (await migrate(plan_of(tmp_path), keep)).complete
    served.control("advance_clock", {"seconds": 2})
    try:
        for key, body in bodies.items():
            metadata = {"mode": str(0o120777) if key == "link" else "0100600", "mtime": "1700000000"}
            client.put_object(Bucket=BUCKET, Key=f"p/{key}", Body=body, Metadata={} if key == "untold" else metadata)
        result = await migrate(plan_of(tmp_path), keep)
    finally:
        served.control("advance_clock", {"seconds": -2})
    assert (result.copied, result.counters.found, result.complete) == (4, 2, True)
    there = {key: (tmp_path / "clone" / key).lstat() for key in bodies}
    for key in ("small", "empty", "large"):
        assert (stat.S_IMODE(there[key].st_mode), there[key].st_mtime) == (0o600, 1_700_000_000), key
    assert stat.S_IMODE(there["found"].st_mode) == 0o640
    assert (stat.S_IMODE(there["untold"].st_mode), there["untold"].st_mtime) == (0o644 & ~umask(), 1_600_000_000)
    assert (tmp_path / "clone/link").readlink() == Path("small")
    again = await migrate(plan_of(tmp_path), keep)
    assert (again.copied, again.counters.done, again.complete) == (0, 6, True)
    assert (await verify(plan_of(tmp_path), keep, properties=True)).agrees


LINK = {"mode": str(0o120777)}


async def test_a_link_that_was_written_as_text_is_said_and_never_taken_for_the_link(
    client: Any, tmp_path: Path
) -> None:
    """Neither by the ledger that wrote it, nor by a new one that finds it: its bytes are the link's text."""
    plan, link = plan_of(tmp_path), tmp_path / "clone/link"
    client.put_object(Bucket=BUCKET, Key="p/a", Body=b"1")
    client.put_object(Bucket=BUCKET, Key="p/link", Body=b"a", Metadata=LINK)
    told: list[Event] = []
    assert (await migrate(plan, replace(options(tmp_path), listener=told.append))).complete
    (said,) = (event.message for event in told if isinstance(event, Notice) and event.code == "LinksAsText")
    assert said.startswith("written as files of the link's text: 1 object ") and link.read_bytes() == b"a"
    with pytest.raises(LedgerMismatch, match="are to be links now"):
        await migrate(plan, replace(options(tmp_path), links="keep"))
    report = await verify(plan, options(tmp_path), properties=True)
    assert [(item.key, item.message) for item in report.differences] == [
        ("link", "it is a file, wanted a symbolic link")
    ]
    keep = Options(ledger=tmp_path / "kept.ledger", links="keep")
    result = await migrate(plan, keep)
    assert (result.counters.found, result.aside) == (1, {State.CONFLICT: 1})
    assert "is a file, wanted a symbolic link" in result.counters.first_asides[0].message
    assert not (await verify(plan, keep)).agrees and not link.is_symlink()
    allowed = plan_of(tmp_path, overwrite="if-different")
    assert (await migrate(allowed, keep)).complete and link.readlink() == Path("a")
    assert (await verify(allowed, keep, depth=Depth(), properties=True)).agrees


async def test_a_link_in_the_place_of_an_object_that_is_none_is_not_taken_for_it(client: Any, tmp_path: Path) -> None:
    client.put_object(Bucket=BUCKET, Key="p/text", Body=b"a")
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone/text").symlink_to("a")
    keep = replace(options(tmp_path), links="keep")
    result = await migrate(plan_of(tmp_path), keep)
    assert (result.copied, result.aside) == (0, {State.CONFLICT: 1})
    assert "is a symbolic link, wanted a file" in result.counters.first_asides[0].message
    allowed = plan_of(tmp_path, overwrite="if-different")
    assert (await migrate(allowed, keep)).complete
    assert not (tmp_path / "clone/text").is_symlink() and (tmp_path / "clone/text").read_bytes() == b"a"
    assert (await verify(allowed, keep, properties=True)).agrees


async def test_a_file_in_the_place_of_a_link_that_was_copied_is_another_target(client: Any, tmp_path: Path) -> None:
    """Its ctime alone does not tell: it may have got the link's inode, and have been given its time."""
    client.put_object(Bucket=BUCKET, Key="p/link", Body=b"a", Metadata=LINK)
    plan, keep, link = plan_of(tmp_path), replace(options(tmp_path), links="keep"), tmp_path / "clone/link"
    assert (await migrate(plan, keep)).complete
    was = link.lstat()
    link.unlink()
    link.write_bytes(b"a")
    os.utime(link, ns=(was.st_mtime_ns, was.st_mtime_ns))
    with closing(sqlite3.connect(tmp_path / "clone.ledger")) as ledger:  # many file systems give an inode anew at once
        inodes = f"-{was.st_ino}", f"-{link.lstat().st_ino}"
        ledger.execute("UPDATE objects SET target_etag = replace(target_etag, ?, ?)", inodes)
        ledger.commit()
    report = await verify(plan, keep)
    assert [(item.key, item.kind.name) for item in report.differences] == [("link", "DAMAGED")]


async def test_an_object_that_became_a_link_within_the_second_is_found_by_its_properties(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No listing shows that; the next run makes the link, of what is ours."""
    plan, keep = plan_of(tmp_path), replace(options(tmp_path), links="keep")
    client.put_object(Bucket=BUCKET, Key="p/link", Body=b"a", Metadata=LINK)
    with monkeypatch.context() as patch:
        patch.setattr(download, "is_link", lambda properties: False)
        assert (await migrate(plan, keep)).complete
    report = await verify(plan, keep, properties=True)
    assert [(item.key, item.kind.name) for item in report.differences] == [("link", "DAMAGED")]
    assert (await migrate(plan, keep)).complete
    assert (tmp_path / "clone/link").readlink() == Path("a")
    assert (await verify(plan, keep, properties=True)).agrees


async def test_what_is_a_link_by_its_metadata_and_too_long_for_one_is_no_file(client: Any, tmp_path: Path) -> None:
    """Neither where it comes at one go, nor in parts."""
    for size in (0, 5000, 3 * MIB):
        client.put_object(Bucket=BUCKET, Key=f"p/{size}", Body=b"x" * size, Metadata={"mode": str(0o120777)})
    result = await migrate(plan_of(tmp_path), replace(options(tmp_path), links="keep"))
    assert result.aside == {State.FAILED: 3}
    assert [row.code for row in (await rows(tmp_path)).values()] == ["LinkRefused"] * 3
    assert [*(tmp_path / "clone").iterdir()] == []
