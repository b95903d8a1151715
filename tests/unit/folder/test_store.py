"""What a folder answers as an object store: HEAD, ranges, writes and deletes under conditions, and what it has not."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest

from engine import freshness
from engine.errors import (
    AccessDenied,
    BucketMissing,
    IntegrityError,
    NotFound,
    PreconditionFailed,
    Rejected,
    TooLate,
    Unavailable,
    Unsupported,
    Unwritable,
    UsageError,
)
from engine.folder import store as store_module
from engine.folder import system, versions
from engine.folder.refusals import told
from engine.folder.roots import Root
from engine.folder.store import FolderStore
from engine.model import ABSENT, Checksum, LifecycleConfiguration, ObjectRef, OpaqueEtag, Properties, UploadRef
from engine.plan.binding import is_same_owner, known_owner
from engine.store import (
    AbortUpload,
    AskBucket,
    CompleteUpload,
    CopyObject,
    CopyPart,
    CreateUpload,
    DeleteObject,
    DeleteObjects,
    GetAcl,
    GetLifecycle,
    GetTags,
    HeadObject,
    ListPage,
    ListParts,
    ListUploads,
    ListVersions,
    PutLifecycle,
    PutObject,
    PutTags,
    UploadPart,
)
from tests.unit.folder.scene import Scene

WRONG = "1-2-3-4"


async def test_head_says_what_a_listing_says_and_what_it_carries(scene: Scene) -> None:
    scene.write("a/page.html", b"12345").chmod(0o640)
    (listed,) = (await scene.store.list_page(_everything(scene))).objects
    head = await scene.head("a/page.html")
    assert (head.size, head.etag, head.modified) == (listed.size, listed.etag, listed.modified)
    assert type(head.etag) is OpaqueEtag
    carried = Properties(content_type="text/html", metadata=(("mode", "0100640"), ("mtime", "1700000000.000000000")))
    assert head.properties == carried


async def test_what_is_not_there_is_not_found(scene: Scene) -> None:
    scene.write("a/file")
    for key in ("nothing", "a/nothing", "a", "a/file/below", "a/file/", "nothing/"):
        with pytest.raises(NotFound):
            await scene.head(key)
        with pytest.raises(NotFound):
            await scene.get(key)


async def test_a_range_is_inclusive_and_bound_to_a_version(scene: Scene) -> None:
    scene.write("one", b"0123456789")
    etag = (await scene.head("one")).etag
    assert await scene.get("one", first=2, last=4, if_match=etag, size=10) == (b"234", etag, 10)
    assert (await scene.get("one", first=8, last=99)).data == b"89"
    assert (await scene.get("one")).data == b"0123456789"
    with pytest.raises(Rejected, match="none at 10"):
        await scene.get("one", first=10, last=11)
    with pytest.raises(PreconditionFailed) as refused:
        await scene.get("one", if_match=WRONG)
    assert (refused.value.code, refused.value.condition) == ("SourceChanged", "If-Match")
    with pytest.raises(PreconditionFailed, match="its size is 10 now"):
        await scene.get("one", size=9)


async def test_a_file_of_no_bytes_and_a_marker_are_objects(scene: Scene) -> None:
    await scene.put("empty", b"")
    await scene.put("d/e/", b"")
    assert (await scene.get("empty")).data == b""
    assert (await scene.get("d/e/")).data == b""
    assert (await scene.head("d/e/")).size == 0
    assert await scene.keys() == ["d/e/", "empty"]
    await scene.put("d/e/", b"", target_condition=ABSENT)  # a marker holds nothing that could be lost
    await scene.put("d/e/f")
    assert (await scene.head("d/e/")).size == 0


async def test_a_put_answers_with_the_version_that_is_listed(scene: Scene) -> None:
    modified = Properties(metadata=(("mtime", "1700000000"),))
    put = await scene.put("a/one", b"12", properties=modified)
    (listed,) = (await scene.store.list_page(_everything(scene))).objects
    assert (put.etag, put.modified) == (listed.etag, listed.modified)
    assert listed.modified == "2023-11-14T22:13:20.000Z"


async def test_a_put_replaces_only_what_it_may(scene: Scene) -> None:
    first = await scene.put("one", b"1", target_condition=ABSENT)
    with pytest.raises(PreconditionFailed) as refused:
        await scene.put("one", b"2", target_condition=ABSENT)
    assert refused.value.condition == "If-None-Match"
    with pytest.raises(PreconditionFailed) as refused:
        await scene.put("one", b"2", target_condition=WRONG)
    assert refused.value.condition == "If-Match"
    with pytest.raises(PreconditionFailed):
        await scene.put("two", b"2", target_condition=WRONG)
    assert (await scene.get("one")).data == b"1"
    second = await scene.put("one", b"22", target_condition=first.etag)
    assert (await scene.get("one", if_match=second.etag)).data == b"22"
    await scene.put("one", b"333")
    assert (await scene.get("one")).data == b"333"
    assert scene.on_disk() == ["one"]


async def test_a_delete_by_version_leaves_what_changed(scene: Scene) -> None:
    put = await scene.put("one")
    with pytest.raises(PreconditionFailed):
        await scene.store.delete_object(DeleteObject(scene.ref("one"), WRONG))
    assert await scene.keys() == ["one"]
    assert await scene.store.delete_object(DeleteObject(scene.ref("one"), put.etag)) is False
    assert await scene.keys() == []
    assert await scene.store.delete_object(DeleteObject(scene.ref("one"))) is False
    with pytest.raises(PreconditionFailed, match="no longer there"):
        await scene.store.delete_object(DeleteObject(scene.ref("one"), put.etag))


async def test_what_lies_deeper_than_programs_can_open_is_read_and_deleted(scene: Scene) -> None:
    at = os.open(scene.folder, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=at)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("one", os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    (key,) = await scene.keys()
    assert len(key) > 4096
    assert (await scene.get(key)).data == b""
    await scene.store.delete_object(DeleteObject(scene.ref(key), (await scene.head(key)).etag))
    assert scene.on_disk() == []
    with pytest.raises(Rejected) as refused:
        await scene.put(key)
    assert refused.value.code == "PathTooLong"


async def test_names_of_one_file_are_deleted_one_after_the_other(scene: Scene) -> None:
    path = scene.write("a")
    for name in "bcd":
        (scene.folder / name).hardlink_to(path)
    listed = {key: (await scene.head(key)).etag for key in "abcd"}
    assert len({*listed.values()}) == 1
    await scene.store.delete_object(DeleteObject(scene.ref("a"), listed["a"]))
    assert (await scene.head("b")).etag == listed["b"], "that one of its names went is no change of it"
    page = await scene.store.list_page(ListPage(str(scene.folder)))
    assert {item.etag for item in page.objects} == {listed["b"]}
    request = DeleteObjects(str(scene.folder), tuple(listed.items())[1:3])
    assert (await scene.store.delete_objects(request)).deleted == ("b", "c")
    (scene.folder / "d").chmod(0o600)  # by someone else
    with pytest.raises(PreconditionFailed):
        await scene.store.delete_object(DeleteObject(scene.ref("d"), listed["d"]))
    assert (await scene.head("d")).etag != listed["d"]
    assert scene.on_disk() == ["d"]


async def test_names_of_one_file_are_deleted_by_many_at_once(scene: Scene) -> None:
    path = scene.write("0")
    names = [str(number) for number in range(64)]
    for name in names[1:]:
        (scene.folder / name).hardlink_to(path)
    version = (await scene.head("0")).etag
    async with anyio.create_task_group() as group:
        for name in names:
            group.start_soon(scene.store.delete_object, DeleteObject(scene.ref(name), version))
    assert scene.on_disk() == []


async def test_a_file_that_was_written_to_by_another_name_stays(scene: Scene) -> None:
    path = scene.write("a")
    (scene.folder / "b").hardlink_to(path)
    version = (await scene.head("b")).etag
    await scene.store.delete_object(DeleteObject(scene.ref("a"), version))
    (scene.folder / "b").write_bytes(b"2")
    with pytest.raises(PreconditionFailed):
        await scene.store.delete_object(DeleteObject(scene.ref("b"), version))
    assert scene.on_disk() == ["b"]


async def test_a_link_whose_file_went_before_it_goes_too(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    for key in ("d/x", "d/y", "real", "../outside/f"):
        scene.write(key)
    for name, leads in (("ld", "d"), ("z-ln", "real"), ("out", "../outside"), ("gone", "../outside/f")):
        (scene.folder / name).symlink_to(leads)
    follow = scene.with_manner(links="follow")
    keys = [key for key in await follow.keys() if not key.startswith("out/")]
    assert keys == ["d/x", "d/y", "gone", "ld/x", "ld/y", "real", "z-ln"]
    named = tuple([(key, (await follow.head(key)).etag) for key in keys])
    (tmp_path / "outside" / "f").unlink()  # by its owner: that the link led there is for him to see
    report = await follow.store.delete_objects(DeleteObjects(str(scene.folder), named))
    assert report.deleted == ("d/x", "d/y", "ld/x", "real", "z-ln")
    assert [(item.key, item.code) for item in report.failed] == [
        ("gone", "PreconditionFailed"),
        ("ld/y", "PreconditionFailed"),
    ]
    assert sorted(path.name for path in scene.folder.iterdir()) == ["gone", "out"]


async def test_a_batch_says_of_each_key_what_became_of_it(scene: Scene) -> None:
    same = await scene.put("same")
    for key in ("changed", "d/"):
        await scene.put(key, b"" if key.endswith("/") else b"1")
    scene.write("full/one")
    keys = (
        ("same", same.etag),
        ("changed", WRONG),
        ("missing", None),
        ("d/", None),
        ("full/", None),
        ("../outside", None),
    )
    report = await scene.store.delete_objects(DeleteObjects(str(scene.folder), keys))
    assert report.deleted == ("same", "missing", "d/")
    assert [(item.key, item.code) for item in report.failed] == [
        ("changed", "PreconditionFailed"),
        ("full/", "DirectoryNotEmpty"),
        ("../outside", "NameDots"),
    ]
    assert await scene.keys() == ["changed", "full/one"]


async def test_a_directory_goes_with_its_last_file_and_the_folder_stays(scene: Scene) -> None:
    for key in ("a/b/c/one", "a/two"):
        await scene.put(key)
    await scene.store.delete_object(DeleteObject(scene.ref("a/b/c/one")))
    assert scene.on_disk() == ["a/", "a/two"]
    await scene.store.delete_object(DeleteObject(scene.ref("a/two")))
    assert scene.on_disk() == []
    assert await scene.keys() == []


async def test_a_folder_has_an_identity_and_this_machines_clock(scene: Scene, tmp_path: Path) -> None:
    facts = await scene.store.bucket_facts(AskBucket(str(scene.folder)))
    again = await FolderStore().bucket_facts(AskBucket(str(scene.folder)))
    other = await scene.store.bucket_facts(AskBucket(str(tmp_path)))
    assert facts.owner_id == again.owner_id != other.owner_id
    assert (facts.versioning, facts.lifecycle, facts.replication) == ("", (), ())
    assert facts.date.endswith(" GMT")


async def test_a_file_system_that_is_known_by_its_device_alone_is_told_by_its_uuid(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As XFS and FAT are: another disk at the same socket has the same device, and the same inode at its top."""
    device = tmp_path.stat().st_dev
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: SimpleNamespace(f_fsid=device))
    found = []
    for uuid in ("one", "two"):
        monkeypatch.setattr(system, "uuid_of", lambda descriptor, uuid=uuid: uuid)
        found.append((await FolderStore().bucket_facts(AskBucket(str(scene.folder)))).owner_id)
    assert found[0] != found[1]
    assert found[0].endswith(f"{device:x}, UUID one")


async def test_where_a_file_system_has_no_number_its_uuid_or_what_was_mounted_tells(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FUSE (ntfs-3g, sshfs) and NFS: the number is 0 of every one of them."""
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: SimpleNamespace(f_fsid=0))
    told = tmp_path / "mountinfo"
    monkeypatch.setattr(system, "MOUNTS", told)
    monkeypatch.setattr(system, "mount_of", lambda descriptor: "31")
    monkeypatch.setattr(system, "uuid_of", lambda descriptor: "")

    async def identity(mounted: str) -> str:
        told.write_text(f"7 1 254:31 / / rw - ext4 /dev/vda rw\n31 7 0:52 / /mnt rw shared:1 - {mounted} rw,x=1\n")
        return (await FolderStore().bucket_facts(AskBucket(str(scene.folder)))).owner_id

    found = [await identity(f"fuseblk /dev/sd{which}1") for which in "aba"]
    assert found[0] == found[2] != found[1]
    assert found[0].endswith(" of file system 0, UUID unknown (fuseblk /dev/sda1)")
    before = found[0].partition(",")[0]
    assert is_same_owner(before, found[0]) and known_owner(before, found[0]) == found[0], "an older ledger learns it"
    assert not is_same_owner(found[0], found[1])
    monkeypatch.setattr(system, "uuid_of", lambda descriptor: "F0F0")
    assert (await identity("fuseblk /dev/sdb1")).endswith(" of file system 0, UUID F0F0")


@pytest.mark.parametrize("kind", ["vfat", "exfat", "fuseblk", "fuse.sshfs"])
async def test_a_disk_whose_inodes_do_not_last_is_the_same_when_it_is_mounted_again(
    kind: str, scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "_unnumbered", set())
    monkeypatch.setattr(system, "mounted_at", lambda descriptor: [kind, "/dev/sdb1"])
    monkeypatch.setattr(system, "uuid_of", lambda descriptor: "F0F0")

    async def told() -> tuple[str, str]:
        store = FolderStore()
        (item,) = (await store.list_page(ListPage(str(scene.folder)))).objects
        return (await store.bucket_facts(AskBucket(str(scene.folder)))).owner_id, item.etag

    await scene.put("a", b"bytes")
    before = await told()
    again = tmp_path / "again"  # a copy with other inodes and, to the second, the times that it had
    shutil.copytree(scene.folder, again)
    scene.folder.rename(tmp_path / "away")
    again.rename(scene.folder)
    owner, etag = await told()
    assert owner == before[0]
    assert owner.startswith("inode 0 of file system ")
    assert etag.split("-")[3] == before[1].split("-")[3] == "0"


def test_what_is_mounted_is_found_by_the_mounts_number_or_else_by_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    told = tmp_path / "mountinfo"
    device = os.fstat(at).st_dev
    told.write_text(
        f"5 1 {os.major(device)}:{os.minor(device)} / / rw - nfs4 server:/a rw\n"
        f"31 5 {os.major(device)}:{os.minor(device)} / /b rw - nfs4 server:/b rw\n"
    )
    monkeypatch.setattr(system, "MOUNTS", told)
    for number, source in (("31", "server:/b"), ("", "server:/a")):
        monkeypatch.setattr(system, "mount_of", lambda descriptor, number=number: number)
        assert system.mounted_at(at)[:2] == ["nfs4", source]
    told.unlink()
    assert system.mounted_at(at) == []
    os.close(at)


def test_what_is_mounted_in_a_mount_and_listed_before_it_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    told = tmp_path / "mountinfo"
    told.write_text(
        "22 27 0:21 / /proc rw - proc proc rw\n27 1 0:20 / / rw - nfs4 server:/a rw\n31 27 0:22 / /b rw - ext4 b rw\n"
    )
    monkeypatch.setattr(system, "MOUNTS", told)
    monkeypatch.setattr(system, "mount_of", lambda descriptor: "27")
    assert system.mounted_at(at) == ["nfs4", "server:/a", "rw"]
    os.close(at)


def test_a_uuid_is_told_by_the_system_or_by_the_name_of_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    monkeypatch.setattr(system, "_BY_UUID", tmp_path / "none")
    monkeypatch.setattr(fcntl, "ioctl", lambda *asked: bytes([16, *range(16)]))
    assert system.uuid_of(at) == "00010203-0405-0607-0809-0a0b0c0d0e0f"
    monkeypatch.setattr(fcntl, "ioctl", lambda *asked: bytes(17))
    assert system.uuid_of(at) == ""
    monkeypatch.setattr(system, "_BY_UUID", tmp_path)
    (tmp_path / "A0B1-C2D3").symlink_to("/dev/null")
    (tmp_path / "dangling").symlink_to("/dev/no/such")
    device = Path("/dev/null").stat().st_rdev
    monkeypatch.setattr(os, "fstat", lambda descriptor: SimpleNamespace(st_dev=device))
    assert system.uuid_of(at) == "A0B1-C2D3"


async def test_what_a_folder_has_not_is_unsupported(scene: Scene) -> None:
    ref = scene.ref("one")
    upload = UploadRef(ref, "id")
    store = scene.store
    for call in (
        store.copy_object(CopyObject(ref, ref)),
        store.create_upload(CreateUpload(ref, Properties())),
        store.copy_part(CopyPart(upload, 1, ref, None, None, None)),
        store.upload_part(UploadPart(upload, 1, b"")),
        store.complete_upload(CompleteUpload(upload, (), checksum=Checksum("", "", ""))),
        store.abort_upload(AbortUpload(upload)),
        store.list_parts(ListParts(upload)),
        store.list_uploads(ListUploads(ref.bucket)),
        store.list_versions(ListVersions(ref.bucket)),
        store.get_lifecycle(GetLifecycle(ref.bucket)),
        store.put_lifecycle(PutLifecycle(ref.bucket, LifecycleConfiguration())),
        store.get_tags(GetTags(ref)),
        store.put_tags(PutTags(ref, ())),
        store.get_acl(GetAcl(ref)),
    ):
        with pytest.raises(Unsupported, match="a local folder has no"):
            await call


async def test_a_folder_is_named_by_its_absolute_path(scene: Scene) -> None:
    with pytest.raises(UsageError, match="absolute"):
        await scene.store.head_object(HeadObject(ObjectRef("relative", "one")))


async def test_a_system_without_descriptors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "HAS_DESCRIPTORS", False)
    with pytest.raises(UsageError, match="could lead out of the folder"):
        FolderStore()


async def test_a_look_is_dated_and_nothing_is_deleted_upon_an_old_one(scene: Scene) -> None:
    await scene.put("one")
    before = freshness.now_s()
    looked = await freshness.dated(scene.store.head_object(HeadObject(scene.ref("one"))))
    assert before <= looked.sent_at <= freshness.now_s()
    with pytest.raises(TooLate):
        await freshness.only_until(before - 1, scene.store.delete_object(DeleteObject(scene.ref("one"))))
    with pytest.raises(TooLate):
        await freshness.only_until(before - 1, scene.store.put_object(PutObject(scene.ref("two"), b"")))
    assert await scene.keys() == ["one"]


@pytest.mark.parametrize(
    ("code", "kind", "scope", "said"),
    [
        ("ENOSPC", Unwritable, "run", "the disk is full"),
        ("EDQUOT", Unwritable, "run", "quota"),
        ("EROFS", Unwritable, "run", "read-only"),
        ("EACCES", AccessDenied, "object", "permission denied: user"),
        ("EPERM", AccessDenied, "object", "permission denied: user"),
        ("EMFILE", Unavailable, "attempt", "too many files are open at once"),
        ("ESTALE", Unavailable, "attempt", "/x/y"),
        ("EIO", Rejected, "object", "Input/output error"),
        ("ENOTCONN", BucketMissing, "run", "what was mounted there is gone"),
        ("EFBIG", Rejected, "object", "File too large"),
        ("EILSEQ", Rejected, "object", "does not take this name"),
    ],
)
def test_what_the_system_refuses_is_said_with_the_path_and_how_far_it_reaches(
    code: str, kind: type[Exception], scope: str, said: str
) -> None:
    error = told(OSError(getattr(errno, code), ""), "PutObject", "/x/y", writing=True)
    assert (type(error), error.scope, error.ref) == (kind, scope, "/x/y")
    assert ("Make room" in error.advice) == (code in ("ENOSPC", "EDQUOT"))
    assert ("Mount it" in error.advice) == (code == "EROFS")
    assert said in error.message
    assert "/x/y" in str(error)


def test_a_disk_that_answers_nothing_any_more_ends_what_is_written_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """XFS that has shut down says EIO to everything."""

    def failed(*of: object, **named: object) -> os.stat_result:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "stat", failed)
    error = told(OSError(errno.EIO, ""), "PutObject", "/x/y", writing=True)
    assert (type(error), error.scope, error.code) == (Unwritable, "run", "DiskFailed")
    error = told(OSError(errno.EIO, ""), "GetObject", "/x/y")
    assert (type(error), error.scope) == (Rejected, "object")


async def test_what_is_refused_of_the_folder_itself_is_said_so_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(self: Root) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Root, "descriptor", closed)
    bucket = str(scene.folder)
    for asking in (
        scene.store.list_page(ListPage(bucket)),
        scene.store.bucket_facts(AskBucket(bucket)),
        scene.store.room(bucket),
        scene.put("one"),
        scene.get("one"),
    ):
        with pytest.raises(AccessDenied, match="permission denied"):
            await asking


async def test_a_disk_that_is_too_full_is_said_before_the_first_byte(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "free_bytes", lambda descriptor: 4)
    with pytest.raises(Unwritable, match=r"one takes 5 bytes, and its disk has 4 left"):
        await scene.put("d/one", b"12345")
    assert scene.on_disk() == ["d/"]
    await scene.put("d/one", b"1234")


async def test_a_disk_that_fills_up_ends_the_run_and_leaves_nothing_half_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*of: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(system, "write", full)
    with pytest.raises(Unwritable, match="the disk is full") as refused:
        await scene.put("one", b"12345")
    assert refused.value.advice
    assert scene.on_disk() == []


async def test_a_file_that_is_not_whole_is_not_published(scene: Scene) -> None:
    with scene.store.publisher(str(scene.folder)).begin("one", 5) as file:
        file.write(b"123", 0)
        with pytest.raises(IntegrityError, match="3 of 5 bytes"):
            file.publish()
    assert await scene.keys() == []


def _everything(scene: Scene) -> ListPage:
    return ListPage(str(scene.folder))
