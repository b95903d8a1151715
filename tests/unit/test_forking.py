"""What is forked off is to those who begin it what a started process is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import forking

CARTAGE = [sys.executable, "-m", "engine.cli.main"]
SANDBOX = [sys.executable, "-m", "engine.sandbox"]
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is started")


@pytest.mark.parametrize(
    "words",
    [["--help"], ["nonsense"], ["status", "nowhere.ledger"], ["plan", "\udcff.toml"]],
    ids=lambda words: words[0],
)
def test_it_says_and_ends_as_a_started_process(words: list[str], tmp_path: Path) -> None:
    how: dict[str, Any] = {"cwd": tmp_path, "stdin": subprocess.DEVNULL, "capture_output": True}
    started = subprocess.run([*CARTAGE, *words], check=False, **how)
    forked = forking.run([*CARTAGE, *words], **how)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)


@ONLY_LINUX
def test_it_is_a_child_in_a_session_and_an_environment_of_its_own() -> None:
    with forking.Popen(
        SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "AWS_REGION": ""},
        start_new_session=True,
    ) as process:  # fmt: skip
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert f"PPid:\t{os.getpid()}\n" in status
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        assert process.poll() is None
        process.kill()
    assert process.returncode == -signal.SIGKILL


def test_it_has_the_ends_that_it_was_given_and_no_others() -> None:
    with forking.Popen(SANDBOX, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        beside = forking.run([*CARTAGE, "--help"], stdout=subprocess.DEVNULL)
        assert beside.returncode == 0
        assert process.stdin is not None
        process.stdin.close()  # the end of a file that nobody else holds open
        process.stdin = None
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (1, b"") and b"JSONDecodeError" in err


@pytest.mark.parametrize("ended", [signal.SIGINT, signal.SIGTERM])
def test_signals_do_what_they_do_to_a_started_process(ended: signal.Signals) -> None:
    with forking.Popen(SANDBOX, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.send_signal(ended)
        process.wait(timeout=30)
    assert process.returncode == -ended


@pytest.mark.parametrize(
    "how", [{"env": {"LC_ALL": "C"}}, {"preexec_fn": lambda: None}], ids=["another locale", "something to do before"]
)
def test_what_needs_a_start_is_started(how: dict[str, Any]) -> None:
    done = forking.run([*CARTAGE, "--help"], capture_output=True, **how)
    assert done.returncode == 0 and b"Usage" in done.stdout
