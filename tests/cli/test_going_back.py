"""Going back where files were brought up to date: they are put back first, the later change first, and the plan of the
way back sees to them by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.finish_scene import PREFIX, Scene
from tests.servers import Endpoint

README = f"{PREFIX}README.md"
HOLD = '[[probes]]\njson = "data/reference/index.json"\n[cleanup]\nhold = "0s"\n'


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path) -> Scene:
    """Moved, and told of it: rewrite and manifest both changed README.md, manifest later."""
    scene = Scene(sandbox, tmp_path)
    scene.put(
        README, b"See s3://%s/data/raw/.\n<!-- cartage:data -->\n<!-- /cartage:data -->\n" % scene.bucket.encode()
    )
    scene.plan.write_text(scene.plan.read_text().replace("[manifest]\n", '[manifest]\ntables = ["README.md"]\n') + HOLD)
    return scene.moved()


def told(scene: Scene) -> Scene:
    scene.cartage("rewrite", "--apply")
    scene.cartage("manifest", "--apply")
    return scene


def following(scene: Scene, *words: str, code: int = 0) -> str:
    """What a command says to type next."""
    return str(scene.cartage(*words, code=code).output.splitlines()[-1])


def test_what_has_to_be_told_of_the_move_comes_before_the_cleanup(scene: Scene) -> None:
    assert following(scene, "verify") == f"next: cartage manifest {scene.plan}"
    assert following(scene, "manifest") == f"next: cartage manifest {scene.plan} --apply"
    assert following(scene, "manifest", "--apply") == f"next: cartage rewrite {scene.plan}"
    assert following(scene, "verify") == f"next: cartage rewrite {scene.plan}"
    assert following(scene, "rewrite", "--apply") == f"next: cartage cleanup {scene.plan}"
    for verb in ("verify", "manifest"):
        assert following(scene, verb) == f"next: cartage cleanup {scene.plan}"


def test_copies_that_files_name_stay_until_those_are_put_back(scene: Scene) -> None:
    before = scene.get(README)
    told(scene)
    shown = scene.cartage("revert").output
    assert "4 files that manifest and rewrite changed, and that may name the copies, first " in shown
    assert shown.splitlines()[-1] == f"next: cartage manifest {scene.plan} --undo"
    assert scene.summary("revert")["undo"] == ["manifest", "rewrite"]
    refused = scene.cartage("revert", "--delete", "--confirm", "cards", code=5).output
    assert f"put them back first, cartage manifest {scene.plan} --undo; then cartage rewrite {scene.plan}" in refused
    scene.cartage("manifest", "--undo")
    assert following(scene, "revert") == f"next: cartage rewrite {scene.plan} --undo"
    scene.cartage("rewrite", "--undo")
    assert scene.get(README) == before
    assert following(scene, "revert") == f"next: cartage revert {scene.plan} --delete"
    scene.cartage("revert", "--delete", "--confirm", "cards")


def test_copies_that_files_name_go_once_that_was_accepted(scene: Scene) -> None:
    told(scene)
    found = scene.summary("revert")["rewritten"]["found"]
    refused = scene.cartage("accept", "rewritten", "--found", "9", "--because", "a guess", code=2).output
    assert f"cartage revert {scene.plan}" in refused
    scene.cartage("accept", "rewritten", "--found", found, "--because", "the files go too")
    assert following(scene, "revert") == f"next: cartage revert {scene.plan} --delete"
    assert scene.summary("revert", "--delete", "--confirm", "cards")["removed"] == 6


def test_an_undo_says_which_other_one_comes_before_it(scene: Scene) -> None:
    before = scene.get(README)
    told(scene)
    undone = scene.cartage("rewrite", "--undo", code=3).output
    assert "changed since, left alone: " in undone
    assert "(manifest wrote it later: undo that first, then this again)" in undone
    assert undone.splitlines()[-1] == f"next: cartage manifest {scene.plan} --undo"
    scene.cartage("manifest", "--undo")
    scene.cartage("rewrite", "--undo")
    assert scene.get(README) == before
    scene.cartage("manifest", "--apply")
    scene.cartage("rewrite", "--apply")
    assert following(scene, "manifest", "--undo", code=3) == f"next: cartage rewrite {scene.plan} --undo"


def test_after_a_cleanup_the_way_back_sees_to_the_files_that_name_the_copies(scene: Scene) -> None:
    told(scene)
    scene.cartage("cleanup", "--delete", "--confirm", "cards")
    assert "its own manifest and rewrite see to them" in scene.cartage("revert").output
    back = Scene.__new__(Scene)
    back.endpoint, back.folder, back.bucket = scene.endpoint, scene.folder, scene.bucket
    back.s3, back.plan = scene.s3, scene.folder / "cards-back.toml"
    back.moved()
    gate = {item["name"]: item for item in back.summary("cleanup", code=5)["reasons"]}
    assert not gate["references"]["open"] and "json" in gate["probe"]["sentence"]
    assert following(back, "manifest", "--apply") == f"next: cartage rewrite {back.plan}"
    back.cartage("rewrite", "--apply")
    assert f"s3://{scene.bucket}/data/raw/" in scene.get(README).decode()
    assert PREFIX not in scene.get(README).decode()
    back.cartage("cleanup", "--delete", "--confirm", "cards-back")
