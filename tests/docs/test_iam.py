"""docs/iam.md: the policies are those that the program prints, each command works under its own on a server that
enforces it, and none allows more than the command asks for.

To renew the page's policies: CARTAGE_RENEW=1 pytest tests/docs/test_iam.py
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from engine.api.load import load_plan
from engine.plan.document import Plan
from engine.plan.permissions import COMMANDS, actions, permissions, policy
from engine.sandbox import SandboxSettings, start_sandbox
from tests.cli.commands import Terminal
from tests.docs.pages import DOCS, blocks
from tests.docs.policing import BY_HEADER, OF_BUCKET, OF_OBJECT, Need, Police, allows, like, needs, policed
from tests.servers import Endpoint

PAGE = DOCS / "iam.md"
BUCKET = "pokemon-card-training-us-east-2"
LIFECYCLE = {
    *("s3:ListBucket", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucketMultipartUploads"),
    *(
        "s3:ListBucketVersions",
        "s3:ListMultipartUploadParts",
        "s3:GetLifecycleConfiguration",
        "s3:PutLifecycleConfiguration",
    ),
}
"""What `lifecycle` needs, which has no plan."""

EVERYTHING = {
    "s3:ListBucket",
    "s3:GetObject",
    "s3:DeleteObject",
    *OF_OBJECT.values(),
    *OF_BUCKET.values(),
    *BY_HEADER.values(),
}

SOMETIMES = {
    "run": {
        "s3:PutObjectTagging": "for objects that have tags",
        "s3:GetObjectTagging": "of the target, where its source was written again",
        "s3:ListMultipartUploadParts": "to go on with an upload that was interrupted",
        "s3:AbortMultipartUpload": "to end an upload whose source has changed",
        "s3:ListBucketMultipartUploads": "to find an upload whose id was lost",
        "s3:GetBucketLocation": "on AWS, where no region is named",
    },
    "rewrite": {
        "s3:PutObjectTagging": "for files that have tags",
        "s3:PutObjectAcl": "for files that others may read",
        "s3:GetObjectRetention": "where the bucket keeps versions, as Object Lock needs",
        "s3:GetObjectLegalHold": "where the bucket keeps versions, as Object Lock needs",
        "s3:PutObjectRetention": "for files that are retained",
        "s3:PutObjectLegalHold": "for files that are held",
        "s3:GetBucketLocation": "to know a virtual-hosted URL of the bucket",
        "s3:ListBucket": "to look through a prefix",
    },
    "revert": {"s3:AbortMultipartUpload": "for uploads that were not finished"},
    "verify": {"s3:GetObject": "with --deep, --properties, and for what the listing cannot tell"},
}
"""What a command asks for only now and then, and so perhaps not in this test."""


# --- the page -----------------------------------------------------------------------------------------------


def page_plan(folder: Path) -> Plan:
    (text,) = [block.text for block in blocks(PAGE.read_text(encoding="utf-8")) if block.language == "toml"]
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


def test_the_pages_policies_are_those_that_the_program_prints(tmp_path: Path) -> None:
    plan, text = page_plan(tmp_path), PAGE.read_text(encoding="utf-8")
    for command in COMMANDS:
        made = f"<!-- made by tests/docs/test_iam.py: {command} -->\n```json\n"
        assert made in text, f"the page has no policy for {command}"
        wanted = json.dumps(policy(plan, command), indent=2)
        head, _, rest = text.partition(made)
        shown, _, tail = rest.partition("\n```")
        if os.environ.get("CARTAGE_RENEW") == "1":
            text = f"{head}{made}{wanted}\n```{tail}"
        else:
            assert shown == wanted, f"{command}: renew the page with CARTAGE_RENEW=1"
    PAGE.write_text(text, encoding="utf-8")


def test_the_policies_are_printed_without_asking_s3(terminal: Terminal) -> None:
    plan = page_plan(terminal.folder)
    for command in COMMANDS:
        ended = terminal.call("plan", "plan.toml", "--policy", command)
        assert (ended.code, json.loads(ended.out)) == (0, policy(plan, command))
    assert sorted(path.name for path in terminal.folder.iterdir()) == ["plan.toml"]


# --- enforced -----------------------------------------------------------------------------------------------

PLAN = f"""name = "moving"
bucket = "{BUCKET}"
prefix = "project/pokemon-card-recognition/"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[[routes]]
name = "teacher"
from = "/training-output/dinov3-teacher/model.tar.gz"
to = "models/dinov3-teacher/v1.0/model.tar.gz"
[[probes]]
exists = "models/dinov3-teacher/v1.0/model.tar.gz"
[cleanup]
hold = "0s"
"""
MANIFEST = """
[manifest]
object = "metadata/project_manifest.json"
datasets = [{ at = "project.data.raw", route = "raw", description = "images" }]
[references]
scan = ["pipelines/", "README.md"]
"""


@pytest.fixture
def police(terminal: Terminal) -> Iterator[Police]:
    """The reference migration, small, behind a server that enforces a policy."""
    with start_sandbox(SandboxSettings()) as sandbox, policed(sandbox.url) as police:
        sandbox.control("reference", {"scale": 0.001})
        sandbox.control("account", {"restore_delay_s": 0})
        for storage_class in ("GLACIER", "INTELLIGENT_TIERING"):
            cold = {"bucket": BUCKET, "key": f"data/raw/{storage_class}", "text": "cold"}
            sandbox.control("put", cold | {"headers": {"x-amz-storage-class": storage_class}})
        terminal.on(Endpoint("sandbox", police.url, sandbox.access_key, sandbox.secret_key, sandbox.region))
        (terminal.folder / "moving.toml").write_text(PLAN)
        yield police


def call(terminal: Terminal, police: Police, command: str, *arguments: str, code: int = 0) -> None:
    """Run a command under its own policy."""
    plan = load_plan(terminal.folder / "moving.toml")
    police.enforce(policy(plan, command))
    ended = terminal.call(*arguments)
    assert ended.code == code, f"{arguments}: {ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
    police.seen.setdefault(command, set()).update(police.used)


def test_each_command_works_under_its_own_policy_and_none_allows_more_than_it_uses(
    terminal: Terminal, police: Police
) -> None:
    def run(command: str, *arguments: str, code: int = 0) -> None:
        call(terminal, police, command, *arguments, code=code)

    assume = ("--assume", "aws")
    run("plan", "plan", "moving.toml")
    run("list", "ls", f"s3://{BUCKET}/data/raw/", "--recursive")
    run("list", "fingerprint", f"s3://{BUCKET}/data/raw/", "--by", "size")
    run("verify", "fingerprint", f"s3://{BUCKET}/data/raw/")
    run("restore", "restore", "moving.toml", "--yes", *assume)
    run("run", "run", "moving.toml", *assume)
    run("verify", "verify", "moving.toml", "--deep=sample:2", "--properties")
    run("verify", "receipt", "moving.toml")
    run("revert", "revert", "moving.toml", "--delete", "--confirm", "moving")
    run("run", "run", "moving.toml", *assume)
    run("verify", "verify", "moving.toml")
    run("cleanup", "cleanup", "moving.toml", "--delete", "--confirm", "moving")
    plan = load_plan(terminal.folder / "moving.toml")
    (terminal.folder / "moving.toml").write_text(PLAN + MANIFEST)
    run("rewrite", "manifest", "moving.toml", "--apply")
    run("rewrite", "rewrite", "moving.toml", "--apply")
    for command in COMMANDS:
        granted = set(actions(load_plan(terminal.folder / "moving.toml") if command == "rewrite" else plan, command))
        assert granted - police.seen[command] - set(SOMETIMES.get(command, {})) == set(), command


def test_a_list_of_keys_takes_a_head_of_each(terminal: Terminal, police: Police) -> None:
    (terminal.folder / "keys.txt").write_text("data/raw/GLACIER\n")
    listed = f"""name = "moving"
bucket = "{BUCKET}"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "/listed/"
keys = "keys.txt"
"""
    (terminal.folder / "moving.toml").write_text(listed)
    call(terminal, police, "plan", "plan", "moving.toml")
    assert police.used == {"s3:ListBucket", "s3:GetObject"}
    without = policy(load_plan(terminal.folder / "moving.toml"), "plan")
    police.enforce(
        without | {"Statement": [item for item in without["Statement"] if "s3:ListBucket" in item["Action"]]}
    )
    ended = terminal.call("plan", "moving.toml")
    assert ended.code == 3 and "left: 1 key of a list" in ended.out, ended.out + ended.err
    assert ended.out.splitlines()[-1] == "next: have what is refused allowed, then the same again"


def deleting(under: str) -> list[dict[str, Any]]:
    """What the page names for `delete`, as statements."""
    section = PAGE.read_text(encoding="utf-8").split("## `delete`, `sync --delete`")[1].split("\n## ")[0]
    there, bucket, claim = (
        sorted(set(re.findall(r"s3:[A-Z]\w+", line)) - {"s3:ListBucket"})
        for line in re.findall(r"^- .*", section, re.M)
    )
    arn = f"arn:aws:s3:::{BUCKET}"
    listing = {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": [arn]}
    return [
        listing | {"Condition": {"StringLike": {"s3:prefix": [f"{under}*"]}}},
        {"Effect": "Allow", "Action": there, "Resource": [f"{arn}/{under}*"]},
        {"Effect": "Allow", "Action": bucket, "Resource": [arn]},
        {"Effect": "Allow", "Action": claim, "Resource": [f"{arn}/.cartage-claim"]},
    ]


def test_a_deletion_works_under_what_the_page_names_for_it(terminal: Terminal, police: Police) -> None:
    source, target = f"s3://{BUCKET}/project/pokemon-card-recognition/pipelines/", f"s3://{BUCKET}/copied/"
    police.enforce({"Statement": policy(Plan.of(source, target), "run")["Statement"] + deleting("copied/")})
    boto3.Session().client("s3", endpoint_url=police.url).put_object(Bucket=BUCKET, Key="copied/extra", Body=b"x")
    ended = terminal.call("sync", source, target, "--delete", "--yes", "--assume", "aws", "--json")
    assert ended.code == 0, f"{ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
    assert any(need == Need("s3:DeleteObject", f"arn:aws:s3:::{BUCKET}/copied/extra") for need in police.allowed)
    named = deleting("copied/")
    police.enforce({"Statement": named})
    for words in ((), ("--confirm", target)):
        ended = terminal.call("delete", target, *words, "--assume", "aws")
        assert ended.code == 0, f"{ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
    assert police.used == {action for statement in named for action in statement["Action"]}


STATE = "s3://kept/runs/"


def test_a_state_in_s3_takes_what_the_page_names_for_it(terminal: Terminal, police: Police) -> None:
    police.enforce({"Statement": [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": ["*"]}]})
    boto3.Session().client("s3", endpoint_url=police.url).create_bucket(
        Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "us-east-2"}
    )
    place = f'from = "s3://{BUCKET}/project/pokemon-card-recognition/pipelines/"\nto = "s3://{BUCKET}/copied/"\n'
    (terminal.folder / "moving.toml").write_text(f'name = "moving"\n[[routes]]\nname = "r"\n{place}')
    plan = load_plan(terminal.folder / "moving.toml")
    used: set[str] = set()
    for command, *words in (
        ("run", "run", "moving.toml", "--assume", "aws"),
        ("verify", "verify", "moving.toml", "--ledger", "of-another-machine.ledger"),
        ("list", "status", "moving.toml", "--ledger", "of-a-third.ledger"),
    ):
        police.enforce(policy(plan, command, state=STATE))
        if command == "list":  # what only reads there
            reads = [item for item in policy(plan, "plan", state=STATE)["Statement"] if "kept" in str(item)]
            police.enforce({"Statement": [item | {"Action": ["s3:GetObject", "s3:ListBucket"]} for item in reads]})
        ended = terminal.call(*words, "--state", STATE)
        assert ended.code == 0, f"{words}: {ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
        used |= {need.action for need in police.allowed if need.arn.startswith("arn:aws:s3:::kept")}
    added = {item.action for item in permissions(plan, "run", STATE) if item.location.bucket == "kept"}
    section = PAGE.read_text(encoding="utf-8").split("## State in S3: `--state`")[1].split("\n## ")[0]
    assert set(re.findall(r"s3:[A-Z]\w+", section)) == added == used
    printed = terminal.call("plan", "moving.toml", "--policy", "run", "--state", STATE)
    assert json.loads(printed.out) == policy(plan, "run", state=STATE)


SET_SOMETIMES = {
    "s3:GetObjectRetention": "where the bucket has Object Lock",
    "s3:GetObjectLegalHold": "where the bucket has Object Lock",
    "s3:PutObjectRetention": "for objects that are retained",
    "s3:PutObjectLegalHold": "for objects that are held",
    "s3:PutObjectAcl": "for objects that others may read",
    "s3:PutObjectTagging": "for objects that have tags",
    **SOMETIMES["run"],
}


@pytest.mark.parametrize("what", [{"storage_class": "GLACIER_IR", "metadata": {"a": "b"}}, {"tags": {"team": "cards"}}])
def test_set_works_under_its_own_policy_which_is_smaller_for_tags_alone(
    terminal: Terminal, police: Police, what: dict[str, Any]
) -> None:
    place = f"s3://{BUCKET}/training-output/"
    plan = Plan.setting(place, **what)
    police.enforce(policy(plan, "run"))
    words = {"storage_class": ["--storage-class", "GLACIER_IR"], "metadata": ["--metadata", "a=b"]}
    words["tags"] = ["--tags", "team=cards"]
    ended = terminal.call("set", place, *[word for name in what for word in words[name]], "--yes", "--assume", "aws")
    assert ended.code == 0, f"{ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
    assert set(actions(plan, "run")) - police.used - set(SET_SOMETIMES) == set()
    section = PAGE.read_text(encoding="utf-8").split("## Setting: `set`")[1].split("\n## ")[0]
    assert all(f"`{action}`" in section for action in actions(plan, "run"))


def test_lifecycle_works_under_the_actions_that_the_page_names_for_it(terminal: Terminal, police: Police) -> None:
    arn, under = f"arn:aws:s3:::{BUCKET}", "data/raw/"
    of_objects = {"s3:ListMultipartUploadParts"}
    listing = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [arn],
        "Condition": {"StringLike": {"s3:prefix": [f"{under}*"]}},
    }
    of_bucket = {"Effect": "Allow", "Action": sorted(LIFECYCLE - of_objects - {"s3:ListBucket"}), "Resource": [arn]}
    parts = {"Effect": "Allow", "Action": sorted(of_objects), "Resource": [f"{arn}/{under}*"]}
    police.enforce({"Statement": [{"Effect": "Allow", "Action": ["s3:PutObject", "s3:ListBucket"], "Resource": ["*"]}]})
    s3 = boto3.client("s3", endpoint_url=police.url)
    s3.create_multipart_upload(Bucket=BUCKET, Key=f"{under}large")
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    police.enforce({"Statement": [listing, of_bucket, parts]})
    for words in (("--abort-uploads", "7d", "--apply"), ("--undo",)):
        ended = terminal.call("lifecycle", f"s3://{BUCKET}/{under}", *words)
        assert ended.code == 0, f"{ended.err}{ended.out}\ndenied: {sorted(police.denied)}"
    assert police.used == LIFECYCLE
    text = PAGE.read_text(encoding="utf-8").partition("## A project as a unit: `lifecycle`")[2]
    assert set(re.findall(r"s3:[A-Z]\w+", text)) | {"s3:ListBucket"} == LIFECYCLE


def test_a_policy_of_another_prefix_is_not_enough(terminal: Terminal, police: Police) -> None:
    other = Plan.of(f"s3://{BUCKET}/data/processed/", f"s3://{BUCKET}/elsewhere/")
    police.enforce(policy(other, "run"))
    ended = terminal.call("run", "moving.toml", "--assume", "aws")
    assert ended.code == 1
    assert "access denied" in ended.err
    assert police.used <= {"s3:GetBucketLocation"}  # of the bucket, which is the same


def test_a_revert_that_may_not_ask_for_versions_adds_no_markers_that_were_not_accepted(
    terminal: Terminal, police: Police
) -> None:
    def copies() -> int:
        police.enforce(everything)
        return len(s3.list_objects_v2(Bucket=BUCKET, Prefix="project/")["Contents"])

    everything = {"Statement": [{"Effect": "Allow", "Resource": ["*"], "Action": sorted(EVERYTHING)}]}
    police.enforce(everything)
    s3 = boto3.Session().client("s3", endpoint_url=police.url)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    assert terminal.call("run", "moving.toml", "--assume", "aws").code == 3  # one is archived
    there, how = copies(), ("revert", "moving.toml", "--delete", "--confirm", "moving", "--assume", "aws")
    blind = {
        "Statement": [{"Effect": "Allow", "Resource": ["*"], "Action": sorted(EVERYTHING - {"s3:GetBucketVersioning"})}]
    }
    police.enforce(blind)
    assert "may keep versions (it may not be asked)" in terminal.call("revert", "moving.toml").out
    ended = terminal.call(*how)
    assert (ended.code, copies()) == (5, there)
    assert "may keep versions (it may not be asked)" in ended.err and "--accept-delete-markers" in ended.err
    police.enforce(blind)
    ended = terminal.call(*how, "--accept-delete-markers")
    assert (ended.code, copies() < there) == (0, True), ended.err


# --- what S3 does not show to those who may not ask for it ----------------------------------------------------

READING_LOCKS = {"s3:GetObjectRetention", "s3:GetObjectLegalHold"}
LOCK: dict[str, Any] = {
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": "2040-01-01T00:00:00Z",
    "ObjectLockLegalHoldStatus": "ON",
}


class Locked:
    """A bucket with Object Lock and ACLs, and a plan that copies a prefix of it; one object there is locked."""

    def __init__(self, terminal: Terminal, police: Police, rule: str) -> None:
        self.terminal, self.police = terminal, police
        self.client = boto3.Session().client("s3", endpoint_url=police.url)  # of this sandbox's keys
        self.may(EVERYTHING)
        self.client.create_bucket(
            Bucket="locked",
            CreateBucketConfiguration={"LocationConstraint": os.environ["AWS_REGION"]},
            ObjectLockEnabledForBucket=True,
            ObjectOwnership="ObjectWriter",
        )
        self.client.put_object(Bucket="locked", Key="from/held", Body=b"held", **LOCK)
        self.client.put_object(Bucket="locked", Key="from/free", Body=b"free")
        (terminal.folder / "moving.toml").write_text(
            'name = "moving"\nbucket = "locked"\n[references]\nscan = ["/pipes/"]\n'
            f'[[routes]]\nname = "r"\nfrom = "/from/"\nto = "/to/"\nproperties = {{ lock = "{rule}" }}\n'
        )

    def may(self, allowed: set[str]) -> None:
        self.police.enforce({"Statement": [{"Effect": "Allow", "Resource": ["*"], "Action": sorted(allowed)}]})

    def lock_of(self, key: str) -> dict[str, Any]:
        self.may(EVERYTHING)
        head = self.client.head_object(Bucket="locked", Key=key)
        return {name: head[name] for name in LOCK if name in head and name != "ObjectLockRetainUntilDate"}


IS_LOCKED = {"ObjectLockMode": "GOVERNANCE", "ObjectLockLegalHoldStatus": "ON"}


@pytest.mark.parametrize("kind", ["wire", "boto"])
def test_a_lock_that_may_not_be_read_is_not_taken_for_none(terminal: Terminal, police: Police, kind: str) -> None:
    scene, how = Locked(terminal, police, "preserve"), ("--assume", "aws", "--store", kind)
    for missing in READING_LOCKS:
        scene.may(EVERYTHING - {missing})
        assert terminal.call("run", "moving.toml", *how).code == 3
        failed = terminal.call("status", "moving.toml", "--failed").out
        assert "LockDenied" in failed and "held" in failed
    call(terminal, police, "run", "run", "moving.toml", *how)
    assert scene.lock_of("to/held") == IS_LOCKED
    scene.may(EVERYTHING - READING_LOCKS)
    assert terminal.call("verify", "moving.toml", "--properties").code == 4
    call(terminal, police, "verify", "verify", "moving.toml", "--properties")


def test_what_may_not_lose_a_lock_is_found_under_the_policy_of_run(terminal: Terminal, police: Police) -> None:
    scene = Locked(terminal, police, "fail")
    call(terminal, police, "run", "run", "moving.toml", "--assume", "aws", code=3)
    assert police.used >= READING_LOCKS
    assert "PropertyRefused" in terminal.call("status", "moving.toml", "--failed").out
    assert scene.lock_of("to/free") == {}
    assert scene.client.list_objects_v2(Bucket="locked", Prefix="to/")["KeyCount"] == 1


def test_a_rewrite_keeps_access_and_lock_under_its_own_policy(terminal: Terminal, police: Police) -> None:
    scene = Locked(terminal, police, "drop")
    text = "see s3://locked/from/free here"
    scene.client.put_object(Bucket="locked", Key="pipes/held", Body=text, **LOCK)
    scene.client.put_object(Bucket="locked", Key="pipes/open", Body=text, ACL="public-read", Tagging="a=b")
    assert terminal.call("run", "moving.toml", "--assume", "aws").code == 0
    call(terminal, police, "rewrite", "rewrite", "moving.toml", "--apply", "--assume", "aws")
    assert scene.lock_of("pipes/held") == IS_LOCKED
    for key in ("pipes/held", "pipes/open"):
        assert scene.client.get_object(Bucket="locked", Key=key)["Body"].read() == text.replace("from", "to").encode()
    grants = scene.client.get_object_acl(Bucket="locked", Key="pipes/open")["Grants"]
    assert sorted(grant["Permission"] for grant in grants) == ["FULL_CONTROL", "READ"]


# --- the enforcing itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("arn:aws:s3:::b/a/*", "arn:aws:s3:::b/a/x/y", True),
        ("arn:aws:s3:::b/a/*", "arn:aws:s3:::b/ax", False),
        ("arn:aws:s3:::b/a/*", "arn:aws:s3:::b/a/", True),
        ("b/[1]*", "b/[1]x", True),
        ("b/[1]*", "b/1x", False),
        ("b/${*}*", "b/*x", True),
        ("b/${*}*", "b/xx", False),
    ],
)
def test_patterns_mean_what_iam_means_by_them(pattern: str, text: str, matches: bool) -> None:
    assert like(pattern, text) is matches


def test_what_is_needed_and_allowed_is_told_from_the_request() -> None:
    copy: dict[str, str] = {"x-amz-copy-source": "/one/a/k%20ey"}
    assert needs("PUT", "/two/b/k%20ey", copy, b"") == [
        Need("s3:PutObject", "arn:aws:s3:::two/b/k ey"),
        Need("s3:GetObject", "arn:aws:s3:::one/a/k ey"),
    ]
    assert needs("GET", "/one?list-type=2&prefix=a%2F", {}, b"") == [Need("s3:ListBucket", "arn:aws:s3:::one", "a/")]
    assert needs("HEAD", "/one", {}, b"") == [Need("s3:ListBucket", "arn:aws:s3:::one", None)]
    deleting = needs("DELETE", "/one/k", {"if-match": "e"}, b"")
    assert [need.action for need in deleting] == ["s3:DeleteObject", "s3:GetObject"]
    listing: dict[str, Any] = policy(Plan.of("s3://one/a/", "s3://one/b/"), "plan")
    assert allows(listing, Need("s3:ListBucket", "arn:aws:s3:::one", "a/"))
    assert not allows(listing, Need("s3:ListBucket", "arn:aws:s3:::one", "c/"))
    assert not allows(listing, Need("s3:ListBucket", "arn:aws:s3:::one", None))
    assert not allows(listing, Need("s3:GetObject", "arn:aws:s3:::one/a/x"))


def test_every_action_on_the_page_is_one_of_a_policy(tmp_path: Path) -> None:
    plan = page_plan(tmp_path)
    known = {name for command in COMMANDS for name in actions(plan, command)}
    known |= set(actions(Plan.setting("s3://bucket/", storage_class="STANDARD"), "run"))
    known |= LIFECYCLE
    assert set(re.findall(r"s3:[A-Z]\w+", PAGE.read_text(encoding="utf-8"))) <= known
