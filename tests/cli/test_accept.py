"""What `cartage accept` takes: exactly what was found; and what it shows, and takes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commands import Terminal, assert_said_well
from tests.cli.finish_scene import PREFIX, Scene
from tests.servers import Endpoint

EXPECTS = '[[routes]]\nname = "raw"\nexpect = { objects = 7 }\n'


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path) -> Scene:
    scene = Scene(sandbox, tmp_path)
    scene.plan.write_text(scene.plan.read_text().replace('[[routes]]\nname = "raw"\n', EXPECTS))
    return scene


def test_only_the_figure_that_was_found_is_accepted(scene: Scene) -> None:
    scene.cartage("plan")
    for wrong in ("4", "6", "lots", "", "5.0"):
        refused = scene.cartage("accept", "raw.objects", "--found", wrong, "--because", "x", code=2).output
        assert f"raw.objects was found to be 5, and not {wrong}" in refused
    scene.cartage("accept", "raw.objects", "--found", "5", "--because", "counted twice")
    assert "accepted" in scene.cartage("plan").output
    # What changed since was found once more, by whoever looked, and what was found before is not taken any more.
    scene.put("data/raw/another.png", b"x")
    scene.cartage("run", "--yes")
    refused = scene.cartage("accept", "raw.objects", "--found", "5", "--because", "x", code=2).output
    assert "raw.objects was found to be 6, and not 5" in refused
    scene.cartage("accept", "raw.objects", "--found", "6", "--because", "one more")
    scene.put("data/raw/a-third.png", b"x")
    scene.cartage("run", "--yes")
    refused = scene.cartage("accept", "raw.objects", "--found", "7", "--because", "x", code=2).output
    assert "nothing was found of 'raw.objects'" in refused  # seven were expected


def test_before_there_is_a_ledger_the_words_that_are_left_out_are_the_mistake_all_the_same(scene: Scene) -> None:
    refused = scene.cartage("accept", "raw.objects", code=2).output
    assert " raw.objects --found FIGURE --because WHY\n" in refused


def test_who_says_neither_figure_nor_reason_is_given_the_whole_command(scene: Scene) -> None:
    scene.cartage("plan")
    refused = scene.cartage("accept", "raw.objects", code=2).output
    assert "say with --found and --because as what raw.objects was found" in refused
    assert " raw.objects --found 5 --because WHY\n" in refused and "\n  next: cartage accept " in refused


def test_what_was_never_found_is_not_accepted(scene: Scene) -> None:
    scene.cartage("plan")
    refused = scene.cartage("accept", "references", "--found", "3:0123456789ab", "--because", "x", code=2).output
    assert "nothing was found of 'references'" in refused and "cartage cleanup" in refused
    refused = scene.cartage("accept", "raw.object", "--found", "5", "--because", "x", code=2).output
    assert "'raw.object' is nothing that can be accepted" in refused


def test_what_was_accepted_is_listed_and_taken_back(scene: Scene) -> None:
    scene.moved()
    assert "nothing was accepted yet" in scene.cartage("accept", "--list").output
    assert scene.summary("accept", "--list")["open"] == {"raw.objects": "5"}
    scene.cartage("accept", "raw.objects", "--found", "5", "--because", "counted | twice")
    listed = scene.summary("accept", "--list")
    assert listed["open"] == {}
    (item,) = listed["accepted"]
    assert (item["name"], item["found"], item["because"]) == ("raw.objects", "5", "counted | twice")
    assert "@" in item["by"] and item["accepted_ms"] > 0
    assert "expected" not in closed_of(scene)
    assert "no longer accepted: raw.objects = 5" in scene.cartage("accept", "--remove", "raw.objects").output
    assert "expected" in closed_of(scene)
    assert "nothing was accepted as 'raw.objects'" in scene.cartage("accept", "--remove", "raw.objects", code=2).output


def closed_of(scene: Scene) -> set[str]:
    return {item["name"] for item in scene.summary("cleanup", code=5)["reasons"] if not item["open"]}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("raw.objects",),
        ("raw.objects", "--found", "5"),
        ("raw.objects", "--list"),
        ("--list", "--remove", "raw.objects"),
        ("raw.objects", "--found", "5", "--because", " "),
        ("raw.object", "--found", "5", "--because", "a typo"),
    ],
)
def test_halves_and_what_there_is_not_are_refused(scene: Scene, terminal: Terminal, words: tuple[str, ...]) -> None:
    terminal.on(scene.endpoint)
    scene.cartage("plan")
    ended = terminal.call("accept", scene.plan, *words)
    assert_said_well(ended, "accept")
    assert ended.code == 2


def test_the_figure_of_a_setting_that_the_gate_showed_is_the_one(scene: Scene) -> None:
    scene.moved()
    rule = {
        "ID": "tidy", "Filter": {"Prefix": PREFIX}, "Status": "Enabled", "Expiration": {"Days": 30},
    }  # fmt: skip
    name = f"lifecycle.{scene.bucket}"
    scene.s3.put_bucket_lifecycle_configuration(Bucket=scene.bucket, LifecycleConfiguration={"Rules": [rule]})
    scene.cartage("accept", name, "--found", f"tidy:30:{PREFIX}", "--because", "a guess before it was shown", code=2)
    (shut,) = [item for item in scene.summary("cleanup", code=5)["reasons"] if item["accept"] == name]
    scene.cartage("accept", name, "--found", shut["found"], "--because", "scratch")
    assert "lifecycle" not in closed_of(scene)
