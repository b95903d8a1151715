"""The commands of the real-server tests: `cartage` as a user calls it, and the two tools that judge what it did."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sysconfig
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.servers import SCRIPTS, Endpoint, real_dir

CARTAGE = Path(sysconfig.get_path("scripts")) / "cartage"
COMMAND_S = 300.0
"""How long any one command may take before the test says that it hangs."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command came to. `summary` is the last line of `--json`, `events` the lines before it."""

    code: int
    summary: dict[str, Any]
    events: list[dict[str, Any]]
    errors: str


@dataclass(frozen=True, slots=True)
class Cartage:
    """`cartage` on one plan file and ledger, against one endpoint."""

    endpoint: Endpoint
    plan: Path
    ledger: Path

    def command(self, verb: str, *flags: str) -> list[str]:
        known = ["--json", "--ledger", str(self.ledger), "--endpoint-url", self.endpoint.url]
        return [str(CARTAGE), verb, str(self.plan), *known, *flags]

    def call(self, verb: str, *flags: str, code: int = 0) -> Finished:
        """Run one verb to its end; it must end with `code`."""
        ended = self.end(verb, *flags)
        assert ended.code == code, f"{verb} ended with {ended.code}\n{ended.summary}\n{ended.errors}"
        return ended

    def end(self, verb: str, *flags: str) -> Finished:
        """Run one verb to its end, whatever that is."""
        return self._run(self.command(verb, *flags))

    def bare(self, verb: str, *words: str, **environment: str) -> Finished:
        """Run a verb that takes no plan, with `environment` laid over the endpoint's."""
        command = [str(CARTAGE), verb, *words, "--json", "--endpoint-url", self.endpoint.url]
        return self._run(command, environment)

    def _run(self, command: list[str], environment: dict[str, str] | None = None) -> Finished:
        done = subprocess.run(
            command,
            env=self.endpoint.clean_env() | (environment or {}),
            cwd=self.plan.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        return finished(done.returncode, done.stdout, done.stderr)

    def interrupt(self, number: signal.Signals, beyond: int, *flags: str) -> int:
        """Start `run` and send it a signal once it has copied more than so many objects; how it ended."""
        output = self.plan.parent / f"interrupted-{number.name}.txt"
        with output.open("wb") as file:
            run = subprocess.Popen(
                self.command("run", "--yes", *flags),
                env=self.endpoint.clean_env(),
                cwd=self.plan.parent,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            try:
                deadline = time.monotonic() + COMMAND_S
                while self._copied() <= beyond:
                    assert run.poll() is None, f"the run ended by itself: {output.read_text()[-4000:]}"
                    assert time.monotonic() < deadline, f"the run does not get on: {output.read_text()[-4000:]}"
                    time.sleep(0.01)
                run.send_signal(number)
                return run.wait(timeout=COMMAND_S)
            finally:
                run.kill()
                run.wait(timeout=10)

    def _copied(self) -> int:
        """What the ledger of a run that is going on holds as copied. By SQLite itself: while a command is begun to ask
        for it, the run may end."""
        if not self.ledger.exists():
            return 0
        with closing(sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM objects WHERE state = 'copied'").fetchone()[0])


def finished(code: int, output: str, errors: str) -> Finished:
    """Read NDJSON whose last line is the summary."""
    lines = [json.loads(line) for line in output.splitlines()]
    assert lines and lines[-1]["event"] == "summary", f"no summary:\n{output[-2000:]}\n{errors[-2000:]}"
    assert lines[-1]["exit_code"] == code
    return Finished(code, lines[-1], lines[:-1], errors)


def install(script: str) -> str:
    """Run one of the install scripts (at once where there is nothing to do) and give what it prints."""
    done = subprocess.run(
        [SCRIPTS / script],
        env={**os.environ, "CARTAGE_REAL_DIR": str(real_dir())},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout.strip()


def rclone(endpoint: Endpoint, *arguments: str) -> subprocess.CompletedProcess[str]:
    """rclone with a remote called `s3:` that is the endpoint."""
    remote = {
        "RCLONE_CONFIG_S3_TYPE": "s3",
        "RCLONE_CONFIG_S3_PROVIDER": "Ceph" if endpoint.name == "rgw" else "Other",
        "RCLONE_CONFIG_S3_ENV_AUTH": "true",
        "RCLONE_CONFIG_S3_ENDPOINT": endpoint.url,
        "RCLONE_CONFIG_S3_REGION": endpoint.region,
    }
    return _judge("rclone", [*arguments, "--config", ""], endpoint.clean_env() | remote)


def aws(endpoint: Endpoint, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The AWS command line."""
    return _judge("aws", ["--endpoint-url", endpoint.url, *arguments], endpoint.clean_env())


def _judge(name: str, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    install("install-judges.sh")
    done = subprocess.run(
        [real_dir() / "judges-venv" / "bin" / name, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    assert done.returncode == 0, f"{name} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def listing(endpoint: Endpoint, bucket: str, prefix: str) -> dict[str, tuple[int, str]]:
    """Size and ETag by key below the prefix, as boto3 lists them."""
    pages = endpoint.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {
        item["Key"].removeprefix(prefix): (item["Size"], item["ETag"].strip('"'))
        for page in pages
        for item in page.get("Contents", [])
    }


_REQUEST = re.compile(r'"PUT /(?P<path>[^ ?"]*)(?P<query>\?[^ "]*)? HTTP/1\.1" 200 ')


def successful_puts(endpoint: Endpoint, bucket: str, prefix: str) -> Counter[str]:
    """How often each key (or part of it) below the prefix was written, by the gateway's own access log."""
    assert endpoint.folder is not None
    return _count_puts((endpoint.folder / "log" / "client.rgw.log").read_text().splitlines(), f"{bucket}/{prefix}")


def _count_puts(lines: Iterable[str], under: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines:
        found = _REQUEST.search(line)
        if found and (path := unquote(found["path"])).startswith(under):
            part = re.search(r"partNumber=(\d+)", found["query"] or "")
            counts[f"{path} part {part[1]}" if part else path] += 1
    return counts
