"""What is mounted in a folder and is of another one is no part of its listing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from engine.folder import mounts, system
from engine.folder.apart import is_one_file
from engine.folder.roots import Root
from tests.unit.folder.scene import Scene

DISK = "30 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw"


def shared(text: str, folder: str, other: str) -> set[str]:
    listed = mounts.mounts_of(text.encode())
    return {path.decode() for path in mounts._shared(listed, folder.encode(), other.encode())}


@pytest.mark.parametrize(
    ("mounted", "in_target", "in_source"),
    [
        ("", [], []),
        ("40 30 254:0 /src/x /dst/x rw - ext4 /dev/vda rw", ["/dst/x"], ["/src/x"]),
        ("40 30 254:0 /src /dst/x rw - ext4 /dev/vda rw", ["/dst/x"], []),
        ("40 30 254:0 / /dst/x rw - ext4 /dev/vda rw", ["/dst/x/src"], []),
        ("40 30 254:0 /src/a\\040b /dst/a\\040b rw - ext4 /dev/vda rw", ["/dst/a b"], ["/src/a b"]),
        ("40 30 254:0 /dst/deep/x /src/x rw - ext4 /dev/vda rw", ["/dst/deep/x"], ["/src/x"]),
        ("40 30 254:0 /src2/x /dst/x rw - ext4 /dev/vda rw", [], []),
        ("40 30 254:1 /src/x /dst/x rw - ext4 /dev/vdb rw", [], []),
        (
            "40 30 8:1 / /src/disk rw - xfs /dev/sda1 rw\n41 30 8:1 /a /dst/b rw - xfs /dev/sda1 rw",
            ["/dst/b"],
            ["/src/disk/a"],
        ),
        ("40 30 254:0 /src/x /elsewhere rw - ext4 /dev/vda rw", [], []),
    ],
)
def test_the_list_of_mounts_tells_what_of_a_folder_is_anothers(
    mounted: str, in_target: list[str], in_source: list[str]
) -> None:
    text = f"{DISK}\n{mounted}"
    assert shared(text, "/dst", "/src") == set(in_target)
    assert shared(text, "/src", "/dst") == set(in_source)


def test_the_list_of_mounts_tells_what_lies_below_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "mountinfo"
    monkeypatch.setattr(system, "MOUNTS", told)
    assert mounts.below("/dst") == []
    told.write_text("\n".join(f"40 30 0:9 / {at} rw - tmpfs t rw" for at in ("/dst", "/dst2", "/dst/x", "/dst/x/y")))
    assert mounts.below("/dst") == [b"/dst/x", b"/dst/x/y"]


async def test_what_is_mounted_out_of_the_other_folder_is_set_aside(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a", "mounted/of the source", "z"):
        scene.write(key)
    source = tmp_path / "source"
    (source / "other").mkdir(parents=True)
    scene.store.are_opposite(str(scene.folder), str(source))
    told = tmp_path / "mountinfo"
    told.write_text(f"{DISK}\n40 30 254:0 {source}/other {scene.folder}/mounted rw - ext4 /dev/vda rw\n")
    assert (await scene.listing())[0] == ["a", "mounted/of the source", "z"]
    monkeypatch.setattr(system, "MOUNTS", told)
    keys, aside = await scene.listing()
    assert keys == ["a", "z"]
    assert [(item.key, item.code) for item in aside] == [("mounted/", "OtherFolder")]


async def test_one_file_by_two_names_is_told_from_hard_links(scene: Scene, tmp_path: Path) -> None:
    for key in ("deep/alone", "deep/linked", "deep/empty"):
        scene.write(key)
    other = tmp_path / "other"
    other.mkdir()
    (other / "linked").hardlink_to(scene.folder / "deep" / "linked")
    (other / "led").symlink_to(scene.folder / "deep" / "linked")
    (other / "deep").symlink_to(scene.folder / "deep")
    (scene.folder / "link").symlink_to(other / "linked")
    one, two = Root(str(scene.folder)), Root(str(other))

    def is_one(source: str, target: str, *, follow: bool = True) -> bool:
        return is_one_file((one, source), (two, target), follow=follow)

    assert is_one("deep/alone", "deep/alone")
    assert is_one("deep/linked", "deep/linked"), "the same entry of the same directory"
    assert is_one("deep/linked", "led"), "a link keeps no bytes"
    assert is_one("deep/", "deep/")
    assert not is_one("deep/linked", "linked")
    assert not is_one("link", "linked"), "a link in the source is deleted as itself"
    assert not is_one("deep/alone", "deep/linked")
    assert not is_one("deep/alone", "nothing") and not is_one("nothing", "linked")
    assert not is_one("deep/linked", "led", follow=False)
    one.close()
    two.close()


def test_a_name_that_a_file_is_mounted_over_keeps_no_bytes_whatever_links_that_file_has(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("source", "target", "elsewhere")]
    for place in places:
        place.mkdir()
    source, target, elsewhere = (place / "one" for place in places)
    source.write_bytes(b"1")
    elsewhere.hardlink_to(source)
    target.touch()
    if shutil.which("mount") is None or subprocess.run(["mount", "--bind", source, target], check=False).returncode:
        pytest.skip("nothing can be mounted here")
    one, two, third = (Root(str(place)) for place in places)
    try:
        assert is_one_file((one, "one"), (two, "one"), follow=False)
        assert is_one_file((two, "one"), (one, "one"), follow=False)
        assert not is_one_file((one, "one"), (third, "one"), follow=False)
    finally:
        subprocess.run(["umount", target], check=True)
        for root in (one, two, third):
            root.close()
