"""`cartage receipt` as a user meets it: refused, made, and held against ledger and bucket."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

import engine
import engine.cli.receipt
from engine.api.load import load_plan
from engine.api.options import Options
from engine.ledger import open_to_read
from engine.plan.document import Plan
from engine.proof.receipt import OLDER, seal_of, sum_up
from engine.references.local_files import write_new
from tests.cli.finish_scene import IMAGES, PREFIX, Scene
from tests.servers import Endpoint


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path) -> Scene:
    return Scene(sandbox, tmp_path).moved()


def made(scene: Scene) -> dict[str, Any]:
    scene.cartage("receipt")
    found: dict[str, Any] = json.loads((scene.folder / "cards.receipt.json").read_bytes())
    return found


def check(scene: Scene, code: int = 0) -> list[str]:
    values = scene.summary("receipt", "--check", str(scene.folder / "cards.receipt.json"), code=code)
    assert values["holds"] is (code == 0)
    found: list[str] = values["differences"]
    return found


def test_it_says_what_was_done_and_holds_until_something_changes(scene: Scene) -> None:
    reasons = scene.summary("cleanup", code=5)["reasons"]
    found = next(item["found"] for item in reasons if item["name"] == "references")
    scene.cartage("accept", "references", "--found", found, "--because", "as | agreed <b>*")
    receipt = made(scene)
    raw, reference = receipt["routes"]
    assert (raw["objects"], raw["bytes"]) == (len(IMAGES), sum(map(len, IMAGES.values())))
    assert raw["proof"] == {"digest": 5} and raw["states"] == {"verified": 5}
    assert raw["fingerprints"]["source"] == raw["fingerprints"]["target"]
    assert raw["fingerprints"]["source"] != reference["fingerprints"]["source"]
    line = scene.cartage_at("fingerprint", f"s3://{scene.bucket}/{PREFIX}data/raw/")
    assert raw["fingerprints"]["target"] in line
    assert receipt["stage"] == "verified" and receipt["made"]["clock"] == "server"
    assert receipt["accepted"][0]["because"] == "as | agreed <b>*" and "@" in receipt["accepted"][0]["by"]
    assert receipt["plan"]["text"] == scene.plan.read_text()

    for name in ("cards.receipt.json", "cards.receipt.md"):
        assert stat.S_IMODE((scene.folder / name).stat().st_mode) == 0o600
    text = (scene.folder / "cards.receipt.md").read_text()
    assert "as \\| agreed &lt;b&gt;\\*" in text and "<b>" not in text
    assert receipt["ledger"]["sha256"] in text and receipt["seal"] in text

    assert check(scene) == []
    scene.cartage("verify")  # proving again what is proven changes nothing
    assert check(scene) == []
    assert made(scene)["ledger"] == receipt["ledger"]


def test_it_holds_through_what_changes_nothing(scene: Scene) -> None:
    made(scene)
    for words in (["run", "--yes"], ["cleanup"], ["verify", "--properties"], ["verify"]):
        scene.cartage(*words, code=5 if words == ["cleanup"] else 0)
        assert check(scene) == [], words
    scene.cartage("verify", "--deep")
    assert check(scene, code=4) == ["the ledger changed since: its digest is another"]


def test_an_older_one_is_held_against_what_its_digest_was_made_of(scene: Scene) -> None:
    receipt = made(scene)

    async def digest() -> str:
        async with await open_to_read(scene.folder / "cards.ledger") as ledger:
            return (await sum_up(ledger, form=OLDER)).digest

    older = receipt | {"receipt": OLDER, "ledger": receipt["ledger"] | {"sha256": anyio.run(digest)}}
    (scene.folder / "cards.receipt.json").write_text(json.dumps(older | {"seal": seal_of(older)}))
    assert check(scene) == []
    scene.cartage("run", "--yes")
    assert check(scene, code=4) == ["the ledger changed since: its digest is another"]


def test_it_says_what_was_written_over_and_holds_one_that_was_made_before_it_was_said(scene: Scene) -> None:
    assert made(scene)["written_over"] == {"raw": 0, "reference": 0}
    with sqlite3.connect(scene.folder / "cards.ledger") as connection:
        connection.execute("UPDATE objects SET overwritten = 'theirs' WHERE key LIKE '%base1-3.png'")
    receipt = made(scene)
    assert receipt["written_over"] == {"raw": 1, "reference": 0} and check(scene) == []
    assert "1 of them over what stood at the target before" in (scene.folder / "cards.receipt.md").read_text()
    older = {name: value for name, value in receipt.items() if name != "written_over"}
    for other, said in (
        (older, []),
        (older | {"written_over": {}}, ["the receipt's written_over is not what the ledger says"]),
    ):
        (scene.folder / "cards.receipt.json").write_text(json.dumps(other | {"seal": seal_of(other)}))
        assert check(scene, code=4 if said else 0) == said


def test_what_changed_since_is_named(scene: Scene) -> None:
    made(scene)
    scene.put(f"{PREFIX}data/raw/card_images/base1-1.png", b"other")
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}data/raw/card_images/base1-2.png")
    scene.put(f"{PREFIX}data/raw/later.png", b"not ours, and not looked at")
    assert check(scene, code=4) == [
        f"route raw: {PREFIX}data/raw/card_images/base1-1.png: it is not what was proven",
        f"route raw: {PREFIX}data/raw/card_images/base1-2.png: it is not there any more",
    ]


def test_what_follows_on_is_another_receipt_unless_a_target_is_lost(scene: Scene) -> None:
    made(scene)

    def following() -> str:
        ended = scene.cartage("receipt", "--check", str(scene.folder / "cards.receipt.json"), code=4)
        return str(ended.output.splitlines()[-1])

    scene.put("data/raw/card_images/later.png", b"later")
    scene.moved()
    assert following().startswith("next: cartage receipt")
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}data/raw/card_images/base1-2.png")
    assert following().startswith("next: cartage verify")


def test_a_ledger_that_was_changed_is_seen(scene: Scene) -> None:
    made(scene)
    with sqlite3.connect(scene.folder / "cards.ledger") as connection:
        connection.execute("UPDATE objects SET compared = 'nothing' WHERE key LIKE '%base1-3.png'")
    assert check(scene, code=4) == ["the ledger changed since: its digest is another"]


def test_a_plan_that_means_something_else_is_seen(scene: Scene) -> None:
    made(scene)
    scene.plan.write_text(scene.plan.read_text() + '[cleanup]\nhold = "1h"\n')
    assert check(scene, code=4) == ["the plan means something else now"]


def test_it_seals_the_text_that_the_plan_was_read_from_whatever_its_file_holds_now(scene: Scene) -> None:
    text = scene.plan.read_text()
    read = [load_plan(scene.plan), Plan.parse(text, str(scene.plan), folder=Path.cwd())]
    scene.plan.write_text('name = "hello"  # no plan at all')
    for plan in read:
        sealed = sealed_of(scene, plan, scene.folder / "cards.ledger")
        assert sealed["text"] == text and sealed["digest"] == plan.digest
        assert sealed["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_one_of_a_plan_without_a_file_holds_its_canonical_form_as_does_one_of_a_plan_that_was_changed(
    scene: Scene,
) -> None:
    read = load_plan(scene.plan)
    made_of = Plan.of(f"s3://{scene.bucket}/data/", f"s3://{scene.bucket}/elsewhere/", name="cards")
    changed = replace(read, cleanup=replace(read.cleanup, hold_s=1))
    options = Options(ledger=scene.folder / "own.ledger", endpoint_url=scene.endpoint.url)
    with scene.environment():
        engine.sync.migrate(made_of, options)
        engine.sync.verify(made_of, options)
    for plan, ledger in ((made_of, "own.ledger"), (changed, "cards.ledger")):
        sealed = sealed_of(scene, plan, scene.folder / ledger)
        assert sealed["sha256"] == sealed["digest"] == plan.digest
        assert hashlib.sha256(sealed["text"].encode()).hexdigest() == plan.digest


def sealed_of(scene: Scene, plan: Plan, ledger: Path) -> dict[str, Any]:
    """What a receipt says of its plan; it holds, and says so also of one that means the same otherwise written."""
    options = Options(ledger=ledger, endpoint_url=scene.endpoint.url)
    path = scene.folder / "from-python.json"
    with scene.environment():
        values = engine.sync.receipt(plan, options)
        path.write_text(json.dumps(values))
        assert engine.sync.check_receipt(path, plan, options).holds
        spaced = replace(plan, read_from=(f"{plan.written}\n", plan.digest))
        assert engine.sync.check_receipt(path, spaced, options).holds
    sealed: dict[str, Any] = values["plan"]
    return sealed


@pytest.mark.parametrize("body", ["", "{}", "[]", "\x00", '{"receipt": "cartage-receipt/1"}'])
def test_what_is_no_receipt_is_not_trusted(scene: Scene, body: str) -> None:
    (scene.folder / "cards.receipt.json").write_text(body)
    assert "is not to be trusted" in check(scene, code=4)[0]


def test_another_file_than_a_receipt_is_a_mistake_and_no_difference(scene: Scene) -> None:
    made(scene)
    page, other = scene.folder / "cards.receipt.md", scene.folder / "notes.txt"
    other.write_text("my notes")
    for path, said in (
        (page, f"{page} is the page to read; --check takes {page.with_suffix('.json')}."),
        (other, f"{other} is no receipt of Cartage."),
    ):
        assert said in scene.cartage("receipt", "--check", str(path), code=2).output
    other.write_text('{"receipt": "cartage-')
    assert "is not to be trusted" in scene.cartage("receipt", "--check", str(other), code=4).output


def test_a_receipt_that_was_touched_is_not_trusted(scene: Scene) -> None:
    receipt = made(scene)
    receipt["routes"][0]["objects"] += 1
    path = scene.folder / "cards.receipt.json"
    path.write_text(json.dumps(receipt))
    assert "its seal does not hold" in check(scene, code=4)[0]
    path.write_text(json.dumps(receipt | {"seal": seal_of(receipt)}))
    assert "route raw: the ledger has 5 objects" in check(scene, code=4)[0]


def test_a_receipt_that_was_touched_and_sealed_anew_is_held_against_the_ledger(scene: Scene) -> None:
    receipt = made(scene)
    path = scene.folder / "cards.receipt.json"
    for name, changed in (
        ("routes", [receipt["routes"][0] | {"proof": {"bytes": 5}}, *receipt["routes"][1:]]),
        ("accepted", [{"what": "references", "found": "0", "because": "agreed", "by": "the boss", "at": ""}]),
        ("stage", "cleaned up"),
    ):
        forged = receipt | {name: changed}
        path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
        assert check(scene, code=4) == [f"the receipt's {name} is not what the ledger says"]
    forged = receipt | {"plan": receipt["plan"] | {"text": "another"}}
    path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
    assert check(scene, code=4) == ["the receipt's plan is not the one that it names"]
    text = receipt["plan"]["text"].replace('"/data/raw/"', '"/data/everything/"')
    forged = receipt | {"plan": receipt["plan"] | {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
    assert check(scene, code=4) == ["the receipt's plan is not the one that it names"]
    forged = receipt | {"ledger": receipt["ledger"] | {"rows": 1_000_000}}
    path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
    assert check(scene, code=4) == ["the receipt's count of the ledger's rows is not the ledger's"]
    forged = receipt | {"proof": "all bytes read"}
    path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
    assert check(scene, code=4) == ["what the receipt says as 'proof' is no part of one"]
    path.write_text(json.dumps(receipt).replace('"stage":', '"stage": "cleaned up", "stage":', 1))
    assert "it says something twice" in check(scene, code=4)[0], "its seal is as it was"
    forged = receipt | {"ledger": receipt["ledger"] | {"columns": ["key"]}}
    path.write_text(json.dumps(forged | {"seal": seal_of(forged)}))
    assert "leaves columns out" in check(scene, code=4)[0]


@pytest.mark.parametrize("change", [{"routes": [{}]}, {"routes": None}, {"ledger": {"sha256": 1, "columns": []}}])
def test_one_that_lacks_something_is_not_trusted(scene: Scene, change: dict[str, Any]) -> None:
    receipt = made(scene) | change
    (scene.folder / "cards.receipt.json").write_text(json.dumps(receipt | {"seal": seal_of(receipt)}))
    assert "a part of it is" in check(scene, code=4)[0]


def test_nothing_is_certified_before_it_is_verified(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    scene.cartage("plan")
    assert "its listing never reached its end" in scene.cartage("receipt", code=5).output
    scene.cartage("run", "--yes")
    assert "raw: 5 copied; run and verify the plan" in scene.cartage("receipt", code=5).output
    assert list(tmp_path.glob("*.receipt.*")) == []


def test_after_the_cleanup_it_says_so_and_both_fingerprints_stay(scene: Scene) -> None:
    before = made(scene)
    scene.plan.write_text(scene.plan.read_text().partition("[references]")[0] + '[cleanup]\nhold = "0s"\n')
    scene.cartage("cleanup", "--delete", "--confirm", "cards")
    assert check(scene, code=4)
    receipt = made(scene)
    assert receipt["stage"] == "cleaned up" and receipt["total"]["sources_deleted"] == 6
    assert [route["fingerprints"] for route in receipt["routes"]] == [
        route["fingerprints"] for route in before["routes"]
    ]
    assert check(scene) == []


def test_what_was_accepted_as_lost_is_no_part_of_what_stands(scene: Scene) -> None:
    scene.plan.write_text(scene.plan.read_text().partition("[references]")[0] + '[cleanup]\nhold = "0s"\n')
    scene.cartage("cleanup", "--delete", "--confirm", "cards")
    scene.s3.delete_object(Bucket=scene.bucket, Key=f"{PREFIX}data/raw/card_images/base1-1.png")
    verified = scene.cartage("verify", code=4).output
    assert "next: cartage accept" in verified, "no run mends it"
    found = scene.summary("status")["noted"]["lost"]["found"]
    scene.cartage("accept", "lost", "--found", found, "--because", "not needed")
    assert f"next: cartage receipt {scene.plan}" in scene.cartage("verify").output
    assert made(scene)["stage"] == "cleaned up"
    assert check(scene) == []


def test_no_credential_is_in_it(scene: Scene) -> None:
    scene.plan.write_text(scene.plan.read_text() + "# https://user:geheim@example.com/\n")
    made(scene)
    text = (scene.folder / "cards.receipt.json").read_text() + (scene.folder / "cards.receipt.md").read_text()
    for secret in (scene.endpoint.secret_key, scene.endpoint.access_key, "geheim"):
        assert secret not in text


def test_it_is_written_where_asked(scene: Scene) -> None:
    folder = scene.folder / "audit" / "2025"
    files = scene.summary("receipt", "--output", str(folder))["files"]
    names = ["cards.receipt.json", "cards.receipt.md", "cards.report.html"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert "(<cards.report.html>)" in (folder / "cards.receipt.md").read_text()
    assert [Path(file).parent for file in files] == [folder, folder, folder]
    assert re.fullmatch(r"[0-9a-f]{64}", json.loads(Path(files[0]).read_bytes())["seal"])
    (scene.folder / "file").write_text("")
    assert "cannot be written" in scene.cartage("receipt", "--output", str(scene.folder / "file" / "x"), code=2).output


def test_it_lies_with_the_ledger_where_the_plan_s_own_folder_is_not_to_be_written_to(scene: Scene) -> None:
    state = scene.folder / "state"
    flags = ("--state-dir", str(state))
    for words in (("run", "--yes"), ("verify",)):
        scene.cartage(*words, *flags)
    files = scene.summary("receipt", *flags)["files"]
    assert {Path(file).parent for file in files} == {state}


@pytest.mark.parametrize("local", [False, True])
def test_a_source_that_was_removed_once_all_of_it_was_deleted_is_not_asked_for(
    sandbox: Endpoint, tmp_path: Path, local: bool
) -> None:
    scene = Scene(sandbox, tmp_path)
    source, old = "./old/", f"old-{scene.bucket}"
    if local:
        (tmp_path / "old").mkdir()
        (tmp_path / "old" / "a").write_text("a")
    else:
        source = f"s3://{old}/data/"
        scene.s3.create_bucket(Bucket=old, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
        scene.s3.put_object(Bucket=old, Key="data/a", Body=b"a")
    to = f's3://{scene.bucket}/new/"\n[cleanup]\nhold = "0s"\n'
    scene.plan.write_text(f'name = "cards"\n[[routes]]\nname = "r"\nfrom = "{source}"\nto = "{to}')
    scene.moved()
    scene.cartage("cleanup", "--delete", "--confirm", "cards")
    made(scene)
    if local:
        shutil.rmtree(tmp_path / "old")
    else:
        scene.s3.delete_bucket(Bucket=old)
    assert check(scene) == []
    assert made(scene)["stage"] == "cleaned up"
    scene.cartage("revert")
    assert (tmp_path / "cards-back.toml").is_file()
    for command in ("verify", "cleanup"):
        said = scene.cartage(command, code=1).output
        assert "proven, and deleted by cleanup" in said and "cartage receipt " in said
    scene.cartage("run", "--yes", "--allow-empty", code=1)  # which would have something to copy


def test_a_target_that_is_lost_is_not_taken_for_a_source_that_all_of_was_deleted(
    sandbox: Endpoint, tmp_path: Path
) -> None:
    scene = Scene(sandbox, tmp_path)
    source = f"s3://{scene.bucket}/data/"
    to = {name: f"{name}-{scene.bucket}" for name in ("kept", "lost")}
    routes = ""
    for name, bucket in to.items():
        scene.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
        scene.s3.put_object(Bucket=scene.bucket, Key=f"data/{name}/a", Body=b"a")
        routes += f'[[routes]]\nname = "{name}"\nfrom = "{source}{name}/"\nto = "s3://{bucket}/"\n'
    scene.plan.write_text(f'name = "cards"\n{routes}[cleanup]\nhold = "0s"\n')
    scene.moved()
    scene.cartage("cleanup", "--delete", "--confirm", "cards")
    scene.s3.delete_object(Bucket=to["lost"], Key="a")
    scene.s3.delete_bucket(Bucket=to["lost"])
    for command in ("verify", "cleanup"):
        said = scene.cartage(command, code=1).output
        assert to["lost"] in said and "deleted by cleanup" not in said


def test_that_all_of_it_was_deleted_is_known_on_every_machine(sandbox: Endpoint, tmp_path: Path) -> None:
    """A state in S3: here it is this machine's view that says so, and elsewhere there is none yet."""
    scene = Scene(sandbox, tmp_path)
    old = f"old-{scene.bucket}"
    scene.s3.create_bucket(Bucket=old, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
    scene.s3.put_object(Bucket=old, Key="data/a", Body=b"a")
    to = f's3://{scene.bucket}/new/"\n[cleanup]\nhold = "0s"\n'
    scene.plan.write_text(f'name = "cards"\n[[routes]]\nname = "r"\nfrom = "s3://{old}/data/"\nto = "{to}')
    state = ("--state", f"s3://{scene.bucket}/state/")
    scene.cartage("run", "--yes", *state)
    scene.cartage("verify", *state)
    scene.cartage("cleanup", "--delete", "--confirm", "cards", *state)
    scene.s3.delete_bucket(Bucket=old)
    for ledger in ("cards.ledger", "elsewhere.ledger"):
        here = ("--ledger", str(tmp_path / ledger), *state)
        assert "1 source deleted" in scene.cartage("status", *here).output
    fresh = ("--ledger", str(tmp_path / "third.ledger"), *state)
    assert "cleaned up: 1 object" in scene.cartage("receipt", *fresh).output


def test_a_source_that_is_gone_before_its_cleanup_is_missed(sandbox: Endpoint, tmp_path: Path) -> None:
    scene = Scene(sandbox, tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a").write_text("a")
    to = f's3://{scene.bucket}/new/"\n'
    scene.plan.write_text(f'name = "cards"\n[[routes]]\nname = "r"\nfrom = "./old/"\nto = "{to}')
    scene.moved()
    (tmp_path / "old").rename(tmp_path / "elsewhere")
    assert "does not exist" in scene.cartage("receipt", code=1).output


def test_a_signal_that_comes_while_its_page_is_made_is_answered_and_nothing_is_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def terminated(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await anyio.sleep_forever()

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        monkeypatch.setattr(engine.cli.receipt, "report_on", terminated)
        assert scene.summary("receipt", code=130)["interrupted"] is True
    finally:
        signal.signal(signal.SIGTERM, before)
    assert not [*scene.folder.glob("cards.re*")]


def test_a_disk_that_is_full_at_its_page_is_told_with_what_was_written(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, body: bytes) -> None:
        if path.suffix == ".html":
            raise OSError(errno.ENOSPC, "No space left on device")
        write_new(path, body)

    monkeypatch.setattr(engine.cli.receipt, "write_new", full)
    said = scene.cartage("receipt", code=2).stderr
    assert "written: cards.receipt.json, cards.receipt.md; not cards.report.html: No space left on device" in said
    assert "Make room there" in said and "--output" in said
