"""Objects from one endpoint to another: every kind, its bytes and what it carries, proven by both servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.plan.record import ObjectRecord
from engine.sandbox import start_sandbox
from tests.scenario.kinds import COMPOSITE, MIB, ODD, UNIFORM, empty, parts, plain
from tests.servers import Endpoint, start_sandbox_endpoint

BUCKET = "relayed"


@pytest.fixture(scope="module")
def far() -> Iterator[Endpoint]:
    with start_sandbox_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(autouse=True)
def clients(sandbox: Endpoint, far: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: Any) -> Any:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    keys_of_far = tmp_path_factory.mktemp("aws") / "credentials"
    keys_of_far.write_text(f"[far]\naws_access_key_id = {far.access_key}\naws_secret_access_key = {far.secret_key}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys_of_far))
    return [endpoint.emptied(BUCKET) for endpoint in (sandbox, far)]


def plan_of(folder: Path, far: Endpoint, target: str = BUCKET, rules: str = "") -> Plan:
    text = f"""
name = "relay"
[sites.far]
endpoint_url = "{far.url}"
region = "{far.region}"
profile = "far"
[[routes]]
name = "r"
from = "s3://{BUCKET}/old/"
to = "s3://{target}/new/"
to_site = "far"
{rules}
"""
    return Plan.parse(text, str(folder / "relay.toml"))


async def rows(folder: Path) -> dict[str, ObjectRecord]:
    async with await LedgerReader.open_to_read(folder / "relay.ledger") as ledger:
        return {row.key: row async for batch in ledger.records() for row in batch}


async def test_every_kind_arrives_with_its_bytes_and_what_it_carries_and_is_proven(
    clients: Any, far: Endpoint, tmp_path: Path
) -> None:
    near, there = clients
    carries = {"ContentType": "x/y", "Metadata": {"a": "b"}, "Tagging": "t=1"}
    kinds = {
        "plain": plain(**carries),
        "empty": empty,
        "summed": plain(ChecksumAlgorithm="SHA256"),
        "uniform": parts(*UNIFORM),
        "odd": parts(*ODD),
        "composite": parts(*UNIFORM, **COMPOSITE),
        "crc of the whole": parts(9 * MIB, 9 * MIB, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"),
        "large parts": parts(40 * MIB, 7),
    }
    for name, make in kinds.items():
        make(near, BUCKET, f"old/{name}")
    result = await migrate(plan_of(tmp_path, far), Options())
    assert (result.copied, result.aside, result.complete) == (len(kinds), {}, True)
    for name in kinds:
        one, other = (
            client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            for client, key in ((near, f"old/{name}"), (there, f"new/{name}"))
        )
        assert one == other
    assert {key: row.proof for key, row in (await rows(tmp_path)).items()} == dict.fromkeys(kinds, Proof.DIGEST)
    head = there.head_object(Bucket=BUCKET, Key="new/plain")
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"a": "b"})
    assert there.get_object_tagging(Bucket=BUCKET, Key="new/plain")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert (await verify(plan_of(tmp_path, far), Options(), properties=True)).agrees
    again = await migrate(plan_of(tmp_path, far), Options())
    assert (again.copied, again.complete) == (0, True)


async def test_what_is_locked_arrives_with_the_digest_that_s3_asks_for(
    far: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one piece, in parts that are longer than a buffer, and where the ETag is no MD5; of older objects, which have
    no checksum."""
    locked, s3 = "locked", far.client()
    s3.create_bucket(
        Bucket=locked, CreateBucketConfiguration={"LocationConstraint": far.region}, ObjectLockEnabledForBucket=True
    )
    with start_sandbox() as near:
        near.control("bucket", {"name": BUCKET, "legacy_checksums": True})
        for name in ("AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, Endpoint.of(near).env()[name])
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        client = Endpoint.of(near).client()
        client.put_object(Bucket=BUCKET, Key="old/one piece", Body=b"card" * (9 * MIB // 4))
        client.put_object(Bucket=BUCKET, Key="old/kms", Body=b"card" * (9 * MIB // 4), ServerSideEncryption="aws:kms")
        parts(40 * MIB, 34 * MIB, 7)(client, BUCKET, "old/large parts")
        plan = plan_of(tmp_path, far, locked, "properties = { lock = { legal_hold = true } }")
        result = await migrate(plan, Options())
        assert (result.copied, result.aside) == (3, {}), [row.message for row in (await rows(tmp_path)).values()]
    for name in ("one piece", "kms", "large parts"):
        assert s3.head_object(Bucket=locked, Key=f"new/{name}")["ObjectLockLegalHoldStatus"] == "ON"
    proofs = {key: row.proof for key, row in (await rows(tmp_path)).items()}
    assert proofs == {"one piece": Proof.DIGEST, "large parts": Proof.DIGEST, "kms": Proof.SIZE}
