"""Archived objects: asked for by what a plan needs, and copied as they come back. The sandbox's clock is moved;
LocalStack restores at once and tells it in HEAD alone, Ceph's gateway knows no RestoreObject.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import engine
import engine.sync
from engine.cli import confirming
from engine.cli.main import cli
from engine.events import Doing, Event, Notice
from engine.listing.unlisted import UnlistedThings
from engine.plan.document import Plan
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from tests import forking
from tests.cli.commands import MODULE
from tests.real.commands import Finished, finished
from tests.servers import Endpoint

HOUR_S = 3_600
PLAIN, FROZEN = 3, 4


@dataclass
class Scene:
    """A bucket with some objects of each class under old/, and a plan that moves them to new/."""

    endpoint: Endpoint
    folder: Path
    sandbox: Sandbox | None = None
    bucket: str = field(default_factory=lambda: f"frozen-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.s3 = self.endpoint.client()
        elsewhere = self.endpoint.region != "us-east-1" and self.endpoint.name != "rgw"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.endpoint.region}} if elsewhere else {}
        self.s3.create_bucket(Bucket=self.bucket, **place)
        self.plan = self.folder / "frozen.toml"
        self.plan.write_text(
            f'name = "frozen"\n[[routes]]\nname = "all"\nfrom = "s3://{self.bucket}/old/"\n'
            f'to = "s3://{self.bucket}/new/"\n'
        )
        for number in range(PLAIN):
            self.put(f"plain-{number}", "STANDARD")

    def put(self, key: str, storage_class: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"old/{key}", Body=key.encode() * 100, StorageClass=storage_class)

    def freeze(self) -> None:
        """Some of each archive class."""
        for number in range(FROZEN):
            self.put(f"deep-{number}", "DEEP_ARCHIVE")
            self.put(f"glacier-{number}", "GLACIER")

    def tier(self, key: str, status: str) -> None:
        """An object of INTELLIGENT_TIERING that nobody read for months."""
        self.put(key, "INTELLIGENT_TIERING")
        self.on_sandbox.control("archive", {"bucket": self.bucket, "key": f"old/{key}", "status": status})

    @property
    def on_sandbox(self) -> Sandbox:
        assert self.sandbox is not None
        return self.sandbox

    def pass_(self, seconds: int) -> None:
        """By the sandbox's clock alone: a signature of now is out of date then, which this is not about."""
        self.on_sandbox.control("settings", {"check_signatures": False})
        self.on_sandbox.control("advance_clock", {"seconds": seconds})

    def call(self, *words: str, code: int = 0) -> Finished:
        """A command, as a program calls it."""
        ended = CliRunner().invoke(cli, [*words, "--json"], env=self.endpoint.env())
        assert ended.exit_code == code, f"{words} ended with {ended.exit_code}\n{ended.output[-3000:]}"
        return finished(code, ended.stdout, ended.stderr)

    def say(self, *words: str, code: int = 0) -> str:
        """What a command says to people."""
        ended = CliRunner().invoke(cli, list(words), env=self.endpoint.env())
        assert ended.exit_code == code, f"{words} ended with {ended.exit_code}\n{ended.output[-3000:]}"
        return str(ended.stdout)

    def restore(self, *words: str, code: int = 0) -> dict[str, Any]:
        return self.call("restore", str(self.plan), *words, code=code).summary

    def asked(self) -> int:
        """RestoreObject requests that the sandbox answered."""
        return sum(self.on_sandbox.control("stats", {})["operations"].get("RestoreObject", {}).values())

    def copied(self) -> set[str]:
        found = self.s3.list_objects_v2(Bucket=self.bucket, Prefix="new/").get("Contents", ())
        return {item["Key"].removeprefix("new/") for item in found}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with start_sandbox(SandboxSettings()) as sandbox:
        endpoint = Endpoint("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region)
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        yield Scene(endpoint, tmp_path, sandbox)


def test_an_object_whose_head_is_refused_holds_up_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = FaultRule("403", "HeadObject", key="denied", probability=1.0)
    with start_sandbox(SandboxSettings(faults=(refused,))) as sandbox:
        endpoint = Endpoint.of(sandbox)
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        scene = Scene(endpoint, tmp_path, sandbox)
        scene.freeze()
        scene.tier("denied", "ARCHIVE_ACCESS")
        location = f"s3://{scene.bucket}/old/"
        assert scene.call("run", str(scene.plan), "--yes", code=3).summary["copied"] == PLAIN
        assert scene.copied() == {f"plain-{number}" for number in range(PLAIN)}

        shown = scene.call("restore", location, code=3).summary
        assert (shown["unseen"], len(shown["to_ask"])) == ({"403": 1}, 2)
        assert "left: 1 in INTELLIGENT_TIERING, of which S3 does not tell" in scene.say("restore", location, code=3)
        asked = scene.call("restore", location, "--yes", code=3).summary["asked"]
        assert (asked["begun"]["objects"], asked["refused"]) == (2 * FROZEN, {"403": 1})
        scene.pass_(48 * HOUR_S)
        waited = scene.call("run", str(scene.plan), "--yes", "--wait-restore", code=3).summary
        assert (waited["copied"], waited["aside"]) == (2 * FROZEN, {"archived": 1})


def test_a_key_of_a_list_whose_head_is_refused_holds_up_no_other(scene: Scene) -> None:
    scene.freeze()
    (scene.folder / "keys.txt").write_text("old/deep-0\nold/glacier-0\nold/plain-0\n")
    scene.plan.write_text(scene.plan.read_text() + 'keys = "keys.txt"\n')
    refused = {"kind": "403", "operation": "HeadObject", "key": "deep-0", "every": 1}
    scene.on_sandbox.control("settings", {"faults": [refused]})
    assert scene.restore(code=3)["unseen"] == {"Unseen": 1}
    assert "left: 1 of a list of keys, which S3 refuses to show" in scene.say("restore", str(scene.plan), code=3)
    asked = scene.restore("--yes", code=3)["asked"]
    assert (asked["begun"]["objects"], asked["refused"]) == (1, {"Unseen": 1})


def test_keys_of_a_list_that_are_refused_are_all_counted_however_many_there_are(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are too many to be kept by name."""
    monkeypatch.setattr(UnlistedThings.__init__, "__kwdefaults__", {"named": 1})
    scene.freeze()
    (scene.folder / "keys.txt").write_text("old/deep-0\nold/deep-1\nold/deep-2\nold/glacier-0\n")
    scene.plan.write_text(scene.plan.read_text() + 'keys = "keys.txt"\n')
    refused = {"kind": "403", "operation": "HeadObject", "key": "deep-", "every": 1}
    scene.on_sandbox.control("settings", {"faults": [refused]})
    assert scene.restore(code=3)["unseen"] == {"Unseen": 3}
    asked = scene.restore("--yes", code=3)["asked"]
    assert (asked["begun"]["objects"], asked["refused"]) == (1, {"Unseen": 3})


def test_what_a_plan_needs_is_shown_with_its_price_and_asked_for_once_that_is_agreed_to(scene: Scene) -> None:
    scene.freeze()
    scene.tier("tiered", "ARCHIVE_ACCESS")
    scene.put("instant", "GLACIER_IR")

    run = scene.say("run", str(scene.plan), "--yes", code=3)
    assert run.splitlines()[-1] == f"next: cartage restore {scene.plan}"
    assert scene.copied() == {*(f"plain-{number}" for number in range(PLAIN)), "instant"}
    listed = 2 * FROZEN  # of INTELLIGENT_TIERING only the copy tells
    page = scene.say("plan", str(scene.plan))
    assert f"{listed} to be restored first; what that costs and takes: cartage restore {scene.plan}" in page

    shown = scene.restore("--tier", "standard", "--days", "2")
    assert scene.asked() == 0, "it asked before anybody agreed"
    kinds = {item["kind"]: (item["objects"], item["least_s"], item["most_s"]) for item in shown["to_ask"]}
    assert kinds == {
        "ARCHIVE_ACCESS": (1, 3 * HOUR_S, 5 * HOUR_S),
        "DEEP_ARCHIVE": (FROZEN, 9 * HOUR_S, 12 * HOUR_S),
        "GLACIER": (FROZEN, 3 * HOUR_S, 5 * HOUR_S),
    }
    free, deep = shown["to_ask"][0], shown["to_ask"][1]
    assert (free["requests_dollars"], free["retrieval_dollars"], free["storage_dollars"]) == (0, 0, 0)
    assert deep["requests_dollars"] == round(FROZEN * 0.1 / 1000, 4)
    assert shown["heads"] == 1  # of the one in INTELLIGENT_TIERING

    page = scene.say("restore", str(scene.plan))
    assert page.splitlines()[-1] == f"next: cartage restore {scene.plan} --days 7 --tier bulk --yes"

    ended = scene.call("restore", str(scene.plan), "--tier", "standard", "--yes")
    assert ended.summary["asked"]["begun"]["objects"] == 2 * FROZEN + 1
    assert [event["command"] for event in ended.events if event["event"] == "started"] == ["restore"]
    status = scene.call("status", str(scene.plan)).summary
    assert (status["aside"], status["restoring"]) == ({"archived": 2 * FROZEN + 1}, 2 * FROZEN + 1)
    again = scene.restore("--yes")
    assert again["under_way"]["objects"] == 2 * FROZEN + 1 and again["asked"] is None
    assert scene.asked() == 2 * FROZEN + 1
    waits = scene.say("status", str(scene.plan))
    assert waits.splitlines()[-1] == f"next: cartage run {scene.plan} --wait-restore"


def test_a_run_that_waits_copies_what_is_ready_while_the_rest_is_on_its_way(scene: Scene) -> None:
    scene.freeze()
    scene.tier("tiered", "ARCHIVE_ACCESS")
    scene.restore("--tier", "standard", "--yes")
    plain = {f"plain-{number}" for number in range(PLAIN)}
    quick = {"tiered", *(f"glacier-{number}" for number in range(FROZEN))}
    deep = {f"deep-{number}" for number in range(FROZEN)}
    seen: list[set[str]] = []

    def hear(event: Event) -> None:
        if isinstance(event, Doing) and event.what.startswith("waiting for "):
            seen.append(scene.copied())
            scene.pass_(6 * HOUR_S)

    plan, metrics = engine.load_plan(scene.plan), engine.Metrics()
    options = engine.Options(listener=hear, wait_restore=True, look_every_s=0.0, metrics=metrics)
    result = engine.sync.migrate(plan, options)
    assert seen == [plain, plain | quick]
    assert scene.copied() == plain | quick | deep
    assert (result.copied, result.aside, result.restoring) == (len(plain | quick | deep), {}, 0)
    assert result.complete
    counted = {family.name: family.samples[0].value for family in metrics.collect() if "_objects" in family.name}
    for what in ("listed", "done"):  # not once more with each look
        assert counted[f"cartage_{what}_objects"] == result.counters.listed == len(plain | quick | deep)
    assert (engine.sync.verify(plan)).agrees


def test_a_run_that_waits_is_stopped_gently_and_goes_on_later(scene: Scene) -> None:
    scene.freeze()
    scene.restore("--yes")
    stop = engine.StopSignal()

    def hear(event: Event) -> None:
        if isinstance(event, Doing) and event.what.startswith("waiting for "):
            stop.request()

    plan = engine.load_plan(scene.plan)
    options = engine.Options(listener=hear, wait_restore=True)  # which would wait for a minute
    result = engine.sync.migrate(plan, options, stop=stop)
    assert (result.stopped, result.restoring) == (True, 2 * FROZEN)
    scene.pass_(48 * HOUR_S)
    result = engine.sync.migrate(plan, engine.Options(wait_restore=True))
    assert (result.copied, result.complete) == (2 * FROZEN, True)


def test_asking_before_the_first_run_does_not_say_how_many_processes_carry_it(scene: Scene) -> None:
    scene.put("glacier", "GLACIER")
    scene.restore("--yes")
    scene.pass_(12 * HOUR_S)
    result = engine.sync.migrate(engine.load_plan(scene.plan), engine.Options(processes=2))
    assert (result.copied, result.complete) == (PLAIN + 1, True)


def test_ctrl_c_ends_a_wait_at_once_and_says_how_many_still_wait(scene: Scene) -> None:
    scene.freeze()
    scene.restore("--yes")
    command = [*MODULE, "run", str(scene.plan), "--yes", "--json", "--wait-restore"]  # which looks every minute
    environment = scene.endpoint.clean_env()
    with forking.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if json.loads(line).get("code") == "WaitingForRestore":
                os.kill(run.pid, signal.SIGINT)
                break
        summary = json.loads(run.stdout.read().splitlines()[-1])
    assert run.returncode == 130
    assert (summary["interrupted"], summary["copied"], summary["restoring"]) == (True, PLAIN, 2 * FROZEN)


@pytest.mark.parametrize("answer", [False, True])
def test_a_person_is_shown_the_price_and_asked(scene: Scene, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    scene.put("glacier", "GLACIER")
    monkeypatch.setattr("engine.cli.restore.can_ask", lambda invocation: True)
    monkeypatch.setattr(confirming, "line_after", lambda question: "y\n" if answer else "n\n")
    said = scene.say("restore", str(scene.plan), code=0 if answer else 1)
    assert "5 to 12 h" in said and "cost " in said
    assert scene.asked() == answer


def test_what_nobody_asked_for_is_not_waited_for(scene: Scene) -> None:
    scene.freeze()
    scene.call("restore", f"s3://{scene.bucket}/old/glacier-0", "--tier", "expedited", "--yes")
    notices: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, Notice) and event.code == "WaitingForRestore":
            notices.append(event.message)
        if isinstance(event, Doing) and event.what.startswith("waiting for "):
            scene.pass_(300)

    options = engine.Options(listener=hear, wait_restore=True, look_every_s=0.0)
    result = engine.sync.migrate(engine.load_plan(scene.plan), options)
    others = 2 * FROZEN - 1
    assert notices == [f"archived objects on their way back: 1; archived, and asked for by nobody: {others}"]
    assert (result.copied, result.aside, result.restoring) == (PLAIN + 1, {engine.State.ARCHIVED: others}, 0)


def test_what_was_archived_after_its_copy_is_asked_for_once_a_run_needs_its_bytes(scene: Scene) -> None:
    plan = engine.load_plan(scene.plan)
    assert engine.sync.migrate(plan).copied == PLAIN
    assert engine.sync.verify(plan).agrees
    scene.pass_(2)
    scene.s3.copy_object(
        Bucket=scene.bucket,
        Key="old/plain-0",
        CopySource=f"{scene.bucket}/old/plain-0",
        StorageClass="DEEP_ARCHIVE",
        MetadataDirective="COPY",
    )
    assert not engine.sync.restore(plan).outlook.archived, "whether its bytes are needed is not known yet"
    assert engine.sync.migrate(plan).aside == {engine.State.ARCHIVED: 1}
    outlook = engine.sync.restore(plan).outlook
    assert (outlook.objects, outlook.archived["DEEP_ARCHIVE"].objects) == (1, 1)
    asked = engine.sync.restore(plan, agreed=outlook).asked
    assert asked is not None and asked.begun.objects == 1
    assert engine.sync.status(engine.ledger_path(plan)).restoring == 1
    scene.pass_(49 * HOUR_S)
    assert engine.sync.migrate(plan).copied == 1
    assert engine.sync.verify(plan, properties=True).agrees


def test_an_object_of_two_routes_is_counted_and_asked_for_once(scene: Scene) -> None:
    scene.put("glacier", "GLACIER")
    with scene.plan.open("a") as file:
        file.write(f'[[routes]]\nname = "two"\nfrom = "s3://{scene.bucket}/old/"\nto = "s3://{scene.bucket}/two/"\n')
    plan = engine.load_plan(scene.plan)
    assert engine.sync.migrate(plan).aside == {engine.State.ARCHIVED: 2}
    outlook = engine.sync.restore(plan).outlook
    assert (outlook.archived["GLACIER"].objects, outlook.archived["GLACIER"].bytes) == (1, 700)
    asked = engine.sync.restore(plan, agreed=outlook).asked
    assert asked is not None
    assert (asked.begun.objects, asked.under_way.objects, asked.beyond.objects) == (1, 0, 0)
    assert scene.asked() == 1
    assert engine.sync.status(engine.ledger_path(plan)).restoring == 2, "both routes know that it is on its way"


def test_several_processes_carry_the_shards_again_that_hold_what_came_back(scene: Scene) -> None:
    scene.freeze()
    plan = engine.load_plan(scene.plan)
    options = engine.Options(processes=2)
    assert engine.sync.migrate(plan, options).aside == {engine.State.ARCHIVED: 2 * FROZEN}
    assert engine.sync.status(engine.ledger_path(plan)).restoring == 0
    scene.restore("--tier", "standard", "--yes")
    assert engine.sync.status(engine.ledger_path(plan)).restoring == 2 * FROZEN

    def hear(event: Event) -> None:
        if isinstance(event, Doing) and event.what.startswith("waiting for "):
            scene.pass_(6 * HOUR_S)

    options = engine.Options(processes=2, listener=hear, wait_restore=True, look_every_s=0.0)
    result = engine.sync.migrate(plan, options)
    assert (result.copied, result.aside, result.complete) == (2 * FROZEN, {}, True)
    assert engine.sync.verify(plan).agrees


@pytest.mark.parametrize("processes", [1, 2])
def test_what_arrives_while_a_run_waits_is_not_taken_for_what_was_set_aside(scene: Scene, processes: int) -> None:
    scene.put("glacier-0", "GLACIER")
    plan = engine.load_plan(scene.plan)
    engine.sync.migrate(plan, engine.Options(processes=processes))
    scene.restore("--tier", "standard", "--yes")

    def hear(event: Event) -> None:
        if isinstance(event, Doing) and event.what.startswith("waiting for "):
            for name in ("aaa", "glacier-1", "zzz"):
                scene.put(name, "STANDARD")
            scene.pass_(6 * HOUR_S)

    options = engine.Options(processes=processes, listener=hear, wait_restore=True, look_every_s=0.0)
    result = engine.sync.migrate(plan, options)
    counters = result.counters
    held = [(item.objects, item.bytes) for item in result.tallies]
    assert (counters.aside, result.aside, result.complete) == (0, {}, True)
    assert [(counters.listed, counters.listed_bytes)] == [(counters.done, counters.done_bytes)] == held


def test_a_killed_asking_goes_on_where_it_was_and_asks_for_nothing_twice(scene: Scene) -> None:
    count = 60
    for number in range(count):
        scene.put(f"frozen-{number:03}", "GLACIER")
    command = [*MODULE, "restore", str(scene.plan), "--yes", "--max-rps", "20"]
    with forking.Popen(command, env=scene.endpoint.clean_env(), stdin=subprocess.DEVNULL) as asking:
        while scene.asked() < 5:
            assert asking.poll() is None, "it ended before it could be killed"
        os.kill(asking.pid, signal.SIGKILL)
    before = scene.asked()
    assert 5 <= before < count
    summary = scene.restore("--yes")
    assert summary["asked"]["begun"]["objects"] + summary["under_way"]["objects"] >= count
    on_their_way = [item for item in _heads(scene) if item == 'ongoing-request="true"']
    assert len(on_their_way) == count
    assert scene.asked() <= count + 1, "what was on its way was asked for again"


def _heads(scene: Scene) -> list[str]:
    listed = scene.s3.list_objects_v2(Bucket=scene.bucket, Prefix="old/frozen-")["Contents"]
    return [scene.s3.head_object(Bucket=scene.bucket, Key=item["Key"]).get("Restore", "") for item in listed]


def test_copies_that_would_be_gone_before_the_last_is_there_are_made_to_last(scene: Scene) -> None:
    scene.put("early", "GLACIER")
    scene.restore("--tier", "expedited", "--days", "1", "--yes")
    scene.pass_(HOUR_S)
    scene.put("late", "DEEP_ARCHIVE")
    shown = scene.restore("--tier", "bulk")
    assert shown["expiring"] == {"GLACIER": {"objects": 1, "bytes": len("early") * 100}}
    page = scene.say("restore", str(scene.plan), "--tier", "bulk")
    assert "1 copy that would expire before a run could end" in page
    asked = scene.restore("--tier", "bulk", "--days", "5", "--yes")["asked"]
    assert (asked["begun"]["objects"], asked["prolonged"]["objects"]) == (1, 1)
    scene.pass_(48 * HOUR_S)
    assert scene.call("run", str(scene.plan), "--yes").summary["copied"] == PLAIN + 2


def test_a_tier_that_a_class_has_not_is_refused_in_a_sentence(scene: Scene) -> None:
    scene.put("deep", "DEEP_ARCHIVE")
    said = CliRunner().invoke(
        cli, ["restore", str(scene.plan), "--tier", "expedited", "--yes"], env=scene.endpoint.env()
    )
    assert said.exit_code == 2
    assert "1 in DEEP_ARCHIVE, which has no expedited tier: ask for them by --tier standard or bulk" in said.stderr
    scene.put("glacier", "GLACIER")
    summary = scene.restore("--tier", "expedited", "--yes", code=3)
    assert (summary["asked"]["begun"]["objects"], summary["asked"]["not_by_tier"]["objects"]) == (1, 1)
    assert summary["not_by_tier"]["DEEP_ARCHIVE"]["objects"] == 1


def test_no_room_for_expedited_restores_is_named_and_the_objects_stay_to_be_asked_for(scene: Scene) -> None:
    scene.put("glacier", "GLACIER")
    scene.on_sandbox.control("account", {"expedited_available": False})
    page = scene.say("restore", str(scene.plan), "--tier", "expedited", "--yes", code=3)
    assert "AWS has no room for expedited restores now: try again later, or by --tier standard" in page
    assert scene.restore("--tier", "standard", "--yes")["asked"]["begun"]["objects"] == 1


def test_an_answer_that_is_lost_is_asked_for_again(scene: Scene) -> None:
    """The first request is carried out and its answer is lost: the second is told that it is under way."""
    scene.put("glacier", "GLACIER")
    rule = {"kind": "reset-served", "operation": "RestoreObject", "nth": 1, "times": 1}
    scene.on_sandbox.control("settings", {"faults": [rule]})
    asked = scene.restore("--yes")["asked"]
    assert (asked["begun"]["objects"], asked["under_way"]["objects"], asked["unknown"]) == (0, 1, 0)
    assert scene.asked() == 2


def test_no_more_is_asked_for_than_was_agreed_to(scene: Scene) -> None:
    scene.put("first", "GLACIER")
    plan: Plan = engine.load_plan(scene.plan)
    shown = engine.sync.restore(plan, days=1)
    scene.put("second", "GLACIER")
    asked = (engine.sync.restore(plan, days=1, agreed=shown.outlook)).asked
    assert asked is not None
    assert (asked.begun.objects, asked.beyond.objects) == (1, 1)


def test_on_localstack_head_alone_tells_what_is_back(localstack: Endpoint, tmp_path: Path) -> None:
    scene = Scene(localstack, tmp_path)
    scene.freeze()
    assert scene.call("run", str(scene.plan), "--yes", code=3).summary["aside"] == {"archived": 2 * FROZEN}
    assert scene.restore("--yes")["asked"]["begun"]["objects"] == 2 * FROZEN
    run = scene.call("run", str(scene.plan), "--yes", "--wait-restore").summary
    assert (run["copied"], run["complete"]) == (2 * FROZEN, True)


def test_ceph_knows_no_restore_and_says_so(rgw: Endpoint, tmp_path: Path) -> None:
    """Its gateway has no archive class unless one is made: nothing is found there, and nothing is asked."""
    scene = Scene(rgw, tmp_path)
    assert scene.restore("--yes")["archived"] == {}
    assert json.dumps(scene.call("run", str(scene.plan), "--yes").summary["complete"]) == "true"
