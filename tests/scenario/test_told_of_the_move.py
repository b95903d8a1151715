"""The owner tells everyone of the move: a manifest in YAML or TOML with its comments, and README.md with a table of the
data, in the bucket and beside the plan. Shown, written, put back; what someone else changed meanwhile is theirs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.finish_scene import IMAGES, PREFIX, Scene

pytest.importorskip("ruamel.yaml")
pytest.importorskip("tomlkit")

YAML = """\
# what the project has
project:
  version: "1.4.0"   # of the data
  data:
    raw: {path: data/raw, num_files: 1, size_mb: 0.1}   # cards
  threshold: 1.50
"""
TOML = """\
# what the project has
[project]
version = "1.4.0"   # of the data

[project.data.raw]
path      = "/data/raw/"
num_files = 1
size_mb   = 0.1     # by hand
"""
README = "# Cards\r\n\r\n<!-- cartage:data -->\r\n<!-- /cartage:data -->\r\n\r\nMore.\r\n"
SIZE_MB = sum(map(len, IMAGES.values())) / 1e6


def anyway(scene: Scene) -> tuple[str, ...]:
    return () if scene.endpoint.name == "sandbox" else ("--no-conditional-writes",)


def telling(scene: Scene, manifest: str, *tables: str) -> Scene:
    text = scene.plan.read_text()
    table = f"[manifest]\ntables = {list(tables)}"
    text = text.replace("[manifest]", table).replace('"metadata/manifest.json"', f'"{manifest}"')
    scene.plan.write_text(text)
    return scene


def live_through(scene: Scene) -> None:
    """A week's worth: the manifest in YAML, README.md in the bucket and in the owner's clone."""
    key = f"{PREFIX}metadata/manifest.yaml"
    scene.put(key, YAML.encode(), Metadata={"owner": "vision"})
    scene.put(f"{PREFIX}README.md", README.encode())
    clone = scene.folder / "README.md"
    clone.write_bytes(README.replace("\r\n", "\n").encode())
    clone.chmod(0o640)
    telling(scene, "metadata/manifest.yaml", "README.md", "./README.md").moved()
    flags = anyway(scene)

    shown = scene.summary("manifest")
    files = [(item["name"], item["changes"]) for item in shown["files"]]
    assert files == [
        (f"s3://{scene.bucket}/{key}", True),
        (f"s3://{scene.bucket}/{PREFIX}README.md", True),
        (str(clone), True),
    ]
    assert '-  version: "1.4.0"   # of the data\n+  version: "2.0.0"   # of the data' in shown["diff"]
    assert scene.get(key).decode() == YAML and clone.read_text() == README.replace("\r\n", "\n")

    assert scene.summary("manifest", "--apply", *flags)["written"] is True
    place = f"{PREFIX}data/raw"
    after = YAML.replace("1.4.0", "2.0.0").replace("path: data/raw, num_files: 1, size_mb: 0.1", "RAW")
    made = scene.get(key).decode()
    raw = f"path: {place}, num_files: {len(IMAGES)}, size_mb: {SIZE_MB:.6g}".replace(place, "data/raw")
    assert made.startswith(after.partition("RAW")[0] + raw) and "   # cards\n" in made and "threshold: 1.50" in made
    assert "    reference:\n      path: " in made and "      num_files: 1\n      description: Index\n" in made
    assert scene.s3.head_object(Bucket=scene.bucket, Key=key)["Metadata"] == {"owner": "vision"}
    table = clone.read_text()
    assert f"| raw | `s3://{scene.bucket}/{PREFIX}data/raw/` | {len(IMAGES)} | " in table
    assert f"| reference | `s3://{scene.bucket}/{PREFIX}data/reference/` | 1 | " in table and "| Index |" in table
    assert scene.get(f"{PREFIX}README.md").decode() == table.replace("\n", "\r\n")
    assert clone.stat().st_mode & 0o777 == 0o640
    assert "are up to date" in scene.cartage("manifest", "--apply", *flags).output

    # Someone works on the clone's README.md: what they wrote is theirs.
    clone.write_text(table + "\nBy hand.\n")
    undone = {item["name"]: item["result"] for item in scene.summary("manifest", "--undo", *flags, code=3)["restored"]}
    assert undone[str(clone)] == "changed since, left alone"
    assert scene.get(key).decode() == YAML and scene.get(f"{PREFIX}README.md").decode() == README
    assert clone.read_text().endswith("By hand.\n")
    clone.write_text(table)
    undone = {item["name"]: item["result"] for item in scene.summary("manifest", "--undo", *flags)["restored"]}
    assert undone[str(clone)] == "put back" and clone.read_text() == README.replace("\r\n", "\n")


def test_everyone_is_told_on_the_sandbox(sandbox: Any, tmp_path: Path) -> None:
    live_through(Scene(sandbox, tmp_path))


@pytest.mark.parametrize("server", ["localstack", "rgw"])
@pytest.mark.real
def test_everyone_is_told_on_a_real_server(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    live_through(Scene(request.getfixturevalue(server), tmp_path))


@pytest.fixture
def scene(sandbox: Any, tmp_path: Path) -> Scene:
    return Scene(sandbox, tmp_path)


def test_toml_keeps_its_comments_and_its_own_way_to_write_a_path(scene: Scene) -> None:
    key = f"{PREFIX}metadata/manifest.toml"
    scene.put(key, TOML.encode())
    telling(scene, "metadata/manifest.toml").moved()
    scene.cartage("manifest", "--apply")
    after = scene.get(key).decode()
    found = tomllib.loads(after)["project"]
    assert found["version"] == "2.0.0" and found["data"]["reference"]["description"] == "Index"
    raw = {"path": f"/{PREFIX}data/raw/", "num_files": len(IMAGES), "size_mb": SIZE_MB}
    assert found["data"]["raw"] == raw
    assert all(said in after for said in ("# what the project has", "# of the data", "# by hand"))
    scene.cartage("manifest", "--undo")
    assert scene.get(key).decode() == TOML


@pytest.mark.parametrize("name", ["m.json", "m.yaml", "m.toml"])
def test_a_local_manifest_is_made_where_that_is_asked_for_and_taken_away_again(scene: Scene, name: str) -> None:
    telling(scene, f"./{name}").moved()
    path = scene.folder / name
    assert "there is no manifest at" in scene.cartage("manifest", code=1).output
    scene.cartage("manifest", "--create", "--apply")
    assert "2.0.0" in path.read_text() and "Index" in path.read_text()
    restored = scene.summary("manifest", "--undo")["restored"]
    assert [item["result"] for item in restored] == ["removed, as it was not there before"]
    assert not path.exists()


def test_a_readme_that_changed_since_its_diff_is_refused_and_nothing_is_written(scene: Scene) -> None:
    telling(scene, "metadata/manifest.json", "README.md").moved()
    scene.put(f"{PREFIX}README.md", README.encode())
    before = scene.get(f"{PREFIX}metadata/manifest.json")
    scene.cartage("manifest")
    scene.put(f"{PREFIX}README.md", README.encode() + b"More of it.\n")
    assert "changed since its diff was shown" in scene.cartage("manifest", "--apply", code=1).output
    assert scene.get(f"{PREFIX}metadata/manifest.json") == before


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"# Cards\n", "stands between the lines <!-- cartage:data --> and <!-- /cartage:data -->"),
        (b"", "stands between the lines"),
        (b"\x00\x01", "is not Markdown: it is not text"),
        (None, "there is no file at"),
    ],
)
def test_a_readme_without_a_place_for_the_table_is_refused(scene: Scene, body: bytes | None, why: str) -> None:
    telling(scene, "metadata/manifest.json", "./README.md").moved()
    if body is not None:
        (scene.folder / "README.md").write_bytes(body)
    assert why in " ".join(scene.cartage("manifest", "--apply", code=1).output.split())


def test_a_manifest_that_is_no_yaml_is_refused(scene: Scene) -> None:
    scene.put(f"{PREFIX}metadata/manifest.yaml", b"a: [")
    telling(scene, "metadata/manifest.yaml").moved()
    assert "is not YAML" in scene.cartage("manifest", "--apply", code=1).output


def test_without_its_extra_a_yaml_manifest_is_refused_with_what_to_install(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.put(f"{PREFIX}metadata/manifest.yaml", YAML.encode())
    telling(scene, "metadata/manifest.yaml").moved()
    monkeypatch.setitem(__import__("sys").modules, "ruamel.yaml", None)
    refused = scene.cartage("manifest", "--apply", code=2).output
    assert "pip install 'cartage-s3[manifest]'" in " ".join(refused.split())
