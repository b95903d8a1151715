"""Manifest, references and receipt on servers that no one here wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.finish_scene import PREFIX, Scene
from tests.servers import Endpoint

pytestmark = pytest.mark.real


@pytest.mark.parametrize("server", ["localstack", "rgw"])
def test_manifest_references_and_receipt(server: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    endpoint: Endpoint = request.getfixturevalue(server)
    scene = Scene(endpoint, tmp_path).moved()
    readme, manifest = scene.get(f"{PREFIX}README.md"), scene.get(f"{PREFIX}metadata/manifest.json")

    flags: list[str] = []
    if server == "rgw":  # compares If-Match with the quotes, and so never lets a write through
        assert "refuses If-Match on a write" in scene.cartage("manifest", "--apply", code=2).output
        flags = ["--no-conditional-writes"]
    assert scene.summary("manifest", "--apply", *flags)["written"] is True
    assert json.loads(scene.get(f"{PREFIX}metadata/manifest.json"))["project"]["version"] == "2.0.0"
    values = scene.summary("rewrite", "--apply", *flags)
    assert len(values["written"]) == 3 and values["left"] == 1
    assert f"s3://{scene.bucket}/{PREFIX}data/raw/".encode() in scene.get(f"{PREFIX}README.md")
    assert scene.summary("rewrite")["would_write"] == []

    scene.cartage("receipt")
    receipt = str(scene.folder / "cards.receipt.json")
    assert scene.summary("receipt", "--check", receipt)["holds"] is True
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}data/raw/card_images/base1-1.png")
    assert "not there any more" in scene.summary("receipt", "--check", receipt, code=4)["differences"][0]

    scene.put(f"{PREFIX}pipelines/a.py", b"theirs")
    results = {item["name"]: item["result"] for item in scene.summary("rewrite", "--undo", *flags, code=3)["restored"]}
    assert sorted(results.values()) == ["changed since, left alone", "put back", "put back"]
    assert scene.get(f"{PREFIX}README.md") == readme and scene.get(f"{PREFIX}pipelines/a.py") == b"theirs"
    scene.cartage("manifest", "--undo", *flags)
    assert scene.get(f"{PREFIX}metadata/manifest.json") == manifest
