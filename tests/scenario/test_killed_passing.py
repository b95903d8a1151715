"""Uploads and relays whose process is killed: given again they end whole and proven, and send again only what was under
way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.api.load import load_plan
from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.ledger import LedgerReader
from engine.model import MIB, Proof
from engine.sandbox import SandboxSettings, start_sandbox
from engine.sandbox.launch import Sandbox
from tests import forking
from tests.servers import REPOSITORY, Endpoint

BUCKET = "passes"
CONCURRENCY = 2
PARTS = 4
LARGE = bytes(range(256)) * (4 * 1024) * 26  # 26 MiB: three parts of 8 MiB, and one of 2


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Sandbox, Sandbox]]:
    with start_sandbox(SandboxSettings()) as near, start_sandbox(SandboxSettings()) as far:
        yield near, far


def client_of(sandbox: Sandbox) -> Any:
    return Endpoint.of(sandbox).client()


@pytest.fixture
def clients(servers: tuple[Sandbox, Sandbox], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    near, far = servers
    environment = Endpoint.of(near).env()
    keys = tmp_path / "credentials"
    keys.write_text(f"[far]\naws_access_key_id = {far.access_key}\naws_secret_access_key = {far.secret_key}\n")
    for name, value in (environment | {"AWS_SHARED_CREDENTIALS_FILE": str(keys)}).items():
        monkeypatch.setenv(name, value)
    found = []
    for sandbox in servers:
        client = client_of(sandbox)
        if BUCKET not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
            client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": sandbox.region})
        for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", ()):
            client.delete_object(Bucket=BUCKET, Key=item["Key"])
        sandbox.control("reset_stats")
        found.append(client)
    return found


BODIES = {"large": LARGE, **{f"small {number}": b"a card\n" * number for number in range(1, 6)}}


def prepared(kind: str, clients: Any, far: Sandbox, folder: Path) -> Path:
    """What there is to carry, and the plan that says so."""
    if kind == "upload":
        (folder / "data").mkdir()
        for name, body in BODIES.items():
            (folder / "data" / name).write_bytes(body)
    else:
        for name, body in BODIES.items():
            clients[0].put_object(Bucket=BUCKET, Key=f"old/{name}", Body=body, ChecksumAlgorithm="CRC32")
    source = "./data/" if kind == "upload" else f"s3://{BUCKET}/old/"
    plan = folder / "passing.toml"
    plan.write_text(
        f'name = "passing"\n[sites.far]\nendpoint_url = "{far.url}"\nregion = "{far.region}"\nprofile = "far"\n'
        f'[[routes]]\nname = "r"\nfrom = "{source}"\nto = "s3://{BUCKET}/new/"\nto_site = "far"\n'
    )
    return plan


def run(plan: Path, moment: str) -> tuple[int, str]:
    """`cartage run`, killed at this moment: its exit code, and what it said."""
    command = [sys.executable, "-m", "tests.faults.killing", "run", str(plan), "--yes", "--assume", "aws"]
    ended = forking.run(
        [*command, "--concurrency", str(CONCURRENCY)],
        env=os.environ | {"CARTAGE_TEST_KILL": moment},
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    return ended.returncode, ended.stderr.decode()


@pytest.mark.parametrize("kind", ["upload", "relay"])
@pytest.mark.parametrize("at", ["request-after:9", "request-before:12", "request-after:14", "commit-before:9"])
async def test_a_killed_run_is_gone_on_with_at_the_part(
    kind: str, at: str, servers: tuple[Sandbox, Sandbox], clients: Any, tmp_path: Path
) -> None:
    far = servers[1]
    plan = prepared(kind, clients, far, tmp_path)
    code, said = run(plan, f"{at}:{int(signal.SIGKILL)}")
    assert code == -signal.SIGKILL, said
    options = Options(assume="aws", concurrency=CONCURRENCY)
    assert (await migrate(load_plan(plan), options)).complete
    assert (await verify(load_plan(plan), options)).agrees
    for name, body in BODIES.items():
        assert clients[1].get_object(Bucket=BUCKET, Key=f"new/{name}")["Body"].read() == body
    assert "Uploads" not in clients[1].list_multipart_uploads(Bucket=BUCKET)
    async with await LedgerReader.open_to_read(tmp_path / "passing.ledger") as ledger:
        proofs = {row.key: (row.proof, row.compared) async for batch in ledger.records() for row in batch}
    assert {proof for proof, _ in proofs.values()} == {Proof.DIGEST}, proofs
    sent = far.control("stats")["operations"]["UploadPart"]["200"]
    assert PARTS <= sent <= PARTS + CONCURRENCY
    assert len(LARGE) == 26 * MIB
