"""Every command, over one server of which nothing can be found out: none claims, deletes or skips more than it may.

The server lets no trial make its objects, and so answers "not known" to whatever is asked of it. What is not known is
treated as a no: pages are compared, sources listed again, and nothing is deleted or written over by a condition.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.cli.main import VERBS, cli
from engine.plan.own import PROBE
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from engine.sites.traits import ALL
from tests.cli.finish_scene import IMAGES, PREFIX, Scene
from tests.servers import Endpoint

SILENT = FaultRule("403", operation="*", key=PROBE, probability=1.0)
SOURCES = {*IMAGES, "data/reference/index.json"}
TARGETS = {PREFIX + key for key in SOURCES}
SPECIAL = "other/a+b %.txt"


@dataclass(frozen=True)
class Step:
    """One command. `writes` and `deletes` are the only keys that it may; `code` is how it ends."""

    words: str
    code: int
    writes: set[str] = field(default_factory=set)
    deletes: set[str] = field(default_factory=set)
    says: Callable[[dict[str, Any], list[dict[str, Any]]], bool] = lambda summary, events: True


def claims_nothing(traits: dict[str, str]) -> bool:
    return traits == dict.fromkeys(ALL, "not known")


def notices(events: list[dict[str, Any]]) -> str:
    return " ".join(event["message"] for event in events if event["event"] == "notice")


CONFIRMED = "--delete --confirm cards"
OTHER, THIRD = "s3://BUCKET/other/", "s3://BUCKET/third/"
COPIED = {"third/a+b %.txt", "third/plain"}
SYNCED = {"third/index.json"}
STEPS = [
    Step("check s3://BUCKET/data/raw/ --write", 1, says=lambda summary, _: claims_nothing(summary["honours"])),
    Step("plan PLAN", 0, says=lambda summary, _: all(map(claims_nothing, summary["honours"].values()))),
    Step("plan PLAN --probe", 0, says=lambda summary, _: all(map(claims_nothing, summary["honours"].values()))),
    Step("run PLAN --yes", 0, writes=TARGETS, says=lambda _, events: "could not be tried for" in notices(events)),
    Step("run PLAN --yes", 0, says=lambda summary, _: summary["copied"] == 0),
    Step("verify PLAN", 0, says=lambda summary, _: sum(item["verified"] for item in summary["routes"].values()) == 6),
    Step("status PLAN", 0),
    Step("export PLAN --output rows.csv", 0),
    Step("receipt PLAN", 0),
    Step("report PLAN --output page.html", 0),
    Step("ls -r s3://BUCKET/other/", 0, says=lambda _, events: SPECIAL in {event.get("key") for event in events}),
    Step("fingerprint s3://BUCKET/other/", 0, says=lambda summary, _: "objects=2 " in summary["fingerprint"]),
    Step("cp s3://BUCKET/other/ s3://BUCKET/third/", 0, writes=COPIED),
    Step("sync s3://BUCKET/other/ s3://BUCKET/third/ --yes", 0, says=lambda summary, _: summary["copied"] == 0),
    Step("sync s3://BUCKET/data/reference/ s3://BUCKET/third/ --delete --yes", 5, writes=SYNCED),
    Step("share s3://BUCKET/other/ --output page.html", 0),
    Step("lifecycle s3://BUCKET/other/", 0),
    Step("set s3://BUCKET/other/ --tags team=cards --yes", 0),
    Step("set s3://BUCKET/other/ --storage-class STANDARD_IA --yes", 0),
    Step("restore PLAN --yes", 0, says=lambda summary, _: summary["archived"] == {} and summary["asked"] is None),
    Step("rewrite PLAN", 0),
    Step("rewrite PLAN --apply", 2),
    Step("rewrite PLAN --undo", 2),
    Step("manifest PLAN", 0),
    Step("manifest PLAN --apply", 2),
    Step("manifest PLAN --undo", 2),
    Step("cleanup PLAN", 5),
    Step(f"cleanup PLAN {CONFIRMED}", 5, says=lambda summary, _: "condition" in str(summary)),
    Step("revert PLAN", 0),
    Step(f"revert PLAN {CONFIRMED}", 5),
    Step(f"delete {OTHER}", 0),
    Step(f"delete {OTHER} --confirm {OTHER}", 5),
    # What a user takes upon himself is done, and no more than that.
    Step("rewrite PLAN --apply --no-conditional-writes", 0, writes={f"{PREFIX}README.md", f"{PREFIX}pipelines/a.py"}),
    Step("manifest PLAN --apply --no-conditional-writes", 0, writes={f"{PREFIX}metadata/manifest.json"}),
    Step(f"delete {OTHER} --confirm {OTHER} --unconditional", 0, deletes={SPECIAL, "other/plain"}),
    Step(f"cleanup PLAN {CONFIRMED} --unconditional", 5, says=lambda summary, _: "the same objects" in str(summary)),
    Step("accept PLAN names.BUCKET.BUCKET --found unknown --because looked", 0),
    Step(f"cleanup PLAN {CONFIRMED} --unconditional", 0, deletes=SOURCES),
    Step("verify PLAN", 0),
    Step(f"delete {THIRD} --confirm {THIRD} --assume aws", 0, deletes=COPIED | SYNCED),
    Step("manifest PLAN --undo --assume aws", 0, writes={f"{PREFIX}metadata/manifest.json"}),
]
"""In this order, on one bucket. A command that is added is a line."""

ELSEWHERE = {"demo", "init", "sandbox", "help", "completion", "policy"}
"""These ask no server, or one of their own."""


@pytest.fixture(scope="module")
def server() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings(faults=(SILENT,))) as sandbox:
        yield sandbox


def test_every_command_is_among_them() -> None:
    assert {step.words.split()[0] for step in STEPS} | ELSEWHERE == set(VERBS)


def test_whoever_asks_what_the_server_does_may_be_told_to_take_it_for_aws() -> None:
    asked_nothing = {"accept", "check", "export", "lifecycle", "report", "share", "status"}
    for verb in set(VERBS) - ELSEWHERE - asked_nothing:
        assert "--assume" in CliRunner().invoke(cli, [verb, "--help"]).output, verb


def test_no_command_claims_deletes_or_skips_more_than_it_may(
    server: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    endpoint = Endpoint.of(server)
    scene = Scene(endpoint, tmp_path)
    scene.plan.write_text(scene.plan.read_text() + '[cleanup]\nhold = "0s"\n')
    scene.put(SPECIAL, b"special")
    scene.put("other/plain", b"plain")
    scene.put(f"{PREFIX}README.md", f"See s3://{scene.bucket}/data/raw/.".encode())
    for step in STEPS:
        before = held(server, scene.bucket)
        words = [word.replace("BUCKET", scene.bucket).replace("PLAN", str(scene.plan)) for word in step.words.split()]
        ended = CliRunner().invoke(cli, [*words, "--json"], env=endpoint.env())
        assert ended.exit_code == step.code, (step.words, ended.exit_code, ended.output)
        after = held(server, scene.bucket)
        assert before.keys() - after.keys() == step.deletes, step.words
        assert {key for key, etag in after.items() if before.get(key) != etag} == step.writes, step.words
        events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        assert step.says(events[-1], events), (step.words, ended.stdout)


def held(server: Sandbox, bucket: str) -> dict[str, str]:
    found = server.control("dump", {"bucket": bucket, "prefix": ""})["objects"]
    return {key: etag for key, etag, _ in found}


def test_what_was_copied_is_listed_again_afterwards(server: Sandbox, tmp_path: Path) -> None:
    endpoint = Endpoint.of(server)
    listings = []
    for name, flags in (("known", ["--assume", "aws"]), ("unknown", [])):
        (tmp_path / name).mkdir()
        scene = Scene(endpoint, tmp_path / name)
        server.control("reset_stats", {})
        scene.cartage("run", "--yes", *flags)
        listings.append(sum(server.control("stats", {})["operations"]["ListObjectsV2"].values()))
    known, unknown = listings
    assert unknown >= known + 2  # each route's source once more
