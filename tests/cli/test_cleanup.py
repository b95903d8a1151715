"""`cartage cleanup`, `revert`, `ls`, `delete` as a user calls them, on the sandbox: shown, refused, typed, killed."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import anyio
import pytest
from click.testing import CliRunner

from engine.api.cleanup import CleanupResult, cleanup
from engine.api.consent import Consent
from engine.api.load import load_plan
from engine.api.options import Options
from engine.cli.main import cli
from engine.errors import EngineError
from engine.events import Event, Progress
from engine.finish.cleanup import Cleaned
from engine.finish.deleting import KEYS_A_BATCH
from engine.finish.gate import Reason
from engine.finish.revert import Revert, Reverted
from engine.finish.sending import BATCHES_AT_ONCE, Fate
from engine.plan.document import Plan
from engine.plan.route import Route
from engine.sandbox import FaultRule, Sandbox
from tests.cli.commands import Ended, Terminal, assert_said_well
from tests.cli.moving import Moving
from tests.servers import Endpoint

DAY_S = 86_400
WAIT_S = 60.0


class Project(Moving):
    """A bucket of its own on the sandbox, with objects to be moved from old/ to new/, and a plan for it."""

    def __init__(self, server: Sandbox, terminal: Terminal, name: str, objects: int = 25) -> None:
        super().__init__(server, terminal)
        self.bucket = name
        server.control("fill", {"bucket": name, "prefix": "old/", "count": objects, "size": 100})
        self.write_plan()

    def write_plan(self, hold: str = "24h", more: str = "") -> None:
        self.plan.write_text(
            f'name = "moving"\nbucket = "{self.bucket}"\nprefix = ""\n'
            f'[[routes]]\nname = "all"\nfrom = "/old/"\nto = "/new/"\n{more}\n[cleanup]\nhold = "{hold}"\n'
        )

    def count(self, prefix: str) -> int:
        return int(self.server.control("count", {"bucket": self.bucket, "prefix": prefix})["objects"])

    def dump(self, prefix: str) -> dict[str, str]:
        found = self.server.control("dump", {"bucket": self.bucket, "prefix": prefix})["objects"]
        return {key[len(prefix) :]: etag for key, etag, _ in found}

    def put(self, key: str, text: str) -> None:
        self.server.control("put", {"bucket": self.bucket, "key": key, "text": text})


@pytest.fixture
def project(server: Sandbox, terminal: Terminal) -> Iterator[Project]:
    project = Project(server, terminal, f"b-{uuid.uuid4().hex[:16]}")
    yield project
    project.end()


def closed(ended: Ended) -> list[str]:
    return [line.split()[1] for line in ended.out.splitlines() if line.startswith("CLOSED")]


def test_a_trial_comes_first_unless_the_command_itself_is_told_to_assume(project: Project) -> None:
    assert project.call("run", "--yes", "-q", "--assume", "aws").code == 0
    assert "tried out before anything is deleted" in project.call("cleanup").out
    assert "deletes an object only while it bears the ETag" in project.call("cleanup", "--assume", "aws").out


def test_a_proof_by_bytes_is_led_to_by_what_is_said_to_be_next(project: Project) -> None:
    project.write_plan(hold='0s"\nproof = "bytes')
    project.migrate()
    said = project.call("verify").out
    assert said.rstrip().endswith("--deep")
    ended = project.call("cleanup")
    assert (ended.code, closed(ended)) == (5, ["proof"])
    assert "verify again, with --deep\n" in ended.out
    assert ended.out.rstrip().endswith("--deep")
    assert "next: cartage cleanup" in project.call("verify", "--deep").out
    assert project.call("cleanup").code == 0


def test_the_gate_from_closed_to_open_to_empty(project: Project) -> None:
    assert project.call("run", "--yes", "-q").code == 0
    ended = project.call("cleanup")
    assert (ended.code, closed(ended)) == (5, ["proof"])
    assert project.call("verify", "-q").code == 0
    ended = project.call("cleanup")
    assert (ended.code, closed(ended)) == (5, ["hold"])
    ended = project.delete()
    assert (ended.code, closed(ended), project.count("old/")) == (5, ["hold"], 25)
    targets = project.dump("new/")

    project.pass_time(DAY_S + 2)
    ended = project.call("cleanup")
    assert (ended.code, closed(ended), project.count("old/")) == (0, [], 25)
    assert "next: cartage cleanup" in ended.out
    ended = project.delete("--json")
    assert (ended.code, ended.summary["deleted"]) == (0, 25)
    assert [reason["open"] for reason in ended.summary["reasons"]] == [True] * len(ended.summary["reasons"])
    assert project.count("old/") == 0
    assert project.dump("new/") == targets
    ended = project.call("cleanup")
    assert (ended.code, "there is nothing to delete" in ended.out) == (0, True)


def test_what_was_gone_already_is_in_no_figure_of_the_deletion(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    for key in sorted(project.dump("old/"))[:10]:
        Endpoint.of(project.server).client().delete_object(Bucket=project.bucket, Key=f"old/{key}")
    ended = project.call("cleanup")
    assert "the gate is open for 15 sources (1.5 kB); 10 gone already" in ended.out
    told = project.call("cleanup", "--json").summary
    assert (told["objects"], told["bytes"], told["gone"]) == (15, 1_500, 10)
    ended = project.delete()
    assert ended.code == 0 and "15 sources deleted, 1.5 kB" in ended.out
    assert "10 sources gone already, 1 kB" in ended.out
    assert "there is nothing to delete (" in project.call("cleanup").out


def following(ended: Ended) -> str:
    """What its last line has one type next, without the plan's and the ledger's places."""
    last = ended.out.splitlines()[-1]
    return " ".join(word for word in last.partition(": ")[2].split() if "/" not in word and word != "--ledger")


def test_a_run_that_leaves_nothing_to_verify_leads_on_to_the_cleanup_and_that_to_the_receipt(project: Project) -> None:
    project.write_plan(hold="0s", more="exact = true")
    project.migrate()
    project.put("new/extra", "x")
    assert project.call("verify").code == 4
    assert following(project.call("run", "--yes")) == "cartage cleanup"
    assert project.delete().code == 0
    assert following(project.call("run", "--yes")) == "cartage receipt"


def test_what_no_run_mends_is_to_be_looked_at(project: Project) -> None:
    first, second = sorted(project.dump("old/"))[:2]
    project.put(f"new/{first}", "someone's own")
    ended = project.call("run", "--yes")
    assert (ended.code, following(ended)) == (3, "cartage status --failed")
    ended = project.call("verify")
    assert ended.code == 4 and "it is not copied (conflict)" in ended.out
    assert following(project.call("cleanup")) == "cartage status --failed"
    project.fault(kind="403", operation="CopyObject", key=f"old/{second}", probability=1.0)
    copy = f"s3://{project.bucket}/new/{second}"
    assert project.terminal.call("delete", copy, "--confirm", copy).code == 0
    assert project.call("verify").code == 4
    assert following(project.call("cleanup")) == "cartage run"
    ended = project.call("run", "--yes")
    assert (ended.code, following(ended)) == (3, "cartage status --failed")


def test_sources_of_two_routes_are_deleted_once_and_that_is_said(project: Project) -> None:
    project.write_plan(hold="0s", more='[[routes]]\nname = "again"\nfrom = "/old/"\nto = "/cold/"')
    project.migrate()
    said = "the gate is open for 50 sources (5 kB), those of several routes counted for each (looked at"
    assert said in project.call("cleanup").out
    told = project.delete("--json").summary
    assert (told["deleted"], told["deleted_bytes"], told["gone"], told["gone_bytes"]) == (25, 2_500, 25, 2_500)


def test_the_longest_hold_is_waited_for(project: Project) -> None:
    project.write_plan(hold="36500d")
    project.migrate()
    assert closed(project.call("cleanup")) == ["hold"]
    assert project.call("report").code == 0
    assert project.call("status").code == 0


def test_a_source_that_grew_out_of_its_filter_is_taken_along_and_proven_again(project: Project) -> None:
    project.write_plan(hold="0s", more='max_size = "1 kB"')
    project.migrate()
    first = min(project.dump("old/"))
    project.put(f"old/{first}", "x" * 2_000)
    project.put("old/never-taken", "x" * 2_000)
    assert closed(project.call("cleanup")) == ["audit"]
    assert project.call("verify", "-q").code == 4
    ended = project.call("cleanup")
    assert closed(ended) == ["proof"] and "run and verify the plan again" in ended.out
    route = project.call("plan", "--json").summary["routes"]["all"]
    assert (route["to_copy"], route["objects"]) == (1, 25)
    project.migrate()
    assert project.dump("new/")[first] == project.dump("old/")[first]
    assert "never-taken" not in project.dump("new/")
    ended = project.delete()
    assert (ended.code, list(project.dump("old/"))) == (0, ["never-taken"])


@pytest.mark.parametrize("given", [[], ["--confirm", "other"]])
def test_nothing_goes_before_the_name_is_given(project: Project, given: list[str]) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    ended = project.call("cleanup", "--delete", *given)
    assert (ended.code, project.count("old/")) == (2, 25)
    assert_said_well(ended, "cleanup") if not given else None


@pytest.mark.parametrize(("verb", "typed", "code"), [
    ("cleanup", "moving", 0), ("cleanup", "movin", 2), ("cleanup", "", 2),
    ("revert", "moving", 0), ("revert", "no", 2),
    ("delete", "LOCATION", 0), ("delete", "yes", 2),
])  # fmt: skip
def test_on_a_terminal_the_name_is_typed_after_everything_was_shown(
    project: Project, monkeypatch: pytest.MonkeyPatch, verb: str, typed: str, code: int
) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    here = f"s3://{project.bucket}/old/"
    monkeypatch.setattr(f"engine.cli.{verb}.can_ask", lambda invocation: True)
    words = [verb, here] if verb == "delete" else [verb, str(project.plan), "--delete"]
    ended = CliRunner().invoke(cli, words, input=f"{here if typed == 'LOCATION' else typed}\n")
    assert ended.exit_code == code, ended.output
    gone = "new/" if verb == "revert" else "old/"
    assert project.count(gone) == (0 if code == 0 else 25)
    shown = {"cleanup": "the gate is open for 25 sources", "revert": "25 copies of this ledger", "delete": "25 objects"}
    assert ended.output.index(shown[verb]) < ended.output.index("type ")


@pytest.mark.parametrize(("words", "code"), [([], 0), (["--delete"], 3), (["--delete", "--confirm", "moving"], 3)])
def test_a_delete_of_which_nobody_knows_yet_what_became_is_none_that_is_done(
    project: Project, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    project.write_plan(hold="0s")

    async def unsettled(plan: Plan, options: Options, *, delete: bool, **_: object) -> CleanupResult:
        cleaned = Cleaned() if delete else None
        return CleanupResult(project.plan, [Reason("proof", True, "")], 0, 0, settled={Fate.OPEN: 1}, cleaned=cleaned)

    monkeypatch.setattr("engine.cli.cleanup.can_ask", lambda invocation: True)
    monkeypatch.setattr("engine.cli.cleanup.cleanup", unsettled)
    ended = CliRunner().invoke(cli, ["cleanup", str(project.plan), *words])
    assert ended.exit_code == code, ended.output


def test_a_late_arrival_and_a_changed_source_are_refused_until_run_and_verified(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    project.put("old/late.txt", "late")
    project.put("old/00000003.bin", "changed")
    ended = project.delete()
    assert (ended.code, closed(ended), project.count("old/")) == (5, ["audit"], 26)
    assert "1 source changed since the copy, 1 object arrived" in ended.out
    project.migrate()
    assert project.delete().code == 0
    assert project.count("old/") == 0
    assert len(project.dump("new/")) == 26


def test_a_machine_whose_clock_is_behind_does_not_shorten_the_hold(project: Project) -> None:
    project.pass_time(2 * DAY_S)  # by this machine's clock every proof would be two days old at once
    project.migrate()
    assert closed(project.call("cleanup")) == ["hold"]
    project.pass_time(DAY_S + 2)
    assert project.call("cleanup").code == 0


def test_a_difference_from_what_was_expected_is_accepted_by_its_figure(project: Project) -> None:
    project.write_plan(hold="0s", more="expect = { objects = 24 }")
    project.migrate()
    ended = project.call("cleanup")
    assert (ended.code, closed(ended)) == (5, ["expected"])
    said = next(line.strip() for line in ended.out.splitlines() if "cartage accept" in line)
    words = said.split()
    assert words[3:6] == ["all.objects", "--found", "25"]
    project.terminal.call("accept", project.plan, "all.objects", "--found", "24", "--because", "a guess")
    assert closed(project.call("cleanup")) == ["expected"]
    project.terminal.call("accept", project.plan, *words[3:6], "--because", "counted again")
    assert project.delete().code == 0


def test_what_a_cleanup_deleted_is_among_what_a_plan_found(project: Project) -> None:
    project.write_plan(hold="0s", more="expect = { objects = 24 }")
    assert "next: cartage run" in project.call("plan").out
    accepted = ("all.objects", "--because", "counted again")
    # A gate that nothing was listed for yet has no figure, and takes none back.
    assert "expected" in closed(project.call("cleanup"))
    assert project.terminal.call("accept", project.plan, *accepted, "--found", "25").code == 0
    assert project.call("run", "--yes", "-q").code == 0
    assert "next: cartage verify" in project.call("plan").out
    assert project.call("verify", "-q").code == 0
    assert "next: cartage cleanup" in project.call("plan").out
    first = next(iter(project.dump("old/")))
    assert project.delete().code == 0
    planned = project.call("plan")
    assert "accepted" in planned.out and "next: cartage receipt" in planned.out, planned.out
    assert project.terminal.call("accept", project.plan, *accepted, "--found", "0").code == 2
    assert project.call("cleanup").code == 0
    # What came back to the source is no second object.
    project.put(f"old/{first}", "it is back")
    again = project.call("plan", "--json").summary
    assert [item["found"] for item in again["expectations"]] == [25]
    assert "next: cartage run" in project.call("plan").out


def test_probes_are_asked_and_a_command_only_where_it_is_allowed(project: Project) -> None:
    project.write_plan(
        hold="0s",
        more='[[probes]]\nmin_objects = 26\nunder = "/new/"\n[[probes]]\ncommand = "true"\n',
    )
    project.migrate()
    assert closed(project.call("cleanup")) == ["probe", "probe"]
    assert closed(project.call("cleanup", "--allow-commands")) == ["probe"]
    project.put("new/one-more.txt", "x")
    assert project.call("cleanup", "--allow-commands").code == 0


def test_a_lifecycle_rule_that_expires_the_targets(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    rule = (
        "<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix>new/</Prefix></Filter><Status>Enabled</Status>"
        "<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>"
    )
    project.server.control("bucket", {"name": project.bucket, "lifecycle": rule})
    ended = project.call("cleanup")
    assert (ended.code, closed(ended)) == (5, ["lifecycle"])
    name = f"lifecycle.{project.bucket}"
    project.terminal.call("accept", project.plan, name, "--found", "tidy:30:new/", "--because", "it is scratch")
    assert project.call("cleanup").code == 0


def test_a_bucket_that_keeps_versions_says_what_a_delete_marker_means(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    project.server.control("bucket", {"name": project.bucket, "versioning": "Enabled"})
    ended = project.delete()
    assert (ended.code, closed(ended), project.count("old/")) == (5, ["versioning"], 25)
    assert "only adds a delete marker" in ended.out
    ended = project.delete("--accept-delete-markers")
    assert (ended.code, project.count("old/")) == (0, 0)
    assert "the data and its cost stay" in ended.out
    with closing(sqlite3.connect(project.terminal.folder / "moving.ledger")) as ledger:
        ((name, because),) = ledger.execute("SELECT name, because FROM acceptances").fetchall()
    assert (name, because) == (f"delete-markers.{project.bucket}", "--accept-delete-markers")


def test_a_listing_that_fails_closes_the_gate(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    project.fault(kind="403", operation="ListObjectsV2", probability=1.0)
    ended = project.delete()
    assert (ended.code, closed(ended), project.count("old/")) == (5, ["audit"], 25)


def test_a_denied_delete_is_reported_and_stays(project: Project) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    # The first two try out whether batches are deleted by ETag.
    project.fault(kind="delete-error", operation="DeleteObjects", nth=3, code="AccessDenied")
    ended = project.delete("--json")
    assert (ended.code, ended.summary["deleted"], ended.summary["kept"]) == (3, 24, {"denied": 1})
    assert project.count("old/") == 1
    project.fault(kind="delete-error", operation="DeleteObjects", nth=1_000_000)
    assert project.delete().code == 0
    assert project.count("old/") == 0


@pytest.mark.parametrize(
    "kind",
    [
        "503",
        "500",
        "reset-unserved",
        "reset-served",
        "cut-body",
        "200-empty",
        "200-html",
        "200-error",
        "delete-keyless",
    ],
)
def test_whatever_s3_answers_to_a_delete_what_is_gone_is_known(project: Project, kind: str) -> None:
    project.write_plan(hold="0s")
    project.migrate()
    targets = project.dump("new/")
    project.fault(kind=kind, operation="DeleteObjects", first=3)
    ended = project.delete("--json")
    assert (ended.code, project.count("old/")) == (0, 0), ended.err
    assert ended.summary["deleted"] == 25
    assert project.dump("new/") == targets


def test_killed_at_any_moment_and_run_again_nothing_is_lost(
    server: Sandbox, terminal: Terminal, tmp_path: Path
) -> None:
    objects = KEYS_A_BATCH + 50
    project = Project(server, terminal, "killed", objects=objects)
    project.write_plan(hold="0s")
    project.migrate()
    targets = project.dump("new/")
    assert len(targets) == objects
    project.fault(kind="hang", operation="DeleteObjects", probability=1.0, delay_ms=200.0)
    ledger = terminal.folder / "moving.ledger"
    for at_least in (1, KEYS_A_BATCH + 1):
        with terminal.start("cleanup", project.plan, "--delete", "--confirm", "moving", "-q") as process:
            wait_until(lambda: leaving(ledger) >= at_least or process.poll() is not None)  # noqa: B023
            process.kill()
        assert project.dump("new/") == targets
    server.control("settings", {"faults": []})
    ended = project.delete("--json")
    assert ended.code == 0, ended.err
    assert project.count("old/") == 0
    assert project.dump("new/") == targets
    assert states(ledger) == {"deleted": objects}


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def states(ledger: Path) -> dict[str, int]:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT state, count(*) FROM objects GROUP BY state").fetchall())


def leaving(ledger: Path) -> int:
    found = states(ledger)
    return found.get("deleting", 0) + found.get("deleted", 0)


# --- going back -----------------------------------------------------------------------------------------------------


def test_revert_shows_and_then_removes_the_copies_it_made(project: Project) -> None:
    project.put("new/someone-elses.txt", "theirs")
    project.migrate()
    ended = project.call("revert")
    assert (ended.code, project.count("new/")) == (0, 26)
    assert "25 copies of this ledger" in ended.out
    assert project.call("revert", "--delete").code == 2
    ended = project.call("revert", "--delete", "--confirm", "moving", "--json")
    assert (ended.code, ended.summary["removed"]) == (0, 25)
    assert list(project.dump("new/")) == ["someone-elses.txt"]
    assert project.count("old/") == 25
    project.migrate()
    assert project.count("new/") == 26


def test_what_was_taken_back_is_said_to_be_by_whoever_is_asked(project: Project) -> None:
    project.migrate()
    (gone, *_) = project.dump("new/")
    place = f"s3://{project.bucket}/new/{gone}"
    assert project.terminal.call("delete", place, "--confirm", place).code == 0
    assert project.call("verify").code == 4
    shown = project.call("revert").out
    assert "1 copy gone already" in shown and "changed" not in shown
    assert project.call("revert", "--delete", "--confirm", "moving").code == 0
    for verb, code in (("status", 0), ("verify", 4), ("status", 0), ("revert", 0), ("report", 0)):
        ended = project.call(verb)
        assert ended.code == code and "taken back" in ended.out.lower(), ended.out
        assert "cartage run" not in ended.out and "--delete" not in ended.out, "which would undo it"
    assert project.call("run", "--yes", "-q").code == 0
    assert project.call("status").out.endswith(f"next: cartage verify {project.plan}\n")


def _say_taken_back(project: Project) -> set[bool]:
    shown = [project.call(verb).out.lower() for verb in ("status", "verify", "report", "revert")]
    return {"taken back" in text or "removed again" in text for text in shown}


def test_a_revert_that_could_not_remove_all_is_not_said_to_have_taken_the_copies_back(project: Project) -> None:
    project.migrate()
    denied = {"DeleteObjects": "", "DeleteObject": "new/0"}
    rules = [asdict(FaultRule("403", operation, probability=1.0, key=key)) for operation, key in denied.items()]
    project.server.control("settings", {"faults": rules})
    assert project.call("revert", "--delete", "--confirm", "moving").code == 3
    project.server.control("settings", {"faults": []})
    assert project.count("new/") == 25
    assert _say_taken_back(project) == {False}
    assert "--delete" in project.call("revert").out, "which removes the rest"
    assert project.call("revert", "--delete", "--confirm", "moving").code == 0
    assert project.count("new/") == 0
    assert project.call("revert", "--delete", "--confirm", "moving").code == 0, "which finds nothing more"
    assert _say_taken_back(project) == {True}


@pytest.mark.parametrize("killed", [False, True])
def test_a_revert_that_ends_after_its_last_batch_is_known_to_have_taken_the_copies_back(
    project: Project, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    project.migrate()
    go = Revert.go

    async def fail(self: Revert, routes: Sequence[Route]) -> Reverted:
        await go(self, routes)
        raise EngineError("the last moment")

    with monkeypatch.context() as patch:
        patch.setattr(Revert, "go", fail)
        assert project.call("revert", "--delete", "--confirm", "moving").code == 1
    if killed:
        with closing(sqlite3.connect(project.terminal.folder / "moving.ledger")) as ledger, ledger:
            ledger.execute("UPDATE runs SET ended = '', ended_ms = 0 WHERE command = 'revert'")
    assert project.count("new/") == 0
    assert _say_taken_back(project) == {True}
    assert "--delete" not in project.call("revert").out
    assert project.call("run", "--yes", "-q").code == 0
    assert _say_taken_back(project) == {False}


def test_where_nothing_was_copied_nothing_is_said_to_be_taken_back(project: Project) -> None:
    for key in project.dump("old/"):
        project.put(f"new/{key}", "another's")
    project.call("run", "--yes", "-q")
    assert project.call("revert", "--delete", "--confirm", "moving").code == 0
    assert _say_taken_back(project) == {False}


def test_revert_in_a_bucket_that_keeps_versions_has_to_be_told(project: Project) -> None:
    project.migrate()
    project.server.control("bucket", {"name": project.bucket, "versioning": "Enabled"})
    assert project.call("revert").out.splitlines()[-1].endswith(" --delete --accept-delete-markers")
    told = ("revert", "--delete", "--confirm", "moving")
    refused = project.call(*told)
    assert (refused.code, project.count("new/")) == (5, 25)
    assert_said_well(refused, "revert")
    ended = project.call(*told, "--accept-delete-markers")
    assert (ended.code, project.count("new/")) == (0, 0)
    assert "delete markers were added" in ended.out and "stopped" not in ended.out


def test_after_cleanup_revert_writes_a_plan_that_leads_back(project: Project) -> None:
    project.write_plan(hold="0s")
    before = project.dump("old/")
    project.migrate()
    assert project.delete().code == 0
    ended = project.call("revert", "--delete", "--confirm", "moving")
    assert (ended.code, project.count("new/")) == (0, 25)
    back = project.terminal.folder / "moving-back.toml"
    assert str(back) in ended.out
    assert stat.S_IMODE(back.stat().st_mode) == 0o600
    assert project.terminal.call("run", back, "--yes", "-q").code == 0
    assert project.dump("old/") == before


# --- the whole project ----------------------------------------------------------------------------------------------


def test_ls_counts_by_prefix(project: Project) -> None:
    project.put("old/sub/a.txt", "12345")
    here = f"s3://{project.bucket}/"
    ended = project.terminal.call("ls", here, "--summarize")
    assert ended.code == 0
    assert ended.out.splitlines()[1].split()[:4] == ["old/", "26", "2.5", "kB"]
    lines = [json.loads(line) for line in project.terminal.call("ls", f"{here}old/", "-s", "--json").out.splitlines()]
    prefixes = {line["prefix"]: line["objects"] for line in lines if line["event"] == "prefix"}
    assert prefixes == {"": 25, "sub/": 1}
    assert lines[-1]["bytes"] == 2_505
    level = project.terminal.call("ls", f"{here}old/").out.splitlines()
    assert len(level) == 26 and level[0].split() == ["PRE", "sub/"]
    everything = project.terminal.call("ls", f"{here}old/", "--recursive").out.splitlines()
    assert everything == project.terminal.call("ls", f"{here}old/", "--recursive", "--assume", "aws").out.splitlines()
    assert len(everything) == 26 and everything[-1].endswith("old/sub/a.txt")
    assert_said_well(project.terminal.call("ls", f"{here}old"), "ls")


def test_markers_accepted_for_one_bucket_are_not_accepted_for_another(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, kept, late = project.server, project.bucket, f"{project.bucket}-late"
    server.control("fill", {"bucket": late, "prefix": "old/", "count": 5, "size": 100})
    server.control("bucket", {"name": kept, "versioning": "Enabled"})
    second = f'[[routes]]\nname = "late"\nfrom = "s3://{late}/old/"\nto = "/late/"'
    project.write_plan(hold="0s", more=second)
    project.migrate()
    endpoint = Endpoint.of(server)
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)
    flipped = False

    def flip(event: Event) -> None:  # once the first bucket is empty, the second one keeps versions
        nonlocal flipped
        if not flipped and isinstance(event, Progress) and project.count("old/") == 0:
            server.control("bucket", {"name": late, "versioning": "Enabled"})
            flipped = True

    told = Consent(delete_markers=True)
    go = partial(cleanup, load_plan(project.plan), Options(listener=flip), consent=told, delete=True)
    result = anyio.run(go)
    assert result.cleaned is not None and flipped
    assert (result.cleaned.deleted, result.cleaned.unaccepted, result.cleaned.stopped) == (30, (late,), True)
    assert result.to_dict()["not_accepted"] == [late]


def test_delete_shows_a_snapshot_and_deletes_exactly_that(project: Project) -> None:
    here = f"s3://{project.bucket}/old/"
    ended = project.terminal.call("delete", here)
    assert (ended.code, project.count("old/")) == (0, 25)
    assert "(here)" in ended.out and "nothing is deleted yet" in ended.out
    assert " (2.5 kB), exactly as listed:" in ended.out
    project.put("old/late.txt", "late")
    assert project.terminal.call("delete", here, "--confirm", f"s3://{project.bucket}/").code == 2
    ended = project.terminal.call("delete", here, "--confirm", here, "--json")
    assert (ended.code, ended.summary["deleted"], ended.summary["arrived"]) == (0, 25, 1)
    assert list(project.dump("old/")) == ["late.txt"]
    # Given again, it does not take what was never shown.
    ended = project.terminal.call("delete", here, "--confirm", here)
    assert (ended.code, list(project.dump("old/"))) == (0, ["late.txt"])
    assert "1 object left that the snapshot does not hold: old/late.txt" in ended.out
    assert project.terminal.call("delete", here, "--again", "--confirm", here).code == 0
    assert project.count("old/") == 0


def test_what_a_deletion_left_is_told_until_a_new_snapshot_is_taken(project: Project) -> None:
    here = f"s3://{project.bucket}/old/"
    assert project.terminal.call("delete", here).code == 0
    project.put(next(f"old/{name}" for name in project.dump("old/")), "another one now")
    first = project.terminal.call("delete", here, "--confirm", here)
    again = project.terminal.call("delete", here, "--confirm", here)
    for ended in (first, again):
        assert ended.code == 3 and "1 object of the snapshot left in place: 1 changed" in ended.out, ended.out
    assert "--again takes a new one" in again.out and project.count("old/") == 1
    assert project.terminal.call("delete", here, "--again", "--confirm", here).code == 0
    assert project.count("old/") == 0


def test_delete_has_a_hold_of_its_own_by_the_servers_clock(project: Project) -> None:
    here = f"s3://{project.bucket}/old/"
    assert project.terminal.call("delete", here, "--hold", "2h").code == 5
    ended = project.terminal.call("delete", here, "--hold", "2h", "--confirm", here)
    assert (ended.code, project.count("old/")) == (5, 25)
    project.pass_time(7_202)
    assert project.terminal.call("delete", here, "--hold", "2h", "--confirm", here).code == 0
    assert project.count("old/") == 0


def test_delete_killed_and_run_again_goes_on(server: Sandbox, terminal: Terminal) -> None:
    objects = (BATCHES_AT_ONCE + 1) * KEYS_A_BATCH - 500
    project = Project(server, terminal, "deletion-killed", objects=objects)
    here = f"s3://{project.bucket}/old/"
    assert terminal.call("delete", here).code == 0
    project.fault(kind="hang", operation="DeleteObjects", every=3)  # what comes after two of its trial: its first batch
    with terminal.start("delete", here, "--confirm", here, "-q") as process:
        wait_until(lambda: project.count("old/") < objects)
        process.kill()
    assert project.count("old/") > 0
    server.control("settings", {"faults": []})
    project.put("old/late.txt", "late")
    ended = terminal.call("delete", here, "--confirm", here, "--json")
    assert ended.code == 0
    assert list(project.dump("old/")) == ["late.txt"]
