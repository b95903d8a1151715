"""A server that says again whatever checksum it is sent, under KMS, where no ETag is a digest: what it did to the bytes
is no proven copy, and reading them tells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.api.cleanup import cleanup
from engine.api.consent import Consent
from engine.api.options import Options
from engine.api.run import migrate
from engine.api.verify import verify
from engine.errors import GateClosed
from engine.events import Notice
from engine.ledger import LedgerReader
from engine.model import Proof
from engine.plan.document import Plan
from engine.proof.depth import parse_depth
from engine.sandbox import SandboxSettings
from tests.servers import start_sandbox_endpoint

BUCKET = "echoing"


@pytest.fixture(params=[True, False], ids=["echoes", "compares"])
def echoes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    with start_sandbox_endpoint(SandboxSettings(echoes_checksums=request.param)) as endpoint:
        for name, value in endpoint.env().items():
            monkeypatch.setenv(name, value)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
        endpoint.emptied(BUCKET).put_bucket_encryption(
            Bucket=BUCKET, ServerSideEncryptionConfiguration={"Rules": [rule]}
        )
        yield request.param


async def proof(ledger: Path) -> Proof:
    async with await LedgerReader.open_to_read(ledger) as reader:
        [row] = [row async for batch in reader.records() for row in batch]
    return row.proof


async def test_what_it_says_again_opens_no_gate(echoes: bool, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "k").write_bytes(b"a card")
    ledger, heard = tmp_path / "up.ledger", list[Any]()
    options = Options(ledger=ledger, listener=heard.append)
    plan = Plan.of(f"{tmp_path}/data/", f"s3://{BUCKET}/p/", name="up", folder=tmp_path)
    assert (await migrate(plan, options)).complete
    said = [event.message for event in heard if isinstance(event, Notice) and "a wrong checksum" in event.message]
    assert len(said) == echoes
    wanted = Proof.SIZE if echoes else Proof.DIGEST
    assert await proof(ledger) is wanted
    assert (await verify(plan, options)).agrees
    assert await proof(ledger) is wanted
    if echoes:
        with pytest.raises(GateClosed, match="less than digest"):
            await cleanup(plan, options, consent=Consent(), delete=True)
    assert (tmp_path / "data" / "k").exists()
    assert (await verify(plan, options, depth=parse_depth("below-digest"))).agrees is not echoes
