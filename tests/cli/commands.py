"""`cartage` as a user calls it: in this process for speed, in one of its own where signals and pipes are the matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main as cli_main
from tests import forking
from tests.servers import Endpoint

SECRET = "SECRETkeyThatMustNeverBeShown0123456789x"
TOKEN = "TOKENthatMustNeverBeShown/0123456789=="
MODULE = [sys.executable, "-m", "engine.cli.main"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and all that it said."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Stdout as NDJSON."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of NDJSON, which is one."""
        assert self.lines, self.err
        assert self.lines[-1]["event"] == "summary"
        assert self.lines[-1]["exit_code"] == self.code
        assert [line["event"] for line in self.lines].count("summary") == 1
        return self.lines[-1]


def assert_said_well(ended: Ended, command: str) -> None:
    """What every refusal owes: a sentence, what to do, no traceback, no secret."""
    whole = ended.out + ended.err
    assert ended.err.startswith(f"cartage {command}: "), ended.err
    assert "\n  " in ended.err, f"it does not say what to do: {ended.err}"
    assert_no_traceback(ended)
    assert SECRET not in whole and TOKEN not in whole
    assert "\x1b" not in whole


def assert_no_traceback(ended: Ended) -> None:
    for trace in ("Traceback", "ExceptionGroup", 'File "', "a mistake in Cartage"):
        assert trace not in ended.out + ended.err, ended.err


class Terminal:
    """A folder, an AWS environment, and `cartage` called in them."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._patch = patch
        self._capture = capture
        self._assumes = False
        for name in list(os.environ):
            if name.startswith(("AWS_", "CARTAGE_")) or name.upper().endswith("_PROXY"):
                patch.delenv(name)
        self.set(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")
        patch.chdir(folder)

    def set(self, **environment: str) -> None:
        for name, value in environment.items():
            self._patch.setenv(name, value)

    def at(self, url: str, *, token: str = TOKEN) -> None:
        """Credentials, and a canned endpoint: one that does not honour what a run tries out, but is not asked to."""
        self._assumes = True
        self.set(
            AWS_ENDPOINT_URL_S3=url,
            AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
            AWS_SECRET_ACCESS_KEY=SECRET,
            AWS_SESSION_TOKEN=token,
            AWS_REGION="us-east-1",
        )

    def on(self, endpoint: Endpoint) -> None:
        self._assumes = False
        self.set(**endpoint.env())

    def call(self, *arguments: str | Path) -> Ended:
        """Run a command here."""
        self._capture.readouterr()
        self._patch.setattr(sys, "argv", ["cartage", *self._line(arguments)])
        with pytest.raises(SystemExit) as ended:
            cli_main.main()
        out, err = self._capture.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    def _line(self, arguments: tuple[str | Path, ...]) -> list[str]:
        assume = ["--assume", "aws"] if self._assumes and arguments[0] in ("run", "cp") else []
        return [*map(str, arguments), *assume]

    @contextmanager
    def start(self, *arguments: str | Path, **more: Any) -> Iterator[subprocess.Popen[str]]:
        """Run a command in a process of its own (tests/forking.py), which is gone at the end."""
        process = forking.Popen(
            [*MODULE, *self._line(arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def write_plan(folder: Path, bucket: str = "bucket", name: str = "moving", source: str = "/old/") -> Path:
    plan = folder / f"{name}.toml"
    plan.write_text(
        f'name = "{name}"\nbucket = "{bucket}"\nprefix = "new/"\n\n'
        f'[[routes]]\nname = "raw"\nfrom = "{source}"\nto = "raw/"\n'
    )
    return plan
