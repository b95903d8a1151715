"""The key torture suite: every odd key copied, listed, verified, exported and deleted through the command line.

What is on the servers is put there and looked at by boto3, not by the engine.
"""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import unicodedata
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tests import forking
from tests.cli.commands import MODULE
from tests.scenario.torture import KEYS, PREFIX_BYTES, TortureKey
from tests.servers import Endpoint

REAL = pytest.mark.real
# The slower store on the quick servers is left to the longer run by its time alone.
CASES = [
    ("sandbox", "wire"),
    pytest.param("sandbox", "boto", marks=REAL),
    ("moto", "wire"),
    pytest.param("moto", "boto", marks=REAL),
    pytest.param("localstack", "wire", marks=REAL),
    pytest.param("localstack", "boto", marks=REAL),
    pytest.param("rgw", "wire", marks=REAL),
    pytest.param("rgw", "boto", marks=REAL),
]
SOURCE, TARGET = "src/", "dst/"

WITHOUT: dict[str, dict[str, str]] = {
    "moto": {"cleanup": "it deletes whatever ETag is asked for, so that cleanup is tried where that is honoured"},
    "localstack": {"cleanup": "DeleteObject with If-Match answers 501"},
    "rgw": {"cleanup": "it ignores If-Match on a delete"},
}
"""What a server is not asked, and why."""

HONOURS_DELETE = {"sandbox"}
"""Servers that delete by ETag; the others are told to delete without."""

NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

WITHOUT_PARTS = {
    "rgw": "multipart loses the tags given at Create, and UploadPartCopy of a key with a percent sign aborts radosgw",
}
"""Servers on which nothing is copied by parts here, and why."""


class Stage:
    """One bucket on one server with every key that it takes, and `cartage` on a plan over it."""

    def __init__(self, endpoint: Endpoint, folder: Path, store: str) -> None:
        self.endpoint = endpoint
        self.folder = folder
        self.store = store
        self.client = endpoint.client()
        self.bucket = f"torture-{uuid.uuid4().hex[:8]}"
        self.client.create_bucket(
            Bucket=self.bucket,
            **({"CreateBucketConfiguration": {"LocationConstraint": endpoint.region}} if _located(endpoint) else {}),
        )
        self.keys = [item for item in KEYS if endpoint.name not in item.without]
        self.plan = folder / "plan.toml"
        self.plan.write_text(
            f'name = "torture"\nbucket = "{self.bucket}"\n'
            f'[[routes]]\nname = "r"\nfrom = "/{SOURCE}"\nto = "/{TARGET}"\n'
            '[cleanup]\nhold = "0s"\nproof = "bytes"\n'
        )

    def body(self, item: TortureKey) -> bytes:
        """Every object has its own bytes, so that no two can be mistaken; one in five has none."""
        number = KEYS.index(item)
        return b"" if number % 5 == 0 else f"{item.name} {number}".encode()

    def by_parts(self, item: TortureKey) -> bool:
        """One in three is uploaded by parts, so that its copy is by parts too; but no key that XML cannot carry, since
        the answer to CreateMultipartUpload names it."""
        suits = self.body(item) != b"" and not NOT_IN_XML.search(item.key)
        return KEYS.index(item) % 3 == 1 and suits and self.endpoint.name not in WITHOUT_PARTS

    def fill(self) -> None:
        for item in self.keys:
            place = {"Bucket": self.bucket, "Key": SOURCE + item.key}
            properties = {
                "ContentType": "text/x-torture",
                "CacheControl": "max-age=5",
                "Metadata": {"name": item.name},
                "Tagging": "suite=torture&name=" + item.name.replace(" ", "%20"),
            }
            if not self.by_parts(item):
                self.client.put_object(Body=self.body(item), **place, **properties)
                continue
            upload = {"UploadId": self.client.create_multipart_upload(**place, **properties)["UploadId"], **place}
            etag = self.client.upload_part(Body=self.body(item), PartNumber=1, **upload)["ETag"]
            self.client.complete_multipart_upload(
                MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]}, **upload
            )

    def cartage(self, *arguments: str, code: int = 0) -> str:
        done = forking.run(
            [*MODULE, *arguments],
            env=self.endpoint.clean_env(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return str(done.stdout)

    def summary(self, verb: str, *flags: str) -> dict[str, Any]:
        lines = self.cartage(verb, str(self.plan), "--json", "--store", self.store, *flags).splitlines()
        return dict(json.loads(lines[-1]))

    def listed(self, prefix: str) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return {item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])}


def _located(endpoint: Endpoint) -> bool:
    return endpoint.region != "us-east-1" and endpoint.name != "rgw"


@pytest.mark.parametrize(("server", "store"), CASES)
def test_every_key_arrives_is_verified_exported_and_deleted(
    request: pytest.FixtureRequest, tmp_path: Path, server: str, store: str
) -> None:
    endpoint: Endpoint = request.getfixturevalue(server)
    stage = Stage(endpoint, tmp_path, store)
    stage.fill()
    expected = {item.key for item in stage.keys}
    assert stage.listed(SOURCE) == expected

    run = stage.summary("run", "--yes")
    assert (run["copied"], run["aside"]) == (len(expected), {})
    assert stage.listed(TARGET) == expected
    for item in stage.keys:
        answer = stage.client.get_object(Bucket=stage.bucket, Key=TARGET + item.key)
        assert answer["Body"].read() == stage.body(item), item.name
        assert (answer["ContentType"], answer["CacheControl"]) == ("text/x-torture", "max-age=5"), item.name
        assert answer["Metadata"] == {"name": item.name}
        tags = stage.client.get_object_tagging(Bucket=stage.bucket, Key=TARGET + item.key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in tags} == {"suite": "torture", "name": item.name}

    verified = stage.summary("verify", "--deep", "--properties")
    route = verified["routes"]["r"]
    assert verified["agrees"] and route["proof"] == {"bytes": len(expected)}
    assert verified["properties_compared"] == verified["objects_read"] == len(expected)
    assert route["fingerprints"]["source"] == route["fingerprints"]["target"]
    lines = {
        stage.cartage("fingerprint", f"s3://{stage.bucket}/{prefix}", "--by", "bytes", "--store", store)
        for prefix in (SOURCE, TARGET)
    }
    assert len(lines) == 1

    _check_exports(stage, expected)
    if "cleanup" not in WITHOUT.get(endpoint.name, {}):
        cleaned = stage.summary("cleanup", "--delete", "--confirm", "torture")
        assert cleaned["exit_code"] == 0
        assert stage.listed(SOURCE) == set()
        assert stage.listed(TARGET) == expected

    target = f"s3://{stage.bucket}/{TARGET}"
    events = [json.loads(line) for line in stage.cartage("ls", target, "-r", "--json", "--store", store).splitlines()]
    assert {event["key"].removeprefix(TARGET) for event in events if "key" in event} == expected
    flags = [] if endpoint.name in HONOURS_DELETE else ["--unconditional"]
    stage.cartage("delete", target, "--confirm", target, "--store", store, *flags)
    assert stage.listed(TARGET) == set()
    # No key became the name of a file, not even "../../x".
    ours = ("plan.toml", "export.csv", "torture.ledger", f"delete-{stage.bucket}")
    assert [path for path in tmp_path.rglob("*") if not path.name.startswith(ours)] == []
    assert not (tmp_path.parent / "x").exists() and not (tmp_path.parents[1] / "x").exists()


def _check_exports(stage: Stage, expected: set[str]) -> None:
    ndjson = stage.cartage("export", str(stage.plan), "--format", "ndjson")
    assert {json.loads(line)["key"] for line in ndjson.splitlines()} == expected
    text = stage.folder / "export.csv"
    stage.cartage("export", str(stage.plan), "--output", str(text))
    rows = list(csv.DictReader(io.StringIO(text.read_bytes().decode(), newline="")))
    assert {unquote(row["key_percent"]) for row in rows} == expected
    assert not any(row["key"].startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for row in rows)
    # Not splitlines: keys hold characters that it takes for line ends.
    sums = stage.cartage("export", str(stage.plan), "--format", "checksums").rstrip("\n").split("\n")
    assert len(sums) == len(expected) and all(TARGET in line for line in sums)


def test_the_table_holds_what_it_promises() -> None:
    keys = [item.key for item in KEYS]
    assert len(set(keys)) == len(keys)
    assert {len(key.encode()) + PREFIX_BYTES for key in keys if len(key.encode()) > 1000} == {1024}
    folded = [unicodedata.normalize("NFC", key) for key in keys]
    assert len(set(folded)) == len(folded) - 1
    assert all(reason for item in KEYS for reason in item.without.values())
