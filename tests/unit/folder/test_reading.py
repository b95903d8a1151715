"""A source is read as it was listed, or not at all; and what it carries goes into S3 and comes back."""

from __future__ import annotations

import errno
import mimetypes
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import BucketMissing, NotFound, PreconditionFailed, Rejected
from engine.folder import system
from engine.folder.carried import content_type_of, is_link, mode_of, mtime_of, mtime_text, properties_of
from engine.folder.reading import OpenedFile
from engine.folder.roots import Root
from engine.folder.versions import AHEAD_NS, COARSE_NS, TICK_NS, is_young, moment_of, same, version_at, version_of
from engine.model import Properties
from engine.store import DeleteObject, ListPage
from tests.unit.folder.scene import Scene

# --- a file that changes --------------------------------------------------------------------------------------------


def opened(scene: Scene, key: str, **how: Any) -> OpenedFile:
    return OpenedFile(Root(str(scene.folder)), key, **how)


def test_a_file_is_read_in_any_order_and_was_not_changed(scene: Scene) -> None:
    path = scene.write("one", b"0123456789")
    with opened(scene, "one") as file:
        file.read_in_order()
        assert file.read(8, 2) + file.read(0, 8) == b"8901234567"
        buffer = bytearray(4)
        file.read_into(memoryview(buffer), 3)
        assert buffer == b"3456"
        file.forget_cached()
        assert file.read(0, 10) == b"0123456789"
        file.check_unchanged()
        assert (file.size, file.modified_ns) == (10, path.stat().st_mtime_ns)


@pytest.mark.parametrize("change", ["write", "append", "truncate", "touch"])
def test_a_file_that_changes_while_it_is_read_is_drift(scene: Scene, change: str) -> None:
    path = scene.write("one", b"0123456789")
    with opened(scene, "one") as file:
        file.read(0, 5)
        if change == "write":
            with path.open("r+b") as other:
                other.write(b"x")
        elif change == "append":
            with path.open("ab") as other:
                other.write(b"x")
        elif change == "truncate":
            os.truncate(path, 7)
            with pytest.raises(PreconditionFailed, match="cut short"):
                file.read(5, 5)
        else:
            path.touch()
        with pytest.raises(PreconditionFailed, match="written to while it was read") as refused:
            file.check_unchanged()
        assert (refused.value.code, refused.value.scope) == ("SourceChanged", "object")
        assert str(path) in str(refused.value)


@pytest.mark.parametrize(("call", "asked"), [("fstat", "check_unchanged"), ("posix_fadvise", "forget_cached")])
def test_what_a_disk_refuses_that_goes_away_meanwhile_is_told_with_the_files_path(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, call: str, asked: str
) -> None:
    def gone(*of: object) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    if not hasattr(os, call):
        pytest.skip("this system has no such call")
    path = scene.write("one")
    with opened(scene, "one") as file:
        monkeypatch.setattr(os, call, gone)
        with pytest.raises(BucketMissing, match="not connected") as refused:
            getattr(file, asked)()
        monkeypatch.undo()
    assert refused.value.ref == str(path)


def test_a_file_that_is_replaced_is_read_to_its_end_as_it_was(scene: Scene) -> None:
    scene.write("one", b"old")
    with opened(scene, "one") as file:
        scene.write("two", b"new").rename(scene.folder / "one")
        assert file.read(0, 3) == b"old"
    with pytest.raises(PreconditionFailed):
        opened(scene, "one", if_match=file.version)


def test_holes_are_read_as_zeros(scene: Scene) -> None:
    with (scene.folder / "sparse").open("wb") as out:
        out.seek(1 << 20)
        out.write(b"end")
    with opened(scene, "sparse") as file:
        assert file.size == (1 << 20) + 3
        assert file.read(0, file.size) == bytes(1 << 20) + b"end"


def test_what_is_not_there_or_no_file_is_not_opened(scene: Scene) -> None:
    scene.write("d/one")
    with pytest.raises(NotFound):
        opened(scene, "two")
    with pytest.raises(NotFound):
        opened(scene, "d")
    with pytest.raises(Rejected):
        opened(scene, "../one")
    with opened(scene, "d/") as marker:
        assert (marker.size, marker.read(0, 0)) == (0, b"")
        marker.check_unchanged()


@pytest.fixture
def sizeless(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> str:
    """The key of a file that gives bytes, and has none as its system says: as those of /proc."""
    scene.write("made up", b"")
    pread = os.pread
    inode = (scene.folder / "made up").stat().st_ino

    def made_up(descriptor: int, length: int, offset: int) -> bytes:
        return b"made up"[:length] if os.fstat(descriptor).st_ino == inode else pread(descriptor, length, offset)

    monkeypatch.setattr(os, "pread", made_up)
    return "made up"


async def test_what_gives_bytes_and_has_no_size_is_not_read_as_empty(scene: Scene, sizeless: str) -> None:
    with pytest.raises(Rejected, match="gives bytes") as refused:
        opened(scene, sizeless)
    assert refused.value.code == "NoSize"
    with pytest.raises(Rejected, match="gives bytes"):
        await scene.get(sizeless)
    scene.write("empty", b"")
    opened(scene, "empty").close()


def test_an_empty_file_that_is_written_to_as_it_is_opened_changed(scene: Scene, sizeless: str) -> None:
    made_up = os.pread

    def written_to(descriptor: int, length: int, offset: int) -> bytes:
        (scene.folder / sizeless).write_bytes(b"1")
        return made_up(descriptor, length, offset)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pread", written_to)
        with pytest.raises(PreconditionFailed, match="written to while it was read"):
            opened(scene, sizeless)


# --- versions, and files that were written just now -----------------------------------------------------------------


def status(mtime_ns: int, ctime_ns: int, *, size: int = 1, mode: int = stat.S_IFREG) -> Any:
    class Status:
        st_mode, st_size, st_dev, st_ino = mode, size, 1, 7
        st_mtime_ns, st_ctime_ns = mtime_ns, ctime_ns

    return Status()


NOW = 1_700_000_000_500_000_001


def test_a_version_is_size_times_and_inode() -> None:
    assert version_of(status(5, 6, size=4)) == "4-5-6-7"
    assert version_of(status(5, 6, mode=stat.S_IFDIR)) == "directory-7"


def test_no_file_has_the_version_of_a_link() -> None:
    """Also where it got the inode that the link had, and its time was set to the link's."""
    assert version_of(status(5, 6, size=4, mode=stat.S_IFLNK)) == "link4-5-6-7"


def test_only_what_one_more_write_could_leave_looking_the_same_is_young() -> None:
    assert is_young(status(NOW, NOW), NOW)
    assert is_young(status(NOW - TICK_NS + 1, NOW - TICK_NS + 1), NOW)
    assert not is_young(status(NOW - TICK_NS, NOW - TICK_NS), NOW)
    assert not is_young(status(NOW - TICK_NS, NOW), NOW)  # its time was set: a write would set another
    assert is_young(status(NOW + TICK_NS, NOW + TICK_NS), NOW)  # a server's clock that is ahead
    ahead = NOW + AHEAD_NS
    assert not is_young(status(ahead, ahead), NOW)  # by no clock of now: else it would seem changed at every look
    assert not is_young(status(ahead, NOW), NOW)
    second = NOW // 10**9 * 10**9
    assert is_young(status(second, second), NOW)  # counted in whole seconds
    assert not is_young(status(second, second), second + COARSE_NS)


def test_the_version_of_a_young_file_is_never_met_again_but_holds_for_an_act() -> None:
    young = version_at(status(NOW, NOW), NOW)
    later = version_at(status(NOW, NOW), NOW + 1)
    settled = version_at(status(NOW, NOW), NOW + TICK_NS)
    assert len({young, later, settled}) == 3
    assert settled == version_of(status(NOW, NOW))
    assert same(young, settled)
    assert not same(young, version_at(status(NOW, NOW, size=2), NOW))


async def test_a_file_that_was_just_written_is_looked_at_again_a_tick_later(scene: Scene) -> None:
    """Within one tick two writes look the same, and the second would be passed over by the next run."""
    path = scene.folder / "one"
    now, waits = [0], []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        path.write_bytes(b"2")  # the second write, in the same tick as the first
        os.utime(path, ns=(mtime, mtime))
        now[0] += TICK_NS

    path.write_bytes(b"1")
    mtime = path.stat().st_mtime_ns
    now[0] = mtime + 1
    waiting = scene.with_manner(now_ns=lambda: now[0], wait_s=wait)
    (listed,) = (await waiting.store.list_page(ListPage(str(scene.folder)))).objects
    assert waits == [TICK_NS / 1e9]
    assert listed.etag.startswith(str(version_of(path.stat())))


@pytest.mark.parametrize(
    ("links", "leads", "why"),
    [
        ("skip", "other", "SymbolicLink"),
        ("follow", "young", "LinkCycle"),
        ("follow", "nowhere", "LinkDangling"),
        ("keep", "other", ""),
    ],
)
async def test_a_young_file_that_a_link_takes_the_place_of_is_listed_as_that_link(
    scene: Scene, links: str, leads: str, why: str
) -> None:
    path, other = scene.folder / "young", scene.write("other")
    path.write_bytes(b"1")
    now_ns = path.stat().st_ctime_ns + 1

    def wait(seconds: float) -> None:
        path.unlink()
        path.symlink_to(other if leads == "other" else leads)

    waiting = scene.with_manner(links=links, now_ns=lambda: now_ns, wait_s=wait)
    page = await waiting.store.list_page(ListPage(str(scene.folder)))
    assert [(item.key, item.code) for item in page.unlisted] == ([("young", why)] if why else [])
    assert [item.key for item in page.objects] == ["other", *(["young"] if not why else [])]


async def test_a_file_that_is_written_all_the_time_is_never_taken_for_unchanged(scene: Scene) -> None:
    path = scene.folder / "one"
    path.write_bytes(b"1")
    busy = scene.with_manner(now_ns=lambda: path.stat().st_ctime_ns + 1, wait_s=lambda seconds: None)
    first, second = [(await busy.store.list_page(ListPage(str(scene.folder)))).objects[0].etag for _ in range(2)]
    head = await busy.head("one")
    assert first.partition("-young-")[0] == version_of(path.stat())
    assert first.partition("-young-")[2]
    later = (await scene.head("one")).etag
    assert later not in (first, second, head.etag)
    assert (await scene.get("one", if_match=first)).data == b"1"
    await scene.store.delete_object(DeleteObject(scene.ref("one"), first))
    assert not path.exists()


@given(st.integers(-(10**20), 10**21))
def test_any_time_has_s3s_form(time_ns: int) -> None:
    moment = moment_of(time_ns)
    assert (len(moment), moment[10], moment[19], moment[-1]) == (24, "T", ".", "Z")


def test_a_time_is_written_as_s3_writes_it() -> None:
    assert moment_of(1_769_853_600_123_456_789) == "2026-01-31T10:00:00.123Z"
    assert moment_of(-1) == "1969-12-31T23:59:59.999Z"


# --- what it carries ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("a/page.html", "text/html"),
        ("photo.JPG", "image/jpeg"),
        ("a.tar.gz", "application/x-tar"),  # as the AWS CLI: the type without the encoding
        ("data.json", "application/json"),
        ("no-ending", ""),
        ("dir.html/file", ""),
        ("data:,x", ""),
        ("a?b#c.css", "text/css"),
    ],
)
def test_a_content_type_is_guessed_from_the_name(key: str, kind: str) -> None:
    assert content_type_of(key) == kind


@given(st.lists(st.sampled_from(["", "a", "tar", "gz", "tgz", "svgz", "PNG", "json", "Z", "tar gz"]), max_size=6))
def test_its_endings_alone_tell_a_type(parts: list[str]) -> None:
    name = ".".join(parts)
    assert content_type_of(f"d/{name}") == (mimetypes.guess_type(f"/{name}")[0] or "")


@given(st.integers(-(10**20), 10**20))
def test_a_time_comes_back_as_it_went(time_ns: int) -> None:
    assert mtime_of(properties_of("one", stat.S_IFREG, time_ns)) == time_ns


def test_a_time_has_nine_decimals_for_s3fs_reads_them_as_nanoseconds() -> None:
    assert mtime_text(1_500_000_000_500_000_000) == "1500000000.500000000"
    assert mtime_text(-1) == "-0.000000001"


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1354040105.123456789", 1_354_040_105_123_456_789),  # rclone's
        ("1354040105.5", 1_354_040_105_500_000_000),
        ("1354040105", 1_354_040_105_000_000_000),
        ("1354040105.", 1_354_040_105_000_000_000),
        ("1354040105.1234567891", 1_354_040_105_123_456_789),
        ("", None),
        ("2017-09-24 19:53:52", None),
        ("1e9", None),
        ("nan", None),
        ("٣", None),
    ],
)
def test_a_time_of_others_is_read(text: str, time_ns: int | None) -> None:
    assert mtime_of(Properties(metadata=(("mtime", text),))) == time_ns


@pytest.mark.parametrize(("mode", "link"), [("41471", True), ("33188", False), ("", False), ("x", False), ("²", False)])
def test_a_link_is_known_by_its_mode(mode: str, link: bool) -> None:
    assert is_link(Properties(metadata=(("mode", mode),))) is link


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("0100755", 0o755),  # ours
        ("100644", 0o644),  # rclone's
        ("33188", 0o644),  # s3fs's
        ("755", 0o755),
        ("0644", 0o644),
        ("0104755", 0o755),  # set-user-id
        ("103755", 0o755),  # set-group-id and sticky
        ("35309", 0o755),  # set-user-id, in decimal
        ("40755", None),  # a directory, as rclone writes it
        ("41471", None),  # a link
        ("1", None),  # whatever it is, it is no mode of a file that was read
        ("0100011", None),
        ("888", None),
        ("9999999", None),
        ("-rw-r--r--", None),
        ("", None),
        ("٣", None),
    ],
)
def test_permissions_of_others_are_read_and_no_more_than_permissions(text: str, mode: int | None) -> None:
    assert mode_of(Properties(metadata=(("mode", text),))) == mode


@pytest.mark.parametrize("mode", [0o755, 0o644, 0o400, 0o4711])
def test_permissions_are_carried_as_rclone_and_s3fs_read_them(mode: int) -> None:
    carried = properties_of("one", stat.S_IFREG | mode, 0)
    text = dict(carried.metadata)["mode"]
    assert (int(text, 8), text[0]) == (stat.S_IFREG | mode, "0")
    assert mode_of(carried) == mode & 0o777


async def test_bytes_type_and_time_make_the_round_trip(scene: Scene, tmp_path: Path) -> None:
    path = scene.write("a/page.html", b"<p>")
    path.chmod(0o750)
    with opened(scene, "a/page.html") as file:
        carried, data = file.head().properties, file.read(0, file.size)
    await scene.put("copy/page.html", data, properties=carried)
    copy = scene.folder / "copy/page.html"
    assert (copy.read_bytes(), copy.stat().st_mtime_ns) == (b"<p>", path.stat().st_mtime_ns)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o750 & ~system.umask()
    assert carried.content_type == "text/html"
    assert time.time_ns() > copy.stat().st_mtime_ns
