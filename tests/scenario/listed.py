"""A bucket of odd keys, and lists of them: what the tests of key lists and of inventories act in."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

from engine.api.cleanup import cleanup
from engine.api.options import Options
from engine.plan.document import Plan
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
            where = (self.bucket, quote_plus(f"src/{key}", safe="/"))
            values = (*where, head["ContentLength"], modified, etag, head.get("StorageClass", "STANDARD"))
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

    def inventoried(self, *keys: str, columns: str = "Size, LastModifiedDate, ETag") -> Plan:
        """A plan over an inventory of these keys as they are, written anew; these columns of it are named."""
        data = self.inventory(list(keys))
        manifest = self.manifest(data).replace("Size, LastModifiedDate, ETag", columns)
        (self.folder / "manifest.json").write_text(manifest)
        (self.folder / "1.csv.gz").write_bytes(data)
        return self.plan(inventory=str(self.folder / "manifest.json"), hold=0)

    def copied(self, under: str = "dst/") -> list[str]:
        found = self.client.list_objects_v2(Bucket=self.bucket, Prefix=under).get("Contents", [])
        return sorted(item["Key"].removeprefix(under) for item in found)

    def listed(self, *keys: str) -> Plan:
        """A plan over a list of these keys, written anew."""
        (self.folder / "keys.txt").write_text("\n".join(f"src/{key}" for key in keys), encoding="utf-8")
        return self.plan(keys=str(self.folder / "keys.txt"), hold=0)

    def routes(self, text: str) -> Plan:
        return Plan.parse(f'name = "l"\nbucket = "{self.bucket}"\n{text}', str(self.folder / "l.toml"))

    def forget_lists(self) -> None:
        """Make the ledger one of the time before it was bound to what a list says."""
        with closing(sqlite3.connect(self.folder / "l.ledger")) as ledger, ledger:
            ledger.execute("UPDATE meta SET value = json_remove(value, '$.lists') WHERE key = 'binding'")

    async def gate(self, plan: Plan) -> dict[str, tuple[bool, str]]:
        return {item.name: (item.open, item.sentence) for item in (await cleanup(plan, self.options)).reasons}
