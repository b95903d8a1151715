"""The owner asks the reference database at its new place: each file what it holds, and all of them whether they agree;
and what is said of the data is so. One thing wrong in any of them keeps every source."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.finish_scene import PREFIX, Scene
from tests.indexes import usearch_index
from tests.unit.finish.test_npy import npy

pytest.importorskip("PIL")
pytest.importorskip("pyarrow")

CARDS, DIMENSIONS = 6, 16
DATABASE = f"{PREFIX}data/reference/"
LABELS = 'id,name\n0,Pikachu\n1,"Mr.\nMime"\n2,"Farfetch\'d, wild"\n3,a\n4,b\n5,c\n'
PROBES = f"""
[[probes]]
npy = "data/reference/embeddings.npy"
shape = [{CARDS}, {DIMENSIONS}]
agrees = "the database"
[[probes]]
usearch = "data/reference/usearch.index"
rows = {CARDS}
metric = "cos"
agrees = "the database"
[[probes]]
json = "data/reference/rows.json"
agrees = "the database"
[[probes]]
csv = "data/reference/labels.csv"
header = ["id", "name"]
agrees = "the database"
[[probes]]
parquet = "data/reference/labels.parquet"
columns = 2
agrees = "the database"
[[probes]]
images = {{ under = "data/raw/cards/", sample = 4, seed = 9 }}
rows = {CARDS}
agrees = "the database"
[[probes]]
image = "data/raw/cards/0.png"
pixels = [8, 8]
[[probes]]
manifest = "metadata/manifest.json"
"""


def image(number: int) -> bytes:
    from PIL import Image

    body = io.BytesIO()
    Image.new("RGB", (8, 8), (number * 40, 0, 90)).save(body, "PNG")
    return body.getvalue()


def parquet(rows: int) -> bytes:
    import pyarrow
    import pyarrow.parquet

    body = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"id": list(range(rows)), "name": ["x"] * rows}), body)
    return body.getvalue()


def array(rows: int) -> bytes:
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {DIMENSIONS}), }}"
    return npy(head) + bytes(rows * DIMENSIONS * 4)


FILES = {
    "embeddings.npy": array(CARDS),
    "usearch.index": usearch_index(CARDS, DIMENSIONS, above=2),
    "rows.json": json.dumps({row: f"base1-{row}" for row in range(CARDS)}).encode(),
    "labels.csv": LABELS.encode(),
    "labels.parquet": parquet(CARDS),
}


def moved(scene: Scene) -> Scene:
    """The cards and their database, copied and verified, and the manifest brought up to date."""
    for name, body in FILES.items():
        scene.put(f"data/reference/{name}", body)
    for number in range(CARDS):
        scene.put(f"data/raw/cards/{number}.png", image(number))
    scene.plan.write_text(scene.plan.read_text() + PROBES)
    scene.moved()
    scene.cartage("manifest", "--apply", *anyway(scene, "--no-conditional-writes"))
    return scene


def anyway(scene: Scene, flag: str) -> tuple[str, ...]:
    return () if scene.endpoint.name == "sandbox" else (flag,)


def asked(scene: Scene) -> list[dict[str, Any]]:
    reasons = scene.summary("cleanup", *anyway(scene, "--unconditional"), code=5)["reasons"]
    return [item for item in reasons if item["name"] == "probe"]


def live_through(scene: Scene) -> None:
    moved(scene)
    answers = asked(scene)
    assert len(answers) == 9 and all(item["open"] for item in answers), [item["sentence"] for item in answers]
    said = [item["sentence"] for item in answers]
    assert said[1].partition("; ")[0].endswith(f"an index of {CARDS} vectors of {DIMENSIONS} × f32, compared by cos")
    assert said[5].startswith(f"4 of {CARDS} images under ") and "(seed 9) decode, each 8 × 8 PNG" in said[5]
    assert said[8].startswith(f"the database: {CARDS} rows of {DIMENSIONS} dimensions in each of npy ")
    assert asked(scene) == answers  # the same sample again

    # Each of them damaged, one after the other: the very probe closes, and with it the agreement where the rows differ.
    for name, body, closed in (
        ("data/reference/embeddings.npy", array(CARDS - 1), {0, 8}),
        ("data/reference/usearch.index", usearch_index(CARDS, DIMENSIONS)[:-1], {1, 8}),
        ("data/reference/usearch.index", usearch_index(CARDS, DIMENSIONS + 1), {8}),
        ("data/reference/rows.json", b'{"0": "base1-0"}', {8}),
        ("data/reference/labels.csv", LABELS.encode() + b"6\n", {3, 8}),
        ("data/reference/labels.parquet", parquet(CARDS)[:-9], {4, 8}),
        ("data/raw/cards/0.png", image(0)[:-20], {6}),
        ("metadata/manifest.json", scene.get(f"{PREFIX}metadata/manifest.json").replace(b": 11", b": 12"), {7}),
    ):
        before = scene.get(PREFIX + name)
        scene.put(PREFIX + name, body)
        found = {number for number, item in enumerate(asked(scene)) if not item["open"]}
        assert found - {5} >= closed and found <= closed | {5, 7}, (name, found)
        scene.put(PREFIX + name, before)
    assert all(item["open"] for item in asked(scene))


def test_the_database_on_the_sandbox(sandbox: Any, tmp_path: Path) -> None:
    live_through(Scene(sandbox, tmp_path))


@pytest.mark.parametrize("server", ["localstack", "rgw"])
@pytest.mark.real
def test_the_database_on_a_real_server(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    live_through(Scene(request.getfixturevalue(server), tmp_path))


def test_without_the_extras_nothing_that_needs_them_is_a_yes(
    sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = moved(Scene(sandbox, tmp_path))
    for package in ("PIL", "pyarrow"):
        monkeypatch.setitem(sys.modules, package, None)
    closed = [item["sentence"] for item in asked(scene) if not item["open"]]
    assert [sentence.partition("pip install ")[2] for sentence in closed[:3]] == [
        "'cartage-s3[parquet]'",
        "'cartage-s3[image]'",
        "'cartage-s3[image]'",
    ]
    assert len(closed) == 4 and closed[3].startswith("the database: whether all agree could not be found out")


def test_a_clone_is_asked_in_its_folder(sandbox: Any, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    for name, body in FILES.items():
        scene.put(f"data/reference/{name}", body)
    for number in range(CARDS):
        scene.put(f"data/raw/cards/{number}.png", image(number))
    text = scene.plan.read_text().partition("[manifest]")[0].replace('to = "data/', 'to = "./clone/')
    probes = PROBES.partition("[[probes]]\nmanifest")[0].replace('"data/', '"./clone/')
    scene.plan.write_text(text + probes)
    scene.moved()
    answers = asked(scene)
    assert len(answers) == 8 and all(item["open"] for item in answers), [item["sentence"] for item in answers]
    (tmp_path / "clone" / "reference" / "usearch.index").write_bytes(FILES["usearch.index"][:-1])
    assert [number for number, item in enumerate(asked(scene)) if not item["open"]] == [1, 7]
