"""`cartage manifest` as a user meets it: shown, written, refused, put back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.references.replacing import Restored
from tests.cli.finish_scene import IMAGES, PREFIX, Scene
from tests.servers import Endpoint

KEY = f"{PREFIX}metadata/manifest.json"


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path) -> Scene:
    return Scene(sandbox, tmp_path).moved()


def test_shown_written_and_put_back(scene: Scene) -> None:
    before = scene.get(KEY)
    shown = scene.cartage("manifest").output
    assert '-    "name": "cards", "version": "1.4.0",' in shown
    assert '+    "name": "cards", "version": "2.0.0",' in shown
    assert "nothing was written" in shown and scene.get(KEY) == before

    assert scene.summary("manifest", "--apply")["written"] is True
    after = scene.get(KEY)
    data = json.loads(after)["project"]["data"]
    assert data["raw"] == {
        "path": f"s3://{scene.bucket}/{PREFIX}data/raw/",
        "size_mb": sum(map(len, IMAGES.values())) / 1e6,
        "num_files": len(IMAGES),
        "description": "Cards",
    }
    assert data["reference"]["num_files"] == 1 and data["reference"]["description"] == "Index"
    assert b'"threshold": 1.50' in after and not after.endswith(b"\n")
    assert "is up to date" in scene.cartage("manifest", "--apply").output

    assert [item["result"] for item in scene.summary("manifest", "--undo")["restored"]] == ["put back"]
    assert scene.get(KEY) == before
    assert scene.summary("manifest", "--undo")["restored"] == []


def test_one_that_was_made_is_removed_in_every_round(scene: Scene) -> None:
    scene.s3.delete_object(Bucket=scene.bucket, Key=KEY)
    for number in range(2):
        scene.cartage("manifest", "--create", "--apply")
        scene.put(f"data/raw/more-{number}", b"more")
        scene.moved()
        scene.cartage("manifest", "--apply")
        assert [item["result"] for item in scene.summary("manifest", "--undo")["restored"]] == [Restored.REMOVED]
        assert "Contents" not in scene.s3.list_objects_v2(Bucket=scene.bucket, Prefix=KEY)
    assert scene.summary("manifest", "--undo")["restored"] == []


def test_what_the_object_carries_besides_its_bytes_stays(scene: Scene) -> None:
    scene.put(KEY, scene.get(KEY), ContentType="application/json", Metadata={"owner": "vision"}, Tagging="a=b")
    scene.cartage("manifest", "--apply")
    head = scene.s3.head_object(Bucket=scene.bucket, Key=KEY)
    assert (head["ContentType"], head["Metadata"]) == ("application/json", {"owner": "vision"})
    assert scene.s3.get_object_tagging(Bucket=scene.bucket, Key=KEY)["TagSet"] == [{"Key": "a", "Value": "b"}]


def test_one_that_changed_since_its_diff_is_refused(scene: Scene) -> None:
    scene.cartage("manifest")
    scene.put(KEY, theirs := scene.get(KEY).replace(b"1.50", b"1.75"))
    assert "changed since its diff was shown" in scene.cartage("manifest", "--apply", code=1).output
    assert scene.get(KEY) == theirs
    scene.cartage("manifest")
    scene.cartage("manifest", "--apply")
    assert b"1.75" in scene.get(KEY) and b"2.0.0" in scene.get(KEY)
    scene.put(KEY, b"{}")
    assert "changed since, left alone" in scene.cartage("manifest", "--undo", code=3).output
    assert scene.get(KEY) == b"{}"


@pytest.mark.parametrize("body", [b"", b"# not JSON", b"\x00\x01", b"\xff"])
def test_one_that_is_not_json_is_refused(scene: Scene, body: bytes) -> None:
    scene.put(KEY, body)
    assert "is not JSON" in scene.cartage("manifest", "--apply", code=1).output
    assert scene.get(KEY) == body


def test_one_that_is_not_there_is_made_only_when_asked_for(scene: Scene) -> None:
    scene.s3.delete_object(Bucket=scene.bucket, Key=KEY)
    refused = scene.cartage("manifest", "--apply", code=1).output
    assert "there is no manifest at" in refused and "--create" in refused
    assert "+" in scene.cartage("manifest", "--create").output
    scene.cartage("manifest", "--create", "--apply")
    assert json.loads(scene.get(KEY))["project"]["version"] == "2.0.0"
    undone = scene.cartage("manifest", "--undo").output
    assert "removed, as it was not there before" in undone and undone.rstrip().endswith("--create")
    assert scene.summary("manifest", "--undo")["exit_code"] == 0
    assert "Contents" not in scene.s3.list_objects_v2(Bucket=scene.bucket, Prefix=KEY)


def test_figures_of_an_unfinished_route_are_not_written(scene: Scene) -> None:
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}data/raw/card_images/base1-1.png")
    scene.cartage("verify", code=4)
    assert "raw: 1 damaged" in scene.cartage("manifest", code=1).output
