"""A copy whose file bears another ctime, and all else that it bore: FUSE file systems give one anew after the last
close, so that every copy there is met so. It stays ours, once its bytes were read."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import xxhash

from engine.api.cleanup import cleanup
from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.plan import survey
from engine.api.revert import revert
from engine.api.run import migrate
from engine.api.stopping import StopSignal
from engine.api.verify import verify
from engine.checksums import checksum_of
from engine.errors import AccessDenied, ObjectError, PreconditionFailed
from engine.events import Event, Progress
from engine.folder.store import FolderStore
from engine.folder.versions import version_of
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import ObjectRecord
from engine.proof import rereading
from engine.proof.depth import Depth
from engine.proof.judge import Kind
from engine.proof.rereading import known_digest
from engine.store import Body, GetRange
from tests.unit.ledger.scene import change

BODY = b"a card\n" * 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    made = tmp_path / "data"
    made.mkdir()
    (made / "a").write_bytes(BODY)
    (made / "empty").touch()
    return made


def plan_of(folder: Path, **rules: Any) -> Plan:
    return Plan.of(f"{folder}/", f"{folder.parent}/copy/", name="copy", folder=folder.parent, **rules)


def options(folder: Path) -> Options:
    return Options(ledger=folder.parent / "copy.ledger")


def restamp(folder: Path, body: bytes = b"") -> None:
    """Give the copies another ctime; and one of them this `body`, under the mtime that it had."""
    for path in (folder.parent / "copy").iterdir():
        was = path.stat()
        if body and path.name == "a":
            path.write_bytes(body)
            os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
        while path.stat().st_ctime_ns == was.st_ctime_ns:  # until the clock's next tick
            path.chmod(stat.S_IMODE(was.st_mode))


async def rows(folder: Path) -> dict[str, ObjectRecord]:
    async with await LedgerReader.open_to_read(folder.parent / "copy.ledger") as ledger:
        return {row.key: row async for batch in ledger.records() for row in batch}


async def test_a_verification_reads_it_and_knows_it_from_then_on(folder: Path) -> None:
    plan = plan_of(folder, hold=0)
    assert (await migrate(plan, options(folder))).copied == 2
    restamp(folder)
    for _ in range(2):
        assert (await verify(plan, options(folder))).agrees
    row = (await rows(folder))["a"]
    assert row.target_etag == version_of((folder.parent / "copy" / "a").stat())
    assert (row.state, row.proof, row.found, row.checksum[:10]) == (State.VERIFIED, Proof.DIGEST, False, "CRC64NVME:")
    assert (await migrate(plan, options(folder))).copied == 0
    done = await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 2


async def test_a_run_reads_it_and_it_stays_what_this_ledger_wrote(folder: Path) -> None:
    await migrate(plan_of(folder), options(folder))
    before = await rows(folder)
    restamp(folder)
    assert [route.to_copy for route in (await survey(plan_of(folder), options(folder))).routes] == [0]
    result = await migrate(plan_of(folder), options(folder))
    assert (result.copied, result.complete) == (0, True)
    after = (await rows(folder)).values()
    assert [(row.found, row.method) for row in after] == [(False, row.method) for row in before.values()]
    assert "" not in {row.method for row in after}
    done = await revert(plan_of(folder), options(folder), delete=True, consent=Consent())
    assert done.reverted is not None and done.reverted.removed == 2


async def test_one_with_other_bytes_is_damaged_and_never_copied_over(folder: Path) -> None:
    await migrate(plan_of(folder), options(folder))
    restamp(folder, BODY[::-1])
    done = await verify(plan_of(folder), options(folder))
    assert [difference.key for route in done.routes for difference in done.differences] == ["a"]
    result = await migrate(plan_of(folder), options(folder))
    assert result.aside == {State.CONFLICT: 1}
    assert (folder.parent / "copy" / "a").read_bytes() == BODY[::-1]


async def deleted(folder: Path) -> Plan:
    """After a cleanup: no source is left to mend a copy from."""
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    await verify(plan, options(folder))
    done = await cleanup(plan, options(folder), delete=True, consent=Consent())
    assert done.cleaned is not None and done.cleaned.deleted == 2
    return plan


async def test_one_whose_source_was_deleted_stands_once_it_was_read(folder: Path) -> None:
    plan = await deleted(folder)
    before = (await rows(folder))["a"]
    restamp(folder)
    assert (await migrate(plan, options(folder))).aside == {}
    for _ in range(2):
        assert (await verify(plan, options(folder))).agrees
    after = (await rows(folder))["a"]
    assert after == before._replace(target_etag=version_of((folder.parent / "copy" / "a").stat()))


async def test_one_whose_source_was_deleted_is_lost_where_its_bytes_are_others(folder: Path) -> None:
    plan = await deleted(folder)
    restamp(folder, BODY[::-1])
    done = await verify(plan, options(folder))
    assert [(item.key, item.kind) for item in done.differences] == [("a", Kind.LOST)]
    assert (await rows(folder))["a"].state is State.LOST
    restamp(folder, BODY)  # what stands there again is told by its bytes too
    assert (await verify(plan, options(folder))).agrees
    assert (await rows(folder))["a"].state is State.DELETED


@pytest.mark.parametrize(
    "error",
    [None, PreconditionFailed("changed", operation="GetObject"), AccessDenied("refused", operation="GetObject")],
)
async def test_one_whose_source_was_deleted_is_neither_lost_nor_proven_where_its_bytes_tell_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: ObjectError | None
) -> None:
    plan = await deleted(folder)
    before = await rows(folder)
    restamp(folder)

    async def refused(*_: Any) -> str:
        assert error is not None
        raise error

    if error is None:
        monkeypatch.setattr(rereading, "known_digest", lambda record: ("", ""))
    else:
        monkeypatch.setattr(rereading, "_digest", refused)
    done = await verify(plan, options(folder))
    assert [item.kind for item in done.differences] == [Kind.UNREAD] * 2
    assert await rows(folder) == before


async def test_one_whose_source_went_before_its_proof_is_withdrawn_and_not_lost(folder: Path) -> None:
    plan = plan_of(folder)
    await migrate(plan, options(folder))
    restamp(folder)
    (folder / "a").unlink()
    done = await verify(plan, options(folder))
    assert [(item.key, item.kind) for item in done.differences] == [("a", Kind.WITHDRAWN)]


async def test_what_is_not_read_when_it_is_to_stop_is_left_out_and_told_on_the_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "b").write_bytes(BODY)
    await migrate(plan_of(folder), options(folder))
    before = await rows(folder)
    restamp(folder)
    monkeypatch.setattr("engine.proof.verify.PROGRESS_EVERY_S", 0)
    monkeypatch.setattr(rereading, "FILES_AT_ONCE", 1)
    monkeypatch.setattr(rereading, "RANGE_BYTES", len(BODY) // 2)
    told: list[int] = []
    stop, kept = StopSignal(), FolderStore.get_range

    async def read(store: FolderStore, request: GetRange) -> Body:
        if (request.first or 0) > 0:  # the first file's second half
            with anyio.fail_after(30):
                while not told:
                    await anyio.lowlevel.checkpoint()
            stop.request()
        return await kept(store, request)

    def heard(event: Event) -> None:
        if isinstance(event, Progress) and event.done_bytes:
            told.append(event.done_bytes)

    monkeypatch.setattr(FolderStore, "get_range", read)
    done = await verify(plan_of(folder), replace(options(folder), listener=heard), stop=stop)
    assert done.stopped and done.differences == []
    assert told[0] == len(BODY) // 2
    assert await rows(folder) == before


async def test_one_that_was_moved_away_and_came_back_stays_what_this_ledger_wrote(folder: Path) -> None:
    await migrate(plan_of(folder), options(folder))
    copy, kept = folder.parent / "copy" / "a", folder.parent / "kept"
    copy.rename(kept)
    copy.write_bytes(b"another")
    await verify(plan_of(folder), options(folder))
    assert (await rows(folder))["a"].state is State.CONFLICT
    kept.replace(copy)
    restamp(folder)
    assert (await migrate(plan_of(folder), options(folder))).copied == 0
    row = (await rows(folder))["a"]
    assert (row.state, row.found) == (State.COPIED, False) and row.method
    done = await revert(plan_of(folder), options(folder), delete=True, consent=Consent())
    assert done.reverted is not None and done.reverted.removed == 2


@pytest.mark.parametrize("source_stays", [True, False])
async def test_one_proven_by_bytes_is_held_against_what_both_sides_were_and_stays_so(
    folder: Path, source_stays: bool
) -> None:
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    await verify(plan, options(folder), depth=Depth())
    if not source_stays:
        await cleanup(plan, options(folder), delete=True, consent=Consent())
    restamp(folder)
    for _ in range(2):
        assert (await verify(plan, options(folder))).agrees
    row = (await rows(folder))["a"]
    assert (row.proof, row.xxh3) == (Proof.BYTES, xxhash.xxh3_128_hexdigest(BODY))
    other = BODY[::-1]
    restamp(folder, other)
    keep_checksum(folder, other)  # as of another file that was made to have it
    done = await verify(plan, options(folder))
    assert [item.key for item in done.differences] == ["a"]


@pytest.mark.parametrize("source_stays", [True, False])
async def test_of_one_whose_checksum_alone_was_read_a_proof_by_bytes_is_none(folder: Path, source_stays: bool) -> None:
    plan = plan_of(folder, hold=0)
    await migrate(plan, options(folder))
    await verify(plan, options(folder), depth=Depth())
    if not source_stays:
        await cleanup(plan, options(folder), delete=True, consent=Consent())
    change(folder.parent / "copy.ledger", "UPDATE objects SET xxh3 = ''")
    restamp(folder)
    assert (await verify(plan, options(folder))).agrees
    assert (await rows(folder))["a"].proof is Proof.DIGEST


def keep_checksum(folder: Path, body: bytes) -> None:
    """Have the ledger keep of `a` the checksum of these bytes."""
    checksum = f"CRC64NVME:FULL_OBJECT:{checksum_of('CRC64NVME', body)}"
    change(folder.parent / "copy.ledger", f"UPDATE objects SET checksum = '{checksum}' WHERE key = 'a'")


def test_what_the_ledger_keeps_of_the_bytes_may_be_an_etag() -> None:
    md5 = "d41d8cd98f00b204e9800998ecf8427e"
    row = ObjectRecord("r", "k", 7, md5, "", "", "", State.COPIED, "", "7-1-1-1", "", Proof.DIGEST, "etag", False, "",
                       1, "", "", 0, 0, 0, 0, 0)  # fmt: skip
    assert known_digest(row) == ("MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
    assert known_digest(row._replace(compared="etag of parts")) == ("", "")
    assert known_digest(row._replace(proof=Proof.SIZE)) == ("", "")
    assert known_digest(row._replace(checksum="SHA256:FULL_OBJECT:YWJj")) == ("SHA256", "YWJj")
    assert known_digest(row._replace(checksum="SHA256:FULL_OBJECT:YWJj", xxh3="99aa")) == ("xxh3-128", "99aa")
    assert known_digest(row._replace(size=0, compared="no bytes")) == ("MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
