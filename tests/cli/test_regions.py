"""A bucket in another region than the one that was said is followed there; buckets are listed; a name without s3:// is
told what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.plan.own import PROBE
from tests.cli.canned import Refusal, answering
from tests.cli.commands import Terminal, assert_said_well, write_plan
from tests.cli.finish_scene import Scene
from tests.servers import Endpoint

ELSEWHERE = "eu-west-1"


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, terminal: Terminal) -> Scene:
    """Of a server that refuses what is signed for another region, and says for which it should be, as S3 does."""
    assert sandbox.region != ELSEWHERE
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    terminal.set(AWS_REGION=ELSEWHERE, AWS_DEFAULT_REGION=ELSEWHERE)
    return scene


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_a_bucket_in_another_region_is_followed(scene: Scene, terminal: Terminal, store: str) -> None:
    listed = terminal.call("ls", f"s3://{scene.bucket}/", "--store", store, "-vv", "--log-file", "a.log")
    assert listed.code == 0 and " data/\n" in listed.out
    asked = [line for line in (scene.folder / "a.log").read_text().splitlines() if " ListObjectsV2 " in line]
    assert all("status=400" in line for line in asked[:-1]), "one is refused, and the next is right"
    ran = terminal.call("run", scene.plan, "--yes", "--json", "--store", store)
    assert ran.code == 0 and ran.summary["copied"] == 6
    assert terminal.call("verify", scene.plan, "--store", store).code == 0


def test_only_the_first_requests_to_a_bucket_are_refused(scene: Scene, terminal: Terminal) -> None:
    terminal.call("run", scene.plan, "--yes", "-vv", "--log-file", "a.log")
    lines = (scene.folder / "a.log").read_text().splitlines()
    refused = [number for number, line in enumerate(lines) if "status=400" in line and PROBE not in line]
    copied = [number for number, line in enumerate(lines) if "operation=CopyObject" in line and "status=200" in line]
    assert refused and copied and max(refused) < min(copied)


def test_a_server_that_refuses_its_own_region_too_is_not_followed_for_ever(terminal: Terminal) -> None:
    refusal = Refusal(400, "AuthorizationHeaderMalformed", more=f"<Region>{ELSEWHERE}</Region>")
    with answering(refusal) as server:
        terminal.at(server.url)
        ended = terminal.call("plan", write_plan(terminal.folder))
    assert_said_well(ended, "plan")
    assert ended.code == 1 and f"Use --region {ELSEWHERE}." in ended.err
    assert len(server.asked) < 30


def test_a_region_that_is_no_name_is_not_followed(terminal: Terminal) -> None:
    with answering(Refusal(400, "AuthorizationHeaderMalformed", more="<Region>a/../b</Region>")) as server:
        terminal.at(server.url)
        ended = terminal.call("ls", "s3://bucket/")
    assert ended.code == 1
    assert all("a/../b" not in str(asked.headers) for asked in server.asked)


def test_the_buckets_are_listed(scene: Scene, terminal: Terminal) -> None:
    ended = terminal.call("ls", "s3://")
    (line,) = [line for line in ended.out.splitlines() if scene.bucket in line]
    assert ended.code == 0 and line[:2] == "20" and f"  {scene.bucket}" in line
    told = terminal.call("ls", "s3://", "--json")
    (event,) = [line for line in told.lines if line.get("name") == scene.bucket]
    assert event["event"] == "bucket" and event["created"].startswith("20")
    for flag in ("--recursive", "--summarize"):
        ended = terminal.call("ls", "s3://", flag)
        assert_said_well(ended, "ls")
        assert ended.code == 2 and "s3://bucket/" in ended.err


def test_who_may_not_list_buckets_is_told(terminal: Terminal) -> None:
    with answering(Refusal(403, "AccessDenied", "Access Denied")) as server:
        terminal.at(server.url)
        ended = terminal.call("ls", "s3://")
    assert_said_well(ended, "ls")
    assert ended.code == 1 and "access denied" in ended.err


@pytest.mark.parametrize(
    ("arguments", "advised"),
    [
        (["ls", "mybucket"], "write s3://mybucket/, or ./mybucket for a local path"),
        (["cp", "mybucket/x", "./y/"], "write s3://mybucket/x, or ./mybucket/x for a local path"),
        (["delete", "mybucket/x/"], "write s3://mybucket/x/, or"),
        (["check", "mybucket"], "write s3://mybucket/"),
        (["ls", "my_dir!/x"], "write s3://bucket/my_dir!/x, or ./my_dir!/x for a local path"),
        (["sync", "./a/", "mybucket/b/"], "write s3://mybucket/b/, or ./mybucket/b/ for a local path"),
        (["check", "s3://"], "cartage ls s3:// lists those there are"),
    ],
)
def test_a_place_without_s3_is_told_what_to_write(terminal: Terminal, arguments: list[str], advised: str) -> None:
    ended = terminal.call(*arguments)
    assert ended.code == 2 and advised in ended.err


def test_a_name_that_was_mistyped_is_guessed(scene: Scene, terminal: Terminal) -> None:
    terminal.call("plan", scene.plan)
    ended = terminal.call("accept", scene.plan, "referenses", "--found", "1", "--because", "x")
    assert ended.code == 2 and 'did you mean "references"?' in ended.err
    ended = terminal.call("plan", scene.plan, "--policy", "run", "--site", "conection")
    assert ended.code == 2 and "conection" in ended.err


def test_a_plan_that_was_mistyped_is_guessed(terminal: Terminal) -> None:
    write_plan(terminal.folder, name="moving")
    ended = terminal.call("run", "movign.toml")
    assert ended.code == 2
    assert ended.err.startswith('cartage run: there is no plan at movign.toml; did you mean "moving.toml"?\n')
    assert "  cartage init movign.toml writes one to start from." in ended.err


def test_what_makes_no_sense_is_answered_with_the_example_most_like_it(terminal: Terminal) -> None:
    ended = terminal.call("check", "bucket/x/", "--write")
    assert ended.code == 2
    assert ended.err.endswith("  As in: cartage check s3://mybucket/project/ --write\n")


def test_a_folder_for_ledgers(scene: Scene, terminal: Terminal) -> None:
    folder = terminal.folder / "state"
    terminal.set(CARTAGE_STATE_DIR=str(folder))
    ended = terminal.call("run", scene.plan, "--yes")
    assert ended.code == 0 and (folder / "cards.ledger").exists()
    assert list(terminal.folder.glob("*.ledger")) == []
    assert folder.stat().st_mode & 0o777 == 0o700
    assert f"cartage verify plan.toml --state-dir {folder}" in ended.out.replace(f"{terminal.folder}/plan", "plan")
    assert terminal.call("status").code == 0, "the only ledger there"
    assert terminal.call("verify", scene.plan).code == 0
    where = f"s3://{scene.bucket}/data/raw/"
    terminal.call("delete", where)
    assert len(list(folder.glob("*.deletion"))) == 1
    terminal.set(CARTAGE_STATE_DIR="")
    beside = terminal.call("status", scene.plan, "--state-dir", "nowhere")
    assert beside.code == 1 and "nowhere/cards.ledger" in beside.err
