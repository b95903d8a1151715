"""Files uploaded to servers that no one here wrote, and objects relayed there and back: every byte, and digests that
prove it, on one that keeps checksums (LocalStack) and one that does not (Ceph RADOS Gateway)."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.events import Notice
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.sites.options import StoreKind
from tests.scenario.kinds import COMPOSITE, MIB, ODD, UNIFORM, empty, parts, plain
from tests.servers import Endpoint

pytestmark = pytest.mark.real

SERVERS = ("localstack", "rgw")


async def proofs(ledger: Path) -> dict[str, Proof]:
    async with await LedgerReader.open_to_read(ledger) as reader:
        return {row.key: row.proof async for batch in reader.records() for row in batch}


def bucket_at(endpoint: Endpoint) -> tuple[Any, str]:
    client, bucket = endpoint.client(), f"passing-{uuid.uuid4().hex[:8]}"
    place = {} if endpoint.region == "us-east-1" else {"LocationConstraint": endpoint.region}
    client.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": place} if place else {}))
    return client, bucket


@pytest.mark.parametrize("plane", ["wire", "boto"])
@pytest.mark.parametrize("server", SERVERS)
async def test_files_arrive_with_every_byte_and_are_proven_by_digests(
    server: str, plane: StoreKind, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint: Endpoint = request.getfixturevalue(server)
    for name, value in endpoint.env().items():
        monkeypatch.setenv(name, value)
    client, bucket = bucket_at(endpoint)
    files = {"a.txt": b"a card", "empty": b"", "sub/ümlaut \n+.bin": os.urandom(100_000)}
    files |= {"large": os.urandom(20 * MIB + 5), "eight": os.urandom(8 * MIB)}
    data = tmp_path / "data"
    for name, body in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(body)
    (data / "bare").mkdir()
    plan = Plan.of(f"{data}/", f"s3://{bucket}/up/", name="up", folder=tmp_path)
    heard: list[Any] = []
    options = Options(ledger=tmp_path / "up.ledger", store=plane, listener=heard.append)
    result = await migrate(plan, options)
    assert (result.complete, result.copied) == (True, len(files) + 1)
    for name, body in files.items():
        assert client.get_object(Bucket=bucket, Key=f"up/{name}")["Body"].read() == body
    assert set((await proofs(tmp_path / "up.ledger")).values()) == {Proof.DIGEST}
    assert (await verify(plan, options, properties=True)).agrees
    told = [item.code for item in heard if isinstance(item, Notice)]
    assert told.count("ChecksumsUnknown") == (1 if server == "rgw" else 0)


@pytest.mark.parametrize("server", SERVERS)
async def test_objects_go_there_and_back_with_every_byte_and_what_they_carry(
    server: str,
    request: pytest.FixtureRequest,
    sandbox: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint: Endpoint = request.getfixturevalue(server)
    keys = tmp_path / "credentials"
    keys.write_text(f"[near]\naws_access_key_id = {sandbox.access_key}\naws_secret_access_key = {sandbox.secret_key}\n")
    for name, value in (endpoint.env() | {"AWS_SHARED_CREDENTIALS_FILE": str(keys)}).items():
        monkeypatch.setenv(name, value)
    _, bucket = bucket_at(endpoint)
    near, there = bucket_at(sandbox)
    kinds = {
        "plain": plain(ContentType="x/y", Metadata={"a": "b"}, Tagging="t=1"),
        "empty": empty,
        "summed": plain(ChecksumAlgorithm="SHA256"),
        "uniform": parts(*UNIFORM),
        "odd": parts(*ODD),
        "composite": parts(*UNIFORM, **COMPOSITE),
        "crc of the whole": parts(9 * MIB, 9 * MIB, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"),
        "large parts": parts(40 * MIB, 7),
    }
    for name, make in kinds.items():
        make(near, there, f"old/{name}")

    async def relay(name: str, source: str, target: str, side: str) -> None:
        text = f'name = "{name}"\n[sites.near]\nendpoint_url = "{sandbox.url}"\nregion = "{sandbox.region}"\n'
        text += f'profile = "near"\n[[routes]]\nname = "r"\nfrom = "{source}"\nto = "{target}"\n{side} = "near"\n'
        plan = Plan.parse(text, str(tmp_path / f"{name}.toml"))
        assert (await migrate(plan, Options())).copied == len(kinds)
        assert await proofs(tmp_path / f"{name}.ledger") == dict.fromkeys(kinds, Proof.DIGEST)
        assert (await verify(plan, Options(), properties=True)).agrees

    await relay("there", f"s3://{there}/old/", f"s3://{bucket}/new/", "from_site")
    await relay("back", f"s3://{bucket}/new/", f"s3://{there}/back/", "to_site")
    for name in kinds:
        one, other = (
            near.get_object(Bucket=there, Key=f"{prefix}/{name}")["Body"].read() for prefix in ("old", "back")
        )
        assert one == other
    assert near.head_object(Bucket=there, Key="back/plain")["Metadata"] == {"a": "b"}
