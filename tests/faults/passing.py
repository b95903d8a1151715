"""Bytes that pass through this machine, killed on their way: `cartage cp` between a bucket and a local folder, in a
process of its own, again and again until it ends by itself.

After every kill what lies under a final name has its source's bytes, and so has whatever the ledger calls copied.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from engine.model import MIB
from engine.plan.own import MARK
from engine.sandbox.launch import Sandbox
from tests.faults import invariants
from tests.faults.amount import amount
from tests.faults.killing import KINDS, Moment
from tests.faults.processes import cartage
from tests.faults.scene import credentials, snapshot

CONCURRENCY = 8
SMALL, SMALL_BYTES = 150, 40_000
LARGE, LARGE_BYTES = 3, amount(20, 20, 60) * MIB + 12_345
COMMAND_S = 120.0

Contents = dict[str, str]
"""The MD5 of what lies at each key."""


@dataclass
class Passage:
    """`cp` of `source` into `target`, each a folder of this machine or a prefix of the sandbox's `bucket`."""

    sandbox: Sandbox
    bucket: str
    source: str
    target: str
    wanted: Contents
    folder: Path
    ends: list[int] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return self.folder / "passage.ledger"

    @property
    def bodies(self) -> Path:
        return self.folder / "bodies.txt"

    @property
    def counts(self) -> Path:
        return self.folder / "counts.json"

    async def run(self, moment: Moment | None = None) -> int:
        """Run the command, killed at `moment`. Gives its exit code, negative for a signal."""
        environment = {"CARTAGE_TEST_BODIES": str(self.bodies), "CARTAGE_TEST_COUNTS": str(self.counts)}
        if moment is not None:
            environment["CARTAGE_TEST_KILL"] = moment.text
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        code, said = await cartage(
            *("cp", self.source, self.target, "--yes"),
            *("--concurrency", str(CONCURRENCY), "--ledger", str(self.ledger)),
            environment=inherited | credentials(self.sandbox) | environment,
            within_s=COMMAND_S,
        )
        assert code in (0, -signal.SIGKILL), f"{moment}: {code}\n{said[-3000:]}"
        self.ends.append(code)
        return code

    def held(self) -> Contents:
        """What lies in the target now, but for what Cartage has not finished."""
        if self.target.startswith("s3://"):
            return in_bucket(self.sandbox, self.bucket, self.target.removeprefix(f"s3://{self.bucket}/"))
        return in_folder(Path(self.target))

    def unfinished(self, place: str) -> list[str]:
        """What is ours alone in a folder or a bucket: files that are being written, and what a server is tried with."""
        if place.startswith("s3://"):
            found = self.sandbox.control("dump", {"bucket": self.bucket, "prefix": "", "contents": False})["objects"]
            return [key for key, *_ in found if MARK in key]
        return [str(path) for path in Path(place).rglob(f"{MARK}*")]

    def claims(self) -> None:
        """No wrong byte under a final name, and no row `copied` without its bytes."""
        held = self.held()
        wrong = {key for key, content in held.items() if content != self.wanted.get(key)}
        assert wrong == set(), f"other bytes than the source's: {sorted(wrong)}"
        if not self.ledger.exists():
            return
        invariants.ledger_is_whole(self.ledger)
        with snapshot(self.ledger) as connection:
            copied = [key for (key,) in connection.execute("SELECT key FROM objects WHERE state = 'copied'")]
        assert sorted(set(copied) - set(held)) == [], "copied, and not there"

    def ended(self) -> None:
        """All of it is there, and nothing else."""
        self.claims()
        assert self.held() == self.wanted
        with snapshot(self.ledger) as connection:
            states = dict(connection.execute("SELECT state, count(*) FROM objects GROUP BY state"))
        assert states == {"copied": len(self.wanted)}
        left = [name for place in (self.source, self.target) for name in self.unfinished(place)]
        assert left == [], f"what was never finished, or only tried, is left: {left}"
        assert self.sandbox.control("uploads", {"bucket": self.bucket})["uploads"] == []

    def sent_again(self) -> int:
        """How many bodies were asked for or sent more than once, beside those that a server is tried out with."""
        counted = Counter(line for line in self.bodies.read_text().splitlines() if MARK not in line)
        return sum(count - 1 for count in counted.values())

    async def through(self, seed: int, usual: dict[str, int], kills: int) -> int:
        """Kill it `kills` times at most, then let it end. Gives how often it was killed."""
        drawn = random.Random(seed)
        killed = 0
        while killed < kills:
            kind = drawn.choice([*(kind for kind in KINDS if usual.get(kind)), "time", "time"])
            most = usual["milliseconds" if kind == "time" else kind]
            moment = Moment(kind, drawn.randint(1, most), signal.SIGKILL)
            if await self.run(moment) == 0:
                break
            killed += 1
            self.claims()
            allowed = CONCURRENCY * killed
            assert self.sent_again() <= allowed, f"{self.sent_again()} bodies sent again after {killed} kills"
        else:
            assert await self.run() == 0
        self.ended()
        return killed


def filled(sandbox: Sandbox, bucket: str) -> Contents:
    """Small and large objects under `project/`, and what each holds."""
    sandbox.control("fill", {"bucket": bucket, "prefix": "project/cards/", "count": SMALL, "size": SMALL_BYTES})
    for number in range(LARGE):
        sandbox.control("put", {"bucket": bucket, "key": f"project/models/{number}", "size": LARGE_BYTES})
    return in_bucket(sandbox, bucket, "project/")


def in_bucket(sandbox: Sandbox, bucket: str, prefix: str) -> Contents:
    found = sandbox.control("dump", {"bucket": bucket, "prefix": prefix, "contents": True})["objects"]
    return {key.removeprefix(prefix): content for key, _, _, content in found if MARK not in key}


def in_folder(folder: Path) -> Contents:
    files = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(MARK))
    return {path.relative_to(folder).as_posix(): _md5_of(path) for path in files}


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


async def usual(passage: Passage) -> dict[str, int]:
    """How many moments of each kind there are when nobody disturbs it, and how long it takes."""
    began = asyncio.get_running_loop().time()
    assert await passage.run() == 0
    passage.ended()
    assert passage.sent_again() == 0
    took = int(1000 * (asyncio.get_running_loop().time() - began))
    found: dict[str, int] = json.loads(passage.counts.read_text())
    return found | {"milliseconds": took}
