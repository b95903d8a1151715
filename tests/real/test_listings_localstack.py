"""LocalStack loses special keys from the second page of an encoded listing on; a run finds that out and lists it so
that none is lost, on either plane.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.api.assembly import Options, StoreKind
from engine.api.running import migrate
from engine.api.verifying import verify
from engine.events import Notice
from engine.plan.document import Plan
from tests.servers import Endpoint

pytestmark = pytest.mark.real

KEYS = [f"{number:04}.png" for number in range(1_050)] + [f"~ é{number:03}+%#?&<.png" for number in range(30)]


@pytest.mark.parametrize("plane", ["wire", "boto"])
async def test_no_key_is_lost_on_the_second_page(
    localstack: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plane: StoreKind
) -> None:
    for name, value in localstack.env().items():
        monkeypatch.setenv(name, value)
    client, bucket = localstack.client(), f"pages-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: client.put_object(Bucket=bucket, Key=f"old/{key}", Body=key.encode()), KEYS))
    plan = Plan.of(f"s3://{bucket}/old/", f"s3://{bucket}/new/", name="pages")
    heard: list[Any] = []
    options = Options(
        ledger=tmp_path / "l.ledger", endpoint_url=localstack.url, store=plane, concurrency=16, listener=heard.append
    )
    result = await migrate(plan, options)
    assert (result.complete, result.copied) == (True, len(KEYS))
    assert any(isinstance(item, Notice) and "special keys" in item.message for item in heard)
    report = await verify(plan, options)
    assert report.agrees and report.routes[0].verified == len(KEYS)
