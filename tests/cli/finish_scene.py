"""A small reference migration on a server: its bucket, its plan, and the command line to play it with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import cli
from tests.servers import Endpoint

PREFIX = "project/pokemon-card-recognition/"
IMAGES = {f"data/raw/card_images/base1-{number}.png": b"image %d" % number for number in range(5)}
MANIFEST = """{
  "project": {
    "name": "cards", "version": "1.4.0",
    "data": {
      "raw": {"path": "s3://BUCKET/data/raw/", "size_mb": 0.1, "num_files": 17592, "description": "Cards"}
    },
    "threshold": 1.50
  }
}"""


@dataclass
class Scene:
    """`bucket` holds what is to be moved and what names it; `folder` the plan and a local folder."""

    endpoint: Endpoint
    folder: Path
    bucket: str = field(default_factory=lambda: f"cards-{uuid.uuid4().hex[:12]}")

    def __post_init__(self) -> None:
        self.s3 = self.endpoint.client()
        self.s3.create_bucket(
            Bucket=self.bucket,
            **(
                {}
                if self.endpoint.region == "us-east-1" or self.endpoint.name == "rgw"
                else {"CreateBucketConfiguration": {"LocationConstraint": self.endpoint.region}}
            ),
        )
        for key, body in IMAGES.items():
            self.put(key, body)
        self.put("data/reference/index.json", json.dumps({"0": f"s3://{self.bucket}/data/raw/card_images/"}).encode())
        self.put(f"{PREFIX}README.md", f"See s3://{self.bucket}/data/raw/ and data/raw/.\r\n".encode())
        self.put(f"{PREFIX}pipelines/a.py", f'BUCKET = "{self.bucket}"\nPREFIX = "data/raw/"\n'.encode())
        self.put(f"{PREFIX}metadata/manifest.json", MANIFEST.replace("BUCKET", self.bucket).encode())
        (self.folder / "notebooks").mkdir()
        (self.folder / "notebooks" / "a.ipynb").write_text(
            json.dumps({"cells": [{"source": [f'root = "s3://{self.bucket}/data/raw/"\n']}], "nbformat": 4}, indent=1)
        )
        self.plan = self.folder / "plan.toml"
        self.plan.write_text(
            f"""name = "cards"
bucket = "{self.bucket}"
prefix = "{PREFIX}"
[[routes]]
name = "raw"
from = "/data/raw/"
to = "data/raw/"
[[routes]]
name = "reference"
from = "/data/reference/"
to = "data/reference/"
[manifest]
object = "metadata/manifest.json"
set = {{ "project.version" = "2.0.0" }}
datasets = [
  {{ at = "project.data.raw", route = "raw" }},
  {{ at = "project.data.reference", route = "reference", description = "Index" }},
]
[references]
scan = ["pipelines/", "README.md", "./notebooks/"]
exclude = ["*.bak"]
"""
        )

    def put(self, key: str, body: bytes, **more: Any) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **more)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def cartage(self, *arguments: str, code: int = 0) -> Result:
        """Run a command on the plan; it must end with `code`."""
        verb, *rest = arguments
        result = CliRunner().invoke(cli, [verb, str(self.plan), *rest], env=self.endpoint.env())
        assert result.exit_code == code, (result.exit_code, result.output, result.exception)
        return result

    def cartage_at(self, *arguments: str) -> str:
        """What a command says that takes no plan."""
        result = CliRunner().invoke(cli, list(arguments), env=self.endpoint.env())
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    def summary(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The last line of a command's `--json`."""
        lines = self.cartage(*arguments, "--json", code=code).stdout.splitlines()
        found: dict[str, Any] = json.loads(lines[-1])
        assert found["event"] == "summary"
        return found

    @contextmanager
    def environment(self) -> Iterator[None]:
        """For calls from Python: the environment that commands have."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.endpoint.env().items():
                patch.setenv(name, value)
            yield

    def moved(self) -> Scene:
        """Everything copied and verified."""
        self.cartage("run", "--yes")
        self.cartage("verify")
        return self
