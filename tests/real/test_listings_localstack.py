"""LocalStack loses special keys from the second page of an encoded listing on; a run finds that out and lists it so
that none is lost, on either plane.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.api.delete import delete
from engine.api.fingerprint import fingerprint
from engine.api.ls import ls
from engine.api.options import Options
from engine.api.rewrite import rewrite
from engine.api.run import migrate
from engine.api.verify import verify
from engine.events import Notice
from engine.plan.document import Plan
from engine.plan.locations import parse_location
from engine.sites.options import StoreKind
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


DOCS = [f"docs/{number:04}.txt" for number in range(1_010)] + [f"docs/é{number:02} &+.txt" for number in range(20)]


async def test_nor_by_the_commands_that_have_no_notes_nor_by_rewrite(
    localstack: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in localstack.env().items():
        monkeypatch.setenv(name, value)
    client, bucket = localstack.client(), f"pages-{uuid.uuid4().hex[:8]}"
    client.create_bucket(Bucket=bucket)
    client.put_object(Bucket=bucket, Key="old/a.png", Body=b"image")
    body = f"see s3://{bucket}/old/a.png\n".encode()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda key: client.put_object(Bucket=bucket, Key=key, Body=body), DOCS))
    (tmp_path / "files" / "docs").mkdir(parents=True)
    for key in DOCS:
        (tmp_path / "files" / key).write_bytes(body)
    docs, heard = parse_location(f"s3://{bucket}/docs/"), list[Any]()
    options = Options(endpoint_url=localstack.url, listener=heard.append)

    total = await ls(docs, options, tell=heard.append, sums=True)
    assert total is not None and total.total.objects == len(DOCS)
    here = str(await fingerprint(docs, options))
    assert here == await fingerprint(tmp_path / "files" / "docs", options)
    doomed = await delete(docs, replace(options, ledger=tmp_path / "docs.deletion"))
    assert doomed.summary.total.objects == len(DOCS)
    assert {item.code for item in heard if isinstance(item, Notice)} == {"NotHonoured"}

    text = (
        f'name = "docs"\nbucket = "{bucket}"\n[[routes]]\nname = "all"\nfrom = "/old/"\nto = "/new/"\n'
        '[references]\nscan = ["/docs/"]\n'
    )
    plan = Plan.parse(text, source=str(tmp_path / "docs.toml"))
    await migrate(plan, options)
    found = await rewrite(plan, options)
    assert found.scan is not None and len(found.scan.files) == len(DOCS)
