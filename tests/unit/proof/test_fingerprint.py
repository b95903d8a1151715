"""One figure for a tree: the same in any order and any number of shares, another for any change."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.api.fingerprint import fingerprint, of_location
from engine.errors import AccessDenied, UsageError
from engine.events import ignore
from engine.model import Encryption, Location, Properties
from engine.proof.fingerprint import Basis, Fingerprint, digest_of_etag
from tests.unit.proof.scene import Scene

MEMBERS = st.lists(
    st.tuples(st.text(max_size=8), st.integers(0, 99), st.sampled_from(["", "a" * 32, "b" * 32])),
    max_size=12,
    unique_by=lambda member: member[0],
)


def of(members: list[tuple[str, int, str]]) -> Fingerprint:
    tree = Fingerprint()
    for member in members:
        tree.add(*member)
    return tree


@given(MEMBERS, st.randoms())
def test_the_order_does_not_matter(members: list[tuple[str, int, str]], chance: random.Random) -> None:
    whole = of(members)
    chance.shuffle(members)
    one = of(members)
    assert one == whole and one.line == whole.line


@given(MEMBERS.filter(bool), st.integers(0, 3))
def test_any_change_of_one_member_changes_the_figure(members: list[tuple[str, int, str]], how: int) -> None:
    key, size, digest = members[0]
    changed = [(key + "x", size, digest), (key, size + 1, digest), (key, size, "c" * 32)]
    other = members[1:] + changed[how : how + 1]
    assert of(other).figure != of(members).figure


def test_members_cannot_run_into_each_other() -> None:
    assert of([("ab", 1, "")]).figure != of([("a", 1, ""), ("b", 1, "")]).figure
    assert of([("k 1", 1, "")]).figure != of([("k", 11, "")]).figure


def test_the_line_says_what_the_figure_is_over() -> None:
    tree = of([("a", 1, "a" * 32), ("b", 2, "")])
    assert tree.line.endswith(" objects=2 bytes=3 by=key+size+md5:1") and len(tree.line.split()[0]) == 32
    assert of([("a", 1, "")]).line.endswith("by=key+size")
    read = Fingerprint(Basis.BYTES)
    read.add("a", 1, "d" * 32)
    assert read.line.endswith("by=key+size+xxh3-128:1")
    assert digest_of_etag("A" * 32) == "a" * 32 and digest_of_etag("a" * 32 + "-2") == ""


async def test_a_verification_gives_both_sides_figures_and_they_are_equal_where_all_agrees(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for number in range(5):
        scene.copied(f"k{number}", b"x" * number)
    scene.copied("parts", b"parts", etag="a" * 32 + "-3")
    route = (await scene.verify()).routes[0]
    assert route.source_tree == route.target_tree
    assert route.source_tree.line.endswith("objects=6 bytes=15 by=key+size+md5:5")
    scene.store.put("s3://bucket/dst/extra", b"not of this route")
    assert (await scene.verify()).routes[0].target_tree == route.target_tree
    scene.store.put("s3://bucket/dst/k1", b"y")
    changed = (await scene.verify()).routes[0]
    assert changed.source_tree == route.source_tree and changed.target_tree.figure != route.target_tree.figure


@pytest.mark.parametrize("basis", list(Basis))
async def test_a_local_folder_has_the_line_of_the_same_tree_in_s3(tmp_path: Path, basis: Basis) -> None:
    scene = Scene(tmp_path)
    folder = tmp_path / "tree"
    for key, data in {"a": b"1", "deep/er/b \u00e9": b"22", "empty": b""}.items():
        scene.store.put(f"s3://bucket/p/{key}", data)
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)
    (folder / "link").symlink_to(folder / "a")
    in_s3 = await of_location(scene.store, Location("bucket", "p/"), basis, ignore)
    assert await fingerprint(folder, basis=basis) == in_s3.line
    assert scene.store.counts["HeadObject"] == (1 if basis is Basis.ETAG else 0)
    assert scene.store.counts["GetObject"] == (3 if basis is Basis.BYTES else 0)


async def test_etags_under_kms_are_no_digests_and_the_line_says_so(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store.put("s3://bucket/p/a", b"1", properties=Properties(encryption=Encryption("aws:kms")))
    tree = await of_location(scene.store, Location("bucket", "p/"), Basis.ETAG, ignore)
    assert tree.line.endswith("objects=1 bytes=1 by=key+size")


async def test_a_folder_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        await fingerprint(str(tmp_path / "no"))


async def test_a_folder_inside_that_may_not_be_read_is_an_error_and_no_smaller_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = tmp_path / "tree" / "shut"
    shut.mkdir(parents=True)
    (tmp_path / "tree" / "a").write_bytes(b"1")
    scandir = os.scandir

    def refusing(directory: int) -> object:
        if os.path.samestat(os.fstat(directory), shut.stat()):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(directory)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(AccessDenied) as raised:
        await fingerprint(tmp_path / "tree")
    assert "shut" in raised.value.ref
