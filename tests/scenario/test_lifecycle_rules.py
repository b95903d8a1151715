"""The owner looks at what the bucket's rules do to a project, proposes one, has it written and put back; on three
servers. What others wrote stays as it is, and what a move brought is not expired under its hold."""

from __future__ import annotations

import errno
import os
import stat
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

import engine
from engine.api import lifecycle
from engine.cli import confirming
from engine.finish import rule_change
from engine.ledger.locking import FileLock
from engine.references import local_files
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from engine.store import ObjectStore
from tests.cli.commands import Ended, Terminal, assert_said_well
from tests.cli.conftest import terminal
from tests.servers import Endpoint

__all__ = ["terminal"]

SERVERS = ["sandbox", *(pytest.param(name, marks=pytest.mark.real) for name in ("localstack", "rgw"))]
LOGS = {"ID": "logs & more", "Filter": {"Prefix": "logs/"}, "Status": "Enabled", "Expiration": {"Days": 30}}
TAGGED = {
    "ID": "tagged",
    "Filter": {"And": {"Prefix": "p/", "Tags": [{"Key": "env", "Value": "test"}]}},
    "Status": "Enabled",
    "Expiration": {"Days": 3},
}
OFF = {
    "ID": "off",
    "Filter": {"Prefix": ""},
    "Status": "Disabled",
    "NoncurrentVersionExpiration": {"NoncurrentDays": 5},
}
MIB, GIB = 1 << 20, 1 << 30


@dataclass
class Project:
    """A bucket with a project under p/, and whoever else writes rules there."""

    endpoint: Endpoint
    terminal: Terminal
    bucket: str

    def __post_init__(self) -> None:
        self.s3 = self.endpoint.client()
        elsewhere = self.endpoint.region != "us-east-1" and self.endpoint.name != "rgw"
        place = {"CreateBucketConfiguration": {"LocationConstraint": self.endpoint.region}} if elsewhere else {}
        self.s3.create_bucket(Bucket=self.bucket, **place)
        for number in range(3):
            self.s3.put_object(Bucket=self.bucket, Key=f"p/{number}", Body=bytes(MIB))
        self.s3.put_object(Bucket=self.bucket, Key="q/other", Body=b"x")

    @property
    def location(self) -> str:
        return f"s3://{self.bucket}/p/"

    def rules(self, *rules: dict[str, Any]) -> None:
        self.s3.put_bucket_lifecycle_configuration(Bucket=self.bucket, LifecycleConfiguration={"Rules": list(rules)})

    def rules_there(self) -> dict[str, dict[str, Any]]:
        """As another hand than ours reads them."""
        try:
            found = self.s3.get_bucket_lifecycle_configuration(Bucket=self.bucket)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration"
            return {}
        return {rule["ID"]: rule for rule in found["Rules"]}

    def call(self, *words: str, code: int = 0) -> Ended:
        ended = self.terminal.call("lifecycle", self.location, *words)
        assert ended.code == code, ended.out + ended.err
        return ended

    def effects(self, *words: str) -> dict[tuple[str, str], dict[str, Any]]:
        found = self.call(*words, "--json").summary["effects"]
        return {(item["rule"], item["does"]): item for item in found}


@pytest.fixture(params=SERVERS)
def project(request: pytest.FixtureRequest, terminal: Terminal) -> Iterator[Project]:
    endpoint: Endpoint = request.getfixturevalue(request.param)
    terminal.on(endpoint)
    yield Project(endpoint, terminal, f"rules-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def here(sandbox: Endpoint, terminal: Terminal) -> Project:
    """The same on the sandbox alone."""
    terminal.on(sandbox)
    return Project(sandbox, terminal, f"rules-{uuid.uuid4().hex[:12]}")


PROPOSAL = ("--expire-noncurrent", "30d", "--abort-uploads", "7d")
OWN = "cartage:p/"


# --- shown --------------------------------------------------------------------------------------------------


def test_what_rules_do_is_shown_with_figures(project: Project) -> None:
    assert "no rule of the bucket does anything there" in project.call().out
    project.rules(LOGS, TAGGED, OFF)
    project.s3.create_multipart_upload(Bucket=project.bucket, Key="p/large")
    ended = project.call()
    assert "2 rules of the bucket: disabled, or of other prefixes" in ended.out
    assert "3 objects" in ended.out and "at most: tags are not read" in ended.out
    found = project.effects()
    assert set(found) == {("tagged", "expire")}
    assert (found["tagged", "expire"]["objects"], found["tagged", "expire"]["at_most"]) == (3, True)
    assert project.call("--json").summary["uploads"] == 1


def test_a_proposal_changes_nothing_and_is_a_diff(project: Project) -> None:
    project.rules(LOGS)
    before = project.rules_there()
    ended = project.call(*PROPOSAL)
    assert "+  <ID>cartage:p/</ID>" in ended.out and "nothing was written" in ended.out
    assert "-<Rule>" not in ended.out
    assert f"next: cartage lifecycle {project.location} --expire-noncurrent 30d --abort-uploads 7d --apply" in ended.out
    told = project.call(*PROPOSAL, "--json")
    assert told.summary["diff"].startswith("--- before\n+++ after\n")
    assert project.rules_there() == before


def test_older_versions_are_counted_with_what_they_cost(project: Project) -> None:
    versioned = {"Status": "Enabled"}
    project.s3.put_bucket_versioning(Bucket=project.bucket, VersioningConfiguration=versioned)
    for size in (1, 2, 3):
        project.s3.put_object(Bucket=project.bucket, Key="p/new", Body=bytes(size * MIB))
    project.s3.delete_object(Bucket=project.bucket, Key="p/0")
    project.s3.delete_object(Bucket=project.bucket, Key="p/never there")
    summary = project.call(*PROPOSAL, "--json").summary
    assert (summary["versions"], summary["objects"], summary["bytes"]) == (True, 3, 5 * MIB)
    assert (summary["older"], summary["older_bytes"]) == (3, 4 * MIB)
    (goes,) = [item for item in summary["effects"] if item["does"] == "expire older versions"]
    assert (goes["objects"], goes["bytes"], goes["due"]) == (3, 4 * MIB, 0)
    assert summary["older_dollars_a_month"] == round(4 * MIB / GIB * 0.023, 4) == goes["saves_a_month"]
    assert "and 3 older versions, 4.19 MB" in project.call(*PROPOSAL).out
    markers = {"Expiration": {"ExpiredObjectDeleteMarker": True}}
    project.rules({"ID": "markers", "Filter": {"Prefix": "p/"}, "Status": "Enabled", **markers})
    (lone,) = project.call("--json").summary["effects"]
    assert (lone["does"], lone["objects"]) == ("remove delete markers that nothing is left behind", 1)


# --- written, and put back ----------------------------------------------------------------------------------


def test_it_is_written_beside_every_other_rule_and_put_back(project: Project) -> None:
    project.rules(LOGS, TAGGED, OFF)
    before = project.rules_there()
    ended = project.call(*PROPOSAL, "--apply")
    assert "written, and read back as it was written" in ended.out
    after = project.rules_there()
    own = after.pop(OWN)
    assert after == before
    assert own["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert own["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    (kept,) = project.terminal.folder.glob("*.lifecycle")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "the bucket has that rule already" in project.call(*PROPOSAL, "--apply").out
    assert "put back as it was" in project.call("--undo").out
    assert project.rules_there() == before
    assert not kept.exists()
    assert "there is nothing to put back" in project.call("--undo", code=2).err


def test_changes_are_put_back_one_by_one_down_to_none(project: Project) -> None:
    project.call(*PROPOSAL, "--apply")
    project.call("--abort-uploads", "3d", "--apply")
    assert set(project.rules_there()) == {OWN}
    assert "NoncurrentVersionExpiration" not in project.rules_there()[OWN], "a rule is what was said last"
    project.call("--undo")
    assert project.rules_there()[OWN]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    project.call("--undo")
    assert project.rules_there() == {}


def test_what_somebody_changed_since_is_neither_written_over_nor_put_back(project: Project) -> None:
    shown = engine.sync.lifecycle(project.location, rule=engine.RuleProposal(abort_uploads_days=7))
    project.rules(LOGS)
    with pytest.raises(engine.RulesChanged, match="changed since it was looked at"):
        engine.sync.lifecycle(
            project.location, rule=engine.RuleProposal(abort_uploads_days=7), act=engine.Act.APPLY, shown=shown
        )
    assert set(project.rules_there()) == {LOGS["ID"]}
    assert list(project.terminal.folder.glob("*.lifecycle")) == []
    project.call(*PROPOSAL, "--apply")
    project.rules(TAGGED)
    assert "no longer what was applied" in project.call("--undo", code=1).err
    assert set(project.rules_there()) == {"tagged"}
    assert len(list(project.terminal.folder.glob("*.lifecycle"))) == 1, "what was there before is kept"


@pytest.mark.parametrize("store", ["wire", "boto"])
def test_what_nobody_here_knows_of_a_rule_stays_in_it(store: str, here: Project) -> None:
    """Not in botocore's model, nor in ours; and the header that a PUT without it sets back."""
    plain = "<Rule><ID>new</ID><Filter/><Status>Enabled</Status><OfNextYear><A>1</A></OfNextYear>{}</Rule>"
    days = "<Expiration><Days>900</Days></Expiration>"
    raw = f"<LifecycleConfiguration>{plain.format(days)}</LifecycleConfiguration>"
    with start_sandbox(SandboxSettings()) as sandbox:
        sandbox.control("bucket", {"name": "bucket", "lifecycle": raw, "least_size": "varies_by_storage_class"})
        terminal = here.terminal
        terminal.on(Endpoint("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region))
        words = ("lifecycle", "s3://bucket/p/", "--store", store)
        ended = terminal.call(*words, "--transition", "GLACIER_IR", "--after", "90d", "--apply")
        assert ended.code == 0, ended.err
        there = fetched(sandbox)
        assert "<OfNextYear><A>1</A></OfNextYear>" in there and "cartage:p/" in there
        assert "x-amz-transition-default-minimum-object-size: varies_by_storage_class" in there
        assert terminal.call(*words, "--undo").code == 0
        there = fetched(sandbox)
        assert "<OfNextYear><A>1</A></OfNextYear>" in there and "cartage:p/" not in there
        assert "x-amz-transition-default-minimum-object-size: varies_by_storage_class" in there


def fetched(sandbox: Sandbox) -> str:
    """Head and body of the sandbox's own answer."""
    request = AWSRequest(method="GET", url=f"{sandbox.url}/bucket?lifecycle=")
    S3SigV4Auth(Credentials(sandbox.access_key, sandbox.secret_key), "s3", sandbox.region).add_auth(request)
    asked = urllib.request.Request(request.url, headers=dict(request.headers.items()))
    with urllib.request.urlopen(asked, timeout=30) as answer:
        text: str = str(answer.headers) + answer.read().decode()
        return text


def test_a_configuration_in_the_older_form_takes_a_rule_in_that_form(here: Project) -> None:
    here.rules({"ID": "old", "Prefix": "logs/", "Status": "Enabled", "Expiration": {"Days": 30}})
    here.call(*PROPOSAL, "--apply")
    assert here.rules_there()[OWN]["Prefix"] == "p/"


def test_what_s3_refuses_of_it_is_said_and_nothing_is_kept(here: Project) -> None:
    here.rules(
        {"ID": "old", "Prefix": "", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}}
    )
    ended = here.call("--abort-uploads", "7d", "--apply", code=1)
    assert "Found overlapping prefixes" in ended.err
    assert set(here.rules_there()) == {"old"} and list(here.terminal.folder.glob("*.lifecycle")) == []


# --- what deletes -------------------------------------------------------------------------------------------


def test_a_rule_that_deletes_has_to_be_confirmed(here: Project) -> None:
    assert "nothing is written before that is confirmed" in here.call("--expire", "400d", "--apply", code=2).err
    assert here.rules_there() == {}
    here.call("--expire", "400d", "--apply", "--yes")
    assert here.rules_there()[OWN]["Expiration"] == {"Days": 400}


def test_at_a_terminal_a_rule_is_shown_and_asked_for(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["n\n", "y\n"]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(confirming, "line_after", lambda _: answers.pop(0))
    no = here.call("--expire", "400d", "--apply", code=1)
    assert "+  <ID>cartage:p/</ID>" in no.out and "nothing was written" in no.err
    assert here.rules_there() == {}
    yes = here.call("--expire", "400d", "--apply")
    assert yes.out.count("+  <ID>cartage:p/</ID>") == 1, "it is shown once"
    assert "written, and read back as it was written" in yes.out
    assert here.rules_there()[OWN]["Expiration"] == {"Days": 400}


def test_what_somebody_changes_during_the_question_is_not_written_over(
    here: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(_: str) -> str:
        here.rules(LOGS)
        return "y\n"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(confirming, "line_after", answer)
    assert "changed since it was looked at" in here.call(*PROPOSAL, "--apply", code=1).err
    assert set(here.rules_there()) == {LOGS["ID"]}


def moved(project: Project, hold: str) -> Path:
    """A move of the project to new/, run and verified, whose plan says this hold."""
    plan = project.terminal.folder / "moving.toml"
    plan.write_text(
        f'name = "moving"\nbucket = "{project.bucket}"\n[[routes]]\nname = "all"\nfrom = "/p/"\nto = "/new/"\n'
        f'[cleanup]\nhold = "{hold}"\n'
    )
    for command in ("run", "verify"):
        assert project.terminal.call(command, "moving.toml").code == 0
    return plan


def test_a_rule_that_would_expire_a_target_under_its_hold_is_refused(project: Project) -> None:
    moved(project, "30d")
    words = ("lifecycle", f"s3://{project.bucket}/new/", "--expire")
    for flags in (("7d",), ("7d", "--apply", "--yes")):
        ended = project.terminal.call(*words, *flags)
        assert ended.code == 5, ended.err
        assert 'where "moving, all" moved 3 objects whose hold lasts until' in ended.out + ended.err
    assert project.rules_there() == {}
    later = project.terminal.call(*words, "60d", "--apply", "--yes")
    assert later.code == 0, later.err
    whole = project.terminal.call("lifecycle", f"s3://{project.bucket}/", "--expire", "7d")
    assert whole.code == 5, "a rule for more takes it too"


def test_a_move_whose_hold_nobody_knows_is_not_expired_before_its_sources_are_deleted(here: Project) -> None:
    plan = moved(here, "0s")
    text = plan.read_text()
    plan.unlink()
    words = ("lifecycle", f"s3://{here.bucket}/new/", "--expire", "60d")
    ended = here.terminal.call(*words)
    assert ended.code == 5 and "how long their hold lasts is not known" in ended.out
    (here.terminal.folder / "elsewhere").mkdir()
    (here.terminal.folder / "elsewhere" / "moving.toml").write_text(text)
    named = here.terminal.call(*words, "--plan", "elsewhere/moving.toml", "--ledger", "moving.ledger")
    assert named.code == 0, named.out
    plan.write_text(text)
    assert here.terminal.call("cleanup", "moving.toml", "--delete", "--confirm", "moving").code == 0
    plan.unlink()
    assert here.terminal.call(*words).code == 0, "the sources are gone: nothing is held any more"


def test_a_rule_of_others_that_expires_a_target_is_said(here: Project) -> None:
    moved(here, "30d")
    here.rules({"ID": "tidy", "Filter": {"Prefix": "new/"}, "Status": "Enabled", "Expiration": {"Days": 2}})
    ended = here.terminal.call("lifecycle", f"s3://{here.bucket}/new/")
    assert ended.code == 0 and "it would expire" in ended.out and "whose hold lasts until" in ended.out


# --- what cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("s3://bucket/key", "--abort-uploads", "7d"), "every key that begins with 'key'"),
        (("s3://bucket/p/", "--transition", "GLACIER"), "a class and a time"),
        (("s3://bucket/p/", "--abort-uploads", "7h"), "is no number of days"),
        (("s3://bucket/p/", "--apply"), "there is no rule to be written"),
        (("s3://bucket/p/", "--apply", "--undo"), "--undo stands alone"),
        (("s3://bucket/p/", "--undo", "--expire", "7d"), "--undo stands alone"),
        (("./p/",), "is a local path"),
    ],
)
def test_what_makes_no_sense_is_refused(here: Project, words: tuple[str, ...], said: str) -> None:
    ended = here.terminal.call("lifecycle", *words)
    assert ended.code == 2 and said in ended.err, ended.err


def test_what_was_there_is_kept_where_ledgers_are(here: Project) -> None:
    here.call(*PROPOSAL, "--apply", "--state-dir", "state")
    assert {path.suffix for path in (here.terminal.folder / "state").iterdir()} == {".lifecycle", ".lock"}
    assert "there is nothing to put back" in here.call("--undo", code=2).err
    here.call("--undo", "--state-dir", "state")
    assert here.rules_there() == {}


def test_a_file_of_another_bucket_is_not_written_over(here: Project) -> None:
    here.call(*PROPOSAL, "--apply")
    (kept,) = here.terminal.folder.glob("*.lifecycle")
    kept.write_text(kept.read_text().replace('"endpoint": "', '"endpoint": "https://another'))
    assert "at https://another" in here.call("--abort-uploads", "3d", "--apply", code=2).err
    assert "at https://another" in here.call("--undo", code=2).err
    assert here.rules_there()[OWN]["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


def test_what_may_not_be_read_is_refused_in_words(terminal: Terminal) -> None:
    rule = FaultRule(kind="403", operation="GetBucketLifecycleConfiguration", every=1)
    with start_sandbox(SandboxSettings(faults=(rule,))) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        terminal.on(Endpoint("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region))
        ended = terminal.call("lifecycle", "s3://bucket/p/", *PROPOSAL, "--apply")
        assert ended.code == 1 and "access denied" in ended.err, ended.err
        assert_said_well(ended, "lifecycle")


def test_a_write_whose_answer_is_lost_is_found_and_can_be_put_back(terminal: Terminal) -> None:
    lost = FaultRule(kind="reset-served", operation="PutBucketLifecycleConfiguration", every=1)
    with start_sandbox(SandboxSettings(faults=(lost,))) as sandbox:
        sandbox.control("bucket", {"name": "bucket"})
        terminal.on(Endpoint("sandbox", sandbox.url, sandbox.access_key, sandbox.secret_key, sandbox.region))
        ended = terminal.call("lifecycle", "s3://bucket/p/", *PROPOSAL, "--apply")
        assert ended.code == 0 and "read back as it was written" in ended.out, ended.err
        assert terminal.call("lifecycle", "s3://bucket/p/", "--undo").code == 0
        assert OWN not in terminal.call("lifecycle", "s3://bucket/p/").out


def test_a_server_that_knows_no_lifecycles_is_said(swift: Endpoint, terminal: Terminal) -> None:
    terminal.on(swift)
    bucket = f"rules-{uuid.uuid4().hex[:12]}"
    swift.client().create_bucket(Bucket=bucket)
    ended = terminal.call("lifecycle", f"s3://{bucket}/p/")
    assert ended.code == 1, ended.out + ended.err
    assert_said_well(ended, "lifecycle")


def test_a_full_disk_hides_no_rule_that_was_written(here: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that shows it in another form has that kept as well, after the write."""
    change, write_new = f"{lifecycle.__name__}.change", f"{lifecycle.__name__}.write_new"
    writes = local_files.write_new

    async def shown_otherwise(store: ObjectStore, bucket: str, before: Any, after: Any) -> Any:
        await rule_change.change(store, bucket, before, after)
        monkeypatch.setattr(write_new, full)
        return before

    def full(path: Path, body: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(change, shown_otherwise)
    assert "the bucket is written" in (ended := here.call(*PROPOSAL, "--apply", code=3)).out + ended.err
    assert set(here.rules_there()) == {OWN}
    refused = here.call("--abort-uploads", "3d", "--apply", code=2).err
    assert "cannot be kept in" in refused and "Name a folder" in refused and "No space left" in refused
    monkeypatch.setattr(write_new, writes)
    here.call("--undo")
    assert here.rules_there() == {}


def test_two_at_once_lose_neither_what_the_other_wrote_nor_what_it_kept(here: Project) -> None:
    """Also those of two prefixes: a PUT replaces every rule of the bucket."""
    here.call(*PROPOSAL, "--apply", "--yes")
    there = here.rules_there()
    (kept,) = here.terminal.folder.glob("*.lifecycle")
    before = kept.read_bytes()
    lock = FileLock(kept.with_name(f"{here.bucket}.lifecycle"))
    lock.acquire()
    for words in (("--abort-uploads", "3d", "--apply", "--yes"), ("--undo",)):
        assert f"another run is at work on {here.bucket}.lifecycle" in here.call(*words, code=1).err
    other = here.terminal.call("lifecycle", f"s3://{here.bucket}/q/", *PROPOSAL, "--apply", "--yes")
    assert other.code == 1 and "another run is at work" in other.err
    lock.release()
    assert (here.rules_there(), kept.read_bytes()) == (there, before)
    here.call("--undo")
    assert not kept.exists()
