"""`eval "$(cartage sandbox --env)"`: the shell's commands find the sandbox, and it ends with the shell."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

SESSION = """
cartage() { "$PYTHON" -m engine.cli.main "$@"; }
eval "$(cartage sandbox --env --scale 0.001)"
cartage ls s3://pokemon-card-training-us-east-2/
echo "pid $CARTAGE_SANDBOX_PID" && echo "profile ${AWS_PROFILE-none}"
"""


def shell(session: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", session],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHON": sys.executable, "AWS_PROFILE": "of-the-user"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_shell_finds_it_by_one_line_and_it_ends_with_the_shell(tmp_path: Path) -> None:
    done = shell(SESSION, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PRE  data/" in done.stdout and "profile none" in done.stdout
    sandbox = int(done.stdout.partition("pid ")[2].split()[0])
    deadline = time.monotonic() + 60
    while Path(f"/proc/{sandbox}").exists():
        assert time.monotonic() < deadline, "it was left behind"
        time.sleep(0.05)


@pytest.mark.parametrize("kept", ["", "export no_proxy=of.the.user; "])
def test_a_proxy_that_the_shell_names_is_not_asked_for_it(kept: str, tmp_path: Path) -> None:
    proxy = "export HTTP_PROXY=http://127.0.0.1:9 http_proxy=http://127.0.0.1:9; "
    done = shell(f'{proxy}{kept}{SESSION}echo "$no_proxy $NO_PROXY"', tmp_path)
    assert done.returncode == 0, done.stderr
    assert "PRE  data/" in done.stdout
    both = "of.the.user,127.0.0.1" if kept else "127.0.0.1"
    assert done.stdout.rstrip().endswith(f"{both} {both}")


@pytest.mark.parametrize(
    "inside", ["sandbox --env --empty", "sandbox --env --empty 2>/dev/null", "sandbox --env --empty; true"]
)
def test_it_ends_with_the_shell_and_not_with_its_copy_that_runs_the_line(inside: str, tmp_path: Path) -> None:
    line = f'eval "$("$PYTHON" -m engine.cli.main {inside})"; echo "shell $$"'
    line += '; tr "\\0" " " </proc/$CARTAGE_SANDBOX_PID/cmdline'
    done = shell(line, tmp_path)
    assert done.returncode == 0, done.stderr
    own = done.stdout.partition("shell ")[2].split()[0]
    assert done.stdout.rstrip().endswith(f"--until-ends {own}")


def test_what_lies_in_the_users_folder_is_not_taken_for_the_engine(tmp_path: Path) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('the user has one of that name')")
    lines = f'cd "{tmp_path}"; export PYTHONPATH="{REPOSITORY}"; cartage() {{ "$PYTHON" -P -m engine.cli.main "$@"; }}'
    done = shell(
        f'{lines}; eval "$(cartage sandbox --env --empty)"; echo "pid ${{CARTAGE_SANDBOX_PID-none}}"', tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.partition("pid ")[2].strip().isdigit(), done.stderr


def test_what_keeps_it_from_starting_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = shell(f'"$PYTHON" -m engine.cli.main sandbox --env --port {taken.getsockname()[1]}', tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "The sandbox did not start" in done.stderr
