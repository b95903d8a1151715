"""`cartage rewrite` as a user meets it: shown, applied, refused, put back."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.sites.traits import AWS
from tests.cli.finish_scene import PREFIX, Scene
from tests.servers import Endpoint


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path) -> Scene:
    return Scene(sandbox, tmp_path).moved()


def test_shown_applied_and_put_back(scene: Scene) -> None:
    readme, code = scene.get(f"{PREFIX}README.md"), scene.get(f"{PREFIX}pipelines/a.py")
    notebook = scene.folder / "notebooks" / "a.ipynb"
    before = notebook.read_bytes()
    notebook.chmod(0o640)

    shown = scene.cartage("rewrite").output
    assert f"-See s3://{scene.bucket}/data/raw/ and data/raw/." in shown
    assert f"+See s3://{scene.bucket}/{PREFIX}data/raw/ and data/raw/." in shown
    assert "README.md:1: data/raw/: left alone: a path without its bucket" in shown
    assert "3 places in 3 files would be rewritten" in shown
    assert scene.get(f"{PREFIX}README.md") == readme and notebook.read_bytes() == before

    values = scene.summary("rewrite", "--apply")
    assert len(values["written"]) == 3 and values["refused"] == [] and values["left"] == 1
    assert scene.get(f"{PREFIX}README.md") == readme.replace(b"/data/raw/", f"/{PREFIX}data/raw/".encode(), 1)
    assert scene.get(f"{PREFIX}pipelines/a.py") == code.replace(b"data/raw/", f"{PREFIX}data/raw/".encode())
    assert json.loads(notebook.read_bytes())["cells"][0]["source"] == [
        f'root = "s3://{scene.bucket}/{PREFIX}data/raw/"\n'
    ]
    assert stat.S_IMODE(notebook.stat().st_mode) == 0o640
    assert [path.name for path in notebook.parent.iterdir()] == ["a.ipynb"]

    assert scene.summary("rewrite")["would_write"] == []
    assert scene.summary("rewrite", "--apply")["written"] == []
    back = scene.summary("rewrite", "--undo")["restored"]
    assert {item["result"] for item in back} == {"put back"} and len(back) == 3
    assert (scene.get(f"{PREFIX}README.md"), scene.get(f"{PREFIX}pipelines/a.py")) == (readme, code)
    assert notebook.read_bytes() == before
    assert scene.summary("rewrite", "--undo")["restored"] == []


def test_what_is_put_back_is_its_owner_s_again(scene: Scene) -> None:
    notes = scene.folder / "notebooks" / "notes.md"
    notes.write_text(f"see s3://{scene.bucket}/data/raw/\n")
    scene.cartage("rewrite", "--apply")
    ours = notes.read_text(), scene.get(f"{PREFIX}README.md")
    scene.cartage("rewrite", "--undo")
    notes.write_text(ours[0])  # by hand, or by a checkout
    scene.put(f"{PREFIX}README.md", ours[1])
    assert len(scene.summary("rewrite", "--apply")["written"]) == 2
    assert len(scene.summary("rewrite", "--undo")["restored"]) == 2
    assert (notes.read_text(), scene.get(f"{PREFIX}README.md")) == ours


def test_the_plan_of_the_way_back_is_not_looked_at(scene: Scene) -> None:
    back = scene.folder / "notebooks" / "cards-back.toml"
    text = f'# The way back of cards: every route turned round.\nto = "s3://{scene.bucket}/data/raw/"\n'
    back.write_text(text)
    assert len(scene.summary("rewrite", "--apply")["written"]) == 3
    assert back.read_text() == text


def test_a_server_that_is_known_to_ignore_if_match_is_written_to_only_if_asked(scene: Scene) -> None:
    readme = scene.get(f"{PREFIX}README.md")
    with sqlite3.connect(scene.folder / "cards.ledger") as connection:
        note = json.dumps({scene.bucket: AWS.as_note() | {"put_if_match": "no"}})
        connection.execute("INSERT OR REPLACE INTO notes VALUES ('traits', ?, 0)", (note,))
    for act in ("--apply", "--undo"):
        assert "ignores If-Match on a write" in scene.cartage("rewrite", act, code=2).output
    assert "ignores If-Match on a write" in scene.cartage("manifest", "--undo", code=2).output
    assert scene.get(f"{PREFIX}README.md") == readme
    assert len(scene.summary("rewrite", "--apply", "--no-conditional-writes")["written"]) == 3


def test_what_was_not_shown_is_not_written(scene: Scene) -> None:
    scene.cartage("rewrite")
    scene.put(f"{PREFIX}README.md", f"new: s3://{scene.bucket}/data/raw/".encode())
    (scene.folder / "notebooks" / "b.md").write_text(f"s3://{scene.bucket}/data/raw/")
    values = scene.summary("rewrite", "--apply", code=3)
    assert [item["why"].partition("; ")[0].split(" ", 1)[1] for item in values["refused"]] == [
        "was not in the diff that was shown",
        "changed since its diff was shown",
    ]
    assert scene.get(f"{PREFIX}README.md") == f"new: s3://{scene.bucket}/data/raw/".encode()
    assert len(values["written"]) == 2
    assert len(scene.summary("rewrite", "--apply")["written"]) == 2  # now that it was said


def test_what_others_changed_since_is_not_put_back(scene: Scene) -> None:
    scene.cartage("rewrite", "--apply")
    scene.put(f"{PREFIX}README.md", b"theirs")
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}pipelines/a.py")
    results = {item["name"]: item["result"] for item in scene.summary("rewrite", "--undo", code=3)["restored"]}
    assert results[f"s3://{scene.bucket}/{PREFIX}README.md"] == "changed since, left alone"
    assert results[f"s3://{scene.bucket}/{PREFIX}pipelines/a.py"] == "no longer there, left alone"
    assert results["./notebooks/a.ipynb"] == "put back"
    assert scene.get(f"{PREFIX}README.md") == b"theirs"


def test_files_that_are_not_looked_at_or_not_touched(scene: Scene) -> None:
    uri = f"s3://{scene.bucket}/data/raw/"
    folder = scene.folder / "notebooks"
    outside = scene.folder / "outside.md"
    outside.write_text(uri)
    (folder / "link.md").symlink_to(outside)
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text(uri)
    (folder / "old.bak").write_text(uri)
    assert scene.cartage("receipt", "--output", str(folder)).exit_code == 0
    (folder / "cards.report.html").unlink()
    assert uri in (folder / "cards.receipt.json").read_text()
    (folder / "model.pkl").write_bytes(b"\x80\x04\x00" + uri.encode())
    (folder / "other.bin").write_bytes(b"\x00\x01")
    with (folder / "huge.csv").open("wb") as file:
        file.truncate(16 * 1024 * 1024 + 1)
    os.mkfifo(folder / "pipe")
    scene.put(f"{PREFIX}pipelines/x.bak", uri.encode())

    result = scene.summary("rewrite", "--apply")
    assert [item["name"] for item in result["unread"]] == ["./notebooks/huge.csv", "./notebooks/link.md"]
    assert result["binary"] == 1 and len(result["written"]) == 3
    assert outside.read_text() == uri and (folder / "old.bak").read_text() == uri
    assert "./notebooks/model.pkl:0: " in scene.cartage("rewrite").output


def test_a_moved_file_is_left_alone_unless_asked_for_and_then_proven_again(scene: Scene) -> None:
    scene.plan.write_text(scene.plan.read_text().replace("scan = [", 'scan = ["/data/reference/", "data/reference/", '))
    copy = f"{PREFIX}data/reference/index.json"
    shown = scene.cartage("rewrite").output
    assert f"s3://{scene.bucket}/data/reference/index.json:1: " in shown and "--include-moved changes it too" in shown
    assert f"s3://{scene.bucket}/{copy}:1: " in shown

    scene.cartage("rewrite", "--include-moved")
    values = scene.summary("rewrite", "--apply", "--include-moved")
    assert values["renewed"] == [f"s3://{scene.bucket}/data/reference/index.json"]
    new = json.dumps({"0": f"s3://{scene.bucket}/{PREFIX}data/raw/card_images/"}).encode()
    assert scene.get("data/reference/index.json") == new and scene.get(copy) != new
    assert scene.summary("status")["aside"] == {"drifted": 1}
    scene.cartage("run", "--yes")
    scene.cartage("verify")
    assert scene.get(copy) == new
    assert scene.summary("status")["aside"] == {}


def test_nothing_is_taken_for_moved_before_it_is(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    assert "there is no ledger" in scene.cartage("rewrite", code=1).output
    scene.cartage("plan")
    values = scene.summary("rewrite", "--apply")
    assert values["written"] == [] and values["places"] == 4


def test_a_place_that_is_not_there_is_said(scene: Scene) -> None:
    scene.plan.write_text(scene.plan.read_text().replace("scan = [", 'scan = ["scripts/", "./missing/", '))
    unread = scene.summary("rewrite")["unread"]
    assert [item["why"] for item in unread] == ["there is nothing there", "there is no such file or folder"]
    os.mkfifo(scene.folder / "pipe")
    scene.plan.write_text(scene.plan.read_text().replace("./missing/", "./pipe"))
    assert scene.summary("rewrite")["unread"][1]["why"] == "neither a file nor a folder"


def references(scene: Scene) -> dict[str, Any]:
    (found,) = [item for item in scene.summary("cleanup", code=5)["reasons"] if item["name"] == "references"]
    return dict(found)


def test_references_are_accepted_as_these_and_not_as_so_many(scene: Scene) -> None:
    shut = references(scene)
    count = shut["found"].partition(":")[0]
    refused = scene.cartage("accept", "references", "--found", count, "--because", "old runs", code=2)
    assert f"references was found to be {shut['found']}, and not {count}" in refused.output
    scene.cartage("accept", "references", "--found", shut["found"], "--because", "old runs")
    assert references(scene)["open"] is True

    scene.put(
        f"{PREFIX}pipelines/a.py",
        scene.get(f"{PREFIX}pipelines/a.py").replace(b"BUCKET =", b"\n# moved down\nBUCKET ="),
    )
    assert references(scene)["open"] is True  # the very same places, two lines further down
    scene.put(f"{PREFIX}README.md", f"See s3://{scene.bucket}/data/reference/ and data/raw/.\r\n".encode())
    other = references(scene)
    assert (other["open"], other["found"].partition(":")[0]) == (False, count)
    assert other["found"] != shut["found"]


def test_the_command_that_is_advised_opens_the_gate_as_it_stands(scene: Scene) -> None:
    shown = scene.cartage("rewrite").output
    assert "1 place names old paths and is left to you even then" in shown and "cartage accept" not in shown
    done = scene.cartage("rewrite", "--apply").output
    advised = next(line for line in done.splitlines() if "cartage accept" in line).partition("cartage accept ")[2]
    plan, *words = shlex.split(advised)
    assert (Path(plan), words[0]) == (scene.plan, "references")
    scene.cartage("accept", *words)
    assert references(scene)["open"] is True


def test_a_plan_without_places_and_flags_against_each_other(scene: Scene) -> None:
    for verb in ("rewrite", "manifest"):
        assert "--undo stands alone" in scene.cartage(verb, "--apply", "--undo", code=2).output
    scene.plan.write_text(scene.plan.read_text().partition("[references]")[0])
    assert "names nowhere to look" in scene.cartage("rewrite", code=2).output
