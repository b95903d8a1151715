"""A list of keys, or an S3 Inventory, in place of the source's listing: copied is what is on it, and no more."""

from __future__ import annotations

import gzip
import hashlib
import json
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from engine.api.assembly import Options
from engine.api.finishing import cleanup
from engine.api.running import look, migrate
from engine.api.verifying import verify
from engine.errors import PlanError, UsageError
from engine.plan.document import Plan
from engine.proof.judge import Kind
from tests.servers import Endpoint

KEYS = ["a", "b b", "c+c", "d%2Fd", "ピカ", "e\u0301", "z/z"]


class Scene:
    """A bucket of odd keys, half of which are on the list, and one plan over it."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self.endpoint = endpoint
        self.client = endpoint.client()
        self.bucket = f"lists-{uuid.uuid4().hex[:8]}"
        where = {"LocationConstraint": endpoint.region}
        self.client.create_bucket(Bucket=self.bucket, CreateBucketConfiguration=where)
        for key in KEYS:
            self.client.put_object(Bucket=self.bucket, Key=f"src/{key}", Body=key.encode())
        self.folder = folder
        self.options = Options(ledger=folder / "l.ledger", endpoint_url=endpoint.url)

    def plan(self, **rules: Any) -> Plan:
        return Plan.of(f"s3://{self.bucket}/src/", f"s3://{self.bucket}/dst/", name="l", **rules)

    def inventory(self, keys: list[str], *, stale: str = "") -> bytes:
        """The bytes of one data file; `stale` is the ETag that it has of the first key."""
        lines = []
        for key in keys:
            head = self.client.head_object(Bucket=self.bucket, Key=f"src/{key}")
            etag = stale if stale and key == keys[0] else head["ETag"].strip('"')
            modified = head["LastModified"].strftime("%Y-%m-%dT%H:%M:%S.000Z")
            values = (self.bucket, quote_plus(f"src/{key}", safe="/"), head["ContentLength"], modified, etag)
            lines.append(",".join(f'"{value}"' for value in values))
        return gzip.compress("\n".join(lines).encode())

    def manifest(self, data: bytes, key: str = "inv/data/1.csv.gz") -> str:
        return json.dumps(
            {
                "sourceBucket": self.bucket,
                "destinationBucket": f"arn:aws:s3:::{self.bucket}",
                "fileFormat": "CSV",
                "fileSchema": "Bucket, Key, Size, LastModifiedDate, ETag",
                "files": [{"key": key, "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}],
            }
        )

    def copied(self) -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix="dst/").get("Contents", [])
        return sorted(item["Key"].removeprefix("dst/") for item in found)


@pytest.fixture
def scene(sandbox: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    for name, value in sandbox.env().items():
        monkeypatch.setenv(name, value)
    return Scene(sandbox, tmp_path)


async def test_a_list_of_keys_in_any_order_is_what_is_copied_and_verified(scene: Scene) -> None:
    chosen = ["z/z", "ピカ", "c+c", "d%2Fd", "a", "e\u0301"]
    (scene.folder / "keys.txt").write_text("\n".join(f"src/{key}" for key in chosen), encoding="utf-8")
    plan = scene.plan(keys=str(scene.folder / "keys.txt"))
    result = await migrate(plan, scene.options)
    assert result.complete and result.copied == len(chosen)
    assert scene.copied() == sorted(chosen)
    report = await verify(plan, scene.options)
    assert report.agrees and report.routes[0].objects == len(chosen)
    assert (await migrate(plan, scene.options)).copied == 0


async def test_a_list_may_lie_in_s3_and_is_filtered_like_a_listing(scene: Scene) -> None:
    body = "\n".join(f"src/{key}" for key in KEYS).encode()
    scene.client.put_object(Bucket=scene.bucket, Key="keys.txt", Body=body)
    plan = scene.plan(keys=f"s3://{scene.bucket}/keys.txt", exclude=["*%*", "z/*"])
    assert (await migrate(plan, scene.options)).copied == len(KEYS) - 2
    assert "d%2Fd" not in scene.copied()


async def test_keys_that_are_not_there_are_named_and_the_others_are_copied(scene: Scene) -> None:
    (scene.folder / "keys.txt").write_text("src/a\nsrc/nowhere\nsrc/z/z\n")
    plan = scene.plan(keys=str(scene.folder / "keys.txt"))
    with pytest.raises(PlanError, match='there is no object "src/nowhere"'):
        await look(plan, scene.options)
    with pytest.raises(PlanError, match='there is no object "src/nowhere"'):
        await migrate(plan, scene.options)
    assert scene.copied() == ["a", "z/z"]
    # A source that is gone because its copy is done is no mistake of the list.
    (scene.folder / "keys.txt").write_text("src/a\nsrc/z/z\n")
    scene.client.delete_object(Bucket=scene.bucket, Key="src/a")
    assert (await migrate(plan, scene.options)).complete


@pytest.mark.parametrize("where", ["s3", "local", "local manifest"])
async def test_an_inventory_stands_for_the_listing_and_costs_no_head(scene: Scene, where: str) -> None:
    chosen = [key for key in KEYS if key != "a"]
    data = scene.inventory(chosen)
    manifest = scene.manifest(data)
    if where != "local":
        scene.client.put_object(Bucket=scene.bucket, Key="inv/data/1.csv.gz", Body=data)
    if where == "s3":
        scene.client.put_object(Bucket=scene.bucket, Key="inv/manifest.json", Body=manifest.encode())
        plan = scene.plan(inventory=f"s3://{scene.bucket}/inv/manifest.json")
    else:
        (scene.folder / "manifest.json").write_text(manifest)
        (scene.folder / "1.csv.gz").write_bytes(data if where == "local" else b"")
        if where == "local manifest":
            (scene.folder / "1.csv.gz").unlink()
        plan = scene.plan(inventory=str(scene.folder / "manifest.json"))
    result = await migrate(plan, scene.options)
    assert result.complete and scene.copied() == sorted(chosen)
    report = await verify(plan, scene.options)
    assert report.agrees and report.routes[0].by_proof.keys() == {2}


async def test_an_object_that_changed_since_its_inventory_is_drifted_not_copied(scene: Scene) -> None:
    data = scene.inventory(["a", "z/z"], stale="0" * 32)
    (scene.folder / "manifest.json").write_text(scene.manifest(data))
    (scene.folder / "1.csv.gz").write_bytes(data)
    result = await migrate(scene.plan(inventory=str(scene.folder / "manifest.json")), scene.options)
    assert {state.value: count for state, count in result.aside.items()} == {"drifted": 1}
    assert scene.copied() == ["z/z"]


async def test_a_list_that_is_not_there_says_so(scene: Scene) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        await migrate(scene.plan(keys=str(scene.folder / "no.txt")), scene.options)


async def test_a_source_that_changed_after_its_inventory_is_not_called_verified_nor_unchanged(scene: Scene) -> None:
    data = scene.inventory([key for key in KEYS if key != "b b"])
    (scene.folder / "manifest.json").write_text(scene.manifest(data))
    (scene.folder / "1.csv.gz").write_bytes(data)
    plan = scene.plan(inventory=str(scene.folder / "manifest.json"))
    assert (await migrate(plan, scene.options)).complete
    assert (await verify(plan, scene.options)).agrees
    scene.client.put_object(Bucket=scene.bucket, Key="src/a", Body=b"changed")
    gate = {reason.name: reason for reason in (await cleanup(plan, scene.options)).reasons}
    assert (gate["audit"].open, gate["audit"].sentence[:31]) == (False, "1 source changed since the copy")
    report = await verify(plan, scene.options)
    assert [(item.key, item.kind) for item in report.differences] == [("a", Kind.DRIFTED)]


async def test_a_source_that_grew_out_of_the_routes_filter_is_not_called_verified(scene: Scene) -> None:
    plan = scene.plan(max_size=5)
    assert (await migrate(plan, scene.options)).complete
    scene.client.put_object(Bucket=scene.bucket, Key="src/a", Body=b"longer than the route takes")
    report = await verify(plan, scene.options)
    assert [(item.key, item.kind) for item in report.differences] == [("a", Kind.DRIFTED)]
