"""Every command that is printed can be run as it stands: the real plan, the real ledger, the real figure."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from engine.cli.main import VERBS
from tests.cli.commands import Ended, Terminal
from tests.cli.finish_scene import PREFIX, Scene
from tests.servers import Endpoint

PRINTED = re.compile(rf"cartage ((?:{'|'.join(VERBS)})\b [^\n]*)")
USAGE = 2


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, terminal: Terminal) -> Scene:
    scene = Scene(sandbox, tmp_path)
    terminal.on(sandbox)
    text = scene.plan.read_text().replace('name = "raw"\n', 'name = "raw"\nexpect = { objects = 7 }\n', 1)
    scene.plan = tmp_path / "my plan's.toml"  # a name that a shell has to be told of
    scene.plan.write_text(text + '[cleanup]\nhold = "0s"\n')
    return scene


def printed(*ends: Ended) -> list[list[str]]:
    """The words of every command that was shown, to the end of its line."""
    found = [shlex.split(match) for end in ends for match in PRINTED.findall(end.out + end.err)]
    return [words for number, words in enumerate(found) if words not in found[:number]]


def assert_runs(terminal: Terminal, *ends: Ended) -> list[list[str]]:
    """Run what was printed: nothing of it is a mistake of usage."""
    commands = printed(*ends)
    for words in commands:
        end = terminal.call(*words)
        assert end.code != USAGE, (words, end.err)
        assert "mistake" not in end.err
    return commands


def verbs(commands: list[list[str]]) -> list[str]:
    return [words[0] for words in commands]


def test_the_commands_of_a_week(scene: Scene, terminal: Terminal) -> None:
    plan = scene.plan.name
    shown = assert_runs(terminal, terminal.call("plan", plan))
    assert verbs(shown) == ["accept", "run"] and shown[0][1] == plan
    assert verbs(assert_runs(terminal, terminal.call("run", plan, "--yes"))) == ["verify"]
    assert verbs(assert_runs(terminal, terminal.call("rewrite", plan))) == ["rewrite"]
    assert verbs(assert_runs(terminal, terminal.call("rewrite", plan))) == ["accept", "cleanup"]
    assert verbs(assert_runs(terminal, terminal.call("manifest", plan))) == ["manifest"]
    terminal.call("accept", plan, "--remove", "references")
    closed = terminal.call("cleanup", plan)
    assert verbs(assert_runs(terminal, closed)) == ["accept", "rewrite"]
    assert "the gate is open" in terminal.call("cleanup", plan).out
    assert verbs(printed(terminal.call("cleanup", plan))) == ["cleanup"]
    assert verbs(printed(terminal.call("accept", plan, "--list"))) == ["cleanup"]
    assert verbs(assert_runs(terminal, terminal.call("revert", plan))) == ["manifest", "rewrite", "accept"]
    assert verbs(printed(terminal.call("revert", plan))) == ["revert"]


def test_a_ledger_of_its_own_is_named(scene: Scene, terminal: Terminal) -> None:
    ended = terminal.call("run", scene.plan.name, "--yes", "--ledger", "else where.ledger")
    (verify,) = assert_runs(terminal, ended)
    assert verify == ["verify", scene.plan.name, "--ledger", "else where.ledger"]
    status = terminal.call("status", "--ledger", "else where.ledger")
    assert status.code == 0


def test_the_flags_of_the_connection_go_along(
    scene: Scene, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    flags = ("--endpoint-url", scene.endpoint.url, "--region", scene.endpoint.region)
    here = f"s3://{scene.bucket}/"
    for words in (
        ("run", scene.plan.name, "--yes"),
        ("cp", f"{here}data/raw/", f"{here}copy/", "--yes", "--ledger", "copy.ledger"),
    ):
        (verify,) = printed(terminal.call(*words, *flags))
        assert verify[-len(flags) :] == list(flags)
        assert terminal.call(*verify).code == 0
    refused = terminal.call("accept", scene.plan.name, "references", "--found", "1", "--because", "x", *flags)
    assert assert_runs(terminal, refused) == [["cleanup", scene.plan.name, *flags]]


def test_a_copy_without_a_plan_is_verified_by_its_ledger(scene: Scene, terminal: Terminal) -> None:
    here = f"s3://{scene.bucket}/data/raw/"
    words = ("cp", here, f"s3://{scene.bucket}/copy/", "--exclude", "*-1.png", "--metadata", "a=b", "--yes")
    ended = terminal.call(*words)
    assert ended.code == 0, ended.err
    (verify,) = printed(ended)
    assert verify[:2] == ["verify", "--ledger"]
    report = terminal.call(*verify, "--json").summary
    (route,) = report["routes"].values()
    assert (report["agrees"], route["verified"]) == (True, 4)
    assert terminal.call("verify").code == 0  # the only ledger here
    assert terminal.call("status", *verify[1:]).code == 0


def test_the_ledger_of_a_plan_file_is_told_from_that_of_a_copy(scene: Scene, terminal: Terminal) -> None:
    terminal.call("run", scene.plan.name, "--yes")
    ended = terminal.call("verify", "--ledger", "cards.ledger")
    assert ended.code == USAGE and "the ledger of a plan file" in ended.err


def test_a_conflict_is_not_advised_to_be_run_again(scene: Scene, terminal: Terminal) -> None:
    scene.put(f"{PREFIX}data/raw/card_images/base1-1.png", b"somebody else's")
    ended = terminal.call("run", scene.plan.name, "--yes")
    assert ended.code == 3
    assert "run again" not in ended.out and "in conflict stays until" in ended.out
    (listing,) = assert_runs(terminal, ended)
    assert listing == ["status", scene.plan.name, "--failed"]
    assert "base1-1.png" in terminal.call(*listing).out


def test_the_deletion_of_a_location_names_it_twice(scene: Scene, terminal: Terminal) -> None:
    where = f"s3://{scene.bucket}/data/raw/"
    (words,) = printed(terminal.call("delete", where))
    assert words == ["delete", where, "--confirm", where]
    assert terminal.call(*words).code == 0


def test_a_deletion_that_is_shown_is_of_the_snapshot_that_was_shown(scene: Scene, terminal: Terminal) -> None:
    """Without --ledger it would take another one, of what arrived since, and delete that at once."""
    where = f"s3://{scene.bucket}/data/raw/"
    flags = ("--unconditional", "--ledger", "my own.deletion", "--region", scene.endpoint.region)
    (words,) = printed(terminal.call("delete", where, *flags))
    assert words == ["delete", where, "--confirm", where, *flags]
    scene.put("data/raw/late", b"arrived since")
    assert terminal.call(*words).code == 0
    left = scene.s3.list_objects_v2(Bucket=scene.bucket, Prefix="data/raw/")["Contents"]
    assert [item["Key"] for item in left] == ["data/raw/late"]


def test_what_was_consented_to_is_said_again(scene: Scene, terminal: Terminal) -> None:
    plan, where = scene.plan.name, f"s3://{scene.bucket}/data/reference/"
    text = scene.plan.read_text().replace("objects = 7", "objects = 5").partition("[references]")[0]
    scene.plan.write_text(text + '[cleanup]\nhold = "0s"\n')
    scene.s3.put_bucket_versioning(Bucket=scene.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert terminal.call("run", plan, "--yes").code == 0
    assert terminal.call("verify", plan).code == 0
    said = ("--accept-delete-markers", "--unconditional", "--assume", "aws")
    (words,) = printed(terminal.call("cleanup", plan, "--allow-commands", *said))
    assert words == ["cleanup", plan, "--delete", "--allow-commands", *said]
    (words,) = printed(terminal.call("revert", plan, *said))
    assert words == ["revert", plan, "--delete", *said]
    (words,) = printed(terminal.call("delete", where, *said[:2]))
    assert words == ["delete", where, "--confirm", where, *said[:2]]
    assert terminal.call(*words).code == 0


def test_a_rule_that_is_shown_is_of_the_same_server_files_and_plans(scene: Scene, terminal: Terminal) -> None:
    where, plans = f"s3://{scene.bucket}/tmp/", ("--plan", scene.plan.name)
    flags = ("--endpoint-url", scene.endpoint.url, "--state-dir", "kept here")
    (words,) = printed(terminal.call("lifecycle", where, "--abort-uploads", "7d", *plans, *flags))
    assert words == ["lifecycle", where, "--abort-uploads", "7d", *plans, "--apply", *flags]
    (words,) = printed(terminal.call(*words))
    assert words == ["lifecycle", where, "--undo", *flags]
    assert terminal.call(*words).code == 0
