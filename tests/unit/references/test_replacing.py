"""Bad luck while a file is replaced: someone else writes, an answer is lost, a server cannot do it."""

from __future__ import annotations

import base64
import errno
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import Mock

import pytest

from engine import freshness
from engine.api.options import Options
from engine.cli.init import init_command
from engine.decorator import StoreDecorator
from engine.errors import AccessDenied, Ambiguous, StoreError, Unsupported, UsageError
from engine.folder import leftovers, system
from engine.folder.first import unfinished_beside
from engine.folder.names import is_unfinished
from engine.folder.system import umask
from engine.ledger import Binding, Ledger
from engine.model import ABSENT, CopyResult, ObjectHead, ObjectLock, ObjectRef, Properties
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.record import Decision
from engine.plan.settings import Connection
from engine.references import local_files, manifest, replacing, rewriting
from engine.references.local_files import (
    Skipped,
    create_file,
    remove_file,
    remove_left_beside,
    replace_file,
    restore_file,
    walk,
    write_new,
    writing_new,
)
from engine.references.replacing import ReplaceRefused, Restored, keeping, mark_of, replace_object, restore_object
from engine.references.scanning import Scanner
from engine.references.undoing import RestoredFile
from engine.sites.clock import now_ms
from engine.sites.opening import open_site
from engine.store import (
    Answered,
    Asked,
    DeleteObject,
    GetAcl,
    GetRange,
    GetTags,
    HeadObject,
    ObjectStore,
    PutObject,
    PutTags,
)
from tests.fake_store import sites_of
from tests.servers import Endpoint

Request = TypeVar("Request")
Answer = TypeVar("Answer")
BEFORE, AFTER, THEIRS = b"before", b"after", b"theirs"


class Meddling(StoreDecorator):
    """Does something else, once, right before or after an operation."""

    def __init__(self, inner: ObjectStore) -> None:
        super().__init__(inner)
        self.before: dict[str, Callable[[], Awaitable[None]]] = {}
        self.after: dict[str, Exception] = {}

    async def _call(self, method: Callable[[Asked], Awaitable[Answered]], request: Asked) -> Answered:
        if request.operation in self.before:
            await self.before.pop(request.operation)()
        answer = await method(request)
        if request.operation in self.after:
            raise self.after.pop(request.operation)
        return answer


class Hiding(StoreDecorator):
    """HEAD shows no lock, as S3's does not to those who may not read it."""

    async def head_object(self, request: HeadObject) -> ObjectHead:
        head = await super().head_object(request)
        return head._replace(properties=head.properties._replace(lock=None))


class Later(StoreDecorator):
    """A server in whose time every retention has ended."""

    async def head_object(self, request: HeadObject) -> ObjectHead:
        head = await super().head_object(request)
        return head._replace(date="Fri, 01 Jan 2100 00:00:00 GMT")


@pytest.fixture
async def store(sandbox: Endpoint, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Meddling]:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    async with open_site(Connection(), Options(give_up_after_s=0)) as opened:
        yield Meddling(opened.store)


@pytest.fixture
def ref(sandbox: Endpoint) -> ObjectRef:
    client = sandbox.client()
    place = {"LocationConstraint": sandbox.region}
    bucket = f"replacing-{now_ms()}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    return ObjectRef(bucket, "docs/read me.md")


@pytest.fixture
async def ledger(tmp_path: Path, ref: ObjectRef) -> AsyncIterator[Ledger]:
    plan = plan_of(tmp_path, ref.bucket)
    routes = plan.binding_routes
    async with await Ledger.open(tmp_path / "p.ledger", Binding("p", "e", routes), now_ms=now_ms) as opened:
        yield opened


def plan_of(folder: Path, bucket: str) -> Plan:
    return Plan.parse(
        f'name = "p"\nbucket = "{bucket}"\nprefix = "new/"\n[[routes]]\nname = "r"\nfrom = "/old/"\nto = "old/"\n'
        '[references]\nscan = ["/docs/", "./local/"]\n',
        source=str(folder / "p.toml"),
    )


async def put(store: ObjectStore, ref: ObjectRef, body: bytes, **more: Any) -> str:
    return (await store.put_object(PutObject(ref, body, **more))).etag


async def body_of(store: ObjectStore, ref: ObjectRef) -> bytes:
    return (await store.get_range(GetRange(ref))).data


async def test_someone_else_who_writes_in_between_wins(store: Meddling, ledger: Ledger, ref: ObjectRef) -> None:
    etag = await put(store, ref, BEFORE)

    async def theirs() -> None:
        await put(store, ref, THEIRS)

    for moment in ("HeadObject", "PutObject"):
        await put(store, ref, BEFORE)
        store.before[moment] = theirs
        with pytest.raises(ReplaceRefused, match="changed since it was read"):
            await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
        assert await body_of(store, ref) == THEIRS
        assert await restore_object(store, ref, mark=mark_of(AFTER), before=BEFORE) is Restored.CHANGED


async def test_a_lost_answer_of_our_own_success_is_a_success(store: Meddling, ledger: Ledger, ref: ObjectRef) -> None:
    etag = await put(store, ref, BEFORE)
    store.after["PutObject"] = Ambiguous("lost", operation="PutObject")
    new = await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, ref) == AFTER and new
    assert await restore_object(store, ref, mark=mark_of(AFTER), before=BEFORE) is Restored.BACK
    assert await restore_object(store, ref, mark=mark_of(AFTER), before=BEFORE) is Restored.ALREADY
    await store.delete_object(DeleteObject(ref))
    assert await restore_object(store, ref, mark=mark_of(AFTER), before=BEFORE) is Restored.GONE


@pytest.fixture
def stopped(store: Meddling, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[[], Awaitable[Any]]], None]:
    """Stops the process for 40 s right before an operation; somebody does something meanwhile."""
    later_s, now_s = [0.0], freshness.now_s
    monkeypatch.setattr(freshness, "now_s", lambda: now_s() + later_s[0])
    monkeypatch.setattr(replacing, "BASE_S", 0.0)

    def stop(operation: str, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        async def both() -> None:
            await meanwhile()
            later_s[0] += 40

        store.before[operation] = both

    return stop


async def test_a_file_changed_while_the_process_was_stopped_is_not_written_over_without_conditions(
    store: Meddling, ledger: Ledger, ref: ObjectRef, stopped: Callable[..., None]
) -> None:
    etag = await put(store, ref, BEFORE)
    stopped("PutObject", lambda: put(store._inner, ref, THEIRS))
    with pytest.raises(ReplaceRefused, match="changed since it was read"):
        await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER, conditional=False)
    assert await body_of(store, ref) == THEIRS


async def test_tags_set_while_the_process_was_stopped_are_written_again(
    store: Meddling, ledger: Ledger, ref: ObjectRef, stopped: Callable[..., None]
) -> None:
    """They change no ETag, so that no condition protects them."""
    etag = await put(store, ref, BEFORE)
    stopped("PutObject", lambda: store._inner.put_tags(PutTags(ref, (("keep", "me"),))))
    await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, ref) == AFTER
    assert await store.get_tags(GetTags(ref)) == (("keep", "me"),)


async def test_a_server_too_slow_to_be_written_to_is_told_of(
    store: Meddling, ledger: Ledger, ref: ObjectRef, stopped: Callable[..., None]
) -> None:
    etag = await put(store, ref, BEFORE)

    async def again() -> None:
        stopped("PutObject", again)

    stopped("PutObject", again)
    with pytest.raises(ReplaceRefused, match="within 2 s of a look"):
        await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, ref) == BEFORE


async def test_what_was_not_carried_out_is_not_taken_for_it(store: Meddling, ledger: Ledger, ref: ObjectRef) -> None:
    etag = await put(store, ref, BEFORE)

    async def fail() -> None:
        raise Ambiguous("reset", operation="PutObject")

    store.before["PutObject"] = fail
    with pytest.raises(Ambiguous):
        await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, ref) == BEFORE
    assert [item.body for item in await ledger.kept("k")] == [BEFORE]


async def test_what_was_refused_for_certain_is_no_step_on_the_way_back(
    store: Meddling, ledger: Ledger, ref: ObjectRef, tmp_path: Path
) -> None:
    """Else a file that was written later would not be put back to what it was at first."""
    etag = await put(store, ref, BEFORE)

    async def refuse() -> None:
        raise AccessDenied("no", operation="PutObject")

    store.before["PutObject"] = refuse
    with pytest.raises(AccessDenied):
        await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    path = tmp_path / "m.json"
    path.write_bytes(b"somebody's")
    with pytest.raises(ReplaceRefused, match="changed since it was read"):
        async with keeping(ledger, "k", "m.json", BEFORE, AFTER, path):
            replace_file(path, "m.json", before=BEFORE, after=AFTER)
    assert await ledger.kept("k") == []


async def test_what_is_there_though_it_was_refused_stays_kept(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder that cannot be synced refuses when the file has its new content."""
    path = tmp_path / "m.json"
    path.write_bytes(BEFORE)

    def fail(path: Path) -> None:
        raise OSError(errno.EIO, "fails")

    monkeypatch.setattr(local_files, "sync_folder", fail)
    with pytest.raises(ReplaceRefused, match="was written, and its folder could not be synced"):
        async with keeping(ledger, "k", "m.json", BEFORE, AFTER, path):
            replace_file(path, "m.json", before=BEFORE, after=AFTER)
    assert path.read_bytes() == AFTER
    assert [item.body for item in await ledger.kept("k")] == [BEFORE]


@pytest.mark.parametrize(
    "operation, error, why",
    [
        ("GetObjectTagging", AccessDenied("no", operation="GetObjectTagging"), "its tags cannot be read"),
        ("PutObject", Unsupported("no", operation="PutObject"), "cannot write only if nothing changed"),
    ],
)
async def test_what_would_lose_something_is_refused(
    store: Meddling, ledger: Ledger, ref: ObjectRef, operation: str, error: StoreError, why: str
) -> None:
    etag = await put(store, ref, BEFORE, properties=Properties(tags=(("a", "b"),)))

    async def fail() -> None:
        raise error

    store.before[operation] = fail
    with pytest.raises(ReplaceRefused, match=why):
        await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, ref) == BEFORE


async def test_everything_else_that_it_carries_is_written_again(
    store: Meddling, ledger: Ledger, ref: ObjectRef
) -> None:
    carried = Properties("text/markdown", cache_control="no-cache", metadata=(("by", "us"),), tags=(("a", "b"),))
    etag = await put(store, ref, BEFORE, properties=carried)
    await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)
    head = await store.head_object(HeadObject(ref))
    assert (head.properties.content_type, head.properties.cache_control) == ("text/markdown", "no-cache")
    assert head.properties.metadata == (("by", "us"),) and await store.get_tags(GetTags(ref)) == (("a", "b"),)


@pytest.fixture
def shared(sandbox: Endpoint) -> ObjectRef:
    """A file in a bucket that takes ACLs, which everybody may read."""
    client, bucket = sandbox.client(), f"sharing-{now_ms()}"
    place = {"LocationConstraint": sandbox.region}
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration=place, ObjectOwnership="ObjectWriter")
    client.put_object(Bucket=bucket, Key="a.md", Body=BEFORE, ACL="public-read")
    return ObjectRef(bucket, "a.md")


async def test_its_acl_is_written_again_and_put_back(store: Meddling, ledger: Ledger, shared: ObjectRef) -> None:
    etag = hashlib.md5(BEFORE).hexdigest()
    await replace_object(store, ledger, "k", shared, etag=etag, before=BEFORE, after=AFTER)
    assert (await body_of(store, shared), str(await store.get_acl(GetAcl(shared)))) == (AFTER, "public-read")
    assert await restore_object(store, shared, mark=mark_of(AFTER), before=BEFORE) is Restored.BACK
    assert (await body_of(store, shared), str(await store.get_acl(GetAcl(shared)))) == (BEFORE, "public-read")


@pytest.mark.parametrize(
    ("operation", "why"),
    [("GetObjectAcl", "would make it private"), ("PutObject", "an ACL of its own .public-read., which may not")],
)
async def test_an_acl_that_would_be_lost_is_a_refusal(
    store: Meddling, ledger: Ledger, shared: ObjectRef, operation: str, why: str
) -> None:
    async def deny() -> None:
        raise AccessDenied("no", operation=operation)

    store.before[operation] = deny
    etag = hashlib.md5(BEFORE).hexdigest()
    with pytest.raises(ReplaceRefused, match=why):
        await replace_object(store, ledger, "k", shared, etag=etag, before=BEFORE, after=AFTER)
    assert (await body_of(store, shared), str(await store.get_acl(GetAcl(shared)))) == (BEFORE, "public-read")


@pytest.fixture
def locked(sandbox: Endpoint) -> ObjectRef:
    """A file that is retained and held."""
    client, bucket = sandbox.client(), f"locking-{now_ms()}"
    place = {"LocationConstraint": sandbox.region}
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
    client.put_object(
        Bucket=bucket,
        Key="a.md",
        Body=BEFORE,
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate="2040-01-01T00:00:00Z",
        ObjectLockLegalHoldStatus="ON",
    )
    return ObjectRef(bucket, "a.md")


class Noting(StoreDecorator):
    """Keeps what was put."""

    put: PutObject

    async def put_object(self, request: PutObject) -> CopyResult:
        self.put = request
        return await super().put_object(request)


async def test_its_lock_is_written_again(store: Meddling, ledger: Ledger, locked: ObjectRef) -> None:
    """With an MD5: S3 takes a lock only with a checksum of the body (API reference, PutObject)."""
    etag, noting = hashlib.md5(BEFORE).hexdigest(), Noting(store)
    await replace_object(noting, ledger, "k", locked, etag=etag, before=BEFORE, after=AFTER)
    assert noting.put.content_md5 == base64.b64encode(hashlib.md5(AFTER).digest()).decode()
    lock = (await store.head_object(HeadObject(locked))).properties.lock
    assert lock is not None
    assert (lock.mode, lock.retain_until[:10], lock.legal_hold) == ("GOVERNANCE", "2040-01-01", True)


async def test_a_retention_that_has_ended_is_left_out_and_the_hold_stays(
    store: Meddling, ledger: Ledger, locked: ObjectRef
) -> None:
    """S3 takes none that is past."""
    noting = Noting(Later(store))
    await replace_object(noting, ledger, "k", locked, etag=hashlib.md5(BEFORE).hexdigest(), before=BEFORE, after=AFTER)
    assert noting.put.properties.lock == ObjectLock(legal_hold=True)


@pytest.mark.parametrize("operation", ["GetObjectRetention", "GetObjectLegalHold"])
async def test_a_lock_that_may_not_be_read_is_a_refusal(
    store: Meddling, ledger: Ledger, locked: ObjectRef, operation: str
) -> None:
    async def deny() -> None:
        raise AccessDenied("no", operation=operation)

    store.before[operation] = deny
    etag = hashlib.md5(BEFORE).hexdigest()
    with pytest.raises(ReplaceRefused, match="would lose its lock"):
        await replace_object(Hiding(store), ledger, "k", locked, etag=etag, before=BEFORE, after=AFTER)
    assert await body_of(store, locked) == BEFORE


@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
async def test_an_undo_of_a_manifest_goes_on_past_a_file_that_is_refused(
    store: Meddling, ledger: Ledger, ref: ObjectRef, tmp_path: Path, operation: str
) -> None:
    local = tmp_path / "README.md"
    local.write_bytes(AFTER)
    await put(store, ref, AFTER)
    for name in (str(local), str(ref)):  # the object is the first that is put back
        await ledger.keep(manifest.KIND, name, mark_of(AFTER), BEFORE)

    async def deny() -> None:
        raise AccessDenied("you may not", operation=operation)

    store.before[operation] = deny
    assert await manifest.undo(store, ledger) == [
        RestoredFile(str(ref), Restored.REFUSED, "you may not"),
        RestoredFile(str(local), Restored.BACK),
    ]
    assert (await body_of(store, ref), local.read_bytes()) == (AFTER, BEFORE)


async def test_a_server_without_acls_loses_none(store: Meddling, ledger: Ledger, ref: ObjectRef) -> None:
    etag = await put(store, ref, BEFORE)

    async def unknown() -> None:
        raise Unsupported("no", operation="GetObjectAcl")

    store.before["GetObjectAcl"] = unknown
    assert await replace_object(store, ledger, "k", ref, etag=etag, before=BEFORE, after=AFTER)


async def test_an_apply_goes_on_past_what_changed_and_a_killed_one_is_taken_back(
    store: Meddling, ledger: Ledger, ref: ObjectRef, tmp_path: Path
) -> None:
    plan = plan_of(tmp_path, ref.bucket)
    await ledger.decide("r", [Decision("a", 1, "e", "", "STANDARD", "", State.COPIED, target_etag="e", found=True)])
    text = f"s3://{ref.bucket}/old/a".encode()
    other = ObjectRef(ref.bucket, "docs/z.md")
    local = tmp_path / "local" / "a.md"
    local.parent.mkdir()
    local.write_bytes(text)
    for place in (ref, other):
        await put(store, place, text)
    scan = await Scanner(sites_of(store), ledger, plan).run()
    assert [file.name for file in scan.files] == ["./local/a.md", str(ref), str(other)]
    await put(store, ref, THEIRS)
    local.write_bytes(THEIRS)
    done = await rewriting.apply(store, ledger, plan, scan)
    assert done.written == [str(other)]
    assert all("changed since it was read" in item.why for item in done.refused) and len(done.refused) == 2
    assert (await body_of(store, ref), local.read_bytes()) == (THEIRS, THEIRS)

    await put(store, ref, text)
    scan = await Scanner(sites_of(store), ledger, plan).run()

    class Killed(BaseException):
        pass

    async def die() -> None:
        raise Killed

    store.before["PutObject"] = die
    with pytest.raises(Killed):
        await rewriting.apply(store, ledger, plan, scan)
    assert await body_of(store, ref) == text
    results = {item.name: item.result for item in await rewriting.undo(sites_of(store), ledger, plan)}
    assert results == {str(ref): Restored.ALREADY, str(other): Restored.BACK}, "the local file was never written"
    left = await Scanner(sites_of(store), ledger, plan).run()
    assert left.places == 2 and left.first == f"{ref}:1 s3://{ref.bucket}/old/a"


async def test_a_new_object_takes_nobodys_place(store: Meddling, ref: ObjectRef) -> None:
    from engine.references.manifest import _create

    async def theirs() -> None:
        await put(store, ref, THEIRS, target_condition=ABSENT)

    store.before["PutObject"] = theirs
    with pytest.raises(ReplaceRefused, match="appeared meanwhile"):
        await _create(store, ref, AFTER)
    assert await body_of(store, ref) == THEIRS


def test_a_local_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(BEFORE)
    path.chmod(0o755)
    replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (AFTER, 0o755)
    with pytest.raises(ReplaceRefused, match="changed since"):
        replace_file(path, "./a.py", before=BEFORE, after=THEIRS)
    assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.BACK
    assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.ALREADY
    path.write_bytes(THEIRS)
    assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.CHANGED
    path.unlink()
    assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.GONE
    outside = tmp_path / "outside"
    outside.write_bytes(AFTER)
    path.symlink_to(outside)
    assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.GONE
    with pytest.raises(ReplaceRefused):
        replace_file(path, "./a.py", before=AFTER, after=BEFORE)
    assert outside.read_bytes() == AFTER and sorted(item.name for item in tmp_path.iterdir()) == ["a.py", "outside"]


@pytest.mark.parametrize("exchanges", [True, False], ids=["exchanged", "looked at again"])
@pytest.mark.parametrize("undo", [False, True], ids=["write", "undo"])
def test_what_is_saved_while_the_new_file_is_brought_to_the_disk_is_not_written_over(
    exchanges: bool, undo: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor, or another plan's rewrite: an fsync takes long enough for either."""
    path, sync = tmp_path / "a.py", os.fsync
    path.write_bytes(BEFORE)

    def saved_meanwhile(descriptor: int) -> None:
        sync(descriptor)
        (saved := tmp_path / "a.py~").write_bytes(THEIRS)
        saved.replace(path)

    monkeypatch.setattr(os, "fsync", saved_meanwhile)
    if not exchanges:
        monkeypatch.setattr(system, "_RENAME", None)
    with pytest.raises(ReplaceRefused, match="changed since it was read"):
        if undo:
            restore_file(path, "./a.py", mark=mark_of(BEFORE), before=AFTER)
        else:
            replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("a.py", THEIRS)]


def test_what_is_saved_while_another_save_is_put_back_stays_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, exchange = tmp_path / "a.py", system.exchange
    path.write_bytes(BEFORE)
    saves = [THEIRS, b"theirs again"]

    def saved_just_before(directory: int, one: bytes, other: bytes) -> bool:
        (saved := tmp_path / "a.py~").write_bytes(saves.pop(0))
        saved.replace(path)
        return exchange(directory, one, other)

    monkeypatch.setattr(system, "exchange", saved_just_before)
    with pytest.raises(ReplaceRefused) as refused:
        replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert (path.read_bytes(), kept_by(refused.value, tmp_path)) == (THEIRS, b"theirs again")


def kept_by(error: ReplaceRefused, folder: Path) -> bytes:
    """What lies beside a file under the name that an error tells."""
    (name,) = (item.name for item in folder.iterdir() if item.name in error.message.split())
    return (folder / name).read_bytes()


@pytest.mark.parametrize("how", ["the disk fails", "an editor renames", "nothing can be renamed", "it cannot be read"])
def test_what_was_saved_at_the_last_moment_and_cannot_be_put_back_is_kept_and_named(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder := tmp_path / "f").mkdir()
    path, exchange = folder / "a.py", system.exchange
    path.write_bytes(BEFORE)

    def fail(*of: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def put_back(directory: int, one: bytes, other: bytes) -> bool:
        if how != "an editor renames":
            fail()
        path.rename(tmp_path / "a.py~")
        return exchange(directory, one, other)

    def saved_just_before(directory: int, one: bytes, other: bytes) -> bool:
        monkeypatch.setattr(system, "exchange", put_back)
        path.write_bytes(THEIRS)
        if how == "it cannot be read":
            monkeypatch.setattr(local_files, "_holds", fail)
        return exchange(directory, one, other)

    monkeypatch.setattr(system, "exchange", saved_just_before)
    if how == "nothing can be renamed":
        monkeypatch.setattr(system, "rename_to_nothing", fail)
    with pytest.raises(ReplaceRefused) as refused:
        replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert kept_by(refused.value, folder) == THEIRS
    assert "Look at it" in refused.value.advice and "was not written" not in refused.value.message


def test_a_file_is_written_where_the_old_one_cannot_be_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(BEFORE)
    monkeypatch.setattr(system, "unlink", Mock(side_effect=OSError(errno.EIO, os.strerror(errno.EIO))))
    replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert path.read_bytes() == AFTER


def test_a_local_file_keeps_its_owner_and_what_hangs_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(BEFORE)
    given, hung = list[tuple[str, int, int]](), dict[str, bytes]()
    attributes = {"user.origin": b"theirs", "system.posix_acl_access": b"acl", "security.selinux": b"label"}

    def set_one(at: Path, name: str, value: bytes) -> None:
        if name.startswith("security."):
            raise PermissionError(1, "not permitted")
        hung[name] = value

    monkeypatch.setattr(local_files, "_owner", lambda at: (11, 12) if at == path else (21, 22))
    monkeypatch.setattr(os, "chown", lambda at, uid, gid: given.append((Path(at).parent.name, uid, gid)))
    monkeypatch.setattr(os, "listxattr", lambda at: list(attributes), raising=False)
    monkeypatch.setattr(os, "getxattr", lambda at, name: attributes[name], raising=False)
    monkeypatch.setattr(os, "setxattr", set_one, raising=False)
    replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert given == [(tmp_path.name, 11, 12)]
    assert hung == {"user.origin": b"theirs", "system.posix_acl_access": b"acl"}

    def refuse(at: Path, uid: int, gid: int) -> None:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "chown", refuse)
    with pytest.raises(ReplaceRefused, match="belongs to user 11 and group 12"):
        replace_file(path, "./a.py", before=AFTER, after=THEIRS)
    assert path.read_bytes() == AFTER and [item.name for item in tmp_path.iterdir()] == ["a.py"]


def test_a_file_system_without_owners_or_attributes_has_none_to_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(BEFORE)

    def fail(number: int, *at: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "chown", partial(fail, errno.ENOSYS))
    monkeypatch.setattr(os, "listxattr", partial(fail, errno.ENOTSUP), raising=False)
    replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert path.read_bytes() == AFTER
    monkeypatch.setattr(os, "listxattr", partial(fail, errno.EIO), raising=False)
    with pytest.raises(ReplaceRefused, match="was not written"):
        replace_file(path, "./a.py", before=AFTER, after=THEIRS)
    assert path.read_bytes() == AFTER


@pytest.mark.parametrize("name", ["n" * 255, "ü" * 127])
def test_a_name_as_long_as_the_disk_takes_is_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    create_file(path, name, BEFORE)
    replace_file(path, name, before=BEFORE, after=AFTER)
    write_new(path, THEIRS)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [(name, THEIRS)]


def test_what_a_killed_process_left_beside_a_file_goes_once_that_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    for each in (path, other):
        each.write_bytes(BEFORE)
        with monkeypatch.context() as killed:
            killed.setattr(system, "exchange", fail := Mock(side_effect=KeyboardInterrupt))
            killed.setattr(Path, "unlink", fail)
            with pytest.raises(KeyboardInterrupt):
                replace_file(each, each.name, before=BEFORE, after=AFTER)
    left = [item for item in tmp_path.iterdir() if item not in (path, other)]
    assert len(left) == 2 and all(is_unfinished(os.fsencode(item.name)) for item in left), "it is no key of a folder"
    remove_left_beside([path])
    assert len(list(tmp_path.iterdir())) == 4, "somebody may write it yet"
    monkeypatch.setattr(leftovers, "LEFT_FOR_NS", 0)
    remove_left_beside([path])
    assert len(list(tmp_path.iterdir())) == 3 and other.read_bytes() == BEFORE


async def test_a_folder_is_looked_through_once_for_what_killed_processes_left_however_many_files_are_written(
    store: Meddling, ledger: Ledger, ref: ObjectRef, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, folder = plan_of(tmp_path, ref.bucket), tmp_path / "local"
    await ledger.decide("r", [Decision("a", 1, "e", "", "STANDARD", "", State.COPIED, target_etag="e", found=True)])
    folder.mkdir()
    files = [folder / f"{number}.md" for number in range(5)]
    old = f"s3://{ref.bucket}/old/a".encode()
    for file in files:
        file.write_bytes(old)
    monkeypatch.setattr(leftovers, "LEFT_FOR_NS", 0)

    async def looked(work: Awaitable[object]) -> int:
        (left := unfinished_beside(files[2])).write_bytes(b"half of it")
        with monkeypatch.context() as counting:
            counting.setattr(os, "scandir", looks := Mock(side_effect=os.scandir))
            await work
        assert not left.exists()
        return looks.call_count

    scan = await Scanner(sites_of(store), ledger, plan).run()
    assert await looked(rewriting.apply(store, ledger, plan, scan)) == 1
    assert all(file.read_bytes() != old for file in files)
    assert await looked(rewriting.undo(sites_of(store), ledger, plan)) == 1
    assert all(file.read_bytes() == old for file in files)


def test_another_name_of_a_local_file_keeps_what_it_held(tmp_path: Path) -> None:
    path, other = tmp_path / "a.py", tmp_path / "b.py"
    path.write_bytes(BEFORE)
    other.hardlink_to(path)
    replace_file(path, "./a.py", before=BEFORE, after=AFTER)
    assert (path.read_bytes(), other.read_bytes()) == (AFTER, BEFORE)


def test_a_new_file_takes_a_links_place_and_leaves_what_it_leads_to(tmp_path: Path) -> None:
    victim, report, other = tmp_path / "thesis.txt", tmp_path / "p.receipt.json", tmp_path / "p.receipt.md"
    victim.write_bytes(THEIRS)
    victim.chmod(0o644)
    report.symlink_to(victim)
    os.link(victim, other)
    for path in (report, other):
        write_new(path, AFTER)
        assert (path.read_bytes(), path.is_symlink(), path.stat().st_nlink) == (AFTER, False, 1)
    assert (victim.read_bytes(), victim.stat().st_mode & 0o777) == (THEIRS, 0o644)


def test_a_new_file_is_there_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(BEFORE)
    with pytest.raises(KeyboardInterrupt), writing_new(path) as file:
        file.write(AFTER)
        raise KeyboardInterrupt
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [("out.csv", BEFORE)]


def test_a_new_file_takes_the_place_of_a_file_alone(tmp_path: Path) -> None:
    """Whoever may write in /dev would have a report in the place of /dev/null."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="no regular file"):
        write_new(pipe, AFTER)
    assert not pipe.is_file() and [item.name for item in tmp_path.iterdir()] == ["pipe"]


def test_of_a_file_that_a_full_disk_does_not_take_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one would bar every further try."""

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(ReplaceRefused, match="No space left"):
            create_file(tmp_path / "made", "./made", AFTER)
        with pytest.raises(UsageError, match="No space left"):
            init_command(tmp_path / "plan.toml")
    assert list(tmp_path.iterdir()) == []
    create_file(tmp_path / "made", "./made", AFTER)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o666 & ~umask()


def test_a_file_that_was_made_takes_nobodys_place_and_is_removed_only_while_it_is_what_was_written(
    tmp_path: Path,
) -> None:
    path = tmp_path / "made"
    create_file(path, "./made", AFTER)
    with pytest.raises(ReplaceRefused, match=r"\./made appeared meanwhile"):
        create_file(path, "./made", BEFORE)
    with pytest.raises(ReplaceRefused, match="was not written: No such file"):
        create_file(tmp_path / "no folder" / "made", "./made", AFTER)
    assert path.read_bytes() == AFTER
    assert remove_file(path, mark_of(BEFORE)) is Restored.CHANGED and path.exists()
    path.rename(tmp_path / "other")
    path.symlink_to(tmp_path / "other")
    assert remove_file(path, mark_of(AFTER)) is Restored.CHANGED and path.exists()
    path.unlink()
    assert remove_file(path, mark_of(AFTER)) is Restored.ALREADY
    assert remove_file(tmp_path / "other", mark_of(AFTER)) is Restored.BACK


def test_a_walk_stays_inside(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside / "sub", outside):
        folder.mkdir(parents=True)
        (folder / "a.md").write_text("x")
    (inside / "to-out").symlink_to(outside)
    (inside / "to-sub").symlink_to(inside / "sub")
    (inside / "loop").symlink_to(inside)
    found = list(walk("./in/", inside))
    assert [item.name for item in found] == ["./in/to-out", "./in/sub/a.md"]
    assert [item.name for item in walk("./in/sub/a.md", inside / "sub" / "a.md")] == ["./in/sub/a.md"]


def denied(monkeypatch: pytest.MonkeyPatch, method: str, path: Path) -> None:
    """The system refuses this of everything at a path, to root too."""
    allowed = getattr(Path, method)

    def refuse(at: Path, *rest: Any, **more: Any) -> Any:
        if at.is_relative_to(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return allowed(at, *rest, **more)

    monkeypatch.setattr(Path, method, refuse)


def test_what_a_walk_cannot_look_at_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that can be listed and not entered, and a file that goes while its folder is walked."""
    for name in ("a.md", "b.md", "listed/c.md", "listed/sub/d.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "z.md").symlink_to("z.md")  # leads nowhere, and least of all out
    listed = tmp_path / "listed"
    denied(monkeypatch, "lstat", listed / "c.md")
    denied(monkeypatch, "lstat", listed / "sub")
    found = walk("./in/", tmp_path)
    first = next(found)
    (tmp_path / "b.md").unlink()
    rest = list(found)
    assert first.name == "./in/a.md"
    assert rest == [
        Skipped("./in/b.md", "No such file or directory"),
        Skipped("./in/listed/sub", "Permission denied"),
        Skipped("./in/listed/c.md", "Permission denied"),
    ]
    denied(monkeypatch, "stat", listed)
    assert list(walk("./c.md", listed / "c.md")) == [Skipped("./c.md", "Permission denied")]
    assert list(walk("./no/", tmp_path / "no")) == [Skipped("./no/", "there is no such file or folder")]


@pytest.mark.parametrize("method", ["stat", "read_bytes"])
def test_a_file_that_cannot_be_looked_at_is_not_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(AFTER)
    with monkeypatch.context() as for_now:
        denied(for_now, method, path)
        assert restore_file(path, "./a.py", mark=mark_of(AFTER), before=BEFORE) is Restored.REFUSED
    assert path.read_bytes() == AFTER
