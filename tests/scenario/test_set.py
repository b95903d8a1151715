"""What objects carry, set where they are: on servers that no one here wrote, in buckets that keep versions, under kills
and faults. What is written is counted by the versions that it leaves."""

from __future__ import annotations

import contextlib
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.ls import ls
from engine.api.options import Options
from engine.api.plan import survey
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import EngineError, UsageError
from engine.events import Event, Notice
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.lifecycle import State
from engine.plan.own import PROBE
from engine.proof.depth import Depth
from engine.sandbox import FaultRule, Sandbox, SandboxSettings, start_sandbox
from tests import forking
from tests.faults.impatience import hurry
from tests.servers import REPOSITORY, Endpoint

PARTS = (b"p" * (5 << 20), b"the end")
REAL = pytest.mark.real


class Project:
    """Objects of every kind under `p/`, in a bucket of their own."""

    def __init__(self, endpoint: Endpoint, folder: Path, **bucket: Any) -> None:
        self.endpoint, self.folder = endpoint, folder
        self.s3 = endpoint.client()
        self.bucket = f"set-{uuid.uuid4().hex[:8]}"
        place = {"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}}
        elsewhere = endpoint.region != "us-east-1" and endpoint.name != "rgw"
        self.s3.create_bucket(Bucket=self.bucket, **(place if elsewhere else {}), **bucket)
        self.location = f"s3://{self.bucket}/p/"
        self.heard: list[Event] = []

    def put(self, key: str, body: bytes = b"a card", **more: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"p/{key}", Body=body, **more)

    def put_parts(self, key: str, **more: Any) -> None:
        place = {"Bucket": self.bucket, "Key": f"p/{key}"}
        upload = {**place, "UploadId": self.s3.create_multipart_upload(**place, **more)["UploadId"]}
        etags = [
            self.s3.upload_part(Body=body, PartNumber=number, **upload)["ETag"] for number, body in enumerate(PARTS, 1)
        ]
        parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
        self.s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)

    def keep_versions(self) -> None:
        self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def versions(self) -> Counter[str]:
        pages = self.s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix="p/")
        keys = [item["Key"][2:] for page in pages for item in page.get("Versions", ())]
        return Counter(key for key in keys if not key.startswith(PROBE))  # what a server is tried with leaves some too

    def options(self, plan: Plan) -> Options:
        return Options(ledger=self.folder / f"{plan.name}.ledger", listener=self.heard.append)

    def found(self, key: str) -> dict[str, Any]:
        """What an object carries, and its bytes."""
        place = {"Bucket": self.bucket, "Key": f"p/{key}"}
        head = self.s3.head_object(**place)
        tags = self.s3.get_object_tagging(**place)["TagSet"]
        names = ("ETag", "ContentType", "CacheControl", "Metadata", "ServerSideEncryption", "SSEKMSKeyId")
        more = ("WebsiteRedirectLocation", "ObjectLockMode", "ObjectLockRetainUntilDate", "ObjectLockLegalHoldStatus")
        grants = self.s3.get_object_acl(**place)["Grants"]
        return {
            **{name: head.get(name) for name in (*names, *more)},
            "StorageClass": head.get("StorageClass", "STANDARD"),
            "Tags": {tag["Key"]: tag["Value"] for tag in tags},
            "Public": any(grant["Grantee"]["Type"] == "Group" for grant in grants),
            "Body": self.s3.get_object(**place)["Body"].read() if head["ContentLength"] < 1 << 24 else None,
        }


@pytest.fixture
def project(sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    return on(sandbox, tmp_path, monkeypatch)


def on(endpoint: Endpoint, folder: Path, patch: pytest.MonkeyPatch, **bucket: Any) -> Project:
    for name, value in endpoint.env().items():
        patch.setenv(name, value)
    return Project(endpoint, folder, **bucket)


CARRIED: dict[str, Any] = {
    "ContentType": "image/png",
    "CacheControl": "max-age=60",
    "Metadata": {"card": "25"},
    "Tagging": "team=old&set=base",
}


@pytest.mark.parametrize("server", ["sandbox", pytest.param("localstack", marks=REAL), pytest.param("rgw", marks=REAL)])
async def test_the_life_of_a_project_on_each_server(
    request: pytest.FixtureRequest, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Class, tags and metadata are set, and set again; whatever else an object carries stays, its ETag too."""
    project = on(request.getfixturevalue(server), tmp_path, monkeypatch)
    for number in range(4):
        project.put(f"{number}.png", b"card %d" % number, **CARRIED)
    project.put("plain.txt")
    project.put("empty", b"")
    project.put_parts("model.bin", **{name: value for name, value in CARRIED.items() if name != "Tagging"})
    project.s3.put_object_tagging(
        Bucket=project.bucket,
        Key="p/model.bin",
        Tagging={"TagSet": [{"Key": "team", "Value": "old"}, {"Key": "set", "Value": "base"}]},
    )
    keys = ("0.png", "plain.txt", "empty", "model.bin")
    before = {key: project.found(key) for key in keys}

    colder = Plan.setting(project.location, storage_class="STANDARD_IA")
    options = project.options(colder)
    looked = await survey(colder, options)
    assert (looked.routes[0].to_copy, looked.routes[0].change.objects) == (7, 7)  # type: ignore[union-attr]
    done = await migrate(colder, options)
    assert (done.copied, done.complete) == (7, True), project.heard
    assert {key: project.found(key) for key in keys} == {
        key: {**found, "StorageClass": "STANDARD_IA"} for key, found in before.items()
    }
    checked = await verify(colder, options, properties=True)
    assert checked.agrees and checked.routes[0].by_proof == {Proof.DIGEST: 7}, checked.differences
    assert (await migrate(colder, options)).copied == 0

    tags = Plan.setting(project.location, tags={"team": "cards"})
    assert (await migrate(tags, project.options(tags))).copied == 7
    assert (await verify(tags, project.options(tags), properties=True)).agrees
    assert project.found("0.png")["Tags"] == {"team": "cards", "set": "base"}
    assert project.found("plain.txt")["Tags"] == {"team": "cards"}
    again = await migrate(tags, project.options(tags))
    assert (again.copied, again.counters.found) == (0, 7)  # looked at, and left alone

    figures = await ls(project.location, project.options(tags), by="tag=team")
    assert figures is not None
    assert {group: item.objects for group, item in figures.sorted()} == {"cards": 7}
    assert figures.total.unpriced == 0

    warmer = Plan.setting(project.location, storage_class="STANDARD", metadata={"seen": "1"})
    assert (await migrate(warmer, project.options(warmer))).complete
    for key in keys:
        wanted = {**before[key], "Metadata": {**before[key]["Metadata"], "seen": "1"}}
        wanted["Tags"] = {**before[key]["Tags"], "team": "cards"}
        assert project.found(key) == wanted


async def test_everything_else_that_an_object_may_carry_stays(
    sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encryption, redirect, lock and ACL, which a CopyObject by itself drops; by CopyObject and by parts."""
    project = on(sandbox, tmp_path, monkeypatch, ObjectLockEnabledForBucket=True, ObjectOwnership="ObjectWriter")
    until = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)
    carried: dict[str, Any] = {
        **CARRIED,
        "ServerSideEncryption": "aws:kms",
        "WebsiteRedirectLocation": "/elsewhere",
        "ObjectLockMode": "GOVERNANCE",
        "ObjectLockRetainUntilDate": until,
        "ObjectLockLegalHoldStatus": "ON",
        "ACL": "public-read",
    }
    project.put("small", **carried)
    project.put_parts("parts", **carried)
    before = {key: project.found(key) for key in ("small", "parts")}
    plan = Plan.setting(project.location, storage_class="GLACIER_IR", tags={"team": "new"}, metadata={"a": "b"})
    done = await migrate(plan, project.options(plan))
    assert done.complete, project.heard
    for key, found in before.items():
        now = project.found(key)
        changed = {"ETag", "StorageClass", "Tags", "Metadata"}  # under a key of KMS every copy has an ETag of its own
        assert {name: now[name] for name in now if name not in changed} == {
            name: found[name] for name in found if name not in changed
        }
        assert now["Public"] and now["ObjectLockMode"] == "GOVERNANCE"
        assert (now["Tags"], now["Metadata"]) == ({"team": "new", "set": "base"}, {"card": "25", "a": "b"})
    assert (await verify(plan, project.options(plan), properties=True)).agrees


async def test_an_object_above_5_gib_goes_by_its_own_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_sandbox(SandboxSettings()) as server:
        server.control("reference", {"scale": 0.001})
        endpoint = Endpoint("sandbox", server.url, server.access_key, server.secret_key, server.region)
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        bucket, key = "pokemon-card-training-us-east-2", "training-output/dinov3-teacher/model.tar.gz"
        before = endpoint.client().head_object(Bucket=bucket, Key=key)
        assert before["ContentLength"] > 5 << 30
        plan = Plan.setting(f"s3://{bucket}/{key}", storage_class="GLACIER_IR")
        assert (await migrate(plan, Options(ledger=tmp_path / "p.ledger"))).complete
        after = endpoint.client().head_object(Bucket=bucket, Key=key)
        assert (after["ETag"], after["StorageClass"]) == (before["ETag"], "GLACIER_IR")


# --- versions, archives, what bars -------------------------------------------------------------------------


async def test_versions_are_told_of_before_anything_is_written(project: Project) -> None:
    project.keep_versions()
    project.put("a", b"x" * 1000)
    plan = Plan.setting(project.location, storage_class="GLACIER_IR")
    looked = await survey(plan, project.options(plan))
    assert looked.versioning == {project.bucket: "Enabled"}
    assert project.versions() == {"a": 1}
    await migrate(plan, project.options(plan))
    assert project.versions() == {"a": 2}
    told = [event.message for event in project.heard if isinstance(event, Notice) and event.code == "Versions"]
    assert told and "stays behind as an older one" in told[0]
    tags = Plan.setting(project.location, tags={"a": "b"})
    assert (await survey(tags, project.options(tags))).versioning == {}
    await migrate(tags, project.options(tags))
    assert project.versions() == {"a": 2}  # tags alone write no version


async def test_what_is_archived_is_set_aside_and_its_tags_can_be_set(project: Project) -> None:
    project.put("cold", StorageClass="DEEP_ARCHIVE", Tagging="a=b")
    project.put("warm")
    plan = Plan.setting(project.location, storage_class="STANDARD_IA")
    done = await migrate(plan, project.options(plan))
    assert (done.copied, done.aside) == (1, {State.ARCHIVED: 1})
    tags = Plan.setting(project.location, tags={"team": "cards"})
    assert (await migrate(tags, project.options(tags))).complete
    tagging = project.s3.get_object_tagging(Bucket=project.bucket, Key="p/cold")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tagging} == {"a": "b", "team": "cards"}


async def test_nothing_deletes_what_was_set(project: Project) -> None:
    project.put("a")
    plan = Plan.setting(project.location, storage_class="STANDARD_IA")
    await migrate(plan, project.options(plan))
    await verify(plan, project.options(plan))
    for delete in (False, True):
        with pytest.raises(UsageError, match="its own source and target"):
            await cleanup(plan, project.options(plan), delete=delete)
    with pytest.raises(UsageError, match="no other side"):
        await verify(plan, project.options(plan), depth=Depth())
    assert project.found("a")["StorageClass"] == "STANDARD_IA"


async def test_what_was_written_since_is_told_by_a_verification_and_set_by_the_next_run(project: Project) -> None:
    for key in "abc":
        project.put(key)
    plan = Plan.setting(project.location, storage_class="STANDARD_IA")
    await migrate(plan, project.options(plan))
    project.put("a", b"somebody else's")
    project.s3.delete_object(Bucket=project.bucket, Key="p/b")
    project.put("d")
    checked = await verify(plan, project.options(plan))
    assert {item.key: item.kind.value for item in checked.differences} == {
        "a": "drifted",
        "b": "withdrawn",
        "d": "new",
    }
    done = await migrate(plan, project.options(plan))
    assert (done.copied, done.aside) == (2, {State.WITHDRAWN: 1})
    assert project.found("a")["StorageClass"] == "STANDARD_IA"
    assert project.found("a")["Body"] == b"somebody else's"


# --- killed, and under faults -------------------------------------------------------------------------------


def killed(project: Project, moment: str, *words: str) -> int:
    environment = {**project.endpoint.clean_env(), "CARTAGE_TEST_KILL": moment, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "tests.faults.killing", "set", project.location, *words, "--yes", "-q"]
    done = forking.run(command, cwd=project.folder, env=environment, capture_output=True, text=True, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


@pytest.mark.parametrize(
    "words", [["--storage-class", "GLACIER_IR"], ["--tags", "team=new"], ["--metadata", "seen=1"]], ids=lambda w: w[0]
)
async def test_killed_again_and_again_nothing_is_lost_and_each_object_is_written_once(
    project: Project, words: list[str]
) -> None:
    project.keep_versions()
    for number in range(30):
        project.put(f"{number:02}", b"card %d" % number, **CARRIED)
    project.put_parts("parts", **CARRIED)
    before = {key: project.found(key) for key in project.versions()}
    draw = random.Random(words[0])
    kills = [f"{kind}:{draw.randrange(20, 90)}:9" for kind in ("request-after", "request-before", "commit-before")]
    codes = [killed(project, moment, *words, "--concurrency", "4", "--assume", "aws") for moment in kills]
    assert -9 in codes  # it was
    assert killed(project, "never:0:0", *words, "--assume", "aws") == 0
    after = {key: project.found(key) for key in before}
    for key, found in before.items():
        wanted = dict(found)
        if words[0] == "--storage-class":
            wanted["StorageClass"] = "GLACIER_IR"
        elif words[0] == "--tags":
            wanted["Tags"] = {**found["Tags"], "team": "new"}
        else:
            wanted["Metadata"] = {**found["Metadata"], "seen": "1"}
        assert after[key] == wanted, key
    written = project.versions()
    assert set(written) == set(before)
    if words[0] == "--tags":
        assert set(written.values()) == {1}
    else:  # what was in flight when it was killed had landed, or had not: it is looked at, and not written again
        assert set(written.values()) == {2}
    assert not project.s3.list_multipart_uploads(Bucket=project.bucket).get("Uploads")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Sandbox]:
    with start_sandbox(SandboxSettings()) as sandbox:
        yield sandbox


FAULTS = {
    "answers that are lost": [
        FaultRule(kind, operation, probability=0.2)
        for kind in ("reset-served", "200-empty")
        for operation in ("CopyObject", "CompleteMultipartUpload", "PutObjectTagging")
    ],
    "requests that never arrive": [FaultRule("reset-unserved", "*", probability=0.15)],
    "errors after it was done": [FaultRule("500", "CopyObject", probability=0.3, served=True)],
    "409 and 503": [FaultRule("409", "CopyObject", probability=0.2), FaultRule("503", "*", probability=0.2)],
}


@pytest.mark.parametrize("name", FAULTS)
async def test_under_faults_it_ends_as_if_nothing_had_happened(
    name: str, faulty: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    endpoint = Endpoint("sandbox", faulty.url, faulty.access_key, faulty.secret_key, faulty.region)
    project = on(endpoint, tmp_path, monkeypatch)
    keys = [f"{number:02}" for number in range(40)]
    for key in keys:
        project.put(key, b"card " + key.encode(), **CARRIED)
    project.put_parts("parts", **CARRIED)
    before = {key: project.found(key) for key in [*keys, "parts"]}
    plan = Plan.setting(project.location, storage_class="STANDARD_IA", metadata={"seen": "1"}, tags={"team": "new"})
    options = replace(project.options(plan), assume="aws")
    scoped = [asdict(replace(rule, bucket=project.bucket)) for rule in FAULTS[name]]
    faulty.control("settings", {"faults": scoped, "seed": 7})
    try:
        with contextlib.suppress(EngineError):  # it may say that it cannot go on
            await migrate(plan, options)
        assert sum(faulty.control("stats")["faults"].values()), "no fault was met: this proves nothing"
    finally:
        faulty.control("settings", {"faults": []})
    for _ in range(3):
        if (await migrate(plan, options)).complete:
            break
    wanted = {
        key: {
            **found,
            "StorageClass": "STANDARD_IA",
            "Metadata": {"card": "25", "seen": "1"},
            "Tags": {"team": "new", "set": "base"},
        }
        for key, found in before.items()
    }
    assert {key: project.found(key) for key in before} == wanted
    assert (await verify(plan, options, properties=True)).agrees
    assert not project.s3.list_multipart_uploads(Bucket=project.bucket).get("Uploads")


async def test_what_was_restored_can_be_set(faulty: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("sandbox", faulty.url, faulty.access_key, faulty.secret_key, faulty.region)
    project = on(endpoint, tmp_path, monkeypatch)
    project.put("cold", StorageClass="DEEP_ARCHIVE", Metadata={"card": "25"})
    plan = Plan.setting(project.location, storage_class="STANDARD")
    assert (await migrate(plan, project.options(plan))).aside == {State.ARCHIVED: 1}
    faulty.control("account", {"restore_delay_s": 0})
    restore = {"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}
    project.s3.restore_object(Bucket=project.bucket, Key="p/cold", RestoreRequest=restore)
    assert (await migrate(plan, project.options(plan))).complete
    found = project.found("cold")
    assert (found["StorageClass"], found["Metadata"]) == ("STANDARD", {"card": "25"})
