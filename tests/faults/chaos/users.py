"""Other users of the two buckets: they write, replace, re-tag and delete on both sides, as their seed has it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from urllib.parse import quote

from engine.sandbox.launch import Sandbox, SandboxError

SOURCE, TARGET = "chaos-old", "chaos-new"
PREFIX_OF = {SOURCE: "data/", TARGET: "set/"}
TAGGING = "<Tagging><TagSet><Tag><Key>owner</Key><Value>{}</Value></Tag></TagSet></Tagging>"

ACTS = (
    ("delete", TARGET, 6),
    ("replace", TARGET, 3),
    ("retype", TARGET, 2),
    ("retag", TARGET, 2),
    ("replace", SOURCE, 3),
    ("retype", SOURCE, 2),
    ("retag", SOURCE, 2),
    ("delete", SOURCE, 1),
    ("add", SOURCE, 1),
    ("add", TARGET, 1),
)
"""What they do, where, and how often compared with the rest."""


class Users:
    """Everyone but the machines. `keys` are those that the trees share, without their prefixes."""

    def __init__(self, sandbox: Sandbox, keys: list[str], seed: int) -> None:
        self._sandbox = sandbox
        self._keys = keys
        self._draw = random.Random(f"users {seed}")
        self.acts: Counter[str] = Counter()

    async def work(self, acts_rps: float) -> None:
        """Act until cancelled, at random moments, so often a second."""
        while True:
            await self.act()
            await asyncio.sleep(self._draw.expovariate(acts_rps))

    async def act(self) -> None:
        """The next thing that they do. What is not there any more cannot be changed, and nothing comes of it."""
        what, bucket, _ = self._draw.choices(ACTS, [weight for _, _, weight in ACTS])[0]
        number = self._draw.randrange(1 << 30)
        key = f"added {number}" if what == "add" else self._draw.choice(self._keys)
        try:
            await asyncio.to_thread(self._sandbox.control, *asked(what, bucket, PREFIX_OF[bucket] + key, number))
        except SandboxError as error:
            if "NoSuchKey" not in str(error):
                raise
        self.acts[f"{what} {bucket}"] += 1

    def tidy(self) -> None:
        """Let nothing be in a run's way: a target with other bytes than its source goes, a source that is missing comes
        back from its target."""
        sources, targets = (self._held(bucket) for bucket in (SOURCE, TARGET))
        for key, content in targets.items():
            place = {"bucket": TARGET, "key": PREFIX_OF[TARGET] + key}
            if key not in sources:
                headers = {"x-amz-copy-source": quote(f"{TARGET}/{PREFIX_OF[TARGET]}{key}")}
                place = {"bucket": SOURCE, "key": PREFIX_OF[SOURCE] + key}
                self._sandbox.control("ask", place | {"method": "PUT", "headers": headers})
            elif content != sources[key]:
                self._sandbox.control("delete", place)

    def _held(self, bucket: str) -> dict[str, str]:
        prefix = PREFIX_OF[bucket]
        found = self._sandbox.control("dump", {"bucket": bucket, "prefix": prefix, "contents": True})["objects"]
        return {key[len(prefix) :]: content for key, _, size, content in found if size <= 5 << 30}


def asked(what: str, bucket: str, key: str, number: int) -> tuple[str, dict[str, Any]]:
    """An act as what the sandbox's control is asked for."""
    place = {"bucket": bucket, "key": key}
    if what in ("replace", "add"):
        return "put", place | {"text": f"users' own {number}"}
    if what == "delete":
        return "delete", place
    if what == "retag":
        return "ask", place | {"method": "PUT", "query": {"tagging": ""}, "text": TAGGING.format(number)}
    headers = {
        "x-amz-copy-source": quote(f"{bucket}/{key}"),
        "x-amz-metadata-directive": "REPLACE",
        "x-amz-meta-owner": str(number),
        "content-type": "image/jpeg",
    }
    return "ask", place | {"method": "PUT", "headers": headers}
