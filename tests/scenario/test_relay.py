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


def plan_of(folder: Path, far: Endpoint) -> Plan:
    text = f"""
name = "relay"
[sites.far]
endpoint_url = "{far.url}"
region = "{far.region}"
profile = "far"
[[routes]]
name = "r"
from = "s3://{BUCKET}/old/"
to = "s3://{BUCKET}/new/"
to_site = "far"
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
