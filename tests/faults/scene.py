"""The reference migration's shape, reduced, in a bucket of its own: what every fault and every kill is tried on.

216 of its images, its reference database and its 5.6 GB model as they are, two objects cut by another tool, and keys
that break things. Made by the sandbox's own hand, not the engine's.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from engine.api.load import load_plan
from engine.api.options import Options
from engine.plan.document import Plan
from engine.sandbox.launch import Sandbox
from engine.sites.options import StoreKind

PREFIX = "project/pokemon-card-recognition/"
SCALE = 0.004
SPECIAL_KEYS = (
    "a b+c%20d",
    "100%",
    "x?versionId=null",
    "a//b/../c",
    "/lead",
    "🃏/ピカチュウ.png",
    "line\nbreak",
    "control\x01\x1f",
    "<Key>&amp;</Key>",
    "=HYPERLINK(1)",
    "é" * 480,
    "",
)

ROUTES = {
    "calibration": ("data/calibration/", "models/efficientnet-hailo/calibration/"),
    "raw": ("data/raw/", "data/raw/"),
    "processed": ("data/processed/", "data/processed/"),
    "reference": ("data/reference/", "data/reference/"),
    "teacher": ("training-output/dinov3-teacher/model.tar.gz", "models/dinov3-teacher/v1.0/model.tar.gz"),
    "odd": ("odd/", "odd/"),
}


class Stored(NamedTuple):
    """One object as the sandbox holds it. `content` is the MD5 of its bytes, whatever its ETag says."""

    etag: str
    size: int
    content: str


Held = dict[str, Stored]


@dataclass
class Scene:
    """One bucket, its plan and its ledger, `without` some of its routes. `before` is what the bucket held at first. The
    bucket is named after `name`, or the folder."""

    sandbox: Sandbox
    folder: Path
    scale: float = SCALE
    legacy: bool = False
    without: frozenset[str] = frozenset()
    name: str = ""
    bucket: str = ""

    def __post_init__(self) -> None:
        # Faults are drawn from bucket and key: a seed replays where the bucket has the same name.
        digest = hashlib.md5((self.name or str(self.folder)).encode(), usedforsecurity=False).hexdigest()
        self.bucket = f"cards-{digest[:12]}"
        self.sandbox.control("reference", {"bucket": self.bucket, "scale": self.scale, "legacy_checksums": self.legacy})
        self.sandbox.control("bucket", {"name": self.bucket, "legacy_checksums": self.legacy})
        for number, key in enumerate(SPECIAL_KEYS):
            self.sandbox.control("put", {"bucket": self.bucket, "key": f"odd/{key}", "text": f"odd {number}"})
        self.folder.mkdir(parents=True, exist_ok=True)
        self.plan_path = self.folder / "moving.toml"
        lines = ['name = "moving"', f'bucket = "{self.bucket}"', f'prefix = "{PREFIX}"', ""]
        self.routes = {name: ends for name, ends in ROUTES.items() if name not in self.without}
        for name, (source, target) in self.routes.items():
            lines += ["[[routes]]", f'name = "{name}"', f'from = "/{source}"', f'to = "{target}"', ""]
        lines += ["[cleanup]", 'hold = "0s"', 'proof = "size"', ""]
        self.plan_path.write_text("\n".join(lines))
        self.ledger = self.folder / "moving.ledger"
        self.before = self.held()
        self.wanted = self.mapped(self.before)

    @property
    def plan(self) -> Plan:
        return load_plan(self.plan_path)

    def options(self, *, store: StoreKind = "wire", **more: Any) -> Options:
        return Options(endpoint_url=self.sandbox.url, region=self.sandbox.region, store=store, **more)

    def env(self) -> dict[str, str]:
        """The environment for a command of its own: this endpoint, and nothing of the machine's."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | credentials(self.sandbox)

    def held(self) -> Held:
        """Everything in the bucket now."""
        found = self.sandbox.control("dump", {"bucket": self.bucket, "contents": True})["objects"]
        return {key: Stored(*rest) for key, *rest in found}

    def mapped(self, held: Held) -> dict[str, str]:
        """Target key of each source key, by the routes' own rule written down a second time."""
        found = {}
        for source, target in self.routes.values():
            for key in held:
                if key == source or (source.endswith("/") and key.startswith(source)):
                    found[key] = PREFIX + target + key[len(source) :]
        return found

    def uploads(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.sandbox.control("uploads", {"bucket": self.bucket})["uploads"]
        return found

    def rows(self) -> dict[str, dict[str, Any]]:
        """The ledger's rows by source key, read past the engine."""
        with snapshot(self.ledger) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                "SELECT routes.name AS route_name, objects.* FROM objects JOIN routes ON routes.id = objects.route"
            ).fetchall()
        return {ROUTES[row["route_name"]][0] + row["key"]: dict(row) for row in rows}

    def keep(self) -> None:
        """Remember how everything stands, for `again`: it is made once, however often it is begun from."""
        self.sandbox.control("keep", {"bucket": self.bucket})

    def again(self, folder: Path) -> Scene:
        """All as it was when it was kept: the bucket, and in another folder the plan and its ledger. What the scene
        itself holds in its folder must not have changed since."""
        self.sandbox.control("put_back", {"bucket": self.bucket})
        shutil.copytree(self.folder, folder)
        found = copy(self)
        found.folder, found.plan_path, found.ledger = folder, folder / self.plan_path.name, folder / self.ledger.name
        return found

    def calm(self) -> None:
        """Faults off."""
        self.sandbox.control("settings", {"faults": []})

    def repeated_writes(self) -> dict[str, int]:
        found = self.sandbox.control("writes", {"bucket": self.bucket})["repeated"]
        return {name.removeprefix(f"{self.bucket}/"): count for name, count in found.items()}


@contextmanager
def snapshot(ledger: Path) -> Iterator[sqlite3.Connection]:
    """A copy of a ledger as a kill left it: whoever opens the file itself puts its -wal in order."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / ledger.name
        for ending in ("", "-wal"):
            source = ledger.with_name(ledger.name + ending)
            if source.exists():
                shutil.copy(source, copy.with_name(copy.name + ending))
        with closing(sqlite3.connect(copy)) as connection:
            yield connection


def credentials(sandbox: Sandbox) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": sandbox.url,
        "AWS_ACCESS_KEY_ID": sandbox.access_key,
        "AWS_SECRET_ACCESS_KEY": sandbox.secret_key,
        "AWS_REGION": sandbox.region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
